// Reverse-mode differentiation of tensor IR, from IR to IR; the result can be differentiated again.
#pragma once
#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/gradient_rules.h"

namespace gradc::passes {

// `func` with further results `NAME.gradient`: the derivatives of its first result (a real scalar) with respect to the
// named arguments, zero where it does not depend on them.
// `rule` is another than the compiler's in tests of what finds a wrong one.
ir::Func differentiate(const ir::Func& func, const std::string& name, const std::vector<std::string>& wrt,
                       GradientRule rule = apply_gradient_rule);

// `func` with one result only for each value that passes a gradient on: `K`, the derivative of `func`'s first result
// with respect to its value of number K.
ir::Func all_gradients(const ir::Func& func, const std::vector<std::string>& wrt,
                       GradientRule rule = apply_gradient_rule);

// `func` with the operations in place of each `gradient %e, %x`, in order: a later one may differentiate an earlier
// one.
ir::Func write_out_gradients(const ir::Func& func);

// Writes out the gradients that functions ask for, and replaces every GradientRequest of the module by the function
// that it asks for.
ir::Module differentiate(const ir::Module& module);

}  // namespace gradc::passes
