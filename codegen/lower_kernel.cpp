#include "codegen/lower_kernel.h"

#include <algorithm>
#include <optional>
#include <set>

#include "codegen/element_rules.h"
#include "codegen/schedule.h"
#include "ir/sum_order.h"

namespace gradc::codegen {

namespace {

using ir::Op;
using ir::ValueId;

class KernelLowering {
 public:
  KernelLowering(const LoweringInput& input, Kernel& kernel)
      : input_(input), func_(input.func), buffer_of_(input.buffer_of), kernel_(kernel) {}

  std::string run(const std::vector<uint32_t>& values) {
    kernel_.location = func_.values[values[0]].location;
    if (const std::optional<ir::Shape> prefix = joint_prefix(values)) return lower_joint_nest(values, *prefix);
    std::vector<std::vector<uint32_t>> nests;
    std::vector<ir::Shape> axes;  // of each nest
    for (uint32_t id : values) {
      const ir::Shape& shape = func_.values[id].type.shape;
      std::optional<ir::Shape> shared;
      if (!nests.empty() && func_.values[nests.back()[0]].type.shape == shape && !reads_elsewhere(id, nests.back()))
        shared = axes_for(axes.back(), id);
      if (!shared) {
        nests.emplace_back();
        axes.push_back(axes_for(shape, id).value_or(shape));
      } else {
        axes.back() = *shared;
      }
      nests.back().push_back(id);
    }
    for (size_t i = 0; i < nests.size(); ++i) {
      if (std::string error = lower_nest(nests[i], axes[i]); !error.empty()) return error;
    }
    return {};
  }

 private:
  // Whether `value` reads something of the nest (`members`) other than at its own index: then it needs a nest of its
  // own.
  bool reads_elsewhere(uint32_t value, const std::vector<uint32_t>& members) const {
    const auto is_member = [&](uint32_t id) { return std::find(members.begin(), members.end(), id) != members.end(); };
    // For each value reached: 1 at the same index, 2 at another.
    std::vector<uint8_t> seen(func_.size(), 0);
    std::vector<std::pair<uint32_t, bool>> pending{{value, true}};
    while (!pending.empty()) {
      const auto [id, same_index] = pending.back();
      pending.pop_back();
      const uint8_t mark = same_index ? 1 : 2;
      if ((seen[id] & mark) != 0) continue;
      seen[id] |= mark;
      if (id != value && is_member(id)) {
        if (!same_index) return true;
        continue;
      }
      // A reshape of a member leads to the member.
      const ir::Value& node = func_.values[id];
      if (id != value && buffer_of_[id] >= 0 && !(node.op == Op::reshape && node.kernel < 0)) continue;
      const bool keeps_index = same_index && ir::op_info(node.op).has(ir::kElementwise);
      for (size_t k = 0; k < node.operands.size(); ++k) {
        const bool init = node.op == Op::contract && k == 2;
        pending.push_back({node.operands[k].index, keeps_index || (same_index && init)});
      }
    }
    return false;
  }

  // The axes that a nest runs over: those of `shape`, cut further where a value is reached through a reshape of
  // something that is not in memory. Nothing where two of these don't fit together.
  std::optional<ir::Shape> axes_for(const ir::Shape& shape, uint32_t value) const {
    ir::Shape axes = shape;
    std::set<uint32_t> seen{value};
    std::vector<uint32_t> pending{value};
    while (!pending.empty()) {
      const ir::Value& node = func_.values[pending.back()];
      pending.pop_back();
      if (!ir::op_info(node.op).has(ir::kElementwise)) continue;
      for (ir::ValueId operand : node.operands) {
        const ir::Value& read = func_[operand];
        if (buffer_of_[operand.index] >= 0 || !seen.insert(operand.index).second) continue;
        pending.push_back(operand.index);
        if (read.op != Op::reshape || buffer_of_[read.operands[0].index] >= 0) continue;
        const std::optional<ir::Shape> refined = ir::common_refinement(axes, func_[read.operands[0]].type.shape);
        if (!refined) return std::nullopt;
        axes = *refined;
      }
    }
    return axes;
  }

  // The axes of one nest for values of different shapes; nothing where they have one shape or need nests of their own.
  std::optional<ir::Shape> joint_prefix(const std::vector<uint32_t>& values) const {
    const auto shape = [&](uint32_t id) -> const ir::Shape& { return func_.values[id].type.shape; };
    uint32_t shortest = values[0];
    bool differ = false;
    for (uint32_t id : values) {
      differ = differ || shape(id) != shape(values[0]);
      if (func_.values[id].type.elements() < func_.values[shortest].type.elements()) shortest = id;
    }
    if (!differ) return std::nullopt;
    const int64_t points = func_.values[shortest].type.elements();
    for (uint32_t id : values) {
      const bool many = func_.values[id].type.elements() > points * static_cast<int64_t>(ir::kMostJointSums);
      if (many || !ir::begins_with(shape(id), shape(shortest)) || reads_elsewhere(id, values)) return std::nullopt;
    }
    ir::Shape prefix = shape(shortest);
    std::erase(prefix, 1);
    return prefix;
  }

  // Whether computing `value` inside the kernel takes computing one of `others` there too.
  bool needs_one_of(uint32_t value, const std::vector<Element>& others) const {
    std::set<uint32_t> seen{value};
    std::vector<uint32_t> pending{value};
    while (!pending.empty()) {
      const ir::Value& node = func_.values[pending.back()];
      pending.pop_back();
      for (ValueId operand : node.operands) {
        for (const Element& other : others)
          if (other.first == operand) return true;
        if (buffer_of_[operand.index] < 0 && seen.insert(operand.index).second) pending.push_back(operand.index);
      }
    }
    return false;
  }

  // The sums in lanes that the elements of a nest are computed of, those over the same rounds together.
  std::vector<std::vector<Element>> sums_together(const std::vector<Element>& elements) const {
    std::vector<Element> sums;
    std::set<std::pair<uint32_t, Indices>> seen;
    std::vector<Element> pending(elements.rbegin(), elements.rend());
    while (!pending.empty()) {
      const auto [id, index] = pending.back();
      pending.pop_back();
      if (!seen.emplace(id.index, index).second) continue;
      const ir::Value& value = func_[id];
      if ((value.op == Op::contract || value.op == Op::reduce) && ir::same_rounds(func_, value, value) &&
          !codegen::blocks_of(func_, value))
        sums.emplace_back(id, index);
      if (!ir::op_info(value.op).has(ir::kElementwise)) continue;
      for (size_t k = value.operands.size(); k-- > 0;)
        if (buffer_of_[value.operands[k].index] < 0) pending.emplace_back(value.operands[k], index);
    }
    std::vector<std::vector<Element>> groups;
    for (const Element& sum : sums) {
      const auto fits = [&](const std::vector<Element>& group) {
        return group.size() < ir::kMostJointSums && ir::same_rounds(func_, func_[group[0].first], func_[sum.first]);
      };
      if (needs_one_of(sum.first.index, sums)) continue;
      const auto group = std::find_if(groups.begin(), groups.end(), fits);
      if (group != groups.end()) {
        group->push_back(sum);
      } else {
        groups.push_back({sum});
      }
    }
    std::erase_if(groups, [](const std::vector<Element>& group) { return group.size() == 1; });
    return groups;
  }

  // `extents`: a refinement of the shape of the members.
  std::string lower_nest(const std::vector<uint32_t>& members, const ir::Shape& extents) {
    ElementBuilder builder(input_, kernel_);
    Indices index;
    std::vector<int32_t> axes;
    size_t next = 0;
    for (int64_t extent : func_.values[members[0]].type.shape) {
      Affine position;
      for (int64_t covered = 1; covered < extent; ++next) {
        if (extents[next] == 1) continue;
        axes.push_back(builder.parallel_axis(extents[next]));
        position = sum(scaled(position, extents[next]), axis_index(axes.back()));
        covered *= extents[next];
      }
      index.push_back(position);
    }
    std::vector<Element> elements;
    for (uint32_t id : members) elements.emplace_back(ValueId{id}, index);
    return fill_nest(builder, elements, axes);
  }

  std::string lower_joint_nest(const std::vector<uint32_t>& members, const ir::Shape& prefix) {
    ElementBuilder builder(input_, kernel_);
    std::vector<int32_t> axes;
    for (int64_t extent : prefix) axes.push_back(builder.parallel_axis(extent));
    std::vector<Element> elements;
    for (uint32_t id : members) {
      std::vector<Indices> indices{{}};
      size_t next = 0;
      for (int64_t extent : func_.values[id].type.shape) {
        const bool leads = extent > 1 && next < axes.size();
        std::vector<Indices> longer;
        for (const Indices& index : indices) {
          for (int64_t i = 0; i < (leads ? 1 : extent); ++i) {
            longer.push_back(index);
            longer.back().push_back(leads ? axis_index(axes[next]) : Affine{i, {}});
          }
        }
        if (leads) ++next;
        indices = std::move(longer);
      }
      for (Indices& index : indices) elements.emplace_back(ValueId{id}, std::move(index));
    }
    return fill_nest(builder, elements, axes);
  }

  std::string fill_nest(ElementBuilder& builder, const std::vector<Element>& elements,
                        const std::vector<int32_t>& axes) {
    for (const std::vector<Element>& sums : sums_together(elements)) joint_sums(builder, sums);
    Nodes nodes;
    for (const auto& [id, index] : elements) nodes.push_back(builder.computed(id, index));
    // Last, because a value may replace an argument that the others still read.
    for (size_t i = 0; i < elements.size(); ++i) {
      const auto& [id, index] = elements[i];
      builder.store(buffer_of_[id.index], index, nodes[i], func_[id].location);
    }
    if (!builder.error().empty()) return builder.error();
    put_nest(kernel_, axes, builder.take_body(), func_[elements[0].first].location);
    return {};
  }

  const LoweringInput& input_;
  const ir::Func& func_;
  const std::vector<int32_t>& buffer_of_;
  Kernel& kernel_;
};

}  // namespace

std::string lower_kernel(const LoweringInput& input, const std::vector<uint32_t>& values, Kernel& kernel) {
  return KernelLowering(input, kernel).run(values);
}

void put_nest(Kernel& kernel, const std::vector<int32_t>& axes, Block body, const ir::SourceLocation& location) {
  Nest nest;
  nest.body = std::move(body);
  for (int32_t axis : axes) {
    kernel.loops.push_back({.kind = LoopKind::parallel,
                            .axis = axis,
                            .extent = kernel.axes[static_cast<size_t>(axis)].extent,
                            .location = location});
    nest.loops.push_back(static_cast<int32_t>(kernel.loops.size() - 1));
  }
  std::vector<Nest> nests;
  nests.push_back(std::move(nest));
  put_nests(kernel, std::move(nests));
}

}  // namespace gradc::codegen
