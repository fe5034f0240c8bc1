// The definitions of a file: language, import, const, fn, layer, model, loss, optimizer.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/lexer.h"
#include "frontend/parser.h"

namespace gradc::frontend {

const char* definition_word(DefinitionKind kind) {
  switch (kind) {
    case DefinitionKind::constant:
      return "const";
    case DefinitionKind::function:
      return "fn";
    case DefinitionKind::layer:
      return "layer";
    case DefinitionKind::model:
      return "model";
    case DefinitionKind::loss:
      return "loss";
    case DefinitionKind::optimizer:
      return "optimizer";
    case DefinitionKind::data:
      return "data";
    case DefinitionKind::train:
      return "train";
  }
  return "";
}

namespace {
constexpr const char* kDefinitionWords[] = {"language", "import", "const",     "fn",   "layer",
                                            "model",    "loss",   "optimizer", "data", "train"};

}  // namespace

// `model adder`, `import "x"`: a word of the top level and what follows it.
bool starts_definition(const Token& token, const Token& next) {
  if (token.kind != TokenKind::keyword && token.kind != TokenKind::identifier) return false;
  const bool known = std::any_of(std::begin(kDefinitionWords), std::end(kDefinitionWords),
                                 [&](const char* word) { return token.text == word; });
  return known &&
         (next.kind == TokenKind::identifier || next.kind == TokenKind::string || next.kind == TokenKind::integer);
}

Ast Parser::run() {
  skip_line_ends();
  while (peek().kind != TokenKind::end) {
    const size_t before = position_;
    definition();
    skip_line_ends();
    if (position_ == before) take();
  }
  if (ast_.version == 0 && error_count_ == 0) {
    ir::SourceLocation first{file_, 1, 1, 1};
    diagnostics_.warning(first, "the file does not say its language version")
        .help("let the first line be `language 1`");
  }
  return std::move(ast_);
}

// To a line that starts a definition, outside all braces that were opened on the way.
void Parser::skip_definition() {
  while (peek().kind != TokenKind::end) {
    if (peek().kind == TokenKind::line_end && starts_definition(peek(1), peek(2)) && peek(1).location.column == 1)
      return;
    take();
  }
}

void Parser::definition() {
  const Token& token = peek();
  if (token.is_keyword("language")) return language();
  if (token.is_keyword("import")) return import();
  if (token.is_keyword("const")) return constant();
  if (token.is_keyword("fn")) return function();
  if (token.is_keyword("layer")) return layer();
  if (token.is_word("model")) return model();
  if (token.is_word("loss")) return loss();
  if (token.is_word("optimizer")) return optimizer();
  if (token.is_word("data")) return data();
  if (token.is_word("train")) return train();
  auto& message = error(token, fmt::format("expected a definition, found {}", describe(token)));
  const std::string nearest = ir::nearest_name(token.text, {std::begin(kDefinitionWords), std::end(kDefinitionWords)});
  if (!nearest.empty()) {
    message.help(fmt::format("did you mean `{}`?", nearest));
  } else if (token.is_keyword("let") || token.is_keyword("param")) {
    message.help(
        fmt::format("`{}` stands in the body of a definition; a number for the whole file is a `const`", token.text));
  } else if (token.is_symbol("}")) {
    message.help("this brace was never opened");
  } else {
    message.help("a file holds `language import const fn layer model loss optimizer data train`");
  }
  take();
  skip_definition();
}

Definition Parser::begin_definition(DefinitionKind kind) {
  Definition definition;
  definition.kind = kind;
  definition.location = peek().location;
  definition.begin = peek().offset;
  // Comments on lines of their own right above belong to the definition.
  uint32_t line = definition.location.line;
  for (auto comment = ast_.comments.rbegin(); comment != ast_.comments.rend(); ++comment) {
    if (comment->offset >= peek().offset) continue;
    if (!comment->own_line || comment->location.line + 1 != line) break;
    line = comment->location.line;
    definition.begin = comment->offset;
  }
  take();
  if (kind == DefinitionKind::train && peek().is_symbol("{")) {
    error(peek(), "a train block needs a name").help("write `train NAME: MODEL on DATA { ... }`");
    return definition;
  }
  if (std::optional<Name> name = expect_name(fmt::format("the name of the {}", definition_word(kind)))) {
    if (is_reduction(name->text)) {
      diagnostics_.error(name->location, fmt::format("`{}` is built in and cannot be a name", name->text));
      ++error_count_;
    }
    definition.name = std::move(*name);
  }
  return definition;
}

void Parser::end_definition(Definition definition) {
  const Token& last = tokens_[position_ > 0 ? position_ - 1 : 0];
  definition.end = last.offset + last.location.length;
  ast_.all_definitions.push_back(std::move(definition));
  ast_.definitions.push_back(&ast_.all_definitions.back());
  end_statement();
}

void Parser::language() {
  const Token word = take();
  const bool first = ast_.version == 0 && ast_.definitions.empty() && ast_.imports.empty();
  if (peek().kind != TokenKind::integer) {
    error(peek(), fmt::format("expected the number of a language version, found {}", describe(peek())));
    return skip_statement();
  }
  const Token number = take();
  if (!first) {
    error(word, "`language` stands once, on the first line");
  } else if (number.number != 1) {
    error(number, fmt::format("language version {} is unknown to this compiler", number.number))
        .help("it knows `language 1`");
  }
  ast_.version = 1;
  end_statement();
}

void Parser::import() {
  const Token word = take();
  if (peek().kind != TokenKind::string) {
    error(peek(), fmt::format("expected the name of a file in quotes, found {}", describe(peek())));
    return skip_statement();
  }
  ast_.imports.push_back({peek().text, peek().location});
  take();
  end_statement();
}

void Parser::constant() {
  Definition definition = begin_definition(DefinitionKind::constant);
  if (definition.name.text.empty() || !expect("=", "after the name of the constant")) return skip_statement();
  definition.value = expression();
  end_definition(std::move(definition));
}

// `(x: f32[n], rate = 0.1, act: fn)`
std::vector<Formal> Parser::formals(std::string_view of) {
  std::vector<Formal> result;
  if (!expect("(", fmt::format("before the arguments of {}", of))) return result;
  while (!peek().is_symbol(")")) {
    Formal formal;
    std::optional<Name> name = expect_name("the name of an argument");
    if (!name) break;
    formal.name = std::move(*name);
    if (accept(":")) {
      formal.type = type();
      if (!formal.type) break;
    }
    if (accept("=")) formal.default_value = expression();
    result.push_back(std::move(formal));
    if (!accept(",")) break;
  }
  if (!expect(")", "after the arguments")) {
    while (!at_line_end() && !peek().is_symbol(")") && !peek().is_symbol("{")) take();
    accept(")");
  }
  return result;
}

// fn relu(x) = max(x, 0)        fn f(x) { let y = x^2; y }
void Parser::function() {
  Definition definition = begin_definition(DefinitionKind::function);
  if (definition.name.text.empty()) return skip_definition();
  definition.tensors = formals(fmt::format("fn `{}`", definition.name.text));
  for (const Formal& formal : definition.tensors) {
    if (!formal.type) continue;
    diagnostics_
        .error(formal.type->location, "the arguments of a `fn` have no type: it works on numbers, element by element")
        .help("make it a `layer` to work on whole tensors");
  }
  if (accept("=")) {
    definition.value = expression();
  } else if (peek().is_symbol("{")) {
    definition.body = block(fmt::format("fn `{}`", definition.name.text));
  } else {
    error(peek(), fmt::format("expected `=` or `{{` after the arguments of fn `{}`, found {}", definition.name.text,
                              describe(peek())));
    return skip_definition();
  }
  end_definition(std::move(definition));
}

void Parser::layer() {
  Definition definition = begin_definition(DefinitionKind::layer);
  if (definition.name.text.empty()) return skip_definition();
  const std::string of = fmt::format("layer `{}`", definition.name.text);
  definition.tensors = formals(of);
  if (peek().is_symbol("(")) {
    definition.statics = std::move(definition.tensors);
    definition.tensors = formals(of);
  }
  if (!expect("->", "and the type of the result, such as `-> f32[n]`")) return skip_definition();
  definition.result = type();
  if (!definition.result) return skip_definition();
  definition.body = block(of);
  end_definition(std::move(definition));
}

void Parser::model() {
  Definition definition = begin_definition(DefinitionKind::model);
  if (definition.name.text.empty()) return skip_definition();
  const std::string of = fmt::format("model `{}`", definition.name.text);
  definition.tensors = formals(of);
  if (peek().is_symbol("(")) {
    error(peek(), "a model has one bracket: its inputs")
        .help("numbers that shape a model are `const`s: `-D N=8` sets them");
    return skip_definition();
  }
  if (!expect("->", "and the type of the result, such as `-> f32[n]`")) return skip_definition();
  definition.result = type();
  if (!definition.result) return skip_definition();
  definition.body = block(of);
  end_definition(std::move(definition));
}

void Parser::loss() {
  Definition definition = begin_definition(DefinitionKind::loss);
  if (definition.name.text.empty()) return skip_definition();
  const std::string of = fmt::format("loss `{}`", definition.name.text);
  definition.tensors = formals(of);
  if (peek().is_symbol("->")) {
    error(peek(), "a loss has no result type: it is one number per sample");
    take();
    type();
  }
  definition.body = block(of);
  end_definition(std::move(definition));
}

// optimizer sgd(lr, momentum = 0) on (p, g, t) { ... }
void Parser::optimizer() {
  Definition definition = begin_definition(DefinitionKind::optimizer);
  if (definition.name.text.empty()) return skip_definition();
  const std::string of = fmt::format("optimizer `{}`", definition.name.text);
  definition.statics = formals(of);
  if (!accept("on")) {
    error(peek(), fmt::format("expected `on (p, g, t)` after the arguments of {}, found {}", of, describe(peek())))
        .help("`on` names the parameter, its gradient and the step number");
    return skip_definition();
  }
  if (!expect("(", "after `on`")) return skip_definition();
  do {
    std::optional<Name> name = expect_name("a name for parameter, gradient or step");
    if (!name) return skip_definition();
    definition.optimizer_names.push_back(std::move(*name));
  } while (accept(","));
  if (!expect(")", "after the names")) return skip_definition();
  if (definition.optimizer_names.size() != 3) {
    error(peek(), fmt::format("{} takes three names after `on`, found {}", of, definition.optimizer_names.size()))
        .label(definition.optimizer_names.front().location, "parameter, gradient and step: `on (p, g, t)`");
    return skip_definition();
  }
  definition.body = block(of);
  end_definition(std::move(definition));
}

}  // namespace gradc::frontend
