#include "codegen/emit_kernel.h"

#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <map>

#include "codegen/lane_sums.h"
#include "codegen/schedule.h"
#include "ir/ensure.h"

namespace gradc::codegen {

namespace {

using llvm::Value;
using Values = std::vector<Value*>;

size_t at(int32_t id) { return static_cast<size_t>(id); }

class KernelEmitter {
 public:
  KernelEmitter(EmitContext& context, const KernelProgram& program, const Kernel& kernel)
      : context_(context),
        builder_(context.builder),
        program_(program),
        kernel_(kernel),
        values_(kernel.nodes.size()),
        axes_(kernel.axes.size(), nullptr) {}

  void run() { emit(kernel_.body); }

 private:
  // --- values and widths ---

  int width_of(const Value* value) const {
    const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
    return vector == nullptr ? 1 : static_cast<int>(vector->getNumElements());
  }

  // The first `width` elements.
  Value* narrowed(Value* value, int width) {
    if (width_of(value) <= width) return value;
    if (width == 1) return builder_.CreateExtractElement(value, uint64_t{0});
    return builder_.CreateShuffleVector(value, first_elements(width));
  }

  // Once for each value and block of instructions: the points of a tile share it.
  Value* spread(Value* value, int width) {
    if (width == 1 || width_of(value) > 1) return value;
    if (splat_block_ != builder_.GetInsertBlock()) splats_.clear();
    splat_block_ = builder_.GetInsertBlock();
    Value*& splat = splats_[{value, width}];
    if (splat == nullptr) splat = builder_.CreateVectorSplat(static_cast<unsigned>(width), value);
    return splat;
  }

  static llvm::SmallVector<int, 16> first_elements(int width) {
    llvm::SmallVector<int, 16> elements;
    for (int i = 0; i < width; ++i) elements.push_back(i);
    return elements;
  }

  // --- points: the iterations of the open tiles that are computed side by side, the innermost tile's next to each
  // other

  struct Tile {
    int32_t axis = 0;
    int64_t step = 1;  // of the axis, from point to point
    size_t count = 1;
    size_t stride = 1;         // of the point's number
    std::vector<bool> varies;  // by node
  };

  size_t coordinate(const Tile& tile) const { return point_ / tile.stride % tile.count; }

  // The first point at which `id` has the same value as at this one.
  size_t shared_point(NodeId id) const {
    size_t point = point_;
    for (const Tile& tile : tiles_)
      if (!tile.varies[at(id)]) point -= coordinate(tile) * tile.stride;
    return point;
  }

  // The points of the open tiles at which `id` has a value of its own.
  template <class Visit>
  void at_own_points(NodeId id, const Visit& visit) {
    for (point_ = 0; point_ < points_; ++point_)
      if (in_slice() && shared_point(id) == point_) visit();
    point_ = 0;
  }

  bool in_slice() const { return slicing_ == nullptr || coordinate(*slicing_) == slice_; }

  // `next()` gives the values of `id` at its own points in their order; the other points share them.
  template <class Next>
  void define(NodeId id, const Next& next) {
    Values values(points_);
    if (slicing_ != nullptr && slice_ > 0) values = std::move(values_[at(id)]);
    for (point_ = 0; point_ < points_; ++point_) {
      const size_t first = shared_point(id);
      if (in_slice()) values[point_] = first == point_ ? next() : values[first];
    }
    point_ = 0;
    values_[at(id)] = std::move(values);
  }

  // What was defined outside a tile has one value for all its points.
  Value* stored(NodeId id) const {
    const Values& values = values_[at(id)];
    return values[point_ / (points_ / values.size())];
  }

  Affine at_point(Affine index) const {
    for (const Tile& tile : tiles_)
      index.constant += index.stride(tile.axis) * tile.step * static_cast<int64_t>(coordinate(tile));
    return index;
  }

  Value* value(NodeId id) { return narrowed(stored(id), width_); }
  Value* wide(NodeId id) { return spread(value(id), width_); }

  // --- indices ---

  // Constant 0 and the stride in bytes apart, so that addresses are base + register + immediate.
  Value* varying_part(const Affine& index, int64_t scale) {
    Value* total = nullptr;
    for (const Affine::Term& term : index.terms) {
      Value* axis = axis_value(term.axis);
      if (width_of(axis) > 1) continue;  // see scattered_part
      Value* part = builder_.CreateMul(axis, builder_.getInt64(static_cast<uint64_t>(term.stride * scale)));
      total = total == nullptr ? part : builder_.CreateAdd(total, part);
    }
    return total == nullptr ? builder_.getInt64(0) : total;
  }

  // The index on an axis, as i64; a vector of the current width where it is dynamic and varies.
  Value* axis_value(int32_t axis) {
    const NodeId node = kernel_.axes[at(axis)].node;
    if (node == kNoNode) return axes_[at(axis)];
    Value* index = value(node);
    llvm::Type* type = builder_.getInt64Ty();
    if (width_of(index) > 1) type = llvm::FixedVectorType::get(type, lanes());
    return builder_.CreateSExt(index, type);
  }

  // What dynamic axes add to the index of each element of a vector; null where they add the same to all.
  Value* scattered_part(const Affine& index) {
    Value* total = nullptr;
    for (const Affine::Term& term : index.terms) {
      if (kernel_.axes[at(term.axis)].node == kNoNode) continue;
      Value* axis = axis_value(term.axis);
      if (width_of(axis) == 1) continue;
      Value* stride = spread(builder_.getInt64(static_cast<uint64_t>(term.stride)), width_);
      Value* part = builder_.CreateMul(axis, stride);
      total = total == nullptr ? part : builder_.CreateAdd(total, part);
    }
    return total;
  }

  bool scattered(const Affine& index) const {
    return width_ > 1 && std::any_of(index.terms.begin(), index.terms.end(), [&](const Affine::Term& term) {
             const NodeId node = kernel_.axes[at(term.axis)].node;
             return node != kNoNode && width_of(stored(node)) > 1;
           });
  }

  // The index of the first element of a vector, or of the only one.
  Value* first_index(const Affine& index) {
    return builder_.CreateAdd(varying_part(index, 1), builder_.getInt64(static_cast<uint64_t>(index.constant)));
  }

  int64_t vector_stride(const Affine& index) const { return width_ == 1 ? 0 : index.stride(vector_axis_); }

  // The index of every element, as a vector of `type` where it varies.
  Value* indices(const Affine& index, llvm::IntegerType* type) {
    Value* first = builder_.CreateTrunc(first_index(at_point(index)), type);
    const int64_t stride = vector_stride(index);
    if (stride != 0) {
      llvm::SmallVector<llvm::Constant*, 16> steps;
      for (int lane = 0; lane < width_; ++lane)
        steps.push_back(llvm::ConstantInt::get(type, static_cast<uint64_t>(lane * stride)));
      first = builder_.CreateAdd(spread(first, width_), llvm::ConstantVector::get(steps));
    }
    if (!scattered(index)) return first;
    Value* rest = builder_.CreateTrunc(scattered_part(index), llvm::FixedVectorType::get(type, lanes()));
    return builder_.CreateAdd(spread(first, width_), rest);
  }

  // --- memory ---

  const Buffer& buffer(const Node& node) const { return program_.buffers[at(node.buffer)]; }

  // The address of a buffer whose offset is an argument; null for all others.
  Value* start_of(int32_t id) {
    Value* offset = at(id) < context_.offsets.size() ? context_.offsets[at(id)] : nullptr;
    if (offset == nullptr) return nullptr;
    Value* space = context_.pointers[static_cast<size_t>(program_.buffers[at(id)].storage.space)];
    return builder_.CreateGEP(builder_.getInt8Ty(), space, offset);
  }

  // The address of the first element of a vector, or of the only one. The points of a tile are constant distances
  // apart.
  Value* element_pointer(const Node& node) {
    const Buffer& memory = buffer(node);
    const int64_t size = ir::dtype_bytes(memory.dtype);
    if (base_ == nullptr || kernel_.is_dynamic(node.index)) {
      base_ = start_of(node.buffer);
      base_offset_ = 0;
      if (base_ == nullptr) {
        base_ = context_.pointers[static_cast<size_t>(memory.storage.space)];
        base_offset_ = memory.storage.offset;
      }
      Value* varying = varying_part(node.index, size);
      if (const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(varying)) {
        base_offset_ += constant->getSExtValue();
      } else {
        base_ = builder_.CreateGEP(builder_.getInt8Ty(), base_, varying);
      }
    }
    return byte_pointer(builder_, base_, base_offset_ + at_point(node.index).constant * size);
  }

  llvm::Align alignment(const Node& node) const {
    return llvm::Align(static_cast<uint64_t>(ir::dtype_bytes(buffer(node).dtype)));
  }

  // In a resident program every index is a number.
  int64_t constant_offset(const Node& node) {
    const Buffer& memory = buffer(node);
    const auto* index = llvm::dyn_cast<llvm::ConstantInt>(first_index(at_point(node.index)));
    ENSURE(index != nullptr, "a resident program has an index that varies");
    return memory.storage.offset + index->getSExtValue() * ir::dtype_bytes(memory.dtype);
  }

  bool in_registers(const Node& node) const {
    return context_.registers != nullptr && RegisterMemory::holds(buffer(node).storage.space);
  }

  int64_t vector_distance(const Node& node) const { return vector_stride(node.index) * ir::dtype_bytes(node.dtype); }

  Value* load_registers(const Node& node, int64_t offset) {
    const int64_t distance = vector_distance(node);
    return context_.registers->load(buffer(node).storage.space, offset, distance, distance == 0 ? 1 : width_,
                                    node.dtype);
  }

  // The predicate is a number for each lane. Elements where it does not hold may lie outside the buffer.
  Value* load_lanes_where(const Node& node, const llvm::Constant* condition, llvm::Type* type) {
    Value* result = llvm::Constant::getNullValue(llvm::FixedVectorType::get(type, lanes()));
    for (unsigned lane = 0; lane < lanes(); ++lane) {
      if (condition->getAggregateElement(lane)->isNullValue()) continue;
      const int64_t offset = constant_offset(node) + static_cast<int64_t>(lane) * vector_distance(node);
      Value* element = context_.registers->load(buffer(node).storage.space, offset, 0, 1, node.dtype);
      result = builder_.CreateInsertElement(result, to_memory(builder_, node.dtype, element), uint64_t{lane});
    }
    return from_memory(builder_, node.dtype, result);
  }

  Value* load(const Node& node) {
    llvm::Type* type = memory_type(builder_.getContext(), node.dtype);
    const Value* condition = node.predicate == kNoNode || node.predicate == given_ ? nullptr : value(node.predicate);
    if (const auto* known = llvm::dyn_cast_or_null<llvm::Constant>(condition)) {
      if (known->isNullValue()) return context_.scalar.constant(0, node.dtype);
      if (known->isAllOnesValue()) condition = nullptr;
      if (condition != nullptr && in_registers(node)) return load_lanes_where(node, known, type);
    }
    if (condition != nullptr) return from_memory(builder_, node.dtype, load_where(node, type));
    if (in_registers(node)) return load_registers(node, constant_offset(node));
    if (scattered(node.index)) return from_memory(builder_, node.dtype, load_scattered(node, type));
    const int64_t stride = vector_stride(node.index);
    Value* first = element_pointer(node);
    if (stride == 0) return from_memory(builder_, node.dtype, load_at(node, first, type));
    if (stride == 1)
      return from_memory(builder_, node.dtype, load_at(node, first, llvm::FixedVectorType::get(type, lanes())));
    if (const int64_t offset = interleaved_offset(node, stride); offset >= 0) {
      Value* aligned = byte_pointer(builder_, first, -offset * ir::dtype_bytes(node.dtype));
      llvm::Type* whole = llvm::FixedVectorType::get(type, static_cast<unsigned>(width_ * stride));
      llvm::SmallVector<int, 16> own;
      for (int lane = 0; lane < width_; ++lane) own.push_back(static_cast<int>(offset + lane * stride));
      return from_memory(builder_, node.dtype, builder_.CreateShuffleVector(load_at(node, aligned, whole), own));
    }
    Value* result = llvm::PoisonValue::get(llvm::FixedVectorType::get(type, lanes()));
    for (int lane = 0; lane < width_; ++lane)
      result = builder_.CreateInsertElement(result, load_at(node, element_after(node, first, lane * stride), type),
                                            static_cast<uint64_t>(lane));
    return from_memory(builder_, node.dtype, result);
  }

  // The buffer in groups of `stride` elements: the load's place in its groups, the same for all lanes; -1 where that is
  // not known, or the stride is too long to load whole groups and pick.
  int64_t interleaved_offset(const Node& node, int64_t stride) {
    if (width_ < 4 || !is_interleaved(stride, buffer(node).elements()) || kernel_.is_dynamic(node.index)) return -1;
    int64_t known = at_point(node.index).constant;
    for (const Affine::Term& term : node.index.terms) {
      const auto* axis = llvm::dyn_cast<llvm::ConstantInt>(axis_value(term.axis));
      if (axis == nullptr && term.stride % stride != 0) return -1;
      if (axis != nullptr) known += term.stride * axis->getSExtValue();
    }
    return (known % stride + stride) % stride;
  }

  // One by one, each at an address of its own.
  Value* load_scattered(const Node& node, llvm::Type* type) {
    Value* all = indices(node.index, builder_.getInt64Ty());
    Value* result = llvm::PoisonValue::get(llvm::FixedVectorType::get(type, lanes()));
    for (int lane = 0; lane < width_; ++lane) {
      Value* element = builder_.CreateExtractElement(all, static_cast<uint64_t>(lane));
      result = builder_.CreateInsertElement(result, load_at(node, pointer_to(node, element), type),
                                            static_cast<uint64_t>(lane));
    }
    return result;
  }

  Value* pointer_to(const Node& node, Value* element) {
    const Buffer& memory = buffer(node);
    Value* base = start_of(node.buffer);
    if (base == nullptr)
      base =
          byte_pointer(builder_, context_.pointers[static_cast<size_t>(memory.storage.space)], memory.storage.offset);
    Value* size = builder_.getInt64(static_cast<uint64_t>(ir::dtype_bytes(memory.dtype)));
    return builder_.CreateGEP(builder_.getInt8Ty(), base, builder_.CreateMul(element, size));
  }

  // A tile as long as a vector, along which the elements of the load are neighbours while along the vector they are
  // not.
  const Tile* transposing_tile(const Node& node) const {
    if (node.kind != NodeKind::load || node.predicate != kNoNode || context_.registers != nullptr) return nullptr;
    const int64_t stride = vector_stride(node.index);
    if (width_ < 4 || (width_ & (width_ - 1)) != 0 || stride == 0 || stride == 1 || kernel_.is_dynamic(node.index))
      return nullptr;
    for (const Tile& tile : tiles_)
      if (tile.count == lanes() && node.index.stride(tile.axis) * tile.step == 1) return &tile;
    return nullptr;
  }

  // Vectors along the tile, then turned: each round puts element i of one half of the vectors beside element i of the
  // other half, and as many rounds as the width has bits exchange the two indices.
  void load_transposed(const Node& node, NodeId id, const Tile& tile) {
    llvm::Type* type = llvm::FixedVectorType::get(memory_type(builder_.getContext(), node.dtype), lanes());
    llvm::SmallVector<int, 16> low, high;
    for (int i = 0; i < width_; ++i) {
      low.push_back(i / 2 + (i % 2) * width_);
      high.push_back(low.back() + width_ / 2);
    }
    Values values(points_);
    for (point_ = 0; point_ < points_; ++point_) {
      if (coordinate(tile) != 0 || shared_point(id) != point_) continue;
      Value* first = element_pointer(node);
      Values now;
      for (int64_t i = 0; i < width_; ++i)
        now.push_back(load_at(node, element_after(node, first, i * vector_stride(node.index)), type));
      for (size_t round = 1; round < now.size(); round *= 2) {
        Values next;
        for (size_t i = 0; i < now.size() / 2; ++i) {
          next.push_back(builder_.CreateShuffleVector(now[i], now[i + now.size() / 2], low));
          next.push_back(builder_.CreateShuffleVector(now[i], now[i + now.size() / 2], high));
        }
        now = std::move(next);
      }
      for (size_t i = 0; i < now.size(); ++i)
        values[point_ + i * tile.stride] = from_memory(builder_, node.dtype, now[i]);
    }
    for (point_ = 0; point_ < points_; ++point_) values[point_] = values[shared_point(id)];
    point_ = 0;
    values_[at(id)] = std::move(values);
  }

  Value* element_after(const Node& node, Value* first, int64_t distance) {
    return byte_pointer(builder_, first, distance * ir::dtype_bytes(node.dtype));
  }

  Value* load_at(const Node& node, Value* pointer, llvm::Type* type) {
    return builder_.CreateAlignedLoad(type, pointer, alignment(node));
  }

  // Memory is touched only where the predicate holds: neighbours by a masked load, others one by one, reading the first
  // element of the buffer where it does not hold.
  Value* load_where(const Node& node, llvm::Type* type) {
    ENSURE(!in_registers(node), "a resident program has a predicate that varies");
    Value* condition = value(node.predicate);
    const int64_t stride = vector_stride(node.index);
    const bool apart = scattered(node.index);
    if (stride == 1 && !apart) {
      llvm::Type* vector = llvm::FixedVectorType::get(type, lanes());
      return builder_.CreateMaskedLoad(vector, element_pointer(node), alignment(node), spread(condition, width_),
                                       llvm::Constant::getNullValue(vector));
    }
    const auto one = [&](Value* holds, Value* element) {
      Value* safe = builder_.CreateSelect(holds, element, builder_.getInt64(0));
      Value* loaded = load_at(node, pointer_to(node, safe), type);
      return builder_.CreateSelect(holds, loaded, llvm::Constant::getNullValue(type));
    };
    const Affine index = at_point(node.index);
    const bool per_lane = stride != 0 || apart || width_of(condition) > 1;
    if (!per_lane) return one(condition, first_index(index));
    Value* all = apart ? indices(node.index, builder_.getInt64Ty()) : nullptr;
    Value* result = llvm::PoisonValue::get(llvm::FixedVectorType::get(type, lanes()));
    for (int lane = 0; lane < width_; ++lane) {
      Value* holds =
          width_of(condition) > 1 ? builder_.CreateExtractElement(condition, static_cast<uint64_t>(lane)) : condition;
      Value* element = apart ? builder_.CreateExtractElement(all, static_cast<uint64_t>(lane))
                             : first_index(shifted(index, lane * stride));
      result = builder_.CreateInsertElement(result, one(holds, element), static_cast<uint64_t>(lane));
    }
    return result;
  }

  void store(const Node& node) {
    if (in_registers(node)) {
      const bool vector = vector_stride(node.index) != 0;
      context_.registers->store(buffer(node).storage.space, constant_offset(node), vector_distance(node), node.dtype,
                                vector ? wide(node.operands[0]) : value(node.operands[0]));
      return;
    }
    const int64_t stride = vector_stride(node.index);
    Value* first = element_pointer(node);
    if (stride == 0) {
      store_at(node, first, to_memory(builder_, node.dtype, value(node.operands[0])));
      return;
    }
    Value* stored = to_memory(builder_, node.dtype, wide(node.operands[0]));
    if (stride == 1) {
      store_at(node, first, stored);
      return;
    }
    for (int lane = 0; lane < width_; ++lane)
      store_at(node, element_after(node, first, lane * stride),
               builder_.CreateExtractElement(stored, static_cast<uint64_t>(lane)));
  }

  void store_at(const Node& node, Value* pointer, Value* stored) {
    builder_.CreateAlignedStore(stored, pointer, alignment(node));
  }

  unsigned lanes() const { return static_cast<unsigned>(width_); }

  // --- nodes ---

  void emit(const Node& node, NodeId id) {
    base_ = nullptr;
    if (node.kind == NodeKind::store) {
      at_own_points(id, [&] { store(node); });
    } else if (const Tile* tile = transposing_tile(node); tile != nullptr) {
      load_transposed(node, id, *tile);
    } else {
      define(id, [&] { return result_of(node); });
    }
  }

  Value* result_of(const Node& node) {
    switch (node.kind) {
      case NodeKind::constant:
        return context_.scalar.constant(node.number, node.dtype);
      case NodeKind::index:
        return indices(node.index, builder_.getInt32Ty());
      case NodeKind::in_range: {
        Value* index = indices(node.index, builder_.getInt64Ty());
        const auto bound = [&](int64_t number) {
          return llvm::ConstantInt::get(index->getType(), static_cast<uint64_t>(number));
        };
        return builder_.CreateAnd(builder_.CreateICmpSGE(index, bound(node.low)),
                                  builder_.CreateICmpSLT(index, bound(node.high)));
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
        return context_.scalar.random(key, static_cast<uint32_t>(node.place), spread(sample, all),
                                      spread(element, all));
      }
      case NodeKind::store:
      case NodeKind::carried:
        break;
    }
    ENSURE(false, "a carried value stands alone");
    return nullptr;
  }

  // The operands at one width: vectors as soon as one of them is, or `least` asks for it.
  Values together(const std::vector<NodeId>& ids, int least) {
    Values operands;
    for (NodeId id : ids) operands.push_back(value(id));
    int width = least;
    for (const Value* operand : operands) width = std::max(width, width_of(operand));
    for (Value*& operand : operands) operand = spread(operand, width);
    return operands;
  }

  void emit(const Block& block) {
    bool fetched = false;
    for (size_t i = 0; i < block.size(); ++i) {
      if (!block[i].is_loop) {
        std::vector<NodeId> nodes;
        for (; i < block.size() && !block[i].is_loop; ++i) nodes.push_back(block[i].id);
        --i;
        emit(nodes);
        continue;
      }
      const bool is_sum = kernel_.loops[at(block[i].id)].kind == LoopKind::reduce;
      if (is_sum && points_ > 1 && !std::exchange(fetched, true)) fetch_ahead(block, i + 1);
      emit(kernel_.loops[at(block[i].id)]);
    }
  }

  // Nodes in a row. Where tiles are open, slice by slice of one of them: what is the same for all slices comes first
  // and stays in registers, so the tile is cut along which that is the least.
  void emit(const std::vector<NodeId>& nodes) {
    const auto in_first = [&](const Tile& tile, NodeId id) {
      return !tile.varies[at(id)] || transposing_tile(kernel_.nodes[at(id)]) != nullptr;
    };
    const Tile* best = nullptr;
    size_t least = 0;
    for (const Tile& tile : tiles_) {
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

  void emit_node(NodeId id) {
    const Node& node = kernel_.nodes[at(id)];
    if (context_.debug_location && node.location.valid())
      builder_.SetCurrentDebugLocation(context_.debug_location(node.location));
    emit(node, id);
  }

  // Asks for what is loaded behind a tile's sum, so that it comes while the sum runs: the parameters that an update
  // reads are used once a step, and are far away.
  void fetch_ahead(const Block& block, size_t first) {
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

  // --- loops ---

  // for (i = 0; i < count; ++i) carried = body(i, carried); at least one round. In SSA form, tested at its end.
  Values counted_loop(int64_t count, const Values& inits, const std::function<Values(Value*, const Values&)>& body) {
    if (count == 1) return body(builder_.getInt64(0), inits);
    return counted_loop(builder_.getInt64(0), builder_.getInt64(static_cast<uint64_t>(count)), inits, body);
  }

  // From `first` to before `end`, which is larger.
  Values counted_loop(Value* first, Value* end, const Values& inits,
                      const std::function<Values(Value*, const Values&)>& body) {
    llvm::Function* function = builder_.GetInsertBlock()->getParent();
    llvm::BasicBlock* before = builder_.GetInsertBlock();
    llvm::BasicBlock* head = llvm::BasicBlock::Create(builder_.getContext(), "loop", function);
    builder_.CreateBr(head);
    builder_.SetInsertPoint(head);
    llvm::PHINode* counter = builder_.CreatePHI(builder_.getInt64Ty(), 2, "i");
    counter->addIncoming(first, before);
    std::vector<llvm::PHINode*> phis;
    for (Value* init : inits) {
      phis.push_back(builder_.CreatePHI(init->getType(), 2));
      phis.back()->addIncoming(init, before);
    }
    Values next = body(counter, Values(phis.begin(), phis.end()));
    Value* following = builder_.CreateAdd(counter, builder_.getInt64(1), "", true, true);
    counter->addIncoming(following, builder_.GetInsertBlock());
    for (size_t i = 0; i < phis.size(); ++i) phis[i]->addIncoming(next[i], builder_.GetInsertBlock());
    llvm::BasicBlock* after = llvm::BasicBlock::Create(builder_.getContext(), "done", function);
    builder_.CreateCondBr(builder_.CreateICmpULT(following, end), head, after);
    builder_.SetInsertPoint(after);
    return next;
  }

  void emit(const Loop& loop) {
    switch (loop.kind) {
      case LoopKind::parallel:
        return parallel(loop);
      case LoopKind::reduce:
        return reduce(loop);
      case LoopKind::lanes:
        return lanes(loop);
      case LoopKind::where:
        return where(loop);
    }
  }

  void parallel(const Loop& loop) {
    Value*& axis = axes_[at(loop.axis)];
    const int64_t vector = loop.schedule.vector, tile = loop.schedule.tile;
    if (loop.schedule.unroll && tile == 1) {
      for (int64_t i = 0; i < loop.extent; i += vector) {
        axis = builder_.getInt64(static_cast<uint64_t>(i));
        body_of(loop, std::min(vector, loop.extent - i), 1);
      }
      return;
    }
    if (loop.schedule.parts > 1 && context_.first_round != nullptr) return some_rounds(loop);
    const int64_t block = vector * tile, rounds = loop.extent / block;
    if (rounds > 0) {
      counted_loop(rounds, {}, [&](Value* round, const Values&) {
        axis = builder_.CreateMul(round, builder_.getInt64(static_cast<uint64_t>(block)));
        body_of(loop, vector, tile);
        return Values{};
      });
    }
    what_is_left(loop);
  }

  // The iterations behind the whole rounds: whole vectors, and one that is shorter.
  void what_is_left(const Loop& loop) {
    Value*& axis = axes_[at(loop.axis)];
    const int64_t vector = loop.schedule.vector, block = vector * loop.schedule.tile;
    const int64_t whole = loop.extent % block / vector, rest = loop.extent % vector;
    if (whole > 0) {
      axis = builder_.getInt64(static_cast<uint64_t>(loop.extent - loop.extent % block));
      body_of(loop, vector, whole);
    }
    if (rest == 0) return;
    axis = builder_.getInt64(static_cast<uint64_t>(loop.extent - rest));
    body_of(loop, rest, 1);
  }

  // Those rounds of a loop in parts that the context asks for; what is left over belongs to the last round's part.
  void some_rounds(const Loop& loop) {
    const int64_t block = int64_t{loop.schedule.vector} * loop.schedule.tile;
    Value* whole = builder_.getInt64(static_cast<uint64_t>(loop.extent / block));
    Value* first = context_.first_round;
    Value* end = builder_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, context_.end_round, whole);
    only_if(builder_.CreateICmpULT(first, end), [&] {
      counted_loop(first, end, {}, [&](Value* round, const Values&) {
        axes_[at(loop.axis)] = builder_.CreateMul(round, builder_.getInt64(static_cast<uint64_t>(block)));
        body_of(loop, loop.schedule.vector, loop.schedule.tile);
        return Values{};
      });
    });
    if (loop.extent % block == 0) return;
    only_if(builder_.CreateICmpUGT(context_.end_round, whole), [&] { what_is_left(loop); });
  }

  void only_if(Value* condition, const std::function<void()>& body) {
    llvm::Function* function = builder_.GetInsertBlock()->getParent();
    llvm::BasicBlock* then = llvm::BasicBlock::Create(builder_.getContext(), "then", function);
    llvm::BasicBlock* after = llvm::BasicBlock::Create(builder_.getContext(), "after", function);
    builder_.CreateCondBr(condition, then, after);
    builder_.SetInsertPoint(then);
    body();
    builder_.CreateBr(after);
    builder_.SetInsertPoint(after);
  }

  // The body for `tile` vectors of `width` iterations, side by side.
  void body_of(const Loop& loop, int64_t width, int64_t tile) {
    if (tile > 1) {
      for (Tile& outer : tiles_) outer.stride *= static_cast<size_t>(tile);
      points_ *= static_cast<size_t>(tile);
      tiles_.push_back({loop.axis, width, static_cast<size_t>(tile), 1, varying(loop)});
    }
    if (width > 1) {
      filling_vectors(loop, static_cast<int>(width), [&] { emit(loop.body); });
    } else {
      emit(loop.body);
    }
    if (tile == 1) return;
    tiles_.pop_back();
    points_ /= static_cast<size_t>(tile);
    for (Tile& outer : tiles_) outer.stride /= static_cast<size_t>(tile);
  }

  void filling_vectors(const Loop& loop, int width, const std::function<void()>& body) {
    ENSURE(width_ == 1, "two axes fill vectors");
    width_ = width;
    vector_axis_ = loop.axis;
    varies_ = varying(loop);
    body();
    width_ = 1;
    vector_axis_ = -1;
  }

  // Carried values stand behind each other, each at its own points.
  void reduce(const Loop& loop) {
    Value*& axis = axes_[at(loop.axis)];
    Values carried;
    for (size_t i = 0; i < loop.inits.size(); ++i) {
      const bool vector = width_ > 1 && varies_[at(loop.results[i])];
      at_own_points(loop.results[i], [&] { carried.push_back(vector ? wide(loop.inits[i]) : value(loop.inits[i])); });
    }
    const auto define_all = [&](const std::vector<NodeId>& ids, const Values& now) {
      auto next = now.begin();
      for (NodeId id : ids) define(id, [&] { return *next++; });
    };
    const Guarded guarded = guarded_parts(loop);
    const auto round = [&](Value* index, const Values& now) {
      axis = index;
      define_all(loop.carried, now);
      const auto gathered = [&](const auto& node_of) {
        Values next;
        for (size_t i = 0; i < loop.yields.size(); ++i)
          at_own_points(loop.results[i], [&] {
            const bool vector = width_of(now[next.size()]) > 1;
            next.push_back(vector ? wide(node_of(i)) : value(node_of(i)));
          });
        return next;
      };
      if (guarded.condition == kNoNode) {
        emit(loop.body);
        return gathered([&](size_t i) { return loop.yields[i]; });
      }
      return only_where(guarded, now, [&] {
        return gathered([&](size_t i) { return kernel_.nodes[at(loop.yields[i])].operands[1]; });
      });
    };
    if (loop.schedule.unroll) {
      for (int64_t i = 0; i < loop.extent; ++i) carried = round(builder_.getInt64(static_cast<uint64_t>(i)), carried);
    } else {
      carried = counted_loop(loop.extent, carried, round);
    }
    define_all(loop.results, carried);
  }

  // The body of a sum that changes what it carries only where a condition holds, which is the same for all points and
  // all elements of a vector: such are the terms of a transposed convolution that need not exist.
  struct Guarded {
    NodeId condition = kNoNode;  // none: nothing to jump over
    Block before, rest;          // what the condition needs; all else but the choice itself
  };

  Guarded guarded_parts(const Loop& loop) const {
    Guarded guarded{condition_of(kernel_, loop), {}, {}};
    if (guarded.condition == kNoNode || context_.registers != nullptr) return {};
    if (width_ > 1 && varies_[at(guarded.condition)]) return {};
    for (const Tile& tile : tiles_)
      if (tile.varies[at(guarded.condition)]) return {};

    std::vector<bool> needed(kernel_.nodes.size(), false);
    needed[at(guarded.condition)] = true;
    for (size_t i = loop.body.size(); i-- > 0;) {
      const Statement& statement = loop.body[i];
      if (statement.is_loop) {
        for (NodeId result : kernel_.loops[at(statement.id)].results)
          if (needed[at(result)]) return {};
        guarded.rest.push_back(statement);
        continue;
      }
      if (std::count(loop.yields.begin(), loop.yields.end(), statement.id) > 0) continue;
      if (needed[at(statement.id)])
        visit_operands(kernel_, kernel_.nodes[at(statement.id)], [&](NodeId id) { needed[at(id)] = true; });
      (needed[at(statement.id)] ? guarded.before : guarded.rest).push_back(statement);
    }
    std::reverse(guarded.before.begin(), guarded.before.end());
    std::reverse(guarded.rest.begin(), guarded.rest.end());
    return guarded;
  }

  // One round that jumps over its body where the condition does not hold.
  Values only_where(const Guarded& guarded, const Values& now, const std::function<Values()>& next_values) {
    emit(guarded.before);
    llvm::Function* function = builder_.GetInsertBlock()->getParent();
    llvm::BasicBlock* from = builder_.GetInsertBlock();
    llvm::BasicBlock* body = llvm::BasicBlock::Create(builder_.getContext(), "term", function);
    llvm::BasicBlock* after = llvm::BasicBlock::Create(builder_.getContext(), "next", function);
    builder_.CreateCondBr(value(guarded.condition), body, after);
    builder_.SetInsertPoint(body);
    const NodeId outer = std::exchange(given_, guarded.condition);
    emit(guarded.rest);
    given_ = outer;
    const Values next = next_values();
    llvm::BasicBlock* last = builder_.GetInsertBlock();
    builder_.CreateBr(after);
    builder_.SetInsertPoint(after);
    Values merged;
    for (size_t i = 0; i < now.size(); ++i) {
      llvm::PHINode* phi = builder_.CreatePHI(now[i]->getType(), 2);
      phi->addIncoming(now[i], from);
      phi->addIncoming(next[i], last);
      merged.push_back(phi);
    }
    return merged;
  }

  // The lanes side by side in one vector, or one after the other; then the halving tree, which is the same additions.
  void lanes(const Loop& loop) {
    Value*& axis = axes_[at(loop.axis)];
    const auto dtype = [&](size_t i) { return kernel_.nodes[at(loop.yields[i])].dtype; };
    if (loop.schedule.vector > 1) {
      axis = builder_.getInt64(0);
      Values yields;
      filling_vectors(loop, static_cast<int>(loop.extent), [&] {
        emit(loop.body);
        for (size_t i = 0; i < loop.yields.size(); ++i)
          at_own_points(loop.results[i], [&] { yields.push_back(wide(loop.yields[i])); });
      });
      size_t first = 0;
      for (size_t i = 0; i < loop.yields.size(); ++i) {
        size_t count = 0;
        at_own_points(loop.results[i], [&] { ++count; });
        const Values sums = add_lanes(builder_, context_.scalar, dtype(i), std::span(yields).subspan(first, count));
        first += count;
        auto next = sums.begin();
        define(loop.results[i], [&] { return *next++; });
      }
      return;
    }
    std::vector<Values> lanes(static_cast<size_t>(loop.extent));
    for (size_t lane = 0; lane < lanes.size(); ++lane) {
      axis = builder_.getInt64(static_cast<uint64_t>(lane));
      emit(loop.body);
      for (size_t i = 0; i < loop.yields.size(); ++i)
        at_own_points(loop.results[i], [&] { lanes[lane].push_back(wide(loop.yields[i])); });
    }
    size_t next = 0;
    for (size_t i = 0; i < loop.yields.size(); ++i) {
      define(loop.results[i], [&] {
        Values all;
        for (const Values& lane : lanes) all.push_back(lane[next]);
        ++next;
        for (size_t half = ir::kLanes / 2; half >= 1; half /= 2)
          for (size_t lane = 0; lane < half && lane + half < all.size(); ++lane)
            all[lane] = context_.scalar.apply(ir::Op::add, dtype(i), dtype(i), Values{all[lane], all[lane + half]});
        return all[0];
      });
    }
  }

  void where(const Loop& loop) {
    if (vector_axis_ != loop.axis || width_ == 1) {
      const auto* lane = llvm::dyn_cast<llvm::ConstantInt>(axes_[at(loop.axis)]);
      ENSURE(lane != nullptr, "where outside lanes that are side by side or copied out");
      const bool takes_part = lane->getSExtValue() < loop.extent;
      if (takes_part) emit(loop.body);
      for (size_t i = 0; i < loop.results.size(); ++i)
        define(loop.results[i], [&] { return takes_part ? wide(loop.yields[i]) : wide(loop.inits[i]); });
      return;
    }
    const int outer = width_;
    Values others, yields;
    for (size_t i = 0; i < loop.results.size(); ++i)
      at_own_points(loop.results[i], [&] { others.push_back(wide(loop.inits[i])); });
    width_ = static_cast<int>(loop.extent);
    if (width_ == 1) vector_axis_ = -1;
    emit(loop.body);
    for (size_t i = 0; i < loop.results.size(); ++i)
      at_own_points(loop.results[i], [&] { yields.push_back(wide(loop.yields[i])); });
    width_ = outer;
    vector_axis_ = loop.axis;
    size_t next = 0;
    for (NodeId result : loop.results)
      define(result, [&] {
        ++next;
        return replaced_front(builder_, others[next - 1], yields[next - 1]);
      });
  }

  // Which values inside the loop depend on its axis, by node. Carried values feed back, so to a fixpoint.
  std::vector<bool> varying(const Loop& outer) const {
    std::vector<bool> varies(kernel_.nodes.size(), false);
    bool changed = true;
    const auto mark = [&](NodeId id, bool does) {
      if (!does || varies[at(id)]) return;
      varies[at(id)] = true;
      changed = true;
    };
    const auto varies_along = [&](const Affine& index) {
      return std::any_of(index.terms.begin(), index.terms.end(), [&](const Affine::Term& term) {
        const NodeId node = kernel_.axes[at(term.axis)].node;
        return term.axis == outer.axis || (node != kNoNode && varies[at(node)]);
      });
    };
    while (changed) {
      changed = false;
      walk(
          kernel_, outer.body,
          [&](NodeId id) {
            const Node& node = kernel_.nodes[at(id)];
            bool does = varies_along(node.index) || varies_along(node.sample);
            for (NodeId operand : node.operands) does = does || varies[at(operand)];
            mark(id, does || (node.predicate != kNoNode && varies[at(node.predicate)]));
          },
          [&](int32_t id) {
            const Loop& loop = kernel_.loops[at(id)];
            for (size_t i = 0; i < loop.yields.size(); ++i) {
              bool does = varies[at(loop.yields[i])];
              if (!loop.inits.empty()) does = does || varies[at(loop.inits[i])];
              does = does || (loop.kind == LoopKind::where && loop.axis == outer.axis);
              mark(loop.results[i], does);
              if (!loop.carried.empty()) mark(loop.carried[i], does);
            }
          });
    }
    return varies;
  }

  EmitContext& context_;
  IrBuilder& builder_;
  const KernelProgram& program_;
  const Kernel& kernel_;
  std::vector<Values> values_;  // by node and point
  Values axes_;              // i64; of the axis that fills vectors, its first element's; of a tile, its first point's
  std::vector<Tile> tiles_;  // that are open, outer to inner
  size_t points_ = 1, point_ = 0;
  const Tile* slicing_ = nullptr;  // only the points at `slice_` of this tile are being emitted
  size_t slice_ = 0;
  std::vector<bool> varies_;  // with the axis that fills vectors, by node
  Value* base_ = nullptr;     // the address of the node that is being emitted, without what is constant
  int64_t base_offset_ = 0;
  std::map<std::pair<Value*, int>, Value*> splats_;
  const llvm::BasicBlock* splat_block_ = nullptr;
  NodeId given_ = kNoNode;  // a condition that is known to hold
  int32_t vector_axis_ = -1;
  int width_ = 1;
};

}  // namespace

void emit_kernel(EmitContext& context, const KernelProgram& program, const Kernel& kernel) {
  KernelEmitter(context, program, kernel).run();
}

}  // namespace gradc::codegen
