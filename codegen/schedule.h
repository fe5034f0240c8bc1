// Chooses how the loops of a program run: which parallel axes become one, which axis fills the vectors, what is
// unrolled, what is computed once outside a loop. None of it changes a bit of a result.
//
// The choice follows the strides of the loads and stores and the work inside the loops, nothing else:
//   layout   tensors in the arena get the order of axes that makes the vectors' elements neighbours (layout.cpp)
//   merge    two adjacent parallel axes through which every address runs as through one become one
//   vector   the parallel axis with the least estimated work per element goes innermost and is done W at a time
//   hoist    what does not depend on a parallel axis moves out of its loop
//   unroll   loops with few iterations and a small body are copied out
//   resident a program whose whole step is small becomes one straight line (KernelProgram::resident)
// Tests: tests/native/test_schedule.cpp.
#pragma once
#include "codegen/codegen.h"

namespace gradc::codegen {

void schedule(KernelProgram& program, const Options& options, const TargetInfo& target);

// One nest of perfectly nested parallel loops, as lowering makes them: outer to inner, and the body of the innermost.
struct Nest {
  std::vector<int32_t> loops;
  Block body;
};
std::vector<Nest> take_nests(Kernel& kernel);
void put_nests(Kernel& kernel, std::vector<Nest> nests);

void choose_layouts(KernelProgram& program, int width);
void merge_axes(Kernel& kernel, Nest& nest);
void choose_vector_axis(Kernel& kernel, Nest& nest, int width);
// Moves nodes and loops out of the parallel loops that they do not depend on. Run last: nests are not perfect after it.
void hoist(Kernel& kernel);

// Nodes executed by one run of the block, loops counted as often as they run; saturates.
int64_t work_of(const Kernel& kernel, const Block& block);

// Calls visit(node id) for every node of the block, in the loops inside too, and visit_loop(loop id) for every loop.
template <class VisitNode, class VisitLoop>
void walk(const Kernel& kernel, const Block& block, const VisitNode& visit, const VisitLoop& visit_loop) {
  for (const Statement& statement : block) {
    if (!statement.is_loop) {
      visit(statement.id);
      continue;
    }
    visit_loop(statement.id);
    walk(kernel, kernel.loops[static_cast<size_t>(statement.id)].body, visit, visit_loop);
  }
}

}  // namespace gradc::codegen
