#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>

#include "runtime/aligned_buffer.h"

using namespace gradc::runtime;

TEST_CASE("aligned buffer: zeroed, at a multiple of 64, of the size asked for, on both sides of a large page") {
  for (const int64_t bytes :
       {int64_t{0}, int64_t{1}, int64_t{100}, (int64_t{2} << 20) - 1, int64_t{2} << 20, (int64_t{6} << 20) + 12}) {
    AlignedBuffer buffer(bytes);
    CHECK(buffer.size() == bytes);
    CHECK(reinterpret_cast<uintptr_t>(buffer.data()) % kAlignment == 0);
    CHECK(std::ranges::all_of(buffer.span(), [](std::byte byte) { return byte == std::byte{}; }));
    std::ranges::fill(std::span(buffer.data(), static_cast<size_t>(bytes)), std::byte{1});
    const AlignedBuffer moved = std::move(buffer);
    CHECK(std::ranges::all_of(moved.span(), [](std::byte byte) { return byte == std::byte{1}; }));
  }
}
