// One kernel: the stored values of tensor IR that share it become loop nests, which the element builder fills. Values
// of one shape share a nest where none reads another at a different index; values of sums over the same rounds share
// one over the axes that all their shapes begin with, and the axes behind these are written out:
//   %2 = contract %d, %x {"bo,bi->oi"} : f32[5,2]         parallel i0 in 5 {
//   %3 = reduce %d {sum, axes = [0]} : f32[5]       ->      lanes { reduce r in 64 with 0, 0, 0 { ... } }
//                                                           store %2[2*i0], store %2[2*i0 + 1], store %3[i0]
// Tests: tests/native/test_kernel.cpp.
#pragma once
#include <string>
#include <vector>

#include "codegen/element_builder.h"

namespace gradc::codegen {

// `values`: ascending. The reason why it cannot be lowered; empty where it was.
std::string lower_kernel(const LoweringInput& input, const std::vector<uint32_t>& values, Kernel& kernel);

// Parallel loops over `axes`, outer to inner, around `body`, behind what the kernel has.
void put_nest(Kernel& kernel, const std::vector<int32_t>& axes, Block body, const ir::SourceLocation& location);

}  // namespace gradc::codegen
