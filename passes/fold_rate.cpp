// Multiplies the error by the learning rate instead of every gradient, where all that a step does with its gradients is
// plain gradient descent on single rows:
//   %d  = add %e, %e                        %r  = mul %lr, -2
//   %g  = contract %d, %x                   %d  = mul %e, %r
//   %u  = mul %g, %lr               ->      %g  = contract %d, %x
//   %w2 = sub %w, %u                        %w2 = add %w, %g          (order makes the two one contract)
// A multiplication less for every parameter, and one less in the chain from the error to the weights. It rounds
// differently, so it is a pass of its own, which only `--fold-rate` runs. Not where a gradient is a sum over rows: the
// weight would become the start of that sum, and every term would be rounded to the weight's precision.
#include <algorithm>
#include <optional>

#include "ir/rewrite.h"
#include "ir/sum_order.h"
#include "passes/passes.h"
#include "passes/scale_rules.h"
#include "passes/simplify_rules.h"

namespace gradc::passes {

namespace {

using ir::Func;
using ir::Op;
using ir::Value;
using ir::ValueId;

// new = sub(argument, mul(gradient, rate))
struct Update {
  ValueId new_value, step, gradient;
};

class RateFolding {
 public:
  explicit RateFolding(const Func& func) : func_(func), uses_(ir::count_uses(func)) {}

  // Nothing where the function is no such step.
  std::optional<Func> run() {
    if (!find_updates()) return std::nullopt;
    // The last value on which all gradients depend; of the earlier ones with as few elements none is as near to them.
    for (uint32_t i = static_cast<uint32_t>(func_.size()); i-- > func_.parameter_count;)
      if (scales_gradients_alone({i})) return folded({i});
    return std::nullopt;
  }

 private:
  // The argument that this value is, or is a broadcast of.
  ValueId scalar_argument(ValueId id) const {
    if (func_[id].op == Op::broadcast) id = func_[id].operands[0];
    const bool is_scalar = id.index < func_.parameter_count && func_[id].type.shape.empty();
    return is_scalar ? id : ValueId{};
  }

  bool find_updates() {
    const auto parameters = ir::parameters_by_name(func_);
    for (const ir::FuncResult& result : func_.results) {
      const auto argument = parameters.find(result.name);
      if (argument == parameters.end()) continue;
      const Value& value = func_[result.value];
      if (value.op != Op::sub || value.operands[0] != argument->second || uses_[result.value.index] != 1) return false;
      const ValueId step = value.operands[1];
      if (func_[step].op != Op::mul || uses_[step.index] != 1) return false;
      for (size_t k = 0; k < 2; ++k) {
        const ValueId rate = scalar_argument(func_[step].operands[k]);
        if (!rate.valid() || (rate_.valid() && rate_ != rate)) continue;
        rate_ = rate;
        updates_.push_back({result.value, step, func_[step].operands[1 - k]});
        break;
      }
      if (updates_.empty() || updates_.back().step != step || sums_rows(updates_.back().gradient)) return false;
    }
    return !updates_.empty();
  }

  bool sums_rows(ValueId gradient) const {
    while (func_[gradient].op == Op::reshape) gradient = func_[gradient].operands[0];
    const Value& value = func_[gradient];
    return ir::op_info(value.op).has(ir::kAccumulation) ||
           (ir::op_info(value.op).has(ir::kReduction) && ir::sum_shape(func_, value).terms() > 1);
  }

  // All gradients, and nothing else that matters, are multiplied by k where `start` is.
  bool scales_gradients_alone(ValueId start) const {
    std::vector<bool> scaled(func_.size(), false);
    scaled[start.index] = true;
    for (uint32_t i = start.index + 1; i < func_.size(); ++i) {
      const Value& value = func_.values[i];
      if (std::none_of(value.operands.begin(), value.operands.end(), [&](ValueId id) { return scaled[id.index]; }))
        continue;
      const bool ends = std::any_of(updates_.begin(), updates_.end(),
                                    [&](const Update& update) { return update.step == ValueId{i}; });
      if (ends) continue;
      if (!scales_with(func_, value, scaled)) return false;
      scaled[i] = true;
    }
    for (const ir::FuncResult& result : func_.results)
      if (scaled[result.value.index]) return false;
    return std::all_of(updates_.begin(), updates_.end(),
                       [&](const Update& update) { return scaled[update.gradient.index]; });
  }

  Func folded(ValueId start) const {
    // The factors that `start` has already go into the one constant.
    double factor = -1;
    ValueId error = start;
    while (true) {
      const Value& value = func_[error];
      if (value.op == Op::add && value.operands[0] == value.operands[1]) {
        factor *= 2;
        error = value.operands[0];
        continue;
      }
      if (value.op != Op::mul) break;
      const std::optional<double> left = splat(func_, value.operands[0]), right = splat(func_, value.operands[1]);
      if (!left && !right) break;
      factor *= left ? *left : *right;
      error = value.operands[left ? 1 : 0];
    }
    std::vector<ValueId> made(func_.size());  // the new value of each old one that is needed here
    return ir::rewrite(func_, [&](ir::Builder& builder, const Value& value, const std::vector<ValueId>& x) {
      const ValueId id{static_cast<uint32_t>(&value - func_.values.data())};
      ValueId result;
      for (const Update& update : updates_) {
        const bool gradient_first = func_[update.step].operands[0] == update.gradient;
        if (id == update.step) result = x[gradient_first ? 0 : 1];
        if (id == update.new_value) result = builder.create(Op::add, {x[0], x[1]});
      }
      if (id == start) {
        const ir::Type& rate_type = func_[rate_].type;
        const ValueId rate = builder.create(Op::mul, {made[rate_.index], builder.constant(factor, rate_type)});
        result = builder.create(Op::mul, {made[error.index], builder.broadcast_scalar(rate, value.type.shape)});
      }
      if (!result.valid()) result = ir::copy_value(builder, value, x);
      return made[id.index] = result;
    });
  }

  const Func& func_;
  std::vector<uint32_t> uses_;
  std::vector<Update> updates_;
  ValueId rate_;
};

}  // namespace

ir::Func fold_rate(const ir::Func& func) {
  std::optional<Func> folded = RateFolding(func).run();
  return folded ? std::move(*folded) : func;
}

}  // namespace gradc::passes
