// gradc gradcheck: the derived gradients of a run's loss against central differences in double.
#include <fmt/core.h>

#include <cstdio>

#include "cli/build_run.h"
#include "cli/load.h"
#include "cli/table.h"
#include "ir/ensure.h"
#include "ir/eval.h"
#include "ir/fault.h"
#include "passes/gradient_check.h"
#include "passes/pipeline.h"
#include "runtime/state.h"

namespace gradc::cli {
namespace {

struct NamedTensor {
  std::string name;
  ir::Tensor tensor;
};

ir::Status append_results(const ir::Func& func, const std::vector<ir::Tensor>& arguments,
                          std::vector<NamedTensor>& values) {
  ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(func, arguments);
  if (!results) return results.take_error();
  if (ir::Status status = ir::check_faults(func, *results, "at the first step"); !status) return status;
  for (size_t k = 0; k < results->size(); ++k) values.push_back({func.results[k].name, std::move((*results)[k])});
  return ir::success();
}

// The first rows of resident data, from the start again where there are fewer than the batch.
ir::Tensor first_rows(const ResidentData& data, int64_t rows, const ir::Value& argument) {
  ir::Tensor tensor(argument.type);
  if (argument.name == runtime::kLiveRows) {
    tensor.set(0, static_cast<double>(rows));
    return tensor;
  }
  for (const runtime::ResidentColumn& column : data.columns) {
    if (column.name != argument.name) continue;
    const int64_t elements = column.type.elements();
    std::vector<float> row(static_cast<size_t>(elements));
    for (int64_t k = 0; k < tensor.elements(); ++k) {
      if (k % elements == 0) column.copy_row(k / elements % rows, row.data());
      tensor.set(k, static_cast<double>(row[static_cast<size_t>(k % elements)]));
    }
    return tensor;
  }
  ENSURE(false, "no column for the data argument " + argument.name);
}

// A value for each argument of the loss: parameters as initialised, the first step's data and run-time scalars.
ir::Result<std::vector<ir::Tensor>> loss_arguments(const frontend::Program& program, const ir::Func& loss) {
  const ir::Tensor key = runtime::random_key(program.seed, 0);
  std::vector<NamedTensor> values;
  for (const char* part : {".init", ".data"}) {
    if (part == std::string(".data") && !program.data.formula) continue;
    const ir::Func* func = program.module.find(program.run + part);
    if (func == nullptr) continue;
    const std::vector<ir::Tensor> arguments(func->parameter_count, key);
    if (ir::Status status = append_results(*func, arguments, values); !status) return status.take_error();
  }
  const ir::Result<runtime::NamedNumbers> scalars = predict_scalars(program);
  if (!scalars) return scalars.failure();
  for (const auto& [name, number] : *scalars) values.push_back({name, ir::Tensor::scalar(number, ir::DType::f32)});

  const ir::Result<ResidentData> data = load_rows(program);
  if (!data) return data.failure();

  std::vector<ir::Tensor> arguments;
  for (size_t k = 0; k < loss.parameter_count; ++k) {
    const ir::Value& argument = loss.values[k];
    const NamedTensor* found = nullptr;
    for (const NamedTensor& value : values) {
      if (value.name == argument.name && value.tensor.type() == argument.type) found = &value;
    }
    if (argument.role == ir::Role::key) {
      arguments.push_back(key);
    } else if (found != nullptr) {
      arguments.push_back(found->tensor);
    } else {
      arguments.push_back(first_rows(*data, program.data.rows, argument));
    }
  }
  return arguments;
}

}  // namespace

int gradcheck(const GradcheckWords& words) {
  const Loaded loaded = load(words.spec);
  if (loaded.exit_code != kDone) return loaded.exit_code;
  const std::optional<frontend::Program> program = elaborate(loaded, words.spec.run, words.batch);
  if (!program) return kFailed;
  passes::Runner runner({});
  const ir::Module module = runner.run(program->module, passes::Stage::grad);
  const ir::Func* loss = module.find(program->run + ".loss");
  const ir::Func* gradient = module.find(program->run + ".gradient");
  ENSURE(loss != nullptr && gradient != nullptr, "no @" + program->run + ".loss or .gradient");
  const ir::Result<std::vector<ir::Tensor>> arguments = loss_arguments(*program, *loss);
  if (!arguments) return fail(arguments.failure(), loaded, *program);
  const bool checks = std::any_of(loss->results.begin(), loss->results.end(),
                                  [](const ir::FuncResult& result) { return ir::is_fault(result.name); });
  std::vector<NamedTensor> results;
  if (ir::Status status = checks ? append_results(*loss, *arguments, results) : ir::success(); !status) {
    return fail(status.failure(), loaded, *program);
  }
  std::vector<std::string> wrt;
  for (const frontend::Port& parameter : program->parameters) wrt.push_back(parameter.name);
  const ir::Result<std::vector<passes::GradientCheckRow>> rows =
      passes::check_gradients(*loss, *gradient, wrt, *arguments);
  if (!rows) return fail(rows.error());

  Table table({"parameter", "type", "checked", "kinks", "largest error beyond rounding", ""},
              {false, false, true, true, true, false});
  bool passed = true;
  for (const passes::GradientCheckRow& row : *rows) {
    passed &= row.passed;
    const std::string verdict = row.passed ? "ok"
                                           : fmt::format("FAILED at element {}: derived {:.9g}, difference {:.9g}",
                                                         row.index, row.derived, row.difference);
    table.row({row.name, ir::to_string(row.type), std::to_string(row.checked), std::to_string(row.kinks),
               fmt::format("{:.1e}", row.error), verdict});
  }
  if (!passed) {
    const ir::Result<std::optional<passes::WrongRule>> wrong = passes::find_wrong_rule(*loss, wrt, *arguments);
    if (!wrong) return fail(wrong.error());
    ir::Diagnostics diagnostics(loaded.spec->sources);
    if (*wrong) passes::report_wrong_rule(**wrong, *loss, diagnostics);
    const std::string text = diagnostics.render();
    std::fputs(text.empty() ? "gradc: each operation's own gradient agrees with its differences\n" : text.c_str(),
               stderr);
  }
  fmt::print("{}: gradients of @{}.loss, batch {}, seed {}\n\n{}", program->run, program->run, words.batch,
             program->seed, table.text());
  return passed ? kDone : kFailed;
}

}  // namespace gradc::cli
