#include "codegen/element_builder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <utility>

#include "codegen/element_rules.h"
#include "ir/ensure.h"

namespace gradc::codegen {

namespace {

constexpr int32_t kMaxRecursion = 2000;
constexpr int32_t kMaxDepth = 60;
constexpr size_t kMaxNodes = 1 << 16;

int32_t highest(uint64_t mask) { return mask == 0 ? 0 : 63 - std::countl_zero(mask); }

}  // namespace

ElementBuilder::ElementBuilder(const LoweringInput& input, Kernel& kernel) : input_(input), kernel_(kernel) {
  scopes_.emplace_back();
  // Nodes and axes of earlier nests of the kernel are never referred to.
  node_depth_.assign(kernel.nodes.size(), 0);
  axis_depth_.assign(kernel.axes.size(), 0);
}

NodeId ElementBuilder::fail(std::string message) {
  if (error_.empty()) error_ = std::move(message);
  return number(0, ir::DType::f32);
}

NodeId ElementBuilder::find(const Key& key) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = scope->values.find(key);
    if (found != scope->values.end()) return found->second;
  }
  return kNoNode;
}

NodeId ElementBuilder::at(ir::ValueId value, const Indices& index) {
  if (const NodeId known = find({value.index, index, predicate_}); known != kNoNode) return known;
  if (const int32_t buffer = input_.buffer_of[value.index]; buffer >= 0) {
    // A reshape of what is in memory reads the same elements under another shape.
    const ir::Shape& shape = type(value).shape;
    if (shape != input_.buffers[static_cast<size_t>(buffer)].shape) return load(buffer, linear_index(shape, index));
    return load(buffer, index);
  }
  return computed(value, index);
}

// Chains of elementwise operations may be longer than the stack is deep: all that is reached at the same index is
// evaluated in the order of its creation, operands first.
NodeId ElementBuilder::computed(ir::ValueId value, const Indices& index) {
  if (!error_.empty()) return number(0, ir::DType::f32);
  std::set<uint32_t> chain{value.index};
  std::vector<uint32_t> pending{value.index};
  while (!pending.empty()) {
    const ir::Value& user = func().values[pending.back()];
    pending.pop_back();
    if (!ir::op_info(user.op).has(ir::kElementwise)) continue;
    for (ir::ValueId operand : user.operands) {
      if (input_.buffer_of[operand.index] >= 0 || find({operand.index, index, predicate_}) != kNoNode) continue;
      if (chain.insert(operand.index).second) pending.push_back(operand.index);
    }
  }
  NodeId result = kNoNode;
  for (uint32_t id : chain) result = evaluate({id}, index);
  return result;
}

NodeId ElementBuilder::evaluate(ir::ValueId value, const Indices& index) {
  const Key key{value.index, index, predicate_};
  if (const NodeId known = find(key); known != kNoNode) return known;
  if (++recursion_ > kMaxRecursion) return fail("the expression of one kernel is nested too deeply");
  const ir::SourceLocation outer = location_;
  locate(func()[value].location);
  const NodeId node = element_rule(*this, func()[value], index);
  location_ = outer;
  --recursion_;
  remember(value, index, node);
  return node;
}

void ElementBuilder::remember(ir::ValueId value, const Indices& index, NodeId node) {
  Scope& scope = scopes_[static_cast<size_t>(node_depth_[static_cast<size_t>(node)])];
  scope.values.emplace(Key{value.index, index, predicate_}, node);
}

uint64_t ElementBuilder::depths_of(const Node& node) const {
  uint64_t mask = 0;
  for (NodeId operand : node.operands) mask |= uint64_t{1} << node_depth_[static_cast<size_t>(operand)];
  if (node.predicate != kNoNode) mask |= uint64_t{1} << node_depth_[static_cast<size_t>(node.predicate)];
  for (const Affine* index : {&node.index, &node.sample})
    for (const Affine::Term& term : index->terms) mask |= uint64_t{1} << axis_depth_[static_cast<size_t>(term.axis)];
  return mask;
}

NodeId ElementBuilder::place(Node node) {
  if (kernel_.nodes.size() >= kMaxNodes && error_.empty()) error_ = "one kernel has more than 2^16 operations";
  node.location = location_;
  const uint64_t mask = depths_of(node);
  const int32_t depth = highest(mask);
  const NodeId id = kernel_.add_node(std::move(node));
  node_depth_.push_back(depth);
  Scope& scope = scopes_[static_cast<size_t>(depth)];
  scope.body.push_back({false, id});
  scope.outer |= mask & ((uint64_t{1} << depth) - 1);
  return id;
}

// In the innermost scope, whatever it depends on, and with all loops around it: they repeat what it does to memory.
NodeId ElementBuilder::place_here(Node node) {
  node.location = location_;
  const uint64_t mask = depths_of(node);
  const NodeId id = kernel_.add_node(std::move(node));
  const size_t depth = scopes_.size() - 1;
  node_depth_.push_back(static_cast<int32_t>(depth));
  scopes_[depth].body.push_back({false, id});
  scopes_[depth].outer |= mask & ((uint64_t{1} << depth) - 1);
  for (size_t i = 1; i <= depth; ++i) scopes_[i].outer |= uint64_t{1} << (i - 1);
  return id;
}

NodeId ElementBuilder::number(double number, ir::DType dtype) {
  const auto [found, inserted] = scopes_[0].numbers.try_emplace({dtype, std::bit_cast<uint64_t>(number)}, kNoNode);
  if (inserted) found->second = place({.kind = NodeKind::constant, .dtype = dtype, .number = number});
  return found->second;
}

NodeId ElementBuilder::index_number(const Affine& index) {
  if (index.terms.empty()) return number(static_cast<double>(index.constant), ir::DType::i32);
  return place({.kind = NodeKind::index, .dtype = ir::DType::i32, .index = index});
}

NodeId ElementBuilder::in_range(const Affine& index, int64_t low, int64_t high) {
  const Interval reach = interval_of(index, kernel_.axes);
  if (reach.low >= low && reach.high < high) return number(1, ir::DType::boolean);
  if (reach.low >= high || reach.high < low) return number(0, ir::DType::boolean);
  return place({.kind = NodeKind::in_range, .dtype = ir::DType::boolean, .index = index, .low = low, .high = high});
}

bool ElementBuilder::is_true(NodeId condition) const {
  const Node& node = kernel_.nodes[static_cast<size_t>(condition)];
  return node.kind == NodeKind::constant && node.number != 0;
}

bool ElementBuilder::is_false(NodeId condition) const {
  const Node& node = kernel_.nodes[static_cast<size_t>(condition)];
  return node.kind == NodeKind::constant && node.number == 0;
}

NodeId ElementBuilder::choose(NodeId condition, NodeId a, NodeId b) {
  if (is_true(condition)) return a;
  if (is_false(condition)) return b;
  // A load is 0 by itself where its predicate does not hold.
  const Node &chosen = kernel_.nodes[static_cast<size_t>(a)], &other = kernel_.nodes[static_cast<size_t>(b)];
  const bool is_zero = other.kind == NodeKind::constant && other.number == 0 && !std::signbit(other.number);
  if (is_zero && chosen.kind == NodeKind::load && chosen.predicate == condition) return a;
  return apply(ir::Op::select, kernel_.nodes[static_cast<size_t>(a)].dtype, {condition, a, b});
}

NodeId ElementBuilder::both(NodeId a, NodeId b) {
  if (is_true(a)) return b;
  if (is_true(b)) return a;
  return apply(ir::Op::logical_and, ir::DType::boolean, {a, b});
}

NodeId ElementBuilder::apply(ir::Op op, ir::DType dtype, std::vector<NodeId> operands) {
  return place({.kind = NodeKind::apply, .dtype = dtype, .op = op, .operands = std::move(operands)});
}

NodeId ElementBuilder::load(int32_t buffer, const Indices& position) {
  return load(buffer, linear_index(input_.buffers[static_cast<size_t>(buffer)].shape, position), position);
}

NodeId ElementBuilder::load(int32_t buffer, const Affine& element, Indices position) {
  const Buffer& memory = input_.buffers[static_cast<size_t>(buffer)];
  // A load that is inside its buffer everywhere needs no predicate; where its axes are known it has to be inside each
  // of them, because another layout may put elsewhere what lies behind the end of one.
  const auto inside = [&](const Affine& index, int64_t extent) {
    const Interval reach = interval_of(index, kernel_.axes);
    return reach.low >= 0 && reach.high < extent;
  };
  bool everywhere = inside(element, memory.elements());
  for (size_t i = 0; i < position.size(); ++i) everywhere = everywhere && inside(position[i], memory.shape[i]);
  const NodeId predicate = everywhere ? kNoNode : predicate_;
  const LoadKey key{buffer, element, predicate};
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = scope->loads.find(key);
    if (found != scope->loads.end()) return found->second;
  }
  const NodeId id = place({.kind = NodeKind::load,
                           .dtype = memory.dtype,
                           .predicate = predicate,
                           .buffer = buffer,
                           .index = element,
                           .position = std::move(position)});
  scopes_[static_cast<size_t>(node_depth_[static_cast<size_t>(id)])].loads.emplace(key, id);
  return id;
}

NodeId ElementBuilder::random(std::vector<NodeId> key, int64_t place_number, const Affine& sample,
                              const Affine& element) {
  return place({.kind = NodeKind::random,
                .dtype = ir::DType::f32,
                .operands = std::move(key),
                .index = element,
                .sample = sample,
                .place = place_number});
}

void ElementBuilder::store(int32_t buffer, const Indices& position, NodeId value, const ir::SourceLocation& location) {
  const Buffer& memory = input_.buffers[static_cast<size_t>(buffer)];
  Node node{.kind = NodeKind::store,
            .dtype = memory.dtype,
            .operands = {value},
            .buffer = buffer,
            .index = linear_index(memory.shape, position),
            .position = position,
            .location = location};
  const NodeId id = kernel_.add_node(std::move(node));
  node_depth_.push_back(0);
  scopes_[0].body.push_back({false, id});
}

void ElementBuilder::add_to(int32_t buffer, const Indices& position, NodeId term) {
  const Buffer& memory = input_.buffers[static_cast<size_t>(buffer)];
  Node node{.kind = NodeKind::load,
            .dtype = memory.dtype,
            .buffer = buffer,
            .index = linear_index(memory.shape, position),
            .position = position};
  const NodeId before = place_here(node);
  node.kind = NodeKind::store;
  node.operands = {apply(ir::Op::add, memory.dtype, {before, term})};
  place_here(std::move(node));
}

NodeId ElementBuilder::under(NodeId predicate, const std::function<NodeId()>& build) {
  const NodeId outer = predicate_;
  predicate_ = outer == kNoNode ? predicate : both(outer, predicate);
  if (is_true(predicate_)) predicate_ = outer;
  const NodeId result = build();
  predicate_ = outer;
  return result;
}

Affine ElementBuilder::bounded_index(NodeId node, int64_t extent) {
  const auto [found, inserted] = bounded_.try_emplace({node, extent});
  if (!inserted) return found->second;
  const auto inside = [&](NodeId id) {
    const Interval reach = interval_of(kernel_, id, kernel_.axes);
    return reach.low >= 0 && reach.high < extent;
  };
  NodeId bounded = node;
  if (!inside(bounded)) {
    const NodeId last = number(static_cast<double>(extent - 1), ir::DType::i32);
    bounded = apply(ir::Op::min, ir::DType::i32, {bounded, last});
    bounded = apply(ir::Op::max, ir::DType::i32, {bounded, number(0, ir::DType::i32)});
  }
  const Node& made = kernel_.nodes[static_cast<size_t>(bounded)];
  if (extent == 1) return found->second = Affine{};
  if (made.kind == NodeKind::constant) return found->second = Affine{static_cast<int64_t>(made.number), {}};
  if (made.kind == NodeKind::index) return found->second = made.index;
  const int32_t axis = kernel_.add_axis("", extent, bounded);
  axis_depth_.push_back(node_depth_[static_cast<size_t>(bounded)]);
  return found->second = axis_index(axis);
}

int32_t ElementBuilder::parallel_axis(int64_t extent) {
  const int32_t axis = kernel_.add_axis("i" + std::to_string(kernel_.axes.size()), extent);
  axis_depth_.push_back(0);
  return axis;
}

int32_t ElementBuilder::open_scope() {
  if (scopes_.size() >= kMaxDepth) {
    if (error_.empty()) error_ = "the sums of one kernel are nested too deeply";
    return static_cast<int32_t>(scopes_.size() - 1);
  }
  scopes_.emplace_back();
  return static_cast<int32_t>(scopes_.size() - 1);
}

Nodes ElementBuilder::close_scope(Loop loop) {
  Scope inner = std::move(scopes_.back());
  const int32_t own = static_cast<int32_t>(scopes_.size() - 1);
  scopes_.pop_back();
  for (NodeId init : loop.inits) inner.outer |= uint64_t{1} << node_depth_[static_cast<size_t>(init)];
  for (NodeId yield : loop.yields)
    if (node_depth_[static_cast<size_t>(yield)] < own)
      inner.outer |= uint64_t{1} << node_depth_[static_cast<size_t>(yield)];
  const int32_t depth = highest(inner.outer);
  loop.body = std::move(inner.body);
  for (NodeId yield : loop.yields) {
    loop.results.push_back(kernel_.add_node({.kind = NodeKind::carried, .dtype = dtype(yield), .location = location_}));
    node_depth_.push_back(depth);
  }
  const Nodes results = loop.results;
  loop.location = location_;
  kernel_.loops.push_back(std::move(loop));
  Scope& outer = scopes_[static_cast<size_t>(depth)];
  outer.body.push_back({true, static_cast<int32_t>(kernel_.loops.size() - 1)});
  outer.outer |= inner.outer & ((uint64_t{1} << depth) - 1);
  return results;
}

Nodes ElementBuilder::reduce(const std::string& axis_name, int64_t extent, const Nodes& inits,
                             const std::function<Nodes(const Affine&, const Nodes&)>& body) {
  if (!error_.empty()) return inits;
  if (extent == 1) return body(Affine{}, inits);
  const int32_t axis = kernel_.add_axis(axis_name + std::to_string(kernel_.axes.size()), extent);
  const int32_t depth = open_scope();
  axis_depth_.push_back(depth);
  Nodes carried;
  for (NodeId init : inits) {
    carried.push_back(kernel_.add_node({.kind = NodeKind::carried, .dtype = dtype(init), .location = location_}));
    node_depth_.push_back(depth);
  }
  const Nodes yields = body(axis_index(axis), carried);
  if (!error_.empty()) return inits;
  return close_scope(
      {.kind = LoopKind::reduce, .axis = axis, .extent = extent, .inits = inits, .carried = carried, .yields = yields});
}

NodeId ElementBuilder::reduce(const std::string& axis_name, int64_t extent, NodeId init,
                              const std::function<NodeId(const Affine&, NodeId)>& body) {
  return reduce(axis_name, extent, Nodes{init},
                [&](const Affine& index, const Nodes& acc) { return Nodes{body(index, acc[0])}; })[0];
}

Nodes ElementBuilder::lanes(int64_t live, const std::function<Nodes(const Affine&)>& body) {
  if (live == 1) return body(Affine{});
  const int32_t axis = kernel_.add_axis("l" + std::to_string(kernel_.axes.size()), live);
  axis_depth_.push_back(open_scope());
  const Nodes yields = body(axis_index(axis));
  if (!error_.empty()) return yields;
  return close_scope({.kind = LoopKind::lanes, .axis = axis, .extent = live, .yields = yields});
}

Nodes ElementBuilder::where(const Affine& lane, int64_t count, const Nodes& otherwise,
                            const std::function<Nodes()>& body) {
  if (!error_.empty()) return otherwise;
  ENSURE(lane.terms.size() == 1, "where outside lanes");
  const int32_t axis = lane.terms[0].axis;
  const int32_t depth = open_scope();
  // What is built here with the lane's index exists for these lanes only and must not leave the scope.
  const int32_t lanes_depth = std::exchange(axis_depth_[static_cast<size_t>(axis)], depth);
  const int64_t lane_count = std::exchange(kernel_.axes[static_cast<size_t>(axis)].extent, count);
  const auto outer_bounded = bounded_;  // what is in bounds here need not be outside
  const Nodes yields = body();
  bounded_ = outer_bounded;
  kernel_.axes[static_cast<size_t>(axis)].extent = lane_count;
  axis_depth_[static_cast<size_t>(axis)] = lanes_depth;
  if (!error_.empty()) return otherwise;
  scopes_.back().outer |= uint64_t{1} << lanes_depth;
  return close_scope({.kind = LoopKind::where, .axis = axis, .extent = count, .inits = otherwise, .yields = yields});
}

Indices ElementBuilder::split(const ir::Shape& shape, const Affine& linear) const {
  return split_index(shape, linear, kernel_);
}

Block ElementBuilder::take_body() { return std::move(scopes_[0].body); }

Affine linear_index(const ir::Shape& shape, const Indices& index) {
  const std::vector<int64_t> strides = ir::row_major_strides(shape);
  Affine linear;
  for (size_t i = 0; i < shape.size(); ++i) linear = sum(linear, scaled(index[i], strides[i]));
  return linear;
}

Indices split_index(const ir::Shape& shape, const Affine& linear, const Kernel& kernel) {
  const std::vector<int64_t> strides = ir::row_major_strides(shape);
  Indices index(shape.size());
  Affine rest = linear;
  for (size_t i = 0; i < shape.size(); ++i) {
    // What is a multiple of the stride belongs to this axis, if the remainder stays inside the axes to the right.
    Affine quotient, remainder;
    quotient.constant = rest.constant / strides[i];
    remainder.constant = rest.constant % strides[i];
    for (const Affine::Term& term : rest.terms) {
      if (term.stride % strides[i] == 0) {
        quotient.terms.push_back({term.axis, term.stride / strides[i]});
      } else {
        remainder.terms.push_back(term);
      }
    }
    const Interval reach = interval_of(remainder, kernel.axes);
    if (reach.low < 0 || reach.high >= strides[i]) return {};
    index[i] = quotient;
    rest = remainder;
  }
  return index;
}

}  // namespace gradc::codegen
