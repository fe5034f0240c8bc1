// A spec as the command line names it, loaded and elaborated; what is wrong with it has been printed on standard error.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "cli/command_line.h"
#include "frontend/elaborate.h"
#include "frontend/program.h"
#include "frontend/spec.h"
#include "ir/result.h"
#include "runtime/read_table.h"

namespace gradc::cli {

// "gradc: error: ..." on standard error; returns kFailed.
int fail(const std::string& message);
int fail_usage(const std::string& message);
struct Loaded;
// "spec.grad:3:7: error: ..." with the line and a caret.
int fail_at(ir::SourceLocation place, const std::string& message, const Loaded& loaded);
// The same; where a value of the program was wrong, the error stands at its place in the spec.
int fail(const ir::Error& error, const Loaded& loaded, const frontend::Program& program);

struct Loaded {
  int exit_code = kDone;  // not kDone: it could not be loaded, and why has been printed
  std::unique_ptr<frontend::Spec> spec;
  frontend::Overrides overrides;  // its `read_table` reads each file once
};
Loaded load(const SpecWords& words);

// The program of the run; nothing after errors were printed. `batch` replaces the spec's.
std::optional<frontend::Program> elaborate(const Loaded& loaded, const std::string& run,
                                           std::optional<int64_t> batch = std::nullopt, bool warnings = true);

}  // namespace gradc::cli
