// Tiny steps: the whole step as one straight line, state and intermediate values in registers from step to step
// (KernelProgram::resident, schedule.h).
//
// The widest axis of each nest fills vectors, parallel or the lanes of a sum, whatever the strides: memory.h keeps what
// one kernel stored as a vector in that form, so that the next one finds it. Layers have few axes that are wide, hence
// neighbours in the step choose the same one, and their vectors meet without a shuffle; where they don't, they meet
// with one. Lanes past the end of an axis are dead: they hold nothing that reaches a result.
#include <algorithm>

#include "codegen/schedule.h"
#include "ir/attr.h"

namespace gradc::codegen {

namespace {

// A program with less work than this per step becomes one straight line: LLVM needs about 30 us of compile time for
// each operation on vectors, and the registers hold no more.
constexpr int64_t kMaxResidentWork = 400;

size_t at(int32_t id) { return static_cast<size_t>(id); }

// The widest loop of the nest that can fill vectors.
void choose_vectors(Kernel& kernel, const Nest& nest, const ScheduleLimits& limits) {
  if (limits.width <= 1) return;
  std::vector<int32_t> sums;
  walk(
      kernel, nest.body, [](NodeId) {},
      [&](int32_t id) {
        if (kernel.loops[at(id)].kind == LoopKind::lanes) sums.push_back(id);
      });
  int64_t widest = 1;
  for (int32_t id : nest.loops) widest = std::max(widest, kernel.loops[at(id)].extent);
  int64_t lanes = 1;
  for (int32_t id : sums) lanes = std::max(lanes, kernel.loops[at(id)].extent);
  if (lanes >= std::min<int64_t>(widest, limits.width)) {
    for (int32_t id : sums) kernel.loops[at(id)].schedule.vector = static_cast<int32_t>(ir::kLanes);
    return;
  }
  // Of equally wide ones the innermost, whose elements are neighbours in memory.
  for (size_t i = nest.loops.size(); i-- > 0;) {
    Loop& loop = kernel.loops[at(nest.loops[i])];
    if (loop.extent < widest || widest == 1) continue;
    loop.schedule.vector = static_cast<int32_t>(std::min<int64_t>(limits.width, widest));
    return;
  }
}

// Operations on vectors or scalars in one run.
int64_t vector_work(const Kernel& kernel, const Block& block) {
  constexpr int64_t kMost = 4 * kMaxResidentWork;
  int64_t work = 0;
  for (const Statement& statement : block) {
    if (!statement.is_loop) {
      work += work_of(kernel, {statement});
      continue;
    }
    const Loop& loop = kernel.loops[at(statement.id)];
    int64_t copies = loop.kind == LoopKind::where ? 1 : loop.extent;
    copies = (copies + loop.schedule.vector - 1) / loop.schedule.vector;
    work += std::min(kMost, vector_work(kernel, loop.body)) * std::min(kMost, copies);
    if (loop.kind == LoopKind::lanes) work += loop.schedule.vector > 1 ? 8 : loop.extent;
  }
  return std::min(work, kMost);
}

}  // namespace

bool make_resident(KernelProgram& program, const ScheduleLimits& limits) {
  // Registers have no addresses.
  for (const Kernel& kernel : program.kernels)
    for (const Axis& axis : kernel.axes)
      if (axis.node != kNoNode) return false;
  std::vector<Kernel> kernels = program.kernels;
  int64_t work = 0;
  for (Kernel& kernel : kernels) {
    std::vector<Nest> nests = take_nests(kernel);
    for (const Nest& nest : nests) choose_vectors(kernel, nest, limits);
    put_nests(kernel, std::move(nests));
    hoist(kernel);
    for (Loop& loop : kernel.loops)
      loop.schedule.unroll =
          loop.kind != LoopKind::where && (loop.kind != LoopKind::lanes || loop.schedule.vector == 1);
    work += vector_work(kernel, kernel.body);
    if (work > kMaxResidentWork) return false;
  }
  program.kernels = std::move(kernels);
  program.resident = true;
  return true;
}

}  // namespace gradc::codegen
