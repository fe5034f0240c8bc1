#include "runtime/row_order.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "ir/ensure.h"
#include "ir/philox.h"

namespace gradc::runtime {
namespace {

// The sample index of the counters that draw row orders; no batch is that large, so `random` never uses them.
constexpr uint32_t kShuffleSample = 0xffffffff;

std::array<uint32_t, 4> counter_of(int64_t row, uint64_t epoch) {
  return {static_cast<uint32_t>(row), kShuffleSample, static_cast<uint32_t>(epoch), static_cast<uint32_t>(epoch >> 32)};
}

std::array<uint32_t, 2> key_of(uint64_t seed) {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

// The leading byte of each row's bits.
std::vector<uint8_t> draw_leading(int64_t rows, uint64_t seed, uint64_t epoch) {
  std::vector<uint8_t> leading(static_cast<size_t>(rows));
  std::array<uint32_t, 1024> words;
  for (size_t row = 0; row < leading.size(); row += words.size()) {
    const std::span<uint32_t> drawn = std::span(words).first(std::min(words.size(), leading.size() - row));
    ir::philox_first_words(counter_of(static_cast<int64_t>(row), epoch), key_of(seed), drawn);
    for (size_t k = 0; k < drawn.size(); ++k) leading[row + k] = static_cast<uint8_t>(drawn[k] >> 24);
  }
  return leading;
}

}  // namespace

RowOrder::RowOrder(int64_t rows, uint64_t seed, uint64_t epoch)
    : seed_(seed), epoch_(epoch), order_(static_cast<size_t>(rows)) {
  const std::vector<uint8_t> leading = draw_leading(rows, seed, epoch);
  for (const uint8_t bucket : leading) ++begins_[size_t{bucket} + 1];
  std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
  std::array<int64_t, kBuckets + 1> next = begins_;
  for (int64_t row = 0; row < rows; ++row) {
    order_[static_cast<size_t>(next[leading[static_cast<size_t>(row)]]++)] = row;
  }
}

std::span<const int64_t> RowOrder::rows(int64_t first, int64_t count) {
  ENSURE(first >= 0 && first + count <= std::ssize(order_), "no such rows");
  const auto begin = std::upper_bound(begins_.begin(), begins_.end(), first) - 1;
  for (auto bucket = static_cast<size_t>(begin - begins_.begin()); bucket < kBuckets; ++bucket) {
    if (begins_[bucket] >= first + count) break;
    if (!sorted_[bucket]) sort(bucket);
  }
  return std::span(order_).subspan(static_cast<size_t>(first), static_cast<size_t>(count));
}

// The bits are drawn again: that is less than to keep them.
void RowOrder::sort(size_t bucket) {
  const std::span<int64_t> rows(order_.begin() + begins_[bucket], order_.begin() + begins_[bucket + 1]);
  ir::FloatBuilder builder;
  std::vector<std::pair<uint64_t, int64_t>> drawn;
  drawn.reserve(rows.size());
  for (const int64_t row : rows) {
    const auto words = ir::philox4x32_10(builder, counter_of(row, epoch_), key_of(seed_));
    drawn.emplace_back(uint64_t{words[0]} << 32 | words[1], row);
  }
  std::sort(drawn.begin(), drawn.end());
  std::transform(drawn.begin(), drawn.end(), rows.begin(), [](const auto& entry) { return entry.second; });
  sorted_.set(bucket);
}

}  // namespace gradc::runtime
