#include "codegen/sanitize_threads.h"

#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/PassInstrumentation.h>
#include <llvm/IR/PassManager.h>
#include <llvm/Transforms/Instrumentation/ThreadSanitizer.h>

namespace gradc::codegen {
namespace {

// LLVM's pass reports scalars and vectors of up to 16 bytes and leaves out what is wider or masked.
class WideAccesses {
 public:
  explicit WideAccesses(llvm::Module& module) : module_(module), builder_(module.getContext()) {}

  void instrument(llvm::Instruction& instruction) {
    builder_.SetInsertPoint(&instruction);
    if (auto* load = llvm::dyn_cast<llvm::LoadInst>(&instruction)) {
      if (const uint64_t size = wide_size(load->getType())) call("__tsan_read_range", load->getPointerOperand(), size);
    } else if (auto* store = llvm::dyn_cast<llvm::StoreInst>(&instruction)) {
      if (const uint64_t size = wide_size(store->getValueOperand()->getType()))
        call("__tsan_write_range", store->getPointerOperand(), size);
    } else if (auto* masked = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction)) {
      if (masked->getIntrinsicID() != llvm::Intrinsic::masked_load) return;
      auto* vector = llvm::cast<llvm::FixedVectorType>(masked->getType());
      const uint64_t bytes = size_of(vector->getElementType());
      for (uint64_t lane = 0; lane < vector->getNumElements(); ++lane) {
        llvm::Value* address = builder_.CreateConstGEP1_64(vector->getElementType(), masked->getArgOperand(0), lane);
        call("__tsan_read_range", address, bytes, builder_.CreateExtractElement(masked->getArgOperand(2), lane));
      }
    }
  }

 private:
  uint64_t size_of(llvm::Type* type) const { return module_.getDataLayout().getTypeStoreSize(type); }
  uint64_t wide_size(llvm::Type* type) const {
    const uint64_t size = size_of(type);
    return size == 1 || size == 2 || size == 4 || size == 8 || size == 16 ? 0 : size;
  }

  void call(const char* name, llvm::Value* address, uint64_t size, llvm::Value* condition = nullptr) {
    llvm::Value* bytes = builder_.getInt64(size);
    if (condition != nullptr) bytes = builder_.CreateSelect(condition, bytes, builder_.getInt64(0));
    llvm::FunctionType* type =
        llvm::FunctionType::get(builder_.getVoidTy(), {builder_.getPtrTy(), builder_.getInt64Ty()}, false);
    builder_.CreateCall(module_.getOrInsertFunction(name, type), {address, bytes});
  }

  llvm::Module& module_;
  llvm::IRBuilder<> builder_;
};

}  // namespace

void sanitize_threads(llvm::Module& module) {
  llvm::FunctionAnalysisManager analyses;
  analyses.registerPass([] { return llvm::PassInstrumentationAnalysis(); });
  analyses.registerPass([] { return llvm::TargetLibraryAnalysis(); });
  llvm::ThreadSanitizerPass sanitizer;
  WideAccesses wide(module);
  for (llvm::Function& function : module) {
    if (function.isDeclaration()) continue;
    function.addFnAttr(llvm::Attribute::SanitizeThread);
    for (llvm::BasicBlock& block : function)
      for (llvm::Instruction& instruction : block) wide.instrument(instruction);
    sanitizer.run(function, analyses);
  }
}

}  // namespace gradc::codegen
