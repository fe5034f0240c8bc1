// Which loop of a kernel is cut into parts that may run at the same time (Schedule::parts), and into how many: chosen
// by shapes and the estimated work alone, never by how many threads there are. A kernel whose work does not repay
// handing it over has none. Tests: tests/native/test_threads.cpp.
#pragma once
#include "codegen/codegen.h"

namespace gradc::codegen {

// The iterations of the emitted loop: whole blocks of vectors and tiles, and one for what is left.
int64_t rounds_of(const Loop& loop);

// Gives each kernel's loop its parts. Run last, on scheduled kernels.
void choose_parts(KernelProgram& program, const Options& options);

// The loop of a kernel that has parts, and behind it those that are joined to it; empty where there is none.
std::vector<const Loop*> loops_in_parts(const Kernel& kernel);
// The rounds of joined loops together: each loop runs all of its rounds for each round of the one around it.
int64_t joint_rounds(const std::vector<const Loop*>& loops);

}  // namespace gradc::codegen
