// The syntax tree of one spec file. Nodes live in the arena of their Ast and point at each other; expression trees are
// at most kMaxExpressionDepth deep, so that recursion over them is bounded. Every node knows its place.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "frontend/token.h"
#include "ir/source.h"

namespace gradc::frontend {

inline constexpr int kMaxExpressionDepth = 200;

struct Name {
  std::string text;
  ir::SourceLocation location;
};

struct Expr;
struct Block;

// An argument of a call: by position (no name) or by name.
struct Argument {
  Name name;  // text empty: by position
  const Expr* value = nullptr;
};

// An index where it is introduced: `i`, `i < n`, `..s`.
struct Index {
  Name name;
  bool pack = false;
  const Expr* limit = nullptr;  // may be null
};

enum class ExprKind : uint8_t {
  number,       // `number`; text "integer" for a whole number without point
  boolean,      // `number` is 0 or 1
  string,       // `text`
  name,         // `text`
  old_name,     // old `text`
  pack,         // ..`text`, only as a subscript or a dimension
  unary,        // `text` is - or not
  binary,       // `text` is the operator
  conditional,  // if operands[0] then operands[1] else operands[2]
  call,         // operands[0] ( arguments )
  subscript,    // operands[0] [ operands[1...] ]
  range,        // operands[0] .. operands[1], only as a subscript
  reduction,    // `text` [ indices ] operands[0]
  list,         // [ operands ]
  pipe,         // operands[0] |> operands[1]
  stop,         // stop ( operands[0] )
  when,         // when training blocks[0] else blocks[1]
  convert,      // idx< operands[0] > ( operands[1] )
  error,        // was reported by the parser
};

struct Expr {
  ExprKind kind = ExprKind::error;
  ir::SourceLocation location;  // of a binary the operator, else the first word
  ir::SourceLocation span;      // all of it, as far as it stands on the first line
  int depth = 1;
  std::string text;
  double number = 0;
  std::vector<const Expr*> operands;
  std::vector<Argument> arguments;
  std::vector<Index> indices;
  std::vector<const Block*> blocks;
  bool parenthesised = false;
};

// f32[..s, in], int, fn, like p, idx<V>[T]
struct TypeExpr {
  std::string word;  // f32 int bool real fn idx like
  ir::SourceLocation location;
  std::vector<const Expr*> dimensions;  // name, pack or any compile-time expression
  bool has_shape = false;               // brackets were written
  const Expr* range = nullptr;          // V of idx<V>
  Name like;
};

// A formal argument of a definition.
struct Formal {
  Name name;
  const TypeExpr* type = nullptr;       // null: a real
  const Expr* default_value = nullptr;  // may be null
};

enum class StatementKind : uint8_t {
  let,
  sample,
  param,
  state,
  assign,
  rebind,
  repeat,
  constant,
  expression,
  report,
  require
};

struct Statement {
  StatementKind kind = StatementKind::expression;
  ir::SourceLocation location;
  std::vector<Name> names;  // what is defined or assigned
  bool indexed = false;     // let y[...] = ...
  std::vector<Index> indices;
  const TypeExpr* type = nullptr;
  const Expr* value = nullptr;  // right side, count of a repeat, distribution of a sample, what is required
  const Block* body = nullptr;  // of a repeat
  Name text;                    // of a require: what is said where it does not hold
};

struct Block {
  std::vector<const Statement*> statements;
  ir::SourceLocation location;  // the opening brace
  ir::SourceLocation end;       // the closing brace
};

enum class DefinitionKind : uint8_t { constant, function, layer, model, loss, optimizer, data, train };

// One line of a train block.
struct TrainItem {
  std::string word;  // loss optimizer batch steps epochs seed shuffle save log example metric valid stop
  ir::SourceLocation location;
  const Expr* value = nullptr;   // of `stop when mean(loss, 100) < 1e-6` the bound
  std::vector<Argument> inputs;  // of an example
  std::string label;             // of an example: as "5 + 3"
  Name name;                     // of a metric
  const Expr* every = nullptr;   // metric, valid, save: how often; stop: the number of losses
  bool every_epochs = false;
  Name data, part;  // metric, valid: on digits.valid
};

// split train 0.9, valid 0.1
struct SplitShare {
  Name part;
  const Expr* share = nullptr;
};

struct Definition {
  DefinitionKind kind = DefinitionKind::constant;
  Name name;
  ir::SourceLocation location;  // the keyword
  size_t begin = 0, end = 0;    // its bytes in the file, with the comments that lead it
  std::vector<Formal> statics;  // first bracket of a layer, arguments of an optimizer
  std::vector<Formal> tensors;  // second bracket of a layer, arguments of a model, loss or fn
  const TypeExpr* result = nullptr;
  const Expr* value = nullptr;  // of a const, a fn
  const Block* body = nullptr;
  std::vector<Name> optimizer_names;  // p, g, t
  std::vector<const Block*> rows;     // literal data
  bool literal_rows = false;
  Name source;                      // of data from files: csv idx chars bytes
  std::vector<Name> files;          // their names, as written
  std::vector<Name> test_files;     // test idx("images", "labels")
  const Expr* windows = nullptr;    // of chars and bytes
  const Expr* row_count = nullptr;  // of formula data: `rows 1000` after the block
  std::vector<SplitShare> split;
  Name model, data, part;  // of a train block: model on data.part
  std::vector<TrainItem> items;
};

struct Import {
  std::string path;
  ir::SourceLocation location;
};

struct Ast {
  int32_t file = -1;
  int version = 0;  // 0: not said
  std::vector<Import> imports;
  std::vector<const Definition*> definitions;
  std::vector<Comment> comments;

  std::deque<Expr> expressions;
  std::deque<TypeExpr> types;
  std::deque<Statement> statements;
  std::deque<Block> blocks;
  std::deque<Definition> all_definitions;
};

const char* definition_word(DefinitionKind kind);  // "layer", "model", ...

}  // namespace gradc::frontend
