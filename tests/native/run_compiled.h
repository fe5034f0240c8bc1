// Runs functions as machine code on memory that the test lays out, for comparison with the interpreter.
#pragma once
#include <string>
#include <vector>

#include "codegen/codegen.h"
#include "ir/tensor.h"

namespace gradc {

// Only function of the IR text; the test fails where the text is faulty.
ir::Func func_of(const std::string& text);

// order, fuse and plan_memory, as in the pipeline.
ir::Func planned(const ir::Func& func);
// The same, but every value that can be is stored by a kernel of its own.
ir::Func planned_apart(const ir::Func& func);

// The results of a planned function after `steps` steps on the same arguments. Results that replace an argument come
// from the state, the others from the last step.
std::vector<ir::Tensor> run_compiled(const ir::Func& planned, const std::vector<ir::Tensor>& arguments,
                                     const codegen::Options& options, int64_t steps = 1, int threads = 1);

// Values of every kind, from the seed alone: small and large ones, both zeros, sometimes inf and NaN.
std::vector<ir::Tensor> some_arguments(const ir::Func& func, uint32_t seed, bool special = false);

// Compiled = interpreted, bit for bit, after `steps` steps of a planned function; the test fails where not.
void check_compiled(const ir::Func& planned, const std::vector<ir::Tensor>& arguments, const codegen::Options& options,
                    int64_t steps, int threads = 1);
// The same, fused and apart, at every vector width, with and without unrolling, with all kernels in parts on several
// threads, and at O0.
void check_compiled(const ir::Func& func, uint32_t seed = 1, bool special = false);

// What several runs of the interpreter give when results replace the arguments of their names.
std::vector<ir::Tensor> interpret_steps(const ir::Func& func, std::vector<ir::Tensor> arguments, int64_t steps);

}  // namespace gradc
