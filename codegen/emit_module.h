// A program as an LLVM module: the step function of codegen/abi.h, the loop over steps, and the kernels. Internal to
// codegen (LLVM types).
//
//   NAME(state, data, hyper, steps, context)   what the host calls: takes the context apart
//   NAME.steps(state, ..., steps, strides)     the loop over steps; its pointers are known not to overlap
//   NAME.kernel.K(state, data, hyper, arena, results, numbers, rounds)   one for all kernels that are the same loops
//   NAME.kernel.K.part(environment, i)         one part of it, for the host's parallel_for
//   NAME.kernel.K.run(..., parallel_for, pool) all its parts
// The kernels of a resident program are written into the loop itself.
#pragma once
#include <llvm/IR/Module.h>

#include <memory>

#include "codegen/codegen.h"
#include "codegen/shares.h"

namespace gradc::codegen {

// The name of the step function: the program's with everything but letters and digits replaced by `_`.
std::string symbol_name(const KernelProgram& program);

// The module of one share; the step function and the loop are in the first.
// `groups` are those of group_kernels, by place where there is debug information.
std::unique_ptr<llvm::Module> emit_module(const KernelProgram& program, const std::vector<KernelGroup>& groups,
                                          const Options& options, llvm::LLVMContext& context, const Share& share);

}  // namespace gradc::codegen
