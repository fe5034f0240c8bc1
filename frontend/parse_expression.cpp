// Operators and reductions, from loose to tight: |>, if, or, and, not, comparisons, + -, * / //, unary -, ^.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/parser.h"

namespace gradc::frontend {

Expr* Parser::make(ExprKind kind, const Token& token) {
  Expr expr;
  expr.kind = kind;
  expr.location = expr.span = token.location;
  expr.text = token.text;
  expr.number = token.number;
  ast_.expressions.push_back(std::move(expr));
  return &ast_.expressions.back();
}

// Depth and span, once the parts are known.
const Expr* Parser::finish(Expr* expr) {
  int deepest = 0;
  const auto include = [&](const Expr* part) {
    if (!part) return;
    deepest = std::max(deepest, part->depth);
    if (part->span.line != expr->location.line) return;
    const uint32_t begin = std::min(expr->span.column, part->span.column);
    const uint32_t end = std::max(expr->span.column + expr->span.length, part->span.column + part->span.length);
    expr->span.column = begin;
    expr->span.length = end - begin;
  };
  for (const Expr* operand : expr->operands) include(operand);
  for (const Argument& argument : expr->arguments) include(argument.value);
  expr->depth = deepest + 1;
  const Token& last = tokens_[position_ > 0 ? position_ - 1 : 0];
  if (last.location.line == expr->span.line && last.kind != TokenKind::line_end) {
    const uint32_t end = last.location.column + last.location.length;
    if (end > expr->span.column + expr->span.length) expr->span.length = end - expr->span.column;
  }
  if (expr->depth > kMaxExpressionDepth) {
    if (expr->depth == kMaxExpressionDepth + 1) {
      diagnostics_
          .error(expr->location, fmt::format("the expression is nested more than {} levels deep", kMaxExpressionDepth))
          .help("give a part of it a name with `let`");
    }
    expr->kind = ExprKind::error;
    expr->operands.clear();
    expr->arguments.clear();
    expr->depth = kMaxExpressionDepth + 2;  // reported once, not for every expression around it
  }
  return expr;
}

const Expr* Parser::broken(const Token& token) { return make(ExprKind::error, token); }

const Expr* Parser::make_binary(const Token& symbol, const Expr* left, const Expr* right) {
  Expr* expr = make(ExprKind::binary, symbol);
  expr->operands = {left, right};
  return finish(expr);
}

const Expr* Parser::too_deep() {
  error(peek(), fmt::format("the expression is nested more than {} levels deep", kMaxExpressionDepth))
      .help("give a part of it a name with `let`");
  const Expr* result = broken(peek());
  skip_statement();
  return result;
}

const Expr* Parser::expression() {
  if (depth_ >= kMaxExpressionDepth) {
    return too_deep();
  }
  ++depth_;
  const Expr* left = conditional();
  while (peek().is_symbol("|>")) {
    Expr* expr = make(ExprKind::pipe, take());
    skip_line_ends();
    expr->operands = {left, conditional()};
    left = finish(expr);
  }
  --depth_;
  return left;
}

const Expr* Parser::conditional() {
  if (!peek().is_keyword("if")) return disjunction();
  Expr* expr = make(ExprKind::conditional, take());
  const Expr* condition = disjunction();
  if (!accept("then")) {
    error(peek(), fmt::format("expected `then` after the condition, found {}", describe(peek())))
        .label(expr->location, "of this `if`")
        .label(peek().location);
    return broken(peek());
  }
  if (++depth_ >= kMaxExpressionDepth) {
    --depth_;
    return too_deep();
  }
  const Expr* yes = conditional();
  const Expr* no = nullptr;
  if (accept("else")) {
    no = conditional();
  } else {
    error(peek(), fmt::format("expected `else`, found {}: a choice has two branches", describe(peek())))
        .label(expr->location, "of this `if`")
        .label(peek().location);
    no = broken(peek());
  }
  --depth_;
  expr->operands = {condition, yes, no};
  return finish(expr);
}

const Expr* Parser::disjunction() {
  const Expr* left = conjunction();
  while (peek().is_keyword("or")) {
    const Token symbol = take();
    left = make_binary(symbol, left, conjunction());
  }
  return left;
}

const Expr* Parser::conjunction() {
  const Expr* left = negation();
  while (peek().is_keyword("and")) {
    const Token symbol = take();
    left = make_binary(symbol, left, negation());
  }
  return left;
}

const Expr* Parser::negation() {
  std::vector<Expr*> signs;
  while (peek().is_keyword("not")) {
    if (signs.size() > kMaxExpressionDepth) return too_deep();
    signs.push_back(make(ExprKind::unary, take()));
  }
  const Expr* inner = comparison();
  for (auto sign = signs.rbegin(); sign != signs.rend(); ++sign) {
    (*sign)->operands = {inner};
    inner = finish(*sign);
  }
  return inner;
}

const Expr* Parser::comparison() {
  const auto is_comparison = [](const Token& token) {
    return token.is_symbol("<") || token.is_symbol("<=") || token.is_symbol(">") || token.is_symbol(">=") ||
           token.is_symbol("==") || token.is_symbol("!=");
  };
  const Expr* left = sum();
  if (!is_comparison(peek())) return left;
  const Token symbol = take();
  left = make_binary(symbol, left, sum());
  if (is_comparison(peek())) {
    error(peek(), "comparisons do not chain")
        .label(symbol.location)
        .label(peek().location)
        .help("write `a < b and b < c`");
    while (is_comparison(peek())) {
      take();
      sum();
    }
  }
  return left;
}

const Expr* Parser::sum() {
  const Expr* left = product();
  while (peek().is_symbol("+") || peek().is_symbol("-")) {
    const Token symbol = take();
    left = make_binary(symbol, left, product());
  }
  return left;
}

namespace {

// The reduction that ends `expr` and that does not reach over a product by itself; null where there is none.
const Expr* trailing_reduction(const Expr* expr) {
  while (!expr->parenthesised) {
    if (expr->kind == ExprKind::reduction) return expr;
    if (expr->kind != ExprKind::unary && expr->kind != ExprKind::binary) return nullptr;
    expr = expr->operands.back();
  }
  return nullptr;
}

}  // namespace

// A product; the body of a `sum` or `mean` is a whole product as well (Rule 4).
const Expr* Parser::product() {
  const Expr* left = signed_factor(false);
  while (peek().is_symbol("*") || peek().is_symbol("/") || peek().is_symbol("//")) {
    const Token symbol = take();
    if (const Expr* trailing = trailing_reduction(left)) {
      error(symbol, fmt::format("`{}[...]` takes one factor and is followed by `{}`", trailing->text, symbol.text))
          .label(trailing->location, "its reach is unclear")
          .label(symbol.location)
          .help("put parentheses around the reduction");
    }
    left = make_binary(symbol, left, signed_factor(symbol.text != "*"));
  }
  return left;
}

const Expr* Parser::signed_factor(bool after_division) {
  std::vector<Expr*> signs;
  while (peek().is_symbol("-") || peek().is_symbol("+")) {
    if (signs.size() > kMaxExpressionDepth) return too_deep();
    const Token sign = take();
    if (sign.text == "-") {
      signs.push_back(make(ExprKind::unary, sign));
    } else {
      error(sign, "there is no unary `+`");
    }
  }
  const Expr* inner = power(after_division);
  for (auto sign = signs.rbegin(); sign != signs.rend(); ++sign) {
    (*sign)->operands = {inner};
    inner = finish(*sign);
  }
  return inner;
}

const Expr* Parser::power(bool after_division) {
  const Expr* base = is_reduction(peek().text) && peek().kind == TokenKind::identifier && peek(1).is_symbol("[")
                         ? reduction(after_division)
                         : postfix();
  if (!peek().is_symbol("^")) return base;
  const Token symbol = take();
  if (base->kind == ExprKind::reduction && !base->parenthesised) {
    error(symbol, "a power of a reduction needs parentheses around the reduction")
        .label(base->location)
        .label(symbol.location);
  }
  if (++depth_ >= kMaxExpressionDepth) {
    --depth_;
    return too_deep();
  }
  const Expr* exponent = signed_factor(false);  // ^ binds to the right, and 2^-1 is allowed
  --depth_;
  return make_binary(symbol, base, exponent);
}

// sum and mean reach over a product; every other reduction takes one factor.
const Expr* Parser::reduction(bool after_division) {
  const Token word = take();
  Expr* expr = make(ExprKind::reduction, word);
  if (after_division) {
    error(word, fmt::format("`{}[...]` after a division needs parentheses", word.text))
        .help("put parentheses around the reduction");
  }
  expr->indices = indices();
  if (++depth_ >= kMaxExpressionDepth) {
    --depth_;
    return too_deep();
  }
  const bool wide = word.text == "sum" || word.text == "mean" || word.text == "std";
  expr->operands = {wide ? product() : signed_factor(false)};
  --depth_;
  return finish(expr);
}

// `[i, j < n, ..s]`
std::vector<Index> Parser::indices() {
  std::vector<Index> result;
  if (!expect("[", "before the index names")) return result;
  if (peek().is_symbol("]")) error(peek(), "expected an index name, found `]`");
  while (!peek().is_symbol("]")) {
    Index index;
    index.pack = accept("..");
    std::optional<Name> name = expect_name("an index name");
    if (!name) {
      while (!peek().is_symbol("]") && !at_line_end()) take();
      break;
    }
    index.name = std::move(*name);
    if (accept("<")) index.limit = sum();
    result.push_back(std::move(index));
    if (!accept(",")) break;
  }
  expect("]", "after the index names");
  return result;
}

}  // namespace gradc::frontend
