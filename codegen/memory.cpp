#include "codegen/memory.h"

#include "ir/ensure.h"

namespace gradc::codegen {

using llvm::Value;

llvm::Type* memory_type(llvm::LLVMContext& context, ir::DType dtype) {
  return dtype == ir::DType::boolean ? llvm::Type::getInt8Ty(context) : element_type(context, dtype);
}

Value* from_memory(IrBuilder& builder, ir::DType dtype, Value* value) {
  if (dtype != ir::DType::boolean) return value;
  return builder.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
}

Value* to_memory(IrBuilder& builder, ir::DType dtype, Value* value) {
  if (dtype != ir::DType::boolean) return value;
  llvm::Type* type = builder.getInt8Ty();
  if (const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType()))
    type = llvm::FixedVectorType::get(type, vector->getNumElements());
  return builder.CreateZExt(value, type);
}

Value* byte_pointer(IrBuilder& builder, Value* base, int64_t offset) {
  return offset == 0 ? base : builder.CreateConstGEP1_64(builder.getInt8Ty(), base, static_cast<uint64_t>(offset));
}

Value* RegisterMemory::load_before(Place place, ir::DType dtype) {
  const auto here = builder_.saveIP();
  builder_.SetInsertPoint(before_->getTerminator());
  Value* pointer = byte_pointer(builder_, pointers_[static_cast<size_t>(place.space)], place.offset);
  llvm::Type* type = memory_type(builder_.getContext(), dtype);
  Value* value = from_memory(
      builder_, dtype,
      builder_.CreateAlignedLoad(type, pointer, llvm::Align(static_cast<uint64_t>(ir::dtype_bytes(dtype)))));
  builder_.restoreIP(here);
  return value;
}

void RegisterMemory::carry(int64_t offset, ir::DType dtype) {
  const Place place{ir::Space::state, offset};
  if (carried_.contains(offset)) return;
  llvm::PHINode* phi = builder_.CreatePHI(element_type(builder_.getContext(), dtype), 2);
  phi->addIncoming(load_before(place, dtype), before_);
  carried_[offset] = {phi, dtype};
  values_[place] = {phi, dtype};
}

Value* RegisterMemory::load(ir::Space space, int64_t offset, ir::DType dtype) {
  const Place place{space, offset};
  const auto found = values_.find(place);
  if (found != values_.end() && found->second.dtype == dtype) return found->second.value;
  ENSURE(found == values_.end(), "memory is read as another type than it was written");
  Value* value = load_before(place, dtype);
  values_[place] = {value, dtype};
  return value;
}

void RegisterMemory::store(ir::Space space, int64_t offset, ir::DType dtype, Value* value) {
  // What lay on these bytes before is gone; elements are at most 4 bytes.
  const int64_t size = ir::dtype_bytes(dtype);
  auto entry = values_.lower_bound({space, offset - 3});
  while (entry != values_.end() && entry->first.space == space && entry->first.offset < offset + size) {
    const bool overlaps = entry->first.offset + ir::dtype_bytes(entry->second.dtype) > offset;
    entry = overlaps ? values_.erase(entry) : std::next(entry);
  }
  values_[{space, offset}] = {value, dtype};
}

void RegisterMemory::finish(llvm::BasicBlock* latch, llvm::BasicBlock* after) {
  builder_.SetInsertPoint(after, after->begin());
  for (const auto& [offset, carried] : carried_) {
    const auto [phi, dtype] = carried;
    const Entry& last = values_.at({ir::Space::state, offset});
    phi->addIncoming(last.value, latch);
    Value* pointer = byte_pointer(builder_, pointers_[static_cast<size_t>(ir::Space::state)], offset);
    builder_.CreateAlignedStore(to_memory(builder_, dtype, last.value), pointer,
                                llvm::Align(static_cast<uint64_t>(ir::dtype_bytes(dtype))));
  }
}

}  // namespace gradc::codegen
