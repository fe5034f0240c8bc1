// How long each kernel of a program takes, alone, and how fast the processor could be at most. The kernels run on
// made-up numbers, each compiled by itself; the best of several runs counts, because other programs only ever take time
// away.
#pragma once
#include <vector>

#include "codegen/codegen.h"
#include "ir/result.h"
#include "ir/thread_pool.h"

namespace gradc::runtime {

struct KernelTime {
  double operations = 0;   // codegen::operations_of
  double nanoseconds = 0;  // a run
};
ir::Result<std::vector<KernelTime>> measure_kernels(const codegen::KernelProgram& program,
                                                    const codegen::Options& options, ir::ThreadPool& pool);

// Nanoseconds of one step with all its kernels, as training runs it.
ir::Result<double> measure_step(const codegen::KernelProgram& program, const codegen::Options& options,
                                ir::ThreadPool& pool);

// Operations that one thread does in a nanosecond: fused multiply-adds that wait for nothing and load nothing, in the
// widest vectors.
ir::Result<double> measure_peak(const codegen::Options& options);

}  // namespace gradc::runtime
