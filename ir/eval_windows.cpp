// What adds windows up again: each element takes the terms that are its own, in the order of ops.def.
#include "ir/eval_rules.h"
#include "ir/sum_order.h"

namespace gradc::ir::rules {

std::vector<int64_t> window_strides(const WindowAttr& attr, const Shape& shape) {
  std::vector<int64_t> strides = row_major_strides(shape);
  std::vector<int64_t> offsets;
  for (size_t i = 0; i < attr.axes.size(); ++i) {
    int64_t& stride = strides[static_cast<size_t>(attr.axes[i])];
    offsets.push_back(stride * attr.dilation[i]);
    stride *= attr.stride[i];
  }
  strides.insert(strides.end(), offsets.begin(), offsets.end());
  return strides;
}

namespace {

// One entry for each axis of the windows' tensor, the axes of a window first: these then come outside, as they must.
std::vector<int64_t> offsets_first(const std::vector<int64_t>& values, size_t rank) {
  std::vector<int64_t> order(values.begin() + static_cast<std::ptrdiff_t>(rank), values.end());
  order.insert(order.end(), values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank));
  return order;
}

}  // namespace

void rule_fold(const EvalCall& call) {
  const size_t rank = call.value.type.rank();
  const Shape& windows = call.operands[0]->type().shape;
  const WindowAttr window = std::get<FoldAttr>(call.value.attr).window();
  const std::vector<int64_t> to = offsets_first(window_strides(window, call.value.type.shape), rank);
  const std::vector<int64_t> from = offsets_first(row_major_strides(windows), rank);
  dispatch(call.value.type.dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = call.operands[0]->data<T>();
    for_each_index(offsets_first(windows, rank), [&](const std::vector<int64_t>& index, int64_t) {
      T& y = call.result.data<T>()[dot(index, to)];
      y = add_of(y, x[dot(index, from)]);
    });
  });
}

void rule_contract_fold(const EvalCall& call) {
  const ContractFoldAttr& attr = std::get<ContractFoldAttr>(call.value.attr);
  const Subscripts parts = parse_subscripts(attr.subscripts);
  const size_t rank = call.value.type.rank();
  const Tensor &lhs = *call.operands[0], &rhs = *call.operands[1];
  const Shape windows = extents_of(parts.result, parts, lhs.type().shape, rhs.type().shape);
  const Shape terms = extents_of(parts.reduced, parts, lhs.type().shape, rhs.type().shape);
  const std::vector<int64_t> to = offsets_first(window_strides(attr.fold.window(), call.value.type.shape), rank);
  const std::vector<int64_t> lhs_kept = offsets_first(letter_strides(parts.result, parts.lhs, lhs), rank);
  const std::vector<int64_t> rhs_kept = offsets_first(letter_strides(parts.result, parts.rhs, rhs), rank);
  const std::vector<int64_t> lhs_reduced = letter_strides(parts.reduced, parts.lhs, lhs);
  const std::vector<int64_t> rhs_reduced = letter_strides(parts.reduced, parts.rhs, rhs);
  dispatch(call.value.type.dtype, [&](auto zero) {
    using T = decltype(zero);
    for_each_index(offsets_first(windows, rank), [&](const std::vector<int64_t>& at, int64_t) {
      const T* a = lhs.data<T>() + dot(at, lhs_kept);
      const T* b = rhs.data<T>() + dot(at, rhs_kept);
      T& y = call.result.data<T>()[dot(at, to)];
      for_each_index(terms, [&](const std::vector<int64_t>& index, int64_t) {
        y = fma_of(a[dot(index, lhs_reduced)], b[dot(index, rhs_reduced)], y);
      });
    });
  });
}

}  // namespace gradc::ir::rules
