// What the rules of eval_elementwise.cpp, eval_movement.cpp and eval_sums.cpp share, and their names.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "ir/eval_ops.h"

namespace gradc::ir::rules {

#define GRADC_OP(name, operands, Attr, traits) void rule_##name(const EvalCall& call);
#include "ir/ops.def"
#undef GRADC_OP

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

template <class T>
T fma_of(T a, T b, T c) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fma(a, b, c);
  } else {
    return add_of(mul_of(a, b), c);
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

inline int64_t dot(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  int64_t sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The strides with which the windows of a tensor of `shape` run over it: for each axis of the windows' tensor.
std::vector<int64_t> window_strides(const WindowAttr& attr, const Shape& shape);
// The stride of each of `letters` in an operand whose axes are `own`; 0 where it lacks the letter.
std::vector<int64_t> letter_strides(const std::string& letters, const std::string& own, const Tensor& operand);

}  // namespace gradc::ir::rules
