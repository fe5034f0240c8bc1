// The parser's place in the tokens of an IR text, with what every rule needs: look, take, expect, numbers and types.
// After the first error in an item `failed` holds and everything returns at once, until the parser begins the next
// item.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ir/diag.h"
#include "ir/lex.h"
#include "ir/type.h"

namespace gradc::ir {

class TokenCursor {
 public:
  TokenCursor(std::vector<Token> tokens, Diagnostics& diagnostics)
      : diagnostics_(diagnostics), tokens_(std::move(tokens)) {}

  bool failed() const { return failed_; }
  void clear_failure() { failed_ = false; }

  // Comments are passed over.
  const Token& peek();
  Token take();
  bool is(std::string_view text);  // punctuation, a word or an arrow
  bool accept(std::string_view text);
  void expect(std::string_view text);
  Token expect_kind(TokenKind kind, std::string_view what);
  void fail(SourceLocation location, std::string message);
  void expected(std::string_view what);  // "expected WHAT, found ..."

  // To come back to a place.
  size_t position() const { return at_; }
  void go_to(size_t position) { at_ = position; }
  void skip_token() { ++at_; }

  // `# file:line:column+length` behind a statement, on its line; an invalid place where there is none. New names are
  // appended to `files`.
  SourceLocation take_location(std::vector<std::string>& files);

  int64_t parse_integer(std::string_view what);
  int64_t parse_offset();  // not negative, a `+` may lead
  double parse_real();
  std::vector<int64_t> parse_integer_list();
  Type parse_type();

 private:
  Diagnostics& diagnostics_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace gradc::ir
