// Tokens of the IR text.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/diag.h"

namespace gradc::ir {

enum class TokenKind : uint8_t { word, value, func, number, string, punctuation, arrow, comment, end };

// `text` is without the mark: `%x` -> x, `@f` -> f, `"ab"` -> ab, `# note` -> note.
struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;
  SourceLocation location;
};

// All tokens of the file, ended by one of kind `end`. A character that belongs to no token is an error and is skipped.
std::vector<Token> lex(const SourceFile& file, int32_t file_index, Diagnostics& diagnostics);

}  // namespace gradc::ir
