// Data blocks and train blocks.
//
//   data   = "data" NAME ( block | "=" "rows" row { row } | "=" source [ "windows" "(" expr ")" ] block ) tail
//   source = ( "csv" | "idx" | "chars" | "bytes" | "npy" | "safetensors" ) "(" STRING { "," STRING } ")"
//   tail   = [ "rows" expr ] [ "split" NAME expr { "," NAME expr } ] [ "test" source ]
//   metric = "metric" NAME "=" expr every "on" NAME "." NAME  |  "valid" "loss" every "on" NAME "." NAME
//   every  = "every" expr ( "steps" | "step" | "epochs" | "epoch" )
//   stop   = "stop" "when" "mean" "(" "loss" "," expr ")" "<" expr
#include <fmt/format.h>

#include <algorithm>

#include "frontend/parser.h"

namespace gradc::frontend {

// data sums { ... }                             rows by formula
// data seed = rows { x = [5, 3] } { x = ... }   literal rows
void Parser::data() {
  Definition definition = begin_definition(DefinitionKind::data);
  if (definition.name.text.empty()) return skip_definition();
  const std::string of = fmt::format("data `{}`", definition.name.text);
  if (accept("=")) {
    const Token source = peek();
    static constexpr const char* kFileKinds[] = {"csv", "idx", "chars", "bytes", "npy", "safetensors"};
    if (std::any_of(std::begin(kFileKinds), std::end(kFileKinds), [&](const char* word) { return source.is(word); })) {
      return data_source(definition, of);
    }
    if (!source.is_word("rows")) {
      error(source, fmt::format("expected `rows`, `{}` after `data {} =`, found {}", fmt::join(kFileKinds, "`, `"),
                                definition.name.text, describe(source)))
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
  data_tail(definition);
  end_definition(std::move(definition));
}

// ("images.gz", "labels.gz")
bool Parser::data_files(std::vector<Name>& files) {
  const Token source = take();
  if (!expect("(", fmt::format("after `{}`", source.text))) return false;
  do {
    if (peek().kind != TokenKind::string) {
      error(peek(), fmt::format("expected the name of a file in quotes, found {}", describe(peek())))
          .help(fmt::format("write `{}(\"file\")`", source.text));
      return false;
    }
    const Token file = take();
    files.push_back({file.text, file.location});
  } while (accept(","));
  return expect(")", "after the names of the files");
}

// csv("f.csv") { ... }; chars("f.txt") windows(T + 1) { ... }
void Parser::data_source(Definition& definition, const std::string& of) {
  definition.source = {peek().text, peek().location};
  if (!data_files(definition.files)) return skip_definition();
  if (peek().is_word("windows")) {
    take();
    if (!expect("(", "after `windows`")) return skip_definition();
    definition.windows = expression();
    if (!expect(")", "after the length of the windows")) return skip_definition();
  }
  definition.body = block(of);
  data_tail(definition);
  end_definition(std::move(definition));
}

// What may follow the rows of any data: rows 1000 split train 0.9, valid 0.1 test idx("images", "labels")
void Parser::data_tail(Definition& definition) {
  while (true) {
    const Token word = peek();
    if (word.is_word("rows") && !definition.row_count) {
      take();
      definition.row_count = expression();
    } else if (word.is_word("split") && definition.split.empty()) {
      take();
      do {
        std::optional<Name> part = expect_name("the name of a part: `train`, `valid` or `test`");
        if (!part) return skip_statement();
        definition.split.push_back({std::move(*part), expression()});
      } while (accept(","));
    } else if (word.is_word("test") && definition.test_files.empty()) {
      take();
      if (definition.source.text.empty() || peek().text != definition.source.text) {
        error(peek(), fmt::format("expected files of the same kind after `test`, found {}", describe(peek())))
            .help("write `test idx(\"images\", \"labels\")` after data from such files");
        return skip_statement();
      }
      if (!data_files(definition.test_files)) return skip_statement();
    } else {
      return;
    }
  }
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
  if (accept(".")) {
    std::optional<Name> part = expect_name("the name of a part of the data, such as `train`");
    if (!part) return skip_definition();
    definition.part = std::move(*part);
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
  static constexpr const char* kLines[] = {"loss", "optimizer", "batch",  "steps", "epochs", "seed",   "shuffle",
                                           "save", "log",       "metric", "valid", "stop",   "example"};
  if (std::none_of(std::begin(kLines), std::end(kLines), [&](const char* line) { return word.is(line); })) {
    auto& message = error(word, fmt::format("expected a line of a train block, found {}", describe(word)));
    const std::string nearest = ir::nearest_name(word.text, {std::begin(kLines), std::end(kLines)});
    if (!nearest.empty()) {
      message.help(fmt::format("did you mean `{}`?", nearest));
    } else {
      message.help(fmt::format("a train block holds `{}`", fmt::join(kLines, " ")));
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
    if (peek().is_word("every") && !every(item)) return skip_statement();
  } else if (word.is("metric") || word.is("valid")) {
    if (!metric_item(item)) return skip_statement();
  } else if (word.is("stop")) {
    if (!stop_item(item)) return skip_statement();
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

// every 10 steps; every 1 epoch
bool Parser::every(TrainItem& item) {
  if (!expect("every", "and a number of steps or epochs")) return false;
  item.every = expression();
  for (const char* word : {"steps", "step", "epochs", "epoch"}) {
    if (!accept(word)) continue;
    item.every_epochs = word[0] == 'e';
    return true;
  }
  error(peek(), fmt::format("expected `steps` or `epochs` after the number, found {}", describe(peek())));
  return false;
}

// metric accuracy = EXPRESSION every 1 epoch on digits.valid; valid loss every 100 steps on text.valid
bool Parser::metric_item(TrainItem& item) {
  if (item.word == "metric") {
    std::optional<Name> name = expect_name("the name of the metric");
    if (!name || !expect("=", "after the name of the metric")) return false;
    item.name = std::move(*name);
    item.value = expression();
  } else {
    item.name = {"loss", peek().location};
    if (!accept("loss")) {
      error(peek(), fmt::format("expected `loss` after `valid`, found {}", describe(peek())))
          .help("write `valid loss every 1 epoch on digits.valid`; other values are a `metric`");
      return false;
    }
  }
  if (!every(item)) return false;
  if (!accept("on")) {
    error(peek(), fmt::format("expected `on` and a part of the data, found {}", describe(peek())))
        .help("write `on digits.valid`");
    return false;
  }
  std::optional<Name> data = expect_name("the name of the data");
  if (!data) return false;
  item.data = std::move(*data);
  if (!accept(".")) return true;
  std::optional<Name> part = expect_name("the name of a part of the data");
  if (!part) return false;
  item.part = std::move(*part);
  return true;
}

// stop when mean(loss, 100) < 1e-6
bool Parser::stop_item(TrainItem& item) {
  const auto good = [&](const char* word) {
    if (accept(word)) return true;
    error(peek(), fmt::format("expected `{}`, found {}", word, describe(peek())))
        .help("write `stop when mean(loss, 100) < 1e-6`");
    return false;
  };
  if (!good("when") || !good("mean") || !good("(") || !good("loss") || !good(",")) return false;
  item.every = expression();
  if (!good(")") || !good("<")) return false;
  item.value = expression();
  return true;
}

}  // namespace gradc::frontend
