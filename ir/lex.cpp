#include "ir/lex.h"

#include <fmt/format.h>

namespace gradc::ir {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name(char c) { return is_letter(c) || is_digit(c) || c == '.'; }

class Lexer {
 public:
  Lexer(std::string_view text, int32_t file, Diagnostics& diagnostics)
      : text_(text), file_(file), diagnostics_(diagnostics) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) next();
    emit(TokenKind::end, at_, at_, 0);
    return std::move(tokens_);
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void emit(TokenKind kind, size_t start, size_t end, size_t mark) {
    SourceLocation location{file_, line_, static_cast<uint32_t>(start - line_start_ + 1),
                            static_cast<uint32_t>(end > start ? end - start : 1)};
    const size_t tail = kind == TokenKind::string ? 1 : 0;
    tokens_.push_back({kind, text_.substr(start + mark, end - start - mark - tail), location});
    at_ = end;
  }

  void next() {
    const char c = peek();
    if (c == '\n') {
      ++at_;
      ++line_;
      line_start_ = at_;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '#') {
      size_t end = text_.find('\n', at_);
      if (end == std::string_view::npos) end = text_.size();
      emit(TokenKind::comment, at_, end, 1);
    } else if ((c == '%' || c == '@') && is_name(peek(1))) {
      emit(c == '%' ? TokenKind::value : TokenKind::func, at_, span(at_ + 1), 1);
    } else if (c == '-' && peek(1) == '>') {
      emit(TokenKind::arrow, at_, at_ + 2, 0);
    } else if (is_digit(c) || ((c == '-' || c == '+') && (is_digit(peek(1)) || is_letter(peek(1))))) {
      emit(TokenKind::number, at_, number_end(), 0);
    } else if (is_letter(c)) {
      emit(TokenKind::word, at_, span(at_), 0);
    } else if (c == '"') {
      string();
    } else if (std::string_view("(){}[]:,=+").find(c) != std::string_view::npos) {
      emit(TokenKind::punctuation, at_, at_ + 1, 0);
    } else {
      SourceLocation location{file_, line_, static_cast<uint32_t>(at_ - line_start_ + 1), 1};
      diagnostics_.error(location,
                         static_cast<unsigned char>(c) < 0x80 && c >= ' '
                             ? fmt::format("`{}` belongs to no token", c)
                             : fmt::format("byte {:#04x} belongs to no token", static_cast<unsigned char>(c)));
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    }
  }

  size_t span(size_t from) const {
    while (from < text_.size() && is_name(text_[from])) ++from;
    return from;
  }

  size_t number_end() const {
    size_t end = at_ + 1;
    while (end < text_.size() && (is_name(text_[end]) || ((text_[end] == '-' || text_[end] == '+') &&
                                                          (text_[end - 1] == 'e' || text_[end - 1] == 'E')))) {
      ++end;
    }
    return end;
  }

  void string() {
    const size_t close = text_.find_first_of("\"\n", at_ + 1);
    if (close == std::string_view::npos || text_[close] == '\n') {
      SourceLocation location{file_, line_, static_cast<uint32_t>(at_ - line_start_ + 1), 1};
      diagnostics_.error(location, "a string without its closing quotation mark");
      at_ = close == std::string_view::npos ? text_.size() : close;
      return;
    }
    emit(TokenKind::string, at_, close + 1, 1);
  }

  std::string_view text_;
  int32_t file_;
  Diagnostics& diagnostics_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  size_t line_start_ = 0;
  uint32_t line_ = 1;
};

}  // namespace

std::vector<Token> lex(const SourceFile& file, int32_t file_index, Diagnostics& diagnostics) {
  return Lexer(file.text, file_index, diagnostics).run();
}

}  // namespace gradc::ir
