#include "frontend/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

namespace gradc::frontend {

namespace {

constexpr size_t kMaxLexicalErrors = 100;

constexpr std::array<std::string_view, 25> kKeywords = {
    "language", "import", "const", "fn", "layer", "param", "state", "let",  "repeat", "if",  "then", "else",   "when",
    "old",      "not",    "and",   "or", "true",  "false", "stop",  "grad", "idx",    "inf", "like", "require"};
// Words that a later version may give a meaning.
constexpr std::array<std::string_view, 5> kReserved = {"vmap", "scan", "env", "budget", "precision"};
constexpr std::array<std::string_view, 10> kReductions = {"sum",    "mean",      "max",     "min",         "prod",
                                                          "argmax", "logsumexp", "softmax", "categorical", "std"};
// Longest first.
constexpr auto kSymbols =
    std::to_array<std::string_view>({"..", "->", "<-", "|>", "==", "!=", "<=", ">=", "//", "(", ")", "[", "]", "{",
                                     "}",  ",",  ";",  ":",  "=",  "+",  "-",  "*",  "/",  "^", "<", ">", "~", "."});
// A line that ends in one of these goes on.
constexpr auto kOpenEnded =
    std::to_array<std::string_view>({"->", "<-", "|>", "==", "!=", "<=", ">=",  "//", ",",   ":",    "=",    "+", "-",
                                     "*",  "/",  "^",  "<",  ">",  "~",  "and", "or", "not", "then", "else", "if"});
constexpr std::array<std::string_view, 4> kContinuing = {"|>", "->", "then", "else"};
// A line that starts with one of these cannot be inside brackets: an open one was forgotten.
constexpr std::array<std::string_view, 10> kStatementWords = {"language", "import", "const", "fn",     "layer",
                                                              "param",    "state",  "let",   "repeat", "require"};

template <size_t count>
bool contains(const std::array<std::string_view, count>& words, std::string_view word) {
  // Most differ in the first character, which is quicker to see than to call a comparison.
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view other) { return !word.empty() && word[0] == other[0] && word == other; });
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  Lexer(const ir::Sources& sources, int32_t file, ir::Diagnostics& diagnostics)
      : text_(sources.file(file).text), file_(file), diagnostics_(diagnostics) {}

  TokenList run() {
    if (text_.starts_with("\xef\xbb\xbf")) position_ = line_start_ = 3;
    list_.tokens.reserve(text_.size() / 3);
    const size_t errors = diagnostics_.error_count();
    while (!stopped_ && diagnostics_.error_count() < errors + kMaxLexicalErrors) {
      skip_blanks();
      if (position_ >= text_.size()) break;
      next();
    }
    for (const Token& open : open_) {
      if (open.text == "{") continue;  // the parser says what the block belongs to
      diagnostics_.error(open.location, fmt::format("`{}` is never closed", open.text));
    }
    end_line();
    Token end;
    end.location = place(position_, 1);
    end.offset = static_cast<uint32_t>(position_);
    list_.tokens.push_back(end);
    return std::move(list_);
  }

 private:
  ir::SourceLocation place(size_t begin, size_t length) const {
    return {file_, line_, static_cast<uint32_t>(begin - line_start_ + 1), static_cast<uint32_t>(length)};
  }

  char at(size_t index) const { return index < text_.size() ? text_[index] : '\0'; }

  void skip_blanks() {
    while (position_ < text_.size()) {
      const char c = text_[position_];
      if (c == '#') {
        const size_t end = std::min(text_.find('\n', position_), text_.size());
        std::string words(text_.substr(position_, end - position_));
        while (!words.empty() && (words.back() == '\r' || words.back() == ' ')) words.pop_back();
        const bool own_line =
            text_.substr(line_start_, position_ - line_start_).find_first_not_of(" \t") == std::string_view::npos;
        list_.comments.push_back(
            {place(position_, words.size()), static_cast<uint32_t>(position_), std::move(words), own_line});
        position_ = end;
      } else if (c == '\n') {
        end_line();
        ++position_;
        ++line_;
        line_start_ = position_;
      } else if (c == ' ' || c == '\t' || c == '\r') {
        ++position_;
      } else {
        return;
      }
    }
  }

  void end_line() {
    if (!open_.empty() && open_.back().text != "{") return;
    if (list_.tokens.empty() || list_.tokens.back().kind == TokenKind::line_end) return;
    const Token& last = list_.tokens.back();
    if (last.kind != TokenKind::string && contains(kOpenEnded, last.text)) return;
    Token token;
    token.kind = TokenKind::line_end;
    token.location = place(position_, 1);
    token.offset = static_cast<uint32_t>(position_);
    list_.tokens.push_back(token);
  }

  void push(TokenKind kind, size_t begin, std::string words, double number = 0) {
    Token token;
    token.kind = kind;
    token.location = place(begin, std::max<size_t>(position_ - begin, 1));
    token.offset = static_cast<uint32_t>(begin);
    token.text = std::move(words);
    token.number = number;
    const bool first_of_line = first_of_line_ != line_;
    first_of_line_ = line_;
    if (first_of_line && kind != TokenKind::string && contains(kContinuing, token.text) && !list_.tokens.empty() &&
        list_.tokens.back().kind == TokenKind::line_end && list_.tokens.back().text.empty()) {
      list_.tokens.pop_back();
    }
    if (first_of_line && kind == TokenKind::keyword && contains(kStatementWords, token.text)) close_forgotten(token);
    if (kind == TokenKind::symbol && !track_bracket(token)) return;
    list_.tokens.push_back(std::move(token));
  }

  void push_line_end(const Token& before) {
    Token line_end = before;
    line_end.kind = TokenKind::line_end;
    line_end.text.clear();
    list_.tokens.push_back(line_end);
  }

  // Before a statement word at the start of a line: brackets still open were forgotten.
  void close_forgotten(const Token& word) {
    if (open_.empty() || open_.back().text == "{") {
      // A line that ends in an operator does not reach into the next statement.
      if (!list_.tokens.empty() && list_.tokens.back().kind != TokenKind::line_end) push_line_end(word);
      return;
    }
    diagnostics_.error(open_.back().location, fmt::format("`{}` is never closed", open_.back().text))
        .label(open_.back().location, "opened here")
        .label(word.location, fmt::format("a new statement starts here with `{}`", word.text));
    while (!open_.empty() && open_.back().text != "{") {
      Token closing = word;
      closing.kind = TokenKind::symbol;
      closing.text = open_.back().text == "(" ? ")" : "]";
      list_.tokens.push_back(closing);
      open_.pop_back();
    }
    push_line_end(word);
  }

  // Keeps the stack of open brackets. A wrong closing one is reported, and made right or (false) left out, so that the
  // parser has no second message about it.
  bool track_bracket(Token& token) {
    if (token.text.size() != 1) return true;
    const std::string symbol = token.text;
    if (symbol == "(" || symbol == "[" || symbol == "{") {
      open_.push_back(token);
      if (open_.size() > kMaxNesting) {
        diagnostics_.error(token.location, fmt::format("brackets are nested more than {} deep", kMaxNesting));
        open_.clear();
        list_.hopeless = stopped_ = true;
      }
      return true;
    }
    const char* wanted = symbol == ")" ? "(" : symbol == "]" ? "[" : symbol == "}" ? "{" : nullptr;
    if (!wanted) return true;
    if (!open_.empty() && open_.back().text == wanted) {
      open_.pop_back();
      return true;
    }
    // Close what was forgotten when the partner stands further out; else the closing bracket is one too many.
    const auto partner = std::find_if(open_.rbegin(), open_.rend(), [&](const Token& t) { return t.text == wanted; });
    if (partner == open_.rend()) {
      if (open_.empty() || open_.back().text == "{") {
        diagnostics_.error(token.location, fmt::format("this `{}` was never opened", symbol));
        return false;
      }
      diagnostics_.error(token.location, fmt::format("`{}` does not close `{}`", symbol, open_.back().text))
          .label(open_.back().location, "opened here")
          .label(token.location);
      token.text = open_.back().text == "(" ? ")" : "]";
      open_.pop_back();
      return true;
    }
    diagnostics_.error(open_.back().location, fmt::format("`{}` is never closed", open_.back().text))
        .label(open_.back().location, "opened here")
        .label(token.location, fmt::format("`{}` stands before its end", symbol));
    while (open_.back().text != wanted) {
      Token closing = token;
      closing.text = open_.back().text == "(" ? ")" : open_.back().text == "[" ? "]" : "}";
      list_.tokens.push_back(closing);
      open_.pop_back();
    }
    open_.pop_back();
    return true;
  }

  void next() {
    const size_t begin = position_;
    const char c = text_[position_];
    if (is_letter(c)) {
      while (is_letter(at(position_)) || is_digit(at(position_))) ++position_;
      std::string word(text_.substr(begin, position_ - begin));
      const TokenKind kind = is_keyword(word) ? TokenKind::keyword : TokenKind::identifier;
      push(kind, begin, std::move(word));
    } else if (is_digit(c) || (c == '.' && is_digit(at(position_ + 1)))) {
      number();
    } else if (c == '"') {
      string();
    } else {
      for (const std::string_view symbol : kSymbols) {
        if (symbol[0] == c && text_.substr(position_).starts_with(symbol)) {
          position_ += symbol.size();
          push(TokenKind::symbol, begin, std::string(symbol));
          return;
        }
      }
      ++position_;
      while ((static_cast<unsigned char>(at(position_)) & 0xc0) == 0x80) ++position_;  // the rest of a UTF-8 character
      unknown_character(begin, c);
    }
  }

  void unknown_character(size_t begin, char c) {
    if (unknown_reported_ == line_) return;  // one message a line
    unknown_reported_ = line_;
    const std::string shown = static_cast<unsigned char>(c) < 0x20 || c == 0x7f
                                  ? fmt::format("byte 0x{:02x}", static_cast<unsigned char>(c))
                                  : fmt::format("character `{}`", text_.substr(begin, position_ - begin));
    auto& error = diagnostics_.error(place(begin, position_ - begin), fmt::format("unexpected {}", shown));
    if (c == '&') error.help("write `and`");
    if (c == '|') error.help("write `or`, or `|>` to pass a value on");
    if (c == '!') error.help("write `not`");
    if (c == '\'') error.help("strings stand in double quotes");
    if (c == '%') error.help("the language has no remainder operator; `a - a//b*b` is one");
    if (c == '@') error.help("a matrix product is an index equation: `let c[i, j] = sum[k] a[i, k] * b[k, j]`");
  }

  void number() {
    const size_t begin = position_;
    bool real = false;
    while (is_digit(at(position_))) ++position_;
    if (at(position_) == '.' && at(position_ + 1) != '.' && is_digit(at(position_ + 1))) {
      real = true;
      ++position_;
      while (is_digit(at(position_))) ++position_;
    } else if (at(position_) == '.' && at(position_ + 1) != '.') {
      real = true;
      ++position_;
    }
    if (at(position_) == 'e' || at(position_) == 'E') {
      const size_t sign = at(position_ + 1) == '+' || at(position_ + 1) == '-' ? 1 : 0;
      if (is_digit(at(position_ + 1 + sign))) {
        real = true;
        position_ += 1 + sign;
        while (is_digit(at(position_))) ++position_;
      }
    }
    std::string words(text_.substr(begin, position_ - begin));
    double value = 0;
    const auto [end, status] = std::from_chars(words.data(), words.data() + words.size(), value);
    if (is_letter(at(position_))) {
      while (is_letter(at(position_)) || is_digit(at(position_))) ++position_;
      diagnostics_
          .error(place(begin, position_ - begin),
                 fmt::format("`{}` is neither a number nor a name", text_.substr(begin, position_ - begin)))
          .help("names start with a letter; a product needs `*`");
    } else if (status == std::errc::result_out_of_range || !std::isfinite(value)) {
      diagnostics_.error(place(begin, position_ - begin), fmt::format("the number `{}` is out of range", words));
      value = 0;
    } else if (!real && value > 9007199254740992.0) {
      diagnostics_.error(place(begin, position_ - begin), fmt::format("the integer `{}` is above 2^53", words));
      value = 0;
    }
    push(real ? TokenKind::real : TokenKind::integer, begin, std::move(words), value);
  }

  void string() {
    const size_t begin = position_++;
    std::string words;
    while (position_ < text_.size() && at(position_) != '"' && at(position_) != '\n') {
      if (at(position_) == '\\' && (at(position_ + 1) == '"' || at(position_ + 1) == '\\')) ++position_;
      words += text_[position_++];
    }
    if (at(position_) == '"') {
      ++position_;
    } else {
      diagnostics_.error(place(begin, position_ - begin), "the string is not closed on its line");
    }
    push(TokenKind::string, begin, std::move(words));
  }

  std::string_view text_;
  int32_t file_;
  ir::Diagnostics& diagnostics_;
  TokenList list_;
  std::vector<Token> open_;
  size_t position_ = 0, line_start_ = 0;
  uint32_t line_ = 1, first_of_line_ = 0, unknown_reported_ = 0;
  bool stopped_ = false;
};

}  // namespace

bool is_keyword(std::string_view word) { return contains(kKeywords, word) || contains(kReserved, word); }
bool is_reduction(std::string_view word) { return contains(kReductions, word); }

TokenList lex(const ir::Sources& sources, int32_t file, ir::Diagnostics& diagnostics) {
  return Lexer(sources, file, diagnostics).run();
}

}  // namespace gradc::frontend
