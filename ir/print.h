// Tensor IR as text. parse(print(m)) gives m again, and print(parse(s)) == s for every s that print made; the pass
// runner checks both at every pass boundary. Grammar: docs/architecture.md, "The text of the IR".
#pragma once
#include <string>

#include "ir/graph.h"

namespace gradc::ir {

std::string print(const Module& module);
std::string print(const Func& func, const std::vector<std::string>& files);

// A real number in the fewest digits that read back to the same bits; inf, -inf, nan.
std::string print_number(double value, DType dtype);

}  // namespace gradc::ir
