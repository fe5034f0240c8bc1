// Which loop of a kernel is cut into parts that may run at the same time (Schedule::parts), and into how many: chosen
// by shapes and the estimated work alone, never by how many threads there are. A kernel whose work does not repay
// handing it over has none. Tests: tests/native/test_threads.cpp.
#pragma once
#include "codegen/codegen.h"

namespace gradc::codegen {

// The iterations of the emitted loop: whole blocks of vectors and tiles, and one for what is left.
int64_t rounds_of(const Loop& loop);

// Gives each kernel's loop its parts. Run last, on scheduled kernels.
void choose_parts(KernelProgram& program, const Options& options, const TargetInfo& target);

// The loop of a kernel that has parts; null where there is none.
const Loop* loop_in_parts(const Kernel& kernel);

}  // namespace gradc::codegen
