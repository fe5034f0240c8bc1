// The columns that a data block makes of those of a table: of files, or of what a formula has drawn.
//
// The block is elaborated up to twice: once for the training rows, where `mean[rows] e` is a mean over the batch axis
// (@RUN.statistics), and once for a chunk of rows, where it is an input of that name (@RUN.columns).
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"
#include "frontend/lexer.h"

namespace gradc::frontend {

namespace {

// A chunk of a value is 64 KB: the interpreter stays in the second cache, in memory that it has touched before.
constexpr int64_t kChunkElements = 1 << 14;
constexpr int64_t kChunkRows = 4096;
constexpr int64_t kMaxLimit = 1 << 24;  // whole numbers that float32 tells apart

template <class Visit>
void walk(const Expr* expr, const Visit& visit) {
  visit(expr);
  for (const Expr* operand : expr->operands) walk(operand, visit);
  for (const Argument& argument : expr->arguments) walk(argument.value, visit);
  for (const Index& index : expr->indices) {
    if (index.limit) walk(index.limit, visit);
  }
}

template <class Visit>
void walk_block(const Block& block, const Visit& visit) {
  for (const Statement* item : block.statements) {
    if (item->value && item->kind != StatementKind::sample) walk(item->value, visit);
  }
}

}  // namespace

void Elaborator::elaborate_table(const Definition& data) {
  const ir::Table& table = *table_;
  if (reduces_rows(*data.body)) {
    statistics_target_ = &make_target(Target::Kind::data, program_.data.parts.front().rows);
    const size_t errors = diagnostics_.error_count();
    elaborate_columns(data, *statistics_target_, true);
    if (diagnostics_.error_count() != errors) return;
  }
  int64_t widest = 1;
  for (const ir::TableColumn& column : table.columns) widest = std::max(widest, column.type.elements());
  widest = std::max(widest, static_cast<int64_t>(table.columns.size()));
  program_.data.chunk = std::clamp(kChunkElements / widest, int64_t{1}, std::min(kChunkRows, table.rows));
  columns_target_ = &make_target(Target::Kind::data, program_.data.chunk);
  elaborate_columns(data, *columns_target_, false);
}

// Makes the columns of the table that the block names arguments of the function.
bool Elaborator::bind_table_columns(const Definition& data, Target& target, Scope& scope) {
  const ir::Table& table = *table_;
  const size_t errors = diagnostics_.error_count();
  std::set<std::string> own;  // lets of the block
  for (const Statement* item : data.body->statements) {
    if (item->kind == StatementKind::rebind || item->kind == StatementKind::sample) continue;
    for (const Name& name : item->names) own.insert(name.text);
    for (const Index& index : item->indices) own.insert(index.name.text);
  }
  walk_block(*data.body, [&](const Expr* expr) {
    for (const Index& index : expr->indices) own.insert(index.name.text);
  });
  const auto bind = [&](const ir::TableColumn& column, ir::SourceLocation location) {
    if (scope.names.count(column.name) > 0) return;
    if (!column.problem.empty()) {
      error(location, column.problem);
      scope.names[column.name] = {Broken{}, location, "column", true};
      return;
    }
    ir::Shape shape = column.type.shape;
    Tensor tensor{&target, {}, {kBatchAxis}};
    for (size_t k = 0; k < shape.size(); ++k) tensor.axes.push_back(static_cast<int>(k));
    shape.insert(shape.begin(), target.batch());
    tensor.id = target.argument(column.name, {ir::DType::f32, shape}, ir::Role::data, location);
    scope.names[column.name] = {tensor, location, "column of " + table.name, true};
  };
  walk_block(*data.body, [&](const Expr* expr) {
    if (expr->kind == ExprKind::list) {
      for (const Expr* element : expr->operands) {
        if (element->kind != ExprKind::range) continue;
        if (const auto columns = column_range(element)) {
          for (const ir::TableColumn* column : *columns) bind(*column, element->operands[0]->location);
        }
      }
    }
    if (expr->kind != ExprKind::name || own.count(expr->text) > 0) return;
    const auto found = std::find_if(table.columns.begin(), table.columns.end(),
                                    [&](const ir::TableColumn& column) { return column.name == expr->text; });
    if (found != table.columns.end()) return bind(*found, expr->location);
    // Constants and functions of the spec, and built-in names, are what they are elsewhere.
    Name name{expr->text, expr->location};
    if (is_reduction(name.text) || spec_.find(context_.scope->file, NameSpace::value, name.text)) return;
    const std::vector<std::string> known = visible_names();
    if (std::find(known.begin(), known.end(), name.text) != known.end() || scope.names.count(name.text) > 0) return;
    auto& message = error(name.location, fmt::format("{} has no column `{}`", table.name, name.text));
    std::vector<std::string> names;
    for (const ir::TableColumn& column : table.columns) names.push_back(column.name);
    suggest(message, name.text, names);
    scope.names[name.text] = {Broken{}, name.location, "column", true};
  });
  return diagnostics_.error_count() == errors;
}

// The columns from a to b of [a .. b], in the order of the file.
std::optional<std::vector<const ir::TableColumn*>> Elaborator::column_range(const Expr* range) {
  const ir::Table& table = *table_;
  size_t ends[2] = {};
  for (size_t k = 0; k < 2; ++k) {
    const Expr* end = range->operands[k];
    const auto found = std::find_if(table.columns.begin(), table.columns.end(), [&](const ir::TableColumn& column) {
      return end->kind == ExprKind::name && column.name == end->text;
    });
    if (found == table.columns.end()) {
      if (end->kind != ExprKind::name) {
        error(end->span, "a range in a list goes from one column of the file to another")
            .help("write `[first .. last]`");
      }
      return std::nullopt;  // an unknown name is reported where names are bound
    }
    ends[k] = static_cast<size_t>(found - table.columns.begin());
  }
  if (ends[0] > ends[1]) {
    error(range->span, fmt::format("column `{}` stands behind column `{}` in {}", range->operands[0]->text,
                                   range->operands[1]->text, table.name));
    return std::nullopt;
  }
  std::vector<const ir::TableColumn*> columns;
  for (size_t k = ends[0]; k <= ends[1]; ++k) columns.push_back(&table.columns[k]);
  return columns;
}

// Whether the data may have a column of that name.
bool Elaborator::check_new_column(const Name& name) {
  const auto before = columns_.find(name.text);
  if (before == columns_.end()) return check_run_name(name, "a column");
  error(name.location, fmt::format("column `{}` is defined twice", name.text))
      .label(before->second.second, "first here")
      .label(name.location, "again here");
  return false;
}

// The numbers of a column, one for each row of the function.
std::optional<Tensor> Elaborator::column_value(const Value& value, const Expr* expr, ir::SourceLocation location) {
  Target& target = *context_.target;
  std::optional<Tensor> tensor = is_broken(value) ? std::nullopt : to_tensor(value, expr);
  if (tensor && target.type(*tensor).dtype == ir::DType::boolean) {
    error(expr->span, "a column holds numbers, not truth values")
        .help("`if c then 1 else 0` makes numbers of truth values");
    return std::nullopt;
  }
  if (!tensor || tensor->batched()) return tensor;
  std::vector<int> axes = tensor->axes;
  ir::Shape sizes = sample_shape(*tensor);
  axes.insert(axes.begin(), kBatchAxis);
  sizes.insert(sizes.begin(), target.batch());
  return spread(*tensor, axes, sizes, location);
}

// The block over the rows of one target.
void Elaborator::elaborate_columns(const Definition& data, Target& target, bool statistics) {
  const size_t errors = diagnostics_.error_count();
  Scope table_scope;
  table_scope.file = data.location.file;
  in_statistics_ = statistics;
  in_columns_ = !statistics;
  statistic_count_ = 0;
  {
    BodyContext body(context_, data.location.file, Frame::Kind::data, &target);
    body.scope.parent = &table_scope;
    const bool bound = bind_table_columns(data, target, table_scope);
    for (const Statement* item : data.body->statements) {
      if (!bound || !spend(item->location)) break;
      if (item->kind == StatementKind::let || item->kind == StatementKind::constant) {
        statement(*item);
        continue;
      }
      if (item->kind == StatementKind::sample && data_target_) continue;  // a column of the table
      if (item->kind != StatementKind::rebind) {
        error(item->location, "this statement does not stand in a data block over a file")
            .help("it holds `let` definitions and columns `x = ...`");
        continue;
      }
      const Name& name = item->names[0];
      // The range of an index is checked when the rows are made, where the row can be named.
      const bool index = item->value->kind == ExprKind::convert;
      int64_t limit = 0;
      if (index) {
        limit = evaluate_integer(item->value->operands[0], "the size of `idx`", 1).value_or(0);
        if (limit > kMaxLimit)
          error(item->value->operands[0]->span, fmt::format("`idx` is at most idx<{}>", kMaxLimit));
        if (limit < 1 || limit > kMaxLimit) continue;
      }
      const Expr* expr = index ? item->value->operands[1] : item->value;
      const std::optional<Tensor> tensor = column_value(evaluate(expr), expr, item->location);
      if (!tensor || statistics || !check_new_column(name)) continue;
      const ir::Shape sample = sample_shape(*tensor);
      ir::Shape all = sample;
      all.insert(all.begin(), program_.data.rows);
      if (!fits(all, name.location, fmt::format("column `{}`", name.text))) continue;
      columns_[name.text] = {{ir::DType::f32, sample}, name.location};
      if (limit > 0) column_limits_[name.text] = limit;
      target.result(name.text, tensor->id);
      program_.data.columns.push_back(
          {name.text, {ir::DType::f32, sample}, {}, limit, 0, name.location, item->value->span});
    }
  }
  in_statistics_ = in_columns_ = false;
  if (!statistics && columns_.empty() && diagnostics_.error_count() == errors) {
    error(data.name.location, fmt::format("data `{}` has no columns", data.name.text)).help("write `x = [...]`");
  }
}

}  // namespace gradc::frontend
