// Which axis of a nest fills the vectors, and which make a tile (schedule.h).
#include <algorithm>

#include "codegen/cost.h"
#include "ir/attr.h"

namespace gradc::codegen {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

}  // namespace

void choose_vector_axis(Kernel& kernel, Nest& nest, const ScheduleLimits& limits) {
  const NestPlan plan = best_plan(kernel, nest, limits);
  kernel.cost += plan.cost;
  if (limits.explain) {
    for (std::string& line : explain_plan(kernel, nest, limits)) kernel.reasons.push_back(std::move(line));
  }
  if (plan.lanes > 0) {
    for (Loop& loop : kernel.loops) {
      if (loop.kind != LoopKind::lanes) continue;
      loop.schedule.vector = limits.width > 1 ? plan.lanes : 1;
      loop.schedule.unroll = limits.width <= 1;
    }
  }
  if (plan.turn) {
    const int32_t axis = kernel.loops[at(nest.loops[plan.vector])].axis;
    walk(
        kernel, nest.body, [](NodeId) {},
        [&](int32_t id) {
          Loop& loop = kernel.loops[at(id)];
          const bool turns = std::any_of(loop.body.begin(), loop.body.end(), [&](const Statement& statement) {
            return !statement.is_loop && is_turned(kernel, kernel.nodes[at(statement.id)], loop.axis, axis);
          });
          if (turns && has_turnable_rounds(loop)) loop.schedule.turn = kTurned;
        });
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
      visit_operands(kernel, node, [&](NodeId id) { needed[at(id)] = true; });
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
