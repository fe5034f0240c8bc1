// Chooses how the loops of a program run: which parallel axes become one, which axis fills the vectors, what is
// unrolled, what is computed once outside a loop. None of it changes a bit of a result.
//
// The choice follows the strides of the loads and stores and the work inside the loops, nothing else:
//   pack     operands of sums whose elements are not neighbours where the vectors want them to be are copied (pack.cpp)
//   layout   tensors in the arena get the order of axes that makes the vectors' elements neighbours (layout.cpp)
//   cut      every axis of a multiple of 16 is two: its blocks of 16, and the place inside a block (axes.cpp)
//   merge    two adjacent axes through which every address runs as through one become one again
//   vector   the parallel axis with the least estimated work per element is done W at a time
//   tile     a sum keeps a tile of results in registers: rows of one axis, vectors of another, so that what it loads is
//            used for several results (cost.h); a small one in kernels that are next to nothing of the step: a large
//            one takes longer to compile than it ever saves
//   turn     loads that are scattered along the vectors and neighbours along the rounds of the sum are loaded for four
//            rounds at once and turned in registers, where that is less than packing (cost.h)
//   hoist    what does not depend on a parallel axis moves out of its loop
//   unroll   loops with few iterations and a small body are copied out
//   parts    a loop with enough work is dealt out to threads (parts.h)
//   resident a program whose whole step is small becomes one straight line with vectors in registers (resident.cpp)
// Tests: tests/native/test_schedule.cpp.
#pragma once
#include "codegen/codegen.h"

namespace gradc::codegen {

inline constexpr int32_t kTurned = 4;  // neighbours in memory that are turned in registers at a time

// What the choices depend on.
struct ScheduleLimits {
  int width = 1;              // iterations in a vector
  int register_floats = 1;    // of the processor
  int registers = 0;          // that hold vectors; 0: no tiles
  bool explain = false;       // fill Kernel::reasons
  bool masked_loads = false;  // TargetInfo
};

void schedule(KernelProgram& program, const Options& options, const TargetInfo& target);

class KernelCosts;  // layout.h

// One nest of perfectly nested parallel loops, as lowering makes them: outer to inner, and the body of the innermost.
struct Nest {
  std::vector<int32_t> loops;
  Block body;
};

std::vector<Nest> take_nests(Kernel& kernel);
void put_nests(Kernel& kernel, std::vector<Nest> nests);

// Whether the whole step is small enough for one straight line; then all its loops are copied out (resident.cpp).
bool make_resident(KernelProgram& program, const ScheduleLimits& limits);
struct OperandCopy {
  int32_t source = -1, packed = -1;  // buffers
  Layout layout;
  bool valid = true;  // where a kernel reads it next
};
// Of tensors in the arena, whose layout was chosen before, or of all others. Gives the copies; `earlier` are those of
// the others, which the arena's turn looks at again.
std::vector<OperandCopy> pack_operands(KernelProgram& program, KernelCosts& costs, bool arena,
                                       std::vector<OperandCopy> earlier = {});
// Takes back the copies that are not worth it now that the layouts of their readers are known (unpack.cpp).
void drop_copies(KernelProgram& program, KernelCosts& costs, std::vector<OperandCopy>& copies);
void choose_layouts(KernelProgram& program, KernelCosts& costs);
// A buffer in the arena beside those of the tensor IR; returns its number. Until place_scratch it lies behind the
// others.
int32_t add_scratch(KernelProgram& program, Buffer buffer);
// Gives every buffer of program.scratch its place: the first gap that nothing needs while it is needed.
void place_scratch(KernelProgram& program);
// Cuts every loop over a multiple of 16 in two, so that addresses may run block by block.
void cut_axes(Kernel& kernel);
// Whether a vector of elements with this stride is best loaded with the elements between them: the whole is a few
// vectors, and neighbours of the load share them. A buffer of whole groups is never left.
inline bool is_interleaved(int64_t stride, int64_t buffer_elements) {
  return stride >= 2 && stride <= 4 && buffer_elements % stride == 0;
}
// Whether a sum has four rounds, and no loop inside it.
bool has_turnable_rounds(const Loop& loop);
// Whether four rounds of a sum over `axis` load neighbours here, while vectors along `vector_axis` would be scattered.
bool is_turned(const Kernel& kernel, const Node& node, int32_t axis, int32_t vector_axis);
// Whether the condition is made of nothing but ranges of indices, so that it can be computed for any axis as a vector.
bool is_mask(const Kernel& kernel, NodeId condition);
// Loops over elements without a sum do a few vectors in each round, so that counting does not take longer than the
// body.
void widen_rounds(Kernel& kernel, const Nest& nest, const ScheduleLimits& limits);
// Joins loops, one right inside the other, through which every address runs as through one.
void merge_axes(Kernel& kernel, Nest& nest);
void choose_vector_axis(Kernel& kernel, Nest& nest, const ScheduleLimits& limits);
// Moves what a sum does not need behind it, so that it does not take up registers while the sum runs.
void sums_first(Kernel& kernel, Nest& nest);
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

// Calls visit(node id) for every value that a node needs: operands, predicate, and what its dynamic axes are.
template <class Visit>
void visit_operands(const Kernel& kernel, const Node& node, const Visit& visit) {
  for (NodeId operand : node.operands) visit(operand);
  if (node.predicate != kNoNode) visit(node.predicate);
  for (const Affine* index : {&node.index, &node.sample})
    for (const Affine::Term& term : index->terms)
      if (const NodeId dynamic = kernel.axes[static_cast<size_t>(term.axis)].node; dynamic != kNoNode) visit(dynamic);
}

}  // namespace gradc::codegen
