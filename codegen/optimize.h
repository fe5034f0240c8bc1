// LLVM's passes over a module. Internal to codegen (LLVM types).
#pragma once
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include "codegen/codegen.h"

namespace gradc::codegen {

void optimize(llvm::Module& module, llvm::TargetMachine& machine, const Options& options);

}  // namespace gradc::codegen
