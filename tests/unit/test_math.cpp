// The functions of ir/math.h over a dense sample of all floats (every one: tests/measure_math_error.cpp) and at their
// special values.
#include "ir/math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <random>

#include "ir/math_double.h"

using namespace gradc;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// In units of the spacing of float32 at the exact value; overflow counts as 2^128.
double error_in_ulp(float computed, double exact) {
  if (std::isnan(exact) || std::isnan(computed)) return std::isnan(exact) && std::isnan(computed) ? 0 : 1e9;
  const double value = std::isinf(computed) ? std::copysign(0x1p128, computed) : static_cast<double>(computed);
  const double target = std::abs(exact) > 0x1p128 ? std::copysign(0x1p128, exact) : exact;
  const int exponent = target == 0 ? -149 : std::max(-149, std::min(127, std::ilogb(target)) - 23);
  return std::abs(value - target) / std::ldexp(1.0, exponent);
}

template <class Computed, class Exact>
double largest_error(Computed computed, Exact exact, uint32_t stride) {
  double largest = 0;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += stride) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    largest = std::max(largest, error_in_ulp(computed(x), exact(static_cast<double>(x))));
  }
  return largest;
}

}  // namespace

TEST_CASE("math: a sample of all floats stays within the measured error") {
  const uint32_t stride = 4093;
  CHECK(largest_error([](float x) { return ir::exp_f32(x); }, [](double x) { return std::exp(x); }, stride) < 1.01);
  CHECK(largest_error([](float x) { return ir::log_f32(x); }, [](double x) { return std::log(x); }, stride) < 0.9);
  CHECK(largest_error([](float x) { return ir::tanh_f32(x); }, [](double x) { return std::tanh(x); }, stride) < 1.35);
  CHECK(largest_error([](float x) { return ir::erf_f32(x); }, [](double x) { return std::erf(x); }, stride) < 1.05);
  CHECK(largest_error([](float x) { return ir::sin_f32(x); }, [](double x) { return std::sin(x); }, stride) < 1.6);
  CHECK(largest_error([](float x) { return ir::cos_f32(x); }, [](double x) { return std::cos(x); }, stride) < 1.6);
  CHECK(largest_error([](float x) { return ir::floor_f32(x); }, [](double x) { return std::floor(x); }, stride) == 0);
}

TEST_CASE("math: pow on a sample of its range") {
  double largest = 0;
  for (int i = 0; i < 300000; ++i) {
    // a over all binades, and close to 1; the logarithm of the power over all that is a float.
    const double spread = i % 2 == 0 ? 120 * std::sin(0.37 * i) : 0.01 * std::sin(0.37 * i);
    const float a = static_cast<float>(std::exp2(spread));
    const double target = 138.5 * std::sin(0.00113 * i) - 10.5;
    const float b = static_cast<float>(target / std::log2(static_cast<double>(a)));
    largest =
        std::max(largest, error_in_ulp(ir::pow_f32(a, b), std::pow(static_cast<double>(a), static_cast<double>(b))));
  }
  CHECK(largest < 1);
}

TEST_CASE("math: special values of pow are those of C") {
  const float values[] = {0.0f,   -0.0f, 1.0f,        -1.0f,       2.0f,         -2.0f,        3.0f,       -3.0f,
                          0.5f,   -0.5f, kInfinity,   -kInfinity,  NAN,          1e-42f,       -1e-42f,    3e38f,
                          -3e38f, 7.0f,  16777216.0f, 16777215.0f, -16777215.0f, -16777216.0f, 8388607.5f, -8388607.0f};
  for (float a : values) {
    for (float b : values) {
      CAPTURE(a);
      CAPTURE(b);
      const float found = ir::pow_f32(a, b);
      const double exact = std::pow(static_cast<double>(a), static_cast<double>(b));
      CHECK(error_in_ulp(found, exact) <= 1);
      if (!std::isnan(found)) CHECK(std::signbit(found) == std::signbit(exact));
    }
  }
}

TEST_CASE("math: large angles are reduced without loss") {
  // Multiples of pi/2 to which a float comes closest (Muller: Elementary Functions, chapter on range reduction), and
  // the largest float. Expected: the C library in double, whose reduction is exact to its last digit.
  for (float x : {16367173.0f * 0x1p72f, 13176795.0f * 0x1p-23f, 0x1p127f, std::numeric_limits<float>::max(), 1e10f,
                  0x1.921fb4p-1f, 0x1.921fb6p-1f, 3.1415927f, 1.5707964f}) {
    CAPTURE(x);
    CHECK(error_in_ulp(ir::sin_f32(x), std::sin(static_cast<double>(x))) < 1.6);
    CHECK(error_in_ulp(ir::cos_f32(-x), std::cos(static_cast<double>(x))) < 1.6);
  }
  CHECK(std::isnan(ir::sin_f32(kInfinity)));
  CHECK(std::isnan(ir::cos_f32(-kInfinity)));
  CHECK(std::isnan(ir::sin_f32(std::nanf(""))));
  CHECK(std::bit_cast<uint32_t>(ir::sin_f32(-0.0f)) == 0x80000000);
  CHECK(std::bit_cast<uint32_t>(ir::erf_f32(-0.0f)) == 0x80000000);
  CHECK(ir::erf_f32(kInfinity) == 1);
  CHECK(ir::erf_f32(-3.95f) == -1);
  CHECK(std::isnan(ir::erf_f32(std::nanf(""))));
  CHECK(ir::floor_f32(-0x1p-149f) == -1);
  CHECK(ir::floor_f32(-kInfinity) == -kInfinity);
}

TEST_CASE("math: special values of exp") {
  CHECK(ir::exp_f32(0.0f) == 1);
  CHECK(ir::exp_f32(-0.0f) == 1);
  CHECK(ir::exp_f32(kInfinity) == kInfinity);
  CHECK(ir::exp_f32(-kInfinity) == 0);
  CHECK(std::isnan(ir::exp_f32(std::nanf(""))));
  CHECK(ir::exp_f32(88.72283f) < kInfinity);
  CHECK(ir::exp_f32(88.72284f) == kInfinity);
  CHECK(ir::exp_f32(-103.97f) == 0x1p-149f);  // the smallest subnormal
  CHECK(ir::exp_f32(-103.98f) == 0);
  CHECK(ir::exp_f32(std::numeric_limits<float>::max()) == kInfinity);
  CHECK(ir::exp_f32(std::numeric_limits<float>::lowest()) == 0);
  CHECK(ir::exp_f32(0x1p-149f) == 1);
}

TEST_CASE("math: special values of log") {
  CHECK(ir::log_f32(0.0f) == -kInfinity);
  CHECK(ir::log_f32(-0.0f) == -kInfinity);
  CHECK(ir::log_f32(kInfinity) == kInfinity);
  CHECK(std::isnan(ir::log_f32(-1.0f)));
  CHECK(std::isnan(ir::log_f32(-0x1p-149f)));
  CHECK(std::isnan(ir::log_f32(-kInfinity)));
  CHECK(std::isnan(ir::log_f32(std::nanf(""))));
  CHECK(std::bit_cast<uint32_t>(ir::log_f32(1.0f)) == 0);  // +0
  CHECK(ir::log_f32(0x1p-149f) == -103.27893f);
}

TEST_CASE("math: special values of tanh") {
  CHECK(std::bit_cast<uint32_t>(ir::tanh_f32(0.0f)) == 0);
  CHECK(std::bit_cast<uint32_t>(ir::tanh_f32(-0.0f)) == 0x80000000);
  CHECK(ir::tanh_f32(kInfinity) == 1);
  CHECK(ir::tanh_f32(-kInfinity) == -1);
  CHECK(ir::tanh_f32(-50.0f) == -1);
  CHECK(std::isnan(ir::tanh_f32(std::nanf(""))));
  CHECK(ir::tanh_f32(-0x1p-149f) == -0x1p-149f);
  CHECK(ir::tanh_f32(0x1p-126f) == 0x1p-126f);
}

TEST_CASE("math: exp and log of double are the C library's within one unit in the last place") {
  std::mt19937_64 random(1);
  const auto units_apart = [](double a, double b) {
    return std::fabs(a - b) / (std::nextafter(std::fabs(b), HUGE_VAL) - std::fabs(b));
  };
  double worst_exp = 0, worst_log = 0;
  for (int k = 0; k < 200000; ++k) {
    const double x = std::uniform_real_distribution<double>(k % 2 == 0 ? -1 : -700, k % 2 == 0 ? 1 : 700)(random);
    worst_exp = std::max(worst_exp, units_apart(ir::exp_f64(x), std::exp(x)));
    const double y = k % 2 == 0 ? std::exp(x) : std::exp(x * 1e-3);
    worst_log = std::max(worst_log, units_apart(ir::log_f64(y), std::log(y)));
  }
  CHECK(worst_exp <= 1);
  CHECK(worst_log <= 1);
  constexpr double kHuge = std::numeric_limits<double>::infinity();
  CHECK(ir::exp_f64(0) == 1);
  CHECK(ir::exp_f64(-kHuge) == 0);
  CHECK(ir::exp_f64(kHuge) == kHuge);
  CHECK(ir::exp_f64(709.78) == std::exp(709.78));
  CHECK(ir::exp_f64(709.79) == kHuge);
  CHECK(ir::exp_f64(-745.13) == 0x1p-1074);
  CHECK(ir::exp_f64(-745.14) == 0);
  CHECK(std::isnan(ir::exp_f64(std::nan(""))));
  CHECK(ir::log_f64(1) == 0);
  CHECK(ir::log_f64(0) == -kHuge);
  CHECK(ir::log_f64(kHuge) == kHuge);
  CHECK(ir::log_f64(0x1p-1074) == std::log(0x1p-1074));
  CHECK(std::isnan(ir::log_f64(-1)));
  CHECK(std::isnan(ir::log_f64(std::nan(""))));
}
