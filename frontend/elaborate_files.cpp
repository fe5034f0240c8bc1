// Rows that stay: how many there are, how they are split, and the columns that a data block makes of a file's.
//
// A block over a table is elaborated up to twice: once for the training rows, where `mean[rows] e` is a mean over the
// batch axis (@RUN.statistics), and once for a chunk of rows, where it is an input of that name (@RUN.columns).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "frontend/elaborator.h"
#include "frontend/lexer.h"
#include "ir/ensure.h"

namespace gradc::frontend {

namespace {

constexpr int64_t kMaxFixedRows = 1 << 20;
constexpr int64_t kMaxWindow = 1 << 16;
constexpr int64_t kChunkElements = 1 << 22;
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
    if (item->value) walk(item->value, visit);
  }
}

bool reduces_rows(const Expr* expr) {
  return expr->kind == ExprKind::reduction &&
         (expr->text == "std" || (expr->indices.size() == 1 && expr->indices[0].name.text == "rows"));
}

}  // namespace

// `rows 1000` behind formula data.
std::optional<int64_t> Elaborator::fixed_rows(const Definition& data) {
  if (!data.row_count) {
    if (!data.split.empty()) {
      error(data.split.front().part.location, "rows that are drawn afresh each step cannot be split")
          .help("fix them: `rows 1000` before `split`");
    }
    return std::nullopt;
  }
  const std::optional<int64_t> count = evaluate_integer(data.row_count, "`rows`", 1);
  if (!count || *count <= kMaxFixedRows) return count;
  error(data.row_count->span, fmt::format("`rows` is at most {}", kMaxFixedRows));
  return std::nullopt;
}

// The parts of `rows` resident rows, of which the last `test_rows` are the part `test`. Text, where a row is a window
// of so many characters, is cut in contiguous stretches, tables by a fixed shuffle.
bool Elaborator::split_rows(const Definition& data, int64_t rows, int64_t test_rows, int64_t window) {
  DataSource& source = program_.data;
  source.rows = rows;
  const int64_t own = rows - test_rows;
  if (data.split.empty()) {
    source.parts.push_back({"train", 0, own});
  } else {
    static constexpr const char* kParts[] = {"train", "valid", "test"};
    // Of text, characters are split: a window lies in one part.
    const int64_t units = window > 0 ? own + window - 1 : own;
    double shared = 0;
    int64_t begin = 0;
    for (const SplitShare& share : data.split) {
      const std::optional<Scalar> value = evaluate_scalar(share.share, "the share of a part");
      if (!value) return false;
      const std::string& name = share.part.text;
      if (std::find(std::begin(kParts), std::end(kParts), name) == std::end(kParts)) {
        error(share.part.location, fmt::format("a part is `train`, `valid` or `test`, not `{}`", name));
        return false;
      }
      if (source.part(name) || (name == "test" && test_rows > 0)) {
        error(share.part.location, fmt::format("the part `{}` is named twice", name));
        return false;
      }
      if (!(value->value > 0) || value->value > 1) {
        error(share.share->span,
              fmt::format("the share of a part lies above 0 and is at most 1, found {}", value->value));
        return false;
      }
      shared += value->value;
      if (shared > 1 + 1e-9) {
        error(share.share->span, fmt::format("the parts add up to {}, more than all rows", shared));
        return false;
      }
      const auto end = std::min(units, static_cast<int64_t>(std::floor(shared * static_cast<double>(units) + 1e-6)));
      const int64_t count = window > 0 ? end - begin - window + 1 : end - begin;
      if (count < 1) {
        error(share.part.location, fmt::format("the part `{}` of the {} {} of `{}` is empty", name, units,
                                               window > 0 ? "characters" : "rows", data.name.text));
        return false;
      }
      source.parts.push_back({name, begin, count});
      begin = end;
    }
    const auto train = std::find_if(source.parts.begin(), source.parts.end(),
                                    [](const DataPart& part) { return part.name == "train"; });
    if (train != source.parts.end()) {
      std::rotate(source.parts.begin(), train, train + 1);
    } else {
      error(data.split.front().part.location, fmt::format("the split of `{}` has no part `train`", data.name.text));
      return false;
    }
    if (window == 0) source.shuffled = own;
  }
  if (test_rows > 0) source.parts.push_back({"test", own, test_rows});
  // What is only looked at is read window after window, so that every character but the first is predicted once.
  for (DataPart& part : source.parts) {
    if (window > 1 && part.name != "train") {
      part.step = window - 1;
      part.rows = (part.rows - 1) / part.step + 1;
    }
  }
  return true;
}

// Reads the files that the block names.
bool Elaborator::open_table(const Definition& data) {
  ir::TableRequest request;
  request.kind = data.source.text;
  for (const Name& file : data.files) request.files.push_back(file.text);
  for (const Name& file : data.test_files) request.test_files.push_back(file.text);
  const bool text = request.kind == "chars" || request.kind == "bytes";
  if (text != (data.windows != nullptr)) {
    error(data.source.location, text ? fmt::format("`{}` needs the length of its windows", request.kind)
                                     : fmt::format("`{}` has rows, not windows", request.kind))
        .help(fmt::format(
            "text is cut in windows: `chars(\"f.txt\") windows(T + 1) {{ ids = w[0 .. T]; target = w[1 .. T + "
            "1] }}`"));
    return false;
  }
  if (text) {
    const std::optional<int64_t> window = evaluate_integer(data.windows, "the length of the windows", 1);
    if (!window) return false;
    if (*window > kMaxWindow) {
      error(data.windows->span, fmt::format("the length of the windows is at most {}", kMaxWindow));
      return false;
    }
    request.window = *window;
  }
  for (const std::vector<Name>* files : {&data.files, &data.test_files}) {
    const size_t wanted = request.kind == "idx" ? 2 : 1;
    if (files->empty() || files->size() == wanted || request.kind == "npy") continue;
    error((*files)[0].location, fmt::format("`{}` takes {}, found {}", request.kind,
                                            wanted == 1 ? "one file" : "two files, images and labels", files->size()));
    return false;
  }
  if (!overrides_.read_table) {
    error(data.source.location, "data from files cannot be read here");
    return false;
  }
  ir::Result<std::shared_ptr<const ir::Table>> table = overrides_.read_table(request);
  if (!table) {
    auto& message = error(data.files[0].location, table.error());
    // What stands above the block may say where the file is published.
    const ir::SourceFile& file = spec_.sources.file(data.location.file);
    std::string_view lead = std::string_view(file.text).substr(data.begin, data.end - data.begin);
    while (lead.starts_with("#")) {
      const size_t end = std::min(lead.find('\n'), lead.size());
      const size_t words = std::min(lead.find_first_not_of("# "), end);
      message.help(std::string(lead.substr(words, end - words)));
      lead.remove_prefix(std::min(end + 1, lead.size()));
    }
    return false;
  }
  program_.data.table = *table;
  return true;
}

void Elaborator::elaborate_files(const Definition& data) {
  program_.data.name = data.name.text;
  if (data.row_count) {
    error(data.row_count->span, "`rows N` fixes the rows of formula data; a file has its own");
    return;
  }
  if (!open_table(data)) return;
  const ir::Table& table = *program_.data.table;
  if (table.rows - table.test_rows < 1) {
    error(data.files[0].location, fmt::format("{} has no rows", table.name));
    return;
  }
  if (!split_rows(data, table.rows, table.test_rows, table.window)) return;
  if (table.window > 0) return window_columns(data);

  bool statistics = false;
  walk_block(*data.body, [&](const Expr* expr) { statistics |= reduces_rows(expr); });
  if (statistics) {
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
  const ir::Table& table = *program_.data.table;
  const size_t errors = diagnostics_.error_count();
  std::set<std::string> own;  // lets of the block
  for (const Statement* item : data.body->statements) {
    if (item->kind == StatementKind::rebind) continue;
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
  const ir::Table& table = *program_.data.table;
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

// The block over the rows of one target.
void Elaborator::elaborate_columns(const Definition& data, Target& target, bool statistics) {
  const size_t errors = diagnostics_.error_count();
  const Context saved = context_;
  Scope table_scope, scope;
  table_scope.file = scope.file = data.location.file;
  scope.parent = &table_scope;
  Frame frame;
  frame.kind = Frame::Kind::data;
  context_ = {};
  context_.target = &target;
  context_.scope = &scope;
  context_.frame = &frame;
  in_statistics_ = statistics;
  in_columns_ = !statistics;
  statistic_count_ = 0;
  const bool bound = bind_table_columns(data, target, table_scope);
  for (const Statement* item : data.body->statements) {
    if (!bound || !spend(item->location)) break;
    if (item->kind == StatementKind::let || item->kind == StatementKind::constant) {
      statement(*item);
      continue;
    }
    if (item->kind != StatementKind::rebind) {
      error(item->location, "this statement does not stand in a data block over a file")
          .help("it holds `let` definitions and columns `x = ...`");
      continue;
    }
    const Name& name = item->names[0];
    // The range of an index is checked when the file is read, where the row can be named.
    const bool index = item->value->kind == ExprKind::convert;
    int64_t limit = 0;
    if (index) {
      limit = evaluate_integer(item->value->operands[0], "the size of `idx`", 1).value_or(0);
      if (limit > kMaxLimit) error(item->value->operands[0]->span, fmt::format("`idx` is at most idx<{}>", kMaxLimit));
      if (limit < 1 || limit > kMaxLimit) continue;
    }
    const Expr* expr = index ? item->value->operands[1] : item->value;
    const Value value = evaluate(expr);
    std::optional<Tensor> tensor = is_broken(value) ? std::nullopt : to_tensor(value, expr);
    if (!tensor) continue;
    if (target.type(*tensor).dtype == ir::DType::boolean) {
      error(expr->span, "a column holds numbers, not truth values")
          .help("`if c then 1 else 0` makes numbers of truth values");
      continue;
    }
    const ir::Shape sample = sample_shape(*tensor);
    if (!tensor->batched()) {
      std::vector<int> axes = tensor->axes;
      ir::Shape sizes = sample;
      axes.insert(axes.begin(), kBatchAxis);
      sizes.insert(sizes.begin(), target.batch());
      tensor = spread(*tensor, axes, sizes, item->location);
      if (!tensor) continue;
    }
    if (statistics) continue;
    if (columns_.count(name.text) > 0) {
      error(name.location, fmt::format("column `{}` is defined twice", name.text))
          .label(columns_.at(name.text).second, "first here")
          .label(name.location, "again here");
      continue;
    }
    ir::Shape all = sample;
    all.insert(all.begin(), program_.data.rows);
    if (!check_run_name(name, "a column") || !fits(all, name.location, fmt::format("column `{}`", name.text))) continue;
    columns_[name.text] = {{ir::DType::f32, sample}, name.location};
    if (limit > 0) column_limits_[name.text] = limit;
    target.result(name.text, tensor->id);
    program_.data.columns.push_back(
        {name.text, {ir::DType::f32, sample}, {}, limit, 0, name.location, item->value->span});
  }
  context_ = saved;
  in_statistics_ = in_columns_ = false;
  if (!statistics && columns_.empty() && diagnostics_.error_count() == errors) {
    error(data.name.location, fmt::format("data `{}` has no columns", data.name.text)).help("write `x = [...]`");
  }
}

// ids = w[0 .. T]: a part of the window, which stays in the text.
void Elaborator::window_columns(const Definition& data) {
  const ir::Table& table = *program_.data.table;
  const auto limit = static_cast<int64_t>(table.vocabulary.empty() ? 256 : table.vocabulary.size());
  const size_t errors = diagnostics_.error_count();
  for (const Statement* item : data.body->statements) {
    if (!spend(item->location)) break;
    const Expr* value = item->value;
    const bool part = item->kind == StatementKind::rebind && value->kind == ExprKind::subscript &&
                      value->operands.size() == 2 && value->operands[0]->text == "w";
    if (!part) {
      error(item->location, "a column of windows is a part of the window `w`")
          .help("write `ids = w[0 .. T]; target = w[1 .. T + 1]`");
      continue;
    }
    const Expr* subscript = value->operands[1];
    const bool range = subscript->kind == ExprKind::range;
    const std::optional<int64_t> begin = evaluate_integer(range ? subscript->operands[0] : subscript, "a subscript", 0);
    const std::optional<int64_t> end =
        range ? evaluate_integer(subscript->operands[1], "the end of a range", 0) : begin;
    if (!begin || !end) continue;
    const int64_t stop = range ? *end : *end + 1;
    if (*begin >= stop || stop > table.window) {
      error(subscript->span,
            range ? fmt::format("the range {} .. {} does not lie in a window of {}", *begin, *end, table.window)
                  : fmt::format("subscript {} is outside a window of {}", *begin, table.window))
          .label(data.windows->span, fmt::format("the length of the windows: {}", table.window))
          .label(subscript->span);
      continue;
    }
    const Name& name = item->names[0];
    if (columns_.count(name.text) > 0) {
      error(name.location, fmt::format("column `{}` is defined twice", name.text))
          .label(columns_.at(name.text).second, "first here")
          .label(name.location, "again here");
      continue;
    }
    if (!check_run_name(name, "a column")) continue;
    const ir::Type type{ir::DType::f32, range ? ir::Shape{stop - *begin} : ir::Shape{}};
    columns_[name.text] = {type, name.location};
    column_limits_[name.text] = limit;
    program_.data.columns.push_back({name.text, type, {}, limit, *begin, name.location});
  }
  if (columns_.empty() && diagnostics_.error_count() == errors) {
    error(data.name.location, fmt::format("data `{}` has no columns", data.name.text))
        .help("write `ids = w[0 .. T]; target = w[1 .. T + 1]`");
  }
}

// mean[rows] e, std[rows] e, sum, min, max: in a data block over the training rows, in a metric over those evaluated.
Value Elaborator::rows_reduction(const Expr* expr) {
  const bool rows = expr->indices.size() == 1 && expr->indices[0].name.text == "rows";
  if (!rows) {
    error(expr->location,
          fmt::format("`{}[...]` is taken over the rows of the data: `{}[rows] e`", expr->text, expr->text));
    return Broken{};
  }
  static constexpr const char* kKinds[] = {"mean", "std", "sum", "min", "max"};
  if (std::find(std::begin(kKinds), std::end(kKinds), expr->text) == std::end(kKinds)) {
    error(expr->location, fmt::format("`{}[rows]` is not possible; `mean std sum min max` are", expr->text));
    return Broken{};
  }
  if (in_columns_ || in_statistics_) return rows_statistic(expr);
  if (!metric_) {
    error(expr->location, fmt::format("`{}[rows]` stands in data blocks over files and in metrics", expr->text))
        .help("over the samples of a step: `mean[batch] e`");
    return Broken{};
  }
  if (context_.target != metric_total_) {
    error(expr->location, "a reduction over `rows` inside another");
    return Broken{};
  }
  const Context saved = context_;
  context_ = metric_samples_;
  const Expr* body = expr->operands[0];
  const Value value = evaluate(body);
  std::optional<Tensor> tensor = is_broken(value) ? std::nullopt : to_tensor(value, body);
  if (tensor && (tensor->rank() > 0 || context_.target->type(*tensor).dtype != ir::DType::f32)) {
    error(body->span, fmt::format("a reduction over `rows` takes one number a row, found {}", describe(*tensor)));
    tensor.reset();
  }
  const std::string name = fmt::format("values.{}", metric_->reductions.size());
  if (tensor) {
    Target& samples = *context_.target;
    ir::ValueId id = tensor->id;
    if (!tensor->batched()) id = samples.builder().broadcast_scalar(id, {samples.batch()});
    samples.result(name, id);
  }
  context_ = saved;
  if (!tensor) return Broken{};
  metric_->reductions.push_back(expr->text);
  Tensor result{
      metric_total_, metric_total_->argument(name, {ir::DType::f32, {}}, ir::Role::input, expr->location), {}};
  return result;
}

// In @RUN.statistics computed, in double; in @RUN.columns an input.
Value Elaborator::rows_statistic(const Expr* expr) {
  const std::string name = fmt::format("statistic.{}", statistic_count_++);
  Target& target = *context_.target;
  if (context_.indexed) {
    error(expr->location,
          fmt::format("`{}[rows]` takes whole tensors, not the elements of an index equation", expr->text))
        .help("give it a name with `let` before the equation");
    return Broken{};
  }
  if (in_columns_) {
    const size_t index = statistic_count_ - 1;
    ENSURE(index < program_.data.statistics.size(), "a statistic that was not computed");
    const ir::Type& type = program_.data.statistics[index].type;
    Tensor tensor{&target, target.argument(name, type, ir::Role::input, expr->location), {}};
    for (size_t k = 0; k < type.rank(); ++k) tensor.axes.push_back(static_cast<int>(k));
    return tensor;
  }
  const Value value = evaluate(expr->operands[0]);
  std::optional<Tensor> tensor = is_broken(value) ? std::nullopt : to_tensor(value, expr->operands[0]);
  if (!tensor) return Broken{};
  if (!tensor->batched() || target.type(*tensor).dtype != ir::DType::f32) {
    error(expr->operands[0]->span,
          fmt::format("`{}[rows]` takes numbers that differ from row to row, found {}", expr->text, describe(*tensor)));
    return Broken{};
  }
  ir::Builder& builder = target.builder();
  builder.at(expr->location);
  const ir::ValueId x = builder.cast(tensor->id, ir::DType::f64);
  const auto count = static_cast<double>(target.batch());
  const auto mean = [&](ir::ValueId of) {
    const ir::ValueId sum = builder.reduce(ir::ReduceKind::sum, of, {0});
    return builder.div(sum, builder.constant_like(count, sum));
  };
  Tensor result{&target, {}, {tensor->axes.begin() + 1, tensor->axes.end()}};
  if (expr->text == "mean") {
    result.id = mean(x);
  } else if (expr->text == "std") {
    std::vector<int64_t> axes;
    const ir::ValueId m = mean(x);
    for (size_t k = 0; k < builder.type(m).rank(); ++k) axes.push_back(static_cast<int64_t>(k) + 1);
    const ir::ValueId d = builder.sub(x, builder.broadcast(m, axes, builder.type(x).shape));
    result.id = builder.unary(ir::Op::sqrt, mean(builder.mul(d, d)));
  } else {
    result.id = builder.reduce(expr->text == "sum"   ? ir::ReduceKind::sum
                               : expr->text == "min" ? ir::ReduceKind::min
                                                     : ir::ReduceKind::max,
                               x, {0});
  }
  result.id = builder.cast(result.id, ir::DType::f32);
  target.result(name, result.id);
  program_.data.statistics.push_back({name, target.type(result)});
  return result;
}

}  // namespace gradc::frontend
