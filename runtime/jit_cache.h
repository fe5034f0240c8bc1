// Machine code of earlier runs on disk, so that a program that was compiled before starts without compiling.
//
// An entry is a file named by the digest of everything that its code depends on (codegen::cache_key). Entries are
// written beside their place and renamed, so writers at the same time and readers never see half of one; each begins
// with the digest of what follows, and one that does not match is deleted, never run. Native code is only taken from a
// folder and files that belong to this user and that nobody else can write. The entries that were not used for the
// longest time go when all together exceed the limit. Tests: tests/native/test_jit_cache.cpp.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "codegen/codegen.h"
#include "ir/result.h"

namespace gradc::runtime {

struct JitCacheSummary {
  int64_t entries = 0;
  int64_t bytes = 0;
};

class JitCache {
 public:
  static constexpr int64_t kDefaultLimit = int64_t{256} << 20;

  // The folder is made when the first entry is stored.
  explicit JitCache(std::string folder, int64_t limit_bytes = kDefaultLimit)
      : folder_(std::move(folder)), limit_(limit_bytes) {}

  // $GRADC_CACHE_DIR, else gradc in $XDG_CACHE_HOME, else in ~/.cache; its limit is $GRADC_CACHE_SIZE (such as 64M). An
  // error where one of gradc's own two is nonsense. Nothing where there is no such folder or the limit is 0.
  static ir::Result<std::optional<JitCache>> from_environment();

  const std::string& folder() const { return folder_; }
  int64_t limit() const { return limit_; }

  // The code that was stored under the key; nothing where there is none that can be trusted.
  std::optional<codegen::ObjectCode> find(const std::string& key) const;
  // Where that fails (a full disk, a folder that cannot be written), there is no entry, and no error.
  void store(const std::string& key, const codegen::ObjectCode& code) const;
  void drop(const std::string& key) const;

  JitCacheSummary summary() const;
  // Deletes all entries; returns what is gone.
  JitCacheSummary clear() const;

 private:
  std::string path_of(const std::string& key) const;
  void keep_limit() const;

  std::string folder_;
  int64_t limit_;
};

}  // namespace gradc::runtime
