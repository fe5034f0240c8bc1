// Kernels that are the same loops on other addresses share one function: a repeated block is compiled once. Takes a
// scheduled program; gives its kernels in groups (none of a resident program), and where the addresses of each differ.
// Tests: tests/native/test_kernel_groups.cpp.
#pragma once
#include <cstdint>
#include <vector>

#include "codegen/kernel.h"

namespace gradc::codegen {

// One of the kernels that a function serves.
struct KernelUse {
  size_t kernel = 0;             // into KernelProgram::kernels
  std::vector<int64_t> offsets;  // in bytes, of KernelGroup::moving
};

struct KernelGroup {
  std::vector<KernelUse> uses;  // the first is the one whose loops are compiled
  // Buffers of the first kernel whose offset is not the same in all uses: an argument of the function each. All other
  // offsets, and every stride and extent, stay immediate.
  std::vector<int32_t> moving;
};

// `by_place`: kernels of different source places stay apart, so that each keeps its own debug locations.
std::vector<KernelGroup> group_kernels(const KernelProgram& program, bool by_place);

}  // namespace gradc::codegen
