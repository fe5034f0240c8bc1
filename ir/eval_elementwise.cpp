// Operations element by element.
#include <cmath>
#include <limits>
#include <type_traits>

#include "ir/eval_rules.h"
#include "ir/math.h"
#include "ir/math_double.h"

namespace gradc::ir::rules {

namespace {

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

// Rounds down; x / 0 = 0, and the one quotient that does not fit wraps around.
int32_t floor_div_i32(int32_t a, int32_t b) {
  if (b == 0) return 0;
  const int64_t quotient = int64_t{a} / b;
  const bool down = int64_t{a} % b != 0 && (a < 0) != (b < 0);
  return static_cast<int32_t>(static_cast<uint32_t>(quotient - (down ? 1 : 0)));
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

}  // namespace

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

}  // namespace gradc::ir::rules
