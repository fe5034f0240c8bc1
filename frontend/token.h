// The words of a spec. A line end is a token of its own where it ends a statement (Rule 5 of docs/language.md).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/source.h"

namespace gradc::frontend {

enum class TokenKind : uint8_t {
  identifier,
  keyword,  // a reserved word
  integer,
  real,
  string,
  symbol,  // an operator or bracket, in `text`
  line_end,
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // of a string: without quotes, escapes replaced
  double number = 0;
  ir::SourceLocation location;
  uint32_t offset = 0;  // in bytes from the start of the file

  bool is(std::string_view symbol_or_word) const {
    return (kind == TokenKind::symbol || kind == TokenKind::keyword || kind == TokenKind::identifier) &&
           text == symbol_or_word;
  }
  bool is_symbol(std::string_view symbol) const { return kind == TokenKind::symbol && text == symbol; }
  bool is_keyword(std::string_view word) const { return kind == TokenKind::keyword && text == word; }
  bool is_word(std::string_view word) const { return kind == TokenKind::identifier && text == word; }
};

// A stretch of a source file that `#` starts: comments are kept for `show` and the formatter.
struct Comment {
  ir::SourceLocation location;
  uint32_t offset = 0;
  std::string text;  // with the `#`, without the line end
  bool own_line = false;
};

}  // namespace gradc::frontend
