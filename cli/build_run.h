// From a program to something that trains: passes, machine code (or the interpreter), memory, data.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "cli/command_line.h"
#include "frontend/program.h"
#include "ir/result.h"
#include "runtime/hyper_table.h"
#include "runtime/jit_executor.h"
#include "runtime/metric.h"
#include "runtime/table_columns.h"
#include "runtime/trainer.h"

namespace gradc::cli {

struct BuiltRun {
  runtime::Training training;
  std::vector<runtime::Metric> metrics;  // in the order of Program::metrics
  runtime::NamedTensors statistics;      // of the training rows
  double compile_milliseconds = 0;       // passes and machine code, as far as the first step waits for them
};

// The rows that stay in memory, all parts of them; none where data is drawn afresh each step.
struct ResidentData {
  std::vector<runtime::ResidentColumn> columns;
  runtime::NamedTensors statistics;
};
ir::Result<ResidentData> load_rows(const frontend::Program& program);
runtime::ResidentRows rows_of(const frontend::Program& program, const ResidentData& data, const std::string& part);

// The state holds the initial values that the program's seed draws.
ir::Result<BuiltRun> build_run(const frontend::Program& program, const TrainWords& words);

// A planned function as machine code, or in the interpreter where the words say so.
struct Compiler {
  const TrainWords& words;
  const std::vector<std::string>& files;  // Module::files
  runtime::Host host;
  // Where what is compiled later leaves how to begin with it; null: everything is compiled at once.
  std::vector<std::function<void()>>* later = nullptr;
};
ir::Result<runtime::Executor> make_executor(const ir::Func& planned, const Compiler& compiler,
                                            runtime::When when = runtime::When::now);
// The threads and the cache that the words ask for. The error is one of the environment's variables.
ir::Result<runtime::Host> make_host(const TrainWords& words);

// The names of the states of all layers, those that only training reads among them.
std::vector<std::string> layer_states(const frontend::Program& program);

runtime::NamedNumbers settings_of(const frontend::Program& program);

// The scalars that @RUN.predict takes, computed by @RUN.hyper as at the first step.
ir::Result<runtime::NamedNumbers> predict_scalars(const frontend::Program& program);

}  // namespace gradc::cli
