// LLVM IR for the elementwise operations, on scalars or vectors alike: one operation becomes the same instructions
// whatever the width, so every lane has the same bits. Internal to codegen (LLVM types).
//
// No fast-math flag is ever set. Booleans are i1 in registers and a byte (0 or 1) in memory.
#pragma once
#include <llvm/IR/IRBuilder.h>

#include <span>

#include "codegen/kernel.h"

namespace gradc::codegen {

using IrBuilder = llvm::IRBuilder<>;

// The register type of one element.
llvm::Type* element_type(llvm::LLVMContext& context, ir::DType dtype);

class ScalarEmitter {
 public:
  ScalarEmitter(IrBuilder& builder, bool software_fma) : builder_(builder), software_fma_(software_fma) {}

  llvm::Value* constant(double number, ir::DType dtype);
  // `operand_dtype` is that of the last operand (of `less`: what is compared; of `cast`: what is converted).
  llvm::Value* apply(ir::Op op, ir::DType dtype, ir::DType operand_dtype, std::span<llvm::Value* const> operands);
  // Key words, place, sample and element are i32 or vectors of it.
  llvm::Value* random(std::span<llvm::Value* const> key, llvm::Value* place, llvm::Value* sample, llvm::Value* element);

  // a * b + c rounded once.
  llvm::Value* fma(llvm::Value* a, llvm::Value* b, llvm::Value* c);

 private:
  llvm::Value* fma_in_double(llvm::Value* a, llvm::Value* b, llvm::Value* c);

  IrBuilder& builder_;
  bool software_fma_;
};

}  // namespace gradc::codegen
