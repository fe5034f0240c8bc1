// exp, log, tanh, erf and floor of float32 (sine and cosine: math_sine.h; pow: math_power.h), written once: the
// interpreter runs them on floats, generated code on vectors, and both get the same bits on every machine.
//
// Each function is a template over a builder B with the types B::F (float32, or a vector of them), B::I (32-bit
// integers, wrapping) and B::M (masks), which may be one type, and these operations; no others are allowed here,
// because they are the ones whose results IEEE 754 fixes:
//   F constant(float)            I int_constant(uint32_t)
//   F add sub mul div (F, F)     I int_add int_sub int_and int_or int_xor int_mul (I, I)
//   F fma(F, F, F)  rounded once I int_mul_high(I, I)  the upper word of the unsigned product
//   M less(F, F)    F select(M, F, F)  M equal(F, F)   I int_shl int_lshr int_ashr (I, int)
//   I bits(F)       F from_bits(I)     F to_float(I)  signed
// No branches: both sides are computed, then selected. Subnormals are neither flushed nor treated as zero. NaN gives
// NaN.
//
// Largest errors over all 2^32 floats, measured by tests/measure_math_error.cpp in units in the last place: exp 1.008,
// log 0.887, tanh 1.333. Unit tests: tests/unit/test_math.cpp. Coefficients: scripts/derive_math_coefficients.py.
#pragma once
#include <bit>
#include <cstdint>

namespace gradc::ir {

// The largest integer not above x; -0 and infinities stay.
template <class B>
typename B::F floor_f32(B& b, typename B::F x) {
  using F = typename B::F;
  using I = typename B::I;
  // Up to 2^23 adding 2^23 to |x| rounds it to an integer; from there on every float is one.
  const F limit = b.constant(0x1p23f);
  const I sign = b.int_and(b.bits(x), b.int_constant(0x80000000));
  const F a = b.from_bits(b.int_and(b.bits(x), b.int_constant(0x7fffffff)));
  const F nearest = b.from_bits(b.int_or(b.bits(b.sub(b.add(a, limit), limit)), sign));
  const F below = b.select(b.less(x, nearest), b.sub(nearest, b.constant(1.0f)), nearest);
  return b.select(b.less(a, limit), below, x);
}

// p 2^n for p near 1 and n from -252 to 254: 2^n in two factors, each a normal number. Only the last product is
// rounded, so underflow is gradual.
template <class B>
typename B::F times_power_of_two(B& b, typename B::F p, typename B::I n) {
  using F = typename B::F;
  using I = typename B::I;
  const I half = b.int_ashr(n, 1);
  const I bias = b.int_constant(127);
  const F first = b.from_bits(b.int_shl(b.int_add(half, bias), 23));
  const F second = b.from_bits(b.int_shl(b.int_add(b.int_sub(n, half), bias), 23));
  return b.mul(b.mul(p, first), second);
}

// exp(x) = p 2^n, n = round(x / ln 2), p = exp(r), r = x - n ln 2 (two-part ln 2: Cody and Waite, Software Manual for
// the Elementary Functions, 1980), exp(r) = 1 + r + r^2 q(r). For |x| up to 104 or NaN.
template <class B>
struct SplitExp {
  typename B::F p;
  typename B::I n;
};
template <class B>
SplitExp<B> split_exp_f32(B& b, typename B::F x) {
  using F = typename B::F;
  using I = typename B::I;
  // Adding 1.5 * 2^23 leaves the integer nearest to x / ln 2 in the low bits.
  const F magic = b.constant(0x1.8p23f);
  const F shifted = b.fma(x, b.constant(0x1.715476p+0f), magic);
  const F n = b.sub(shifted, magic);
  const I exponent = b.int_sub(b.bits(shifted), b.bits(magic));
  F r = b.fma(n, b.constant(-0x1.62e430p-1f), x);
  r = b.fma(n, b.constant(0x1.05c610p-29f), r);
  F q = b.constant(0x1.685352p-10f);
  q = b.fma(q, r, b.constant(0x1.123bd0p-7f));
  q = b.fma(q, r, b.constant(0x1.555b96p-5f));
  q = b.fma(q, r, b.constant(0x1.55548ep-3f));
  q = b.fma(q, r, b.constant(0x1.fffff8p-2f));
  return {b.add(b.constant(1.0f), b.fma(b.mul(r, r), q, r)), exponent};
}

template <class B>
typename B::F exp_f32(B& b, typename B::F x) {
  using F = typename B::F;
  // exp(89) is above the largest float32 and exp(-104) rounds to 0, so that clamping changes nothing; NaN passes.
  const F highest = b.constant(89.0f), lowest = b.constant(-104.0f);
  x = b.select(b.less(highest, x), highest, x);
  x = b.select(b.less(x, lowest), lowest, x);
  const SplitExp<B> e = split_exp_f32(b, x);
  return times_power_of_two(b, e.p, e.n);
}

// The same bits where |x| is at most 80 or NaN: 2^n and p 2^n are normal numbers.
template <class B>
typename B::F exp_in_range_f32(B& b, typename B::F x) {
  const SplitExp<B> e = split_exp_f32(b, x);
  return b.mul(e.p, b.from_bits(b.int_shl(b.int_add(e.n, b.int_constant(127)), 23)));
}

// log(x) = e ln 2 + log(1 + f), x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); log(1 + f) = f + f^2 q(f).
template <class B>
typename B::F log_f32(B& b, typename B::F x) {
  using F = typename B::F;
  using I = typename B::I;
  using M = typename B::M;
  const F zero = b.constant(0.0f);
  // A subnormal x is scaled by 2^23, which is exact.
  const M small = b.less(x, b.constant(0x1p-126f));
  const F scaled = b.select(small, b.mul(x, b.constant(0x1p23f)), x);
  const I scaled_bits = b.bits(scaled);
  // Subtracting the bits of sqrt(1/2) carries into the exponent exactly where the significand is at or above it.
  const I exponent = b.int_ashr(b.int_sub(scaled_bits, b.int_constant(0x3f3504f3)), 23);
  const F significand = b.from_bits(b.int_sub(scaled_bits, b.int_shl(exponent, 23)));
  const F f = b.sub(significand, b.constant(1.0f));
  const F e = b.sub(b.to_float(exponent), b.select(small, b.constant(23.0f), zero));
  F q = b.constant(-0x1.3265eap-4f);
  q = b.fma(q, f, b.constant(0x1.06bfb4p-3f));
  q = b.fma(q, f, b.constant(-0x1.0fa6bep-3f));
  q = b.fma(q, f, b.constant(0x1.22b78ap-3f));
  q = b.fma(q, f, b.constant(-0x1.542234p-3f));
  q = b.fma(q, f, b.constant(0x1.99a01ep-3f));
  q = b.fma(q, f, b.constant(-0x1.000434p-2f));
  q = b.fma(q, f, b.constant(0x1.555558p-2f));
  q = b.fma(q, f, b.constant(-0x1.fffff8p-2f));
  const F tail = b.fma(e, b.constant(-0x1.05c610p-29f), b.mul(b.mul(f, f), q));
  F result = b.fma(e, b.constant(0x1.62e430p-1f), b.add(f, tail));
  // log(+inf) = +inf, log(+-0) = -inf, log(negative) = NaN, log(NaN) = NaN.
  const F infinity = b.from_bits(b.int_constant(0x7f800000));
  const F not_a_number = b.from_bits(b.int_constant(0x7fc00000));
  result = b.select(b.less(x, infinity), result, x);
  result = b.select(b.less(x, zero), not_a_number, result);
  return b.select(b.equal(x, zero), b.from_bits(b.int_constant(0xff800000)), result);
}

// With a = |x|: a + a s q(s), s = a^2, below 0.625; else 1 - 2 / (exp(2 a) + 1). The sign is x's.
template <class B>
typename B::F tanh_f32(B& b, typename B::F x) {
  using F = typename B::F;
  using I = typename B::I;
  const F one = b.constant(1.0f), two = b.constant(2.0f);
  const I sign = b.int_and(b.bits(x), b.int_constant(0x80000000));
  const F a = b.from_bits(b.int_and(b.bits(x), b.int_constant(0x7fffffff)));
  const F s = b.mul(a, a);
  F q = b.constant(-0x1.7567ecp-8f);
  q = b.fma(q, s, b.constant(0x1.52095ep-6f));
  q = b.fma(q, s, b.constant(-0x1.b83780p-5f));
  q = b.fma(q, s, b.constant(0x1.1106fep-3f));
  q = b.fma(q, s, b.constant(-0x1.555532p-2f));
  const F near = b.fma(b.mul(a, s), q, a);
  // From 9.02 on the result is 1.
  const F last = b.constant(20.0f);
  const F twice = b.mul(a, two);
  const F power = exp_in_range_f32(b, b.select(b.less(last, twice), last, twice));
  const F far = b.sub(one, b.div(two, b.add(power, one)));
  const F magnitude = b.select(b.less(a, b.constant(0.625f)), near, far);
  return b.from_bits(b.int_or(b.bits(magnitude), sign));
}

// With a = |x|: a + a q(a^2) below 0.9; else 1 - exp(g(a)), g a polynomial for log(1 - erf(a)), which is below 2^-25
// from 3.95 on. The sign is x's.
template <class B>
typename B::F erf_f32(B& b, typename B::F x) {
  using F = typename B::F;
  using I = typename B::I;
  const I sign = b.int_and(b.bits(x), b.int_constant(0x80000000));
  const F a = b.from_bits(b.int_and(b.bits(x), b.int_constant(0x7fffffff)));
  const F s = b.mul(a, a);
  F q = b.constant(0x1.5fff4cp-14f);
  q = b.fma(q, s, b.constant(-0x1.aafd0ap-11f));
  q = b.fma(q, s, b.constant(0x1.54d5a2p-8f));
  q = b.fma(q, s, b.constant(-0x1.b80ee8p-6f));
  q = b.fma(q, s, b.constant(0x1.ce2dfap-4f));
  q = b.fma(q, s, b.constant(-0x1.812742p-2f));
  q = b.fma(q, s, b.constant(0x1.06eba8p-3f));
  const F near = b.fma(a, q, a);
  const F highest = b.constant(3.95f);
  const F t = b.select(b.less(highest, a), highest, a);
  F g = b.constant(-0x1.6248a6p-16f);
  g = b.fma(g, t, b.constant(0x1.c7a7b2p-12f));
  g = b.fma(g, t, b.constant(-0x1.11547ap-8f));
  g = b.fma(g, t, b.constant(0x1.9b8216p-6f));
  g = b.fma(g, t, b.constant(-0x1.bb7c14p-4f));
  g = b.fma(g, t, b.constant(-0x1.444742p-1f));
  g = b.fma(g, t, b.constant(-0x1.212784p+0f));
  g = b.fma(g, t, b.constant(0x1.6b6124p-13f));
  const F far = b.sub(b.constant(1.0f), exp_in_range_f32(b, g));
  const F magnitude = b.select(b.less(a, b.constant(0.9f)), near, far);
  return b.from_bits(b.int_or(b.bits(magnitude), sign));
}

// The builder that computes instead of emitting. Its fma is rounded once whatever the host has: an instruction, or the
// C library's fmaf, which IEC 60559 requires to be exact.
struct FloatBuilder {
  using F = float;
  using I = uint32_t;
  using M = bool;
  F constant(float value) const { return value; }
  I int_constant(uint32_t value) const { return value; }
  F add(F x, F y) const { return x + y; }
  F sub(F x, F y) const { return x - y; }
  F mul(F x, F y) const { return x * y; }
  F div(F x, F y) const { return x / y; }
  F fma(F x, F y, F z) const { return __builtin_fmaf(x, y, z); }
  M less(F x, F y) const { return x < y; }
  M equal(F x, F y) const { return x == y; }
  F select(M condition, F x, F y) const { return condition ? x : y; }
  I bits(F x) const { return std::bit_cast<uint32_t>(x); }
  F from_bits(I x) const { return std::bit_cast<float>(x); }
  F to_float(I x) const { return static_cast<float>(static_cast<int32_t>(x)); }
  I int_add(I x, I y) const { return x + y; }
  I int_sub(I x, I y) const { return x - y; }
  I int_mul(I x, I y) const { return x * y; }
  I int_mul_high(I x, I y) const { return static_cast<uint32_t>((uint64_t{x} * y) >> 32); }
  I int_and(I x, I y) const { return x & y; }
  I int_or(I x, I y) const { return x | y; }
  I int_xor(I x, I y) const { return x ^ y; }
  I int_shl(I x, int count) const { return x << count; }
  I int_lshr(I x, int count) const { return x >> count; }
  I int_ashr(I x, int count) const { return static_cast<uint32_t>(static_cast<int32_t>(x) >> count); }
};

float floor_f32(float x);
float exp_f32(float x);
float log_f32(float x);
float tanh_f32(float x);
float erf_f32(float x);
float sin_f32(float x);
float cos_f32(float x);
float pow_f32(float a, float b);

}  // namespace gradc::ir
