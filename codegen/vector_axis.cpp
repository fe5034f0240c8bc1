// Which axes of a nest become one, and which one fills the vectors (schedule.h).
#include <algorithm>
#include <functional>

#include "codegen/schedule.h"
#include "ir/attr.h"

namespace gradc::codegen {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

bool always(const Kernel& kernel, const Block& block, const std::function<bool(const Node&)>& holds) {
  bool result = true;
  walk(kernel, block, [&](NodeId id) { result = result && holds(kernel.nodes[at(id)]); }, [](int32_t) {});
  return result;
}

void drop_axis(Affine& index, int32_t axis) {
  std::erase_if(index.terms, [&](const Affine::Term& term) { return term.axis == axis; });
}

// Work per run of the block when `axis` is done `width` at a time: a vector operation costs 1, a load or store whose
// elements are not neighbours costs one for each element, and what does not depend on the axis is shared.
struct Cost {
  const Kernel& kernel;
  int32_t axis;
  int64_t width;
  std::vector<bool> varies;

  double of(const Block& block) {
    double total = 0;
    for (const Statement& statement : block) {
      if (statement.is_loop) {
        const Loop& loop = kernel.loops[at(statement.id)];
        for (size_t i = 0; i < loop.results.size(); ++i) varies[at(loop.results[i])] = true;
        for (NodeId carried : loop.carried) varies[at(carried)] = true;
        total += static_cast<double>(loop.extent) * of(loop.body);
        continue;
      }
      const Node& node = kernel.nodes[at(statement.id)];
      bool varying = node.index.stride(axis) != 0 || node.sample.stride(axis) != 0;
      for (NodeId operand : node.operands) varying = varying || varies[at(operand)];
      varies[at(statement.id)] = varying;
      if (node.kind == NodeKind::constant || node.kind == NodeKind::index) continue;
      double cost = 1;
      if (node.kind == NodeKind::load || node.kind == NodeKind::store) {
        const int64_t stride = node.index.stride(axis);
        if (stride != 0 && stride != 1) cost = 1.5 * static_cast<double>(width);
        if (stride == 0 && node.kind == NodeKind::load) cost = 0.5;
      }
      total += cost;
    }
    return total;
  }
};

}  // namespace

void merge_axes(Kernel& kernel, Nest& nest) {
  for (size_t i = nest.loops.size(); i-- > 1;) {
    const int32_t outer = kernel.loops[at(nest.loops[i - 1])].axis, inner = kernel.loops[at(nest.loops[i])].axis;
    const int64_t inner_extent = kernel.axes[at(inner)].extent;
    const auto runs_through = [&](const Affine& index) {
      return index.stride(outer) == inner_extent * index.stride(inner);
    };
    if (!always(kernel, nest.body,
                [&](const Node& node) { return runs_through(node.index) && runs_through(node.sample); }))
      continue;
    walk(
        kernel, nest.body,
        [&](NodeId id) {
          drop_axis(kernel.nodes[at(id)].index, outer);
          drop_axis(kernel.nodes[at(id)].sample, outer);
        },
        [](int32_t) {});
    kernel.axes[at(inner)].extent *= kernel.axes[at(outer)].extent;
    kernel.loops[at(nest.loops[i])].extent = kernel.axes[at(inner)].extent;
    nest.loops.erase(nest.loops.begin() + static_cast<std::ptrdiff_t>(i - 1));
  }
}

void choose_vector_axis(Kernel& kernel, Nest& nest, int width) {
  // The lanes of a sum fill the vectors themselves.
  bool has_lanes = false;
  walk(
      kernel, nest.body, [](NodeId) {},
      [&](int32_t id) { has_lanes = has_lanes || kernel.loops[at(id)].kind == LoopKind::lanes; });
  if (has_lanes) {
    for (Loop& loop : kernel.loops) {
      if (loop.kind != LoopKind::lanes) continue;
      loop.schedule.vector = width > 1 ? static_cast<int32_t>(ir::kLanes) : 1;
      loop.schedule.unroll = width <= 1;
    }
    return;
  }
  if (width <= 1 || nest.loops.empty()) return;
  const auto cost_of = [&](int32_t axis, int64_t lanes) {
    return Cost{kernel, axis, lanes, std::vector<bool>(kernel.nodes.size(), false)}.of(nest.body);
  };
  double best = cost_of(-1, 1);  // per element
  size_t chosen = nest.loops.size();
  for (size_t i = nest.loops.size(); i-- > 0;) {
    const Loop& loop = kernel.loops[at(nest.loops[i])];
    if (loop.extent < 2) continue;
    const int64_t rounds = (loop.extent + width - 1) / width;
    const double cost = cost_of(loop.axis, std::min<int64_t>(width, loop.extent)) * static_cast<double>(rounds) /
                        static_cast<double>(loop.extent);
    if (cost < best) best = cost, chosen = i;
  }
  if (chosen == nest.loops.size()) return;
  const int32_t loop = nest.loops[chosen];
  nest.loops.erase(nest.loops.begin() + static_cast<std::ptrdiff_t>(chosen));
  nest.loops.push_back(loop);
  kernel.loops[at(loop)].schedule.vector =
      static_cast<int32_t>(std::min<int64_t>(width, kernel.loops[at(loop)].extent));
}

}  // namespace gradc::codegen
