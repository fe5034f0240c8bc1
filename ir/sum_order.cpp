#include "ir/sum_order.h"

#include <algorithm>

#include "ir/ensure.h"

namespace gradc::ir {

namespace {
constexpr int64_t kManyOutputs = 256;
constexpr int64_t kTreeOutputs = 16;
constexpr int64_t kTreeTerms = 4;
constexpr int64_t kBlockTerms = 1024;
}  // namespace

int64_t SumShape::terms() const {
  int64_t count = 1;
  for (const ReducedAxis& axis : reduced) count *= axis.extent;
  return count;
}

Shape extents_of(const std::string& letters, const Subscripts& parts, const Shape& lhs, const Shape& rhs) {
  Shape extents;
  for (char letter : letters) {
    const size_t i = parts.lhs.find(letter);
    extents.push_back(i != std::string::npos ? lhs[i] : rhs[parts.rhs.find(letter)]);
  }
  return extents;
}

SumShape sum_shape(const Func& func, const Value& sum) {
  SumShape shape;
  shape.outputs = sum.type.elements();
  if (const ReduceAttr* reduce = std::get_if<ReduceAttr>(&sum.attr)) {
    const Type& operand = func[sum.operands[0]].type;
    for (int64_t axis : reduce->axes) shape.reduced.push_back({axis, operand.shape[static_cast<size_t>(axis)]});
    return shape;
  }
  const ContractAttr* contract = std::get_if<ContractAttr>(&sum.attr);
  const ContractFoldAttr* folded = std::get_if<ContractFoldAttr>(&sum.attr);
  ENSURE(contract != nullptr || folded != nullptr, "sum_shape of an operation that is not a sum");
  const Subscripts parts = parse_subscripts(contract != nullptr ? contract->subscripts : folded->subscripts);
  const Shape &lhs = func[sum.operands[0]].type.shape, &rhs = func[sum.operands[1]].type.shape;
  const Shape extents = extents_of(parts.reduced, parts, lhs, rhs);
  for (size_t i = 0; i < extents.size(); ++i) shape.reduced.push_back({parts.reduced[i], extents[i]});
  if (folded != nullptr) shape.outputs = Type{sum.type.dtype, extents_of(parts.result, parts, lhs, rhs)}.elements();
  return shape;
}

SumOrder canonical_order(const Func& func, const Value& sum) {
  const SumShape shape = sum_shape(func, sum);
  const int64_t terms = shape.terms();
  SumOrder order{SumOrder::Kind::sequential, 0, 0};
  const ReduceAttr* reduce = std::get_if<ReduceAttr>(&sum.attr);
  if (reduce != nullptr && reduce->kind != ReduceKind::sum) return order;
  if (shape.reduced.empty()) return order;

  auto use_lanes = [&](int64_t axis) {
    order.kind = SumOrder::Kind::lanes;
    order.axis = axis;
  };
  const auto length = [](const ReducedAxis& axis) { return std::pair(axis.extent % kLanes == 0, axis.extent); };
  const auto longest =
      std::max_element(shape.reduced.begin(), shape.reduced.end(),
                       [&](const ReducedAxis& a, const ReducedAxis& b) { return length(a) < length(b); });
  const bool row_reduction = reduce != nullptr && shape.reduced.back().extent >= kLanes &&
                             shape.reduced.back().id + 1 == static_cast<int64_t>(func[sum.operands[0]].type.rank());
  if (shape.outputs < kManyOutputs && terms >= kLanes) {
    use_lanes(longest->id);
  } else if (row_reduction) {
    use_lanes(shape.reduced.back().id);
  } else if (shape.outputs <= kTreeOutputs && terms >= kTreeTerms && terms < kLanes && longest->extent == terms) {
    use_lanes(longest->id);
  }
  if (order.kind == SumOrder::Kind::lanes && shape.outputs < kManyOutputs && terms > kBlockTerms) {
    const ReducedAxis& outer = shape.reduced.front();
    const int64_t inner_terms = terms / outer.extent;
    int64_t block = (kBlockTerms + inner_terms - 1) / inner_terms;
    if (outer.id == order.axis) block = (block + kLanes - 1) / kLanes * kLanes;
    if (block < outer.extent) order.block = block;
  }
  return order;
}

SumOrder order_of(const Func& func, const Value& sum) {
  const ReduceAttr* reduce = std::get_if<ReduceAttr>(&sum.attr);
  const SumOrder& written = reduce != nullptr ? reduce->order : std::get<ContractAttr>(sum.attr).order;
  return written.kind == SumOrder::Kind::unset ? canonical_order(func, sum) : written;
}

bool same_rounds(const Func& func, const Value& a, const Value& b) {
  const SumOrder orders[] = {order_of(func, a), order_of(func, b)};
  if (orders[0].kind != SumOrder::Kind::lanes || orders[1].kind != SumOrder::Kind::lanes) return false;
  if (orders[0].block != orders[1].block) return false;
  const SumShape shapes[] = {sum_shape(func, a), sum_shape(func, b)};
  if (shapes[0].reduced.size() != shapes[1].reduced.size()) return false;
  for (size_t i = 0; i < shapes[0].reduced.size(); ++i) {
    const ReducedAxis &first = shapes[0].reduced[i], &second = shapes[1].reduced[i];
    if (first.extent != second.extent || (first.id == orders[0].axis) != (second.id == orders[1].axis)) return false;
  }
  return true;
}

}  // namespace gradc::ir
