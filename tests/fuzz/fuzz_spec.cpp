// libFuzzer: any text as a spec. It is parsed, printed and parsed again (the same text must come out), elaborated, and
// what comes of it is verified.
#include <cstddef>
#include <cstdint>
#include <string>

#include "frontend/elaborate.h"
#include "frontend/format.h"
#include "frontend/parse.h"
#include "frontend/print_ast.h"
#include "ir/ensure.h"
#include "ir/verify.h"

using namespace gradc;

namespace {

void check_round_trip(const frontend::Ast& ast) {
  const std::string printed = frontend::print_ast(ast);
  ir::Sources sources;
  const int32_t file = sources.add("printed.grad", printed);
  ir::Diagnostics diagnostics(sources);
  const frontend::Ast again = frontend::parse(sources, file, diagnostics);
  ENSURE(!diagnostics.has_errors(), diagnostics.render() + printed);
  ENSURE(frontend::print_ast(again) == printed, printed);
}

// The layout checks itself that nothing got lost; here that it is one.
void check_format(const ir::Sources& sources, int32_t file) {
  ir::Diagnostics diagnostics(sources);
  const std::optional<std::string> text = frontend::format_source(sources, file, diagnostics);
  ENSURE(text.has_value(), diagnostics.render());
  ir::Sources formatted;
  const int32_t again = formatted.add("formatted.grad", *text);
  ir::Diagnostics unheard(formatted);
  ENSURE(frontend::format_source(formatted, again, unheard) == *text, *text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  frontend::Spec spec;
  ir::Diagnostics diagnostics(spec.sources);
  frontend::load_spec_text("fuzz.grad", std::string(reinterpret_cast<const char*>(data), size), spec, diagnostics);
  if (!diagnostics.has_errors()) {
    check_format(spec.sources, spec.main);
    check_round_trip(spec.files[static_cast<size_t>(spec.main)].ast);
    frontend::ElaborateLimits limits;
    limits.evaluations = 20'000;
    limits.values = 5'000;
    const std::optional<frontend::Program> program = frontend::elaborate(spec, "", {}, diagnostics, limits);
    ENSURE(program.has_value() == !diagnostics.has_errors(), diagnostics.render());
    if (program) {
      for (const ir::VerifyError& error : ir::verify(program->module)) ENSURE(false, ir::to_string(error));
    }
  }
  diagnostics.render();
  return 0;
}
