// The pass runner as the command line's options want it.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "codegen/codegen.h"
#include "ir/result.h"
#include "passes/pipeline.h"

namespace gradc::cli {

// Dumps go to standard error. An error where an option names a pass that does not exist.
ir::Result<passes::RunnerOptions> runner_options(const PassWords& words);
// Measures what comes before the passes; prints a line on standard error where --time-passes was given.
class PhaseClock {
 public:
  explicit PhaseClock(const PassWords& words) : prints_(words.time_passes) {}
  // The phase that ends now began at the last call, or when this was made.
  void lap(const char* phase);

 private:
  bool prints_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// A line a pass on standard error, and the sum, where --time-passes was given.
void print_times(const PassWords& words, const passes::Runner& runner);

codegen::Options code_options(const CodeWords& words);

}  // namespace gradc::cli
