#include "frontend/format.h"

#include <algorithm>
#include <array>
#include <vector>

#include "frontend/lexer.h"
#include "frontend/parse.h"
#include "frontend/print_ast.h"
#include "ir/ensure.h"

namespace gradc::frontend {
namespace {

constexpr size_t kBlockIndent = 2;
constexpr size_t kContinuationIndent = 4;

template <size_t count>
bool is_any(const Token& token, const std::array<const char*, count>& words) {
  return std::any_of(words.begin(), words.end(), [&](const char* word) { return token.is(word); });
}

// A word or a comment, with what stood between it and the one before.
struct Piece {
  Token token;
  std::string text;  // as written
  bool comment = false;
  bool own_line = false;        // of a comment
  bool ends_statement = false;  // a line end that ends a statement stood before it
  bool semicolon = false;       // one stood before it
  uint32_t lines_before = 0;    // line ends since the piece before
};

// Line ends and semicolons become marks of the word behind them.
std::vector<Piece> split(const std::string& text, const TokenList& list) {
  std::vector<Piece> pieces;
  size_t comment = 0;
  uint32_t last_line = 1;
  bool ended = false, semicolon = false;
  const auto push = [&](Piece piece, uint32_t line) {
    piece.lines_before = line - last_line;
    last_line = line;
    piece.ends_statement = ended;
    piece.semicolon = semicolon;
    if (!piece.comment) ended = semicolon = false;
    pieces.push_back(std::move(piece));
  };
  const auto push_comments = [&](uint32_t before) {
    for (; comment < list.comments.size() && list.comments[comment].offset < before; ++comment) {
      const Comment& found = list.comments[comment];
      Piece piece;
      piece.text = found.text;
      piece.comment = true;
      piece.own_line = found.own_line;
      push(std::move(piece), found.location.line);
    }
  };
  for (const Token& token : list.tokens) {
    push_comments(token.kind == TokenKind::end ? UINT32_MAX : token.offset);
    if (token.kind == TokenKind::end) break;
    if (token.kind == TokenKind::line_end) {
      ended = true;
    } else if (token.is_symbol(";")) {
      semicolon = true;
    } else {
      Piece piece;
      piece.token = token;
      piece.text = text.substr(token.offset, token.location.length);
      push(std::move(piece), token.location.line);
    }
  }
  return pieces;
}

// For each piece: whether it is an opening brace whose partner stands on another line.
std::vector<bool> find_broken_braces(const std::vector<Piece>& pieces) {
  std::vector<bool> broken(pieces.size(), false);
  std::vector<size_t> open;
  for (size_t k = 0; k < pieces.size(); ++k) {
    if (pieces[k].token.is_symbol("{")) open.push_back(k);
    if (!pieces[k].token.is_symbol("}") || open.empty()) continue;
    broken[open.back()] = pieces[open.back()].token.location.line != pieces[k].token.location.line;
    open.pop_back();
  }
  return broken;
}

enum class BracketKind : uint8_t { round, square, angle, brace };

struct Bracket {
  BracketKind kind = BracketKind::round;
  bool broken = false;     // a brace whose partner stands on another line
  bool rows = false;       // a brace around literal rows: commas end columns
  bool reduction = false;  // the indices of one: an operand follows
  bool sizes = false;      // holds indices or sizes
  size_t indent = 0;       // of its line; of a brace, where its statement begins
};

struct Line {
  std::string code;
  std::string comment;  // behind the code
};

std::string join_lines(const std::vector<Line>& lines) {
  std::string text;
  for (size_t begin = 0; begin < lines.size();) {
    // Comments behind consecutive lines share a column.
    size_t end = begin, width = 0;
    while (end < lines.size() && !lines[end].comment.empty()) width = std::max(width, lines[end++].code.size());
    for (; begin < end; ++begin) {
      const Line& line = lines[begin];
      text += line.code + std::string(width + 2 - line.code.size(), ' ') + line.comment + "\n";
    }
    if (begin < lines.size()) text += lines[begin++].code + "\n";
  }
  return text;
}

class Formatter {
 public:
  explicit Formatter(std::vector<Piece> pieces) : pieces_(std::move(pieces)), broken_(find_broken_braces(pieces_)) {}

  std::string run() {
    for (at_ = 0; at_ < pieces_.size(); ++at_) {
      if (pieces_[at_].comment) {
        put_comment();
      } else {
        put_word();
      }
    }
    end_line();
    return join_lines(lines_);
  }

 private:
  // Where lines begin

  size_t base_indent() const {
    for (auto bracket = brackets_.rbegin(); bracket != brackets_.rend(); ++bracket) {
      if (bracket->kind == BracketKind::brace) return bracket->indent + (bracket->broken ? kBlockIndent : 0);
    }
    return 0;
  }

  // Of a line that begins inside a statement, with `word` where it is not a comment.
  size_t continuation_indent(const Token* word) const {
    static constexpr std::array kClosing = {")", "]"};
    static constexpr std::array kHalf = {"|>", "then", "else"};
    if (!brackets_.empty() && !inside(BracketKind::brace)) {
      return brackets_.back().indent + (word && is_any(*word, kClosing) ? 0 : kBlockIndent);
    }
    return base_indent() + (word && is_any(*word, kHalf) ? kBlockIndent : kContinuationIndent);
  }

  void end_line() {
    if (line_.code.empty() && line_.comment.empty()) return;
    lines_.push_back(std::move(line_));
    line_ = {};
  }

  // `blank` asks for an empty line before it, which the start of a block and of the text do not get.
  void new_line(size_t indent, bool blank) {
    end_line();
    if (blank && !lines_.empty() && !opened_block_) lines_.push_back({});
    indent_ = indent;
    line_.code = std::string(indent, ' ');
    fresh_ = true;
  }

  const Piece* next_word() const {
    for (size_t next = at_; next < pieces_.size(); ++next) {
      if (!pieces_[next].comment) return &pieces_[next];
    }
    return nullptr;
  }

  bool inside(BracketKind kind) const { return !brackets_.empty() && brackets_.back().kind == kind; }
  bool behind_open_brace() const { return last_ && last_->is_symbol("{") && inside(BracketKind::brace); }
  // Behind the comma of a row.
  bool begins_column() const {
    return last_ && last_->is_symbol(",") && inside(BracketKind::brace) && brackets_.back().rows;
  }
  // The brace of a further literal row, on a line of its own.
  bool begins_row(const Piece& piece) const {
    return piece.token.is_symbol("{") && piece.ends_statement && brackets_.empty() && rows_;
  }

  size_t comment_indent() const {
    const Piece* next = next_word();
    if (!next || !last_ || behind_open_brace() || begins_column()) return base_indent();
    if (begins_row(*next)) return kBlockIndent;
    const bool closes = next->token.is_symbol("}") && inside(BracketKind::brace);
    return next->ends_statement || next->semicolon || closes ? base_indent() : continuation_indent(nullptr);
  }

  void put_comment() {
    const Piece& piece = pieces_[at_];
    if (!piece.own_line && line_.code.find_first_not_of(' ') != std::string::npos) {
      line_.comment = piece.text;
    } else {
      new_line(comment_indent(), piece.lines_before > 1);
      line_.code += piece.text;
    }
    opened_block_ = false;
    after_comment_ = true;
  }

  void put_word() {
    const Piece& piece = pieces_[at_];
    const Token& token = piece.token;
    const bool on_new_line = piece.lines_before > 0 || after_comment_;
    const bool closes = token.is_symbol("}") && inside(BracketKind::brace);
    if (closes && brackets_.back().broken) {
      new_line(brackets_.back().indent, false);
    } else if (!last_ || (behind_open_brace() && brackets_.back().broken)) {
      new_line(base_indent(), piece.lines_before > 1);
      begin_statement(token);
    } else if (behind_open_brace()) {
      line_.code += " ";
      begin_statement(token);
    } else if (begins_row(piece)) {
      new_line(kBlockIndent, piece.lines_before > 1);
    } else if (piece.ends_statement && on_new_line) {
      new_line(base_indent(), piece.lines_before > 1);
      begin_statement(token);
    } else if (piece.semicolon && !closes) {
      line_.code += "; ";
      begin_statement(token);
    } else if (token.is_keyword("else") && last_->is_symbol("}") && !after_comment_) {
      line_.code += " ";
    } else if (on_new_line) {
      new_line(begins_column() ? base_indent() : continuation_indent(&token), false);
    } else if (needs_space(token)) {
      line_.code += " ";
    }
    line_.code += piece.text;
    fresh_ = after_comment_ = opened_block_ = false;
    track(token);
    before_last_ = last_;
    last_ = &token;
  }

  void begin_statement(const Token& token) {
    first_of_statement_ = &token;
    fresh_ = true;
    if (!brackets_.empty()) return;
    in_train_ = token.is_word("train");
    rows_ = false;
  }

  // What a word means for those behind it: open brackets, and whether an operand stands there.
  void track(const Token& token) {
    static constexpr std::array kOperands = {"true", "false", "inf"};
    const bool operand_before = operand_ || closed_angle_;
    operand_ = token.kind == TokenKind::identifier || token.kind == TokenKind::integer ||
               token.kind == TokenKind::real || token.kind == TokenKind::string || is_any(token, kOperands);
    prefix_ = !operand_before && (token.is_symbol("-") || token.is_symbol(".."));
    closed_angle_ = token.is_symbol(">") && inside(BracketKind::angle);
    if (token.is_word("rows") && last_ && last_->is_symbol("=") && brackets_.empty()) rows_ = true;
    if (token.is_symbol("(")) brackets_.push_back({BracketKind::round, false, false, false, false, indent_});
    if (token.is_symbol("[")) {
      const bool reduction = last_ && last_->kind == TokenKind::identifier && is_reduction(last_->text);
      // A list holds values, unless it is an argument: `reshape(x, [h*w])`.
      const bool sizes = operand_before || reduction || inside(BracketKind::round);
      brackets_.push_back({BracketKind::square, false, false, reduction, sizes, indent_});
    }
    if (token.is_symbol("<") && last_ && last_->is_keyword("idx")) {
      brackets_.push_back({BracketKind::angle, false, false, false, true, indent_});
    }
    if (token.is_symbol("{")) {
      const bool starts_line = line_.code.find_first_not_of(' ') + 1 == line_.code.size();
      opened_block_ = broken_[at_];
      brackets_.push_back({BracketKind::brace, broken_[at_], rows_ && brackets_.empty(), false, false,
                           starts_line ? indent_ : base_indent()});
    }
    if (token.is_symbol(")") || token.is_symbol("]") || token.is_symbol("}") || closed_angle_) {
      operand_ = !token.is_symbol("}") && !(!brackets_.empty() && brackets_.back().reduction);
      if (!brackets_.empty()) brackets_.pop_back();
    }
  }

  // Spaces within a line

  bool needs_space(const Token& token) const {
    if (wants_space(token)) return true;
    // Two symbols that would be read as one.
    static constexpr std::array kDouble = {"..", "->", "<-", "|>", "==", "!=", "<=", ">=", "//"};
    if (fresh_ || last_->kind != TokenKind::symbol || token.kind != TokenKind::symbol) return false;
    const std::string pair = {last_->text.back(), token.text[0]};
    return std::any_of(kDouble.begin(), kDouble.end(), [&](const char* symbol) { return pair == symbol; });
  }

  bool wants_space(const Token& token) const {
    static constexpr std::array kTightBefore = {")", "]", ",", ":", ".", "^"};
    static constexpr std::array kTightAfter = {"(", "[", "^", "."};
    static constexpr std::array kProducts = {"*", "/", "//"};
    const Token& last = *last_;
    if (fresh_ || prefix_ || is_any(token, kTightBefore) || is_any(last, kTightAfter)) return false;
    if (in_sizes() && (is_any(token, kProducts) || is_any(last, kProducts))) return false;
    if (token.is_symbol("(")) return !takes_arguments(last);
    if (token.is_symbol("[")) return !operand_ && !closed_angle_;
    if (last.is_keyword("idx") || (token.is_symbol(">") && inside(BracketKind::angle))) return false;
    if (last.is_symbol("<") && before_last_ && before_last_->is_keyword("idx")) return false;
    return true;
  }

  bool in_sizes() const {
    for (auto bracket = brackets_.rbegin(); bracket != brackets_.rend(); ++bracket) {
      if (bracket->kind == BracketKind::brace) return false;
      if (bracket->sizes) return true;
    }
    return false;
  }

  // Whether `(` behind this word holds arguments.
  bool takes_arguments(const Token& last) const {
    static constexpr std::array kCalls = {"stop", "grad", "idx"};
    if (closed_angle_ || is_any(last, kCalls)) return true;
    const bool line_of_train = in_train_ && &last == first_of_statement_;
    return operand_ && !last.is_word("on") && !last.is_word("every") && !line_of_train;
  }

  std::vector<Piece> pieces_;
  std::vector<bool> broken_;
  size_t at_ = 0;
  std::vector<Line> lines_;
  Line line_;
  size_t indent_ = 0;  // of the line
  std::vector<Bracket> brackets_;
  const Token* last_ = nullptr;
  const Token* before_last_ = nullptr;
  const Token* first_of_statement_ = nullptr;
  bool in_train_ = false;
  bool rows_ = false;           // behind `= rows`
  bool fresh_ = false;          // the line or statement has no word yet
  bool opened_block_ = false;   // the last word opened a block of several lines
  bool after_comment_ = false;  // a comment ended the line before
  bool operand_ = false;        // the last word ends an operand
  bool prefix_ = false;         // the last word is a sign, or the `..` of a pack
  bool closed_angle_ = false;   // the last word is the `>` of `idx<V>`
};

}  // namespace

std::optional<std::string> format_source(const ir::Sources& sources, int32_t file, ir::Diagnostics& diagnostics) {
  const size_t errors = diagnostics.error_count();
  const Ast ast = parse(sources, file, diagnostics);
  if (diagnostics.error_count() > errors) return std::nullopt;
  ir::Diagnostics unheard(sources);
  std::string text = Formatter(split(sources.file(file).text, lex(sources, file, unheard))).run();
  // Nothing may get lost: the layout is read again.
  ir::Sources formatted;
  const int32_t again = formatted.add("formatted", text);
  ir::Diagnostics problems(formatted);
  const Ast result = parse(formatted, again, problems);
  const bool same_comments =
      std::equal(ast.comments.begin(), ast.comments.end(), result.comments.begin(), result.comments.end(),
                 [](const Comment& a, const Comment& b) { return a.text == b.text; });
  ENSURE(!problems.has_errors() && same_comments && print_ast(ast) == print_ast(result),
         "the layout changes what it says:\n" + text);
  return text;
}

}  // namespace gradc::frontend
