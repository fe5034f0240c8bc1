// Syntax tree -> Program (frontend/program.h): names, shapes and instances resolved, everything in tensor IR.
//
// Takes a loaded spec without errors, the name of a `train` block of its main file ("": the first) and what the command
// line changes. Gives nothing where a mistake was found; the diagnostics say which. Deterministic. Hostile specs end
// with an error: steps, IR values, nesting and tensor sizes are limited (ElaborateLimits).
// Tests: tests/unit/test_frontend_*.cpp, golden error texts in tests/golden/errors.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frontend/program.h"
#include "frontend/spec.h"
#include "ir/diag.h"

namespace gradc::frontend {

// Whether a text of the command line is a value that a constant or a setting can take: 8, 0.5, true.
bool is_override(const std::string& text);

// What the command line says over the spec. Names that the spec does not have are errors.
struct Overrides {
  std::vector<std::pair<std::string, std::string>> constants;  // -D N=8
  std::vector<std::pair<std::string, std::string>> settings;   // --set optimizer.lr=0.01
  std::optional<int64_t> batch;                                // another batch: predicting one row, say
  std::optional<int64_t> steps;
  std::optional<uint64_t> seed;
  ir::TableReader read_table;  // not set: data from files is an error
  bool interpreted = false;    // the program is run by the interpreter, which looks for more that can be wrong
};

struct ElaborateLimits {
  int64_t evaluations = 2'000'000;  // expressions and statements, all rounds counted
  size_t values = 200'000;          // of all functions together
  int depth = 600;                  // of evaluation, through calls
};

std::optional<Program> elaborate(const Spec& spec, const std::string& run, const Overrides& overrides,
                                 ir::Diagnostics& diagnostics, const ElaborateLimits& limits = {});

}  // namespace gradc::frontend
