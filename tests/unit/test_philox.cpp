// The known answers of Random123 (kat_vectors, "philox4x32 10") and the numbers of the operation `random`.
#include "ir/philox.h"

#include <doctest/doctest.h>

using namespace gradc;
using Words = std::array<uint32_t, 4>;

namespace {

// Lets a test choose the first output word's effect through the real function: only the last steps are repeated here.
float from_word(uint32_t word) { return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f; }

Words philox(Words counter, std::array<uint32_t, 2> key) {
  ir::FloatBuilder builder;
  return ir::philox4x32_10(builder, counter, key);
}

}  // namespace

TEST_CASE("philox: known answers") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random: counter and key are (element, sample, step, place) and the seed") {
  CHECK(ir::random_f32(0, 0, 0, 0, 0, 0) == from_word(0x6627e8d5));
  // seed low, seed high, step, place, sample, element
  CHECK(ir::random_f32(0xa4093822, 0x299f31d0, 0x13198a2e, 0x03707344, 0x85a308d3, 0x243f6a88) ==
        from_word(0xd16cfe09));
}

TEST_CASE("random: the extremes are inside (0, 1) and exact") {
  CHECK(from_word(0) == 0x1p-24f);
  CHECK(from_word(~0u) == 1 - 0x1p-24f);
}

TEST_CASE("philox: many at once are those one by one") {
  for (const size_t count : {0, 1, 3, 4, 9}) {
    std::vector<uint32_t> words(count);
    ir::philox_first_words({0xfffffffe, 2, 3, 4}, {5, 6}, words);
    std::vector<float> numbers(count);
    ir::random_f32(1, 2, 3, 4, 5, numbers);
    for (size_t k = 0; k < count; ++k) {
      CHECK(words[k] == philox({0xfffffffe + static_cast<uint32_t>(k), 2, 3, 4}, {5, 6})[0]);
      CHECK(numbers[k] == ir::random_f32(1, 2, 3, 4, 5, static_cast<uint32_t>(k)));
    }
  }
}

TEST_CASE("random: evenly spread") {
  double sum = 0, squares = 0;
  const uint32_t count = 100000;
  for (uint32_t element = 0; element < count; ++element) {
    const double u = static_cast<double>(ir::random_f32(1, 0, 0, 0, 0, element));
    sum += u;
    squares += u * u;
  }
  CHECK(sum / count == doctest::Approx(0.5).epsilon(0.005));
  CHECK(squares / count - (sum / count) * (sum / count) == doctest::Approx(1.0 / 12).epsilon(0.01));
}
