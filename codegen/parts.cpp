#include "codegen/parts.h"

#include <fmt/format.h>

#include <algorithm>

#include "codegen/schedule.h"

namespace gradc::codegen {

namespace {

// A kernel that just repays the hand-over has this many parts: claiming one costs a tenth of it.
constexpr double kLeastParts = 4;
// Of the estimate, waiting for memory included: kernels of LeNet and of a small GPT measured 5 to 14, most 8 to 10.
constexpr double kInstructionsPerNanosecond = 8;
// So many that a thread which loses its processor for a while leaves little undone.
constexpr int64_t kMostParts = 32;
// A loop with fewer rounds than this is joined by the loop inside it. Rounds are dealt out in their order, so that
// kernels whose outer loop is the same, over samples as a rule, leave the same tensors in the caches of a thread.
constexpr int64_t kEnoughRounds = 16;

size_t at(int32_t id) { return static_cast<size_t>(id); }

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

bool is_whole(const Loop& loop) { return loop.extent % (int64_t{loop.schedule.vector} * loop.schedule.tile) == 0; }

}  // namespace

int64_t rounds_of(const Loop& loop) {
  const int64_t block = int64_t{loop.schedule.vector} * loop.schedule.tile;
  return (loop.extent + block - 1) / block;
}

void choose_parts(KernelProgram& program, const Options& options) {
  if (program.resident) return;
  const auto least = static_cast<double>(options.parallel_ns);
  double all = 0;
  for (Kernel& kernel : program.kernels) {
    const double nanoseconds = kernel.cost / kInstructionsPerNanosecond;
    all += nanoseconds;
    if (options.explain) {
      kernel.reasons.push_back(fmt::format("about {:.3g} us on one core, {} to hand over to others", nanoseconds / 1e3,
                                           nanoseconds < least ? "too little" : "enough"));
    }
    if (nanoseconds < least) continue;
    std::vector<int32_t> chosen;
    int64_t rounds = 1;
    for (int32_t id = only_storing_loop(kernel, kernel.body); id >= 0 && rounds < kEnoughRounds;
         id = only_storing_loop(kernel, kernel.loops[at(id)].body)) {
      const Loop& loop = kernel.loops[at(id)];
      // What is left over behind whole rounds can only be in the innermost of joined loops.
      if (!chosen.empty() && !is_whole(kernel.loops[at(chosen.back())])) {
        if (rounds_of(loop) <= rounds) continue;
        chosen.clear();
        rounds = 1;
      }
      chosen.push_back(id);
      rounds *= rounds_of(loop);
    }
    if (chosen.empty()) continue;
    Schedule& schedule = kernel.loops[at(chosen[0])].schedule;
    const double parts = nanoseconds / std::max(least / kLeastParts, 1.0);
    schedule.parts =
        static_cast<int32_t>(std::max<int64_t>(1, std::min({rounds, kMostParts, static_cast<int64_t>(parts)})));
    if (schedule.parts > 1) schedule.joined = static_cast<int32_t>(chosen.size()) - 1;
  }
  if (options.explain)
    program.reasons.push_back(fmt::format("by the estimates of its kernels about {:.6g} us on one core", all / 1e3));
}

std::vector<const Loop*> loops_in_parts(const Kernel& kernel) {
  std::vector<const Loop*> loops;
  walk(
      kernel, kernel.body, [](NodeId) {},
      [&](int32_t id) {
        if (loops.empty() && kernel.loops[at(id)].schedule.parts > 1) loops.push_back(&kernel.loops[at(id)]);
      });
  for (int32_t left = loops.empty() ? 0 : loops[0]->schedule.joined; left > 0; --left) {
    const int32_t next = only_storing_loop(kernel, loops.back()->body);
    if (next < 0) break;
    loops.push_back(&kernel.loops[at(next)]);
  }
  return loops;
}

int64_t joint_rounds(const std::vector<const Loop*>& loops) {
  int64_t rounds = 1;
  for (const Loop* loop : loops) rounds *= rounds_of(*loop);
  return rounds;
}

}  // namespace gradc::codegen
