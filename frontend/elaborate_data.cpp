// Data blocks: by formula (@RUN.data draws a fresh batch each step) and by literal rows.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "frontend/elaborator.h"

namespace gradc::frontend {

// let a, b ~ uniform(-1, 1); let c = ...; x = [a, b]
void Elaborator::elaborate_data(const Definition& data) {
  const Context saved = context_;
  const size_t errors = diagnostics_.error_count();
  const std::optional<int64_t> count = fixed_rows(data);
  if (data.row_count && !count) return;
  data_batch_ = count.value_or(program_.batch);
  if (count && !split_rows(data, *count, 0, 0)) return;
  Target& target = make_target(Target::Kind::data, data_batch_);
  data_target_ = &target;
  Scope scope;
  scope.file = data.location.file;
  Frame frame;
  frame.kind = Frame::Kind::data;
  context_.target = &target;
  context_.scope = &scope;
  context_.frame = &frame;
  program_.data.name = data.name.text;
  program_.data.formula = !count;
  for (const Statement* item : data.body->statements) {
    if (!spend(item->location)) break;
    switch (item->kind) {
      case StatementKind::let:
      case StatementKind::constant:
        statement(*item);
        break;
      case StatementKind::sample: {
        ir::Shape shape = {data_batch_};
        bool good = true;
        for (const Index& index : item->indices) {
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
        good = good && fits(shape, item->location, "the sample");
        for (const Name& name : item->names) {
          if (!good) {
            define(name, Broken{}, "sample");
            continue;
          }
          draw_name_ = fmt::format("{}.{}", data.name.text, name.text);
          draw_shape_ = shape;
          draw_sample_ = true;
          draws_ = 0;
          Value value = evaluate(item->value);
          const bool drawn = draws_ > 0;
          draws_ = -1;
          if (!is_broken(value) && !drawn) {
            error(item->value->span, "the right side of `~` draws nothing")
                .help("write `uniform(a, b)` or `normal(mean, deviation)`; `=` defines a plain value");
            value = Broken{};
          }
          define(name, std::move(value), "sample");
        }
        break;
      }
      case StatementKind::rebind: {
        const Name& name = item->names[0];
        const Value value = evaluate(item->value);
        if (columns_.count(name.text) > 0) {
          error(name.location, fmt::format("column `{}` is defined twice", name.text))
              .label(columns_.at(name.text).second, "first here")
              .label(name.location, "again here");
          break;
        }
        if (is_broken(value)) break;
        std::optional<Tensor> tensor = to_tensor(value, item->value);  // indices are kept as numbers
        if (!tensor) break;
        const int64_t limit = std::holds_alternative<Tensor>(value) ? std::get<Tensor>(value).limit : 0;
        if (target.type(*tensor).dtype == ir::DType::boolean) {
          error(item->value->span, "a column holds numbers, not truth values")
              .help("`if c then 1 else 0` makes numbers of truth values");
          break;
        }
        if (!check_new_name(name) || !check_run_name(name, "a column")) break;
        const ir::Shape sample = sample_shape(*tensor);
        if (!tensor->batched()) {
          std::vector<int> axes = tensor->axes;
          ir::Shape sizes = sample;
          axes.insert(axes.begin(), kBatchAxis);
          sizes.insert(sizes.begin(), data_batch_);
          tensor = spread(*tensor, axes, sizes, item->location);
          if (!tensor) break;
        }
        columns_[name.text] = {{ir::DType::f32, sample}, name.location};
        if (limit > 0) column_limits_[name.text] = limit;
        column_values_[name.text] = *tensor;
        context_.scope->names[name.text] = {*tensor, name.location, "column", true};
        program_.data.columns.push_back({name.text, {ir::DType::f32, sample}, {}, 0, 0, name.location});
        break;
      }
      case StatementKind::expression:
        error(item->location, "a data block holds `let` definitions and columns `x = ...`");
        break;
      default:
        error(item->location, "this statement does not stand in a data block")
            .help("it holds `let` definitions and columns `x = ...`");
        break;
    }
  }
  context_ = saved;
  if (columns_.empty() && diagnostics_.error_count() == errors) {
    error(data.name.location, fmt::format("data `{}` has no columns", data.name.text)).help("write `x = [...]`");
  }
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
  const Context saved = context_;
  Scope scope;
  scope.file = data.location.file;
  Frame frame;
  frame.kind = Frame::Kind::data;
  context_.scope = &scope;
  context_.frame = &frame;
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
  context_ = saved;
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
