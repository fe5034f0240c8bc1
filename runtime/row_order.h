// The order in which an epoch visits its rows: a permutation of 0 ... rows-1, sorted by 64 random bits each, ties by
// index; the bits are Philox's for seed, epoch and row. It is sorted where it is read: a run begins after one pass over
// the rows, and one that ends soon never sorts the rest. Tests: tests/unit/test_row_order.cpp.
#pragma once
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gradc::runtime {

class RowOrder {
 public:
  RowOrder(int64_t rows, uint64_t seed, uint64_t epoch);

  // The rows at positions first ... first+count-1. Valid until it is destroyed.
  std::span<const int64_t> rows(int64_t first, int64_t count);

 private:
  // Rows whose bits begin with the same byte.
  static constexpr size_t kBuckets = 256;
  void sort(size_t bucket);

  uint64_t seed_;
  uint64_t epoch_;
  std::vector<int64_t> order_;
  std::array<int64_t, kBuckets + 1> begins_ = {};  // of the buckets in `order_`, the last one's end behind them
  std::bitset<kBuckets> sorted_;
};

}  // namespace gradc::runtime
