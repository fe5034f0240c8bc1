#include "codegen/cache.h"

#include <algorithm>
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

// What one access touches while the first `count` loops run.
Footprint footprint_of(const Access& access, llvm::ArrayRef<int64_t> extents, size_t count, int64_t way_bytes) {
  llvm::SmallVector<std::pair<int64_t, int64_t>, 12> steps;  // stride, how often
  for (size_t i = 0; i < count; ++i)
    if (access.strides[i] != 0 && extents[i] > 1) steps.emplace_back(std::abs(access.strides[i]), extents[i]);
  std::sort(steps.begin(), steps.end());
  int64_t span = access.bytes;
  double pieces = 1, residues = 1;
  bool every_other = false;  // line
  for (size_t i = 0; i < steps.size(); ++i) {
    auto [stride, often] = steps[i];
    // A window: two loops step alike.
    while (i + 1 < steps.size() && steps[i + 1].first == stride) often += steps[++i].second - 1;
    if (pieces == 1 && stride <= (span + kLine - 1) / kLine * kLine) {
      span = std::min<int64_t>(span + stride * (often - 1), int64_t{1} << 40);
      continue;
    }
    every_other = every_other || (pieces == 1 && often >= 4 && stride <= (span + kLine - 1) / kLine * kLine + kLine);
    pieces = std::min(pieces * static_cast<double>(often), kMost);
    residues *= static_cast<double>(std::min(often, way_bytes / std::gcd(way_bytes, stride)));
  }
  const double lines = static_cast<double>((span + kLine - 1) / kLine);
  const double sets = static_cast<double>(way_bytes / kLine);
  return {pieces * lines, std::min(sets, residues * lines), lines >= 4 || every_other};
}

}  // namespace

double waiting_cost(llvm::ArrayRef<Access> accesses, llvm::ArrayRef<int64_t> extents,
                    const std::vector<CacheSizes>& caches) {
  double cost = 0;
  for (const CacheSizes& cache : caches) {
    const int64_t way_bytes = cache.bytes / cache.ways;
    // As many loops as run inside the cache.
    size_t inside = 0;
    while (inside < extents.size()) {
      double total = 0;
      bool fits = true;
      for (const Access& access : accesses) {
        const Footprint touched = footprint_of(access, extents, inside + 1, way_bytes);
        total += touched.lines;
        fits = fits && touched.lines <= std::max(1.0, kFull * touched.sets * static_cast<double>(cache.ways));
      }
      if (!fits || total > kFull * static_cast<double>(cache.bytes / kLine)) break;
      ++inside;
    }
    // From one run of these loops to the next in the loop around them, neighbours are still there.
    const size_t counted = std::min(inside + 1, extents.size());
    for (const Access& access : accesses) {
      const Footprint touched = footprint_of(access, extents, counted, way_bytes);
      double often = 1;
      for (size_t i = counted; i < extents.size(); ++i)
        if (access.around[i]) often *= static_cast<double>(extents[i]);
      cost += touched.lines * often * (touched.streams ? cache.stream : cache.isolated);
    }
  }
  return cost;
}

}  // namespace gradc::codegen
