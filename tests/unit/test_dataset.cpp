// Staging of literal rows and of formula data.
#include "runtime/dataset.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "ir/philox.h"
#include "tests/support/ir_text.h"

using namespace gradc;
using namespace gradc::runtime;

namespace {

Layout two_columns(int64_t batch) {
  Layout layout;
  layout.data = {{"target", {ir::DType::f32, {batch}}, ir::Role::data, 64},
                 {"x", {ir::DType::f32, {batch, 2}}, ir::Role::data, 0}};
  layout.data_bytes = 128;
  return layout;
}

ResidentRows make_rows(int64_t count, bool shuffle) {
  std::vector<float> x, target;
  for (int64_t row = 0; row < count; ++row) {
    const auto number = static_cast<float>(row);
    x.insert(x.end(), {number, number + 0.5f});
    target.push_back(-number);
  }
  const auto shared = [](std::vector<float> values) {
    return std::make_shared<const std::vector<float>>(std::move(values));
  };
  return {"numbers",
          count,
          {{"x", {ir::DType::f32, {2}}, shared(x)}, {"target", {ir::DType::f32, {}}, shared(target)}},
          shuffle};
}

float number_at(const AlignedBuffer& blocks, int64_t offset) {
  float number;
  std::memcpy(&number, blocks.data() + offset, sizeof(number));
  return number;
}

// The rows that steps first ... first+steps-1 see, told by their first element; checks that all columns agree.
std::vector<float> rows_seen(Dataset& data, uint64_t first, int64_t steps, int64_t batch) {
  AlignedBuffer blocks(steps * data.block_bytes());
  REQUIRE(data.stage(first, steps, blocks.data()));
  std::vector<float> seen;
  for (int64_t step = 0; step < steps; ++step) {
    for (int64_t sample = 0; sample < batch; ++sample) {
      const int64_t block = step * data.stride();
      seen.push_back(number_at(blocks, block + sample * 8));
      CHECK(number_at(blocks, block + sample * 8 + 4) == seen.back() + 0.5f);
      CHECK(number_at(blocks, block + 64 + sample * 4) == -seen.back());
    }
  }
  return seen;
}

}  // namespace

TEST_CASE("dataset: rows in the order of the file, epoch after epoch") {
  ir::Result<Dataset> data = Dataset::resident(make_rows(6, false), two_columns(2), 1);
  REQUIRE(data);
  CHECK(data->stride() == 128);
  CHECK(rows_seen(*data, 0, 4, 2) == std::vector<float>{0, 1, 2, 3, 4, 5, 0, 1});
  CHECK(rows_seen(*data, 2, 2, 2) == std::vector<float>{4, 5, 0, 1});
}

TEST_CASE("dataset: every epoch sees every row once, in an order of its own; chunks do not matter") {
  ir::Result<Dataset> data = Dataset::resident(make_rows(12, true), two_columns(4), 1);
  REQUIRE(data);
  const std::vector<float> seen = rows_seen(*data, 0, 6, 4);
  std::vector<float> first(seen.begin(), seen.begin() + 12), second(seen.begin() + 12, seen.end());
  CHECK(first != second);
  const std::vector<float> later = rows_seen(*data, 2, 2, 4);
  CHECK(std::equal(later.begin(), later.end(), seen.begin() + 8));
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  CHECK(first == second);
  CHECK(first.back() == 11);

  ir::Result<Dataset> other_seed = Dataset::resident(make_rows(12, true), two_columns(4), 2);
  CHECK(rows_seen(*other_seed, 0, 6, 4) != seen);
}

TEST_CASE("dataset: one row is one block for all steps") {
  ir::Result<Dataset> data = Dataset::resident(make_rows(1, true), two_columns(1), 1);
  REQUIRE(data);
  CHECK(data->stride() == 0);
  CHECK(rows_seen(*data, 0, 1, 1) == std::vector<float>{0});
}

TEST_CASE("dataset: the last batch repeats a row where there are no more, and says how many count") {
  Layout layout = two_columns(4);
  layout.data.push_back({kLiveRows, {ir::DType::f32, {}}, ir::Role::data, 112});
  ir::Result<Dataset> data = Dataset::resident(make_rows(6, false), layout, 1);
  REQUIRE(data);
  CHECK(rows_seen(*data, 0, 3, 4) == std::vector<float>{0, 1, 2, 3, 4, 5, 4, 4, 0, 1, 2, 3});
  AlignedBuffer blocks(3 * data->block_bytes());
  REQUIRE(data->stage(0, 3, blocks.data()));
  CHECK(number_at(blocks, 112) == 4);
  CHECK(number_at(blocks, 128 + 112) == 2);
  CHECK(number_at(blocks, 256 + 112) == 4);
}

TEST_CASE("dataset: a part of the rows; windows that overlap") {
  ResidentRows part = make_rows(9, false);
  part.first = 2;
  part.step = 3;
  part.rows = 2;
  ir::Result<Dataset> data = Dataset::resident(part, two_columns(2), 1);
  REQUIRE(data);
  CHECK(rows_seen(*data, 0, 1, 2) == std::vector<float>{2, 5});

  const auto text = std::make_shared<const std::vector<float>>(std::vector<float>{0, 1, 2, 3, 4});
  Layout layout;
  layout.data = {{"ids", {ir::DType::f32, {1, 2}}, ir::Role::data, 0}};
  layout.data_bytes = 64;
  ir::Result<Dataset> windows =
      Dataset::resident({"text", 3, {{"ids", {ir::DType::f32, {2}}, text, 1, 1}}, false}, layout, 1);
  REQUIRE(windows);
  AlignedBuffer blocks(3 * 64);
  REQUIRE(windows->stage(0, 3, blocks.data()));
  CHECK(number_at(blocks, 0) == 1);
  CHECK(number_at(blocks, 128) == 3);
  CHECK(number_at(blocks, 132) == 4);
}

TEST_CASE("dataset: rows that cannot be cut into batches") {
  CHECK(Dataset::resident(make_rows(50, true), two_columns(32), 1).error() ==
        "batch 32 does not divide the 50 rows of data `numbers`; choose one that does");
  CHECK(Dataset::resident(make_rows(0, true), two_columns(1), 1).error() == "data `numbers` has no rows");
}

TEST_CASE("dataset: formula data is a function of seed and step, wherever the plan puts its columns") {
  for (const char* offsets : {"0 64", "64 0"}) {
    const std::string x = std::string(offsets).substr(0, std::string(offsets).find(' '));
    const std::string target = std::string(offsets).substr(std::string(offsets).find(' ') + 1);
    const ir::Func draw =
        tests::func_from_text(R"(func @data(%key: i32[3] key at hyper+0) -> (x: f32[3,2], target: f32[3]) {
  %0 = random %key {place = 9, sample} : f32[3,2] kernel 0 at result+)" +
                              x + R"(
  %1 = reduce %0 {sum, axes = [1]} : f32[3] kernel 1 at result+)" +
                              target + R"(
  return %0, %1
}
)");
    const Layout step = two_columns(3);
    ir::Result<Dataset> data = Dataset::drawn(interpret(draw), layout_of(draw), step, 0x500000001);
    REQUIRE(data);
    AlignedBuffer blocks(2 * data->block_bytes());
    REQUIRE(data->stage(10, 2, blocks.data()));
    const float a = ir::random_f32(1, 5, 11, 9, 2, 0), b = ir::random_f32(1, 5, 11, 9, 2, 1);
    CHECK(number_at(blocks, 128 + 16) == a);
    CHECK(number_at(blocks, 128 + 20) == b);
    CHECK(number_at(blocks, 128 + 64 + 8) == a + b);
  }
}
