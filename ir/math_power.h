// pow of float32, written once over a builder as ir/math.h explains.
//
//   |a|^b = 2^(b log2 |a|),  log2(2^e m) = e + 2/ln 2 artanh(t),  t = (m - 1)/(m + 1),  sqrt(1/2) <= m < sqrt(2)
// The logarithm is carried in two floats (Dekker: A floating-point technique for extending the available precision,
// 1971), because an error of it counts up to 150 times in the result. Special cases are those of C (Annex F):
//   pow(a, +-0) = 1 and pow(1, b) = 1 for any a and b, NaN too; otherwise NaN gives NaN
//   pow(negative, b) = NaN unless b is an integer; odd integers keep the sign of a, also of -0 and -inf
//   pow(0, negative) is infinite; infinite exponents go to 0, 1 or infinity as |a| is below, at or above 1
// Tests: tests/unit/test_math.cpp. Coefficients: scripts/derive_math_coefficients.py.
#pragma once
#include "ir/math.h"

namespace gradc::ir {

// The sum of the two is meant; `tail` is at most half a unit in the last place of `head`.
template <class B>
struct TwoFloats {
  typename B::F head, tail;
};

// For |x| >= |y|, or x = 0.
template <class B>
TwoFloats<B> fast_two_sum(B& b, typename B::F x, typename B::F y) {
  const auto head = b.add(x, y);
  return {head, b.sub(y, b.sub(head, x))};
}

template <class B>
TwoFloats<B> product(B& b, TwoFloats<B> x, TwoFloats<B> y) {
  const auto head = b.mul(x.head, y.head);
  const auto tail = b.fma(x.head, y.tail, b.fma(x.tail, y.head, b.fma(x.head, y.head, b.sub(b.constant(0.0f), head))));
  return fast_two_sum(b, head, tail);
}

// log2 of a positive and finite float.
template <class B>
TwoFloats<B> log2_in_two(B& b, typename B::F a) {
  using F = typename B::F;
  using I = typename B::I;
  const F zero = b.constant(0.0f), one = b.constant(1.0f);
  // As in log_f32: a subnormal is scaled, the exponent is split off at sqrt(1/2).
  const auto small = b.less(a, b.constant(0x1p-126f));
  const I bits = b.bits(b.select(small, b.mul(a, b.constant(0x1p23f)), a));
  const I exponent = b.int_ashr(b.int_sub(bits, b.int_constant(0x3f3504f3)), 23);
  const F m = b.from_bits(b.int_sub(bits, b.int_shl(exponent, 23)));
  const F e = b.sub(b.to_float(exponent), b.select(small, b.constant(23.0f), zero));
  // t: the quotient, then what is left of the numerator divided once more. m - 1 is exact.
  const F numerator = b.sub(m, one);
  const TwoFloats<B> denominator = fast_two_sum(b, b.select(b.less(m, one), one, m), b.select(b.less(m, one), m, one));
  const F quotient = b.div(numerator, denominator.head);
  const F negative = b.sub(zero, quotient);
  const F left = b.fma(negative, denominator.tail, b.fma(negative, denominator.head, numerator));
  const TwoFloats<B> t = fast_two_sum(b, quotient, b.div(left, denominator.head));
  // artanh(t) = t + t^3 (1/3 + t^2 q(t^2)); from the last product on one float is enough.
  const TwoFloats<B> square = product(b, t, t);
  F q = b.constant(0x1.dfdce8p-4f);
  q = b.fma(q, square.head, b.constant(0x1.24511cp-3f));
  q = b.fma(q, square.head, b.constant(0x1.999a04p-3f));
  const TwoFloats<B> factor =
      fast_two_sum(b, b.constant(0x1.555556p-2f), b.fma(square.head, q, b.constant(-0x1.555556p-27f)));
  const TwoFloats<B> cube = product(b, product(b, square, t), factor);
  const TwoFloats<B> sum = fast_two_sum(b, t.head, cube.head);
  const TwoFloats<B> artanh = fast_two_sum(b, sum.head, b.add(sum.tail, b.add(cube.tail, t.tail)));
  const TwoFloats<B> log2 = product(b, artanh, TwoFloats<B>{b.constant(0x1.715476p+1f), b.constant(0x1.4ae0c0p-25f)});
  const TwoFloats<B> with_exponent = fast_two_sum(b, e, log2.head);
  return fast_two_sum(b, with_exponent.head, b.add(with_exponent.tail, log2.tail));
}

// 2^(z.head + z.tail), 0 and infinity beyond the range of floats.
template <class B>
typename B::F exp2_of_two(B& b, TwoFloats<B> z) {
  using F = typename B::F;
  using I = typename B::I;
  const F highest = b.constant(130.0f), lowest = b.constant(-151.0f);
  F head = b.select(b.less(highest, z.head), highest, z.head);
  head = b.select(b.less(head, lowest), lowest, head);
  // Beyond the range a tail has no meaning (it may be NaN).
  const F tail = b.select(b.equal(head, z.head), z.tail, b.constant(0.0f));
  const F magic = b.constant(0x1.8p23f);
  const F shifted = b.add(head, magic);
  const I n = b.int_sub(b.bits(shifted), b.bits(magic));
  const F r = b.add(b.sub(head, b.sub(shifted, magic)), tail);
  F q = b.constant(0x1.3f9bc0p-13f);
  q = b.fma(q, r, b.constant(0x1.5f0b8cp-10f));
  q = b.fma(q, r, b.constant(0x1.3b30a6p-7f));
  q = b.fma(q, r, b.constant(0x1.c6af76p-5f));
  q = b.fma(q, r, b.constant(0x1.ebfbd8p-3f));
  q = b.fma(q, r, b.constant(0x1.62e430p-1f));
  return times_power_of_two(b, b.fma(r, q, b.constant(1.0f)), n);
}

template <class B>
typename B::F pow_f32(B& b, typename B::F a, typename B::F exponent) {
  using F = typename B::F;
  using I = typename B::I;
  const F zero = b.constant(0.0f), one = b.constant(1.0f);
  const F infinity = b.from_bits(b.int_constant(0x7f800000)), minus_infinity = b.from_bits(b.int_constant(0xff800000));
  const F not_a_number = b.from_bits(b.int_constant(0x7fc00000));
  const F magnitude = b.from_bits(b.int_and(b.bits(a), b.int_constant(0x7fffffff)));
  TwoFloats<B> log2 = log2_in_two(b, magnitude);
  log2.head = b.select(b.equal(magnitude, zero), minus_infinity, log2.head);
  log2.head = b.select(b.equal(magnitude, infinity), infinity, log2.head);
  const F head = b.mul(exponent, log2.head);
  const F tail = b.fma(exponent, log2.tail, b.fma(exponent, log2.head, b.sub(zero, head)));
  F result = exp2_of_two(b, TwoFloats<B>{head, tail});
  // An odd integer is one whose half is none.
  const F half = b.mul(exponent, b.constant(0.5f));
  const F whole = floor_f32(b, exponent), whole_half = floor_f32(b, half);
  const I sign = b.int_and(b.bits(a), b.int_constant(0x80000000));
  const F negated = b.from_bits(b.int_or(b.bits(result), sign));
  result = b.select(b.equal(whole, exponent), b.select(b.equal(whole_half, half), result, negated), result);
  const F of_negative =
      b.select(b.equal(whole, exponent), result, b.select(b.less(minus_infinity, a), not_a_number, result));
  result = b.select(b.less(a, zero), of_negative, result);
  result = b.select(b.equal(magnitude, one), b.select(b.less(a, zero), result, one), result);
  const F infinite_exponent = b.select(b.equal(magnitude, one), one, result);
  const F size = b.from_bits(b.int_and(b.bits(exponent), b.int_constant(0x7fffffff)));
  result = b.select(b.equal(size, infinity), infinite_exponent, result);
  result = b.select(b.equal(a, a), b.select(b.equal(exponent, exponent), result, not_a_number), not_a_number);
  result = b.select(b.equal(exponent, zero), one, result);
  return b.select(b.equal(a, one), one, result);
}

}  // namespace gradc::ir
