#include "cli/save_path.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "runtime/file.h"
#include "runtime/safetensors.h"

namespace gradc::cli {
namespace {

// The command line may name any file. A spec comes from elsewhere: it may name a safetensors file below the current
// folder, and there is no other file in its place.
ir::Result<std::string> path_of_spec(const frontend::Program& program) {
  const std::string name = program.save ? *program.save : program.run + ".safetensors";
  const std::filesystem::path path(name);
  bool leaves = path.is_absolute();
  for (const std::filesystem::path& part : path) leaves |= part == "..";
  const auto refuse = [&](std::string_view why) {
    return ir::Error{
        fmt::format("the spec saves to {}, {}; choose a file with --save", runtime::quote_name(name), why)};
  };
  if (leaves) return refuse("outside of the current folder");
  if (path.extension() != ".safetensors") return refuse("which is no name of a .safetensors file");
  std::error_code error;
  if (std::filesystem::is_symlink(path, error)) return refuse("which is a link to another file");
  if (std::filesystem::is_regular_file(path, error) && std::filesystem::file_size(path, error) > 0 &&
      !runtime::SafetensorsReader::open(name)) {
    return refuse("where there is a file that holds no weights");
  }
  return name;
}

}  // namespace

std::optional<std::string> save_path(const Loaded& loaded, const frontend::Program& program,
                                     const std::optional<std::string>& given) {
  const ir::Result<std::string> path = given ? ir::Result<std::string>(*given) : path_of_spec(program);
  const ir::Status status = path ? runtime::check_writable(*path) : ir::Status(path.failure());
  if (status) return *path;
  if (given || !program.save) {
    fail(status.error());
  } else {
    fail_at(program.save_location, status.error(), loaded);
  }
  return std::nullopt;
}

}  // namespace gradc::cli
