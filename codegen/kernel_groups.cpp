#include "codegen/kernel_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "codegen/codegen.h"

namespace gradc::codegen {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

// What is a kernel's own beside its loops: the buffers that it touches and the places of its random numbers, each in
// the order of its nodes.
struct Own {
  std::vector<int32_t> buffers;
  std::vector<int64_t> places;

  // First the offsets of the buffers, then the places.
  std::vector<int64_t> numbers(const KernelProgram& program) const {
    std::vector<int64_t> numbers;
    for (int32_t id : buffers) numbers.push_back(program.buffers[at(id)].storage.offset);
    numbers.insert(numbers.end(), places.begin(), places.end());
    return numbers;
  }
};

template <typename T>
size_t index_in(const std::vector<T>& all, const T& one) {
  return static_cast<size_t>(std::find(all.begin(), all.end(), one) - all.begin());
}

Own own_of(const Kernel& kernel) {
  Own own;
  const auto add = [](auto& all, auto one) {
    if (index_in(all, one) == all.size()) all.push_back(one);
  };
  for (const Node& node : kernel.nodes) {
    if (node.buffer >= 0) add(own.buffers, node.buffer);
    if (node.kind == NodeKind::random) add(own.places, node.place);
  }
  return own;
}

// The kernel as text, with buffers and places numbered as it meets them, buffers at offset 0: the text is all that a
// kernel means.
std::string loops_as_text(const KernelProgram& program, const Kernel& kernel, const Own& own, bool by_place) {
  KernelProgram alone;
  if (by_place) alone.files = program.files;
  for (int32_t id : own.buffers) {
    Buffer buffer = program.buffers[at(id)];
    buffer.name = fmt::format("b{}", alone.buffers.size());
    buffer.storage.offset = 0;
    alone.buffers.push_back(std::move(buffer));
  }
  alone.kernels.push_back(kernel);
  for (Node& node : alone.kernels[0].nodes) {
    if (node.buffer >= 0) node.buffer = static_cast<int32_t>(index_in(own.buffers, node.buffer));
    if (node.kind == NodeKind::random) node.place = static_cast<int64_t>(index_in(own.places, node.place));
  }
  return print(alone);
}

}  // namespace

std::vector<KernelGroup> group_kernels(const KernelProgram& program, bool by_place) {
  if (program.resident) return {};
  std::vector<KernelGroup> groups;
  std::vector<Own> firsts;  // of the first kernel of each group
  std::map<std::string, size_t> group_of;
  for (size_t i = 0; i < program.kernels.size(); ++i) {
    Own own = own_of(program.kernels[i]);
    const auto [found, is_new] =
        group_of.try_emplace(loops_as_text(program, program.kernels[i], own, by_place), groups.size());
    // For now all numbers.
    KernelUse use{i, own.numbers(program)};
    if (is_new) {
      groups.emplace_back();
      firsts.push_back(std::move(own));
    }
    groups[found->second].uses.push_back(std::move(use));
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    std::vector<KernelUse>& uses = groups[g].uses;
    const Own& first = firsts[g];
    std::vector<size_t> moving;
    for (size_t n = 0; n < uses[0].numbers.size(); ++n) {
      const bool same = std::all_of(uses.begin(), uses.end(),
                                    [&](const KernelUse& use) { return use.numbers[n] == uses[0].numbers[n]; });
      if (same) continue;
      moving.push_back(n);
      if (n < first.buffers.size()) {
        groups[g].buffers.push_back(first.buffers[n]);
      } else {
        groups[g].places.push_back(first.places[n - first.buffers.size()]);
      }
    }
    for (KernelUse& use : uses) {
      std::vector<int64_t> numbers;
      for (size_t n : moving) numbers.push_back(use.numbers[n]);
      use.numbers = std::move(numbers);
    }
  }
  return groups;
}

}  // namespace gradc::codegen
