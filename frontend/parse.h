// Tokens -> syntax tree. Recovers at the end of a statement, so that one run reports several mistakes.
// Tests: tests/unit/test_frontend_parse.cpp.
#pragma once
#include "frontend/ast.h"
#include "ir/diag.h"

namespace gradc::frontend {

// The tree of a file that `sources` holds. Faulty parts are left out or are ExprKind::error; whether there were any,
// the diagnostics know.
Ast parse(const ir::Sources& sources, int32_t file, ir::Diagnostics& diagnostics);

}  // namespace gradc::frontend
