// Sums over axes, in the order that is fixed for them.
#include <algorithm>
#include <array>
#include <limits>

#include "ir/ensure.h"
#include "ir/eval_rules.h"
#include "ir/sum_order.h"

namespace gradc::ir::rules {

namespace {

// Adds the terms of one result element in the given order (ir/sum_order.h). `step(acc, index)` is acc with the term at
// that multi-index of the reduced axes.
template <class T, class Step>
T sum_in_order(const SumOrder& order, const SumShape& shape, T init, Step step) {
  const bool lanes = order.kind == SumOrder::Kind::lanes;
  size_t lane_axis = 0;
  while (lanes && shape.reduced[lane_axis].id != order.axis) ++lane_axis;
  const int64_t live = lanes ? std::min(kLanes, shape.reduced[lane_axis].extent) : 1;
  const int64_t outer = shape.reduced.empty() ? 1 : shape.reduced[0].extent;
  const int64_t block = order.block > 0 ? order.block : outer;

  Shape extents;
  for (const ReducedAxis& axis : shape.reduced) extents.push_back(axis.extent);
  std::array<T, kLanes> total{};
  for (int64_t begin = 0; begin < outer; begin += block) {
    std::array<T, kLanes> accumulator{};
    if (begin == 0) accumulator[0] = init;
    if (!extents.empty()) extents[0] = std::min(block, outer - begin);
    for_each_index(extents, [&](std::vector<int64_t>& index, int64_t) {
      if (!index.empty()) index[0] += begin;
      T& lane = accumulator[lanes ? static_cast<size_t>(index[lane_axis] % kLanes) : 0];
      lane = step(lane, index);
      if (!index.empty()) index[0] -= begin;
    });
    for (size_t lane = 0; lane < static_cast<size_t>(live); ++lane) {
      total[lane] = begin == 0 ? accumulator[lane] : add_of(total[lane], accumulator[lane]);
    }
  }
  for (int64_t half = kLanes / 2; half >= 1; half /= 2) {
    for (int64_t lane = 0; lane < half && lane + half < live; ++lane) {
      total[static_cast<size_t>(lane)] =
          add_of(total[static_cast<size_t>(lane)], total[static_cast<size_t>(lane + half)]);
    }
  }
  return total[0];
}

template <class T>
T reduce_init(ReduceKind kind) {
  using Limits = std::numeric_limits<T>;
  switch (kind) {
    case ReduceKind::sum:
      return T{0};
    case ReduceKind::prod:
      return T{1};
    case ReduceKind::max:
      return Limits::has_infinity ? static_cast<T>(-Limits::infinity()) : Limits::lowest();
    case ReduceKind::min:
      return Limits::has_infinity ? Limits::infinity() : Limits::max();
  }
  return T{0};
}

template <class T>
T reduce_step(ReduceKind kind, T accumulator, T x) {
  switch (kind) {
    case ReduceKind::sum:
      return add_of(accumulator, x);
    case ReduceKind::prod:
      return mul_of(accumulator, x);
    case ReduceKind::max:
      return max_of(accumulator, x);
    case ReduceKind::min:
      return min_of(accumulator, x);
  }
  return accumulator;
}

}  // namespace

void rule_reduce(const EvalCall& call) {
  const ReduceAttr& attr = std::get<ReduceAttr>(call.value.attr);
  const SumShape shape = sum_shape(call.func, call.value);
  const SumOrder order = order_of(call.func, call.value);
  const std::vector<int64_t> strides = row_major_strides(call.operands[0]->type().shape);
  std::vector<int64_t> kept, reduced;
  for (size_t i = 0; i < strides.size(); ++i) {
    const bool gone = std::find(attr.axes.begin(), attr.axes.end(), static_cast<int64_t>(i)) != attr.axes.end();
    (gone ? reduced : kept).push_back(strides[i]);
  }
  dispatch(call.value.type.dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = call.operands[0]->data<T>();
    for_each_index(call.value.type.shape, [&](const std::vector<int64_t>& at, int64_t i) {
      const int64_t base = dot(at, kept);
      call.result.data<T>()[i] =
          sum_in_order(order, shape, reduce_init<T>(attr.kind), [&](T acc, const std::vector<int64_t>& index) {
            return reduce_step(attr.kind, acc, x[base + dot(index, reduced)]);
          });
    });
  });
}

std::vector<int64_t> letter_strides(const std::string& letters, const std::string& own, const Tensor& operand) {
  const std::vector<int64_t> strides = row_major_strides(operand.type().shape);
  std::vector<int64_t> out;
  for (char letter : letters) {
    const size_t i = own.find(letter);
    out.push_back(i == std::string::npos ? 0 : strides[i]);
  }
  return out;
}

void rule_contract(const EvalCall& call) {
  const Subscripts parts = parse_subscripts(std::get<ContractAttr>(call.value.attr).subscripts);
  const SumShape shape = sum_shape(call.func, call.value);
  const SumOrder order = order_of(call.func, call.value);
  const Tensor& lhs = *call.operands[0];
  const Tensor& rhs = *call.operands[1];
  const std::vector<int64_t> lhs_kept = letter_strides(parts.result, parts.lhs, lhs);
  const std::vector<int64_t> rhs_kept = letter_strides(parts.result, parts.rhs, rhs);
  const std::vector<int64_t> lhs_reduced = letter_strides(parts.reduced, parts.lhs, lhs);
  const std::vector<int64_t> rhs_reduced = letter_strides(parts.reduced, parts.rhs, rhs);
  dispatch(call.value.type.dtype, [&](auto zero) {
    using T = decltype(zero);
    for_each_index(call.value.type.shape, [&](const std::vector<int64_t>& at, int64_t i) {
      const T* a = lhs.data<T>() + dot(at, lhs_kept);
      const T* b = rhs.data<T>() + dot(at, rhs_kept);
      const T init = call.operands.size() == 3 ? call.operands[2]->data<T>()[i] : T{0};
      call.result.data<T>()[i] = sum_in_order(order, shape, init, [&](T acc, const std::vector<int64_t>& index) {
        return fma_of(a[dot(index, lhs_reduced)], b[dot(index, rhs_reduced)], acc);
      });
    });
  });
}

}  // namespace gradc::ir::rules
