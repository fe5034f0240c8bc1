// The order of axes of the tensors that only kernels see (schedule.h). Row-major order is what the program's host reads
// and writes; in the arena nobody else looks, and the axis that fills the vectors of those who read and write a tensor
// is best the innermost.
#include <algorithm>

#include "codegen/cost.h"
#include "codegen/element_builder.h"

namespace gradc::codegen {

std::vector<int64_t> strides_with(const ir::Shape& shape, size_t innermost) {
  std::vector<int64_t> strides(shape.size());
  strides[innermost] = 1;
  int64_t stride = shape[innermost];
  for (size_t axis = shape.size(); axis-- > 0;) {
    if (axis == innermost) continue;
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

class Layouts {
 public:
  Layouts(KernelProgram& program, const ScheduleLimits& limits) : program_(program), limits_(limits) {}

  void run() {
    find_accesses();
    for (size_t i = 0; i < program_.buffers.size(); ++i)
      if (is_free(program_.buffers[i])) choose(i);
  }

 private:
  struct Access {
    size_t kernel;
    NodeId node;
    Indices index;  // one for each axis of the buffer
  };

  void find_accesses() {
    accesses_.resize(program_.buffers.size());
    fixed_.resize(program_.buffers.size(), false);
    for (size_t k = 0; k < program_.kernels.size(); ++k) {
      Kernel& kernel = program_.kernels[k];
      for (size_t n = 0; n < kernel.nodes.size(); ++n) {
        const Node& node = kernel.nodes[n];
        if (node.kind != NodeKind::load && node.kind != NodeKind::store) continue;
        const Buffer& buffer = program_.buffers[at(node.buffer)];
        // Through a reshape, or under a predicate, an address may not tell the index on every axis.
        Indices index = split_index(buffer.shape, node.index, kernel);
        if (index.size() != buffer.shape.size() || node.predicate != kNoNode) fixed_[at(node.buffer)] = true;
        accesses_[at(node.buffer)].push_back({k, static_cast<NodeId>(n), std::move(index)});
      }
    }
  }

  bool is_free(const Buffer& buffer) const {
    const size_t index = static_cast<size_t>(&buffer - program_.buffers.data());
    const auto is_table = [&](const InitialBytes& initial) { return initial.offset == buffer.storage.offset; };
    const auto wide =
        std::count_if(buffer.shape.begin(), buffer.shape.end(), [](int64_t extent) { return extent > 1; });
    return buffer.storage.space == ir::Space::arena && buffer.strides.empty() && wide > 1 && !fixed_[index] &&
           std::none_of(program_.initial.begin(), program_.initial.end(), is_table);
  }

  void apply(size_t buffer, const std::vector<int64_t>& strides) {
    for (const Access& access : accesses_[buffer]) {
      Affine index;
      for (size_t axis = 0; axis < strides.size(); ++axis)
        index = sum(index, scaled(access.index[axis], strides[axis]));
      program_.kernels[access.kernel].nodes[at(access.node)].index = std::move(index);
    }
    program_.buffers[buffer].strides = strides;
  }

  double cost(size_t buffer) {
    double total = 0;
    size_t last = program_.kernels.size();
    for (const Access& access : accesses_[buffer]) {
      if (access.kernel == last) continue;
      last = access.kernel;
      Kernel& kernel = program_.kernels[last];
      std::vector<Nest> nests = take_nests(kernel);
      for (const Nest& nest : nests) total += best_plan(kernel, nest, limits_).cost;
      put_nests(kernel, std::move(nests));
    }
    return total;
  }

  void choose(size_t buffer) {
    const ir::Shape shape = program_.buffers[buffer].shape;
    const size_t row_major = shape.size() - 1;
    double best = cost(buffer);
    size_t innermost = row_major;
    for (size_t axis = 0; axis < row_major; ++axis) {
      if (shape[axis] < 2) continue;
      apply(buffer, strides_with(shape, axis));
      const double now = cost(buffer);
      if (now < best) best = now, innermost = axis;
    }
    apply(buffer, strides_with(shape, innermost));
    if (innermost == row_major) program_.buffers[buffer].strides.clear();
  }

  KernelProgram& program_;
  const ScheduleLimits& limits_;
  std::vector<std::vector<Access>> accesses_;  // by buffer
  std::vector<bool> fixed_;
};

}  // namespace

void choose_layouts(KernelProgram& program, const ScheduleLimits& limits) {
  if (limits.width > 1) Layouts(program, limits).run();
}

}  // namespace gradc::codegen
