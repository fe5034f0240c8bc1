// What can turn out wrong only at run time: results `fault.K` of the function that computes it (ir/fault.h).
//
// What a branch of an `if` holds counts where the branch is taken, and the dead samples of a batch don't count.
#include <fmt/format.h>

#include <limits>

#include "frontend/elaborator.h"
#include "frontend/value_range.h"
#include "ir/fault.h"

namespace gradc::frontend {

using ir::DType;
using ir::Op;
using ir::ValueId;

// `wrong`, with no fault where one of the branches around it is not taken.
std::optional<Tensor> Elaborator::where_taken(Tensor wrong, const Expr* expr) {
  ir::Builder& builder = context_.target->builder();
  bool outside_layer = false;
  for (const Branch* branch = context_.branch; branch; branch = branch->outer) {
    outside_layer = outside_layer || branch == context_.layer_branch;
    std::optional<Tensor> taken = to_tensor(branch->condition, branch->at);
    if (!taken) return std::nullopt;
    builder.at(expr->location);
    if (!branch->taken) taken->id = builder.unary(Op::logical_not, taken->id);
    // Axes that are not those of the value: taken anywhere.
    const bool other = !context_.indexed && taken->rank() > 0 && sample_shape(*taken) != sample_shape(wrong);
    if (taken->rank() > 0 && (outside_layer || other)) {
      const std::vector<int> axes(taken->axes.begin() + (taken->batched() ? 1 : 0), taken->axes.end());
      taken->id = builder.cast(taken->id, DType::i32);
      *taken = reduce_axes(ir::ReduceKind::max, *taken, axes);
      taken->id = builder.cast(taken->id, DType::boolean);
    }
    if (!align({&*taken, &wrong}, expr)) return std::nullopt;
    wrong.id = builder.select(taken->id, wrong.id, builder.constant_like(ir::kNoFault, wrong.id));
  }
  return wrong;
}

// `wrong` holds ir::kNoFault, or what is wrong.
void Elaborator::add_fault(Tensor wrong, ir::SourceLocation location, const Expr* expr, std::string message,
                           bool shows_value) {
  const std::optional<Tensor> live = select_live(wrong, ir::kNoFault, expr->location);
  if (!live) return;
  const ir::SourceLocation use = calls_.empty() ? ir::SourceLocation{} : calls_.back().site;
  const auto [entry, is_new] = fault_numbers_.try_emplace({expr, use}, program_.faults.size());
  if (is_new) program_.faults.push_back({diagnostic_at(location, std::move(message)), shows_value});
  context_.target->builder().at(expr->location);
  context_.target->fault(entry->second, reduce_axes(ir::ReduceKind::max, *live, live->axes).id);
}

// The numbers as indices of an axis of `limit`: that they are whole numbers from 0 to limit - 1 is known, or checked at
// run time. Nothing where they are known not to be, which is reported.
std::optional<Tensor> Elaborator::checked_index(const Tensor& value, int64_t limit, const Expr* expr) {
  Target& target = *context_.target;
  ir::Builder& builder = target.builder();
  builder.at(expr->location);
  const std::optional<ValueRange> range = range_of(target.func(), value.id, target.limits());
  Tensor indices = cast(value, DType::i32);
  indices.limit = limit;
  indices.zero = false;
  if (range && range->whole && range->low >= 0 && range->high < static_cast<double>(limit)) return indices;
  constexpr float kMost = std::numeric_limits<float>::max();
  const ValueId index = indices.id;
  const auto last = static_cast<double>(limit - 1);
  ValueId inside =
      builder.binary(Op::logical_and, builder.binary(Op::less_equal, builder.constant_like(0, index), index),
                     builder.binary(Op::less_equal, index, builder.constant_like(last, index)));
  ValueId shown = builder.cast(value.id, DType::f32);
  if (target.type(value).dtype == DType::f32) {
    inside = builder.binary(Op::logical_and, inside,
                            builder.binary(Op::equal, builder.unary(Op::floor, value.id), value.id));
    const ValueId bounded =
        builder.binary(Op::min, builder.binary(Op::max, shown, builder.constant_like(-kMost, shown)),
                       builder.constant_like(kMost, shown));
    shown = builder.select(builder.binary(Op::equal, shown, shown), bounded,
                           builder.constant_like(std::numeric_limits<float>::infinity(), shown));
  }
  Tensor wrong = value;
  wrong.limit = 0;
  wrong.zero = false;
  wrong.id = builder.select(inside, builder.constant_like(ir::kNoFault, shown), shown);
  const std::optional<Tensor> taken = where_taken(wrong, expr);
  if (!taken) return std::nullopt;
  // What depends on no argument is known already.
  bool looks_at_batch = false;
  const Tensor all = reduce_axes(ir::ReduceKind::max, *taken, taken->axes);
  if (const std::optional<double> known = number_of_batch(all.id, looks_at_batch); known && !looks_at_batch) {
    if (*known == static_cast<double>(ir::kNoFault)) return indices;
    error(expr->operands[1]->span,
          fmt::format("{} is outside idx<{}>", ir::fault_value(static_cast<float>(*known)), limit));
    return std::nullopt;
  }
  add_fault(*taken, expr->operands[1]->span, expr, fmt::format("outside idx<{}>", limit), true);
  // What is not looked at where a branch is not taken may be anything there.
  if (context_.branch == nullptr) target.set_limit(indices.id, limit);
  return indices;
}

// That no row of a softmax, whose largest elements are `most`, is -inf everywhere.
bool Elaborator::check_softmax(const Tensor& most, const Expr* expr) {
  ir::Builder& builder = context_.target->builder();
  const ValueId lowest = builder.constant_like(-std::numeric_limits<double>::infinity(), most.id);
  Tensor wrong = most;
  wrong.id = builder.select(builder.binary(Op::equal, most.id, lowest), builder.constant_like(0, most.id),
                            builder.constant_like(ir::kNoFault, most.id));
  const std::optional<Tensor> taken = where_taken(wrong, expr);
  if (taken) add_fault(*taken, expr->span, expr, "a row of this softmax is -inf everywhere", false);
  return taken.has_value();
}

}  // namespace gradc::frontend
