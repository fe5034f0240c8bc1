// From a planned function to an Executor of machine code: lower, emit, link, and the arena that the code works in.
// Tests: tests/native/test_parity.cpp.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "codegen/codegen.h"
#include "ir/graph.h"
#include "ir/result.h"
#include "runtime/executor.h"

namespace gradc::runtime {

struct CompiledExecutor {
  Executor run;
  std::vector<std::pair<std::string, double>> milliseconds;  // by phase: lower, emit, optimize, machine code, link
};

// `files` are the names that source places refer to (Module::files).
ir::Result<CompiledExecutor> compile_executor(const ir::Func& planned, const std::vector<std::string>& files,
                                              const codegen::Options& options);

}  // namespace gradc::runtime
