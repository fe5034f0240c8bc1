// Source text and places in it. A place is carried by every AST node, every IR value and every machine instruction.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gradc::ir {

// A place in a source file: `line` and `column` count from 1 (columns in bytes), `length` is in bytes.
// `file` indexes a table of file names (Sources in the front end, Module::files in the IR); -1 is "no place".
struct SourceLocation {
  int32_t file = -1;
  uint32_t line = 0;
  uint32_t column = 0;
  uint32_t length = 1;
  bool valid() const { return file >= 0; }
  auto operator<=>(const SourceLocation&) const = default;
};

struct SourceFile {
  std::string name;  // as the user wrote it; what error messages show
  std::string text;
  std::string_view line(uint32_t number) const;  // without its line end; empty past the end
};

// Owns the texts of one run of the compiler.
class Sources {
 public:
  int32_t add(std::string name, std::string text);
  const SourceFile& file(int32_t index) const { return files_[static_cast<size_t>(index)]; }
  size_t size() const { return files_.size(); }

 private:
  std::vector<SourceFile> files_;
};

}  // namespace gradc::ir
