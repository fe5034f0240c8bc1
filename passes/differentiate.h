// Reverse-mode differentiation of tensor IR, from IR to IR; the result can be differentiated again.
#pragma once
#include <string>
#include <vector>

#include "ir/graph.h"

namespace gradc::passes {

// `func` with further results `NAME.gradient`: the derivatives of its first result (a real scalar) with respect to the
// named arguments, zero where it does not depend on them.
ir::Func differentiate(const ir::Func& func, const std::string& name, const std::vector<std::string>& wrt);

// Replaces every GradientRequest of the module by the function that it asks for.
ir::Module differentiate(const ir::Module& module);

}  // namespace gradc::passes
