// Operands whose neighbours in memory are not the neighbours that a sum's vectors want are copied into the arena, once,
// by a kernel of their own just before their reader (schedule.h). Arena tensors need that rarely: layout.cpp gives them
// the right order from the start.
#include <algorithm>
#include <map>
#include <optional>

#include "codegen/element_builder.h"
#include "codegen/layout.h"
#include "ir/attr.h"
#include "ir/ensure.h"

namespace gradc::codegen {

namespace {

constexpr double kLeastGain = 0.96;  // the reader and the copy together cost at most this share of before

size_t at(int32_t id) { return static_cast<size_t>(id); }

bool has_sum(const Kernel& kernel) {
  return std::any_of(kernel.loops.begin(), kernel.loops.end(),
                     [](const Loop& loop) { return loop.kind == LoopKind::reduce || loop.kind == LoopKind::lanes; });
}

class Packing {
 public:
  Packing(KernelProgram& program, KernelCosts& costs, bool arena, std::vector<OperandCopy> earlier)
      : program_(program), costs_(costs), arena_(arena), copies_(std::move(earlier)) {
    for (OperandCopy& copy : copies_) copy.valid = false;  // at the start of the step
  }

  std::vector<OperandCopy> run() {
    std::vector<Kernel> kernels = std::move(program_.kernels);
    program_.kernels.clear();
    sources_ = program_.buffers.size();
    for (Kernel& kernel : kernels) {
      if (has_sum(kernel)) pack_for(kernel);
      program_.kernels.push_back(std::move(kernel));
      forget_stored(program_.kernels.back());
    }
    if (arena_) drop_copies(program_, costs_, copies_);
    return copies_;
  }

 private:
  struct Load {
    NodeId node;
    Place place;
  };
  struct Operand {
    int32_t buffer;
    std::vector<Load> loads;
    Layout layout;     // in which the kernel shall read it
    double copy_cost;  // what bringing it into that layout costs
  };
  void pack_for(Kernel& kernel) {
    std::vector<int32_t> buffers;
    for (const Node& node : kernel.nodes) {
      if (node.kind != NodeKind::load || std::count(buffers.begin(), buffers.end(), node.buffer) > 0) continue;
      buffers.push_back(node.buffer);
    }
    std::vector<Operand> operands;
    for (int32_t buffer : buffers) {
      const Buffer& source = program_.buffers[at(buffer)];
      const auto wide = std::count_if(source.shape.begin(), source.shape.end(), [](int64_t n) { return n > 1; });
      if ((source.storage.space == ir::Space::arena) != arena_ || wide < 2 || at(buffer) >= sources_) continue;
      std::vector<Load> loads = loads_of(kernel, buffer);
      if (!loads.empty()) operands.push_back({buffer, std::move(loads), source.layout, 0});
    }
    if (operands.empty()) return;
    choose(kernel, operands);
    for (const Operand& operand : operands)
      if (operand.layout != program_.buffers[at(operand.buffer)].layout) use_copy(kernel, operand);
  }

  // Empty where one of them is at an index that is computed, or the kernel stores to the same bytes.
  std::vector<Load> loads_of(const Kernel& kernel, int32_t buffer) const {
    std::vector<Load> loads;
    const Buffer& source = program_.buffers[at(buffer)];
    for (size_t n = 0; n < kernel.nodes.size(); ++n) {
      const Node& node = kernel.nodes[n];
      if (node.kind == NodeKind::store && overlap(program_.buffers[at(node.buffer)], source)) return {};
      if (node.kind != NodeKind::load || node.buffer != buffer) continue;
      if (kernel.is_dynamic(node.index) || (arena_ && node.position.empty())) return {};
      loads.push_back({static_cast<NodeId>(n), place_of(node)});
    }
    return loads;
  }

  bool apply(Kernel& kernel, int32_t buffer, const std::vector<Load>& loads, const Layout& layout) const {
    std::vector<Affine> elements;
    for (const Load& load : loads) {
      std::optional<Affine> element = element_at(layout, program_.buffers[at(buffer)].shape, load.place, kernel);
      if (!element) return false;
      elements.push_back(std::move(*element));
    }
    for (size_t i = 0; i < loads.size(); ++i) kernel.nodes[at(loads[i].node)].index = std::move(elements[i]);
    return true;
  }

  // One operand after the other, until none wants another layout: the best for one depends on those of the others.
  void choose(Kernel& kernel, std::vector<Operand>& operands) {
    constexpr int kSweeps = 3;
    double best = costs_.of(kernel) * kLeastGain, copies = 0;
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      bool changed = false;
      for (Operand& operand : operands) {
        const Layout own = program_.buffers[at(operand.buffer)].layout, old = operand.layout;
        const double others = copies - operand.copy_cost;
        std::vector<Layout> layouts = other_layouts(program_.buffers[at(operand.buffer)].shape);
        layouts.push_back({});
        layouts.push_back(own);
        struct Choice {
          const Layout* layout;
          const double* copy;  // none: it is there
          const double* cost;
        };
        std::vector<Choice> choices;
        for (const Layout& layout : layouts) {
          if (layout == old || !apply(kernel, operand.buffer, operand.loads, layout)) continue;
          choices.push_back({&layout, nullptr, costs_.ask(kernel)});
          if (layout != own && find_copy(operand.buffer, layout) == nullptr)
            choices.back().copy = ask_copy(operand.buffer, layout, kernel.location);
        }
        costs_.answer();
        for (const Choice& choice : choices) {
          const double copy = choice.copy == nullptr ? 0 : *choice.copy;
          const double cost = *choice.cost + others + copy;
          if (cost >= best) continue;
          best = cost, copies = others + copy, changed = true;
          operand.layout = *choice.layout, operand.copy_cost = copy;
        }
        apply(kernel, operand.buffer, operand.loads, operand.layout);
      }
      if (!changed) break;
    }
  }

  // What bringing a tensor into another layout costs, which depends on its shape alone: tensors of a repeated layer are
  // asked for once.
  const double* ask_copy(int32_t source, const Layout& layout, const ir::SourceLocation& location) {
    const Buffer& buffer = program_.buffers[at(source)];
    std::vector<int64_t> key{static_cast<int64_t>(buffer.dtype)};
    for (const Layout& order : {buffer.layout, layout})
      key.insert(key.end(), {int64_t{order.axis}, int64_t{order.place}, order.block});
    key.insert(key.end(), buffer.shape.begin(), buffer.shape.end());
    const auto [found, inserted] = copy_costs_.try_emplace(std::move(key), nullptr);
    if (inserted) found->second = costs_.ask(copy_kernel(source, source, layout, location));
    return found->second;
  }

  OperandCopy* find_copy(int32_t source, const Layout& layout) {
    for (OperandCopy& copy : copies_)
      if (copy.valid && copy.source == source && copy.layout == layout) return &copy;
    return nullptr;
  }

  void use_copy(Kernel& kernel, const Operand& operand) {
    OperandCopy* copy = find_copy(operand.buffer, operand.layout);
    if (copy == nullptr) {
      Buffer packed = program_.buffers[at(operand.buffer)];
      packed.name = name_of_copy(packed.name);
      packed.layout = operand.layout;
      const int32_t target = add_scratch(program_, std::move(packed));
      copies_.push_back({operand.buffer, target, operand.layout, true});
      copy = &copies_.back();
      program_.kernels.push_back(copy_kernel(operand.buffer, target, operand.layout, kernel.location));
    }
    for (const Load& load : operand.loads) kernel.nodes[at(load.node)].buffer = copy->packed;
  }

  // A tensor may be copied twice, in other layouts or after it was overwritten: x.packed, x.packed_2, ...
  std::string name_of_copy(const std::string& source) const {
    const std::string first = source + ".packed";
    std::string name = first;
    const auto taken = [&](const Buffer& buffer) { return buffer.name == name; };
    for (int k = 2; std::any_of(program_.buffers.begin(), program_.buffers.end(), taken); ++k)
      name = first + "_" + std::to_string(k);
    return name;
  }

  // What a kernel overwrites has no valid copy any more.
  void forget_stored(const Kernel& kernel) {
    for (OperandCopy& copy : copies_) {
      const Buffer& source = program_.buffers[at(copy.source)];
      for (const Node& node : kernel.nodes)
        if (node.kind == NodeKind::store && overlap(program_.buffers[at(node.buffer)], source)) copy.valid = false;
    }
  }

  Kernel copy_kernel(int32_t from, int32_t to, const Layout& layout, const ir::SourceLocation& location) const {
    const Buffer& source = program_.buffers[at(from)];
    Kernel kernel;
    kernel.location = location;
    Indices index;
    for (int64_t extent : source.shape) {
      if (extent == 1) {
        index.emplace_back();
        continue;
      }
      const int32_t axis = kernel.add_axis("i" + std::to_string(kernel.axes.size()), extent);
      index.push_back(axis_index(axis));
      kernel.loops.push_back({.kind = LoopKind::parallel, .axis = axis, .extent = extent, .location = location});
    }
    Node load{.kind = NodeKind::load,
              .dtype = source.dtype,
              .buffer = from,
              .index = linear_index(source.shape, index),
              .position = index,
              .location = location};
    Node store = load;
    store.kind = NodeKind::store;
    store.buffer = to;
    store.operands = {kernel.add_node(std::move(load))};
    const NodeId stored = kernel.add_node(std::move(store));
    Block body{{false, stored - 1}, {false, stored}};
    for (size_t i = kernel.loops.size(); i-- > 0;) {
      kernel.loops[i].body = std::move(body);
      body = {{true, static_cast<int32_t>(i)}};
    }
    kernel.body = std::move(body);
    cut_axes(kernel);
    for (const auto& [node, order] : {std::pair{stored - 1, source.layout}, std::pair{stored, layout}}) {
      const std::optional<Affine> element = element_at(order, source.shape, place_of(kernel.nodes[at(node)]), kernel);
      ENSURE(element.has_value(), "a copy has a layout that does not fit its shape");
      kernel.nodes[at(node)].index = *element;
    }
    return kernel;
  }

  KernelProgram& program_;
  KernelCosts& costs_;
  bool arena_;
  size_t sources_ = 0;  // buffers that were there before
  std::vector<OperandCopy> copies_;
  std::map<std::vector<int64_t>, const double*> copy_costs_;  // by type and both layouts
};

}  // namespace

std::vector<OperandCopy> pack_operands(KernelProgram& program, KernelCosts& costs, bool arena,
                                       std::vector<OperandCopy> earlier) {
  return Packing(program, costs, arena, std::move(earlier)).run();
}

}  // namespace gradc::codegen
