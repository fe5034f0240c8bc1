// Fixes the order of every sum (ir/sum_order.h) as an attribute, and makes explicit what changes roundings:
//   add(contract(a, b), c) -> contract(a, b, init = c)     where the contract has no other user
//   add(mul(a, b), c)      -> fma(a, b, c)                 where the mul has no other user
//   sub(c, mul(a, b))      -> fma(-a, b, c)
//   sub(mul(a, b), c)      -> fma(a, b, -c)
//   fold(contract(a, b))   -> contract_fold(a, b)          where the contract has no other user, its terms come one
//                                                          after the other, and every offset of a window has a window
// Where both sides qualify the left one is taken. After this pass every schedule gives the same bits.
#include <algorithm>

#include "ir/attr.h"
#include "ir/rewrite.h"
#include "ir/sum_order.h"
#include "passes/passes.h"

namespace gradc::passes {

namespace {

using ir::Op;
using ir::ValueId;

// The values of `func` that are taken into their only user, and which of the user's operands they are.
struct Absorbed {
  std::vector<bool> into_user;        // by value
  std::vector<int> absorbed_operand;  // by user: 0, 1 or -1
};

// One sum instead of a sum of sums: one accumulator for each element, and nothing stored between. With a longer stride
// an element would look for its windows among offsets that have none, so there the contraction is better stored.
bool folds_contraction(const ir::Func& func, const ir::Value& value) {
  const ir::FoldAttr* fold = std::get_if<ir::FoldAttr>(&value.attr);
  if (fold == nullptr || !ir::is_float(value.type.dtype)) return false;
  const ir::Value& contract = func[value.operands[0]];
  return contract.op == Op::contract && contract.operands.size() == 2 &&
         std::all_of(fold->stride.begin(), fold->stride.end(), [](int64_t stride) { return stride == 1; }) &&
         ir::order_of(func, contract).kind == ir::SumOrder::Kind::sequential;
}

Absorbed find_absorbed(const ir::Func& func) {
  const std::vector<uint32_t> uses = ir::count_uses(func);
  Absorbed absorbed{std::vector<bool>(func.size(), false), std::vector<int>(func.size(), -1)};
  for (size_t i = func.parameter_count; i < func.size(); ++i) {
    const ir::Value& value = func.values[i];
    if (folds_contraction(func, value) && uses[value.operands[0].index] == 1) {
      absorbed.absorbed_operand[i] = 0;
      absorbed.into_user[value.operands[0].index] = true;
    }
    if ((value.op != Op::add && value.op != Op::sub) || !ir::is_float(value.type.dtype)) continue;
    for (Op wanted : {Op::contract, Op::mul}) {
      for (int side : {0, 1}) {
        const ValueId operand = value.operands[static_cast<size_t>(side)];
        const ir::Value& candidate = func[operand];
        if (absorbed.absorbed_operand[i] >= 0 || candidate.op != wanted || uses[operand.index] != 1) continue;
        if (wanted == Op::contract && (value.op == Op::sub || candidate.operands.size() != 2)) continue;
        absorbed.absorbed_operand[i] = side;
        absorbed.into_user[operand.index] = true;
      }
    }
  }
  return absorbed;
}

// `sum` with its order written on it.
ValueId ordered_sum(ir::Builder& builder, const ir::Value& sum, const std::vector<ValueId>& operands) {
  const ValueId made = ir::copy_value(builder, sum, operands);
  ir::Value& value = builder.func()[made];
  const ir::SumOrder order = ir::order_of(builder.func(), value);
  std::visit(
      [&](auto& attr) {
        if constexpr (requires { attr.order; }) attr.order = order;
      },
      value.attr);
  return made;
}

}  // namespace

ir::Func order(const ir::Func& func) {
  const Absorbed absorbed = find_absorbed(func);
  std::vector<std::vector<ValueId>> delayed(func.size());  // operands, in the new function, of values taken in later
  size_t index = 0;
  return ir::rewrite(func, [&](ir::Builder& builder, const ir::Value& value, const std::vector<ValueId>& operands) {
    const size_t i = index++;
    if (absorbed.into_user[i]) {
      delayed[i] = operands;
      return ValueId{};
    }
    if (absorbed.absorbed_operand[i] < 0) {
      return ir::op_info(value.op).has(ir::kReduction) ? ordered_sum(builder, value, operands)
                                                       : ir::copy_value(builder, value, operands);
    }
    const size_t side = static_cast<size_t>(absorbed.absorbed_operand[i]);
    const ir::Value& inner = func[value.operands[side]];
    const std::vector<ValueId>& x = delayed[value.operands[side].index];
    if (value.op == Op::fold) {
      const std::string& subscripts = std::get<ir::ContractAttr>(inner.attr).subscripts;
      builder.at(inner.location);
      return builder.create(Op::contract_fold, x, ir::ContractFoldAttr{subscripts, std::get<ir::FoldAttr>(value.attr)});
    }
    const ValueId other = operands[1 - side];
    if (inner.op == Op::contract) {
      builder.at(inner.location);
      return ordered_sum(builder, inner, {x[0], x[1], other});
    }
    if (value.op == Op::add) return builder.create(Op::fma, {x[0], x[1], other});
    if (side == 0) return builder.create(Op::fma, {x[0], x[1], builder.neg(other)});
    return builder.create(Op::fma, {builder.neg(x[0]), x[1], other});
  });
}

}  // namespace gradc::passes
