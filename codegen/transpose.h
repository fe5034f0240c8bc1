// Turns a square of vectors: element i of vector k becomes element k of vector i. Tests:
// tests/native/test_transpose.cpp.
#pragma once
#include <llvm/IR/IRBuilder.h>

#include <vector>

namespace gradc::codegen {

// As many vectors as each has elements: a power of two, at least 4.
std::vector<llvm::Value*> transposed(llvm::IRBuilderBase& builder, std::vector<llvm::Value*> rows);

}  // namespace gradc::codegen
