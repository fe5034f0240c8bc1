// Turns a square of vectors, and picks from interleaved elements. Tests: tests/native/test_transpose.cpp.
#pragma once
#include <llvm/IR/IRBuilder.h>

#include <functional>
#include <vector>

namespace gradc::codegen {

// Element i of vector k becomes element k of vector i. As many vectors as each has elements: a power of two, at
// least 4.
std::vector<llvm::Value*> transposed(llvm::IRBuilderBase& builder, std::vector<llvm::Value*> rows);

// Element k of each of `width` groups of 4 neighbours, for k = 0 ... 3; `width` is a multiple of 4, `four(i)` loads
// group i.
std::vector<llvm::Value*> columns_of_four(llvm::IRBuilderBase& builder, int width,
                                          const std::function<llvm::Value*(int64_t i)>& four);

// The other way round: element k of each of four vectors, as 4 neighbours, for every k. Their width is a multiple of 4.
std::vector<llvm::Value*> groups_of_four(llvm::IRBuilderBase& builder, const std::vector<llvm::Value*>& vectors);

// Element `offset` of each of `width` groups of `stride` elements, which lie one behind the other: `width` is a power
// of two from 4 on, `stride` 2 or 4. `four(first)` loads 4 neighbours. What picks with other offsets need too is the
// same code.
llvm::Value* picked(llvm::IRBuilderBase& builder, int width, int stride, int offset,
                    const std::function<llvm::Value*(int64_t first)>& four);

}  // namespace gradc::codegen
