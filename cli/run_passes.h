// The pass runner as the command line's options want it.
#pragma once
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "codegen/codegen.h"
#include "ir/result.h"
#include "passes/pipeline.h"

namespace gradc::cli {

// Dumps go to standard error. An error where an option names a pass that does not exist.
ir::Result<passes::RunnerOptions> runner_options(const PassWords& words);
// A line a pass on standard error, and the sum, where --time-passes was given.
void print_times(const PassWords& words, const passes::Runner& runner);

codegen::Options code_options(const CodeWords& words);

}  // namespace gradc::cli
