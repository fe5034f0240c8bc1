// What stands behind the sums of a tile, an update of parameters for example, is the same code for every point. Where
// it is long, it becomes a loop over the points: the sums wait on the stack meanwhile. That costs little, because the
// sums before it took far longer, and the code generator, whose time goes with the length of its input, is done sooner.
// Points that are turned before they are stored stay side by side.
#include "codegen/kernel_emitter.h"

namespace gradc::codegen {

using llvm::Value;

bool KernelEmitter::is_long_for_all_points(const std::vector<NodeId>& nodes) const {
  constexpr size_t kLeastPoints = 4, kMostCopies = 96;
  if (points_ < kLeastPoints || context_.registers != nullptr) return false;
  size_t length = 0;
  for (NodeId id : nodes) {
    const Node& node = kernel_.nodes[at(id)];
    if (transposing_tile(node) != nullptr) return false;
    const bool memory = node.kind == NodeKind::load || node.kind == NodeKind::store;
    const bool scattered = memory && width_ > 1 && vector_stride(node.index) > 1;
    const size_t elements = (turning_tile(node) != nullptr ? 1 : 3) * static_cast<size_t>(width_);
    if (node.kind != NodeKind::constant) length += scattered ? elements : 1;
  }
  return length * points_ > kMostCopies;
}

const KernelEmitter::Tile* KernelEmitter::tile_that_turns(const std::vector<NodeId>& nodes) const {
  for (NodeId id : nodes)
    if (const Tile* tile = turning_tile(kernel_.nodes[at(id)]); tile != nullptr) return tile;
  return nullptr;
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
  llvm::PHINode* round = builder_.CreatePHI(builder_.getInt64Ty(), 2, "point");
  round->addIncoming(builder_.getInt64(0), before);

  // The points of the innermost tile are next to each other, so those of a round are.
  const Tile* together = tile_that_turns(nodes);
  Tile open = together == nullptr ? Tile{} : *together;
  const size_t rounds = points_ / open.count;
  Value* point = open.count == 1 ? round : builder_.CreateMul(round, builder_.getInt64(open.count));
  std::vector<std::pair<int32_t, Value*>> firsts;  // of the axes of the other tiles
  for (const Tile& tile : tiles_) {
    if (&tile == together) continue;
    Value* place = builder_.CreateUDiv(point, builder_.getInt64(tile.stride));
    place = builder_.CreateURem(place, builder_.getInt64(tile.count));
    Value*& axis = axes_[at(tile.axis)];
    firsts.emplace_back(tile.axis, axis);
    axis = builder_.CreateAdd(axis, builder_.CreateMul(place, builder_.getInt64(static_cast<uint64_t>(tile.step))));
  }
  for (const auto& [id, values] : outer) values_[at(id)] = {values[0]};
  for (const auto& [id, place] : kept) {
    llvm::Type* type = values_[at(id)][0]->getType();
    Values values;
    for (size_t i = 0; i < open.count; ++i) {
      Value* index = builder_.CreateAdd(point, builder_.getInt64(i));
      values.push_back(builder_.CreateLoad(type, builder_.CreateGEP(type, place, index)));
    }
    values_[at(id)] = std::move(values);
  }
  const size_t points = std::exchange(points_, open.count);
  const std::vector<Tile> tiles = std::exchange(tiles_, {});
  if (together != nullptr) tiles_.push_back(std::move(open));
  // The axes are no multiples of what a loop around counts.
  open_.push_back({-1, 0, false, nullptr, nullptr, nullptr, {}});
  emit(nodes);
  open_.pop_back();

  for (const auto& [axis, first] : firsts) axes_[at(axis)] = first;
  tiles_ = tiles;
  points_ = points;
  for (auto& [id, values] : outer) values_[at(id)] = std::move(values);
  Value* next = builder_.CreateAdd(round, builder_.getInt64(1));
  round->addIncoming(next, builder_.GetInsertBlock());
  builder_.CreateCondBr(builder_.CreateICmpULT(next, builder_.getInt64(rounds)), head, after);
  builder_.SetInsertPoint(after);
}

}  // namespace gradc::codegen
