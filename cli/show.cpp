// gradc show: the source of a definition, as it stands in the file.
#include <fmt/core.h>

#include <cstdio>

#include "cli/load.h"

namespace gradc::cli {

int show(const ShowWords& words) {
  frontend::Spec spec;
  ir::Diagnostics diagnostics(spec.sources);
  if (words.spec.empty()) {
    frontend::load_library(spec, diagnostics);
  } else if (ir::Status status = frontend::load_spec(words.spec, spec, diagnostics); !status) {
    return fail(status.error());
  }
  if (!diagnostics.empty()) std::fputs(diagnostics.render().c_str(), stderr);
  if (diagnostics.has_errors()) return kFailed;
  const std::vector<std::string> names = frontend::library_names(spec);
  if (words.name.empty()) {
    for (const std::string& name : names) fmt::print("{}\n", name);
    return kDone;
  }
  const std::optional<std::string> source = frontend::find_source(spec, words.name);
  if (source) {
    fmt::print("{}{}", *source, source->ends_with('\n') ? "" : "\n");
    return kDone;
  }
  std::string message = fmt::format("there is no definition `{}`", words.name);
  const std::string nearest = ir::nearest_name(words.name, names);
  if (!nearest.empty()) message += fmt::format("; did you mean `{}`?", nearest);
  return fail(message + "\n  help: `gradc show` lists all names of the library");
}

}  // namespace gradc::cli
