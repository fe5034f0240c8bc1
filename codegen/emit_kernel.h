// One kernel as LLVM instructions at the builder's place. Internal to codegen (LLVM types).
//
// At most one axis fills vectors at a time. A value that does not depend on it stays scalar and is spread when it meets
// one that does. What is left of an axis after whole vectors is done in one shorter vector (LLVM makes legal pieces of
// any length), so there are no masks except for loads under a predicate.
#pragma once
#include <functional>
#include <map>

#include "codegen/memory.h"

namespace gradc::codegen {

struct EmitContext {
  IrBuilder& builder;
  ScalarEmitter scalar;
  SpacePointers pointers{};
  RegisterMemory* registers = nullptr;  // of a resident program
  // A debug location for a place; null where there is none.
  std::function<llvm::DebugLoc(const ir::SourceLocation&)> debug_location;
  // By buffer: its offset in bytes where that is an argument; null or missing: the offset of the program.
  std::vector<llvm::Value*> offsets;
  // The same of the places of random numbers, as i32; missing: the place itself.
  std::map<int64_t, llvm::Value*> places;
  // Of the loop that is in parts, the rounds to run, as i64; null: all.
  llvm::Value* first_round = nullptr;
  llvm::Value* end_round = nullptr;
};

void emit_kernel(EmitContext& context, const KernelProgram& program, const Kernel& kernel);

}  // namespace gradc::codegen
