// Data blocks and train blocks.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/parser.h"

namespace gradc::frontend {

void Parser::refuse(const Token& token, std::string_view construct) {
  error(token, fmt::format("{} is not supported yet", construct));
  skip_statement();
}

// data sums { ... }                             rows by formula
// data seed = rows { x = [5, 3] } { x = ... }   literal rows
void Parser::data() {
  Definition definition = begin_definition(DefinitionKind::data);
  if (definition.name.text.empty()) return skip_definition();
  const std::string of = fmt::format("data `{}`", definition.name.text);
  if (accept("=")) {
    const Token source = peek();
    static constexpr const char* kFileKinds[] = {"csv", "npy", "safetensors", "idx", "chars", "bytes"};
    if (std::any_of(std::begin(kFileKinds), std::end(kFileKinds), [&](const char* word) { return source.is(word); })) {
      refuse(source, fmt::format("data from a file with `{}`", source.text));
      return skip_definition();
    }
    if (!source.is_word("rows")) {
      error(source, fmt::format("expected `rows` after `data {} =`, found {}", definition.name.text, describe(source)))
          .help("rows by formula: `data NAME { ... }`; literal rows: `data NAME = rows { x = [1, 2] }`");
      return skip_definition();
    }
    take();
    definition.literal_rows = true;
    if (!peek().is_symbol("{")) {
      error(peek(), fmt::format("expected `{{` for the first row, found {}", describe(peek())));
      return skip_definition();
    }
    while (true) {
      definition.rows.push_back(row(of));
      // Rows may stand on lines of their own.
      size_t ahead = 0;
      while (peek(ahead).kind == TokenKind::line_end) ++ahead;
      if (!peek(ahead).is_symbol("{")) break;
      for (; ahead > 0; --ahead) take();
    }
  } else {
    definition.body = block(of);
  }
  if (peek().is_word("split") || peek().is_word("windows") || peek().is_word("test")) {
    refuse(peek(), fmt::format("`{}` of data", peek().text));
  }
  end_definition(std::move(definition));
}

// { x = [5, 3], target = [8] }: columns end at a comma, `;` or the line end.
const Block* Parser::row(const std::string& of) {
  ast_.blocks.emplace_back();
  Block& block = ast_.blocks.back();
  block.location = take().location;
  skip_line_ends();
  while (!peek().is_symbol("}") && peek().kind != TokenKind::end) {
    const size_t before = position_;
    if (peek().kind == TokenKind::identifier && peek(1).is_symbol("=")) {
      assignment(block, StatementKind::rebind);
    } else {
      error(peek(), fmt::format("expected a column `x = [...]`, found {}", describe(peek())));
      skip_statement();
    }
    if (!accept(",")) end_statement();
    skip_line_ends();
    if (position_ == before) take();
  }
  block.end = peek().location;
  if (!accept("}")) {
    error(peek(), fmt::format("expected `}}` at the end of a row of {}, found the end of the file", of))
        .label(block.location, "opened here")
        .label(peek().location);
  }
  return &block;
}

// train add: adder on sums { ... }
void Parser::train() {
  Definition definition = begin_definition(DefinitionKind::train);
  if (definition.name.text.empty()) return skip_definition();
  if (!expect(":", "and a model after the name of the run")) return skip_definition();
  std::optional<Name> model = expect_name("the name of a model");
  if (!model) return skip_definition();
  definition.model = std::move(*model);
  if (!accept("on")) {
    error(peek(), fmt::format("expected `on` and the name of the data, found {}", describe(peek())));
    return skip_definition();
  }
  std::optional<Name> data = expect_name("the name of the data");
  if (!data) return skip_definition();
  definition.data = std::move(*data);
  if (peek().is_symbol(".")) {
    refuse(peek(), "a part of the data (`.train`, `.test`)");
    return skip_definition();
  }
  const ir::SourceLocation open = peek().location;
  if (!expect("{", fmt::format("for the body of train `{}`", definition.name.text))) return skip_definition();
  skip_line_ends();
  while (!peek().is_symbol("}") && peek().kind != TokenKind::end) {
    const size_t before = position_;
    train_item(definition);
    end_statement();
    skip_line_ends();
    if (position_ == before) take();
  }
  if (!accept("}")) {
    error(peek(),
          fmt::format("expected `}}` at the end of train `{}`, found the end of the file", definition.name.text))
        .label(open, "opened here")
        .label(peek().location);
  }
  end_definition(std::move(definition));
}

void Parser::train_item(Definition& definition) {
  const Token word = peek();
  TrainItem item;
  item.word = word.text;
  item.location = word.location;
  const auto is_one_of = [&](std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(), [&](const char* other) { return word.is(other); });
  };
  if (is_one_of({"metric", "valid", "epochs", "stop", "when", "every"})) {
    return refuse(word, fmt::format("`{}` in a train block", word.text));
  }
  if (!is_one_of({"loss", "optimizer", "batch", "steps", "seed", "shuffle", "save", "log", "example"})) {
    auto& message = error(word, fmt::format("expected a line of a train block, found {}", describe(word)));
    const std::string nearest = ir::nearest_name(
        word.text, {"loss", "optimizer", "batch", "steps", "seed", "shuffle", "save", "log", "example"});
    if (!nearest.empty()) {
      message.help(fmt::format("did you mean `{}`?", nearest));
    } else {
      message.help("a train block holds `loss optimizer batch steps seed shuffle save log example`");
    }
    return skip_statement();
  }
  take();
  if (word.is("example")) {
    do {
      Argument input;
      std::optional<Name> name = expect_name("the name of an input after `example`");
      if (!name || !expect("=", "after the name of the input")) return skip_statement();
      input.name = std::move(*name);
      input.value = expression();
      item.inputs.push_back(std::move(input));
    } while (accept(","));
    if (accept("as")) {
      if (peek().kind != TokenKind::string) {
        error(peek(), fmt::format("expected a label in quotes after `as`, found {}", describe(peek())))
            .help("write `example x = [5, 3] as \"5 + 3\"`");
        return skip_statement();
      }
      item.label = take().text;
    }
  } else if (word.is("save")) {
    if (peek().kind != TokenKind::string) {
      error(peek(), fmt::format("expected the name of a file in quotes after `save`, found {}", describe(peek())));
      return skip_statement();
    }
    item.value = expression();
    if (peek().is_word("every")) return refuse(peek(), "`save ... every`");
  } else if (word.is("log")) {
    if (!accept("every")) {
      error(peek(), fmt::format("expected `every` after `log`, found {}", describe(peek())))
          .help("write `log every 100 steps`");
      return skip_statement();
    }
    item.value = expression();
    if (!accept("steps")) {
      error(peek(), fmt::format("expected `steps` after the number, found {}", describe(peek())))
          .help("write `log every 100 steps`");
      return skip_statement();
    }
  } else {
    if (peek().is_symbol("=")) {
      error(peek(), fmt::format("`{}` takes its value without `=`", word.text))
          .help(fmt::format("write `{} ...`", word.text));
      return skip_statement();
    }
    item.value = expression();
  }
  definition.items.push_back(std::move(item));
}

}  // namespace gradc::frontend
