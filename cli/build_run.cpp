#include "cli/build_run.h"

#include <fmt/core.h>

#include <chrono>
#include <cstdio>

#include "cli/run_passes.h"
#include "ir/ensure.h"
#include "ir/eval.h"
#include "runtime/jit_executor.h"

namespace gradc::cli {
namespace {

ir::Result<runtime::Executor> make_executor(const ir::Func& planned, const std::vector<std::string>& files,
                                            const TrainWords& words) {
  if (words.interpret) return runtime::interpret(planned);
  codegen::Options options = code_options(words.code);
  options.debug_info = false;  // nobody debugs into a step that lives for one run: 1.5 ms saved
  ir::Result<runtime::CompiledExecutor> compiled = runtime::compile_executor(planned, files, options);
  if (!compiled) return compiled.take_error();
  if (words.passes.time_passes) {
    for (const auto& [phase, milliseconds] : compiled->milliseconds) {
      fmt::print(stderr, "{:9.3f} ms  {} @{}\n", milliseconds, phase, planned.name);
    }
  }
  return std::move(compiled->run);
}

ir::Result<runtime::Dataset> make_dataset(const frontend::Program& program, const ir::Module& module,
                                          const runtime::Layout& step, const TrainWords& words) {
  if (program.data.formula) {
    const ir::Func* draw = module.find(program.run + ".data");
    ENSURE(draw != nullptr, "formula data without @" + program.run + ".data");
    ir::Result<runtime::Executor> executor = make_executor(*draw, module.files, words);
    if (!executor) return executor.take_error();
    return runtime::Dataset::drawn(std::move(*executor), runtime::layout_of(*draw), step, program.seed);
  }
  runtime::ResidentRows rows{program.data.name, program.data.rows, {}, program.shuffle};
  for (const frontend::Column& column : program.data.columns) {
    rows.columns.push_back({column.name, column.type, column.values});
  }
  return runtime::Dataset::resident(std::move(rows), step, program.seed);
}

}  // namespace

runtime::NamedNumbers settings_of(const frontend::Program& program) {
  runtime::NamedNumbers numbers;
  for (const frontend::Setting& setting : program.settings) numbers.emplace_back(setting.name, setting.value);
  return numbers;
}

ir::Result<runtime::NamedNumbers> predict_scalars(const frontend::Program& program) {
  const ir::Func* hyper = program.module.find(program.run + ".hyper");
  if (hyper == nullptr) return runtime::NamedNumbers{};
  std::vector<ir::Tensor> arguments;
  for (size_t k = 0; k < hyper->parameter_count; ++k) {
    double value = 1;  // t
    for (const frontend::Setting& setting : program.settings) {
      if (setting.name == hyper->values[k].name) value = setting.value;
    }
    arguments.push_back(ir::Tensor::scalar(value, hyper->values[k].type.dtype));
  }
  ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(*hyper, arguments);
  if (!results) return results.take_error();
  runtime::NamedNumbers numbers;
  for (size_t k = 0; k < results->size(); ++k) numbers.emplace_back(hyper->results[k].name, (*results)[k].at(0));
  return numbers;
}

ir::Result<BuiltRun> build_run(const frontend::Program& program, const TrainWords& words) {
  const auto start = std::chrono::steady_clock::now();
  ir::Result<passes::RunnerOptions> options = runner_options(words.passes);
  if (!options) return options.take_error();
  passes::Runner runner(*options);
  const std::string step_name = program.run + ".step";
  const ir::Module module = runner.run(program.module, passes::Stage::memory, {step_name, program.run + ".data"});
  print_times(words.passes, runner);
  const ir::Func* step = module.find(step_name);
  ENSURE(step != nullptr, "the pipeline made no @" + step_name);
  ir::Result<runtime::Executor> executor = make_executor(*step, module.files, words);
  if (!executor) return executor.take_error();

  const runtime::Layout layout = runtime::layout_of(*step);
  ir::Result<runtime::Dataset> data = make_dataset(program, module, layout, words);
  if (!data) return data.take_error();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  ir::Result<runtime::HyperTable> hyper = runtime::HyperTable::make(program.module.find(program.run + ".hyper"),
                                                                    settings_of(program), layout, program.seed);
  if (!hyper) return hyper.take_error();

  runtime::State state(layout.state, layout.state_bytes, program.seed);
  const ir::Func* init = program.module.find(program.run + ".init");
  ENSURE(init != nullptr, "no @" + program.run + ".init");
  if (ir::Status status = runtime::initialize(state, *init); !status) return status.take_error();
  return BuiltRun{{std::move(*executor), layout, std::move(state), std::move(*data), std::move(*hyper)}, took.count()};
}

}  // namespace gradc::cli
