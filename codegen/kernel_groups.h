// Kernels that are the same loops on other addresses, or with other random numbers, share one function: a repeated
// block is compiled once. Takes a scheduled program; gives its kernels in groups (none of a resident program), and the
// numbers in which those of each differ. Tests: tests/native/test_kernel_groups.cpp.
#pragma once
#include <cstdint>
#include <vector>

#include "codegen/kernel.h"

namespace gradc::codegen {

// One of the kernels that a function serves.
struct KernelUse {
  size_t kernel = 0;             // into KernelProgram::kernels
  std::vector<int64_t> numbers;  // the arguments of KernelGroup: offsets in bytes, then places
};

struct KernelGroup {
  std::vector<KernelUse> uses;  // the first is the one whose loops are compiled
  // An argument of the function each: buffers of the first kernel whose offset, and its places of random numbers that
  // are not the same in all uses. Everything else stays immediate.
  std::vector<int32_t> buffers;
  std::vector<int64_t> places;

  size_t arguments() const { return buffers.size() + places.size(); }
};

// `by_place`: kernels of different source places stay apart, so that each keeps its own debug locations.
std::vector<KernelGroup> group_kernels(const KernelProgram& program, bool by_place);

}  // namespace gradc::codegen
