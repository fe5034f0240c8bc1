// The machine that code is made for, as LLVM describes it. Internal to codegen (LLVM types).
#pragma once
#include <llvm/Target/TargetMachine.h>

#include <memory>

#include "codegen/codegen.h"

namespace gradc::codegen {

// The triple, the processor and every feature, as text; makes none of LLVM's tables, because a start from the cache
// needs no more.
std::string target_text(const Options& options);

// Only the host's architecture is initialised: that is cheap, all of LLVM's would not be.
ir::Result<std::unique_ptr<llvm::TargetMachine>> make_target_machine(const Options& options);

}  // namespace gradc::codegen
