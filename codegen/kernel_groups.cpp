#include "codegen/kernel_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "codegen/codegen.h"

namespace gradc::codegen {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

// The buffers that a kernel touches, in the order of its nodes.
std::vector<int32_t> buffers_of(const Kernel& kernel) {
  std::vector<int32_t> buffers;
  for (const Node& node : kernel.nodes) {
    if (node.buffer >= 0 && std::find(buffers.begin(), buffers.end(), node.buffer) == buffers.end())
      buffers.push_back(node.buffer);
  }
  return buffers;
}

// The kernel as text, with buffers numbered as it meets them, at offset 0: the text is all that a kernel means.
std::string loops_as_text(const KernelProgram& program, const Kernel& kernel, const std::vector<int32_t>& buffers,
                          bool by_place) {
  KernelProgram alone;
  if (by_place) alone.files = program.files;
  for (int32_t id : buffers) {
    Buffer buffer = program.buffers[at(id)];
    buffer.name = fmt::format("b{}", alone.buffers.size());
    buffer.storage.offset = 0;
    alone.buffers.push_back(std::move(buffer));
  }
  alone.kernels.push_back(kernel);
  for (Node& node : alone.kernels[0].nodes) {
    if (node.buffer < 0) continue;
    node.buffer = static_cast<int32_t>(std::find(buffers.begin(), buffers.end(), node.buffer) - buffers.begin());
  }
  return print(alone);
}

}  // namespace

std::vector<KernelGroup> group_kernels(const KernelProgram& program, bool by_place) {
  if (program.resident) return {};
  std::vector<KernelGroup> groups;
  std::vector<std::vector<int32_t>> buffers;  // of the first kernel of each group
  std::map<std::string, size_t> group_of;
  for (size_t i = 0; i < program.kernels.size(); ++i) {
    const std::vector<int32_t> own = buffers_of(program.kernels[i]);
    const auto [found, is_new] =
        group_of.try_emplace(loops_as_text(program, program.kernels[i], own, by_place), groups.size());
    if (is_new) {
      groups.emplace_back();
      buffers.push_back(own);
    }
    // For now the offsets of all its buffers.
    KernelUse use{i, {}};
    for (int32_t id : own) use.offsets.push_back(program.buffers[at(id)].storage.offset);
    groups[found->second].uses.push_back(std::move(use));
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    std::vector<KernelUse>& uses = groups[g].uses;
    std::vector<size_t> moving;
    for (size_t b = 0; b < buffers[g].size(); ++b) {
      const bool same = std::all_of(uses.begin(), uses.end(),
                                    [&](const KernelUse& use) { return use.offsets[b] == uses[0].offsets[b]; });
      if (same) continue;
      moving.push_back(b);
      groups[g].moving.push_back(buffers[g][b]);
    }
    for (KernelUse& use : uses) {
      std::vector<int64_t> offsets;
      for (size_t b : moving) offsets.push_back(use.offsets[b]);
      use.offsets = std::move(offsets);
    }
  }
  return groups;
}

}  // namespace gradc::codegen
