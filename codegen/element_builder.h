// Builds the body of one loop nest by pulling: "the value of %v at index i?" asks the rule of %v's operation
// (element_rules.cpp), which asks the same of its operands. A tensor that lives in memory answers with a load, any
// other with its own expression, so that fusion is nothing but a tensor without a buffer.
//
// An expression is placed in the outermost loop of the nest body that defines all it depends on, and remembered there:
// asked again for the same value and index, it is not built twice.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "codegen/kernel.h"

namespace gradc::codegen {

using Indices = std::vector<Affine>;  // one for each axis of a tensor
using Nodes = std::vector<NodeId>;

// What the builder knows of the function: which buffer a value lives in, -1 where it lives in none.
struct LoweringInput {
  const ir::Func& func;
  const std::vector<Buffer>& buffers;
  const std::vector<int32_t>& buffer_of;
  const std::vector<int32_t>& blocks_of;  // the buffer with the lanes of a sum's blocks, -1 where there is none
  const std::vector<int32_t>& added_in;   // the buffer that a scatter_add was added up in before, -1 where none was
};

class ElementBuilder {
 public:
  ElementBuilder(const LoweringInput& input, Kernel& kernel);

  // The element of `value` at `index`.
  NodeId at(ir::ValueId value, const Indices& index);
  // The same, but never read from memory: what the kernel that stores `value` computes.
  NodeId computed(ir::ValueId value, const Indices& index);

  NodeId number(double number, ir::DType dtype);
  NodeId index_number(const Affine& index);
  NodeId in_range(const Affine& index, int64_t low, int64_t high);
  NodeId both(NodeId a, NodeId b);
  NodeId choose(NodeId condition, NodeId a, NodeId b);  // a where the condition holds
  bool is_false(NodeId condition) const;                // known at compile time
  NodeId apply(ir::Op op, ir::DType dtype, std::vector<NodeId> operands);
  // The element at `position`, or the one with the number `element` where the tensor is read in another shape.
  NodeId load(int32_t buffer, const Indices& position);
  NodeId load(int32_t buffer, const Affine& element, Indices position = {});
  NodeId random(std::vector<NodeId> key, int64_t place, const Affine& sample, const Affine& element);
  void store(int32_t buffer, const Indices& position, NodeId value, const ir::SourceLocation& location);
  // buffer[position] += term, in every round of the loops that are open.
  void add_to(int32_t buffer, const Indices& position, NodeId term);

  // Builds with loads happening only where `predicate` holds too; the value elsewhere is arbitrary.
  NodeId under(NodeId predicate, const std::function<NodeId()>& build);

  // An i32 node as an index of an axis, brought into 0 ... extent-1.
  Affine bounded_index(NodeId node, int64_t extent);

  // An axis of the nest's parallel loops.
  int32_t parallel_axis(int64_t extent);

  // accs = inits; for each index of a new axis: accs = body(axis, accs). The results are the last accs.
  Nodes reduce(const std::string& axis_name, int64_t extent, const Nodes& inits,
               const std::function<Nodes(const Affine&, const Nodes&)>& body);
  NodeId reduce(const std::string& axis_name, int64_t extent, NodeId init,
                const std::function<NodeId(const Affine&, NodeId)>& body);
  // body(lane) for every lane; the lanes of each of its values added by halving.
  Nodes lanes(int64_t live, const std::function<Nodes(const Affine&)>& body);
  // Inside `lanes`: body() for lanes below `count`, `otherwise` for the others.
  Nodes where(const Affine& lane, int64_t count, const Nodes& otherwise, const std::function<Nodes()>& body);

  // From now on `node` is the element of `value` at `index`.
  void remember(ir::ValueId value, const Indices& index, NodeId node);

  // split_index below, with the axes of this kernel.
  Indices split(const ir::Shape& shape, const Affine& linear) const;

  // What is placed from now on stands for this place of the source, where that is known.
  void locate(const ir::SourceLocation& location) {
    if (location.valid()) location_ = location;
  }

  Block take_body();

  const ir::Func& func() const { return input_.func; }
  int32_t buffer_of(ir::ValueId value) const { return input_.buffer_of[value.index]; }
  int32_t blocks_of(const ir::Value& value) const {
    return input_.blocks_of[static_cast<size_t>(&value - input_.func.values.data())];
  }
  int32_t added_in(const ir::Value& value) const {
    return input_.added_in[static_cast<size_t>(&value - input_.func.values.data())];
  }
  ir::DType dtype(NodeId node) const { return kernel_.nodes[static_cast<size_t>(node)].dtype; }
  const ir::Type& type(ir::ValueId value) const { return input_.func[value].type; }
  // The first reason why the function cannot be lowered; empty where there is none.
  const std::string& error() const { return error_; }
  NodeId fail(std::string message);

 private:
  using Key = std::tuple<uint32_t, Indices, NodeId>;
  using LoadKey = std::tuple<int32_t, Affine, NodeId>;
  struct Scope {
    Block body;
    uint64_t outer = 0;  // the depths of the enclosing scopes that its content depends on
    std::map<Key, NodeId> values;
    std::map<LoadKey, NodeId> loads;
    std::map<std::tuple<ir::DType, uint64_t>, NodeId> numbers;
  };

  NodeId evaluate(ir::ValueId value, const Indices& index);
  NodeId find(const Key& key) const;
  bool is_true(NodeId condition) const;
  uint64_t depths_of(const Node& node) const;
  NodeId place(Node node);
  NodeId place_here(Node node);
  int32_t open_scope();
  Nodes close_scope(Loop loop);

  const LoweringInput& input_;
  Kernel& kernel_;
  std::vector<Scope> scopes_;
  std::vector<int32_t> node_depth_;
  std::vector<int32_t> axis_depth_;
  std::map<std::pair<NodeId, int64_t>, Affine> bounded_;  // by node and extent
  NodeId predicate_ = kNoNode;
  ir::SourceLocation location_;
  int32_t recursion_ = 0;
  std::string error_;
};

// Linear index of a row-major tensor.
Affine linear_index(const ir::Shape& shape, const Indices& index);
// The opposite, as far as it is affine: an index for each axis of `shape`; empty where one is not.
Indices split_index(const ir::Shape& shape, const Affine& linear, const Kernel& kernel);

}  // namespace gradc::codegen
