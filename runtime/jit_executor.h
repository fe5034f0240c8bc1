// From a planned function to an Executor of machine code: lower, emit, link, and the arena that the code works in.
// Tests: tests/native/test_parity.cpp, tests/native/test_jit_cache.cpp.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "codegen/codegen.h"
#include "ir/graph.h"
#include "ir/result.h"
#include "ir/thread_pool.h"
#include "runtime/executor.h"
#include "runtime/jit_cache.h"

namespace gradc::runtime {

struct CompiledExecutor {
  Executor run;
  // Spent by phase: lower, then CompiledStep's; or cache and link. Without those that a thread of its own still does.
  std::vector<std::pair<std::string, double>> milliseconds;
  std::string llvm_times;               // see codegen::ObjectCode
  std::function<void()> begin = [] {};  // with When::later
};

// What code runs on and where it is kept. Without a pool, everything runs on the calling thread.
struct Host {
  std::shared_ptr<ir::ThreadPool> pool;
  std::optional<JitCache> cache;
};

// `later`: it is lowered and its machine code made by a thread of its own from CompiledExecutor::begin on, while the
// caller goes on; the first call waits for it.
enum class When : uint8_t { now, later };

// `files` are the names that source places refer to (Module::files). Code that is in the host's cache is not made
// again, and new code goes there.
ir::Result<CompiledExecutor> compile_executor(const ir::Func& planned, const std::vector<std::string>& files,
                                              const codegen::Options& options, const Host& host = {},
                                              When when = When::now);

}  // namespace gradc::runtime
