#include "ir/eval_ops.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "ir/ensure.h"
#include "ir/math.h"
#include "ir/math_double.h"
#include "ir/philox.h"
#include "ir/sum_order.h"

namespace gradc::ir {

namespace {

using Rule = void (*)(const EvalCall&);

// --- elementwise ---

template <class F>
void map1(const EvalCall& call, F f) {
  dispatch(call.result.type().dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = call.operands[0]->data<T>();
    T* out = call.result.data<T>();
    for (int64_t i = 0, count = call.result.elements(); i < count; ++i) out[i] = f(x[i]);
  });
}

template <class F>
void map2(const EvalCall& call, F f) {
  dispatch(call.result.type().dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* a = call.operands[0]->data<T>();
    const T* b = call.operands[1]->data<T>();
    T* out = call.result.data<T>();
    for (int64_t i = 0, count = call.result.elements(); i < count; ++i) out[i] = f(a[i], b[i]);
  });
}

template <class F>
void compare(const EvalCall& call, F f) {
  dispatch(call.operands[0]->type().dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* a = call.operands[0]->data<T>();
    const T* b = call.operands[1]->data<T>();
    uint8_t* out = call.result.data<uint8_t>();
    for (int64_t i = 0, count = call.result.elements(); i < count; ++i) out[i] = f(a[i], b[i]) ? 1 : 0;
  });
}

// Integers wrap around.
template <class T, class F>
T wrapping(T a, T b, F f) {
  if constexpr (std::is_same_v<T, int32_t>) {
    return static_cast<int32_t>(f(static_cast<uint32_t>(a), static_cast<uint32_t>(b)));
  } else {
    return static_cast<T>(f(a, b));
  }
}

constexpr auto add_of = [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x + y; }); };
constexpr auto sub_of = [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x - y; }); };
constexpr auto mul_of = [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x * y; }); };
constexpr auto max_of = [](auto a, auto b) { return b > a ? b : a; };
constexpr auto min_of = [](auto a, auto b) { return b < a ? b : a; };

// Rounds down; x / 0 = 0, and the one quotient that does not fit wraps around.
int32_t floor_div_i32(int32_t a, int32_t b) {
  if (b == 0) return 0;
  const int64_t quotient = int64_t{a} / b;
  const bool down = int64_t{a} % b != 0 && (a < 0) != (b < 0);
  return static_cast<int32_t>(static_cast<uint32_t>(quotient - (down ? 1 : 0)));
}

template <class T>
T fma_of(T a, T b, T c) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fma(a, b, c);
  } else {
    return add_of(mul_of(a, b), c);
  }
}

template <class F32, class F64>
void map_real(const EvalCall& call, F32 f32, F64 f64) {
  map1(call, [&](auto x) {
    using T = decltype(x);
    if constexpr (std::is_same_v<T, float>) {
      return f32(x);
    } else {
      return static_cast<T>(f64(static_cast<double>(x)));
    }
  });
}

void rule_neg(const EvalCall& call) {
  map1(call, [](auto x) {
    using T = decltype(x);
    if constexpr (std::is_floating_point_v<T>) {
      return -x;
    } else {
      return sub_of(T{0}, x);
    }
  });
}
void rule_abs(const EvalCall& call) {
  map1(call, [](auto x) {
    using T = decltype(x);
    if constexpr (std::is_floating_point_v<T>) {
      return std::fabs(x);
    } else {
      return x < T{0} ? sub_of(T{0}, x) : x;
    }
  });
}
void rule_floor(const EvalCall& call) {
  map_real(call, [](float x) { return floor_f32(x); }, [](double x) { return std::floor(x); });
}
void rule_exp(const EvalCall& call) {
  map_real(call, [](float x) { return exp_f32(x); }, [](double x) { return exp_f64(x); });
}
void rule_log(const EvalCall& call) {
  map_real(call, [](float x) { return log_f32(x); }, [](double x) { return log_f64(x); });
}
void rule_tanh(const EvalCall& call) {
  map_real(call, [](float x) { return tanh_f32(x); }, [](double x) { return std::tanh(x); });
}
void rule_erf(const EvalCall& call) {
  map_real(call, [](float x) { return erf_f32(x); }, [](double x) { return std::erf(x); });
}
void rule_sin(const EvalCall& call) {
  map_real(call, [](float x) { return sin_f32(x); }, [](double x) { return std::sin(x); });
}
void rule_cos(const EvalCall& call) {
  map_real(call, [](float x) { return cos_f32(x); }, [](double x) { return std::cos(x); });
}
void rule_pow(const EvalCall& call) {
  map2(call, [](auto a, auto b) {
    using T = decltype(a);
    if constexpr (std::is_same_v<T, float>) {
      return pow_f32(a, b);
    } else {
      return static_cast<T>(std::pow(static_cast<double>(a), static_cast<double>(b)));
    }
  });
}
void rule_sqrt(const EvalCall& call) {
  map_real(call, [](float x) { return std::sqrt(x); }, [](double x) { return std::sqrt(x); });
}
void rule_add(const EvalCall& call) { map2(call, add_of); }
void rule_sub(const EvalCall& call) { map2(call, sub_of); }
void rule_mul(const EvalCall& call) { map2(call, mul_of); }
void rule_div(const EvalCall& call) {
  map2(call, [](auto a, auto b) {
    using T = decltype(a);
    if constexpr (std::is_floating_point_v<T>) {
      return a / b;
    } else {
      return static_cast<T>(floor_div_i32(a, b));
    }
  });
}
void rule_max(const EvalCall& call) { map2(call, max_of); }
void rule_min(const EvalCall& call) { map2(call, min_of); }
void rule_fma(const EvalCall& call) {
  dispatch(call.result.type().dtype, [&](auto zero) {
    using T = decltype(zero);
    T* out = call.result.data<T>();
    for (int64_t i = 0, count = call.result.elements(); i < count; ++i) {
      out[i] = fma_of(call.operands[0]->data<T>()[i], call.operands[1]->data<T>()[i], call.operands[2]->data<T>()[i]);
    }
  });
}
void rule_less(const EvalCall& call) {
  compare(call, [](auto a, auto b) { return a < b; });
}
void rule_less_equal(const EvalCall& call) {
  compare(call, [](auto a, auto b) { return a <= b; });
}
void rule_equal(const EvalCall& call) {
  compare(call, [](auto a, auto b) { return a == b; });
}
void rule_logical_and(const EvalCall& call) {
  compare(call, [](auto a, auto b) { return a != 0 && b != 0; });
}
void rule_logical_or(const EvalCall& call) {
  compare(call, [](auto a, auto b) { return a != 0 || b != 0; });
}
void rule_logical_not(const EvalCall& call) {
  map1(call, [](auto x) { return static_cast<decltype(x)>(x == 0); });
}
void rule_stop_gradient(const EvalCall& call) {
  map1(call, [](auto x) { return x; });
}
void rule_select(const EvalCall& call) {
  dispatch(call.result.type().dtype, [&](auto zero) {
    using T = decltype(zero);
    const uint8_t* condition = call.operands[0]->data<uint8_t>();
    for (int64_t i = 0, count = call.result.elements(); i < count; ++i) {
      call.result.data<T>()[i] = call.operands[condition[i] != 0 ? 1 : 2]->data<T>()[i];
    }
  });
}
void rule_cast(const EvalCall& call) {
  for (int64_t i = 0, count = call.result.elements(); i < count; ++i) call.result.set(i, call.operands[0]->at(i));
}

// --- leaves ---

void rule_parameter(const EvalCall&) {}

void rule_constant(const EvalCall& call) {
  const std::vector<double>& values = std::get<ConstantAttr>(call.value.attr).values;
  for (int64_t i = 0, count = call.result.elements(); i < count; ++i) {
    call.result.set(i, values[values.size() == 1 ? 0 : static_cast<size_t>(i)]);
  }
}

// f(multi-index, linear index) for every element of the shape, row-major.
template <class F>
void for_each_index(const Shape& shape, F f) {
  std::vector<int64_t> index(shape.size(), 0);
  int64_t linear = 0;
  while (true) {
    f(index, linear++);
    size_t axis = shape.size();
    while (axis > 0 && ++index[axis - 1] == shape[axis - 1]) index[--axis] = 0;
    if (axis == 0) return;
  }
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
  const int64_t per_sample = attr.sample ? call.result.elements() / call.value.type.shape[0] : call.result.elements();
  for (int64_t i = 0, count = call.result.elements(); i < count; ++i) {
    call.result.data<float>()[i] =
        random_f32(static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1]), static_cast<uint32_t>(key[2]),
                   static_cast<uint32_t>(attr.place), static_cast<uint32_t>(i / per_sample),
                   static_cast<uint32_t>(i % per_sample));
  }
}

// --- movement ---

int64_t dot(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  int64_t sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

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

// Writes a whole operand into the result, its first element at multi-index `begin`.
void place_operand(const EvalCall& call, const Tensor& operand, const std::vector<int64_t>& begin) {
  const std::vector<int64_t> strides = row_major_strides(call.value.type.shape);
  const Shape& shape = operand.type().shape;
  copy_elements(operand, 0, row_major_strides(shape), call.result, dot(begin, strides), strides, shape);
}

void rule_pad(const EvalCall& call) {
  const PadAttr& attr = std::get<PadAttr>(call.value.attr);
  for (int64_t i = 0, count = call.result.elements(); i < count; ++i) call.result.set(i, attr.value);
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

// The strides with which the windows of a tensor of `shape` run over it: for each axis of the windows' tensor.
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

void rule_window(const EvalCall& call) {
  gather_elements(call, window_strides(std::get<WindowAttr>(call.value.attr), call.operands[0]->type().shape));
}

// Term by term in the order in which each element takes its own: window offsets outside, positions inside.
void rule_fold(const EvalCall& call) {
  const FoldAttr& attr = std::get<FoldAttr>(call.value.attr);
  const size_t rank = call.value.type.rank();
  const Shape& all = call.operands[0]->type().shape;
  const std::vector<int64_t> strides = window_strides(attr.window(), call.value.type.shape);
  const std::vector<int64_t> operand_strides = row_major_strides(all);
  // The axes of an operand's vector: those of the windows first.
  const auto windows_first = [&](const std::vector<int64_t>& values) {
    std::vector<int64_t> order(values.begin() + static_cast<std::ptrdiff_t>(rank), values.end());
    order.insert(order.end(), values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank));
    return order;
  };
  const std::vector<int64_t> to = windows_first(strides), from = windows_first(operand_strides);
  dispatch(call.value.type.dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = call.operands[0]->data<T>();
    T* y = call.result.data<T>();
    for_each_index(windows_first(all), [&](const std::vector<int64_t>& index, int64_t) {
      y[dot(index, to)] = add_of(y[dot(index, to)], x[dot(index, from)]);
    });
  });
}

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

// --- sums ---

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

void rule_contract(const EvalCall& call) {
  const Subscripts parts = parse_subscripts(std::get<ContractAttr>(call.value.attr).subscripts);
  const SumShape shape = sum_shape(call.func, call.value);
  const SumOrder order = order_of(call.func, call.value);
  // The stride of each letter in an operand; 0 where the operand lacks it.
  auto strides_of = [](const std::string& letters, const std::string& own, const Tensor& operand) {
    const std::vector<int64_t> strides = row_major_strides(operand.type().shape);
    std::vector<int64_t> out;
    for (char letter : letters) {
      const size_t i = own.find(letter);
      out.push_back(i == std::string::npos ? 0 : strides[i]);
    }
    return out;
  };
  const Tensor& lhs = *call.operands[0];
  const Tensor& rhs = *call.operands[1];
  const std::vector<int64_t> lhs_kept = strides_of(parts.result, parts.lhs, lhs);
  const std::vector<int64_t> rhs_kept = strides_of(parts.result, parts.rhs, rhs);
  const std::vector<int64_t> lhs_reduced = strides_of(parts.reduced, parts.lhs, lhs);
  const std::vector<int64_t> rhs_reduced = strides_of(parts.reduced, parts.rhs, rhs);
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

void rule_gradient(const EvalCall&) { ENSURE(false, "a request is no operation"); }  // evaluate_all refuses it

constexpr Rule kRules[] = {
#define GRADC_OP(name, operands, Attr, traits) &rule_##name,
#include "ir/ops.def"
#undef GRADC_OP
};

}  // namespace

void evaluate_op(const EvalCall& call) { kRules[static_cast<size_t>(call.value.op)](call); }

}  // namespace gradc::ir
