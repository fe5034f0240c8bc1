#include "codegen/parts.h"

#include <fmt/format.h>

#include <algorithm>

#include "codegen/schedule.h"

namespace gradc::codegen {

namespace {

// A kernel that just repays the hand-over has this many parts: claiming one costs a tenth of it.
constexpr double kLeastParts = 4;
constexpr double kInstructionsPerNanosecond = 4;
// So many that a thread which loses its processor for a while leaves little undone.
constexpr int64_t kMostParts = 32;
// A loop with fewer rounds than this is left for one further in, if that has more.
constexpr int64_t kEnoughRounds = 16;

size_t at(int32_t id) { return static_cast<size_t>(id); }

// Vector instructions of one run of the block, about: what a tile loads is shared, so its loads are not counted.
double instructions(const Kernel& kernel, const Block& block, int floats, bool in_tile) {
  double total = 0;
  for (const Statement& statement : block) {
    if (!statement.is_loop) {
      const Node& node = kernel.nodes[at(statement.id)];
      if (in_tile && node.kind == NodeKind::load) continue;
      total += static_cast<double>(work_of(kernel, {statement}));
      continue;
    }
    const Loop& loop = kernel.loops[at(statement.id)];
    const int64_t vector = std::max(loop.schedule.vector, 1);
    const int64_t times = (loop.extent + vector - 1) / vector * ((vector + floats - 1) / floats);
    total += static_cast<double>(times) * instructions(kernel, loop.body, floats, in_tile || loop.schedule.tile > 1);
  }
  return total;
}

// Some statement outside the loop `inside` stores.
bool stores(const Kernel& kernel, const Block& block) {
  bool found = false;
  walk(
      kernel, block, [&](NodeId id) { found = found || kernel.nodes[at(id)].kind == NodeKind::store; }, [](int32_t) {});
  return found;
}

// The only statement of the block that stores, where that is a loop whose rounds may run at the same time.
int32_t only_storing_loop(const Kernel& kernel, const Block& block) {
  int32_t found = -1;
  for (const Statement& statement : block) {
    if (!stores(kernel, {statement})) continue;
    if (!statement.is_loop || found >= 0) return -1;
    found = statement.id;
  }
  if (found < 0) return -1;
  const Loop& loop = kernel.loops[at(found)];
  const bool copied_out = loop.schedule.unroll && loop.schedule.tile == 1;
  return loop.kind == LoopKind::parallel && !copied_out ? found : -1;
}

}  // namespace

int64_t rounds_of(const Loop& loop) {
  const int64_t block = int64_t{loop.schedule.vector} * loop.schedule.tile;
  return (loop.extent + block - 1) / block;
}

void choose_parts(KernelProgram& program, const Options& options, const TargetInfo& target) {
  if (program.resident) return;
  const auto least = static_cast<double>(options.parallel_ns);
  for (Kernel& kernel : program.kernels) {
    const double nanoseconds =
        instructions(kernel, kernel.body, target.vector_floats, false) / kInstructionsPerNanosecond;
    if (options.explain) {
      kernel.reasons.push_back(fmt::format("about {:.3g} us on one core, {} to hand over to others", nanoseconds / 1e3,
                                           nanoseconds < least ? "too little" : "enough"));
    }
    if (nanoseconds < least) continue;
    int32_t best = -1;
    // What stands around the loop is done by every part, so an outer loop is better.
    for (int32_t id = only_storing_loop(kernel, kernel.body); id >= 0;
         id = only_storing_loop(kernel, kernel.loops[at(id)].body)) {
      if (best < 0 || rounds_of(kernel.loops[at(id)]) > rounds_of(kernel.loops[at(best)])) best = id;
      if (rounds_of(kernel.loops[at(best)]) >= kEnoughRounds) break;
    }
    if (best < 0) continue;
    Loop& loop = kernel.loops[at(best)];
    const double parts = nanoseconds / std::max(least / kLeastParts, 1.0);
    loop.schedule.parts = static_cast<int32_t>(
        std::max<int64_t>(1, std::min({rounds_of(loop), kMostParts, static_cast<int64_t>(parts)})));
  }
}

const Loop* loop_in_parts(const Kernel& kernel) {
  const Loop* found = nullptr;
  walk(
      kernel, kernel.body, [](NodeId) {},
      [&](int32_t id) {
        if (kernel.loops[at(id)].schedule.parts > 1) found = &kernel.loops[at(id)];
      });
  return found;
}

}  // namespace gradc::codegen
