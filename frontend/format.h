// The canonical layout of a spec: the same words and comments in the same order, with the spaces and indents that
// follow from them. Formatting twice changes nothing more; the syntax tree stays what it was.
//
// What the writer decides: where lines end, which statements share a line (`batch 32; steps 100`), and where a blank
// line groups them (one is kept). The rest is fixed:
//   - two spaces a block; a line that goes on is indented by four more, by two where it starts with `|>`, `then` or
//     `else`, and inside brackets by two more than the line that opens them;
//   - a block whose braces stand on different lines has its statements on lines of their own;
//   - one space around binary operators, none around `^` and `.`, none around `* / //` where they make indices and
//     sizes: in subscripts, shapes, and lists that are arguments: `x[i*stride + u]`, `pad(x, [0/0, 1/1])`;
//   - comments behind code stand two spaces behind it, those of consecutive lines in one column.
// Tests: tests/unit/test_format.cpp.
#pragma once
#include <optional>
#include <string>

#include "ir/diag.h"

namespace gradc::frontend {

// The text of `file` in its canonical layout. Nothing, and errors in `diagnostics`, where it does not parse.
std::optional<std::string> format_source(const ir::Sources& sources, int32_t file, ir::Diagnostics& diagnostics);

}  // namespace gradc::frontend
