// Cuts loops in two and joins loops that need not be two (schedule.h).
#include <algorithm>
#include <functional>

#include "codegen/layout.h"

namespace gradc::codegen {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

// index = outer * kBlock + inner on an axis that is cut; `inner` keeps the axis.
void cut(Affine& index, int32_t axis, int32_t outer) {
  if (const int64_t stride = index.stride(axis)) index = sum(index, {0, {{outer, stride * kBlock}}});
}

void cut_loop(Kernel& kernel, Statement& statement) {
  const int32_t axis = kernel.loops[at(statement.id)].axis;
  const int64_t rounds = kernel.loops[at(statement.id)].extent / kBlock;
  const int32_t outer_axis = kernel.add_axis(kernel.axes[at(axis)].name + "o", rounds);
  kernel.axes[at(axis)].extent = kBlock;
  for (Node& node : kernel.nodes) {
    cut(node.index, axis, outer_axis);
    cut(node.sample, axis, outer_axis);
    for (Affine& index : node.position) cut(index, axis, outer_axis);
  }
  Loop outer = kernel.loops[at(statement.id)];
  outer.axis = outer_axis;
  outer.extent = rounds;
  outer.body = {{true, statement.id}};
  Loop& inner = kernel.loops[at(statement.id)];
  inner.extent = kBlock;
  // The outer loop starts with the inits and gives the results; between the two stand values of their own.
  for (size_t i = 0; i < inner.carried.size(); ++i) {
    Node between{.kind = NodeKind::carried,
                 .dtype = kernel.nodes[at(inner.carried[i])].dtype,
                 .location = kernel.nodes[at(inner.carried[i])].location};
    outer.carried[i] = inner.inits[i] = kernel.add_node(between);
    outer.yields[i] = inner.results[i] = kernel.add_node(between);
  }
  kernel.loops.push_back(std::move(outer));
  statement.id = static_cast<int32_t>(kernel.loops.size() - 1);
}

void cut_all(Kernel& kernel, Block& block) {
  for (Statement& statement : block) {
    if (!statement.is_loop) continue;
    Block body = std::move(kernel.loops[at(statement.id)].body);
    cut_all(kernel, body);
    Loop& loop = kernel.loops[at(statement.id)];
    loop.body = std::move(body);
    const bool runs = loop.kind == LoopKind::parallel || loop.kind == LoopKind::reduce;
    if (runs && loop.extent % kBlock == 0 && loop.extent > kBlock) cut_loop(kernel, statement);
  }
}

void drop_axis(Affine& index, int32_t axis) {
  std::erase_if(index.terms, [&](const Affine::Term& term) { return term.axis == axis; });
}

// Makes one axis of two where every address in the block runs through both as through one.
bool join(Kernel& kernel, const Block& block, int32_t outer, int32_t inner) {
  const int64_t extent = kernel.axes[at(inner)].extent;
  const auto runs_through = [&](const Affine& index) { return index.stride(outer) == extent * index.stride(inner); };
  bool holds = true;
  walk(
      kernel, block,
      [&](NodeId id) {
        const Node& node = kernel.nodes[at(id)];
        holds = holds && runs_through(node.index) && runs_through(node.sample);
      },
      [](int32_t) {});
  if (!holds) return false;
  walk(
      kernel, block,
      [&](NodeId id) {
        Node& node = kernel.nodes[at(id)];
        drop_axis(node.index, outer);
        drop_axis(node.sample, outer);
        node.position.clear();
      },
      [](int32_t) {});
  kernel.axes[at(inner)].extent *= kernel.axes[at(outer)].extent;
  return true;
}

// A sum over two axes, one right inside the other.
void join_sums(Kernel& kernel, Block& block) {
  for (Statement& statement : block) {
    if (!statement.is_loop) continue;
    Block body = std::move(kernel.loops[at(statement.id)].body);
    join_sums(kernel, body);
    Loop& outer = kernel.loops[at(statement.id)];
    outer.body = std::move(body);
    if (outer.kind != LoopKind::reduce || outer.body.size() != 1 || !outer.body[0].is_loop) continue;
    Loop& inner = kernel.loops[at(outer.body[0].id)];
    const bool passes = inner.kind == LoopKind::reduce && inner.inits == outer.carried && inner.results == outer.yields;
    if (!passes || !join(kernel, inner.body, outer.axis, inner.axis)) continue;
    inner.extent = kernel.axes[at(inner.axis)].extent;
    inner.inits = outer.inits;
    inner.results = outer.results;
    statement.id = outer.body[0].id;
  }
}

}  // namespace

void cut_axes(Kernel& kernel) { cut_all(kernel, kernel.body); }

void merge_axes(Kernel& kernel, Nest& nest) {
  for (size_t i = nest.loops.size(); i-- > 1;) {
    const int32_t outer = kernel.loops[at(nest.loops[i - 1])].axis, inner = kernel.loops[at(nest.loops[i])].axis;
    if (!join(kernel, nest.body, outer, inner)) continue;
    kernel.loops[at(nest.loops[i])].extent = kernel.axes[at(inner)].extent;
    nest.loops.erase(nest.loops.begin() + static_cast<std::ptrdiff_t>(i - 1));
  }
  join_sums(kernel, nest.body);
}

}  // namespace gradc::codegen
