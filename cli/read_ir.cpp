#include "cli/read_ir.h"

#include <cstdio>

#include "cli/load.h"
#include "ir/parse.h"
#include "ir/verify.h"
#include "runtime/file.h"

namespace gradc::cli {

std::optional<ir::Module> read_ir(const std::string& path) {
  ir::Result<std::string> text = runtime::read_text_file(path);
  if (!text) {
    fail(text.error());
    return std::nullopt;
  }
  const std::string name = path == "-" ? "standard input" : path;
  ir::Sources sources;
  const int32_t file = sources.add(name, std::move(*text));
  ir::Diagnostics diagnostics(sources);
  ir::TextPlaces places;
  std::optional<ir::Module> module = ir::parse(sources, file, diagnostics, &places);
  if (module) {
    for (const ir::VerifyError& error : ir::verify(*module)) {
      const bool whole = error.value == ir::VerifyError::kNoValue;
      diagnostics.error(whole ? places.items[error.item] : places.values[error.item][error.value], error.message);
    }
  }
  if (!diagnostics.empty()) std::fputs(diagnostics.render().c_str(), stderr);
  if (!module || diagnostics.has_errors()) return std::nullopt;
  return module;
}

}  // namespace gradc::cli
