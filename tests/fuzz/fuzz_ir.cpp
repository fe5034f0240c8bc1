// libFuzzer target: IR text of any kind is read, or refused with diagnostics; what is read and verified goes through
// every pass (each verified and printed and read back) and, where it is small, through the interpreter.
#include <string>

#include "ir/eval.h"
#include "ir/parse.h"
#include "ir/verify.h"
#include "passes/pipeline.h"

using namespace gradc;

namespace {

bool is_small(const ir::Module& module) {
  int64_t elements = 0;
  for (const ir::Item& item : module.items) {
    const ir::Func* func = std::get_if<ir::Func>(&item);
    for (size_t i = 0; func != nullptr && i < func->size(); ++i) {
      elements += func->values[i].type.elements();
      if (elements > 100'000) return false;
    }
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ir::Sources sources;
  ir::Diagnostics diagnostics(sources);
  const int32_t file = sources.add("fuzz.ir", std::string(reinterpret_cast<const char*>(data), size));
  const std::optional<ir::Module> module = ir::parse(sources, file, diagnostics);
  if (!module) {
    if (diagnostics.render().empty()) __builtin_trap();
    return 0;
  }
  if (!ir::verify(*module).empty()) return 0;
  passes::Runner runner(passes::RunnerOptions{});
  const ir::Module planned = runner.run(*module, passes::Stage::memory);
  if (!is_small(*module)) return 0;
  for (const ir::Item& item : planned.items) {
    const ir::Func* func = std::get_if<ir::Func>(&item);
    if (func == nullptr) continue;
    std::vector<ir::Tensor> arguments;
    for (size_t i = 0; i < func->parameter_count; ++i) arguments.emplace_back(func->values[i].type);
    (void)ir::evaluate(*func, arguments, {.bytes = 1 << 24, .operations = 1'000'000});
  }
  return 0;
}
