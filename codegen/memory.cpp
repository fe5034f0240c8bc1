#include "codegen/memory.h"

#include <algorithm>

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

namespace {

int elements_of(const Value* value) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  return vector == nullptr ? 1 : static_cast<int>(vector->getNumElements());
}

llvm::Align alignment_of(ir::DType dtype) { return llvm::Align(static_cast<uint64_t>(ir::dtype_bytes(dtype))); }

}  // namespace

Value* RegisterMemory::pointer(Place place) {
  return byte_pointer(builder_, pointers_[static_cast<size_t>(place.space)], place.offset);
}

// Whether the elements stand behind each other in memory.
bool RegisterMemory::adjacent(const std::vector<Place>& places, ir::DType dtype) {
  for (size_t i = 1; i < places.size(); ++i)
    if (places[i].offset != places[i - 1].offset + ir::dtype_bytes(dtype)) return false;
  return true;
}

Value* RegisterMemory::load_before(const std::vector<Place>& places, ir::DType dtype) {
  const auto here = builder_.saveIP();
  builder_.SetInsertPoint(before_->getTerminator());
  llvm::Type* type = memory_type(builder_.getContext(), dtype);
  const auto load = [&](llvm::Type* what, Place place) {
    return builder_.CreateAlignedLoad(what, pointer(place), alignment_of(dtype));
  };
  Value* value = nullptr;
  if (places.size() == 1) {
    value = load(type, places[0]);
  } else if (llvm::Type* vector = llvm::FixedVectorType::get(type, static_cast<unsigned>(places.size()));
             adjacent(places, dtype)) {
    value = load(vector, places[0]);
  } else {
    value = llvm::PoisonValue::get(vector);
    for (size_t i = 0; i < places.size(); ++i)
      value = builder_.CreateInsertElement(value, load(type, places[i]), uint64_t{i});
  }
  value = from_memory(builder_, dtype, value);
  builder_.restoreIP(here);
  return value;
}

void RegisterMemory::load_first(const std::vector<Place>& places, ir::DType dtype) {
  Value* first = load_before(places, dtype);
  if (places[0].space != ir::Space::state) return put(places, dtype, first);
  llvm::PHINode* phi = llvm::PHINode::Create(first->getType(), 2, "", head_->begin());
  phi->addIncoming(first, before_);
  carried_.push_back({phi, first, places, dtype});
  put(places, dtype, phi);
}

void RegisterMemory::put(const std::vector<Place>& places, ir::DType dtype, Value* value) {
  for (size_t i = 0; i < places.size(); ++i) values_[places[i]] = {value, static_cast<int>(i), dtype};
}

Value* RegisterMemory::gather(const std::vector<Place>& places, ir::DType dtype) {
  std::vector<Entry> entries;
  for (const Place& place : places) {
    entries.push_back(values_.at(place));
    ENSURE(entries.back().dtype == dtype, "memory is read as another type than it was written");
  }
  const auto element = [&](const Entry& entry) {
    return elements_of(entry.value) == 1
               ? entry.value
               : builder_.CreateExtractElement(entry.value, static_cast<uint64_t>(entry.lane));
  };
  if (entries.size() == 1) return element(entries[0]);
  // One or two vectors are a shuffle.
  Value* a = entries[0].value;
  Value* b = nullptr;
  bool shuffles = elements_of(a) > 1, same = elements_of(a) == static_cast<int>(entries.size());
  llvm::SmallVector<int, 16> mask;
  for (const Entry& entry : entries) {
    if (entry.value != a && b == nullptr) b = entry.value;
    shuffles = shuffles && (entry.value == a || (entry.value == b && b->getType() == a->getType()));
    same = same && entry.value == a && entry.lane == static_cast<int>(mask.size());
    mask.push_back(entry.lane + (entry.value == a ? 0 : elements_of(a)));
  }
  if (same) return a;
  if (shuffles) return b == nullptr ? builder_.CreateShuffleVector(a, mask) : builder_.CreateShuffleVector(a, b, mask);
  Value* all = llvm::PoisonValue::get(
      llvm::FixedVectorType::get(element_type(builder_.getContext(), dtype), static_cast<unsigned>(entries.size())));
  for (size_t i = 0; i < entries.size(); ++i) all = builder_.CreateInsertElement(all, element(entries[i]), uint64_t{i});
  return all;
}

Value* RegisterMemory::load(ir::Space space, int64_t offset, int64_t distance, int count, ir::DType dtype) {
  std::vector<Place> places, missing;
  for (int i = 0; i < count; ++i) {
    places.push_back({space, offset + i * distance});
    if (!values_.contains(places.back())) missing.push_back(places.back());
  }
  if (!missing.empty()) load_first(missing, dtype);
  return gather(places, dtype);
}

void RegisterMemory::store(ir::Space space, int64_t offset, int64_t distance, ir::DType dtype, Value* value) {
  std::vector<Place> places;
  for (int i = 0; i < elements_of(value); ++i) places.push_back({space, offset + i * distance});
  const int64_t size = ir::dtype_bytes(dtype);
  for (const Place& place : places) {
    // What lay on these bytes before is gone; elements are at most 4 bytes.
    auto entry = values_.lower_bound({space, place.offset - 3});
    while (entry != values_.end() && entry->first.space == space && entry->first.offset < place.offset + size) {
      const bool overlaps = entry->first.offset + ir::dtype_bytes(entry->second.dtype) > place.offset;
      entry = overlaps ? values_.erase(entry) : std::next(entry);
    }
    if (space == ir::Space::state) stored_.insert(place);
  }
  put(places, dtype, value);
}

void RegisterMemory::finish(llvm::BasicBlock* latch, llvm::BasicBlock* after) {
  std::erase_if(carried_, [&](const Carried& carried) {
    const bool changes = std::any_of(carried.places.begin(), carried.places.end(),
                                     [&](const Place& place) { return stored_.contains(place); });
    if (changes) return false;
    for (auto& [place, entry] : values_)
      if (entry.value == carried.phi) entry.value = carried.first;
    carried.phi->replaceAllUsesWith(carried.first);
    carried.phi->eraseFromParent();
    return true;
  });
  builder_.SetInsertPoint(latch->getTerminator());
  for (const Carried& carried : carried_) carried.phi->addIncoming(gather(carried.places, carried.dtype), latch);
  builder_.SetInsertPoint(after, after->begin());
  for (auto place = stored_.begin(); place != stored_.end();) {
    // Elements of one vector that are neighbours in memory are stored together.
    const Entry& entry = values_.at(*place);
    std::vector<Place> places;
    while (place != stored_.end() && static_cast<int>(places.size()) < elements_of(entry.value)) {
      const Entry& next = values_.at(*place);
      if (next.value != entry.value || next.lane != entry.lane + static_cast<int>(places.size())) break;
      places.push_back(*place++);
      if (!adjacent(places, entry.dtype)) {
        places.pop_back();
        --place;
        break;
      }
    }
    builder_.CreateAlignedStore(to_memory(builder_, entry.dtype, gather(places, entry.dtype)), pointer(places[0]),
                                alignment_of(entry.dtype));
  }
}

}  // namespace gradc::codegen
