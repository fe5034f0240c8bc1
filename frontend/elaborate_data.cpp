// Data blocks: by formula (@RUN.data draws a fresh batch each step) and by literal rows.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "frontend/elaborator.h"

namespace gradc::frontend {

// let a, b ~ uniform(-1, 1); let c = ...; x = [a, b]
//
// Where rows that are fixed are reduced (`mean[rows] a`), what is drawn becomes a table, of which the columns are made
// as of a file's.
void Elaborator::elaborate_data(const Definition& data) {
  const size_t errors = diagnostics_.error_count();
  const std::optional<int64_t> count = fixed_rows(data);
  if (data.row_count && !count) return;
  data_batch_ = count.value_or(program_.batch);
  if (count && !split_rows(data, *count, 0, 0)) return;
  data_target_ = &make_target(Target::Kind::data, data_batch_);
  program_.data.name = data.name.text;
  program_.data.formula = !count;
  in_draws_ = count && reduces_rows(*data.body);
  auto drawn = std::make_shared<ir::Table>();
  {
    BodyContext body(context_, data.location.file, Frame::Kind::data, data_target_);
    for (const Statement* item : data.body->statements) {
      if (!spend(item->location)) break;
      switch (item->kind) {
        case StatementKind::let:
        case StatementKind::constant:
          statement(*item);
          break;
        case StatementKind::sample:
          draw(*item, data, in_draws_ ? &drawn->columns : nullptr);
          break;
        case StatementKind::rebind:
          if (!in_draws_) formula_column(*item);
          break;
        case StatementKind::expression:
          error(item->location, "a data block holds `let` definitions and columns `x = ...`");
          break;
        default:
          error(item->location, "this statement does not stand in a data block")
              .help("it holds `let` definitions and columns `x = ...`");
          break;
      }
    }
  }
  if (in_draws_) {
    in_draws_ = false;
    if (diagnostics_.error_count() != errors) return;
    drawn->name = fmt::format("data `{}`", data.name.text);
    drawn->rows = *count;
    table_ = drawn;
    return elaborate_table(data);
  }
  if (columns_.empty() && diagnostics_.error_count() == errors) {
    error(data.name.location, fmt::format("data `{}` has no columns", data.name.text)).help("write `x = [...]`");
  }
}

// let z[i < n] ~ uniform(0, 1), for every row; `drawn` takes what becomes a column of a table.
void Elaborator::draw(const Statement& item, const Definition& data, std::vector<ir::TableColumn>* drawn) {
  const size_t errors = diagnostics_.error_count();
  ir::Shape shape = {data_batch_};
  bool good = true;
  for (const Index& index : item.indices) {
    if (index.pack || !index.limit) {
      error(index.name.location, fmt::format("index `{}` gets no range", index.name.text))
          .help(fmt::format("give it a limit: `{} < n`", index.name.text));
      good = false;
      continue;
    }
    const std::optional<int64_t> limit =
        evaluate_integer(index.limit, fmt::format("the limit of `{}`", index.name.text), 1);
    good = good && limit;
    shape.push_back(limit.value_or(1));
  }
  good = good && fits(shape, item.location, "the sample");
  for (const Name& name : item.names) {
    if (!good) {
      define(name, Broken{}, "sample");
      continue;
    }
    draw_name_ = fmt::format("{}.{}", data.name.text, name.text);
    draw_shape_ = shape;
    draw_sample_ = true;
    draws_ = 0;
    Value value = evaluate(item.value);
    const bool any = draws_ > 0;
    draws_ = -1;
    if (!is_broken(value) && !any) {
      error(item.value->span, "the right side of `~` draws nothing")
          .help("write `uniform(a, b)` or `normal(mean, deviation)`; `=` defines a plain value");
      value = Broken{};
    }
    if (drawn != nullptr && is_broken(value) && diagnostics_.error_count() == errors) {
      error(item.value->span, "what is drawn cannot depend on all rows")
          .help("`[rows]` stands in what is computed from the draws");
    } else if (drawn != nullptr && !is_broken(value)) {
      if (const std::optional<Tensor> numbers = column_value(value, item.value, item.location)) {
        context_.target->result(name.text, numbers->id);
        drawn->push_back({name.text, {ir::DType::f32, sample_shape(*numbers)}, {}, {}});
      }
    }
    define(name, std::move(value), "sample");
  }
}

// x = [a, b]
void Elaborator::formula_column(const Statement& item) {
  const Name& name = item.names[0];
  const Value value = evaluate(item.value);
  if (columns_.count(name.text) > 0) {
    check_new_column(name);
    return;
  }
  const std::optional<Tensor> tensor = column_value(value, item.value, item.location);  // indices are kept as numbers
  if (!tensor || !check_new_name(name) || !check_new_column(name)) return;
  const int64_t limit = std::holds_alternative<Tensor>(value) ? std::get<Tensor>(value).limit : 0;
  const ir::Type type{ir::DType::f32, sample_shape(*tensor)};
  columns_[name.text] = {type, name.location};
  if (limit > 0) column_limits_[name.text] = limit;
  column_values_[name.text] = *tensor;
  context_.scope->names[name.text] = {*tensor, name.location, "column", true};
  program_.data.columns.push_back({name.text, type, {}, 0, 0, name.location});
}

// A list of numbers, nested for more axes; every number is known while compiling.
std::optional<std::pair<ir::Shape, std::vector<float>>> Elaborator::literal(const Expr* expr) {
  if (expr->kind != ExprKind::list) {
    const std::optional<Scalar> scalar = evaluate_scalar(expr, "an entry of the data");
    if (!scalar) return std::nullopt;
    const auto entry = static_cast<float>(scalar->value);
    if (std::isinf(entry) && std::isfinite(scalar->value)) {
      error(expr->span, fmt::format("{} is beyond the range of f32, which ends at {}", scalar->value,
                                    std::numeric_limits<float>::max()));
      return std::nullopt;
    }
    return std::make_pair(ir::Shape{}, std::vector<float>{entry});
  }
  if (expr->operands.empty()) {
    error(expr->span, "an empty list has no shape");
    return std::nullopt;
  }
  ir::Shape shape;
  std::vector<float> values;
  for (size_t k = 0; k < expr->operands.size(); ++k) {
    if (!spend(expr->location)) return std::nullopt;
    auto part = literal(expr->operands[k]);
    if (!part) return std::nullopt;
    if (k == 0) {
      shape = part->first;
    } else if (shape != part->first) {
      error(expr->operands[k]->span, "the elements of a list have different shapes")
          .label(expr->operands[0]->span, ir::to_string({ir::DType::f32, shape}))
          .label(expr->operands[k]->span, ir::to_string({ir::DType::f32, part->first}));
      return std::nullopt;
    }
    values.insert(values.end(), part->second.begin(), part->second.end());
  }
  shape.insert(shape.begin(), static_cast<int64_t>(expr->operands.size()));
  if (!fits(shape, expr->span, "the list")) return std::nullopt;
  return std::make_pair(std::move(shape), std::move(values));
}

// data seed = rows { x = [5, 3], target = [8] } { ... }
void Elaborator::elaborate_rows(const Definition& data) {
  const size_t errors = diagnostics_.error_count();
  BodyContext body(context_, data.location.file, Frame::Kind::data, context_.target);
  program_.data.name = data.name.text;
  program_.data.rows = static_cast<int64_t>(data.rows.size());
  std::set<std::string> faulty;  // columns of the first row whose mistake is known
  for (const Block* row : data.rows) {
    std::set<std::string> seen;
    const bool first = row == data.rows.front();
    for (const Statement* item : row->statements) {
      if (item->kind != StatementKind::rebind) {
        error(item->location, "a row holds columns `x = [...]`");
        continue;
      }
      const Name& name = item->names[0];
      if (!seen.insert(name.text).second) {
        error(name.location, fmt::format("the row gives column `{}` twice", name.text));
        continue;
      }
      std::optional<std::pair<ir::Shape, std::vector<float>>> value;
      if (!first || (check_new_name(name) && check_run_name(name, "a column"))) value = literal(item->value);
      if (first && !value) faulty.insert(name.text);
      if (!value || faulty.count(name.text) > 0) continue;
      const ir::Type type{ir::DType::f32, value->first};
      auto column = std::find_if(program_.data.columns.begin(), program_.data.columns.end(),
                                 [&](const Column& c) { return c.name == name.text; });
      if (first) {
        columns_[name.text] = {type, name.location};
        program_.data.columns.push_back({name.text, type, std::move(value->second), 0, 0, name.location});
      } else if (column == program_.data.columns.end()) {
        error(name.location, fmt::format("the first row has no column `{}`", name.text))
            .label(data.rows.front()->location, "the first row")
            .label(name.location);
      } else if (column->type != type) {
        error(item->value->span, fmt::format("column `{}` has another shape than in the first row", name.text))
            .label(columns_.at(name.text).second, ir::to_string(column->type))
            .label(item->value->span, ir::to_string(type));
      } else {
        column->values.insert(column->values.end(), value->second.begin(), value->second.end());
      }
    }
    for (const Column& column : program_.data.columns) {
      if (seen.count(column.name) > 0) continue;
      error(row->location, fmt::format("the row lacks column `{}`", column.name))
          .label(columns_.at(column.name).second, "in the first row")
          .label(row->location);
    }
  }
  if (program_.data.columns.empty() && diagnostics_.error_count() == errors) {
    error(data.name.location, fmt::format("data `{}` has no columns", data.name.text)).help("write `x = [...]`");
    return;
  }
  if (data.row_count) {
    error(data.row_count->span, "`rows N` fixes the rows of formula data; these rows are written out");
    return;
  }
  split_rows(data, program_.data.rows, 0, 0);
}

}  // namespace gradc::frontend
