// A block of zeroed bytes that begins at a multiple of 64, as compiled functions assume. A large one asks the system
// for large pages, so that a step which walks through tens of megabytes does not wait for the page tables.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

namespace gradc::runtime {

inline constexpr int64_t kAlignment = 64;
inline int64_t round_up(int64_t bytes, int64_t multiple) { return (bytes + multiple - 1) / multiple * multiple; }

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Throws std::bad_alloc where there is not as much memory.
  explicit AlignedBuffer(int64_t bytes);
  std::byte* data() { return bytes_.get(); }
  const std::byte* data() const { return bytes_.get(); }
  int64_t size() const { return size_; }
  std::span<const std::byte> span() const { return {data(), static_cast<size_t>(size_)}; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<std::byte, Free> bytes_;
  int64_t size_ = 0;
};

}  // namespace gradc::runtime
