#include "passes/simplify_rules.h"

#include <algorithm>
#include <cmath>

namespace gradc::passes {

std::optional<double> splat(const ir::Func& func, ir::ValueId id) {
  const ir::ConstantAttr* constant = std::get_if<ir::ConstantAttr>(&func[id].attr);
  if (constant == nullptr || constant->values.size() != 1) return std::nullopt;
  return constant->values[0];
}

namespace {

using ir::Op;
using ir::ValueId;

struct Candidate {
  ir::Builder& builder;
  const ir::Value& value;
  const std::vector<ValueId>& x;  // operands, in the new function

  const ir::Value& operand(size_t i) const { return builder.func()[x[i]]; }
  bool is(size_t i, Op op) const { return operand(i).op == op; }
  bool equals(size_t i, double wanted) const {
    const std::optional<double> found = splat(builder.func(), x[i]);
    return found && *found == wanted && std::signbit(*found) == std::signbit(wanted);
  }
  const std::vector<int64_t>& axes() const { return std::get<ir::AxesAttr>(value.attr).axes; }
  const std::vector<int64_t>& operand_axes() const { return std::get<ir::AxesAttr>(operand(0).attr).axes; }
};
using Simplified = std::optional<ValueId>;
using Rule = Simplified (*)(const Candidate&);

// -(-x) = x
Simplified double_negation(const Candidate& c) {
  return c.is(0, Op::neg) ? Simplified(c.operand(0).operands[0]) : std::nullopt;
}

// 1 x = x 1 = x;  (-1) x = x (-1) = -x
Simplified unit_factor(const Candidate& c) {
  for (size_t i : {0u, 1u}) {
    if (c.equals(i, 1)) return c.x[1 - i];
    if (c.equals(i, -1)) return c.builder.neg(c.x[1 - i]);
  }
  return std::nullopt;
}

// x / 1 = x
Simplified unit_divisor(const Candidate& c) { return c.equals(1, 1) ? Simplified(c.x[0]) : std::nullopt; }

// x - 0 = x;  x - (-y) = x + y
Simplified subtract(const Candidate& c) {
  if (c.equals(1, 0)) return c.x[0];
  if (c.is(1, Op::neg)) return c.builder.add(c.x[0], c.operand(1).operands[0]);
  return std::nullopt;
}

// x + (-y) = x - y;  (-x) + y = y - x;  x + (-0) = x
Simplified add(const Candidate& c) {
  if (c.equals(1, -0.0)) return c.x[0];
  if (c.equals(0, -0.0)) return c.x[1];
  if (c.is(1, Op::neg)) return c.builder.sub(c.x[0], c.operand(1).operands[0]);
  if (c.is(0, Op::neg)) return c.builder.sub(c.x[1], c.operand(0).operands[0]);
  return std::nullopt;
}

// max(x, x) = x, and so for min, and, or
Simplified same_operands(const Candidate& c) { return c.x[0] == c.x[1] ? Simplified(c.x[0]) : std::nullopt; }

// select(c, x, x) = x;  select(not c, x, y) = select(c, y, x);  a constant condition chooses
Simplified select(const Candidate& c) {
  if (c.x[1] == c.x[2]) return c.x[1];
  if (c.equals(0, 1)) return c.x[1];
  if (c.equals(0, 0)) return c.x[2];
  if (c.is(0, Op::logical_not)) return c.builder.select(c.operand(0).operands[0], c.x[2], c.x[1]);
  return std::nullopt;
}

// not not x = x
Simplified double_not(const Candidate& c) {
  return c.is(0, Op::logical_not) ? Simplified(c.operand(0).operands[0]) : std::nullopt;
}

Simplified cast_to_itself(const Candidate& c) {
  return c.operand(0).type.dtype == c.value.type.dtype ? Simplified(c.x[0]) : std::nullopt;
}

// broadcast(broadcast(x)) is one broadcast
Simplified broadcast(const Candidate& c) {
  if (c.operand(0).type.shape == c.value.type.shape) return c.x[0];
  if (!c.is(0, Op::broadcast)) return std::nullopt;
  std::vector<int64_t> axes;
  for (int64_t axis : c.operand_axes()) axes.push_back(c.axes()[static_cast<size_t>(axis)]);
  return c.builder.broadcast(c.operand(0).operands[0], axes, c.value.type.shape);
}

// permute(permute(x)) is one permute, or x
Simplified permute(const Candidate& c) {
  if (std::is_sorted(c.axes().begin(), c.axes().end())) return c.x[0];
  if (!c.is(0, Op::permute)) return std::nullopt;
  std::vector<int64_t> axes;
  for (int64_t axis : c.axes()) axes.push_back(c.operand_axes()[static_cast<size_t>(axis)]);
  return c.builder.permute(c.operand(0).operands[0], axes);
}

// reshape(reshape(x)) is one reshape, or x
Simplified reshape(const Candidate& c) {
  if (c.operand(0).type.shape == c.value.type.shape) return c.x[0];
  if (!c.is(0, Op::reshape)) return std::nullopt;
  return c.builder.reshape(c.operand(0).operands[0], c.value.type.shape);
}

// slice of the whole = x;  slice(slice(x)) is one slice
Simplified slice(const Candidate& c) {
  if (c.operand(0).type.shape == c.value.type.shape) return c.x[0];
  if (!c.is(0, Op::slice)) return std::nullopt;
  ir::SliceAttr attr = std::get<ir::SliceAttr>(c.value.attr);
  const ir::SliceAttr& inner = std::get<ir::SliceAttr>(c.operand(0).attr);
  for (size_t i = 0; i < attr.begin.size(); ++i) {
    attr.begin[i] += inner.begin[i];
    attr.end[i] += inner.begin[i];
  }
  return c.builder.create(Op::slice, {c.operand(0).operands[0]}, attr);
}

Simplified same_shape_movement(const Candidate& c) {
  return c.operand(0).type.shape == c.value.type.shape ? Simplified(c.x[0]) : std::nullopt;
}

// An operand that repeats along a letter which the other operand has too need not be repeated: drop the letter from it.
// Then a permuted operand is taken as it was, with its letters in the old order, unless that changes the order of the
// reduced letters, which is the order of the sum.
Simplified contract(const Candidate& c) {
  const ir::ContractAttr& attr = std::get<ir::ContractAttr>(c.value.attr);
  const ir::Subscripts parts = ir::parse_subscripts(attr.subscripts);
  for (size_t which : {0u, 1u}) {
    const std::string& own = which == 0 ? parts.lhs : parts.rhs;
    const std::string& other = which == 0 ? parts.rhs : parts.lhs;
    std::string letters;
    if (c.is(which, Op::broadcast)) {
      const std::vector<int64_t>& axes = std::get<ir::AxesAttr>(c.operand(which).attr).axes;
      for (size_t i = 0; i < own.size(); ++i) {
        const bool kept = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
        if (kept) letters += own[i];
        if (!kept && other.find(own[i]) == std::string::npos) letters += '!';
      }
      if (letters.find('!') != std::string::npos) continue;
    } else if (c.is(which, Op::permute)) {
      const std::vector<int64_t>& axes = std::get<ir::AxesAttr>(c.operand(which).attr).axes;
      letters = own;
      for (size_t i = 0; i < own.size(); ++i) letters[static_cast<size_t>(axes[i])] = own[i];
    } else {
      continue;
    }
    ir::ContractAttr changed = attr;
    changed.subscripts = (which == 0 ? letters + "," + other : other + "," + letters) + "->" + parts.result;
    if (ir::parse_subscripts(changed.subscripts).reduced != parts.reduced) continue;
    std::vector<ValueId> operands = c.x;
    operands[which] = c.operand(which).operands[0];
    return c.builder.create(Op::contract, operands, changed);
  }
  return std::nullopt;
}

struct Row {
  Op op;
  Rule rule;
};
constexpr Row kRules[] = {
    {Op::neg, double_negation},
    {Op::mul, unit_factor},
    {Op::div, unit_divisor},
    {Op::sub, subtract},
    {Op::add, add},
    {Op::max, same_operands},
    {Op::min, same_operands},
    {Op::logical_and, same_operands},
    {Op::logical_or, same_operands},
    {Op::logical_not, double_not},
    {Op::select, select},
    {Op::cast, cast_to_itself},
    {Op::broadcast, broadcast},
    {Op::permute, permute},
    {Op::reshape, reshape},
    {Op::slice, slice},
    {Op::pad, same_shape_movement},
    {Op::concat, same_shape_movement},
    {Op::contract, contract},
};

}  // namespace

std::optional<ValueId> simplify_value(ir::Builder& builder, const ir::Value& value,
                                      const std::vector<ValueId>& operands) {
  for (const Row& row : kRules) {
    if (row.op == value.op) return row.rule({builder, value, operands});
  }
  return std::nullopt;
}

}  // namespace gradc::passes
