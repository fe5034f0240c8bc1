// Tokens, recovery, and the statements of a block.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/parse.h"
#include "frontend/parser.h"

namespace gradc::frontend {

namespace {
constexpr size_t kMaxParseErrors = 100;
}

Parser::Parser(int32_t file, TokenList list, ir::Diagnostics& diagnostics)
    : file_(file), tokens_(std::move(list.tokens)), diagnostics_(diagnostics) {
  ast_.file = file;
  ast_.comments = std::move(list.comments);
}

const Token& Parser::peek(size_t ahead) const { return tokens_[std::min(position_ + ahead, tokens_.size() - 1)]; }

const Token& Parser::take() {
  const Token& token = tokens_[position_];
  if (position_ + 1 < tokens_.size()) ++position_;
  return token;
}

bool Parser::accept(const char* symbol_or_word) {
  if (!peek().is(symbol_or_word)) return false;
  take();
  return true;
}

std::string Parser::describe(const Token& token) const {
  switch (token.kind) {
    case TokenKind::end:
      return "the end of the file";
    case TokenKind::line_end:
      return "the end of the line";
    case TokenKind::string:
      return fmt::format("the string \"{}\"", token.text.substr(0, 40));
    default:
      return fmt::format("`{}`", token.text.substr(0, 40));
  }
}

ir::Diagnostic& Parser::error(const Token& token, std::string message) {
  if (last_error_ == position_ || error_count_ >= kMaxParseErrors) {
    unheard_ = {};
    return unheard_;
  }
  last_error_ = position_;
  ++error_count_;
  return diagnostics_.error(token.location, std::move(message));
}

bool Parser::expect(const char* symbol, std::string_view where) {
  if (accept(symbol)) return true;
  error(peek(), fmt::format("expected `{}` {}, found {}", symbol, where, describe(peek())));
  return false;
}

std::optional<Name> Parser::expect_name(std::string_view what) {
  const Token& token = peek();
  if (token.kind != TokenKind::identifier) {
    auto& message = error(token, fmt::format("expected {}, found {}", what, describe(token)));
    if (token.kind == TokenKind::keyword) {
      message.help(fmt::format("`{}` is a word of the language and cannot be a name", token.text));
    }
    return std::nullopt;
  }
  take();
  return Name{token.text, token.location};
}

bool Parser::at_line_end() const {
  return peek().kind == TokenKind::line_end || peek().kind == TokenKind::end || peek().is_symbol(";") ||
         peek().is_symbol("}");
}

void Parser::skip_line_ends() {
  while (peek().kind == TokenKind::line_end || peek().is_symbol(";")) take();
}

void Parser::skip_statement() {
  int open = 0;
  while (peek().kind != TokenKind::end) {
    if (open == 0 && at_line_end()) return;
    if (peek().is_symbol("{")) ++open;
    if (peek().is_symbol("}")) --open;
    take();
  }
}

void Parser::end_statement() {
  if (at_line_end()) return;
  auto& message = error(peek(), fmt::format("expected the end of the statement, found {}", describe(peek())));
  if (peek().is_symbol("=")) message.help("`==` compares; a definition starts with `let`");
  skip_statement();
}

const Block* Parser::block(std::string_view of) {
  ast_.blocks.emplace_back();
  Block& block = ast_.blocks.back();
  block.location = peek().location;
  if (!accept("{")) {
    error(peek(), fmt::format("expected `{{` for the body of {}, found {}", of, describe(peek())));
    skip_statement();
    block.end = peek().location;
    return &block;
  }
  if (++depth_ >= kMaxExpressionDepth) {
    error(peek(), fmt::format("blocks are nested more than {} levels deep", kMaxExpressionDepth));
    while (peek().kind != TokenKind::end) take();
    --depth_;
    return &block;
  }
  skip_line_ends();
  while (!peek().is_symbol("}") && peek().kind != TokenKind::end) {
    if (peek().location.column == 1 && starts_definition(peek(), peek(1)) && !peek().is_keyword("const")) {
      error(peek(), fmt::format("the body of {} is never closed", of))
          .label(block.location, "opened here")
          .label(peek().location, "a new definition starts here");
      block.end = peek().location;
      --depth_;
      return &block;
    }
    const size_t before = position_;
    statement(block);
    end_statement();
    skip_line_ends();
    if (position_ == before) take();
  }
  --depth_;
  block.end = peek().location;
  if (!accept("}")) {
    error(peek(), fmt::format("expected `}}` at the end of {}, found the end of the file", of))
        .label(block.location, "opened here")
        .label(peek().location);
  }
  return &block;
}

void Parser::add(Block& block, Statement statement) {
  ast_.statements.push_back(std::move(statement));
  block.statements.push_back(&ast_.statements.back());
}

void Parser::statement(Block& block) {
  const Token& token = peek();
  if (token.is_keyword("let")) return let(block);
  if (token.is_keyword("param")) return declaration(block, StatementKind::param);
  if (token.is_keyword("state")) return declaration(block, StatementKind::state);
  if (token.is_keyword("repeat")) return repeat(block);
  if (token.is_keyword("require")) return require(block);
  if (token.is_keyword("const")) {
    Statement statement;
    statement.kind = StatementKind::constant;
    statement.location = take().location;
    std::optional<Name> name = expect_name("the name of the constant");
    if (!name || !expect("=", "after the name of the constant")) return skip_statement();
    statement.names = {*name};
    statement.value = expression();
    return add(block, std::move(statement));
  }
  if (token.is_keyword("import") || token.is_keyword("language") || token.is_keyword("layer") ||
      token.is_keyword("fn")) {
    error(token, fmt::format("`{}` stands at the top of a file, not in a block", token.text));
    return skip_statement();
  }
  if (token.is_word("report") && peek(1).kind == TokenKind::identifier) {
    Statement statement;
    statement.kind = StatementKind::report;
    statement.location = take().location;
    statement.names = {*expect_name("the name of the report")};
    if (!expect("=", "after the name of the report")) return skip_statement();
    statement.value = expression();
    return add(block, std::move(statement));
  }
  if (token.kind == TokenKind::identifier && peek(1).is_symbol("<-")) return assignment(block, StatementKind::assign);
  if (token.kind == TokenKind::identifier && (peek(1).is_symbol("=") || peek(1).is_symbol(","))) {
    return assignment(block, StatementKind::rebind);
  }
  if (token.kind == TokenKind::identifier && peek(1).is_symbol("~")) {
    error(token, "a sample needs a name that is introduced by `let`")
        .help(fmt::format("write `let {} ~ ...`", token.text));
    return skip_statement();
  }
  Statement statement;
  statement.location = token.location;
  statement.value = expression();
  if (peek().is_symbol("=") && statement.value->kind == ExprKind::subscript) {
    error(peek(), "an index equation starts with `let`").label(statement.value->span).help("write `let y[i] = ...`");
    return skip_statement();
  }
  if (peek().is_symbol("<-") && statement.value->kind == ExprKind::subscript) {
    error(peek(), "`<-` sets a whole state, not a part of it").label(statement.value->span);
    return skip_statement();
  }
  add(block, std::move(statement));
}

// let y = e | let y[i, j < n] = e | let a, b ~ uniform(0, 1) | let z[i] ~ normal(mu[i], 1)
void Parser::let(Block& block) {
  Statement statement;
  statement.kind = StatementKind::let;
  statement.location = take().location;
  do {
    std::optional<Name> name = expect_name("a name after `let`");
    if (!name) return skip_statement();
    statement.names.push_back(std::move(*name));
    if (peek().is_symbol("[")) {
      statement.indexed = true;
      statement.indices = indices();
    }
  } while (accept(","));
  if (peek().is_symbol(":")) {
    error(peek(), "`let` takes no type: it follows from the expression")
        .help("`param` and `state` are declared with a type");
    return skip_statement();
  }
  if (accept("~")) {
    statement.kind = StatementKind::sample;
  } else if (peek().is_symbol("<-")) {
    error(peek(), "`let` defines a name with `=`").help("`<-` sets a `state`, without `let`");
    return skip_statement();
  } else if (!expect("=", "or `~` after the name")) {
    return skip_statement();
  } else if (statement.names.size() > 1) {
    error(peek(), "`let` defines one name at a time")
        .label(statement.names[1].location, "a second name")
        .help("several names stand only before `~`");
    return skip_statement();
  }
  if (statement.indexed && statement.names.size() > 1) {
    error(peek(), "an indexed sample defines one name at a time").label(statement.names[1].location);
    return skip_statement();
  }
  statement.value = expression();
  add(block, std::move(statement));
}

// param w, b: f32[n] = init
void Parser::declaration(Block& block, StatementKind kind) {
  Statement statement;
  statement.kind = kind;
  const std::string word = peek().text;
  statement.location = take().location;
  do {
    std::optional<Name> name = expect_name(fmt::format("the name of the `{}`", word));
    if (!name) return skip_statement();
    statement.names.push_back(std::move(*name));
  } while (accept(","));
  if (!expect(":", fmt::format("and a type after the name of the `{}`", word))) return skip_statement();
  statement.type = type();
  if (!statement.type) return skip_statement();
  if (!expect("=", "and an initial value after the type")) return skip_statement();
  statement.value = expression();
  add(block, std::move(statement));
}

// require k <= h, "kernel {k} does not fit height {h}"
void Parser::require(Block& block) {
  Statement statement;
  statement.kind = StatementKind::require;
  statement.location = take().location;
  statement.value = expression();
  if (!expect(",", "and a text behind the condition of `require`")) return skip_statement();
  if (peek().kind != TokenKind::string) {
    error(peek(), fmt::format("expected the text of `require` in quotes, found {}", describe(peek())));
    return skip_statement();
  }
  const Token& text = take();
  statement.text = {text.text, text.location};
  add(block, std::move(statement));
}

void Parser::repeat(Block& block) {
  Statement statement;
  statement.kind = StatementKind::repeat;
  statement.location = take().location;
  statement.value = expression();
  statement.body = this->block("`repeat`");
  add(block, std::move(statement));
}

void Parser::assignment(Block& block, StatementKind kind) {
  Statement statement;
  statement.kind = kind;
  statement.location = peek().location;
  do {
    std::optional<Name> name = expect_name("a name");
    if (!name) return skip_statement();
    statement.names.push_back(std::move(*name));
  } while (kind == StatementKind::rebind && accept(","));
  if (peek().is_symbol("~")) {
    error(peek(), "a sample needs names that are introduced by `let`").help("write `let a, b ~ ...`");
    return skip_statement();
  }
  if (!expect(kind == StatementKind::assign ? "<-" : "=", "after the name")) return skip_statement();
  if (statement.names.size() > 1) {
    error(statement.names[1].location.valid() ? tokens_[position_ - 1] : peek(), "one name at a time is assigned")
        .label(statement.names[1].location);
    return skip_statement();
  }
  statement.value = expression();
  add(block, std::move(statement));
}

Ast parse(const ir::Sources& sources, int32_t file, ir::Diagnostics& diagnostics) {
  if (sources.file(file).text.size() > kMaxFileBytes) {
    diagnostics.error({}, fmt::format("{}: the file is larger than {} bytes", sources.file(file).name, kMaxFileBytes));
    Ast ast;
    ast.file = file;
    return ast;
  }
  TokenList list = lex(sources, file, diagnostics);
  if (list.hopeless) {
    Ast ast;
    ast.file = file;
    return ast;
  }
  return Parser(file, std::move(list), diagnostics).run();
}

}  // namespace gradc::frontend
