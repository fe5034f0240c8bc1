// From a planned function to an Executor of machine code: lower, emit, link, and the arena that the code works in.
// Tests: tests/native/test_parity.cpp.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "codegen/codegen.h"
#include "ir/graph.h"
#include "ir/result.h"
#include "runtime/executor.h"
#include "runtime/jit_cache.h"
#include "runtime/thread_pool.h"

namespace gradc::runtime {

struct CompiledExecutor {
  Executor run;
  std::vector<std::pair<std::string, double>> milliseconds;  // by phase: lower, then CompiledStep's
  std::string llvm_times;                                    // see codegen::ObjectCode
};

// What code runs on and where it is kept. Without a pool, everything runs on the calling thread.
struct Host {
  std::shared_ptr<ThreadPool> pool;
  std::optional<JitCache> cache;
};

// `files` are the names that source places refer to (Module::files).
ir::Result<CompiledExecutor> compile_executor(const ir::Func& planned, const std::vector<std::string>& files,
                                              const codegen::Options& options, const Host& host = {});

}  // namespace gradc::runtime
