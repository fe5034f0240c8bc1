#include "codegen/shares.h"

#include <algorithm>
#include <numeric>

namespace gradc::codegen {

namespace {

constexpr size_t kMostShares = 8;
constexpr int64_t kShareWeight = 250;  // below, what each module costs by itself outweighs the rest
constexpr int64_t kCallWeight = 8;     // a call of a kernel, in the loop over steps
constexpr double kFirstShare = 1.6, kLastShare = 0.4;
constexpr int64_t kFunctionWeight = 20, kRandomWeight = 40;

int64_t weight_of(const Node& node) {
  if (node.kind == NodeKind::random) return kRandomWeight;
  return node.kind == NodeKind::apply && ir::op_info(node.op).has(ir::kFunction) ? kFunctionWeight : 1;
}

// About how many instructions the block is when tiles and copies are written out.
int64_t weight_of(const Kernel& kernel, const Block& block) {
  int64_t weight = 0;
  for (const Statement& statement : block) {
    if (!statement.is_loop) {
      weight += weight_of(kernel.nodes[static_cast<size_t>(statement.id)]);
      continue;
    }
    const Loop& loop = kernel.loops[static_cast<size_t>(statement.id)];
    const int64_t copies = loop.schedule.unroll ? loop.extent : loop.schedule.tile;
    weight += 4 + copies * weight_of(kernel, loop.body);
  }
  return weight;
}

std::vector<int64_t> weights_of(const KernelProgram& program, const std::vector<KernelGroup>& groups) {
  std::vector<int64_t> weights;
  for (const KernelGroup& group : groups) {
    const Kernel& kernel = program.kernels[group.uses[0].kernel];
    weights.push_back(weight_of(kernel, kernel.body));
  }
  return weights;
}

// Each written out, or each function once where they go through a table.
int64_t weight_of_calls(const KernelProgram& program, const std::vector<KernelGroup>& groups) {
  const size_t calls = calls_by_table(program, groups.size()) ? groups.size() : program.kernels.size();
  return kCallWeight * static_cast<int64_t>(calls);
}

}  // namespace

bool calls_by_table(const KernelProgram& program, size_t functions) { return program.kernels.size() >= 2 * functions; }

size_t share_count(const KernelProgram& program, const std::vector<KernelGroup>& groups, int threads) {
  if (program.resident || threads == 1) return 1;
  const std::vector<int64_t> weights = weights_of(program, groups);
  const int64_t total = std::accumulate(weights.begin(), weights.end(), weight_of_calls(program, groups));
  const auto count = static_cast<size_t>(total / kShareWeight);
  // An even number of equal shares leaves none of two or four threads waiting for the last one.
  return count < 2 ? 1 : std::min((count + 1) / 2 * 2, kMostShares);
}

std::vector<size_t> shares_of(const KernelProgram& program, const std::vector<KernelGroup>& groups, size_t count) {
  const std::vector<int64_t> weights = weights_of(program, groups);
  std::vector<size_t> heavy_first(groups.size());
  std::iota(heavy_first.begin(), heavy_first.end(), size_t{0});
  std::sort(heavy_first.begin(), heavy_first.end(),
            [&](size_t a, size_t b) { return weights[a] != weights[b] ? weights[a] > weights[b] : a < b; });
  std::vector<int64_t> loads(count, 0);
  loads[0] = weight_of_calls(program, groups);
  std::vector<size_t> shares(groups.size());
  // How full a share is, of what it is to hold. Two are alike. Of more, one after the other holds less, from
  // kFirstShare down to kLastShare of the mean: threads take them in turn, and the last ones, which decide how long one
  // of them waits for the other, are small.
  const auto fullness = [&](size_t share, int64_t more) {
    const double place = static_cast<double>(share) / static_cast<double>(std::max<size_t>(count - 1, 1));
    const double size = count == 2 ? 1 : kFirstShare + (kLastShare - kFirstShare) * place;
    return static_cast<double>(loads[share] + more) / size;
  };
  for (size_t group : heavy_first) {
    size_t best = 0;
    for (size_t share = 1; share < count; ++share)
      if (fullness(share, weights[group]) < fullness(best, weights[group])) best = share;
    loads[best] += weights[group];
    shares[group] = best;
  }
  return shares;
}

}  // namespace gradc::codegen
