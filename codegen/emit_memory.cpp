// Indices, loads and stores of a kernel.
#include <llvm/IR/Intrinsics.h>

#include <bit>

#include "codegen/kernel_emitter.h"
#include "codegen/transpose.h"
#include "ir/ensure.h"

namespace gradc::codegen {

using llvm::Value;
using Values = std::vector<Value*>;

Value* KernelEmitter::varying_part(const Affine& index, int64_t scale, Value** inner) {
  // By the place of its loop among the open ones; others, which are numbers or nodes, come first.
  std::vector<std::pair<size_t, Affine::Term>> terms;
  for (const Affine::Term& term : index.terms) {
    const auto loop =
        std::find_if(open_.begin(), open_.end(), [&](const OpenLoop& open) { return open.axis == term.axis; });
    const bool runs = loop != open_.end() && !llvm::isa<llvm::Constant>(axes_[at(term.axis)]);
    terms.emplace_back(runs ? static_cast<size_t>(loop - open_.begin()) + 1 : 0, term);
  }
  std::sort(terms.begin(), terms.end());
  Value* total = nullptr;
  for (const auto& [place, term] : terms) {
    const int64_t factor = term.stride * scale;
    Value* part = nullptr;
    if (kernel_.axes[at(term.axis)].node == kNoNode) {
      part = scaled_axis(term.axis, factor);
    } else {
      part = axis_value(term.axis);
      if (width_of(part) > 1) continue;  // see scattered_part
      part = builder_.CreateMul(part, builder_.getInt64(static_cast<uint64_t>(factor)));
    }
    if (inner != nullptr && place > 0 && place == open_.size() && open_.back().innermost) {
      *inner = part;
    } else {
      total = total == nullptr ? part : builder_.CreateAdd(total, part);
    }
  }
  return total == nullptr ? builder_.getInt64(0) : total;
}

Value* KernelEmitter::scaled_axis(int32_t axis, int64_t factor) {
  Value* index = axes_[at(axis)];
  Value* scale = builder_.getInt64(static_cast<uint64_t>(factor));
  if (llvm::isa<llvm::Constant>(index) || open_.empty() || open_.back().axis != axis || !open_.back().innermost)
    return builder_.CreateMul(index, scale);
  OpenLoop& loop = open_.back();
  llvm::PHINode*& multiple = loop.multiples[factor];
  if (multiple == nullptr) {
    const llvm::IRBuilderBase::InsertPointGuard guard(builder_);
    builder_.SetInsertPoint(loop.before->getTerminator());
    Value* start = builder_.CreateMul(loop.first, builder_.getInt64(static_cast<uint64_t>(factor * loop.step)));
    builder_.SetInsertPoint(loop.head, loop.head->begin());
    multiple = builder_.CreatePHI(builder_.getInt64Ty(), 2);
    multiple->addIncoming(start, loop.before);
  }
  return multiple;
}

Value* KernelEmitter::axis_value(int32_t axis) {
  const NodeId node = kernel_.axes[at(axis)].node;
  if (node == kNoNode) return axes_[at(axis)];
  Value* index = value(node);
  llvm::Type* type = builder_.getInt64Ty();
  if (width_of(index) > 1) type = llvm::FixedVectorType::get(type, lanes());
  return builder_.CreateSExt(index, type);
}

Value* KernelEmitter::scattered_part(const Affine& index) {
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

bool KernelEmitter::scattered(const Affine& index) const {
  return width_ > 1 && std::any_of(index.terms.begin(), index.terms.end(), [&](const Affine::Term& term) {
           const NodeId node = kernel_.axes[at(term.axis)].node;
           return node != kNoNode && width_of(stored(node)) > 1;
         });
}

Value* KernelEmitter::first_index(const Affine& index) {
  return builder_.CreateAdd(varying_part(index, 1), builder_.getInt64(static_cast<uint64_t>(index.constant)));
}

Value* KernelEmitter::indices(const Affine& index, llvm::IntegerType* type) {
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

Value* KernelEmitter::start_of(int32_t id) {
  Value* offset = at(id) < context_.offsets.size() ? context_.offsets[at(id)] : nullptr;
  if (offset == nullptr) return nullptr;
  Value* space = context_.pointers[static_cast<size_t>(program_.buffers[at(id)].storage.space)];
  return builder_.CreateGEP(builder_.getInt8Ty(), space, offset);
}

Value* KernelEmitter::element_pointer(const Node& node) {
  const Buffer& memory = buffer(node);
  const int64_t size = ir::dtype_bytes(memory.dtype);
  if (base_ == nullptr || kernel_.is_dynamic(node.index)) {
    base_ = start_of(node.buffer);
    base_offset_ = 0;
    if (base_ == nullptr) {
      base_ = context_.pointers[static_cast<size_t>(memory.storage.space)];
      base_offset_ = memory.storage.offset;
    }
    Value* inner = nullptr;
    Value* varying = varying_part(node.index, size, &inner);
    if (const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(varying)) {
      base_offset_ += constant->getSExtValue();
    } else {
      base_ = builder_.CreateGEP(builder_.getInt8Ty(), base_, varying);
    }
    if (inner != nullptr) base_ = builder_.CreateGEP(builder_.getInt8Ty(), base_, inner);
  }
  return byte_pointer(builder_, base_, base_offset_ + at_point(node.index).constant * size);
}

llvm::Align KernelEmitter::alignment(const Node& node) const {
  return llvm::Align(static_cast<uint64_t>(ir::dtype_bytes(buffer(node).dtype)));
}

int64_t KernelEmitter::constant_offset(const Node& node) {
  const Buffer& memory = buffer(node);
  const auto* index = llvm::dyn_cast<llvm::ConstantInt>(first_index(at_point(node.index)));
  ENSURE(index != nullptr, "a resident program has an index that varies");
  return memory.storage.offset + index->getSExtValue() * ir::dtype_bytes(memory.dtype);
}

bool KernelEmitter::in_registers(const Node& node) const {
  return context_.registers != nullptr && RegisterMemory::holds(buffer(node).storage.space);
}

Value* KernelEmitter::load_registers(const Node& node, int64_t offset) {
  const int64_t distance = vector_distance(node);
  return context_.registers->load(buffer(node).storage.space, offset, distance, distance == 0 ? 1 : width_, node.dtype);
}

Value* KernelEmitter::load_lanes_where(const Node& node, const llvm::Constant* condition, llvm::Type* type) {
  Value* result = llvm::Constant::getNullValue(llvm::FixedVectorType::get(type, lanes()));
  for (unsigned lane = 0; lane < lanes(); ++lane) {
    if (condition->getAggregateElement(lane)->isNullValue()) continue;
    const int64_t offset = constant_offset(node) + static_cast<int64_t>(lane) * vector_distance(node);
    Value* element = context_.registers->load(buffer(node).storage.space, offset, 0, 1, node.dtype);
    result = builder_.CreateInsertElement(result, to_memory(builder_, node.dtype, element), uint64_t{lane});
  }
  return from_memory(builder_, node.dtype, result);
}

Value* KernelEmitter::load(const Node& node) {
  llvm::Type* type = memory_type(builder_.getContext(), node.dtype);
  const Value* condition = open_predicate(node) == kNoNode ? nullptr : value(node.predicate);
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
    const int64_t size = ir::dtype_bytes(node.dtype);
    if (size == 4 && std::has_single_bit(static_cast<unsigned>(width_)) && stride != 3) {
      Node group = node;
      group.index.constant -= offset;
      base_ = nullptr;
      first = element_pointer(group);
      llvm::Type* four = llvm::FixedVectorType::get(type, 4);
      return from_memory(
          builder_, node.dtype,
          picked(builder_, width_, static_cast<int>(stride), static_cast<int>(offset),
                 [&](int64_t element) { return load_at(node, byte_pointer(builder_, first, element * size), four); }));
    }
    Value* aligned = byte_pointer(builder_, first, -offset * size);
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

int64_t KernelEmitter::interleaved_offset(const Node& node, int64_t stride) {
  if (width_ < 4 || !is_interleaved(stride, buffer(node).elements()) || kernel_.is_dynamic(node.index)) return -1;
  int64_t known = at_point(node.index).constant;
  for (const Affine::Term& term : node.index.terms) {
    const auto* axis = llvm::dyn_cast<llvm::ConstantInt>(axis_value(term.axis));
    if (axis == nullptr && term.stride % stride != 0) return -1;
    if (axis != nullptr) known += term.stride * axis->getSExtValue();
  }
  return (known % stride + stride) % stride;
}

Value* KernelEmitter::load_scattered(const Node& node, llvm::Type* type) {
  Value* all = indices(node.index, builder_.getInt64Ty());
  Value* result = llvm::PoisonValue::get(llvm::FixedVectorType::get(type, lanes()));
  for (int lane = 0; lane < width_; ++lane) {
    Value* element = builder_.CreateExtractElement(all, static_cast<uint64_t>(lane));
    result = builder_.CreateInsertElement(result, load_at(node, pointer_to(node, element), type),
                                          static_cast<uint64_t>(lane));
  }
  return result;
}

Value* KernelEmitter::pointer_to(const Node& node, Value* element) {
  const Buffer& memory = buffer(node);
  Value* base = start_of(node.buffer);
  if (base == nullptr)
    base = byte_pointer(builder_, context_.pointers[static_cast<size_t>(memory.storage.space)], memory.storage.offset);
  Value* size = builder_.getInt64(static_cast<uint64_t>(ir::dtype_bytes(memory.dtype)));
  return builder_.CreateGEP(builder_.getInt8Ty(), base, builder_.CreateMul(element, size));
}

Value* KernelEmitter::element_after(const Node& node, Value* first, int64_t distance) {
  return byte_pointer(builder_, first, distance * ir::dtype_bytes(node.dtype));
}

Value* KernelEmitter::load_at(const Node& node, Value* pointer, llvm::Type* type) {
  return builder_.CreateAlignedLoad(type, pointer, alignment(node));
}

Value* KernelEmitter::load_where(const Node& node, llvm::Type* type) {
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

void KernelEmitter::store(const Node& node) {
  if (in_registers(node)) {
    const bool vector = vector_stride(node.index) != 0;
    context_.registers->store(buffer(node).storage.space, constant_offset(node), vector_distance(node), node.dtype,
                              vector ? wide(node.operands[0]) : value(node.operands[0]));
    return;
  }
  ENSURE(!scattered(node.index), "the lanes of a vector are stored at computed indices");
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

void KernelEmitter::store_at(const Node& node, Value* pointer, Value* stored) {
  builder_.CreateAlignedStore(stored, pointer, alignment(node));
}

}  // namespace gradc::codegen
