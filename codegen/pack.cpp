// Operands whose neighbours in memory are not the neighbours that a sum's vectors want are copied into the arena, once,
// by a kernel of their own just before their reader (schedule.h). Arena tensors need that rarely: layout.cpp gives them
// the right order from the start.
#include <algorithm>

#include "codegen/cost.h"
#include "codegen/element_builder.h"
#include "ir/attr.h"

namespace gradc::codegen {

namespace {

constexpr double kLeastGain = 0.9;  // the reader and the copy together cost at most this share of before
constexpr int64_t kAlignment = 64;

size_t at(int32_t id) { return static_cast<size_t>(id); }

double cost_of(Kernel& kernel, const ScheduleLimits& limits) {
  std::vector<Nest> nests = take_nests(kernel);
  double cost = 0;
  for (const Nest& nest : nests) cost += best_plan(kernel, nest, limits).cost;
  put_nests(kernel, std::move(nests));
  return cost;
}

bool has_sum(const Kernel& kernel) {
  return std::any_of(kernel.loops.begin(), kernel.loops.end(),
                     [](const Loop& loop) { return loop.kind == LoopKind::reduce || loop.kind == LoopKind::lanes; });
}

Affine with_strides(const Indices& index, const std::vector<int64_t>& strides) {
  Affine result;
  for (size_t axis = 0; axis < strides.size(); ++axis) result = sum(result, scaled(index[axis], strides[axis]));
  return result;
}

class Packing {
 public:
  Packing(KernelProgram& program, const ScheduleLimits& limits) : program_(program), limits_(limits) {}

  void run() {
    const int64_t start = (program_.arena_bytes + kAlignment - 1) / kAlignment * kAlignment;
    std::vector<Kernel> kernels = std::move(program_.kernels);
    program_.kernels.clear();
    for (Kernel& kernel : kernels) {
      // The copies for one reader live as long as it runs.
      end_ = start;
      if (has_sum(kernel)) pack_for(kernel);
      program_.kernels.push_back(std::move(kernel));
    }
  }

 private:
  struct Load {
    NodeId node;
    Indices index;  // one for each axis of the buffer
  };

  void pack_for(Kernel& kernel) {
    std::vector<int32_t> buffers;
    for (const Node& node : kernel.nodes) {
      if (node.kind != NodeKind::load || std::count(buffers.begin(), buffers.end(), node.buffer) > 0) continue;
      buffers.push_back(node.buffer);
    }
    for (int32_t buffer : buffers) {
      const Buffer source = program_.buffers[at(buffer)];
      const bool fixed = source.storage.space != ir::Space::arena;
      const auto wide = std::count_if(source.shape.begin(), source.shape.end(), [](int64_t n) { return n > 1; });
      if (!fixed || wide < 2) continue;
      if (std::vector<Load> loads = loads_of(kernel, buffer); !loads.empty()) choose(kernel, buffer, loads);
    }
  }

  // Empty where one of them cannot be told axis by axis, or the kernel stores to the same bytes.
  std::vector<Load> loads_of(const Kernel& kernel, int32_t buffer) const {
    std::vector<Load> loads;
    const Buffer& source = program_.buffers[at(buffer)];
    for (size_t n = 0; n < kernel.nodes.size(); ++n) {
      const Node& node = kernel.nodes[n];
      if (node.kind == NodeKind::store && program_.buffers[at(node.buffer)].storage.space == source.storage.space) {
        const Buffer& stored = program_.buffers[at(node.buffer)];
        if (stored.storage.offset < source.storage.offset + source.bytes() &&
            source.storage.offset < stored.storage.offset + stored.bytes())
          return {};
      }
      if (node.kind != NodeKind::load || node.buffer != buffer) continue;
      if (node.predicate != kNoNode || kernel.is_dynamic(node.index)) return {};
      Indices index = split_index(source.shape, node.index, kernel);
      if (index.size() != source.shape.size()) return {};
      loads.push_back({static_cast<NodeId>(n), std::move(index)});
    }
    return loads;
  }

  void choose(Kernel& kernel, int32_t buffer, const std::vector<Load>& loads) {
    const ir::Shape shape = program_.buffers[at(buffer)].shape;
    const double before = cost_of(kernel, limits_);
    double best = before * kLeastGain;
    std::vector<int64_t> chosen;
    for (size_t axis = 0; axis + 1 < shape.size(); ++axis) {
      if (shape[axis] < 2) continue;
      const std::vector<int64_t> strides = strides_with(shape, axis);
      for (const Load& load : loads) kernel.nodes[at(load.node)].index = with_strides(load.index, strides);
      Kernel copy = copy_kernel(buffer, buffer, strides, kernel.location);
      const double cost = cost_of(kernel, limits_) + cost_of(copy, limits_);
      if (cost < best) best = cost, chosen = strides;
    }
    const std::vector<int64_t> strides = chosen.empty() ? ir::row_major_strides(shape) : chosen;
    for (const Load& load : loads) kernel.nodes[at(load.node)].index = with_strides(load.index, strides);
    if (chosen.empty()) return;
    Buffer packed = program_.buffers[at(buffer)];
    packed.name += ".packed";
    packed.storage = {ir::Space::arena, end_};
    packed.strides = chosen;
    end_ += (packed.bytes() + kAlignment - 1) / kAlignment * kAlignment;
    program_.arena_bytes = std::max(program_.arena_bytes, end_);
    program_.buffers.push_back(std::move(packed));
    const int32_t target = static_cast<int32_t>(program_.buffers.size() - 1);
    for (const Load& load : loads) kernel.nodes[at(load.node)].buffer = target;
    program_.kernels.push_back(copy_kernel(buffer, target, chosen, kernel.location));
  }

  Kernel copy_kernel(int32_t from, int32_t to, const std::vector<int64_t>& strides,
                     const ir::SourceLocation& location) const {
    const Buffer& source = program_.buffers[at(from)];
    Kernel kernel;
    kernel.location = location;
    Indices index;
    Nest nest;
    for (int64_t extent : source.shape) {
      if (extent == 1) {
        index.emplace_back();
        continue;
      }
      const int32_t axis = kernel.add_axis("i" + std::to_string(kernel.axes.size()), extent);
      index.push_back(axis_index(axis));
      kernel.loops.push_back({.kind = LoopKind::parallel, .axis = axis, .extent = extent, .location = location});
      nest.loops.push_back(static_cast<int32_t>(kernel.loops.size() - 1));
    }
    const NodeId load = kernel.add_node({.kind = NodeKind::load,
                                         .dtype = source.dtype,
                                         .buffer = from,
                                         .index = linear_index(source.shape, index),
                                         .location = location});
    const NodeId store = kernel.add_node({.kind = NodeKind::store,
                                          .dtype = source.dtype,
                                          .operands = {load},
                                          .buffer = to,
                                          .index = with_strides(index, strides),
                                          .location = location});
    nest.body = {{false, load}, {false, store}};
    std::vector<Nest> nests;
    nests.push_back(std::move(nest));
    put_nests(kernel, std::move(nests));
    return kernel;
  }

  KernelProgram& program_;
  const ScheduleLimits& limits_;
  int64_t end_ = 0;  // of the arena as far as it is in use for one reader
};

}  // namespace

void pack_operands(KernelProgram& program, const ScheduleLimits& limits) {
  if (limits.width > 1 && limits.registers > 0) Packing(program, limits).run();
}

}  // namespace gradc::codegen
