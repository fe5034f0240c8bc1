// Types and their dimensions.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/parser.h"

namespace gradc::frontend {

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
