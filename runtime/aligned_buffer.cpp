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
  bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(static_cast<size_t>(alignment), whole)));
  if (bytes_ == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  // A wish: where the system does not grant it, the memory is the same but for its speed.
  if (alignment == kLargePage) madvise(bytes_.get(), whole, MADV_HUGEPAGE);
#endif
  std::fill_n(bytes_.get(), whole, std::byte{});
}

}  // namespace gradc::runtime
