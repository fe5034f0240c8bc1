// mean[rows] e, std[rows] e, sum, min, max: over the training rows in a data block, over those measured in a metric.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"
#include "ir/ensure.h"

namespace gradc::frontend {

bool is_rows_reduction(const Expr* expr) {
  return expr->kind == ExprKind::reduction &&
         (expr->text == "std" || (expr->indices.size() == 1 && expr->indices[0].name.text == "rows"));
}

bool reduces_rows(const Expr* expr) {
  return is_rows_reduction(expr) ||
         std::any_of(expr->operands.begin(), expr->operands.end(),
                     [](const Expr* operand) { return reduces_rows(operand); }) ||
         std::any_of(expr->arguments.begin(), expr->arguments.end(),
                     [](const Argument& argument) { return reduces_rows(argument.value); });
}

bool reduces_rows(const Block& block) {
  return std::any_of(block.statements.begin(), block.statements.end(),
                     [](const Statement* item) { return item->value && reduces_rows(item->value); });
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
  if (in_draws_) return Broken{};  // what needs it is elaborated over the rows that are drawn
  if (!metric_) {
    auto& message = error(expr->location, fmt::format("`{}[rows]` stands in metrics, and in data from files or with "
                                                      "`rows N`",
                                                      expr->text));
    if (context_.frame->kind != Frame::Kind::data) {
      message.help("over the samples of a step: `mean[batch] e`");
    } else if (data_target_) {
      message.help("the rows are drawn afresh each step; `rows N` behind the data block fixes them");
    } else {
      message.help("rows that are written out hold numbers");
    }
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
