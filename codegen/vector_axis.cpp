// Which axes of a nest become one, and which one fills the vectors (schedule.h).
#include <algorithm>
#include <functional>

#include "codegen/cost.h"
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
  const VectorChoice choice = best_vector_axis(kernel, nest, width);
  if (choice.lanes) {
    for (Loop& loop : kernel.loops) {
      if (loop.kind != LoopKind::lanes) continue;
      loop.schedule.vector = width > 1 ? static_cast<int32_t>(ir::kLanes) : 1;
      loop.schedule.unroll = width <= 1;
    }
  }
  if (choice.position == nest.loops.size()) return;
  const int32_t loop = nest.loops[choice.position];
  nest.loops.erase(nest.loops.begin() + static_cast<std::ptrdiff_t>(choice.position));
  nest.loops.push_back(loop);
  kernel.loops[at(loop)].schedule.vector =
      static_cast<int32_t>(std::min<int64_t>(width, kernel.loops[at(loop)].extent));
}

}  // namespace gradc::codegen
