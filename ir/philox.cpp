#include "ir/philox.h"

#include <algorithm>
#include <cstring>

namespace gradc::ir {
namespace {

// The builder that computes four numbers at a time, in the vectors that every processor has: three times as fast as one
// by one. Both halves of a product come from one multiplication.
struct FourBuilder {
  using F [[gnu::vector_size(16)]] = float;
  using I [[gnu::vector_size(16)]] = uint32_t;
  using Signed [[gnu::vector_size(16)]] = int32_t;
  using Wide [[gnu::vector_size(32)]] = uint64_t;
  F constant(float value) const { return F{value, value, value, value}; }
  I int_constant(uint32_t value) const { return I{value, value, value, value}; }
  F add(F x, F y) const { return x + y; }
  F mul(F x, F y) const { return x * y; }
  F to_float(I x) const { return __builtin_convertvector(reinterpret_cast<Signed>(x), F); }
  I int_add(I x, I y) const { return x + y; }
  I int_xor(I x, I y) const { return x ^ y; }
  I int_lshr(I x, int count) const { return x >> static_cast<uint32_t>(count); }
  I int_mul(I x, I y) const {
    return __builtin_convertvector(__builtin_convertvector(x, Wide) * __builtin_convertvector(y, Wide), I);
  }
  I int_mul_high(I x, I y) const {
    return __builtin_convertvector((__builtin_convertvector(x, Wide) * __builtin_convertvector(y, Wide)) >> 32, I);
  }
};

// out[k] = draw(first + k), four at a time.
template <class T, class Draw>
void fill(std::span<T> out, uint32_t first, Draw draw) {
  FourBuilder::I at = FourBuilder{}.int_constant(first) + FourBuilder::I{0, 1, 2, 3};
  for (size_t k = 0; k < out.size(); k += 4, at += 4) {
    const auto four = draw(at);
    std::memcpy(&out[k], &four, std::min(sizeof(four), sizeof(T) * (out.size() - k)));
  }
}

}  // namespace

void philox_first_words(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key, std::span<uint32_t> words) {
  FourBuilder four;
  const auto all = [&](uint32_t word) { return four.int_constant(word); };
  fill(words, counter[0], [&](FourBuilder::I at) {
    return philox4x32_10(four, {at, all(counter[1]), all(counter[2]), all(counter[3])}, {all(key[0]), all(key[1])})[0];
  });
}

void random_f32(uint32_t seed_low, uint32_t seed_high, uint32_t step, uint32_t place, uint32_t sample,
                std::span<float> numbers) {
  FourBuilder four;
  const auto all = [&](uint32_t word) { return four.int_constant(word); };
  fill(numbers, 0, [&](FourBuilder::I at) {
    return random_f32(four, all(seed_low), all(seed_high),
                      RandomPosition<FourBuilder>{at, all(sample), all(step), all(place)});
  });
}

}  // namespace gradc::ir
