// gradc opt: passes on tensor IR text.
#include <fmt/core.h>

#include <cstdio>

#include "cli/load.h"
#include "cli/read_ir.h"
#include "cli/run_passes.h"
#include "ir/ensure.h"
#include "ir/print.h"
#include "runtime/file.h"

namespace gradc::cli {

int opt(const OptWords& words) {
  std::vector<std::string> names;
  if (words.passes_given) {
    ir::Result<std::vector<std::string>> list = passes::parse_pass_list(words.pass_list);
    if (!list) return fail_usage("--passes: " + list.error());
    names = std::move(*list);
  }
  ir::Result<passes::RunnerOptions> options = runner_options(words.passes);
  if (!options) return fail_usage(options.error());
  std::optional<ir::Module> module = read_ir(words.file);
  if (!module) return kFailed;

  passes::Runner runner(*options);
  passes::check_module(*module, "reading");
  if (words.passes.stop_after && static_cast<uint64_t>(*words.passes.stop_after) < names.size()) {
    names.resize(static_cast<size_t>(*words.passes.stop_after));
  }
  for (const std::string& name : names) ENSURE(runner.run_pass(name, *module), "no pass " + name);
  print_times(words.passes, runner);
  const std::string text = ir::print(*module);
  if (words.output.empty() || words.output == "-") {
    std::fputs(text.c_str(), stdout);
    return kDone;
  }
  if (ir::Status status = runtime::write_text_file(words.output, text); !status) return fail(status.error());
  return kDone;
}

}  // namespace gradc::cli
