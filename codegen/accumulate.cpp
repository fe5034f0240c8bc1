// The loops of `fold`, `contract_fold` and `scatter_add`: each element goes over the terms that may be its own, in the
// order that ir/ops.def gives, and adds those that are.
#include "codegen/element_rules.h"
#include "ir/sum_order.h"

namespace gradc::codegen {

namespace {

using ir::DType;
using ir::Op;

// body(index, acc) over all indices of `extents`, row-major.
NodeId nested(ElementBuilder& builder, const ir::Shape& extents, Indices& index, NodeId acc,
              const std::function<NodeId(NodeId)>& body) {
  if (index.size() == extents.size()) return body(acc);
  return builder.reduce("r", extents[index.size()], acc, [&](const Affine& at, NodeId inner) {
    index.push_back(at);
    const NodeId result = nested(builder, extents, index, inner, body);
    index.pop_back();
    return result;
  });
}

NodeId add(ElementBuilder& builder, NodeId acc, NodeId term) {
  return builder.apply(Op::add, builder.dtype(acc), {acc, term});
}

struct Position {
  Affine index;   // of the window that holds the element at this offset
  NodeId exists;  // whether there is one
};

// i with i * stride = position, for 0 <= i < count. A stride of 1 leaves the index affine, so that addresses stay
// immediate; otherwise it is the quotient brought into bounds, and exists where the product is the position again.
Position window_at(ElementBuilder& builder, const Affine& position, int64_t stride, int64_t count) {
  if (stride == 1) return {position, builder.in_range(position, 0, count)};
  const NodeId number = builder.index_number(position);
  const NodeId step = builder.number(static_cast<double>(stride), DType::i32);
  const Affine index = builder.bounded_index(builder.apply(Op::div, DType::i32, {number, step}), count);
  const NodeId product = builder.index_number(scaled(index, stride));
  return {index, builder.apply(Op::equal, DType::boolean, {product, number})};
}

// From +0, acc = next(index of the windows, acc) for each offset at which a window of `windows` holds the element.
NodeId fold_terms(ElementBuilder& builder, const ir::FoldAttr& attr, const ir::Shape& windows, DType dtype,
                  const Indices& index, const std::function<NodeId(const Indices&, NodeId)>& next) {
  Indices offset;
  return nested(builder, attr.size, offset, builder.number(0, dtype), [&](NodeId acc) {
    Indices at = index;
    NodeId exists = builder.number(1, DType::boolean);
    for (size_t k = 0; k < attr.axes.size(); ++k) {
      const size_t axis = static_cast<size_t>(attr.axes[k]);
      const Affine position = sum(index[axis], scaled(offset[k], -attr.dilation[k]));
      const Position found = window_at(builder, position, attr.stride[k], windows[axis]);
      at[axis] = found.index;
      exists = builder.both(exists, found.exists);
    }
    if (builder.is_false(exists)) return acc;
    at.insert(at.end(), offset.begin(), offset.end());
    const NodeId sum = builder.under(exists, [&] { return next(at, acc); });
    return builder.choose(exists, sum, acc);
  });
}

}  // namespace

NodeId fold_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index) {
  const ir::ValueId operand = value.operands[0];
  const ir::FoldAttr& attr = std::get<ir::FoldAttr>(value.attr);
  return fold_terms(builder, attr, builder.type(operand).shape, value.type.dtype, index,
                    [&](const Indices& at, NodeId acc) { return add(builder, acc, builder.at(operand, at)); });
}

NodeId contract_fold_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index) {
  const ir::ContractFoldAttr& attr = std::get<ir::ContractFoldAttr>(value.attr);
  const ir::Subscripts parts = ir::parse_subscripts(attr.subscripts);
  const ir::Shape windows =
      ir::extents_of(parts.result, parts, builder.type(value.operands[0]).shape, builder.type(value.operands[1]).shape);
  return fold_terms(builder, attr.fold, windows, value.type.dtype, index,
                    [&](const Indices& at, NodeId acc) { return contract_terms(builder, value, at, acc); });
}

namespace {

// The axes of the indices that are not shared with the result.
ir::Shape positions_of(const ElementBuilder& builder, const ir::Value& value) {
  const ir::Shape& shape = builder.type(value.operands[1]).shape;
  return {shape.begin() + static_cast<std::ptrdiff_t>(std::get<ir::ScatterAttr>(value.attr).batch), shape.end()};
}

// Where the updates have the element that `index` and a position of the indices name.
Indices update_at(const ir::ScatterAttr& attr, const Indices& index, Indices at) {
  for (size_t i = static_cast<size_t>(attr.batch); i < index.size(); ++i)
    if (i != static_cast<size_t>(attr.axis)) at.push_back(index[i]);
  return at;
}

}  // namespace

// Every element looks at every index, unless the sums were made before.
NodeId scatter_add_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index) {
  if (const int32_t sums = builder.added_in(value); sums >= 0) return builder.load(sums, index);
  const ir::ScatterAttr& attr = std::get<ir::ScatterAttr>(value.attr);
  const ir::Shape positions = positions_of(builder, value);
  Indices position;
  return nested(builder, positions, position, builder.number(0, value.type.dtype), [&](NodeId acc) {
    Indices at(index.begin(), index.begin() + static_cast<std::ptrdiff_t>(attr.batch));
    at.insert(at.end(), position.begin(), position.end());
    const Affine entry = builder.bounded_index(builder.at(value.operands[1], at), attr.extent);
    const NodeId own =
        builder.apply(Op::equal, DType::boolean,
                      {builder.index_number(entry), builder.index_number(index[static_cast<size_t>(attr.axis)])});
    const Indices update = update_at(attr, index, std::move(at));
    return builder.choose(own, add(builder, acc, builder.at(value.operands[0], update)), acc);
  });
}

bool adds_in_place(const ir::Func& func, const ir::Value& value) {
  constexpr int64_t kLittleWork =
      1 << 12;  // comparisons; below, both take the same time, and a resident program can only pull
  if (value.op != Op::scatter_add) return false;
  const ir::ScatterAttr& attr = std::get<ir::ScatterAttr>(value.attr);
  // With axes in common the place would differ along what may fill the vectors.
  if (attr.batch > 0) return false;
  return value.type.elements() > kLittleWork / func[value.operands[1]].type.elements();
}

void add_in_place(ElementBuilder& builder, const ir::Value& value, Indices index, int32_t sums) {
  const ir::ScatterAttr& attr = std::get<ir::ScatterAttr>(value.attr);
  const ir::Shape positions = positions_of(builder, value);
  Indices position;
  const std::function<void(size_t)> rounds = [&](size_t axis) {
    if (axis < positions.size()) {
      builder.reduce("r", positions[axis], Nodes{}, [&](const Affine& at, const Nodes&) {
        position.push_back(at);
        rounds(axis + 1);
        position.pop_back();
        return Nodes{};
      });
      return;
    }
    index[static_cast<size_t>(attr.axis)] = builder.bounded_index(builder.at(value.operands[1], position), attr.extent);
    builder.add_to(sums, index, builder.at(value.operands[0], update_at(attr, index, position)));
  };
  rounds(0);
}

}  // namespace gradc::codegen
