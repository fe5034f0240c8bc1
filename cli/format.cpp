// gradc fmt: spec files in their canonical layout, in place; nothing is lost where a file does not parse or cannot be
// written.
#include "frontend/format.h"

#include <cstdio>

#include "cli/load.h"
#include "cli/output.h"
#include "frontend/lexer.h"
#include "runtime/file.h"

namespace gradc::cli {
namespace {

int format_file(const std::string& path, bool check) {
  const ir::Result<std::string> text = runtime::read_text_file(path, static_cast<int64_t>(frontend::kMaxFileBytes));
  if (!text) return fail(text.error());
  const bool standard_input = path == "-";
  ir::Sources sources;
  const int32_t file = sources.add(standard_input ? "standard input" : path, *text);
  ir::Diagnostics diagnostics(sources);
  const std::optional<std::string> formatted = frontend::format_source(sources, file, diagnostics);
  if (!formatted) {
    std::fflush(stdout);
    std::fputs(diagnostics.render().c_str(), stderr);
    return kFailed;
  }
  if (standard_input && !check) {
    print("{}", *formatted);
    return kDone;
  }
  if (*formatted == *text) return kDone;
  if (!check) {
    if (ir::Status status = runtime::write_text_file(path, *formatted); !status) return fail(status.error());
  }
  print("{}\n", sources.file(file).name);
  return check ? kFailed : kDone;
}

}  // namespace

int format(const FormatWords& words) {
  int exit_code = kDone;
  for (const std::string& path : words.files) {
    if (const int code = format_file(path, words.check); code != kDone) exit_code = code;
  }
  return exit_code;
}

}  // namespace gradc::cli
