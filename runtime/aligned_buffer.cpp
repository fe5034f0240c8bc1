#include "runtime/aligned_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace gradc::runtime {

namespace {

// Of x86-64 and aarch64 with pages of 4 KB.
constexpr int64_t kLargePage = int64_t{2} << 20;

}  // namespace

AlignedBuffer::AlignedBuffer(int64_t bytes) : size_(bytes) {
  const int64_t alignment = bytes < kLargePage ? kAlignment : kLargePage;
  const auto whole = static_cast<size_t>(round_up(std::max<int64_t>(bytes, 1), alignment));
  // Fresh pages of the system are zero, and calloc knows which are fresh: then they are not touched before they are
  // used.
  size_t space = whole + static_cast<size_t>(alignment);
  void* block = std::calloc(space, 1);
  if (block == nullptr) throw std::bad_alloc();
  void* place = block;
  std::align(static_cast<size_t>(alignment), whole, place, space);
  bytes_ = {static_cast<std::byte*>(place), Free{block}};
#ifdef MADV_HUGEPAGE
  // A wish: where the system does not grant it, the memory is the same but for its speed.
  if (alignment == kLargePage) madvise(bytes_.get(), whole, MADV_HUGEPAGE);
#endif
}

}  // namespace gradc::runtime
