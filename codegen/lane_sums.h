// The last additions of sums in 16 lanes: the halving tree of kernel.h, for several sums side by side. Internal to
// codegen (LLVM types).
#pragma once
#include <span>
#include <vector>

#include "codegen/emit_scalar.h"

namespace gradc::codegen {

// `all` with its first elements replaced by those of `front`, a vector or one element.
llvm::Value* replaced_front(IrBuilder& builder, llvm::Value* all, llvm::Value* front);

// The lanes of a vector and behind them those of a second one, which has as many or fewer.
llvm::Value* joined(IrBuilder& builder, llvm::Value* front, llvm::Value* back);

// Each of `sums` is a vector with a lane for each element, all of one length of at most 16; gives their sums as
// scalars, added as l += l+8, l+4, l+2, l+1 with lanes that do not exist skipped.
//
// Several sums of 16 lanes are turned while they are added: two vectors of 8 become one that holds the lower halves of
// both and one with the upper halves, whose sum holds 4 lanes of each, and so on. Eight sums so take 14 shuffles and 7
// additions behind the first halving, and every addition is that of the tree for one sum.
std::vector<llvm::Value*> add_lanes(IrBuilder& builder, ScalarEmitter& scalar, ir::DType dtype,
                                    std::span<llvm::Value* const> sums);

}  // namespace gradc::codegen
