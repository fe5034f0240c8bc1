// What stands behind the sums of a tile, an update of parameters for example, is the same code for every point. Where
// it is long, it becomes a loop over the points: the sums wait on the stack meanwhile. That costs little, because the
// sums before it took far longer, and the code generator, whose time goes with the length of its input, is done sooner.
#include "codegen/kernel_emitter.h"

namespace gradc::codegen {

using llvm::Value;

namespace {

// How often the innermost body of the loop runs.
int64_t rounds_of(const Kernel& kernel, const Loop& loop) {
  int64_t inside = 1;
  for (const Statement& statement : loop.body)
    if (statement.is_loop)
      inside = std::max(inside, rounds_of(kernel, kernel.loops[static_cast<size_t>(statement.id)]));
  return loop.extent * inside;
}

}  // namespace

bool KernelEmitter::is_long_for_all_points(const std::vector<NodeId>& nodes, const Loop& before) const {
  constexpr size_t kLeastPoints = 4, kMostCopies = 96;
  // What a function of ir/math.h is made of. In the loop it is not computed for two vectors at a time, which only goes
  // unnoticed behind a sum that takes longer.
  constexpr size_t kFunction = 20;
  constexpr int64_t kLongSum = 128;
  const size_t function_length = rounds_of(kernel_, before) >= kLongSum ? kFunction : 1;
  if (points_ < kLeastPoints || context_.registers != nullptr) return false;
  size_t length = 0;
  for (NodeId id : nodes) {
    const Node& node = kernel_.nodes[at(id)];
    if (transposing_tile(node) != nullptr) return false;
    const bool memory = node.kind == NodeKind::load || node.kind == NodeKind::store;
    const bool scattered = memory && width_ > 1 && vector_stride(node.index) > 1;
    const bool function = node.kind == NodeKind::apply && ir::op_info(node.op).has(ir::kFunction);
    length += scattered                         ? 3 * static_cast<size_t>(width_)
              : function                        ? function_length
              : node.kind == NodeKind::constant ? 0
                                                : 1;
  }
  return length * points_ > kMostCopies;
}

void KernelEmitter::emit_point_by_point(const std::vector<NodeId>& nodes) {
  llvm::Function* function = builder_.GetInsertBlock()->getParent();
  // What the nodes need and was computed for each point: one place for each on the stack.
  std::vector<bool> own(kernel_.nodes.size(), false), seen(kernel_.nodes.size(), false);
  for (NodeId id : nodes) own[at(id)] = true;
  std::vector<std::pair<NodeId, Values>> outer;  // to be restored
  std::vector<std::pair<NodeId, Value*>> kept;
  const auto keep = [&](NodeId id) {
    if (own[at(id)] || seen[at(id)]) return;
    seen[at(id)] = true;
    const Values& values = values_[at(id)];
    if (values.size() <= 1) return;
    outer.emplace_back(id, values);
    if (std::all_of(values.begin(), values.end(), [&](Value* value) { return value == values[0]; })) return;
    Value* place = on_stack(values[0]->getType(), static_cast<int64_t>(points_));
    for (size_t point = 0; point < points_; ++point) {
      const size_t each = points_ / values.size();
      builder_.CreateStore(values[point / each], builder_.CreateConstGEP1_64(values[0]->getType(), place, point));
    }
    kept.emplace_back(id, place);
  };
  for (NodeId id : nodes) visit_operands(kernel_, kernel_.nodes[at(id)], keep);

  llvm::BasicBlock* before = builder_.GetInsertBlock();
  llvm::BasicBlock* head = llvm::BasicBlock::Create(builder_.getContext(), "point", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(builder_.getContext(), "points.done", function);
  builder_.CreateBr(head);
  builder_.SetInsertPoint(head);
  llvm::PHINode* point = builder_.CreatePHI(builder_.getInt64Ty(), 2, "point");
  point->addIncoming(builder_.getInt64(0), before);

  const std::vector<Tile> tiles = std::exchange(tiles_, {});
  const size_t points = std::exchange(points_, 1);
  Values first_of;  // of each tile's axis
  for (const Tile& tile : tiles) {
    Value* place = builder_.CreateUDiv(point, builder_.getInt64(tile.stride));
    place = builder_.CreateURem(place, builder_.getInt64(tile.count));
    Value*& axis = axes_[at(tile.axis)];
    first_of.push_back(axis);
    axis = builder_.CreateAdd(axis, builder_.CreateMul(place, builder_.getInt64(static_cast<uint64_t>(tile.step))));
  }
  for (const auto& [id, values] : outer) values_[at(id)] = {values[0]};
  for (const auto& [id, place] : kept) {
    llvm::Type* type = values_[at(id)][0]->getType();
    values_[at(id)] = {builder_.CreateLoad(type, builder_.CreateGEP(type, place, point))};
  }
  // The axes are no multiples of what a loop around counts.
  open_.push_back({-1, 0, false, nullptr, nullptr, nullptr, {}});
  emit(nodes);
  open_.pop_back();

  for (size_t i = 0; i < tiles.size(); ++i) axes_[at(tiles[i].axis)] = first_of[i];
  tiles_ = tiles;
  points_ = points;
  for (auto& [id, values] : outer) values_[at(id)] = std::move(values);
  Value* next = builder_.CreateAdd(point, builder_.getInt64(1));
  point->addIncoming(next, builder_.GetInsertBlock());
  builder_.CreateCondBr(builder_.CreateICmpULT(next, builder_.getInt64(points)), head, after);
  builder_.SetInsertPoint(after);
}

}  // namespace gradc::codegen
