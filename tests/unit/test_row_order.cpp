// A permutation is what sorting all rows by their random bits gives, in whatever pieces it is read.
#include "runtime/row_order.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "ir/philox.h"

using namespace gradc;
using runtime::RowOrder;

namespace {

std::vector<int64_t> all_rows(int64_t rows, uint64_t seed, uint64_t epoch) {
  RowOrder order(rows, seed, epoch);
  const std::span<const int64_t> all = order.rows(0, rows);
  return {all.begin(), all.end()};
}

std::vector<int64_t> sorted_at_once(int64_t rows, uint64_t seed, uint64_t epoch) {
  ir::FloatBuilder builder;
  std::vector<std::pair<uint64_t, int64_t>> drawn;
  for (int64_t row = 0; row < rows; ++row) {
    const auto words = ir::philox4x32_10(
        builder,
        {static_cast<uint32_t>(row), 0xffffffff, static_cast<uint32_t>(epoch), static_cast<uint32_t>(epoch >> 32)},
        {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
    drawn.emplace_back(uint64_t{words[0]} << 32 | words[1], row);
  }
  std::sort(drawn.begin(), drawn.end());
  std::vector<int64_t> order;
  for (const auto& [bits, row] : drawn) order.push_back(row);
  return order;
}

}  // namespace

TEST_CASE("row order: a permutation fixed by seed and epoch") {
  std::vector<int64_t> order = all_rows(1000, 3, 4);
  CHECK(order == all_rows(1000, 3, 4));
  CHECK(order != all_rows(1000, 3, 5));
  CHECK(order != all_rows(1000, 4, 4));
  std::sort(order.begin(), order.end());
  for (int64_t k = 0; k < 1000; ++k) CHECK(order[static_cast<size_t>(k)] == k);
}

TEST_CASE("row order: rows sorted by their bits") {
  for (const int64_t rows : {0, 1, 2, 3, 5, 1023, 1024, 1025, 20000}) {
    CHECK(all_rows(rows, 0x700000001, 0x900000002) == sorted_at_once(rows, 0x700000001, 0x900000002));
  }
}

TEST_CASE("row order: read in pieces, from any place") {
  const std::vector<int64_t> whole = sorted_at_once(5000, 1, 2);
  RowOrder order(5000, 1, 2);
  for (const int64_t first : {4990, 17, 2500, 0, 2490, 18}) {
    const std::span<const int64_t> piece = order.rows(first, 10);
    CHECK(std::equal(piece.begin(), piece.end(), whole.begin() + first));
  }
  CHECK(order.rows(5000, 0).empty());
  const std::span<const int64_t> all = order.rows(0, 5000);
  CHECK(std::equal(all.begin(), all.end(), whole.begin(), whole.end()));
}
