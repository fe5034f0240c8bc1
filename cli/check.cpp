// gradc check: everything about a spec that can be said before it runs.
#include <fmt/core.h>

#include <cstdio>

#include "cli/load.h"
#include "cli/save_path.h"
#include "cli/table.h"
#include "ir/ensure.h"
#include "passes/pipeline.h"
#include "runtime/byte_columns.h"
#include "runtime/layout.h"

namespace gradc::cli {
namespace {

void print_layers(const frontend::Program& program) {
  Table layers({"layer", "is", "output", "parameters"}, {false, false, false, true});
  int64_t total = 0;
  for (const frontend::LayerRow& row : program.layers) {
    layers.row(
        {row.instance, row.layer, ir::to_string(row.output), row.parameters > 0 ? std::to_string(row.parameters) : ""});
  }
  for (const frontend::Port& parameter : program.parameters) total += parameter.type.elements();
  layers.row({"total", "", "", std::to_string(total)});
  std::fputs(layers.text().c_str(), stdout);
}

void print_parameters(const frontend::Program& program) {
  if (program.parameters.empty()) return;
  Table parameters({"parameter", "type"}, {false, false});
  for (const frontend::Port& parameter : program.parameters)
    parameters.row({parameter.name, ir::to_string(parameter.type)});
  fmt::print("\n{}", parameters.text());
}

// What the planned step needs; nothing is compiled for it.
void print_memory(const frontend::Program& program) {
  passes::Runner runner({.read_back = false});
  const std::string name = program.run + ".step";
  const ir::Module module = runner.run(program.module, passes::Stage::memory, {name});
  const ir::Func* step = module.find(name);
  ENSURE(step != nullptr, "the pipeline made no @" + name);
  const runtime::Layout layout = runtime::layout_of(*step);
  int64_t parameters = 0, states = 0;
  for (const runtime::Slot& slot : layout.state) {
    (slot.role == ir::Role::parameter ? parameters : states) += slot.type.bytes();
  }
  int64_t row = 0;
  const ir::Func* columns = program.module.find(program.run + ".columns");
  for (const frontend::Column& column : program.data.columns) {
    const bool bytes =
        columns != nullptr && program.data.table &&
        runtime::byte_column(*program.data.table, *columns,
                             static_cast<size_t>(columns->find_result(column.name) - columns->results.data()));
    row += bytes ? column.type.elements() : column.type.bytes();
  }
  // All columns of windows lie in the text, one number a character, and each row begins one further.
  const int64_t window = program.data.request.window;
  if (window > 0) row = ir::dtype_bytes(ir::DType::f32);
  const int64_t rows = program.data.rows + (window > 0 ? window - 1 : 0);
  Table memory({"memory", ""}, {false, true});
  memory.row({"parameters", human_bytes(parameters)});
  memory.row({"states", human_bytes(states)});
  memory.row({"data of a step", human_bytes(layout.data_bytes)});
  memory.row({"scratch", human_bytes(step->arena_bytes)});
  if (!program.data.formula) memory.row({"resident rows", human_bytes(rows * row)});
  fmt::print("\n{}", memory.text());
}

}  // namespace

int check(const CheckWords& words) {
  const Loaded loaded = load(words.spec);
  if (loaded.exit_code != kDone) return loaded.exit_code;
  std::vector<std::string> runs = {words.spec.run};
  if (words.spec.run.empty() && !frontend::run_names(*loaded.spec).empty()) runs = frontend::run_names(*loaded.spec);
  // The mistakes of all runs at once; those that they share stand there once.
  ir::Diagnostics diagnostics(loaded.spec->sources);
  std::vector<std::optional<frontend::Program>> programs;
  for (const std::string& run : runs) {
    programs.push_back(frontend::elaborate(*loaded.spec, run, loaded.overrides, diagnostics));
  }
  std::fputs(diagnostics.render().c_str(), stderr);
  if (diagnostics.has_errors()) return kFailed;
  bool can_save = true;
  for (const std::optional<frontend::Program>& program : programs) {
    can_save = (!program->save || save_path(loaded, *program, {})) && can_save;
  }
  if (!can_save) return kFailed;
  for (const std::optional<frontend::Program>& program : programs) {
    fmt::print("{}{}: {} on {}, batch {}, {} steps, seed {}\n\n", &program == &programs.front() ? "" : "\n",
               program->run, program->model, program->data.name, program->batch, program->steps, program->seed);
    print_layers(*program);
    print_parameters(*program);
    print_memory(*program);
  }
  return kDone;
}

}  // namespace gradc::cli
