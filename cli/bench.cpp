// gradc bench SPEC: what each kernel of the training step takes, and how near that is to the processor's limit.
#include <fmt/core.h>

#include <cstdio>

#include "cli/load.h"
#include "cli/run_passes.h"
#include "cli/table.h"
#include "runtime/jit_kernel_times.h"

namespace gradc::cli {
namespace {

std::string place_of(const codegen::KernelProgram& program, const codegen::Kernel& kernel) {
  const ir::SourceLocation& location = kernel.location;
  if (!location.valid() || static_cast<size_t>(location.file) >= program.files.size()) return "";
  return fmt::format("{}:{}:{}", program.files[static_cast<size_t>(location.file)], location.line, location.column);
}

}  // namespace

int bench(const BenchWords& words) {
  const Loaded loaded = load(words.spec);
  if (loaded.exit_code != kDone) return loaded.exit_code;
  const std::optional<frontend::Program> program = elaborate(loaded, words.spec.run);
  if (!program) return kFailed;
  ir::Result<passes::RunnerOptions> runner_words = runner_options(words.passes);
  if (!runner_words) return fail_usage(runner_words.error());
  passes::Runner runner(*runner_words);
  const std::string step = program->run + ".step";
  const ir::Module module = runner.run(program->module, passes::Stage::memory, {step});
  const codegen::Options options = code_options(words.code);
  ir::Result<codegen::KernelProgram> kernels = codegen::lower(*module.find(step), module.files, options);
  if (!kernels) return fail(kernels.error());
  runtime::ThreadPool pool(words.threads == 0 ? runtime::default_threads() : static_cast<int>(words.threads));
  ir::Result<double> peak = runtime::measure_peak(options);
  if (!peak) return fail(peak.error());
  *peak *= pool.threads();
  ir::Result<std::vector<runtime::KernelTime>> times = runtime::measure_kernels(*kernels, options, pool);
  if (!times) return fail(times.error());
  ir::Result<double> whole = runtime::measure_step(*kernels, options, pool);
  if (!whole) return fail(whole.error());

  Table table({"kernel", "operations", "ns", "GFLOP/s", "of peak", "of step", "place"},
              {true, true, true, true, true, true, false});
  runtime::KernelTime all;
  for (const runtime::KernelTime& time : *times) all.operations += time.operations, all.nanoseconds += time.nanoseconds;
  const auto row = [&](const std::string& name, const runtime::KernelTime& time, const std::string& place) {
    const double speed = time.operations / time.nanoseconds;
    table.row({name, fmt::format("{:.0f}", time.operations),
               fmt::format("{:.{}f}", time.nanoseconds, time.nanoseconds < 100 ? 1 : 0), fmt::format("{:.1f}", speed),
               fmt::format("{:.0f} %", 100 * speed / *peak),
               fmt::format("{:.0f} %", 100 * time.nanoseconds / all.nanoseconds), place});
  };
  for (size_t i = 0; i < times->size(); ++i)
    row(fmt::format("{}", i), (*times)[i], place_of(*kernels, kernels->kernels[i]));
  row("all", all, "");
  row("step", {all.operations, *whole}, "");
  const std::string threads =
      pool.threads() == 1 ? "one thread" : fmt::format("{} times that of one thread", pool.threads());
  fmt::print("peak {:.1f} GFLOP/s: fused multiply-adds in registers, {}\n{}", *peak, threads, table.text());
  return kDone;
}

}  // namespace gradc::cli
