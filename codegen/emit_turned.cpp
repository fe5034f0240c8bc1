// Loads and stores of elements that are scattered along the vector and neighbours along something else: these are
// loaded or stored as vectors and turned in registers.
#include "codegen/kernel_emitter.h"
#include "codegen/transpose.h"

namespace gradc::codegen {

using llvm::Value;
using Values = std::vector<Value*>;

const KernelEmitter::Tile* KernelEmitter::transposing_tile(const Node& node) const {
  if (node.kind != NodeKind::load || context_.registers != nullptr) return nullptr;
  const int64_t stride = vector_stride(node.index);
  if (width_ < 4 || (width_ & (width_ - 1)) != 0 || stride == 0 || stride == 1 || kernel_.is_dynamic(node.index))
    return nullptr;
  const NodeId predicate = open_predicate(node);
  if (predicate != kNoNode && (varies_[at(predicate)] || !is_mask(kernel_, predicate))) return nullptr;
  for (const Tile& tile : tiles_)
    if (tile.count == lanes() && node.index.stride(tile.axis) * tile.step == 1) return &tile;
  return nullptr;
}

Value* KernelEmitter::mask_along(NodeId condition, const Tile& tile) {
  const Node& node = kernel_.nodes[at(condition)];
  if (node.kind == NodeKind::apply)
    return builder_.CreateAnd(mask_along(node.operands[0], tile), mask_along(node.operands[1], tile));
  Value* first = first_index(at_point(node.index));
  if (!tile.varies[at(condition)]) return spread(in_range(node, first), width_);
  llvm::SmallVector<llvm::Constant*, 16> steps;
  for (int64_t place = 0; place < width_; ++place)
    steps.push_back(builder_.getInt64(static_cast<uint64_t>(place * node.index.stride(tile.axis) * tile.step)));
  return in_range(node, builder_.CreateAdd(spread(first, width_), llvm::ConstantVector::get(steps)));
}

void KernelEmitter::load_transposed(const Node& node, NodeId id, const Tile& tile) {
  llvm::Type* type = llvm::FixedVectorType::get(memory_type(builder_.getContext(), node.dtype), lanes());
  Values values(points_);
  for (point_ = 0; point_ < points_; ++point_) {
    if (coordinate(tile) != 0 || shared_point(id) != point_) continue;
    Value* first = element_pointer(node);
    const NodeId predicate = open_predicate(node);
    Value* mask = predicate == kNoNode ? nullptr : mask_along(predicate, tile);
    Values rows;
    for (int64_t i = 0; i < width_; ++i) {
      Value* row = element_after(node, first, i * vector_stride(node.index));
      rows.push_back(mask == nullptr ? load_at(node, row, type)
                                     : builder_.CreateMaskedLoad(type, row, alignment(node), mask,
                                                                 llvm::Constant::getNullValue(type)));
    }
    const Values columns = transposed(builder_, std::move(rows));
    for (size_t i = 0; i < columns.size(); ++i)
      values[point_ + i * tile.stride] = from_memory(builder_, node.dtype, columns[i]);
  }
  for (point_ = 0; point_ < points_; ++point_) values[point_] = values[shared_point(id)];
  point_ = 0;
  values_[at(id)] = std::move(values);
}

const KernelEmitter::Tile* KernelEmitter::turning_tile(const Node& node) const {
  if (node.kind != NodeKind::store || context_.registers != nullptr) return nullptr;
  const int64_t stride = vector_stride(node.index);
  if (width_ % kTurned != 0 || stride == 0 || stride == 1 || kernel_.is_dynamic(node.index) || tiles_.empty())
    return nullptr;
  const Tile& tile = tiles_.back();
  return tile.count % kTurned == 0 && node.index.stride(tile.axis) * tile.step == 1 ? &tile : nullptr;
}

void KernelEmitter::store_turned(const Node& node, NodeId id, const Tile& tile) {
  for (point_ = 0; point_ < points_; ++point_) {
    if (coordinate(tile) % kTurned != 0 || shared_point(id) != point_ || !in_slice()) continue;
    Value* first = element_pointer(node);
    const size_t start = point_;
    Values vectors;
    for (; vectors.size() < kTurned; point_ += tile.stride)
      vectors.push_back(to_memory(builder_, node.dtype, wide(node.operands[0])));
    point_ = start;
    const Values groups = groups_of_four(builder_, vectors);
    for (size_t k = 0; k < groups.size(); ++k)
      store_at(node, element_after(node, first, static_cast<int64_t>(k) * vector_stride(node.index)), groups[k]);
  }
  point_ = 0;
}

void KernelEmitter::load_turned(const Node& node, NodeId id) {
  llvm::Type* four = llvm::FixedVectorType::get(memory_type(builder_.getContext(), node.dtype), kTurned);
  std::vector<Values> rounds(kTurned, Values(points_));
  base_ = nullptr;
  for (point_ = 0; point_ < points_; ++point_) {
    const size_t shared = shared_point(id);
    if (shared != point_) {
      for (Values& values : rounds) values[point_] = values[shared];
      continue;
    }
    Value* first = element_pointer(node);
    const Values columns = columns_of_four(builder_, width_, [&](int64_t lane) {
      return load_at(node, element_after(node, first, lane * vector_stride(node.index)), four);
    });
    for (size_t k = 0; k < rounds.size(); ++k) rounds[k][point_] = from_memory(builder_, node.dtype, columns[k]);
  }
  point_ = 0;
  turned_[id] = std::move(rounds);
}

}  // namespace gradc::codegen
