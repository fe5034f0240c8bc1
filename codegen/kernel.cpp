#include "codegen/kernel.h"

#include <algorithm>
#include <limits>

namespace gradc::codegen {

int64_t Affine::stride(int32_t axis) const {
  for (const Term& term : terms)
    if (term.axis == axis) return term.stride;
  return 0;
}

Affine axis_index(int32_t axis) { return {0, {{axis, 1}}}; }

Affine sum(const Affine& a, const Affine& b) {
  Affine result{a.constant + b.constant, {}};
  result.terms.reserve(a.terms.size() + b.terms.size());
  auto left = a.terms.begin(), right = b.terms.begin();
  while (left != a.terms.end() || right != b.terms.end()) {
    if (right == b.terms.end() || (left != a.terms.end() && left->axis < right->axis)) {
      result.terms.push_back(*left++);
    } else if (left == a.terms.end() || right->axis < left->axis) {
      result.terms.push_back(*right++);
    } else {
      if (const int64_t stride = left->stride + right->stride) result.terms.push_back({left->axis, stride});
      ++left, ++right;
    }
  }
  return result;
}

Affine scaled(const Affine& a, int64_t factor) {
  if (factor == 0) return {};
  Affine result = a;
  result.constant *= factor;
  for (Affine::Term& term : result.terms) term.stride *= factor;
  return result;
}

Affine shifted(const Affine& a, int64_t distance) {
  Affine result = a;
  result.constant += distance;
  return result;
}

bool overlap(const Buffer& a, const Buffer& b) {
  return a.storage.space == b.storage.space && a.storage.offset < b.storage.offset + b.bytes() &&
         b.storage.offset < a.storage.offset + a.bytes();
}

int32_t Kernel::add_axis(std::string name, int64_t extent, NodeId node) {
  axes.push_back({std::move(name), extent, node});
  return static_cast<int32_t>(axes.size() - 1);
}

bool Kernel::is_dynamic(const Affine& index) const {
  return std::any_of(index.terms.begin(), index.terms.end(),
                     [&](const Affine::Term& term) { return axes[static_cast<size_t>(term.axis)].node != kNoNode; });
}

NodeId Kernel::add_node(Node node) {
  nodes.push_back(std::move(node));
  return static_cast<NodeId>(nodes.size() - 1);
}

NodeId condition_of(const Kernel& kernel, const Loop& loop) {
  NodeId condition = kNoNode;
  for (size_t i = 0; i < loop.yields.size(); ++i) {
    const Node& node = kernel.nodes[static_cast<size_t>(loop.yields[i])];
    const bool keeps = loop.kind == LoopKind::reduce && node.kind == NodeKind::apply && node.op == ir::Op::select &&
                       node.operands[2] == loop.carried[i];
    if (!keeps || (i > 0 && node.operands[0] != condition)) return kNoNode;
    condition = node.operands[0];
  }
  return condition;
}

Interval interval_of(const Affine& index, const std::vector<Axis>& axes) {
  Interval interval{index.constant, index.constant};
  for (const Affine::Term& term : index.terms) {
    const int64_t reach = term.stride * (axes[static_cast<size_t>(term.axis)].extent - 1);
    (reach < 0 ? interval.low : interval.high) += reach;
  }
  return interval;
}

Interval interval_of(const Kernel& kernel, NodeId id, const std::vector<Axis>& axes, int depth) {
  constexpr Interval kAny{std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
  const Node& node = kernel.nodes[static_cast<size_t>(id)];
  const auto operand = [&](size_t i) { return interval_of(kernel, node.operands[i], axes, depth - 1); };
  Interval interval = kAny;
  if (node.dtype != ir::DType::i32) return kAny;
  if (node.kind == NodeKind::constant) {
    const int64_t number = static_cast<int64_t>(node.number);
    interval = {number, number};
  } else if (node.kind == NodeKind::index) {
    interval = interval_of(node.index, axes);
  } else if (node.kind == NodeKind::apply && depth > 0 && (node.op == ir::Op::max || node.op == ir::Op::min)) {
    const Interval a = operand(0), b = operand(1);
    interval = node.op == ir::Op::max ? Interval{std::max(a.low, b.low), std::max(a.high, b.high)}
                                      : Interval{std::min(a.low, b.low), std::min(a.high, b.high)};
  }
  return interval.low < kAny.low || interval.high > kAny.high ? kAny : interval;
}

}  // namespace gradc::codegen
