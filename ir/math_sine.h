// Sine and cosine of float32 for every finite argument, written once over a builder as ir/math.h explains.
//
// |x| is brought to r = |x| - k pi/2, |r| <= pi/4, with the bits of 2/pi that matter for its exponent (Payne and Hanek:
// Radian reduction for trigonometric functions, 1983) in 32-bit integers: no argument is too large, and none loses
// digits, however near to a multiple of pi/2 it lies. Then
//   sin(r) = r + r s p(s),  cos(r) = 1 - s/2 + s^2 c(s),  s = r^2
// Below pi/4 r is x itself. sin(-0) = -0; of infinities and NaN both are NaN.
// Tests: tests/unit/test_math.cpp. Coefficients: scripts/derive_math_coefficients.py.
#pragma once
#include <array>
#include <cstddef>

#include "ir/math.h"

namespace gradc::ir {

// A word of two, by a mask of all ones or all zeros: ones take `set`.
template <class B>
typename B::I blend(B& b, typename B::I mask, typename B::I set, typename B::I clear) {
  return b.int_xor(clear, b.int_and(b.int_xor(set, clear), mask));
}

// All ones where bit `count` of x is set.
template <class B>
typename B::I mask_of_bit(B& b, typename B::I x, int count) {
  return b.int_sub(b.int_constant(0), b.int_and(b.int_lshr(x, count), b.int_constant(1)));
}

// The bit that leaves the top of x + y.
template <class B>
typename B::I carry_of(B& b, typename B::I x, typename B::I y) {
  const typename B::I not_sum = b.int_xor(b.int_add(x, y), b.int_constant(0xffffffff));
  return b.int_lshr(b.int_or(b.int_and(x, y), b.int_and(b.int_or(x, y), not_sum)), 31);
}

template <class B>
struct ReducedAngle {
  typename B::F rest;     // r
  typename B::I quarter;  // k; its last two bits count
};

// a finite and not negative, a = m 2^(e - 23) with an integer m < 2^24. The product of m and the 96 bits of 2/pi from
// the one with weight 2^(25 - e) on, without what is above its top bit, is a / (pi/2) modulo 4 in units of 2^-94.
template <class B>
ReducedAngle<B> reduce_angle(B& b, typename B::F a) {
  using F = typename B::F;
  using I = typename B::I;
  // 2/pi behind a word of zeros, for exponents below 25.
  constexpr std::array<uint32_t, 8> kTwoOverPi = {0,          0xa2f9836e, 0x4e441529, 0xfc2757d1,
                                                  0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab};
  const I bits = b.bits(a);
  const I significand = b.int_or(b.int_and(bits, b.int_constant(0x007fffff)), b.int_constant(0x00800000));
  // The first bit that is needed: e + 7, with the zeros in front.
  const I first = b.int_sub(b.int_lshr(bits, 23), b.int_constant(127 - 7));
  const I bit5 = mask_of_bit(b, first, 5), bit6 = mask_of_bit(b, first, 6), bit7 = mask_of_bit(b, first, 7);
  std::array<I, 4> words;
  for (size_t i = 0; i < 4; ++i) {
    const auto word = [&](size_t k) { return b.int_constant(kTwoOverPi[i + k]); };
    const I low = blend(b, bit5, word(1), word(0)), high = blend(b, bit5, word(3), word(2));
    words[i] = blend(b, bit7, word(4), blend(b, bit6, high, low));
  }
  // The words moved up by first mod 32: a product with 2^(first mod 32), which is 2^(first mod 16), read off the bits
  // of a float, and 2^16 where it has to be.
  const I fine = b.int_and(first, b.int_constant(15));
  const F power = b.from_bits(b.int_shl(b.int_add(fine, b.int_constant(127)), 23));
  const I small = b.int_and(b.bits(b.add(power, b.constant(0x1p23f))), b.int_constant(0x007fffff));
  const I factor = blend(b, mask_of_bit(b, first, 4), b.int_shl(small, 16), small);
  for (size_t i = 0; i < 3; ++i)
    words[i] = b.int_add(b.int_mul(words[i], factor), b.int_mul_high(words[i + 1], factor));
  // The upper 64 of the lower 96 bits of the product.
  const I middle = b.int_mul(significand, words[1]), below = b.int_mul_high(significand, words[2]);
  const I low = b.int_add(middle, below);
  const I high = b.int_add(b.int_add(b.int_mul(significand, words[0]), b.int_mul_high(significand, words[1])),
                           carry_of(b, middle, below));
  // Two bits of quarters, the rest a fraction of one; as a signed fraction it goes from -1/2 to 1/2.
  const I quarter = b.int_add(b.int_lshr(high, 30), b.int_and(b.int_lshr(high, 29), b.int_constant(1)));
  const I upper = b.int_or(b.int_shl(high, 2), b.int_lshr(low, 30)), lower = b.int_shl(low, 2);
  // In three exact floats of 24, 24 and 16 bits; two of them then hold it to 2^-64.
  const F part0 = b.mul(b.to_float(b.int_ashr(upper, 8)), b.constant(0x1p-24f));
  const I next = b.int_or(b.int_shl(b.int_and(upper, b.int_constant(0xff)), 16), b.int_lshr(lower, 16));
  const F part1 = b.mul(b.to_float(next), b.constant(0x1p-48f));
  const F part2 = b.mul(b.to_float(b.int_and(lower, b.int_constant(0xffff))), b.constant(0x1p-64f));
  const F head = b.add(part0, part1);
  const F tail = b.add(b.sub(part1, b.sub(head, part0)), part2);
  // times pi/2, in two parts
  const F half_pi = b.constant(0x1.921fb6p+0f), half_pi_rest = b.constant(-0x1.777a5cp-25f);
  const F rest = b.fma(head, half_pi, b.fma(head, half_pi_rest, b.mul(tail, half_pi)));
  const auto is_small = b.less(a, b.constant(0x1.921fb4p-1f));  // below pi/4
  return {b.select(is_small, a, rest), b.bits(b.select(is_small, b.constant(0.0f), b.from_bits(quarter)))};
}

// The sine of x + quarters pi/2 for x not negative: with the sine or the cosine of r, and the sign, that k asks for.
template <class B>
typename B::F sine_of_angle(B& b, typename B::F a, uint32_t quarters) {
  using F = typename B::F;
  using I = typename B::I;
  const ReducedAngle<B> angle = reduce_angle(b, a);
  const F r = angle.rest, s = b.mul(r, r);
  F p = b.constant(-0x1.992cf2p-13f);
  p = b.fma(p, s, b.constant(0x1.1106e6p-7f));
  p = b.fma(p, s, b.constant(-0x1.555544p-3f));
  const F sine = b.fma(b.mul(r, s), p, r);
  F c = b.constant(0x1.99e910p-16f);
  c = b.fma(c, s, b.constant(-0x1.6c0c2ap-10f));
  c = b.fma(c, s, b.constant(0x1.55554ap-5f));
  const F cosine = b.fma(b.mul(s, s), c, b.fma(s, b.constant(-0.5f), b.constant(1.0f)));
  const I k = b.int_add(angle.quarter, b.int_constant(quarters));
  const I magnitude = blend(b, mask_of_bit(b, k, 0), b.bits(cosine), b.bits(sine));
  const I sign = b.int_and(mask_of_bit(b, k, 1), b.int_constant(0x80000000));
  const F infinity = b.from_bits(b.int_constant(0x7f800000));
  return b.select(b.less(a, infinity), b.from_bits(b.int_xor(magnitude, sign)), b.sub(a, a));
}

template <class B>
typename B::F sin_f32(B& b, typename B::F x) {
  const typename B::I sign = b.int_and(b.bits(x), b.int_constant(0x80000000));
  const typename B::F a = b.from_bits(b.int_and(b.bits(x), b.int_constant(0x7fffffff)));
  return b.from_bits(b.int_xor(b.bits(sine_of_angle(b, a, 0)), sign));
}

template <class B>
typename B::F cos_f32(B& b, typename B::F x) {
  return sine_of_angle(b, b.from_bits(b.int_and(b.bits(x), b.int_constant(0x7fffffff))), 1);
}

}  // namespace gradc::ir
