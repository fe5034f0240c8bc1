// An estimate of what the loads and stores of a nest wait for the caches, to compare schedules and layouts of the same
// nest (cost.h). Lines are counted from the strides: for each prefix of the loops, from the innermost out, how many
// lines every access touches, and how many sets of the cache these fall into. A line that was touched before the
// loops last fitted into a cache is taken to be in it; every other one comes from the next. After the reuse-distance
// models of loop nests (for example Wolf and Lam, A data locality optimizing algorithm, 1991), without their exactness.
#pragma once
#include <llvm/ADT/ArrayRef.h>
#include <llvm/ADT/STLFunctionalExtras.h>
#include <llvm/ADT/SmallVector.h>

#include <cstdint>
#include <vector>

namespace gradc::codegen {

struct CacheSizes {
  int64_t bytes;
  int64_t ways;
  double stream;    // what a line costs that follows the one before, in instructions
  double isolated;  // and one that does not
};

struct Access {
  int64_t bytes = 4;                       // that lie together
  llvm::SmallVector<int64_t, 12> strides;  // in bytes, for each loop; 0 for loops that are not around it
  llvm::SmallVector<bool, 12> around;      // which loops are
};

// `extents` of the loops, from the innermost out. The sum only grows, and is given as it is once `enough` says that of
// it.
double waiting_cost(llvm::ArrayRef<Access> accesses, llvm::ArrayRef<int64_t> extents,
                    const std::vector<CacheSizes>& caches, llvm::function_ref<bool(double)> enough);

}  // namespace gradc::codegen
