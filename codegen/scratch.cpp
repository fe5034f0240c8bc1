// Buffers in the arena that are no values of the tensor IR: copies of operands, lanes of the blocks of a sum. They lie
// where nothing else is needed while they are (schedule.h).
#include <algorithm>
#include <optional>

#include "codegen/schedule.h"

namespace gradc::codegen {

namespace {

constexpr int64_t kAlignment = 64;

size_t at(int32_t id) { return static_cast<size_t>(id); }
int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// The kernels between which a buffer's bytes must stay.
struct Range {
  size_t first = SIZE_MAX, last = 0;
  bool stored = false;
  bool meets(const Range& other) const { return first <= other.last && other.first <= last; }
};

std::vector<Range> ranges_of(const KernelProgram& program) {
  std::vector<Range> ranges(program.buffers.size());
  for (size_t k = 0; k < program.kernels.size(); ++k) {
    for (const Node& node : program.kernels[k].nodes) {
      if (node.buffer < 0) continue;
      Range& range = ranges[at(node.buffer)];
      range.first = std::min(range.first, k);
      range.last = std::max(range.last, k);
      range.stored = range.stored || node.kind == NodeKind::store;
    }
  }
  // What nobody stores is another view of bytes that are stored under another name, or a table of the host's.
  std::vector<Range> whole = ranges;
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].stored || ranges[i].first == SIZE_MAX) continue;
    std::optional<size_t> made;
    for (size_t k = 0; k < ranges.size(); ++k) {
      const bool before = ranges[k].stored && ranges[k].first <= ranges[i].first;
      if (before && overlap(program.buffers[i], program.buffers[k])) made = std::max(made.value_or(0), ranges[k].first);
    }
    whole[i].first = made.value_or(0);
    if (!made) whole[i].last = program.kernels.size();
  }
  return whole;
}

}  // namespace

int32_t add_scratch(KernelProgram& program, Buffer buffer) {
  buffer.storage = {ir::Space::arena, aligned(program.arena_bytes)};
  program.arena_bytes = buffer.storage.offset + buffer.bytes();
  program.buffers.push_back(std::move(buffer));
  program.scratch.push_back(static_cast<int32_t>(program.buffers.size() - 1));
  return program.scratch.back();
}

void place_scratch(KernelProgram& program) {
  const std::vector<Range> needed = ranges_of(program);
  std::vector<size_t> order, placed;
  for (int32_t buffer : program.scratch) order.push_back(at(buffer));
  int64_t bytes = 0;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer& buffer = program.buffers[i];
    if (buffer.storage.space != ir::Space::arena || std::find(order.begin(), order.end(), i) != order.end()) continue;
    placed.push_back(i);
    bytes = std::max(bytes, buffer.storage.offset + buffer.bytes());
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const int64_t bytes_a = program.buffers[a].bytes(), bytes_b = program.buffers[b].bytes();
    return bytes_a != bytes_b ? bytes_a > bytes_b : a < b;
  });
  // Each in the first gap, the largest first.
  for (size_t i : order) {
    Buffer& own = program.buffers[i];
    std::vector<std::pair<int64_t, int64_t>> busy;  // begin, end
    for (size_t other : placed) {
      const Buffer& buffer = program.buffers[other];
      if (needed[i].meets(needed[other]))
        busy.emplace_back(buffer.storage.offset, buffer.storage.offset + buffer.bytes());
    }
    std::sort(busy.begin(), busy.end());
    int64_t offset = 0;
    for (const auto& [begin, end] : busy) {
      if (begin - offset >= own.bytes()) break;
      offset = std::max(offset, aligned(end));
    }
    own.storage.offset = offset;
    bytes = std::max(bytes, offset + own.bytes());
    placed.push_back(i);
  }
  if (!order.empty()) program.arena_bytes = bytes;
}

}  // namespace gradc::codegen
