// All but small programs are compiled in shares, each a module of its own, so that several threads can work on them.
// What is in which depends on the program alone; one thread alone makes one. Tests: tests/native/test_shares.cpp.
#pragma once
#include <cstddef>
#include <vector>

#include "codegen/kernel_groups.h"

namespace gradc::codegen {

// The modules of all shares together are the program.
struct Share {
  size_t index = 0, count = 1;
};

// Whether the calls of a program's kernels go through a table of constants (emit_rows.h) and are not written out.
bool calls_by_table(const KernelProgram& program, size_t functions);

// 1 for a program that is small or resident, and for one thread.
size_t share_count(const KernelProgram& program, const std::vector<KernelGroup>& groups, int threads);

// The share of each group, so that all take about as long to compile.
std::vector<size_t> shares_of(const KernelProgram& program, const std::vector<KernelGroup>& groups, size_t count);

}  // namespace gradc::codegen
