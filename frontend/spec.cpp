#include "frontend/spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "frontend/lexer.h"
#include "frontend/library.h"
#include "frontend/parse.h"

namespace gradc::frontend {

namespace {

constexpr size_t kMaxFiles = 64;

ir::Result<std::string> read_file(const std::string& path) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status)) return ir::Error{fmt::format("cannot read `{}`: there is no such file", path)};
  if (std::filesystem::is_directory(status)) return ir::Error{fmt::format("cannot read `{}`: it is a folder", path)};
  if (!std::filesystem::is_regular_file(status)) {
    return ir::Error{fmt::format("cannot read `{}`: it is not a regular file", path)};
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return ir::Error{fmt::format("cannot read `{}`: permission denied", path)};
  std::string text(kMaxFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return ir::Error{fmt::format("cannot read `{}`: reading failed", path)};
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMaxFileBytes) {
    return ir::Error{fmt::format("cannot read `{}`: a spec file holds at most {} bytes", path, kMaxFileBytes)};
  }
  return text;
}

class Loader {
 public:
  Loader(Spec& spec, ir::Diagnostics& diagnostics) : spec_(spec), diagnostics_(diagnostics) {}

  int32_t add(std::string name, std::string path, std::string text, bool library) {
    const int32_t index = spec_.sources.add(std::move(name), std::move(text));
    spec_.files.emplace_back();
    SpecFile& file = spec_.files.back();
    file.path = std::move(path);
    file.library = library;
    file.ast = parse(spec_.sources, index, diagnostics_);
    for (const Definition* definition : file.ast.definitions) declare(file, *definition);
    return index;
  }

  void follow_imports(int32_t index, const std::filesystem::path& folder) {
    for (size_t i = 0; i < spec_.files[static_cast<size_t>(index)].ast.imports.size(); ++i) {
      const Import import = spec_.files[static_cast<size_t>(index)].ast.imports[i];
      const int32_t target = load_import(import, folder);
      if (target < 0) continue;
      auto& imports = spec_.files[static_cast<size_t>(index)].imports;
      const bool known =
          std::any_of(imports.begin(), imports.end(), [&](const auto& other) { return other.first == target; });
      if (!known) imports.emplace_back(target, import.location);
    }
    check_import_clashes(index);
  }

  void set_root(const std::filesystem::path& folder) { root_ = folder.lexically_normal(); }
  void opened(const std::filesystem::path& path, int32_t index) { by_path_[path.lexically_normal().string()] = index; }

 private:
  void declare(SpecFile& file, const Definition& definition) {
    const auto [entry, is_new] = file.own.try_emplace({name_space(definition.kind), definition.name.text}, &definition);
    if (is_new) return;
    diagnostics_
        .error(definition.name.location,
               fmt::format("{} `{}` is defined twice", definition_word(definition.kind), definition.name.text))
        .label(entry->second->name.location, "first here")
        .label(definition.name.location, "again here");
  }

  int32_t load_import(const Import& import, const std::filesystem::path& folder) {
    const std::filesystem::path written(import.path);
    const std::filesystem::path path = (folder / written).lexically_normal();
    if (import.path.empty() || import.path.find('\0') != std::string::npos) {
      diagnostics_.error(import.location, "an import needs the name of a file");
      return -1;
    }
    if (written.is_absolute()) {
      diagnostics_.error(import.location, fmt::format("the import `{}` is an absolute path", import.path))
          .help("imports are relative to the file that holds them");
      return -1;
    }
    const std::filesystem::path inside = path.lexically_relative(root_);
    if (!root_.empty() && (inside.empty() || *inside.begin() == "..")) {
      diagnostics_.error(import.location, fmt::format("the import `{}` leaves the folder of the spec", import.path))
          .help("a spec reads only files in its own folder and below");
      return -1;
    }
    if (const auto known = by_path_.find(path.string()); known != by_path_.end()) {
      if (known->second < 0 || is_open(known->second)) {
        diagnostics_.error(import.location, fmt::format("the import of `{}` closes a circle", import.path));
        return -1;
      }
      return known->second;
    }
    if (spec_.files.size() >= kMaxFiles) {
      diagnostics_.error(import.location, fmt::format("more than {} files are imported", kMaxFiles));
      return -1;
    }
    ir::Result<std::string> text = read_file(path.string());
    if (!text) {
      diagnostics_.error(import.location, text.error());
      return -1;
    }
    const int32_t index = add(path.string(), path.string(), std::move(*text), false);
    by_path_[path.string()] = index;
    open_.push_back(index);
    follow_imports(index, path.parent_path());
    open_.pop_back();
    return index;
  }

  bool is_open(int32_t index) const {
    return index == spec_.main || std::find(open_.begin(), open_.end(), index) != open_.end();
  }

  void check_import_clashes(int32_t index) {
    const SpecFile& file = spec_.files[static_cast<size_t>(index)];
    std::map<std::pair<NameSpace, std::string>, const Definition*> seen;
    for (const auto& [import, location] : file.imports) {
      for (const auto& [key, definition] : spec_.files[static_cast<size_t>(import)].own) {
        if (key.first == NameSpace::train) continue;
        const auto [entry, is_new] = seen.try_emplace(key, definition);
        if (is_new || file.own.count(key) > 0) continue;
        diagnostics_.error(location, fmt::format("two imports define `{}`", key.second))
            .label(location, "imported here")
            .label(entry->second->name.location, "defined here")
            .label(definition->name.location, "and here")
            .help("rename one, or define it in the importing file: a file's own definition wins");
      }
    }
  }

  Spec& spec_;
  ir::Diagnostics& diagnostics_;
  std::filesystem::path root_;
  std::map<std::string, int32_t> by_path_;
  std::vector<int32_t> open_;
};

std::string trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

NameSpace name_space(DefinitionKind kind) {
  switch (kind) {
    case DefinitionKind::loss:
      return NameSpace::loss;
    case DefinitionKind::optimizer:
      return NameSpace::optimizer;
    case DefinitionKind::data:
      return NameSpace::data;
    case DefinitionKind::train:
      return NameSpace::train;
    default:
      return NameSpace::value;
  }
}

const Definition* Spec::find(int32_t file, NameSpace space, const std::string& name) const {
  const auto key = std::make_pair(space, name);
  const SpecFile& own_file = files[static_cast<size_t>(file)];
  if (const auto own = own_file.own.find(key); own != own_file.own.end()) return own->second;
  for (const auto& [import, location] : own_file.imports) {
    const auto& others = files[static_cast<size_t>(import)].own;
    if (const auto other = others.find(key); other != others.end() && space != NameSpace::train) return other->second;
  }
  for (const SpecFile& candidate : files) {
    if (!candidate.library) continue;
    if (const auto found = candidate.own.find(key); found != candidate.own.end()) return found->second;
  }
  return nullptr;
}

std::vector<std::string> Spec::names(int32_t file, NameSpace space) const {
  std::vector<std::string> result;
  const auto collect = [&](const SpecFile& other) {
    for (const auto& [key, definition] : other.own) {
      if (key.first == space) result.push_back(key.second);
    }
  };
  collect(files[static_cast<size_t>(file)]);
  for (const auto& [import, location] : files[static_cast<size_t>(file)].imports) {
    collect(files[static_cast<size_t>(import)]);
  }
  for (const SpecFile& other : files) {
    if (other.library) collect(other);
  }
  return result;
}

void load_library(Spec& spec, ir::Diagnostics& diagnostics) {
  Loader loader(spec, diagnostics);
  for (const LibraryFile& file : library_files()) {
    loader.add(std::string(file.name), {}, std::string(file.text), true);
  }
}

ir::Status load_spec(const std::string& path, Spec& spec, ir::Diagnostics& diagnostics) {
  ir::Result<std::string> text = read_file(path);
  if (!text) return text.take_error();
  Loader loader(spec, diagnostics);
  spec.main = loader.add(path, path, std::move(*text), false);
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  loader.set_root(folder.empty() ? "." : folder);
  loader.opened(path, spec.main);
  loader.follow_imports(spec.main, folder);
  load_library(spec, diagnostics);
  return ir::success();
}

void load_spec_text(std::string name, std::string text, Spec& spec, ir::Diagnostics& diagnostics) {
  Loader loader(spec, diagnostics);
  spec.main = loader.add(std::move(name), {}, std::move(text), false);
  loader.set_root(".");
  loader.follow_imports(spec.main, {});
  load_library(spec, diagnostics);
}

std::vector<std::string> run_names(const Spec& spec) {
  std::vector<std::string> result;
  if (spec.main < 0) return result;
  for (const Definition* definition : spec.files[static_cast<size_t>(spec.main)].ast.definitions) {
    if (definition->kind == DefinitionKind::train) result.push_back(definition->name.text);
  }
  return result;
}

std::vector<std::string> model_names(const Spec& spec) {
  std::vector<std::string> result;
  if (spec.main < 0) return result;
  for (const Definition* definition : spec.files[static_cast<size_t>(spec.main)].ast.definitions) {
    if (definition->kind == DefinitionKind::model) result.push_back(definition->name.text);
  }
  return result;
}

std::optional<std::string> find_source(const Spec& spec, const std::string& name) {
  const auto text_of = [&](const Definition* definition) {
    const std::string& text = spec.sources.file(definition->location.file).text;
    return trimmed(std::string_view(text).substr(definition->begin, definition->end - definition->begin));
  };
  constexpr NameSpace kSpaces[] = {NameSpace::value, NameSpace::loss, NameSpace::optimizer, NameSpace::data,
                                   NameSpace::train};
  if (spec.main >= 0) {
    for (NameSpace space : kSpaces) {
      if (const Definition* found = spec.find(spec.main, space, name)) return text_of(found);
    }
    return std::nullopt;
  }
  for (const SpecFile& file : spec.files) {
    for (NameSpace space : kSpaces) {
      if (const auto found = file.own.find({space, name}); found != file.own.end()) return text_of(found->second);
    }
  }
  return std::nullopt;
}

std::vector<std::string> library_names(const Spec& spec) {
  std::vector<std::string> result;
  for (const SpecFile& file : spec.files) {
    if (!file.library) continue;
    for (const auto& [key, definition] : file.own) result.push_back(key.second);
  }
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace gradc::frontend
