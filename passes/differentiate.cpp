#include "passes/differentiate.h"

#include "ir/ensure.h"
#include "ir/rewrite.h"
#include "passes/gradient_rules.h"

namespace gradc::passes {

namespace {

using ir::Func;
using ir::ValueId;

// The values that depend on a wanted argument through real numbers.
std::vector<bool> active_values(const Func& func, const std::vector<ValueId>& wanted) {
  std::vector<bool> active(func.size(), false);
  for (ValueId id : wanted) active[id.index] = true;
  for (size_t i = func.parameter_count; i < func.size(); ++i) {
    const ir::Value& value = func.values[i];
    if (!ir::is_float(value.type.dtype) || value.op == ir::Op::stop_gradient) continue;
    for (ValueId operand : value.operands) active[i] = active[i] || active[operand.index];
  }
  return active;
}

}  // namespace

Func differentiate(const Func& func, const std::string& name, const std::vector<std::string>& wrt) {
  Func out = ir::rewrite(func, ir::copy_value);
  out.name = name;
  std::vector<ValueId> wanted;
  for (const std::string& argument : wrt) {
    const std::optional<ValueId> id = out.find_parameter(argument);
    ENSURE(id.has_value(), "differentiate with respect to %" + argument);
    wanted.push_back(*id);
  }
  const std::vector<bool> active = active_values(out, wanted);
  const size_t forward_size = out.size();
  const ValueId loss = out.results.at(0).value;

  ir::Builder builder(out);
  std::vector<ValueId> gradients(forward_size);  // invalid: nothing has contributed yet
  builder.at(out[loss].location);
  if (active[loss.index]) gradients[loss.index] = builder.constant_like(1, loss);
  for (size_t i = forward_size; i-- > out.parameter_count;) {
    if (!gradients[i].valid()) continue;
    builder.at(out.values[i].location);
    const std::vector<ValueId> operands = out.values[i].operands;
    const std::function<bool(size_t)> is_wanted = [&](size_t operand) { return active[operands[operand].index]; };
    const std::function<void(size_t, ValueId)> contribute = [&](size_t operand, ValueId contribution) {
      if (!is_wanted(operand)) return;
      ENSURE(builder.type(contribution) == builder.type(operands[operand]),
             "the gradient rule of " + std::string(ir::op_name(out.values[i].op)) + " gives another type");
      ValueId& sum = gradients[operands[operand].index];
      sum = sum.valid() ? builder.add(sum, contribution) : contribution;
    };
    apply_gradient_rule({builder, {static_cast<uint32_t>(i)}, gradients[i], contribute, is_wanted});
  }
  for (size_t i = 0; i < wrt.size(); ++i) {
    const ValueId sum = gradients[wanted[i].index];
    builder.result(ir::gradient_name(wrt[i]), sum.valid() ? sum : builder.constant_like(0, wanted[i]));
  }
  return out;
}

ir::Module differentiate(const ir::Module& module) {
  ir::Module out{module.files, {}};
  for (const ir::Item& item : module.items) {
    const ir::GradientRequest* request = std::get_if<ir::GradientRequest>(&item);
    if (request == nullptr) {
      out.items.push_back(item);
      continue;
    }
    const Func* of = out.find(request->of);
    ENSURE(of != nullptr, "grad of @" + request->of);
    Func gradient = differentiate(*of, request->name, request->wrt);
    gradient.location = request->location;
    out.items.push_back(std::move(gradient));
  }
  return out;
}

}  // namespace gradc::passes
