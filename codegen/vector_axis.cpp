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

void choose_vector_axis(Kernel& kernel, Nest& nest, const ScheduleLimits& limits) {
  const NestPlan plan = best_plan(kernel, nest, limits);
  if (plan.lanes) {
    for (Loop& loop : kernel.loops) {
      if (loop.kind != LoopKind::lanes) continue;
      loop.schedule.vector = limits.width > 1 ? static_cast<int32_t>(ir::kLanes) : 1;
      loop.schedule.unroll = limits.width <= 1;
    }
  }
  // Innermost the rows of a tile, around them its columns: a strip of columns stays near while all rows pass by.
  std::vector<int32_t> inner;
  const auto take = [&](size_t position, int32_t tile) {
    if (position == nest.loops.size()) return;
    inner.push_back(nest.loops[position]);
    kernel.loops[at(inner.back())].schedule.tile = tile;
  };
  take(plan.column, plan.columns);
  take(plan.row, plan.rows);
  if (plan.vector != nest.loops.size()) {
    Loop& loop = kernel.loops[at(nest.loops[plan.vector])];
    loop.schedule.vector = static_cast<int32_t>(std::min<int64_t>(limits.width, loop.extent));
  }
  std::erase_if(nest.loops, [&](int32_t loop) { return std::find(inner.begin(), inner.end(), loop) != inner.end(); });
  nest.loops.insert(nest.loops.end(), inner.begin(), inner.end());
}

void sums_first(Kernel& kernel, Nest& nest) {
  const auto ends = [&](const Statement& statement) {
    return !statement.is_loop && kernel.nodes[at(statement.id)].kind == NodeKind::store;
  };
  const auto end = std::find_if(nest.body.begin(), nest.body.end(), ends);
  Block rest(nest.body.begin(), end), ordered;
  while (true) {
    const auto loop =
        std::find_if(rest.begin(), rest.end(), [](const Statement& statement) { return statement.is_loop; });
    if (loop == rest.end()) break;
    std::vector<bool> needed(kernel.nodes.size(), false);
    const auto need = [&](const Node& node) {
      for (NodeId operand : node.operands) needed[at(operand)] = true;
      if (node.predicate != kNoNode) needed[at(node.predicate)] = true;
      for (const Affine* index : {&node.index, &node.sample})
        for (const Affine::Term& term : index->terms)
          if (const NodeId dynamic = kernel.axes[at(term.axis)].node; dynamic != kNoNode) needed[at(dynamic)] = true;
    };
    const auto need_loop = [&](int32_t id) {
      for (NodeId init : kernel.loops[at(id)].inits) needed[at(init)] = true;
      for (NodeId yield : kernel.loops[at(id)].yields) needed[at(yield)] = true;
    };
    need_loop(loop->id);
    walk(kernel, kernel.loops[at(loop->id)].body, [&](NodeId id) { need(kernel.nodes[at(id)]); }, need_loop);
    Block before, later;
    for (auto statement = loop; statement-- != rest.begin();) {
      if (needed[at(statement->id)]) need(kernel.nodes[at(statement->id)]);
      (needed[at(statement->id)] ? before : later).push_back(*statement);
    }
    ordered.insert(ordered.end(), before.rbegin(), before.rend());
    ordered.push_back(*loop);
    Block next(later.rbegin(), later.rend());
    next.insert(next.end(), loop + 1, rest.end());
    rest = std::move(next);
  }
  ordered.insert(ordered.end(), rest.begin(), rest.end());
  std::copy(ordered.begin(), ordered.end(), nest.body.begin());
}

}  // namespace gradc::codegen
