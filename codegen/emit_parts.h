// The code that deals out the rounds of a kernel in parts (parts.h): by the host's parallel_for (abi.h), or all of them
// at once where there is none. One function serves all kernels that take as many numbers, because a function takes its
// time to compile, however short. Tests: tests/native/test_threads.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "codegen/emit_scalar.h"

namespace gradc::codegen {

// Makes a function of that name that gives nothing, and begins it; its pointers are `noalias`.
using MakeFunction = std::function<llvm::Function*(const std::string& name, const std::vector<llvm::Type*>& arguments)>;

// void run(context, the kernel's code, how many rounds there are and in how many parts they are dealt out, `numbers`
// numbers). The context is words in memory: the kernel's pointers, parallel_for, pool. It is written once a step,
// because what a call hands over itself has to be compiled for each call.
llvm::Function* run_function(IrBuilder& builder, const MakeFunction& make, unsigned pointers, size_t numbers);

// The place of a word.
llvm::Value* word_at(IrBuilder& builder, llvm::Value* words, unsigned index);

}  // namespace gradc::codegen
