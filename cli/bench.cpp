// gradc bench SPEC: what each kernel of the training step takes, and how near that is to the processor's limit.
#include <fmt/core.h>

#include <cstdio>

#include "cli/load.h"
#include "cli/numbers.h"
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

struct Measured {
  double peak = 0;  // operations in a nanosecond, of all threads
  int threads = 1;
  std::vector<runtime::KernelTime> kernels;
  std::vector<std::string> places;  // of the kernels
  runtime::KernelTime all, step;
};

void print_table(const Measured& measured) {
  Table table({"kernel", "operations", "ns", "GFLOP/s", "of peak", "of step", "place"},
              {true, true, true, true, true, true, false});
  const auto row = [&](const std::string& name, const runtime::KernelTime& time, const std::string& place) {
    const double speed = time.operations / time.nanoseconds;
    table.row({name, fmt::format("{:.0f}", time.operations),
               fmt::format("{:.{}f}", time.nanoseconds, time.nanoseconds < 100 ? 1 : 0), fmt::format("{:.1f}", speed),
               fmt::format("{:.0f} %", 100 * speed / measured.peak),
               fmt::format("{:.0f} %", 100 * time.nanoseconds / measured.all.nanoseconds), place});
  };
  for (size_t i = 0; i < measured.kernels.size(); ++i)
    row(fmt::format("{}", i), measured.kernels[i], measured.places[i]);
  row("all", measured.all, "");
  row("step", measured.step, "");
  const std::string threads =
      measured.threads == 1 ? "one thread" : fmt::format("{} times that of one thread", measured.threads);
  fmt::print("peak {:.1f} GFLOP/s: fused multiply-adds in registers, {}\n{}", measured.peak, threads, table.text());
}

void print_json(const Measured& measured) {
  fmt::print(R"({{"event":"peak","gflops":{:.1f},"threads":{}}})"
             "\n",
             measured.peak, measured.threads);
  const auto numbers = [](const runtime::KernelTime& time) {
    return fmt::format(R"("operations":{:.0f},"nanoseconds":{:.1f})", time.operations, time.nanoseconds);
  };
  for (size_t i = 0; i < measured.kernels.size(); ++i) {
    fmt::print(R"({{"event":"kernel","kernel":{},{},"place":{}}})"
               "\n",
               i, numbers(measured.kernels[i]), json_string(measured.places[i]));
  }
  fmt::print(R"({{"event":"all",{}}})"
             "\n"
             R"({{"event":"step",{}}})"
             "\n",
             numbers(measured.all), numbers(measured.step));
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
  ir::ThreadPool pool(static_cast<int>(words.threads));
  ir::Result<double> peak = runtime::measure_peak(options);
  if (!peak) return fail(peak.error());
  ir::Result<std::vector<runtime::KernelTime>> times = runtime::measure_kernels(*kernels, options, pool);
  if (!times) return fail(times.error());
  ir::Result<double> whole = runtime::measure_step(*kernels, options, pool);
  if (!whole) return fail(whole.error());

  Measured measured{*peak * pool.threads(), pool.threads(), std::move(*times), {}, {}, {}};
  for (const runtime::KernelTime& time : measured.kernels) {
    measured.all.operations += time.operations;
    measured.all.nanoseconds += time.nanoseconds;
  }
  measured.step = {measured.all.operations, *whole};
  for (const codegen::Kernel& kernel : kernels->kernels) measured.places.push_back(place_of(*kernels, kernel));
  words.json ? print_json(measured) : print_table(measured);
  return kDone;
}

}  // namespace gradc::cli
