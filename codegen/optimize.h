// LLVM's passes over a module. Internal to codegen (LLVM types).
//
// Emitted code is in SSA form with constant strides already, so that little is left to do. Measured
// (docs/performance.md): loop-invariant code motion makes programs with loops a fifth faster for 0.7 ms; early-cse
// makes code no faster, but there is less of it to generate; instcombine, O1 and O2 gain nothing more, O2 even loses. A
// resident program needs no pass.
// By the pass manager that code generation uses: LLVM's other one brings all passes that there are into the program,
// whose start they slow down.
#pragma once
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include "codegen/codegen.h"

namespace gradc::codegen {

void optimize(llvm::Module& module, llvm::TargetMachine& machine, const KernelProgram& program, const Options& options);

}  // namespace gradc::codegen
