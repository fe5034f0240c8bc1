// grad(e, x): the derivative of a number with respect to an earlier tensor, as a request that the pass `differentiate`
// writes out.
//
// A spec describes one sample, and so does its gradient: of a number e of each sample with respect to a tensor x of
// each sample it is, for each sample, the derivative of the sum of all e with respect to its x. That is the derivative
// of its own e where no `[batch]` stands between them.
//
// With respect to a parameter w, which all samples share, a number of each sample has a gradient for each sample: that
// by the sample's own copy of w. By the time that `grad` is met w has been used, so the model is elaborated once more,
// with copies from the start; what the samples have in common is still derived by w itself.
#include <fmt/format.h>

#include "frontend/elaborator.h"

namespace gradc::frontend {

// Whether a value depends on an earlier one through real numbers.
bool Elaborator::depends(ir::ValueId value, ir::ValueId on) const {
  const ir::Func& func = context_.target->func();
  std::vector<bool> reached(func.size(), false);
  reached[on.index] = true;
  for (size_t i = on.index + 1; i <= value.index; ++i) {
    const ir::Value& user = func.values[i];
    if (!ir::is_float(user.type.dtype) || user.op == ir::Op::stop_gradient) continue;
    for (ir::ValueId operand : user.operands) reached[i] = reached[i] || reached[operand.index];
  }
  return value.index < func.size() && reached[value.index];
}

std::optional<Tensor> Elaborator::copy_for_each_sample(const Tensor& parameter, ir::SourceLocation location) {
  std::vector<int> axes = parameter.axes;
  ir::Shape shape = context_.target->type(parameter).shape;
  axes.insert(axes.begin(), kBatchAxis);
  shape.insert(shape.begin(), context_.target->batch());
  context_.target->builder().at(location);
  std::optional<Tensor> copy = spread(parameter, axes, shape, location);
  if (copy) copied_[{context_.target, copy->id.index}] = parameter;
  return copy;
}

Value Elaborator::gradient(const Expr* expr) {
  const Frame::Kind kind = context_.frame->kind;
  if (context_.indexed || (kind != Frame::Kind::layer && kind != Frame::Kind::loss)) {
    auto& message = error(
        expr->span, context_.indexed ? "`grad` works on whole tensors" : "`grad` stands in a layer, a model or a loss");
    if (context_.indexed) message.help("give its result a name with `let` before the equation");
    return Broken{};
  }
  const std::vector<Argument>& arguments = expr->arguments;
  if (arguments.size() != 2 || !arguments[0].name.text.empty() || !arguments[1].name.text.empty()) {
    error(expr->span, "`grad` takes a number and the tensor that it is derived by").help("write `grad(e, x)`");
    return Broken{};
  }
  const Expr* of = arguments[0].value;
  const Expr* by = arguments[1].value;
  const Value value = evaluate(of);
  if (is_broken(value)) return Broken{};
  const auto* e = std::get_if<Tensor>(&value);
  if (!e || e->rank() > 0 || context_.target->type(*e).dtype != ir::DType::f32) {
    auto& message = error(of->span, fmt::format("`grad` derives one number that is computed from tensors, found {}",
                                                e && e->rank() == 0 ? "none that is real" : describe(value)));
    message.label(of->span);
    if (e && e->rank() > 0) message.help("add it up: `sum[i] y[i]`");
    return Broken{};
  }
  const Binding* binding = by->kind == ExprKind::name ? find_binding(by->text) : nullptr;
  if (by->kind != ExprKind::name) {
    error(by->span, "`grad` derives by an earlier tensor: an input, a `let`, a `param`")
        .label(by->span, "not a name")
        .help("give it a name with `let`, and compute the number from that");
    return Broken{};
  }
  const Value named = look_up(by);
  if (is_broken(named)) return Broken{};
  const auto* x = std::get_if<Tensor>(&named);
  const auto copied = x ? copied_.find({context_.target, x->id.index}) : copied_.end();
  if (copied != copied_.end() && !e->batched()) x = &copied->second;
  if (!x || context_.target->type(*x).dtype != ir::DType::f32 || x->home != context_.target) {
    error(by->span, fmt::format("`grad` derives by a tensor of real numbers, `{}` is {}", by->text, describe(named)));
    return Broken{};
  }
  if (!depends(e->id, x->id)) {
    error(expr->span, fmt::format("the number does not depend on `{}`: its gradient is 0", by->text))
        .label(binding ? binding->location : by->span, fmt::format("`{}`", by->text))
        .label(of->span, "the number")
        .help("the number must be computed from this very name, not from what the name was computed from");
    return Broken{};
  }
  if (e->batched() && !x->batched()) {
    const ir::Value& shared = context_.target->func()[x->id];
    if (shared.op == ir::Op::parameter && shared.role == ir::Role::parameter) {
      for_each_sample_.insert(shared.name);
      once_more_ = true;
      return Broken{};
    }
    error(expr->span, fmt::format("the number differs from sample to sample, `{}` does not", by->text))
        .label(by->span, "the same for all samples")
        .label(of->span, "one number a sample")
        .help(fmt::format("derive what the samples have in common: `let m = mean[batch] e`, `grad(m, {})`", by->text))
        .help("or derive by a `param`: that has a gradient for each sample");
    return Broken{};
  }
  ir::Builder& builder = context_.target->builder();
  builder.at(expr->location);
  std::optional<Tensor> total = select_live(*e, 0, expr->location);
  if (!total) return Broken{};
  if (e->batched()) total->id = builder.reduce(ir::ReduceKind::sum, total->id, {0});
  Tensor result{context_.target, builder.create(ir::Op::gradient, {total->id, x->id}), x->axes};
  return result;
}

}  // namespace gradc::frontend
