// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3,
// SC 2011). A number is a pure function of where it is used, so the order of evaluation, vectors and threads do not
// matter.
//
// Templates over the integer operations of a builder as in ir/math.h. The operation `random` of tensor IR:
//   Philox key      (seed low word, seed high word), the first two elements of its operand
//   Philox counter  (element, sample, step, place): step is the operand's third element; with `sample`, sample is the
//   index
//                   on axis 0 and element the row-major index within that sample; without, sample is 0
//   value           (floor(w / 2^9) + 1/2) 2^-23 with w the first of the four words: exact in float32, at least 2^-24
//   and
//                   at most 1 - 2^-24, so that neither 0 nor 1 is ever drawn, and symmetric about 1/2
// Tests: tests/unit/test_philox.cpp (the known answers of the authors' Random123).
#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "ir/math.h"

namespace gradc::ir {

template <class B>
std::array<typename B::I, 4> philox4x32_10(B& b, std::array<typename B::I, 4> counter,
                                           std::array<typename B::I, 2> key) {
  using I = typename B::I;
  const I multiplier0 = b.int_constant(0xD2511F53), multiplier1 = b.int_constant(0xCD9E8D57);
  const I weyl0 = b.int_constant(0x9E3779B9), weyl1 = b.int_constant(0xBB67AE85);  // golden ratio, sqrt(3) - 1
  for (int round = 0; round < 10; ++round) {
    if (round > 0) key = {b.int_add(key[0], weyl0), b.int_add(key[1], weyl1)};
    const I high0 = b.int_mul_high(multiplier0, counter[0]), low0 = b.int_mul(multiplier0, counter[0]);
    const I high1 = b.int_mul_high(multiplier1, counter[2]), low1 = b.int_mul(multiplier1, counter[2]);
    counter = {b.int_xor(b.int_xor(high1, counter[1]), key[0]), low1, b.int_xor(b.int_xor(high0, counter[3]), key[1]),
               low0};
  }
  return counter;
}

template <class B>
struct RandomPosition {
  typename B::I element, sample, step, place;
};

// A float32 in (0, 1) from the first word; see above.
template <class B>
typename B::F random_f32(B& b, typename B::I seed_low, typename B::I seed_high, const RandomPosition<B>& at) {
  const auto words = philox4x32_10(b, {at.element, at.sample, at.step, at.place}, {seed_low, seed_high});
  const auto upper = b.to_float(b.int_lshr(words[0], 9));
  return b.mul(b.add(upper, b.constant(0.5f)), b.constant(0x1p-23f));
}

// The first words at `counter`, and with the counter's own first word 1, 2, ... higher.
void philox_first_words(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key, std::span<uint32_t> words);

// The same on plain numbers.
inline float random_f32(uint32_t seed_low, uint32_t seed_high, uint32_t step, uint32_t place, uint32_t sample,
                        uint32_t element) {
  FloatBuilder builder;
  return random_f32(builder, seed_low, seed_high, RandomPosition<FloatBuilder>{element, sample, step, place});
}

// For elements 0, 1, ...
void random_f32(uint32_t seed_low, uint32_t seed_high, uint32_t step, uint32_t place, uint32_t sample,
                std::span<float> numbers);

}  // namespace gradc::ir
