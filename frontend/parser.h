// The recursive-descent parser behind parse(). One member function a rule of the grammar in docs/language.md; the three
// .cpp files hold expressions, statements with definitions, and data with train blocks.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/ast.h"
#include "frontend/lexer.h"
#include "ir/diag.h"

namespace gradc::frontend {

bool starts_definition(const Token& token, const Token& next);

class Parser {
 public:
  Parser(int32_t file, TokenList list, ir::Diagnostics& diagnostics);
  Ast run();

 private:
  // Tokens
  const Token& peek(size_t ahead = 0) const;
  const Token& take();
  bool accept(const char* symbol_or_word);
  bool expect(const char* symbol, std::string_view where);
  std::optional<Name> expect_name(std::string_view what);
  bool at_line_end() const;
  void skip_line_ends();
  // After a mistake: to the end of the statement (never past a closing brace); `skip_definition` to the next
  // definition.
  void skip_statement();
  void skip_definition();
  void end_statement();
  ir::Diagnostic& error(const Token& token, std::string message);
  std::string describe(const Token& token) const;

  // Expressions and types (parse_expression.cpp, parse_primary.cpp, parse_type.cpp)
  const Expr* expression();
  const Expr* conditional();
  const Expr* disjunction();
  const Expr* conjunction();
  const Expr* negation();
  const Expr* comparison();
  const Expr* sum();
  const Expr* product();
  const Expr* signed_factor(bool after_division);
  const Expr* power(bool after_division);
  const Expr* postfix();
  const Expr* primary();
  const Expr* reduction(bool after_division);
  const Expr* list();
  const Expr* when();
  const Expr* subscript_element();
  std::vector<Argument> arguments();
  std::vector<Index> indices();
  Expr* make(ExprKind kind, const Token& token);
  const Expr* make_binary(const Token& symbol, const Expr* left, const Expr* right);
  const Expr* finish(Expr* expr);
  const Expr* broken(const Token& token);
  const Expr* too_deep();
  const TypeExpr* type();
  const Expr* dimension();

  // Statements (parse_statement.cpp)
  const Block* block(std::string_view of);
  void statement(Block& block);
  void let(Block& block);
  void declaration(Block& block, StatementKind kind);
  void repeat(Block& block);
  void require(Block& block);
  void assignment(Block& block, StatementKind kind);
  void add(Block& block, Statement statement);

  // Definitions (parse_definition.cpp)
  void definition();
  void language();
  void import();
  void constant();
  void function();
  void layer();
  void model();
  void loss();
  void optimizer();
  void data();
  bool data_files(std::vector<Name>& files);
  void data_source(Definition& definition, const std::string& of);
  void data_tail(Definition& definition);
  const Block* row(const std::string& of);
  void train();
  void train_item(Definition& definition);
  bool every(TrainItem& item);
  bool metric_item(TrainItem& item);
  bool stop_item(TrainItem& item);
  std::vector<Formal> formals(std::string_view of);
  Definition begin_definition(DefinitionKind kind);
  void end_definition(Definition definition);

  int32_t file_;
  std::vector<Token> tokens_;
  ir::Diagnostics& diagnostics_;
  Ast ast_;
  size_t position_ = 0;
  size_t last_error_ = SIZE_MAX;  // the token of the last message: at most one a token
  ir::Diagnostic unheard_;        // takes what is not reported
  size_t error_count_ = 0;
  int depth_ = 0;  // of the recursion
};

}  // namespace gradc::frontend
