// A spec: the syntax trees of a file, of what it imports and of the standard library, with the names each file sees.
//
//   Spec spec;
//   ir::Diagnostics diagnostics(spec.sources);
//   ir::Status read = load_spec("adder.grad", spec, diagnostics);   // not read: the world's fault; mistakes:
//   diagnostics
//
// An import is relative to the file that holds it and stays inside the folder of the first file: absolute paths and
// ways out through `..` are refused, so a spec from elsewhere reads nothing but its own folder. It makes the imported
// file's own definitions visible, not what that file imports in turn. A file imported twice is read once.
// Tests: tests/unit/test_frontend_parse.cpp.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/ast.h"
#include "ir/diag.h"
#include "ir/result.h"

namespace gradc::frontend {

// Definitions that can share a name because they are never looked up in the same place.
enum class NameSpace : uint8_t { value, loss, optimizer, data, train };
NameSpace name_space(DefinitionKind kind);

struct SpecFile {
  Ast ast;
  std::string path;  // as opened; empty for the library and for text
  bool library = false;
  std::map<std::pair<NameSpace, std::string>, const Definition*> own;
  std::vector<std::pair<int32_t, ir::SourceLocation>> imports;  // files, and where they are named
};

struct Spec {
  ir::Sources sources;
  std::deque<SpecFile> files;  // as in `sources`
  int32_t main = -1;

  // What `name` means in `file`: its own definition, an imported one, the library's; null where there is none.
  const Definition* find(int32_t file, NameSpace space, const std::string& name) const;
  // All names that `find` knows, for help with a misspelt one.
  std::vector<std::string> names(int32_t file, NameSpace space) const;
};

// Reads `path` and its imports. The status fails only where `path` itself cannot be read.
ir::Status load_spec(const std::string& path, Spec& spec, ir::Diagnostics& diagnostics);
// The same from memory; `name` is what messages show, imports are relative to the current folder.
void load_spec_text(std::string name, std::string text, Spec& spec, ir::Diagnostics& diagnostics);
// The standard library alone, for `show`.
void load_library(Spec& spec, ir::Diagnostics& diagnostics);

// The `train` blocks, and the models, of the main file in its order.
std::vector<std::string> run_names(const Spec& spec);
std::vector<std::string> model_names(const Spec& spec);

// The text of the definition of that name, with the comments that lead it: the main file's first, then the library's.
std::optional<std::string> find_source(const Spec& spec, const std::string& name);
// All names of the library, sorted.
std::vector<std::string> library_names(const Spec& spec);

}  // namespace gradc::frontend
