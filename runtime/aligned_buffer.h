// A block of zeroed bytes that begins at a multiple of 64, as compiled functions assume.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace gradc::runtime {

inline constexpr int64_t kAlignment = 64;
inline int64_t round_up(int64_t bytes, int64_t multiple) { return (bytes + multiple - 1) / multiple * multiple; }

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(int64_t bytes) : size_(bytes) {
    const auto whole = static_cast<size_t>(round_up(bytes > 0 ? bytes : 1, kAlignment));
    bytes_.reset(static_cast<std::byte*>(::operator new(whole, std::align_val_t{kAlignment})));
    std::fill_n(bytes_.get(), whole, std::byte{});
  }
  std::byte* data() { return bytes_.get(); }
  const std::byte* data() const { return bytes_.get(); }
  int64_t size() const { return size_; }
  std::span<const std::byte> span() const { return {data(), static_cast<size_t>(size_)}; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { ::operator delete(bytes, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<std::byte, Free> bytes_;
  int64_t size_ = 0;
};

}  // namespace gradc::runtime
