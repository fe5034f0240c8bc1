#include "ir/token_cursor.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace gradc::ir {

namespace {

std::string describe(const Token& token) {
  if (token.kind == TokenKind::end) return "the end of the file";
  if (token.kind == TokenKind::value) return fmt::format("`%{}`", token.text);
  if (token.kind == TokenKind::func) return fmt::format("`@{}`", token.text);
  if (token.kind == TokenKind::string) return fmt::format("\"{}\"", token.text);
  return fmt::format("`{}`", token.text);
}

bool parse_unsigned(std::string_view text, uint32_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

const Token& TokenCursor::peek() {
  while (tokens_[at_].kind == TokenKind::comment) ++at_;
  return tokens_[at_];
}
Token TokenCursor::take() {
  Token token = peek();
  if (token.kind != TokenKind::end) ++at_;
  return token;
}
bool TokenCursor::is(std::string_view text) {
  const Token& token = peek();
  return (token.kind == TokenKind::punctuation || token.kind == TokenKind::word || token.kind == TokenKind::arrow) &&
         token.text == text;
}
bool TokenCursor::accept(std::string_view text) {
  if (!is(text)) return false;
  ++at_;
  return true;
}
void TokenCursor::fail(SourceLocation location, std::string message) {
  if (!failed_) diagnostics_.error(location, std::move(message));
  failed_ = true;
}
void TokenCursor::expected(std::string_view what) {
  fail(peek().location, fmt::format("expected {}, found {}", what, describe(peek())));
}
void TokenCursor::expect(std::string_view text) {
  if (!accept(text)) expected(fmt::format("`{}`", text));
}
Token TokenCursor::expect_kind(TokenKind kind, std::string_view what) {
  if (peek().kind != kind) {
    expected(what);
    return peek();
  }
  return take();
}

SourceLocation TokenCursor::take_location(std::vector<std::string>& files) {
  size_t comment = at_;  // looking for optional words has moved past comments
  while (comment > 0 && tokens_[comment - 1].kind == TokenKind::comment) --comment;
  if (comment == 0 || tokens_[comment].kind != TokenKind::comment) return {};
  if (tokens_[comment].location.line != tokens_[comment - 1].location.line) return {};
  std::string_view text = tokens_[comment].text;
  if (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  SourceLocation location;
  if (const size_t plus = text.rfind('+'); plus != std::string_view::npos && plus > text.rfind(':')) {
    if (!parse_unsigned(text.substr(plus + 1), location.length)) return {};
    text = text.substr(0, plus);
  }
  const size_t second = text.rfind(':');
  if (second == std::string_view::npos || second == 0) return {};
  const size_t first = text.rfind(':', second - 1);
  if (first == std::string_view::npos || first == 0) return {};
  if (!parse_unsigned(text.substr(first + 1, second - first - 1), location.line)) return {};
  if (!parse_unsigned(text.substr(second + 1), location.column)) return {};
  const std::string name(text.substr(0, first));
  for (location.file = 0; location.file < static_cast<int32_t>(files.size()); ++location.file) {
    if (files[static_cast<size_t>(location.file)] == name) return location;
  }
  files.push_back(name);
  return location;
}

int64_t TokenCursor::parse_integer(std::string_view what) {
  const Token token = peek();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
  if (token.kind != TokenKind::number || error != std::errc() || end != token.text.data() + token.text.size()) {
    expected(what);
    return 0;
  }
  take();
  return value;
}
double TokenCursor::parse_real() {
  const Token token = peek();
  std::string_view text = token.text;
  if (token.kind == TokenKind::word || token.kind == TokenKind::number) {
    double value = 0;
    std::string_view digits = text;
    if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (end == digits.data() + digits.size() && error == std::errc()) {
      take();
      return value;
    }
    if (error == std::errc::result_out_of_range) {
      fail(token.location, fmt::format("the number `{}` is outside the range of f64", text));
      return 0;
    }
  }
  expected("a number");
  return 0;
}
std::vector<int64_t> TokenCursor::parse_integer_list() {
  std::vector<int64_t> values;
  expect("[");
  while (!failed_ && !is("]")) {
    values.push_back(parse_integer("an integer"));
    if (!accept(",")) break;
  }
  expect("]");
  return values;
}
Type TokenCursor::parse_type() {
  const Token name = expect_kind(TokenKind::word, "a type");
  Type type;
  const std::optional<DType> dtype = dtype_from_name(name.text);
  if (!failed_ && !dtype)
    fail(name.location, fmt::format("`{}` is not an element type: f32, f64, i32 or bool", name.text));
  if (failed_) return type;
  type.dtype = *dtype;
  const SourceLocation place = peek().location;
  type.shape = parse_integer_list();
  if (!failed_ && !checked_element_count(type.shape)) {
    fail(place, "extents must be at least 1, and a tensor may have 16 axes and 2^32 elements at most");
  }
  return type;
}

int64_t TokenCursor::parse_offset() {
  Token token = peek();
  std::string_view digits = token.text;
  if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (token.kind != TokenKind::number || error != std::errc() || end != digits.data() + digits.size() || value < 0) {
    expected("a byte offset");
    return 0;
  }
  take();
  return value;
}

}  // namespace gradc::ir
