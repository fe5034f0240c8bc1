#include "codegen/cost.h"

#include <algorithm>
#include <utility>

namespace gradc::codegen {

namespace {

constexpr double kBroadcastLoad = 0.5;
constexpr double kScatteredElement = 1.5;

size_t at(int32_t id) { return static_cast<size_t>(id); }

class Cost {
 public:
  Cost(const Kernel& kernel, int32_t axis, int64_t width)
      : kernel_(kernel), axis_(axis), width_(width), varies_(kernel.nodes.size(), false) {}

  double of(const Block& block) {
    double total = 0;
    for (const Statement& statement : block)
      total += statement.is_loop ? of(kernel_.loops[at(statement.id)]) : of(statement.id);
    return total;
  }

 private:
  double of(const Loop& loop) {
    // A sum is taken to vary: it nearly always does.
    for (NodeId result : loop.results) varies_[at(result)] = true;
    for (NodeId carried : loop.carried) varies_[at(carried)] = true;
    if (loop.kind == LoopKind::where) return of(loop.body);
    if (loop.kind != LoopKind::lanes) return static_cast<double>(loop.extent) * of(loop.body);
    const int32_t axis = std::exchange(axis_, loop.axis);
    const int64_t width = std::exchange(width_, loop.extent);
    const double cost = of(loop.body);
    axis_ = axis;
    width_ = width;
    return cost + 4;
  }

  double of(NodeId id) {
    const Node& node = kernel_.nodes[at(id)];
    bool varying = depends(node.index) || depends(node.sample);
    for (NodeId operand : node.operands) varying = varying || varies_[at(operand)];
    varies_[at(id)] = varying;
    if (node.kind == NodeKind::constant || node.kind == NodeKind::index) return 0;
    if (node.kind != NodeKind::load && node.kind != NodeKind::store) return 1;
    if (!depends(node.index)) return node.kind == NodeKind::load ? kBroadcastLoad : 1;
    const bool neighbours = node.index.stride(axis_) == 1 && !is_scattered(node.index);
    return neighbours ? 1 : kScatteredElement * static_cast<double>(width_);
  }

  // Through a dynamic axis that varies: elements without a common stride.
  bool is_scattered(const Affine& index) const {
    return std::any_of(index.terms.begin(), index.terms.end(), [&](const Affine::Term& term) {
      const NodeId node = kernel_.axes[at(term.axis)].node;
      return node != kNoNode && varies_[at(node)];
    });
  }
  bool depends(const Affine& index) const { return index.stride(axis_) != 0 || is_scattered(index); }

  const Kernel& kernel_;
  int32_t axis_;
  int64_t width_;
  std::vector<bool> varies_;
};

}  // namespace

double body_cost(const Kernel& kernel, const Nest& nest, int32_t axis, int64_t width) {
  return Cost(kernel, axis, width).of(nest.body);
}

VectorChoice best_vector_axis(const Kernel& kernel, const Nest& nest, int64_t width) {
  VectorChoice choice{nest.loops.size(), body_cost(kernel, nest, -1, 1), false};
  double iterations = 1;
  for (int32_t loop : nest.loops) iterations *= static_cast<double>(kernel.loops[at(loop)].extent);
  walk(
      kernel, nest.body, [](NodeId) {},
      [&](int32_t id) { choice.lanes = choice.lanes || kernel.loops[at(id)].kind == LoopKind::lanes; });
  for (size_t i = nest.loops.size(); i-- > 0 && width > 1 && !choice.lanes;) {
    const Loop& loop = kernel.loops[at(nest.loops[i])];
    if (loop.extent < 2) continue;
    const double rounds = static_cast<double>((loop.extent + width - 1) / width);
    const double cost =
        body_cost(kernel, nest, loop.axis, std::min(width, loop.extent)) * rounds / static_cast<double>(loop.extent);
    if (cost < choice.cost) choice = {i, cost, false};
  }
  choice.cost *= iterations;
  return choice;
}

}  // namespace gradc::codegen
