#include "passes/differentiate.h"

#include <algorithm>

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

// The gradient of the loss with respect to one value, as far as it has been added up.
struct Adjoint {
  ValueId sum;                 // invalid: nothing has contributed yet
  std::optional<Guard> guard;  // holds for the sum
};

class ReverseWalk {
 public:
  // Appends to `func`; `active` says which of its values want a gradient.
  ReverseWalk(Func& func, const std::vector<bool>& active, GradientRule rule = apply_gradient_rule)
      : func_(func), builder_(func), active_(active), rule_(rule), adjoints_(func.size()) {}

  void run(ValueId loss) {
    builder_.at(func_[loss].location);
    if (active_[loss.index]) adjoints_[loss.index].sum = builder_.constant_like(1, loss);
    for (size_t i = adjoints_.size(); i-- > func_.parameter_count;) {
      if (adjoints_[i].sum.valid()) pass_on({static_cast<uint32_t>(i)});
    }
  }
  ValueId gradient(ValueId id) const { return adjoints_[id.index].sum; }

 private:
  void pass_on(ValueId id) {
    builder_.at(func_[id].location);
    const std::vector<ValueId> operands = func_[id].operands;
    const bool elementwise = ir::op_info(func_[id].op).has(ir::kElementwise);
    const std::optional<Guard> outer = elementwise ? adjoints_[id.index].guard : std::nullopt;
    const std::function<bool(size_t)> wanted = [&](size_t i) { return active_[operands[i].index]; };
    const std::function<void(size_t, ValueId)> contribute = [&](size_t i, ValueId contribution) {
      if (wanted(i)) add(id, operands[i], outer ? guarded(contribution, *outer) : contribution, outer);
    };
    const std::function<void(size_t, ValueId, Guard)> contribute_where = [&](size_t i, ValueId contribution,
                                                                             Guard inner) {
      if (wanted(i)) add(id, operands[i], contribution, outer ? both(*outer, inner) : inner);
    };
    rule_({builder_, id, adjoints_[id.index].sum, contribute, contribute_where, wanted});
  }

  void add(ValueId from, ValueId to, ValueId contribution, std::optional<Guard> guard) {
    ENSURE(builder_.type(contribution) == builder_.type(to),
           "the gradient rule of " + std::string(ir::op_name(func_[from].op)) + " gives another type");
    Adjoint& adjoint = adjoints_[to.index];
    if (!adjoint.sum.valid()) {
      adjoint = {contribution, guard};
      return;
    }
    const bool same =
        adjoint.guard && guard && adjoint.guard->condition == guard->condition && adjoint.guard->taken == guard->taken;
    if (!same) adjoint.guard.reset();
    adjoint.sum = builder_.add(adjoint.sum, contribution);
  }

  ValueId guarded(ValueId x, const Guard& guard) {
    const ValueId zero = builder_.constant_like(0, x);
    return guard.taken ? builder_.select(guard.condition, x, zero) : builder_.select(guard.condition, zero, x);
  }
  ValueId truth(const Guard& guard) {
    return guard.taken ? guard.condition : builder_.unary(ir::Op::logical_not, guard.condition);
  }
  Guard both(const Guard& a, const Guard& b) {
    return {builder_.binary(ir::Op::logical_and, truth(a), truth(b)), true};
  }

  Func& func_;
  ir::Builder builder_;
  const std::vector<bool>& active_;
  GradientRule rule_;
  std::vector<Adjoint> adjoints_;
};

}  // namespace

Func write_out_gradients(const Func& func) {
  return ir::rewrite(func, [](ir::Builder& builder, const ir::Value& value, const std::vector<ValueId>& operands) {
    if (value.op != ir::Op::gradient) return ir::copy_value(builder, value, operands);
    const std::vector<bool> active = active_values(builder.func(), {operands[1]});
    ReverseWalk walk(builder.func(), active);
    walk.run(operands[0]);
    const ValueId sum = walk.gradient(operands[1]);
    return sum.valid() ? sum : builder.constant_like(0, operands[1]);
  });
}

namespace {

std::vector<ValueId> arguments_by_name(const Func& func, const std::vector<std::string>& names) {
  std::vector<ValueId> arguments;
  for (const std::string& name : names) {
    const std::optional<ValueId> id = func.find_parameter(name);
    ENSURE(id.has_value(), "differentiate with respect to %" + name);
    arguments.push_back(*id);
  }
  return arguments;
}

}  // namespace

Func differentiate(const Func& func, const std::string& name, const std::vector<std::string>& wrt, GradientRule rule) {
  Func out = ir::rewrite(func, ir::copy_value);
  out.name = name;
  const std::vector<ValueId> wanted = arguments_by_name(out, wrt);
  const std::vector<bool> active = active_values(out, wanted);
  ReverseWalk walk(out, active, rule);
  walk.run(out.results[0].value);
  ir::Builder builder(out);
  for (size_t i = 0; i < wrt.size(); ++i) {
    const ValueId sum = walk.gradient(wanted[i]);
    builder.result(ir::gradient_name(wrt[i]), sum.valid() ? sum : builder.constant_like(0, wanted[i]));
  }
  return out;
}

Func all_gradients(const Func& func, const std::vector<std::string>& wrt, GradientRule rule) {
  Func out = ir::rewrite(func, ir::copy_value);
  const std::vector<bool> active = active_values(out, arguments_by_name(out, wrt));
  ReverseWalk walk(out, active, rule);
  walk.run(out.results[0].value);
  out.results.clear();
  for (size_t i = func.parameter_count; i < func.size(); ++i) {
    const ValueId sum = walk.gradient({static_cast<uint32_t>(i)});
    if (sum.valid()) out.results.push_back({std::to_string(i), sum});
  }
  return out;
}

ir::Module differentiate(const ir::Module& module) {
  ir::Module out{module.files, {}};
  for (const ir::Item& item : module.items) {
    const ir::GradientRequest* request = std::get_if<ir::GradientRequest>(&item);
    if (request == nullptr) {
      const Func* func = std::get_if<Func>(&item);
      const bool requests = func != nullptr && std::any_of(func->values.begin(), func->values.end(),
                                                           [](const ir::Value& v) { return v.op == ir::Op::gradient; });
      out.items.push_back(requests ? ir::Item(write_out_gradients(*func)) : item);
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
