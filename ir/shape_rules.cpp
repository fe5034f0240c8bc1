#include "ir/shape_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/sum_order.h"

namespace gradc::ir {

namespace {

struct Query {
  const std::vector<Type>& operands;
  const Attr& attr;
  const Type& requested;
};
using Rule = Result<Type> (*)(const Query&);

template <class... Args>
Error error(fmt::format_string<Args...> format, Args&&... args) {
  return {fmt::format(format, std::forward<Args>(args)...)};
}

Result<Type> checked(Type type) {
  if (type.shape.size() > kMaxRank)
    return error("{} axes are more than the {} a tensor may have", type.rank(), kMaxRank);
  for (int64_t extent : type.shape) {
    if (extent < 1) return error("an axis of extent {} in {}", extent, to_string(type));
  }
  if (!checked_element_count(type.shape)) return error("{} has more than 2^32 elements", to_string(type));
  return type;
}

// The common type of all operands.
Result<Type> same(const Query& q, size_t from = 0) {
  for (size_t i = from + 1; i < q.operands.size(); ++i) {
    if (q.operands[i] != q.operands[from]) {
      return error("operands of different types {} and {}", to_string(q.operands[from]), to_string(q.operands[i]));
    }
  }
  return q.operands[from];
}

Result<Type> same_float(const Query& q) {
  Result<Type> type = same(q);
  if (type && !is_float(type->dtype)) return error("takes real numbers, not {}", to_string(*type));
  return type;
}

Result<Type> same_number(const Query& q) {
  Result<Type> type = same(q);
  if (type && type->dtype == DType::boolean) return error("takes numbers, not {}", to_string(*type));
  return type;
}

Result<Type> comparison(const Query& q) {
  Result<Type> type = same_number(q);
  if (!type) return type;
  return type->with_dtype(DType::boolean);
}

Result<Type> logical(const Query& q) {
  Result<Type> type = same(q);
  if (type && type->dtype != DType::boolean) return error("takes bool, not {}", to_string(*type));
  return type;
}

// Axes must be ascending, distinct and below `rank`.
bool ascending_axes(const std::vector<int64_t>& axes, size_t rank) {
  int64_t previous = -1;
  for (int64_t axis : axes) {
    if (axis <= previous || axis >= static_cast<int64_t>(rank)) return false;
    previous = axis;
  }
  return true;
}

Result<Type> rule_parameter(const Query& q) { return checked(q.requested); }

Result<Type> rule_constant(const Query& q) {
  Result<Type> type = checked(q.requested);
  if (!type) return type;
  const size_t count = std::get<ConstantAttr>(q.attr).values.size();
  if (count != 1 && count != static_cast<size_t>(type->elements())) {
    return error("{} values for {}", count, to_string(*type));
  }
  return type;
}

Result<Type> rule_iota(const Query& q) {
  Result<Type> type = checked(q.requested);
  if (!type) return type;
  const int64_t axis = std::get<AxisAttr>(q.attr).axis;
  if (type->dtype != DType::i32) return error("gives i32, not {}", to_string(*type));
  if (axis < 0 || axis >= static_cast<int64_t>(type->rank())) return error("axis {} of {}", axis, to_string(*type));
  if (type->shape[static_cast<size_t>(axis)] > INT32_MAX)
    return error("axis {} of {} is too long", axis, to_string(*type));
  return type;
}

Result<Type> rule_random(const Query& q) {
  Result<Type> type = checked(q.requested);
  if (!type) return type;
  const RandomAttr& attr = std::get<RandomAttr>(q.attr);
  if (q.operands[0] != Type{DType::i32, {3}}) return error("takes a key of i32[3], not {}", to_string(q.operands[0]));
  if (type->dtype != DType::f32) return error("gives f32, not {}", to_string(*type));
  if (attr.place < 0 || attr.place > UINT32_MAX) return error("place {} is outside 0 ... 2^32-1", attr.place);
  if (attr.sample && type->is_scalar()) return error("samples need an axis 0 to count them");
  return type;
}

Result<Type> rule_neg(const Query& q) { return same_number(q); }
Result<Type> rule_abs(const Query& q) { return same_number(q); }
Result<Type> rule_floor(const Query& q) { return same_float(q); }
Result<Type> rule_exp(const Query& q) { return same_float(q); }
Result<Type> rule_log(const Query& q) { return same_float(q); }
Result<Type> rule_sqrt(const Query& q) { return same_float(q); }
Result<Type> rule_tanh(const Query& q) { return same_float(q); }
Result<Type> rule_erf(const Query& q) { return same_float(q); }
Result<Type> rule_sin(const Query& q) { return same_float(q); }
Result<Type> rule_cos(const Query& q) { return same_float(q); }
Result<Type> rule_pow(const Query& q) { return same_float(q); }
Result<Type> rule_add(const Query& q) { return same_number(q); }
Result<Type> rule_sub(const Query& q) { return same_number(q); }
Result<Type> rule_mul(const Query& q) { return same_number(q); }
Result<Type> rule_div(const Query& q) { return same_number(q); }
Result<Type> rule_max(const Query& q) { return same_number(q); }
Result<Type> rule_min(const Query& q) { return same_number(q); }
Result<Type> rule_fma(const Query& q) { return same_float(q); }
Result<Type> rule_less(const Query& q) { return comparison(q); }
Result<Type> rule_less_equal(const Query& q) { return comparison(q); }
Result<Type> rule_equal(const Query& q) { return comparison(q); }
Result<Type> rule_logical_and(const Query& q) { return logical(q); }
Result<Type> rule_logical_or(const Query& q) { return logical(q); }
Result<Type> rule_logical_not(const Query& q) { return logical(q); }
Result<Type> rule_stop_gradient(const Query& q) { return same(q); }

Result<Type> rule_select(const Query& q) {
  Result<Type> type = same(q, 1);
  if (!type) return type;
  if (q.operands[0] != type->with_dtype(DType::boolean)) {
    return error("the condition must be {}, not {}", to_string(type->with_dtype(DType::boolean)),
                 to_string(q.operands[0]));
  }
  return type;
}

Result<Type> rule_cast(const Query& q) {
  if (q.operands[0].shape != q.requested.shape) {
    return error("the shape of {} is not that of {}", to_string(q.requested), to_string(q.operands[0]));
  }
  return q.requested;
}

Result<Type> rule_broadcast(const Query& q) {
  Result<Type> type = checked(q.requested);
  if (!type) return type;
  const Type& operand = q.operands[0];
  const std::vector<int64_t>& axes = std::get<AxesAttr>(q.attr).axes;
  if (operand.dtype != type->dtype) return error("cannot make {} of {}", to_string(*type), to_string(operand));
  if (axes.size() != operand.rank())
    return error("{} axes for the {} of {}", axes.size(), operand.rank(), to_string(operand));
  if (!ascending_axes(axes, type->rank())) return error("axes must ascend and stay below {}", type->rank());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (operand.shape[i] != type->shape[static_cast<size_t>(axes[i])]) {
      return error("axis {} of {} is not axis {} of {}", i, to_string(operand), axes[i], to_string(*type));
    }
  }
  return type;
}

Result<Type> rule_permute(const Query& q) {
  const Type& operand = q.operands[0];
  const std::vector<int64_t>& axes = std::get<AxesAttr>(q.attr).axes;
  std::vector<int64_t> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  if (axes.size() != operand.rank() || !ascending_axes(sorted, operand.rank())) {
    return error("axes must name each axis of {} once", to_string(operand));
  }
  Type type{operand.dtype, {}};
  for (int64_t axis : axes) type.shape.push_back(operand.shape[static_cast<size_t>(axis)]);
  return type;
}

Result<Type> rule_reshape(const Query& q) {
  Result<Type> type = checked(q.requested);
  if (!type) return type;
  const Type& operand = q.operands[0];
  if (operand.dtype != type->dtype || operand.elements() != type->elements()) {
    return error("cannot make {} of {}", to_string(*type), to_string(operand));
  }
  return type;
}

Result<Type> rule_slice(const Query& q) {
  const Type& operand = q.operands[0];
  const SliceAttr& attr = std::get<SliceAttr>(q.attr);
  if (attr.begin.size() != operand.rank() || attr.end.size() != operand.rank()) {
    return error("needs a begin and an end for each axis of {}", to_string(operand));
  }
  Type type{operand.dtype, {}};
  for (size_t i = 0; i < operand.rank(); ++i) {
    if (attr.begin[i] < 0 || attr.begin[i] >= attr.end[i] || attr.end[i] > operand.shape[i]) {
      return error("{} .. {} is not a part of axis {} of {}", attr.begin[i], attr.end[i], i, to_string(operand));
    }
    type.shape.push_back(attr.end[i] - attr.begin[i]);
  }
  return type;
}

Result<Type> rule_pad(const Query& q) {
  const Type& operand = q.operands[0];
  const PadAttr& attr = std::get<PadAttr>(q.attr);
  if (attr.before.size() != operand.rank() || attr.after.size() != operand.rank()) {
    return error("needs a before and an after for each axis of {}", to_string(operand));
  }
  Type type{operand.dtype, {}};
  for (size_t i = 0; i < operand.rank(); ++i) {
    if (attr.before[i] < 0 || attr.after[i] < 0 || attr.before[i] > kMaxElements || attr.after[i] > kMaxElements) {
      return error("cannot pad axis {} by {} and {}", i, attr.before[i], attr.after[i]);
    }
    type.shape.push_back(attr.before[i] + operand.shape[i] + attr.after[i]);
  }
  return checked(type);
}

Result<Type> rule_concat(const Query& q) {
  Type type = q.operands[0];
  const int64_t axis = std::get<AxisAttr>(q.attr).axis;
  if (axis < 0 || axis >= static_cast<int64_t>(type.rank())) return error("axis {} of {}", axis, to_string(type));
  const size_t at = static_cast<size_t>(axis);
  for (size_t i = 1; i < q.operands.size(); ++i) {
    Type other = q.operands[i];
    if (other.rank() != type.rank()) return error("operands {} and {}", to_string(q.operands[0]), to_string(other));
    const int64_t extent = other.shape[at];
    other.shape[at] = type.shape[at];
    if (other != type) return error("operands {} and {}", to_string(q.operands[0]), to_string(q.operands[i]));
    type.shape[at] += extent;
  }
  return checked(type);
}

// Blocks cut the first reduced axis; where that is the lane axis, a block must not split a round of the lanes.
Status check_block(const SumOrder& order, int64_t first_reduced) {
  if (order.block < 0) return error("a block of {}", order.block);
  const bool splits = order.kind == SumOrder::Kind::lanes && order.axis == first_reduced && order.block % kLanes != 0;
  if (splits) return error("a block of {} indices on the lane axis; it must be a multiple of 16", order.block);
  return success();
}

// How many windows fit onto each listed axis of `shape`. Indices of such axes are computed as i32.
Result<Shape> window_counts(const WindowAttr& attr, const Shape& shape) {
  const size_t count = attr.axes.size();
  if (count == 0 || !ascending_axes(attr.axes, shape.size())) {
    return error("axes must ascend, be at least one, and stay below {}", shape.size());
  }
  if (attr.size.size() != count || attr.stride.size() != count || attr.dilation.size() != count) {
    return error("needs a size, a stride and a dilation for each of its {} axes", count);
  }
  Shape counts;
  for (size_t i = 0; i < count; ++i) {
    const int64_t extent = shape[static_cast<size_t>(attr.axes[i])];
    if (extent < 1 || extent > INT32_MAX) return error("axis {} has an extent of {}", attr.axes[i], extent);
    const int64_t size = attr.size[i], stride = attr.stride[i], dilation = attr.dilation[i];
    const bool sensible = size >= 1 && stride >= 1 && dilation >= 1 && stride <= INT32_MAX && dilation <= INT32_MAX;
    const int64_t gaps = size - 1;
    if (!sensible || gaps > extent - 1 || (gaps > 0 && dilation > (extent - 1) / gaps)) {
      return error("a window of size {}, stride {}, dilation {} does not fit axis {} of extent {}", size, stride,
                   dilation, attr.axes[i], extent);
    }
    counts.push_back((extent - gaps * dilation - 1) / stride + 1);
  }
  return counts;
}

Result<Type> rule_window(const Query& q) {
  const WindowAttr& attr = std::get<WindowAttr>(q.attr);
  Type type = q.operands[0];
  const Result<Shape> counts = window_counts(attr, type.shape);
  if (!counts) return Error{counts.error()};
  for (size_t i = 0; i < attr.axes.size(); ++i) type.shape[static_cast<size_t>(attr.axes[i])] = (*counts)[i];
  type.shape.insert(type.shape.end(), attr.size.begin(), attr.size.end());
  return checked(type);
}

Result<Type> rule_fold(const Query& q) {
  const FoldAttr& attr = std::get<FoldAttr>(q.attr);
  const Type& operand = q.operands[0];
  if (operand.dtype == DType::boolean) return error("takes numbers, not {}", to_string(operand));
  if (attr.axes.size() > operand.rank() || attr.extents.size() != attr.axes.size() ||
      !ascending_axes(attr.axes, operand.rank() - attr.axes.size())) {
    return error("axes must ascend, have an extent each, and be axes of the result of folding {}", to_string(operand));
  }
  Type type = operand;
  type.shape.resize(operand.rank() - attr.axes.size());
  for (size_t i = 0; i < attr.axes.size(); ++i) type.shape[static_cast<size_t>(attr.axes[i])] = attr.extents[i];
  const Result<Type> result = checked(type);
  if (!result) return result;
  const Attr window = attr.window();
  const Result<Type> windows = rule_window({{*result}, window, q.requested});
  if (!windows) return windows;
  if (*windows != operand) {
    return error("the windows of {} are {}, not {}", to_string(*result), to_string(*windows), to_string(operand));
  }
  return result;
}

// [batch axes.., the other axes of indices.., the other axes of x..]
Result<Type> gathered(const Type& x, const Type& indices, int64_t axis, int64_t batch) {
  if (indices.dtype != DType::i32) return error("indices are i32, not {}", to_string(indices));
  if (batch < 0 || batch > axis || axis >= static_cast<int64_t>(x.rank()) ||
      batch > static_cast<int64_t>(indices.rank())) {
    return error("axis {} past {} shared axes, of {} with indices {}", axis, batch, to_string(x), to_string(indices));
  }
  const size_t shared = static_cast<size_t>(batch);
  if (!std::equal(x.shape.begin(), x.shape.begin() + batch, indices.shape.begin())) {
    return error("the first {} axes of {} and {} differ", batch, to_string(x), to_string(indices));
  }
  if (x.shape[static_cast<size_t>(axis)] > INT32_MAX) return error("axis {} of {} is too long", axis, to_string(x));
  Type type{x.dtype, indices.shape};
  for (size_t i = shared; i < x.rank(); ++i) {
    if (static_cast<int64_t>(i) != axis) type.shape.push_back(x.shape[i]);
  }
  return checked(type);
}

Result<Type> rule_gather(const Query& q) {
  const GatherAttr& attr = std::get<GatherAttr>(q.attr);
  return gathered(q.operands[0], q.operands[1], attr.axis, attr.batch);
}

Result<Type> rule_scatter_add(const Query& q) {
  const ScatterAttr& attr = std::get<ScatterAttr>(q.attr);
  const Type& updates = q.operands[0];
  const Type& indices = q.operands[1];
  if (updates.dtype == DType::boolean) return error("takes numbers, not {}", to_string(updates));
  const int64_t index_rank = static_cast<int64_t>(indices.rank());
  const bool batch_fits = attr.batch >= 0 && attr.batch <= index_rank;
  const int64_t rank = batch_fits ? static_cast<int64_t>(updates.rank()) - index_rank + attr.batch + 1 : 0;
  if (attr.axis < attr.batch || attr.axis >= rank) {
    return error("axis {} past {} shared axes, for {} with indices {}", attr.axis, attr.batch, to_string(updates),
                 to_string(indices));
  }
  Type type{updates.dtype, {}};
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t rest = i - attr.batch - (i > attr.axis ? 1 : 0);  // which of the axes behind those of indices
    if (i == attr.axis) {
      type.shape.push_back(attr.extent);
    } else {
      type.shape.push_back(
          updates.shape[i < attr.batch ? static_cast<size_t>(i) : indices.rank() + static_cast<size_t>(rest)]);
    }
  }
  const Result<Type> result = checked(type);
  if (!result) return result;
  const Result<Type> looked_up = gathered(*result, indices, attr.axis, attr.batch);
  if (!looked_up) return looked_up;
  if (*looked_up != updates) {
    return error("updates must be {}, not {}", to_string(*looked_up), to_string(updates));
  }
  return result;
}

Result<Type> rule_reduce(const Query& q) {
  const Type& operand = q.operands[0];
  const ReduceAttr& attr = std::get<ReduceAttr>(q.attr);
  if (operand.dtype == DType::boolean) return error("takes numbers, not {}", to_string(operand));
  if (attr.axes.empty() || !ascending_axes(attr.axes, operand.rank())) {
    return error("axes must ascend, be at least one, and stay below {}", operand.rank());
  }
  if (attr.order.kind == SumOrder::Kind::lanes) {
    if (attr.kind != ReduceKind::sum) return error("only a sum is added in lanes");
    if (std::find(attr.axes.begin(), attr.axes.end(), attr.order.axis) == attr.axes.end()) {
      return error("the lane axis {} is not reduced", attr.order.axis);
    }
  }
  if (Status block = check_block(attr.order, attr.axes.front()); !block) return block.take_error();
  if (attr.order.block > 0 && attr.kind != ReduceKind::sum) return error("only a sum is added in blocks");
  Type type{operand.dtype, {}};
  for (size_t i = 0; i < operand.rank(); ++i) {
    if (std::find(attr.axes.begin(), attr.axes.end(), static_cast<int64_t>(i)) == attr.axes.end()) {
      type.shape.push_back(operand.shape[i]);
    }
  }
  // The gradient of max and min numbers the elements with an i32.
  const bool numbered = attr.kind == ReduceKind::max || attr.kind == ReduceKind::min;
  if (numbered && operand.elements() / type.elements() > INT32_MAX) {
    return error("max and min take at most 2^31 - 1 elements into one, not those of {}", to_string(operand));
  }
  return type;
}

Result<Type> rule_contract(const Query& q) {
  const ContractAttr& attr = std::get<ContractAttr>(q.attr);
  const Subscripts parts = parse_subscripts(attr.subscripts);
  if (!parts.valid) return error("subscripts \"{}\" are not of the form \"bi,oi->bo\"", attr.subscripts);
  const Type& lhs = q.operands[0];
  const Type& rhs = q.operands[1];
  if (lhs.dtype != rhs.dtype || lhs.dtype == DType::boolean) {
    return error("operands of types {} and {}", to_string(lhs), to_string(rhs));
  }
  if (parts.lhs.size() != lhs.rank() || parts.rhs.size() != rhs.rank()) {
    return error("subscripts \"{}\" for {} and {}", attr.subscripts, to_string(lhs), to_string(rhs));
  }
  for (size_t i = 0; i < parts.lhs.size(); ++i) {
    const size_t j = parts.rhs.find(parts.lhs[i]);
    if (j != std::string::npos && lhs.shape[i] != rhs.shape[j]) {
      return error("`{}` is {} in {} and {} in {}", parts.lhs[i], lhs.shape[i], to_string(lhs), rhs.shape[j],
                   to_string(rhs));
    }
  }
  if (attr.order.kind == SumOrder::Kind::lanes &&
      (attr.order.axis <= 0 || attr.order.axis > 127 ||
       parts.reduced.find(static_cast<char>(attr.order.axis)) == std::string::npos)) {
    return error("the lane axis is not one of the reduced \"{}\"", parts.reduced);
  }
  const int64_t first_reduced = parts.reduced.empty() ? 0 : parts.reduced.front();
  if (Status block = check_block(attr.order, first_reduced); !block) return block.take_error();
  if (attr.order.block > 0 && parts.reduced.empty()) return error("a block of a sum of one term");
  const Type type{lhs.dtype, extents_of(parts.result, parts, lhs.shape, rhs.shape)};
  if (q.operands.size() == 3 && q.operands[2] != type) {
    return error("init must be {}, not {}", to_string(type), to_string(q.operands[2]));
  }
  return checked(type);
}

Result<Type> rule_contract_fold(const Query& q) {
  const ContractFoldAttr& attr = std::get<ContractFoldAttr>(q.attr);
  const Attr contract = ContractAttr{attr.subscripts, {}}, fold = attr.fold;
  const Result<Type> windows = rule_contract({q.operands, contract, q.requested});
  if (!windows) return windows;
  return rule_fold({{*windows}, fold, q.requested});
}

Result<Type> rule_gradient(const Query& q) {
  if (!is_float(q.operands[0].dtype) || !q.operands[0].is_scalar()) {
    return error("derives a real number, not {}", to_string(q.operands[0]));
  }
  if (q.operands[1].dtype != q.operands[0].dtype) {
    return error("derives {} with respect to {}", to_string(q.operands[0]), to_string(q.operands[1]));
  }
  return q.operands[1];
}

constexpr Rule kRules[] = {
#define GRADC_OP(name, operands, Attr, traits) &rule_##name,
#include "ir/ops.def"
#undef GRADC_OP
};

template <class T>
bool holds(const Attr& attr) {
  return std::holds_alternative<T>(attr);
}

constexpr bool (*kHoldsAttr[])(const Attr&) = {
#define GRADC_OP(name, operands, Attr, traits) &holds<Attr>,
#include "ir/ops.def"
#undef GRADC_OP
};

}  // namespace

Result<Type> infer_type(Op op, const std::vector<Type>& operands, const Attr& attr, const Type& requested) {
  if (!takes_operand_count(op, operands.size()))
    return error("{} operands are not what {} takes", operands.size(), op_name(op));
  if (!kHoldsAttr[static_cast<size_t>(op)](attr))
    return error("{} carries the attributes of another operation", op_name(op));
  return kRules[static_cast<size_t>(op)]({operands, attr, requested});
}

}  // namespace gradc::ir
