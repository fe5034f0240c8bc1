// Where loads and stores of kernels go: to memory, or, in a resident program, to registers. Internal to codegen.
#pragma once
#include <array>
#include <map>

#include "codegen/emit_scalar.h"

namespace gradc::codegen {

// A pointer for each ir::Space.
using SpacePointers = std::array<llvm::Value*, 6>;

// State and arena of a program that is one straight line: a value for each element that has been touched. Elements are
// loaded once before the loop over steps; those that a step changes are carried around it and stored after it.
class RegisterMemory {
 public:
  // `before` is the block in front of the loop: its terminator must exist.
  RegisterMemory(IrBuilder& builder, const SpacePointers& pointers, llvm::BasicBlock* before)
      : builder_(builder), pointers_(pointers), before_(before) {}

  static bool holds(ir::Space space) { return space == ir::Space::state || space == ir::Space::arena; }
  // Call at the head of the loop, once for each state element that the step stores.
  void carry(int64_t offset, ir::DType dtype);
  llvm::Value* load(ir::Space space, int64_t offset, ir::DType dtype);
  void store(ir::Space space, int64_t offset, ir::DType dtype, llvm::Value* value);
  // Closes the carried values at the end of the loop's body, and stores them in `after`.
  void finish(llvm::BasicBlock* latch, llvm::BasicBlock* after);

 private:
  struct Place {
    ir::Space space;
    int64_t offset;
    auto operator<=>(const Place&) const = default;
  };
  struct Entry {
    llvm::Value* value;
    ir::DType dtype;
  };
  llvm::Value* load_before(Place place, ir::DType dtype);

  IrBuilder& builder_;
  const SpacePointers& pointers_;
  llvm::BasicBlock* before_;
  std::map<Place, Entry> values_;
  std::map<int64_t, std::pair<llvm::PHINode*, ir::DType>> carried_;
};

// Booleans are bytes in memory.
llvm::Type* memory_type(llvm::LLVMContext& context, ir::DType dtype);
llvm::Value* from_memory(IrBuilder& builder, ir::DType dtype, llvm::Value* value);
llvm::Value* to_memory(IrBuilder& builder, ir::DType dtype, llvm::Value* value);
llvm::Value* byte_pointer(IrBuilder& builder, llvm::Value* base, int64_t offset);

}  // namespace gradc::codegen
