// exp, log and tanh over a dense sample of all floats (every one: tests/measure_math_error.cpp) and at their special
// values.
#include "ir/math.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

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
