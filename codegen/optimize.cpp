#include "codegen/optimize.h"

#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/Transforms/Scalar.h>

namespace gradc::codegen {

void optimize(llvm::Module& module, llvm::TargetMachine& machine, const KernelProgram& program,
              const Options& options) {
  if (options.opt_level == 0 || program.resident) return;
  llvm::legacy::PassManager passes;
  passes.add(llvm::createTargetTransformInfoWrapperPass(machine.getTargetIRAnalysis()));
  // Points of a tile have parts of their addresses in common. Found here, they are not selected again and again, and
  // loops carry one pointer for all of them.
  passes.add(llvm::createEarlyCSEPass());
  passes.add(llvm::createLICMPass());
  passes.run(module);
}

}  // namespace gradc::codegen
