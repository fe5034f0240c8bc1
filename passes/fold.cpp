// Computes operations whose operands are constants, with the interpreter's own rules. A constant that is one number
// everywhere stays one; small tables are computed element by element.
#include <algorithm>

#include "ir/eval_ops.h"
#include "ir/rewrite.h"
#include "passes/passes.h"
#include "passes/simplify_rules.h"

namespace gradc::passes {

namespace {

constexpr int64_t kLargestFolded = 1024;  // elements of the largest tensor taking part

bool is_constant(const ir::Func& func, ir::ValueId id) { return func[id].op == ir::Op::constant; }

ir::Tensor constant_tensor(const ir::Func& func, ir::ValueId id, const ir::Type& type) {
  const std::vector<double>& values = std::get<ir::ConstantAttr>(func[id].attr).values;
  ir::Tensor tensor(type);
  for (int64_t i = 0; i < type.elements(); ++i) tensor.set(i, values[values.size() == 1 ? 0 : static_cast<size_t>(i)]);
  return tensor;
}

// The operation on constants of type `operand_type(id)`, as a constant of `type` with all its values.
ir::ConstantAttr compute(const ir::Func& func, const ir::Value& value, const std::vector<ir::ValueId>& operands,
                         bool one_element) {
  std::vector<ir::Tensor> tensors;
  for (ir::ValueId id : operands) {
    tensors.push_back(constant_tensor(func, id, one_element ? ir::Type{func[id].type.dtype, {}} : func[id].type));
  }
  std::vector<const ir::Tensor*> pointers;
  for (const ir::Tensor& tensor : tensors) pointers.push_back(&tensor);
  ir::Value on_new = value;
  on_new.operands = operands;
  if (one_element) on_new.type.shape.clear();
  ir::Tensor result(on_new.type);
  ir::evaluate_op({func, on_new, pointers, result});
  ir::ConstantAttr constant;
  for (int64_t i = 0; i < result.elements(); ++i) constant.values.push_back(result.at(i));
  const bool same = std::all_of(constant.values.begin(), constant.values.end(), [&](double x) {
    return ir::ConstantAttr{{x}} == ir::ConstantAttr{{constant.values[0]}};
  });
  if (same) constant.values.resize(1);
  return constant;
}

}  // namespace

ir::Func fold(const ir::Func& func) {
  return ir::rewrite(func, [](ir::Builder& builder, const ir::Value& value, const std::vector<ir::ValueId>& operands) {
    const ir::Func& made = builder.func();
    const ir::OpInfo& info = ir::op_info(value.op);
    const bool all_constant = !operands.empty() && std::all_of(operands.begin(), operands.end(),
                                                               [&](ir::ValueId id) { return is_constant(made, id); });
    if (!all_constant) return ir::copy_value(builder, value, operands);
    const bool all_splat =
        std::all_of(operands.begin(), operands.end(), [&](ir::ValueId id) { return splat(made, id).has_value(); });
    if (all_splat && info.has(ir::kElementwise)) {
      return builder.create(ir::Op::constant, {}, compute(made, value, operands, true), value.type);
    }
    const bool copies_only = info.has(ir::kMovement) && operands.size() == 1 && value.op != ir::Op::pad;
    if (all_splat && copies_only) {
      return builder.create(ir::Op::constant, {}, made[operands[0]].attr, value.type);
    }
    int64_t largest = value.type.elements();
    for (ir::ValueId id : operands) largest = std::max(largest, made[id].type.elements());
    if (largest > kLargestFolded || value.op == ir::Op::random) return ir::copy_value(builder, value, operands);
    return builder.create(ir::Op::constant, {}, compute(made, value, operands, false), value.type);
  });
}

}  // namespace gradc::passes
