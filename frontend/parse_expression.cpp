// Expressions, from loose to tight: |>, if, or, and, not, comparisons, + -, * / //, unary -, ^, postfix.
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

const Expr* Parser::postfix() {
  const Expr* base = primary();
  while (true) {
    if (base->kind == ExprKind::error) return base;
    if (peek().is_symbol("(")) {
      Expr* expr = make(ExprKind::call, peek());
      expr->location = base->location;
      expr->span = base->span;
      expr->operands = {base};
      expr->arguments = arguments();
      base = finish(expr);
    } else if (peek().is_symbol("[")) {
      Expr* expr = make(ExprKind::subscript, peek());
      expr->location = base->location;
      expr->span = base->span;
      expr->operands = {base};
      take();
      if (peek().is_symbol("]")) error(peek(), "expected a subscript, found `]`");
      while (!peek().is_symbol("]")) {
        expr->operands.push_back(subscript_element());
        if (!accept(",")) break;
      }
      expect("]", "after the subscripts");
      base = finish(expr);
    } else {
      return base;
    }
  }
}

const Expr* Parser::subscript_element() {
  if (peek().is_symbol("..")) {
    take();
    const Token& token = peek();
    if (!expect_name("the name of a pack")) return broken(token);
    return make(ExprKind::pack, tokens_[position_ - 1]);
  }
  const Expr* first = expression();
  if (!peek().is_symbol("..")) return first;
  Expr* range = make(ExprKind::range, take());
  range->operands = {first, expression()};
  return finish(range);
}

std::vector<Argument> Parser::arguments() {
  std::vector<Argument> result;
  take();  // (
  while (!peek().is_symbol(")")) {
    Argument argument;
    if (peek().kind == TokenKind::identifier && peek(1).is_symbol("=")) {
      argument.name = {peek().text, peek().location};
      take();
      take();
    } else if (!result.empty() && !result.back().name.text.empty()) {
      error(peek(), "an argument by position after one by name")
          .label(result.back().name.location, "this one is by name")
          .label(peek().location);
    }
    argument.value = expression();
    result.push_back(std::move(argument));
    if (!accept(",")) break;
  }
  if (!expect(")", "after the arguments")) {
    while (!at_line_end() && !peek().is_symbol(")")) take();
    accept(")");
  }
  return result;
}

const Expr* Parser::list() {
  Expr* expr = make(ExprKind::list, take());
  while (!peek().is_symbol("]")) {
    const Expr* element = expression();
    if (peek().is_symbol("..")) {  // columns of a file: [p0 .. p63]
      Expr* range = make(ExprKind::range, take());
      range->operands = {element, expression()};
      element = finish(range);
    }
    expr->operands.push_back(element);
    if (!accept(",")) break;
  }
  if (!expect("]", "at the end of the list")) {
    while (!at_line_end() && !peek().is_symbol("]")) take();
    accept("]");
  }
  return finish(expr);
}

const Expr* Parser::when() {
  Expr* expr = make(ExprKind::when, take());
  if (!peek().is_word("training")) {
    error(peek(), fmt::format("expected `training` after `when`, found {}", describe(peek())));
    return broken(peek());
  }
  take();
  expr->blocks.push_back(block("when training"));
  skip_line_ends();
  if (!accept("else")) {
    error(peek(), fmt::format("expected `else` after the block of `when training`, found {}", describe(peek())));
    return broken(peek());
  }
  expr->blocks.push_back(block("else"));
  return finish(expr);
}

const Expr* Parser::primary() {
  const Token& token = peek();
  switch (token.kind) {
    case TokenKind::integer:
    case TokenKind::real: {
      Expr* expr = make(ExprKind::number, take());
      if (expr->text.find_first_of(".eE") == std::string::npos) expr->text = "integer";
      return expr;
    }
    case TokenKind::string:
      return make(ExprKind::string, take());
    case TokenKind::identifier:
      return make(ExprKind::name, take());
    default:
      break;
  }
  if (token.is_symbol("(")) {
    take();
    const Expr* inner = expression();
    if (peek().is_symbol(",")) {
      error(peek(), "expected `)`, found `,`: there are no tuples").help("a list of numbers stands in `[ ]`");
      while (!at_line_end() && !peek().is_symbol(")")) take();
    }
    expect(")", "at the end of the parentheses");
    if (inner->kind == ExprKind::error) return inner;
    ast_.expressions.push_back(*inner);
    Expr& copy = ast_.expressions.back();
    copy.parenthesised = true;
    return &copy;
  }
  if (token.is_symbol("[")) return list();
  if (token.is_keyword("true") || token.is_keyword("false")) {
    Expr* expr = make(ExprKind::boolean, take());
    expr->number = expr->text == "true";
    return expr;
  }
  if (token.is_keyword("inf")) {
    Expr* expr = make(ExprKind::number, take());
    expr->number = __builtin_inf();
    return expr;
  }
  if (token.is_keyword("old")) {
    Expr* expr = make(ExprKind::old_name, take());
    std::optional<Name> name = expect_name("the name of a state after `old`");
    if (!name) return broken(peek());
    expr->text = name->text;
    return finish(expr);
  }
  if (token.is_keyword("stop")) {
    Expr* expr = make(ExprKind::stop, take());
    if (!expect("(", "after `stop`")) return broken(peek());
    expr->operands = {expression()};
    expect(")", "after the argument of `stop`");
    return finish(expr);
  }
  if (token.is_keyword("grad")) {
    Expr* expr = make(ExprKind::call, token);
    expr->operands = {make(ExprKind::name, take())};
    if (!peek().is_symbol("(")) {
      expect("(", "after `grad`");
      return broken(peek());
    }
    expr->arguments = arguments();
    return finish(expr);
  }
  if (token.is_keyword("if")) return conditional();
  if (token.is_keyword("when")) return when();
  if (token.is_keyword("idx")) {
    Expr* expr = make(ExprKind::convert, take());
    if (!expect("<", "after `idx`")) return broken(peek());
    const Expr* size = sum();
    if (!expect(">", "after the size of `idx`") || !expect("(", "before what is converted")) return broken(peek());
    expr->operands = {size, expression()};
    expect(")", "after what is converted");
    return finish(expr);
  }
  auto& message = error(token, fmt::format("expected an expression, found {}", describe(token)));
  if (token.kind == TokenKind::keyword) message.help(fmt::format("`{}` is a word of the language", token.text));
  return broken(token);
}

const Expr* Parser::dimension() {
  if (!accept("..")) return sum();
  const Token& token = peek();
  if (!expect_name("the name of a pack of dimensions")) return broken(token);
  return make(ExprKind::pack, tokens_[position_ - 1]);
}

// f32[..s, in] and the like; null after a reported mistake.
const TypeExpr* Parser::type() {
  const Token token = peek();
  TypeExpr result;
  result.location = token.location;
  result.word = token.text;
  static constexpr const char* kWords[] = {"f32", "int", "bool", "real", "fn", "idx", "like"};
  const bool known = (token.kind == TokenKind::identifier || token.kind == TokenKind::keyword) &&
                     std::any_of(std::begin(kWords), std::end(kWords), [&](const char* w) { return token.text == w; });
  if (!known) {
    auto& message = error(token, fmt::format("expected a type, found {}", describe(token)));
    const std::string nearest = ir::nearest_name(token.text, {std::begin(kWords), std::end(kWords)});
    if (token.text == "f64" || token.text == "f16" || token.text == "float" || token.text == "double" ||
        token.text == "bf16") {
      message.help("tensors are `f32`");
    } else if (token.text == "i32" || token.text == "i64") {
      message.help("whole numbers are static arguments of type `int`, labels have type `idx<V>`");
    } else if (!nearest.empty()) {
      message.help(fmt::format("did you mean `{}`?", nearest));
    } else {
      message.help("the types are `f32[...]`, `int`, `bool`, `real`, `fn`");
    }
    return nullptr;
  }
  take();
  if (result.word == "like") {
    std::optional<Name> name = expect_name("a name after `like`");
    if (!name) return nullptr;
    result.like = std::move(*name);
  }
  if (result.word == "idx") {
    if (!expect("<", "after `idx`")) return nullptr;
    result.range = sum();
    if (!expect(">", "after the size of `idx`")) return nullptr;
  }
  if ((result.word == "f32" || result.word == "idx") && accept("[")) {
    result.has_shape = true;
    while (!peek().is_symbol("]")) {
      result.dimensions.push_back(dimension());
      if (!accept(",")) break;
    }
    if (!expect("]", "after the dimensions")) return nullptr;
  }
  if (result.word == "f32" && !result.has_shape) {
    error(token, "`f32` needs its dimensions in brackets").help("a single number is `f32[]`");
  }
  ast_.types.push_back(std::move(result));
  return &ast_.types.back();
}

}  // namespace gradc::frontend
