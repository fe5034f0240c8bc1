// gradc compile --emit STAGE: the program at one stage of its way.
#include <fmt/core.h>

#include <cstdio>

#include "cli/load.h"
#include "cli/run_passes.h"
#include "frontend/print_ast.h"
#include "ir/ensure.h"
#include "ir/print.h"
#include "runtime/file.h"

namespace gradc::cli {
namespace {

int write_output(const std::string& text, const std::string& path) {
  if (path.empty() || path == "-") {
    std::fputs(text.c_str(), stdout);
    return kDone;
  }
  if (ir::Status status = runtime::write_text_file(path, text); !status) return fail(status.error());
  return kDone;
}

// Kernel IR, LLVM IR or assembly of one planned function.
ir::Result<std::string> emit_code(const ir::Func& planned, const ir::Module& module, const CompileWords& words) {
  codegen::Options options = code_options(words.code);
  options.explain = words.explain;
  ir::Result<codegen::KernelProgram> program = codegen::lower(planned, module.files, options);
  if (!program) return program.take_error();
  if (words.emit == "kernel") return codegen::print(*program);
  const codegen::Stage stage = words.emit == "llvm"       ? codegen::Stage::llvm
                               : words.emit == "llvm-opt" ? codegen::Stage::llvm_opt
                                                          : codegen::Stage::assembly;
  return codegen::emit_text(*program, stage, options);
}

}  // namespace

int compile(const CompileWords& words) {
  if (words.explain && words.emit != "kernel") return fail_usage("--explain goes with --emit kernel");
  PhaseClock clock(words.passes);
  const Loaded loaded = load(words.spec);
  if (loaded.exit_code != kDone) return loaded.exit_code;
  clock.lap("parse");
  if (words.emit == "ast")
    return write_output(frontend::print_ast(loaded.spec->files[static_cast<size_t>(loaded.spec->main)].ast),
                        words.output);
  const std::optional<frontend::Program> program = elaborate(loaded, words.spec.run);
  if (!program) return kFailed;
  clock.lap("elaborate");
  ir::Result<passes::RunnerOptions> options = runner_options(words.passes);
  if (!options) return fail_usage(options.error());
  passes::Runner runner(*options);

  const std::optional<passes::Stage> stage = passes::stage_from_name(words.emit);
  const std::string step_name = program->run + ".step";
  const std::vector<std::string> compiled = {step_name, program->run + ".data"};
  const ir::Module module = runner.run(program->module, stage.value_or(passes::Stage::memory), compiled);
  print_times(words.passes, runner);
  if (stage) return write_output(ir::print(module), words.output);
  if (words.passes.stop_after) return fail_usage("--stop-after goes with the stages of tensor IR, ir to memory");
  std::string text;
  for (const std::string& name : compiled) {
    const ir::Func* func = module.find(name);
    if (func == nullptr) continue;
    ir::Result<std::string> part = emit_code(*func, module, words);
    if (!part) return fail(part.error());
    text += (text.empty() ? "" : "\n") + *part;
  }
  return write_output(text, words.output);
}

}  // namespace gradc::cli
