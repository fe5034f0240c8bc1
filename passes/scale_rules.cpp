#include "passes/scale_rules.h"

#include "ir/attr.h"
#include "passes/simplify_rules.h"

namespace gradc::passes {

namespace {

using ir::Op;

struct Scaled {
  const ir::Func& func;
  const ir::Value& value;
  const std::vector<bool>& scaled;

  bool operand(size_t i) const { return scaled[value.operands[i].index]; }
  bool is_zero(size_t i) const { return splat(func, value.operands[i]) == 0.0; }
};
using Rule = bool (*)(const Scaled&);

// f(k x) = k f(x)
bool of_first(const Scaled& s) { return s.operand(0); }
bool sum_of_elements(const Scaled& s) {
  return s.operand(0) && std::get<ir::ReduceAttr>(s.value.attr).kind == ir::ReduceKind::sum;
}
// k x + k y = k (x + y)
bool both(const Scaled& s) { return s.operand(0) && s.operand(1); }
// (k x) y = x (k y) = k (x y)
bool one_of_two(const Scaled& s) { return s.value.operands.size() == 2 && s.operand(0) != s.operand(1); }
// (k x) / y = k (x / y)
bool dividend(const Scaled& s) { return s.operand(0) && !s.operand(1); }
// 0 is k 0.
bool either_side(const Scaled& s) {
  return !s.operand(0) && (s.operand(1) || s.is_zero(1)) && (s.operand(2) || s.is_zero(2));
}

struct Row {
  Op op;
  Rule rule;
};
constexpr Row kRules[] = {
    {Op::neg, of_first},
    {Op::broadcast, of_first},
    {Op::permute, of_first},
    {Op::reshape, of_first},
    {Op::slice, of_first},
    {Op::window, of_first},
    {Op::fold, of_first},
    {Op::reduce, sum_of_elements},
    {Op::add, both},
    {Op::sub, both},
    {Op::mul, one_of_two},
    {Op::div, dividend},
    {Op::contract, one_of_two},
    {Op::contract_fold, one_of_two},
    {Op::select, either_side},
};

}  // namespace

bool scales_with(const ir::Func& func, const ir::Value& value, const std::vector<bool>& scaled) {
  for (const Row& row : kRules) {
    if (row.op == value.op) return row.rule({func, value, scaled});
  }
  return false;
}

}  // namespace gradc::passes
