// Measures the functions of ir/math.h against the C library's double functions over every float32, pow over a sample of
// pairs, in units in the last place of the exact result, and prints a table: measure_math_error [STRIDE]. Takes a few
// minutes; the unit test tests/unit/test_math.cpp checks a sample of the same points.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "ir/math.h"
#include "ir/math_power.h"
#include "ir/math_sine.h"

namespace {

using gradc::ir::FloatBuilder;

// The spacing of float32 at |exact|; an infinite result counts as 2^128.
double error_in_ulp(float computed, double exact) {
  const double limit = 0x1p128;
  const double value = std::isinf(computed) ? std::copysign(limit, computed) : static_cast<double>(computed);
  const double target = std::abs(exact) > limit ? std::copysign(limit, exact) : exact;
  const uint64_t exponent = std::bit_cast<uint64_t>(target) & 0x7ff0000000000000;
  const double binade = std::bit_cast<double>(exponent);
  const double spacing = binade < 0x1p-126 ? 0x1p-149 : (binade < limit ? binade : 0x1p127) * 0x1p-23;
  return std::abs(value - target) / spacing;
}

template <class Computed, class Exact>
bool measure(const char* name, uint64_t stride, Computed computed, Exact exact) {
  double largest = 0;
  float worst = 0;
  uint64_t points = 0, not_a_number = 0;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += stride) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    const float y = computed(x);
    const double e = exact(static_cast<double>(x));
    ++points;
    if (std::isnan(e) || std::isnan(y)) {
      not_a_number += std::isnan(e) != std::isnan(y);
      continue;
    }
    const double error = std::isinf(e) && static_cast<double>(y) == e ? 0 : error_in_ulp(y, e);
    if (error > largest) {
      largest = error;
      worst = x;
    }
  }
  std::printf("%-5s %12llu %9.4f  %a (%.9g)%s\n", name, static_cast<unsigned long long>(points), largest,
              static_cast<double>(worst), static_cast<double>(worst), not_a_number > 0 ? "  NaN differs" : "");
  std::fflush(stdout);
  return not_a_number == 0 && largest <= 2;
}

// Pairs whose power is a float: a over all positive floats and, in every second one, close to 1; the power's logarithm
// evenly over the range.
bool measure_pow(uint64_t count) {
  double largest = 0;
  float worst_a = 0, worst_b = 0;
  uint64_t state = 1, not_a_number = 0;
  const auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state >> 32);
  };
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t bits = i % 2 == 0 ? next() % 0x7f800000 : 0x3f800000 + next() % 0x00800000 - 0x00400000;
    const float a = std::bit_cast<float>(bits);
    const double target = -150 + 279 * (static_cast<double>(next()) / 4294967296.0);
    const double log2 = std::log2(static_cast<double>(a));
    const float b = static_cast<float>(i % 3 == 0 ? target / 20 : target / log2);
    const float y = gradc::ir::pow_f32(a, b);
    const double exact = std::pow(static_cast<double>(a), static_cast<double>(b));
    if (std::isnan(exact) || std::isnan(y)) {
      not_a_number += std::isnan(exact) != std::isnan(y);
      continue;
    }
    const double error = std::isinf(exact) && static_cast<double>(y) == exact ? 0 : error_in_ulp(y, exact);
    if (error > largest) largest = error, worst_a = a, worst_b = b;
  }
  std::printf("%-5s %12llu %9.4f  %a %a%s\n", "pow", static_cast<unsigned long long>(count), largest,
              static_cast<double>(worst_a), static_cast<double>(worst_b), not_a_number > 0 ? "  NaN differs" : "");
  return not_a_number == 0 && largest <= 2;
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t stride = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  if (stride == 0) {
    std::fputs("usage: measure_math_error [STRIDE]\n", stderr);
    return 2;
  }
  FloatBuilder b;
  std::printf("%-5s %12s %9s  %s\n", "", "points", "max ulp", "at x");
  bool good = measure("exp", stride, [&](float x) { return exp_f32(b, x); }, [](double x) { return std::exp(x); });
  good &= measure("log", stride, [&](float x) { return log_f32(b, x); }, [](double x) { return std::log(x); });
  good &= measure("tanh", stride, [&](float x) { return tanh_f32(b, x); }, [](double x) { return std::tanh(x); });
  good &= measure("erf", stride, [&](float x) { return erf_f32(b, x); }, [](double x) { return std::erf(x); });
  good &= measure("sin", stride, [&](float x) { return sin_f32(b, x); }, [](double x) { return std::sin(x); });
  good &= measure("cos", stride, [&](float x) { return cos_f32(b, x); }, [](double x) { return std::cos(x); });
  good &= measure("floor", stride, [&](float x) { return floor_f32(b, x); }, [](double x) { return std::floor(x); });
  good &= measure_pow((uint64_t{1} << 30) / stride);
  return good ? 0 : 1;
}
