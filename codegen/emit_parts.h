// The code that deals out the rounds of a kernel in parts (parts.h): by the host's parallel_for (abi.h), or all of them
// at once where there is none. One function serves all kernels that take as many offsets, because a function takes its
// time to compile, however short. Tests: tests/native/test_threads.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "codegen/emit_scalar.h"

namespace gradc::codegen {

// Makes a function of that name that gives nothing, and begins it; its pointers are `noalias`.
using MakeFunction = std::function<llvm::Function*(const std::string& name, const std::vector<llvm::Type*>& arguments)>;

// void run(`pointers` pointers and `offsets` offsets of the kernel, its code, how many rounds there are and in how many
// parts they are dealt out, parallel_for, pool).
llvm::Function* run_function(IrBuilder& builder, const MakeFunction& make, unsigned pointers, size_t offsets);

}  // namespace gradc::codegen
