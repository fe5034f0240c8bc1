#include "tests/shell.h"

#include <fmt/core.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace fs = std::filesystem;

namespace gradc::tests {

void write_file(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

fs::path make_scratch_folder() {
  std::string pattern = (fs::temp_directory_path() / "gradc_test.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    fmt::print(stderr, "cannot make a folder in {}\n", fs::temp_directory_path().string());
    return {};
  }
  return pattern;
}

namespace {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// Where an output does not end with a line end the case shows it, because its text can't.
std::string shown(std::string output, const std::string& source) {
  replace_all(output, source, "$SOURCE");
  if (!output.empty() && output.back() != '\n') output += "\n(no line end)\n";
  return output;
}

}  // namespace

Outcome run_script(const std::string& script, const fs::path& folder, const std::string& gradc,
                   const std::string& source) {
  const fs::path side = folder.string() + ".side";
  write_file(side / "script.sh", script);
  const std::string command = fmt::format(
      "cd '{0}' && unset GRADC_DATA GRADC_CACHE_SIZE && SOURCE='{1}' PATH='{2}':\"$PATH\" NO_COLOR=1 "
      "GRADC_CACHE_DIR='{3}/cache' timeout {4} sh "
      "'{3}/script.sh' >'{3}/out' "
      "2>'{3}/err' </dev/null",
      folder.string(), source, fs::path(gradc).parent_path().string(), side.string(), GRADC_CASE_SECONDS);
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), shown(read_file(side / "out"), source),
          shown(read_file(side / "err"), source)};
}

std::string difference(const std::string& expected, const std::string& found, const fs::path& scratch) {
  write_file(scratch / "expected", expected);
  write_file(scratch / "found", found);
  const std::string command = fmt::format("cd '{0}' && diff -u expected found > diff; true", scratch.string());
  if (std::system(command.c_str()) != 0) return found;
  return read_file(scratch / "diff");
}

}  // namespace gradc::tests
