// Leaves, operations that move elements, and the adding up of what gather moved.
#include <algorithm>
#include <cstring>

#include "ir/eval_rules.h"
#include "ir/philox.h"

namespace gradc::ir::rules {

void rule_constant(const EvalCall& call) {
  const std::vector<double>& values = std::get<ConstantAttr>(call.value.attr).values;
  if (values.size() == 1) return call.result.fill(values[0]);
  for (size_t i = 0; i < values.size(); ++i) call.result.set(static_cast<int64_t>(i), values[i]);
}

void rule_iota(const EvalCall& call) {
  const size_t axis = static_cast<size_t>(std::get<AxisAttr>(call.value.attr).axis);
  for_each_index(call.value.type.shape, [&](const std::vector<int64_t>& index, int64_t i) {
    call.result.data<int32_t>()[i] = static_cast<int32_t>(index[axis]);
  });
}

void rule_random(const EvalCall& call) {
  const RandomAttr& attr = std::get<RandomAttr>(call.value.attr);
  const int32_t* key = call.operands[0]->data<int32_t>();
  const int64_t samples = attr.sample ? call.value.type.shape[0] : 1;
  const auto per_sample = static_cast<size_t>(call.result.elements() / samples);
  for (int64_t sample = 0; sample < samples; ++sample) {
    const std::span<float> drawn(call.result.data<float>() + sample * static_cast<int64_t>(per_sample), per_sample);
    random_f32(static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1]), static_cast<uint32_t>(key[2]),
               static_cast<uint32_t>(attr.place), static_cast<uint32_t>(sample), drawn);
  }
}

namespace {

// to[to_offset + index . to_strides] = from[from_offset + index . from_strides] over all indices of `shape`.
void copy_elements(const Tensor& from, int64_t from_offset, const std::vector<int64_t>& from_strides, Tensor& to,
                   int64_t to_offset, const std::vector<int64_t>& to_strides, const Shape& shape) {
  dispatch(from.type().dtype, [&](auto zero) {
    using T = decltype(zero);
    for_each_index(shape, [&](const std::vector<int64_t>& index, int64_t) {
      to.data<T>()[to_offset + dot(index, to_strides)] = from.data<T>()[from_offset + dot(index, from_strides)];
    });
  });
}

// Result element i is operand element i . strides (+ offset).
void gather_elements(const EvalCall& call, const std::vector<int64_t>& strides, int64_t offset = 0) {
  const Shape& shape = call.value.type.shape;
  copy_elements(*call.operands[0], offset, strides, call.result, 0, row_major_strides(shape), shape);
}

}  // namespace

void rule_broadcast(const EvalCall& call) {
  const std::vector<int64_t>& axes = std::get<AxesAttr>(call.value.attr).axes;
  const std::vector<int64_t> operand_strides = row_major_strides(call.operands[0]->type().shape);
  std::vector<int64_t> strides(call.value.type.rank(), 0);
  for (size_t i = 0; i < axes.size(); ++i) strides[static_cast<size_t>(axes[i])] = operand_strides[i];
  gather_elements(call, strides);
}

void rule_permute(const EvalCall& call) {
  const std::vector<int64_t>& axes = std::get<AxesAttr>(call.value.attr).axes;
  const std::vector<int64_t> operand_strides = row_major_strides(call.operands[0]->type().shape);
  std::vector<int64_t> strides;
  for (int64_t axis : axes) strides.push_back(operand_strides[static_cast<size_t>(axis)]);
  gather_elements(call, strides);
}

void rule_reshape(const EvalCall& call) {
  std::memcpy(call.result.bytes(), call.operands[0]->bytes(), call.result.byte_count());
}

void rule_slice(const EvalCall& call) {
  const std::vector<int64_t> strides = row_major_strides(call.operands[0]->type().shape);
  gather_elements(call, strides, dot(std::get<SliceAttr>(call.value.attr).begin, strides));
}

namespace {

// Writes a whole operand into the result, its first element at multi-index `begin`.
void place_operand(const EvalCall& call, const Tensor& operand, const std::vector<int64_t>& begin) {
  const std::vector<int64_t> strides = row_major_strides(call.value.type.shape);
  const Shape& shape = operand.type().shape;
  copy_elements(operand, 0, row_major_strides(shape), call.result, dot(begin, strides), strides, shape);
}

}  // namespace

void rule_pad(const EvalCall& call) {
  const PadAttr& attr = std::get<PadAttr>(call.value.attr);
  call.result.fill(attr.value);
  place_operand(call, *call.operands[0], attr.before);
}

void rule_concat(const EvalCall& call) {
  const size_t axis = static_cast<size_t>(std::get<AxisAttr>(call.value.attr).axis);
  std::vector<int64_t> begin(call.value.type.rank(), 0);
  for (const Tensor* operand : call.operands) {
    place_operand(call, *operand, begin);
    begin[axis] += operand->type().shape[axis];
  }
}

void rule_window(const EvalCall& call) {
  gather_elements(call, window_strides(std::get<WindowAttr>(call.value.attr), call.operands[0]->type().shape));
}

namespace {

// f(x offset, y offset) for the elements of gather in row-major order: y is what was looked up, x where.
template <class F>
void for_each_looked_up(const Tensor& x, const Tensor& indices, const Tensor& y, int64_t axis, int64_t batch, F f) {
  const int64_t last = x.type().shape[static_cast<size_t>(axis)] - 1;
  const std::vector<int64_t> x_strides = row_major_strides(x.type().shape);
  const size_t index_rank = indices.type().rank();
  std::vector<int64_t> from(x_strides.begin(), x_strides.begin() + static_cast<std::ptrdiff_t>(batch));
  from.resize(index_rank, 0);
  for (size_t i = static_cast<size_t>(batch); i < x_strides.size(); ++i) {
    if (static_cast<int64_t>(i) != axis) from.push_back(x_strides[i]);
  }
  std::vector<int64_t> at = row_major_strides(indices.type().shape);
  at.resize(from.size(), 0);
  for_each_index(y.type().shape, [&](const std::vector<int64_t>& index, int64_t i) {
    const int64_t entry = std::clamp<int64_t>(indices.data<int32_t>()[dot(index, at)], 0, last);
    f(dot(index, from) + entry * x_strides[static_cast<size_t>(axis)], i);
  });
}

}  // namespace

void rule_gather(const EvalCall& call) {
  const GatherAttr& attr = std::get<GatherAttr>(call.value.attr);
  const Tensor& x = *call.operands[0];
  dispatch(call.value.type.dtype, [&](auto zero) {
    using T = decltype(zero);
    for_each_looked_up(x, *call.operands[1], call.result, attr.axis, attr.batch,
                       [&](int64_t from, int64_t to) { call.result.data<T>()[to] = x.data<T>()[from]; });
  });
}

void rule_scatter_add(const EvalCall& call) {
  const ScatterAttr& attr = std::get<ScatterAttr>(call.value.attr);
  const Tensor& updates = *call.operands[0];
  dispatch(call.value.type.dtype, [&](auto zero) {
    using T = decltype(zero);
    T* y = call.result.data<T>();
    for_each_looked_up(call.result, *call.operands[1], updates, attr.axis, attr.batch,
                       [&](int64_t to, int64_t from) { y[to] = add_of(y[to], updates.data<T>()[from]); });
  });
}

}  // namespace gradc::ir::rules
