// Where loads and stores of kernels go: to memory, or, in a resident program, to registers. Internal to codegen.
#pragma once
#include <array>
#include <map>
#include <set>
#include <vector>

#include "codegen/emit_scalar.h"

namespace gradc::codegen {

// A pointer for each ir::Space.
using SpacePointers = std::array<llvm::Value*, 6>;

// State and arena of a program that is one straight line: for each element, the register and the lane that hold it.
// What is stored as one vector stays one vector. Elements that a step reads before it stores them are loaded once
// before the loop over steps, together as the first load asks for them; those that the step changes are carried around
// the loop and stored after it.
class RegisterMemory {
 public:
  // `before` is the block in front of the loop: its terminator must exist. `head` is the loop's first block.
  RegisterMemory(IrBuilder& builder, const SpacePointers& pointers, llvm::BasicBlock* before, llvm::BasicBlock* head)
      : builder_(builder), pointers_(pointers), before_(before), head_(head) {}

  static bool holds(ir::Space space) { return space == ir::Space::state || space == ir::Space::arena; }
  // `count` elements that are `distance` bytes apart: a vector, of one element a scalar.
  llvm::Value* load(ir::Space space, int64_t offset, int64_t distance, int count, ir::DType dtype);
  // As many as `value` has.
  void store(ir::Space space, int64_t offset, int64_t distance, ir::DType dtype, llvm::Value* value);
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
    int lane;  // of a vector
    ir::DType dtype;
  };
  // Values that one phi carries around the loop.
  struct Carried {
    llvm::PHINode* phi;
    llvm::Value* first;  // in the first step
    std::vector<Place> places;
    ir::DType dtype;
  };
  void load_first(const std::vector<Place>& places, ir::DType dtype);
  llvm::Value* load_before(const std::vector<Place>& places, ir::DType dtype);
  llvm::Value* gather(const std::vector<Place>& places, ir::DType dtype);
  void put(const std::vector<Place>& places, ir::DType dtype, llvm::Value* value);
  static bool adjacent(const std::vector<Place>& places, ir::DType dtype);
  llvm::Value* pointer(Place place);

  IrBuilder& builder_;
  const SpacePointers& pointers_;
  llvm::BasicBlock *before_, *head_;
  std::map<Place, Entry> values_;
  std::vector<Carried> carried_;
  std::set<Place> stored_;  // of the state
};

// Booleans are bytes in memory.
llvm::Type* memory_type(llvm::LLVMContext& context, ir::DType dtype);
llvm::Value* from_memory(IrBuilder& builder, ir::DType dtype, llvm::Value* value);
llvm::Value* to_memory(IrBuilder& builder, ir::DType dtype, llvm::Value* value);
llvm::Value* byte_pointer(IrBuilder& builder, llvm::Value* base, int64_t offset);

}  // namespace gradc::codegen
