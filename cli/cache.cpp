// gradc cache: where compiled code is kept between runs, how much of it there is, and how to be rid of it.
#include <fmt/core.h>

#include "cli/load.h"
#include "runtime/jit_cache.h"

namespace gradc::cli {
namespace {

std::string size_text(int64_t bytes) {
  constexpr double kKilo = 1024;
  const auto number = static_cast<double>(bytes);
  if (number < kKilo) return fmt::format("{} bytes", bytes);
  if (number < kKilo * kKilo) return fmt::format("{:.1f} KB", number / kKilo);
  return fmt::format("{:.1f} MB", number / kKilo / kKilo);
}

std::string count_text(int64_t entries) { return fmt::format("{} program{}", entries, entries == 1 ? "" : "s"); }

}  // namespace

int cache(const CacheWords& words) {
  const ir::Result<std::optional<runtime::JitCache>> found = runtime::JitCache::from_environment();
  if (!found) return fail_usage(found.error());
  if (!*found) {
    fmt::print("no code is kept: GRADC_CACHE_SIZE is 0, or there is no home folder\n");
    return kDone;
  }
  const runtime::JitCache& kept = **found;
  if (words.clear) {
    const runtime::JitCacheSummary gone = kept.clear();
    fmt::print("deleted {}, {}\n", count_text(gone.entries), size_text(gone.bytes));
    return kDone;
  }
  const runtime::JitCacheSummary summary = kept.summary();
  fmt::print("{} in {}\n{} of at most {}\n", count_text(summary.entries), kept.folder(), size_text(summary.bytes),
             size_text(kept.limit()));
  return kDone;
}

}  // namespace gradc::cli
