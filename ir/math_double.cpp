#include "ir/math_double.h"

#include <cmath>
#include <limits>

namespace gradc::ir {
namespace {

// ln 2 in two parts; the first has 32 bits, so that its product with an exponent is exact.
constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;

}  // namespace

// exp(x) = 2^n exp(r), r = x - n ln 2 (Cody and Waite, 1980); exp(r) by its power series, |r| <= 0.35.
double exp_f64(double x) {
  if (std::isnan(x)) return x;
  if (x > 710) return std::numeric_limits<double>::infinity();
  if (x < -746) return 0;
  const double n = std::floor(x * 0x1.71547652b82fep0 + 0.5);
  const double high = std::fma(-n, kLn2High, x), low = n * kLn2Low;
  const double r = high - low;
  const double lost = (high - r) - low;
  double q = 0;
  constexpr double kFactorials[] = {6227020800, 479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2};
  for (const double factorial : kFactorials) q = std::fma(q, r, 1 / factorial);
  return std::ldexp(1 + (r + (r * r * q + lost)), static_cast<int>(n));
}

// log(2^k (1 + f)) with 1 + f from sqrt(1/2) to sqrt(2): s = f / (2 + f), log(1 + f) = 2 (s + s^3/3 + s^5/5 + ...), in
// the arrangement of fdlibm's e_log.c (Sun Microsystems, 1993), which keeps f exact.
double log_f64(double x) {
  if (std::isnan(x) || x < 0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0) return -std::numeric_limits<double>::infinity();
  if (std::isinf(x)) return x;
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  const double f = m - 1, k = exponent;
  const double s = f / (2 + f), z = s * s;
  double series = 0;
  for (int odd = 23; odd >= 3; odd -= 2) series = std::fma(series, z, 2.0 / odd);
  const double half = 0.5 * f * f;
  return k * kLn2High - ((half - (s * (half + series * z) + k * kLn2Low)) - f);
}

}  // namespace gradc::ir
