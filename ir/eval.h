// The interpreter: what a program means. Slow, plain, value after value; compiled code equals it bit for bit.
//
// float32 sums run in the order of ir/sum_order.h. For gradient checks a function is first widened to f64 (ir/widen.h)
// and then evaluated by the same code.
#pragma once
#include <vector>

#include "ir/graph.h"
#include "ir/result.h"
#include "ir/tensor.h"

namespace gradc::ir {

// Beyond these the interpreter refuses before it starts; IR text is untrusted.
struct EvalLimits {
  int64_t bytes = int64_t{4} << 30;    // of all values together
  int64_t operations = 4'000'000'000;  // elements computed plus terms summed
};

// An error where evaluating `func` would go beyond the limits; ask before making large arguments.
Status check_limits(const Func& func, const EvalLimits& limits = {});

// The results of `func` for the arguments, both by position. Argument types must be those of the parameters (ENSURE).
// Storage, kernels and in-place updates don't matter to meaning and are ignored.
Result<std::vector<Tensor>> evaluate(const Func& func, std::vector<Tensor> arguments, const EvalLimits& limits = {});

// The same, but every value of the function, by ValueId.
Result<std::vector<Tensor>> evaluate_all(const Func& func, std::vector<Tensor> arguments,
                                         const EvalLimits& limits = {});

}  // namespace gradc::ir
