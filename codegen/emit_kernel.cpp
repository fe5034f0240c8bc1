#include "codegen/emit_kernel.h"

#include <llvm/IR/Intrinsics.h>

#include "codegen/kernel_emitter.h"
#include "ir/ensure.h"

namespace gradc::codegen {

using llvm::Value;
using Values = std::vector<Value*>;

int KernelEmitter::width_of(const Value* value) const {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  return vector == nullptr ? 1 : static_cast<int>(vector->getNumElements());
}

Value* KernelEmitter::narrowed(Value* value, int width) {
  if (width_of(value) <= width) return value;
  if (width == 1) return builder_.CreateExtractElement(value, uint64_t{0});
  return builder_.CreateShuffleVector(value, first_elements(width));
}

Value* KernelEmitter::spread(Value* value, int width) {
  if (width == 1 || width_of(value) > 1) return value;
  if (splat_block_ != builder_.GetInsertBlock()) splats_.clear();
  splat_block_ = builder_.GetInsertBlock();
  Value*& splat = splats_[{value, width}];
  if (splat == nullptr) splat = builder_.CreateVectorSplat(static_cast<unsigned>(width), value);
  return splat;
}

size_t KernelEmitter::shared_point(NodeId id) const {
  size_t point = point_;
  for (const Tile& tile : tiles_)
    if (!tile.varies[at(id)]) point -= coordinate(tile) * tile.stride;
  return point;
}

Value* KernelEmitter::stored(NodeId id) const {
  const Values& values = values_[at(id)];
  return values[point_ / (points_ / values.size())];
}

Affine KernelEmitter::at_point(Affine index) const {
  for (const Tile& tile : tiles_)
    index.constant += index.stride(tile.axis) * tile.step * static_cast<int64_t>(coordinate(tile));
  if (turned_axis_ >= 0) index.constant += index.stride(turned_axis_) * static_cast<int64_t>(turned_round_);
  return index;
}

void KernelEmitter::emit(const Node& node, NodeId id) {
  base_ = nullptr;
  if (node.kind == NodeKind::store) {
    if (const Tile* tile = turning_tile(node); tile != nullptr) {
      store_turned(node, id, *tile);
    } else {
      at_own_points(id, [&] { store(node); });
    }
  } else if (const auto turned = turned_.find(id); turned != turned_.end()) {
    values_[at(id)] = turned->second[turned_round_];
  } else if (const Tile* tile = transposing_tile(node); tile != nullptr) {
    load_transposed(node, id, *tile);
  } else if (node.kind == NodeKind::apply && ir::op_info(node.op).has(ir::kFunction)) {
    const Values results = side_by_side(node, id);
    auto next = results.begin();
    define(id, [&] { return *next++; });
  } else {
    define(id, [&] { return result_of(node); });
  }
}

// A function is a long chain, for which the processor mostly waits. In a vector twice as wide two chains take turns.
Values KernelEmitter::side_by_side(const Node& node, NodeId id) {
  std::vector<Values> operands;  // by point
  at_own_points(id, [&] { operands.push_back(together(node.operands, 1)); });
  const ir::DType dtype = kernel_.nodes[at(node.operands.back())].dtype;
  Values results;
  for (size_t i = 0; i < operands.size();) {
    const int width = width_of(operands[i][0]);
    if (width == 1 || i + 1 == operands.size()) {
      results.push_back(context_.scalar.apply(node.op, node.dtype, dtype, operands[i++]));
      continue;
    }
    Values both;
    for (size_t k = 0; k < node.operands.size(); ++k)
      both.push_back(builder_.CreateShuffleVector(operands[i][k], operands[i + 1][k], first_elements(2 * width)));
    Value* result = context_.scalar.apply(node.op, node.dtype, dtype, both);
    llvm::SmallVector<int, 16> upper = first_elements(width);
    for (int& element : upper) element += width;
    results.push_back(narrowed(result, width));
    results.push_back(builder_.CreateShuffleVector(result, upper));
    i += 2;
  }
  return results;
}

Value* KernelEmitter::in_range(const Node& node, Value* index) {
  const auto bound = [&](int64_t number) {
    return llvm::ConstantInt::get(index->getType(), static_cast<uint64_t>(number));
  };
  return builder_.CreateAnd(builder_.CreateICmpSGE(index, bound(node.low)),
                            builder_.CreateICmpSLT(index, bound(node.high)));
}

Value* KernelEmitter::result_of(const Node& node) {
  switch (node.kind) {
    case NodeKind::constant:
      return context_.scalar.constant(node.number, node.dtype);
    case NodeKind::index:
      return indices(node.index, builder_.getInt32Ty());
    case NodeKind::in_range: {
      return in_range(node, indices(node.index, builder_.getInt64Ty()));
    }
    case NodeKind::load:
      return load(node);
    case NodeKind::apply: {
      const ir::DType operand = kernel_.nodes[at(node.operands.back())].dtype;
      const Values operands = together(node.operands, 1);
      return context_.scalar.apply(node.op, node.dtype, operand, operands);
    }
    case NodeKind::random: {
      Value* sample = indices(node.sample, builder_.getInt32Ty());
      Value* element = indices(node.index, builder_.getInt32Ty());
      const int width = std::max(width_of(sample), width_of(element));
      const Values key = together(node.operands, width);
      const int all = std::max(width, width_of(key[0]));
      const auto moving = context_.places.find(node.place);
      Value* place =
          moving != context_.places.end() ? moving->second : builder_.getInt32(static_cast<uint32_t>(node.place));
      return context_.scalar.random(key, spread(place, all), spread(sample, all), spread(element, all));
    }
    case NodeKind::store:
    case NodeKind::carried:
      break;
  }
  ENSURE(false, "a carried value stands alone");
  return nullptr;
}

Values KernelEmitter::together(const std::vector<NodeId>& ids, int least) {
  Values operands;
  for (NodeId id : ids) operands.push_back(value(id));
  int width = least;
  for (const Value* operand : operands) width = std::max(width, width_of(operand));
  for (Value*& operand : operands) operand = spread(operand, width);
  return operands;
}

void KernelEmitter::emit(const Block& block) {
  bool fetched = false, behind_loop = false;
  for (size_t i = 0; i < block.size(); ++i) {
    if (!block[i].is_loop) {
      std::vector<NodeId> nodes;
      for (; i < block.size() && !block[i].is_loop; ++i) nodes.push_back(block[i].id);
      if (behind_loop && i == block.size() && is_long_for_all_points(nodes)) {
        emit_point_by_point(nodes);
      } else {
        emit(nodes);
      }
      --i;
      continue;
    }
    behind_loop = true;
    const bool is_sum = kernel_.loops[at(block[i].id)].kind == LoopKind::reduce;
    if (is_sum && points_ > 1 && !std::exchange(fetched, true)) fetch_ahead(block, i + 1);
    emit(kernel_.loops[at(block[i].id)]);
  }
}

void KernelEmitter::emit(const std::vector<NodeId>& nodes) {
  const auto in_first = [&](const Tile& tile, NodeId id) {
    return !tile.varies[at(id)] || transposing_tile(kernel_.nodes[at(id)]) != nullptr;
  };
  // What is turned along a tile is needed at all its points at once.
  const Tile* turns = tile_that_turns(nodes);
  const Tile* best = nullptr;
  size_t least = 0;
  for (const Tile& tile : tiles_) {
    if (&tile == turns) continue;
    size_t live = 0;
    for (NodeId id : nodes)
      if (in_first(tile, id)) at_own_points(id, [&] { ++live; });
    if (best == nullptr || live < least) best = &tile, least = live;
  }
  if (best == nullptr || slicing_ != nullptr) {
    for (NodeId id : nodes) emit_node(id);
    return;
  }
  for (NodeId id : nodes)
    if (in_first(*best, id)) emit_node(id);
  for (slice_ = 0; slice_ < best->count; ++slice_) {
    slicing_ = best;
    for (NodeId id : nodes)
      if (!in_first(*best, id)) emit_node(id);
    slicing_ = nullptr;
  }
}

void KernelEmitter::emit_node(NodeId id) {
  const Node& node = kernel_.nodes[at(id)];
  if (context_.debug_location && node.location.valid())
    builder_.SetCurrentDebugLocation(context_.debug_location(node.location));
  emit(node, id);
}

void KernelEmitter::fetch_ahead(const Block& block, size_t first) {
  constexpr int64_t kFarBytes = 1 << 15;
  constexpr uint32_t kReading = 0, kKeep = 3, kData = 1;
  for (size_t i = first; i < block.size(); ++i) {
    if (block[i].is_loop) continue;
    const Node& node = kernel_.nodes[at(block[i].id)];
    if (node.kind != NodeKind::load || node.predicate != kNoNode || kernel_.is_dynamic(node.index) ||
        vector_stride(node.index) > 1 || buffer(node).bytes() < kFarBytes)
      continue;
    base_ = nullptr;
    at_own_points(block[i].id, [&] {
      builder_.CreateIntrinsic(
          llvm::Intrinsic::prefetch, {builder_.getPtrTy()},
          {element_pointer(node), builder_.getInt32(kReading), builder_.getInt32(kKeep), builder_.getInt32(kData)});
    });
  }
}

void emit_kernel(EmitContext& context, const KernelProgram& program, const Kernel& kernel) {
  KernelEmitter(context, program, kernel).run();
}

}  // namespace gradc::codegen
