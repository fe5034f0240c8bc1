// Text -> tokens. Line ends are dropped inside ( ) and [ ], after a line that ends in an operator, and before a line
// that starts with `|>`, `->`, `then` or `else`. Nesting of brackets is limited to kMaxNesting.
// Takes any bytes; the mistakes it finds go to the diagnostics. Tests: tests/unit/test_frontend_parse.cpp.
#pragma once
#include <string_view>
#include <vector>

#include "frontend/token.h"
#include "ir/diag.h"

namespace gradc::frontend {

inline constexpr size_t kMaxFileBytes = size_t{1} << 20;
inline constexpr size_t kMaxNesting = 200;

struct TokenList {
  std::vector<Token> tokens;  // ends with TokenKind::end
  std::vector<Comment> comments;
  bool hopeless = false;  // nested too deeply to be parsed; reported
};

TokenList lex(const ir::Sources& sources, int32_t file, ir::Diagnostics& diagnostics);

// Words that no definition may take as its name.
bool is_keyword(std::string_view word);
// `sum`, `mean`, ...: words that start a reduction when `[` follows.
bool is_reduction(std::string_view word);

}  // namespace gradc::frontend
