#include "runtime/choose.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

using namespace gradc::runtime;

TEST_CASE("choose: temperature 0 takes the first of the largest") {
  const std::vector<float> logits = {1, 3, -INFINITY, 3};
  for (const float uniform : {0x1p-24f, 0.5f, 1 - 0x1p-24f}) CHECK(*choose(logits, {0, 0}, uniform) == 1);
}

TEST_CASE("choose: the cumulated softmax is inverted") {
  // softmax = 1/8, 0, 1/2, 3/8
  const std::vector<float> logits = {0, -INFINITY, std::log(4.0f), std::log(3.0f)};
  CHECK(*choose(logits, {1, 0}, 0.1249f) == 0);
  CHECK(*choose(logits, {1, 0}, 0.1251f) == 2);
  CHECK(*choose(logits, {1, 0}, 0.6249f) == 2);
  CHECK(*choose(logits, {1, 0}, 0.6251f) == 3);
  CHECK(*choose(logits, {1, 0}, 1 - 0x1p-24f) == 3);
  // At temperature 1/2 the odds are squared: 1/26, 16/26, 9/26.
  CHECK(*choose(logits, {0.5, 0}, 0.0384f) == 0);
  CHECK(*choose(logits, {0.5, 0}, 0.0385f) == 2);
  CHECK(*choose(logits, {0.5, 0}, 0.653f) == 2);
  CHECK(*choose(logits, {0.5, 0}, 0.654f) == 3);
}

TEST_CASE("choose: only the most likely, with what ties with the last of them") {
  const std::vector<float> logits = {0, 2, 1, 2, 1};
  std::array<int, 5> counts = {};
  for (int k = 0; k < 1000; ++k) ++counts[static_cast<size_t>(*choose(logits, {1, 3}, (k + 0.5f) / 1000))];
  CHECK(counts[0] == 0);
  for (const size_t k : {1, 2, 3, 4}) CHECK(counts[k] > 100);
  CHECK(*choose(logits, {1e-300, 1}, 0.4f) == 1);
  CHECK(*choose(logits, {1e-300, 1}, 0.6f) == 3);
}

TEST_CASE("choose: what is no distribution is refused") {
  for (const std::vector<float>& logits :
       {std::vector<float>{0, NAN}, {INFINITY, 0}, {-INFINITY, -INFINITY}, std::vector<float>{}}) {
    for (const double temperature : {0.0, 1.0}) {
      CHECK(choose(logits, {temperature, 0}, 0.5f).error() == "the model's result is not finite");
    }
  }
}
