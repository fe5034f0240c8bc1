// What operators stand between: calls, subscripts, lists, names, numbers, words of the language.
#include <fmt/format.h>

#include "frontend/parser.h"

namespace gradc::frontend {

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

}  // namespace gradc::frontend
