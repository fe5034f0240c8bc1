#include "cli/run_passes.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>

namespace gradc::cli {

ir::Result<passes::RunnerOptions> runner_options(const PassWords& words) {
  const std::vector<std::string_view> known = passes::pass_names();
  for (const std::vector<std::string>* list : {&words.print_before, &words.print_after}) {
    for (const std::string& name : *list) {
      if (name == "all" || std::find(known.begin(), known.end(), name) != known.end()) continue;
      std::string names = "all";
      for (const std::string_view pass : known) names += ", " + std::string(pass);
      return ir::Error{fmt::format("there is no pass `{}`; there are: {}", name, names)};
    }
  }
  passes::RunnerOptions options;
  options.optimize = !words.no_optimize;
  options.fold_rate = words.fold_rate;
  options.print_before = words.print_before;
  options.print_after = words.print_after;
  options.print = [](const std::string& text) { std::fputs(text.c_str(), stderr); };
  if (words.stop_after) options.stop_after = static_cast<int>(std::min<int64_t>(*words.stop_after, 1'000'000));
  return options;
}

void PhaseClock::lap(const char* phase) {
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::duration<double, std::milli> took = now - last_;
  if (prints_) fmt::print(stderr, "{:9.3f} ms  {}\n", took.count(), phase);
  last_ = now;
}

void print_times(const PassWords& words, const passes::Runner& runner) {
  if (!words.time_passes) return;
  double total = 0;
  for (const passes::PassTime& time : runner.times()) {
    fmt::print(stderr, "{:9.3f} ms  {}\n", time.milliseconds, time.pass);
    total += time.milliseconds;
  }
  fmt::print(stderr, "{:9.3f} ms  all passes\n", total);
}

codegen::Options code_options(const CodeWords& words) {
  codegen::Options options;
  options.opt_level = words.opt_level;
  options.vector_width = words.vector_width;
  options.unroll = !words.no_unroll;
  options.software_fma = words.software_fma;
  options.cpu = words.cpu;
  return options;
}

}  // namespace gradc::cli
