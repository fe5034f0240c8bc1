// The syntax tree as text: a canonical spec without comments. Parsing it again gives the same tree.
// What `gradc compile --emit ast` prints. Tests: tests/unit/test_frontend_parse.cpp.
#pragma once
#include <string>

#include "frontend/ast.h"

namespace gradc::frontend {

std::string print_ast(const Ast& ast);
std::string print_definition(const Definition& definition);
// With the fewest parentheses that keep the meaning, and those that were written around reductions.
std::string print_expression(const Expr& expr);
std::string print_type(const TypeExpr& type);

}  // namespace gradc::frontend
