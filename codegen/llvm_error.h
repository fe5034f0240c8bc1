// llvm::Error as our own. Internal to codegen and runtime/jit.cpp (LLVM types).
#pragma once
#include <llvm/Support/Error.h>

#include "ir/result.h"

namespace gradc::codegen {

inline ir::Error to_error(llvm::Error error) { return {llvm::toString(std::move(error))}; }

}  // namespace gradc::codegen
