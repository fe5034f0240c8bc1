#include "codegen/cache.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <numeric>

namespace gradc::codegen {

namespace {

constexpr int64_t kLine = 64;
constexpr double kFull = 0.8;  // of a cache, before its lines push each other out
constexpr double kMost = 1e15;

struct Footprint {
  double lines = 1;
  double sets = 1;
  bool streams = false;  // most lines follow another one, or the one but one
};

// How a loop moves an access.
struct Step {
  int64_t stride;  // in bytes
  int64_t often;
  int64_t residues;  // of the bytes of a way that multiples of the stride have
  auto operator<=>(const Step&) const = default;
};
using Steps = llvm::SmallVector<Step, 12>;

// way_bytes / gcd(way_bytes, stride), for ways of a power of two without a division.
int64_t residues_of(int64_t stride, int64_t way_bytes) {
  if (!std::has_single_bit(static_cast<uint64_t>(way_bytes))) return way_bytes / std::gcd(way_bytes, stride);
  return way_bytes >>
         std::min(std::countr_zero(static_cast<uint64_t>(way_bytes)), std::countr_zero(static_cast<uint64_t>(stride)));
}

// What an access touches while the loops with these steps run, the shortest first.
Footprint footprint_of(int64_t bytes, llvm::ArrayRef<Step> steps, int64_t way_bytes) {
  int64_t span = bytes;
  double pieces = 1, residues = 1;
  bool every_other = false;  // line
  for (size_t i = 0; i < steps.size(); ++i) {
    auto [stride, often, of_way] = steps[i];
    // A window: two loops step alike.
    while (i + 1 < steps.size() && steps[i + 1].stride == stride) often += steps[++i].often - 1;
    if (pieces == 1 && stride <= (span + kLine - 1) / kLine * kLine) {
      span = std::min<int64_t>(span + stride * (often - 1), int64_t{1} << 40);
      continue;
    }
    every_other = every_other || (pieces == 1 && often >= 4 && stride <= (span + kLine - 1) / kLine * kLine + kLine);
    pieces = std::min(pieces * static_cast<double>(often), kMost);
    residues *= static_cast<double>(std::min(often, of_way));
  }
  const double lines = static_cast<double>((span + kLine - 1) / kLine);
  const double sets = static_cast<double>(way_bytes / kLine);
  return {pieces * lines, std::min(sets, residues * lines), lines >= 4 || every_other};
}

}  // namespace

double waiting_cost(llvm::ArrayRef<Access> accesses, llvm::ArrayRef<int64_t> extents,
                    const std::vector<CacheSizes>& caches, llvm::function_ref<bool(double)> enough) {
  double cost = 0;
  llvm::SmallVector<Steps, 8> steps(accesses.size());
  llvm::SmallVector<Footprint, 8> touched(accesses.size());
  for (const CacheSizes& cache : caches) {
    const int64_t way_bytes = cache.bytes / cache.ways;
    // As many loops as run inside the cache, and the one around them: from one run to the next in it, neighbours are
    // still there.
    size_t counted = 0;
    for (size_t k = 0; k < accesses.size(); ++k) {
      steps[k].clear();
      touched[k] = footprint_of(accesses[k].bytes, {}, way_bytes);
    }
    for (bool fits = true; fits && counted < extents.size(); ++counted) {
      double total = 0;
      for (size_t k = 0; k < accesses.size(); ++k) {
        const int64_t stride = std::abs(accesses[k].strides[counted]);
        if (stride != 0 && extents[counted] > 1) {
          const Step step{stride, extents[counted], residues_of(stride, way_bytes)};
          steps[k].insert(std::lower_bound(steps[k].begin(), steps[k].end(), step), step);
          touched[k] = footprint_of(accesses[k].bytes, steps[k], way_bytes);
        }
        total += touched[k].lines;
        fits = fits && touched[k].lines <= std::max(1.0, kFull * touched[k].sets * static_cast<double>(cache.ways));
      }
      fits = fits && total <= kFull * static_cast<double>(cache.bytes / kLine);
    }
    for (size_t k = 0; k < accesses.size(); ++k) {
      double often = 1;
      for (size_t i = counted; i < extents.size(); ++i)
        if (accesses[k].around[i]) often *= static_cast<double>(extents[i]);
      cost += touched[k].lines * often * (touched[k].streams ? cache.stream : cache.isolated);
    }
    if (enough(cost)) break;
  }
  return cost;
}

}  // namespace gradc::codegen
