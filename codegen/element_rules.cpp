#include "codegen/element_rules.h"

namespace gradc::codegen {

namespace {

using Builder = ElementBuilder;
using ir::DType;
using ir::Op;
using ir::Value;

NodeId elementwise(Builder& b, const Value& v, const Indices& i) {
  std::vector<NodeId> operands;
  for (ir::ValueId operand : v.operands) operands.push_back(b.at(operand, i));
  return b.apply(v.op, v.type.dtype, std::move(operands));
}

// Arguments are in memory; only one that was given no storage arrives here.
NodeId element_parameter(Builder& b, const Value& v, const Indices&) {
  return b.fail("the argument %" + v.name + " has no storage");
}
NodeId element_constant(Builder& b, const Value& v, const Indices&) {
  const ir::ConstantAttr& attr = std::get<ir::ConstantAttr>(v.attr);
  if (attr.values.size() != 1) return b.fail("a constant with several values has no storage");
  return b.number(attr.values[0], v.type.dtype);
}
NodeId element_iota(Builder& b, const Value& v, const Indices& i) {
  return b.index_number(i[static_cast<size_t>(std::get<ir::AxisAttr>(v.attr).axis)]);
}
NodeId element_random(Builder& b, const Value& v, const Indices& i) {
  const ir::RandomAttr& attr = std::get<ir::RandomAttr>(v.attr);
  std::vector<NodeId> key;
  for (int64_t word = 0; word < 3; ++word) key.push_back(b.at(v.operands[0], {Affine{word, {}}}));
  Affine sample;
  Indices element = i;
  ir::Shape shape = v.type.shape;
  if (attr.sample) {
    sample = i[0];
    element.erase(element.begin());
    shape.erase(shape.begin());
  }
  return b.random(std::move(key), attr.place, sample, linear_index(shape, element));
}

NodeId element_neg(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_abs(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_floor(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_exp(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_log(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_sqrt(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_tanh(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_erf(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_sin(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_cos(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_pow(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_add(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_sub(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_mul(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_div(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_max(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_min(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_fma(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_less(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_less_equal(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_equal(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_logical_and(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_logical_or(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_logical_not(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_select(Builder& b, const Value& v, const Indices& i) { return elementwise(b, v, i); }
NodeId element_cast(Builder& b, const Value& v, const Indices& i) {
  return b.type(v.operands[0]).dtype == v.type.dtype ? b.at(v.operands[0], i) : elementwise(b, v, i);
}
NodeId element_stop_gradient(Builder& b, const Value& v, const Indices& i) { return b.at(v.operands[0], i); }

// The index into `to` where the shapes differ in extents of 1 only; empty where they differ otherwise.
Indices without_unit_axes(const ir::Shape& from, const Indices& index, const ir::Shape& to) {
  Indices result;
  size_t axis = 0;
  for (int64_t extent : to) {
    if (extent == 1) {
      result.emplace_back();
      continue;
    }
    while (axis < from.size() && from[axis] == 1) ++axis;
    if (axis == from.size() || from[axis] != extent) return {};
    result.push_back(index[axis++]);
  }
  return result;
}

NodeId element_broadcast(Builder& b, const Value& v, const Indices& i) {
  Indices operand;
  for (int64_t axis : std::get<ir::AxesAttr>(v.attr).axes) operand.push_back(i[static_cast<size_t>(axis)]);
  return b.at(v.operands[0], operand);
}
NodeId element_permute(Builder& b, const Value& v, const Indices& i) {
  const std::vector<int64_t>& axes = std::get<ir::AxesAttr>(v.attr).axes;
  Indices operand(i.size());
  for (size_t k = 0; k < axes.size(); ++k) operand[static_cast<size_t>(axes[k])] = i[k];
  return b.at(v.operands[0], operand);
}
NodeId element_reshape(Builder& b, const Value& v, const Indices& i) {
  const ir::Shape& shape = b.type(v.operands[0]).shape;
  const Affine linear = linear_index(v.type.shape, i);
  if (const int32_t buffer = b.buffer_of(v.operands[0]); buffer >= 0) return b.load(buffer, linear);
  Indices operand = without_unit_axes(v.type.shape, i, shape);
  if (operand.size() != shape.size()) operand = b.split(shape, linear);
  if (operand.size() != shape.size()) return b.fail("a reshape reads a tensor that is not in memory");
  return b.at(v.operands[0], operand);
}
NodeId element_slice(Builder& b, const Value& v, const Indices& i) {
  const ir::SliceAttr& attr = std::get<ir::SliceAttr>(v.attr);
  Indices operand;
  for (size_t k = 0; k < i.size(); ++k) operand.push_back(shifted(i[k], attr.begin[k]));
  return b.at(v.operands[0], operand);
}

// inside ? operand[i - before] : value
NodeId element_pad(Builder& b, const Value& v, const Indices& i) {
  const ir::PadAttr& attr = std::get<ir::PadAttr>(v.attr);
  const ir::Shape& shape = b.type(v.operands[0]).shape;
  Indices operand;
  NodeId inside = b.number(1, DType::boolean);
  for (size_t k = 0; k < i.size(); ++k) {
    operand.push_back(shifted(i[k], -attr.before[k]));
    inside = b.both(inside, b.in_range(operand[k], 0, shape[k]));
  }
  if (b.is_false(inside)) return b.number(attr.value, v.type.dtype);
  const NodeId value = b.under(inside, [&] { return b.at(v.operands[0], operand); });
  return b.choose(inside, value, b.number(attr.value, v.type.dtype));
}

// The operand whose part of the axis holds the index; the last one where no other does.
NodeId element_concat(Builder& b, const Value& v, const Indices& i) {
  const size_t axis = static_cast<size_t>(std::get<ir::AxisAttr>(v.attr).axis);
  NodeId result = kNoNode;
  int64_t begin = v.type.shape[axis];
  for (size_t k = v.operands.size(); k-- > 0;) {
    const int64_t extent = b.type(v.operands[k]).shape[axis];
    begin -= extent;
    Indices operand = i;
    operand[axis] = shifted(i[axis], -begin);
    const NodeId inside = b.in_range(operand[axis], 0, extent);
    if (b.is_false(inside)) continue;
    const NodeId part = b.under(inside, [&] { return b.at(v.operands[k], operand); });
    result = result == kNoNode ? part : b.choose(inside, part, result);
  }
  // Outside all parts: only under a predicate that is false there (a pad around this), so any value will do.
  return result != kNoNode ? result : b.number(0, v.type.dtype);
}

NodeId element_window(Builder& b, const Value& v, const Indices& i) {
  const ir::WindowAttr& attr = std::get<ir::WindowAttr>(v.attr);
  const size_t rank = b.type(v.operands[0]).rank();
  Indices operand(i.begin(), i.begin() + static_cast<std::ptrdiff_t>(rank));
  for (size_t k = 0; k < attr.axes.size(); ++k) {
    Affine& index = operand[static_cast<size_t>(attr.axes[k])];
    index = sum(scaled(index, attr.stride[k]), scaled(i[rank + k], attr.dilation[k]));
  }
  return b.at(v.operands[0], operand);
}

// Where an axis of x is looked up, the index is what `indices` holds there.
NodeId element_gather(Builder& b, const Value& v, const Indices& i) {
  const ir::GatherAttr& attr = std::get<ir::GatherAttr>(v.attr);
  const size_t rank = b.type(v.operands[0]).rank(), index_rank = b.type(v.operands[1]).rank();
  const NodeId entry = b.at(v.operands[1], Indices(i.begin(), i.begin() + static_cast<std::ptrdiff_t>(index_rank)));
  Indices operand(i.begin(), i.begin() + static_cast<std::ptrdiff_t>(attr.batch));
  operand.insert(operand.end(), i.begin() + static_cast<std::ptrdiff_t>(index_rank), i.end());
  const size_t axis = static_cast<size_t>(attr.axis);
  const int64_t extent = b.type(v.operands[0]).shape[axis];
  operand.insert(operand.begin() + static_cast<std::ptrdiff_t>(axis), b.bounded_index(entry, extent));
  if (operand.size() != rank) return b.fail("gather has the wrong number of indices");
  return b.at(v.operands[0], operand);
}

NodeId element_fold(Builder& b, const Value& v, const Indices& i) { return fold_rule(b, v, i); }
NodeId element_contract_fold(Builder& b, const Value& v, const Indices& i) { return contract_fold_rule(b, v, i); }
NodeId element_scatter_add(Builder& b, const Value& v, const Indices& i) { return scatter_add_rule(b, v, i); }
NodeId element_reduce(Builder& b, const Value& v, const Indices& i) { return sum_rule(b, v, i); }
NodeId element_contract(Builder& b, const Value& v, const Indices& i) { return sum_rule(b, v, i); }

NodeId element_gradient(Builder& b, const Value&, const Indices&) { return b.fail("gradient is a request"); }

using Rule = NodeId (*)(Builder&, const Value&, const Indices&);
constexpr Rule kRules[] = {
#define GRADC_OP(name, operands, Attr, traits) &element_##name,
#include "ir/ops.def"
#undef GRADC_OP
};

}  // namespace

NodeId element_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index) {
  return kRules[static_cast<size_t>(value.op)](builder, value, index);
}

}  // namespace gradc::codegen
