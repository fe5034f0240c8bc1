// Computes outside a parallel loop what does not depend on its axis (schedule.h). Inside the bodies of sums the element
// builder has already placed everything as far out as it goes.
#include "codegen/schedule.h"

namespace gradc::codegen {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

class Hoist {
 public:
  explicit Hoist(Kernel& kernel)
      : kernel_(kernel), home_(kernel.nodes.size(), 0), depth_of_axis_(kernel.axes.size(), 0) {}

  // Statements of `block`, which is the body of the parallel loop at `depth` (0: no loop), whose home is further out go
  // to bodies_[home]; the others stay.
  Block run(const Block& block, size_t depth) {
    if (bodies_.size() <= depth) bodies_.resize(depth + 1);
    bodies_[depth].clear();
    for (const Statement& statement : block) {
      if (statement.is_loop && kernel_.loops[at(statement.id)].kind == LoopKind::parallel) {
        const int32_t axis = kernel_.loops[at(statement.id)].axis;
        depth_of_axis_[at(axis)] = depth + 1;
        Block body = run(kernel_.loops[at(statement.id)].body, depth + 1);
        kernel_.loops[at(statement.id)].body = std::move(body);
        bodies_[depth].push_back(statement);
        continue;
      }
      bodies_[home_of(statement)].push_back(statement);
    }
    return std::move(bodies_[depth]);
  }

 private:
  size_t home_of(const Statement& statement) {
    size_t home = 0;
    if (!statement.is_loop) {
      const Node& node = kernel_.nodes[at(statement.id)];
      home = home_of(node);
      home_[at(statement.id)] = home;
      return home;
    }
    const Loop& loop = kernel_.loops[at(statement.id)];
    for (NodeId init : loop.inits) home = std::max(home, home_[at(init)]);
    // Inner loops and nodes refer to what stands before them, so one pass in order sees every home.
    for (const Statement& inner : loop.body) home = std::max(home, home_of(inner));
    for (NodeId yield : loop.yields) home = std::max(home, home_[at(yield)]);
    for (NodeId result : loop.results) home_[at(result)] = home;
    return home;
  }

  size_t home_of(const Node& node) const {
    size_t home = 0;
    for (NodeId operand : node.operands) home = std::max(home, home_[at(operand)]);
    if (node.predicate != kNoNode) home = std::max(home, home_[at(node.predicate)]);
    for (const Affine* index : {&node.index, &node.sample})
      for (const Affine::Term& term : index->terms) {
        const NodeId dynamic = kernel_.axes[at(term.axis)].node;
        home = std::max(home, dynamic == kNoNode ? depth_of_axis_[at(term.axis)] : home_[at(dynamic)]);
      }
    return home;
  }

  Kernel& kernel_;
  std::vector<size_t> home_;           // by node: the depth of the parallel loop it belongs in
  std::vector<size_t> depth_of_axis_;  // of parallel axes; axes of sums count as 0
  std::vector<Block> bodies_;          // of the parallel loops that are open, by depth
};

}  // namespace

void hoist(Kernel& kernel) {
  const Block body = std::move(kernel.body);
  kernel.body = Hoist(kernel).run(body, 0);
}

}  // namespace gradc::codegen
