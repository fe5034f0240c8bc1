// IR text to functions, for tests.
#pragma once
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/tensor.h"

namespace gradc::tests {

// The module of the text; its diagnostics go to a failed doctest REQUIRE.
ir::Module module_from_text(const std::string& text);
// The only function of the text.
ir::Func func_from_text(const std::string& text);
// The rendered diagnostics of a faulty text; "" where it parses and verifies.
std::string errors_of_text(const std::string& text);
// The values of the first result of the text's only function, which has no arguments.
std::vector<double> values_of(const std::string& text);

}  // namespace gradc::tests
