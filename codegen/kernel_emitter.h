// What emits one kernel (emit_kernel.h), in six files: emit_kernel.cpp has values, points and nodes, emit_memory.cpp
// indices, loads and stores, emit_turned.cpp loads that are turned in registers, emit_loops.cpp parallel loops,
// emit_sums.cpp sums, emit_points.cpp what stands behind the sums of a tile. Internal to codegen (LLVM types).
#pragma once
#include <algorithm>
#include <map>

#include "codegen/emit_kernel.h"
#include "codegen/parts.h"
#include "codegen/schedule.h"

namespace gradc::codegen {

class KernelEmitter {
 public:
  KernelEmitter(EmitContext& context, const KernelProgram& program, const Kernel& kernel)
      : context_(context),
        builder_(context.builder),
        program_(program),
        kernel_(kernel),
        values_(kernel.nodes.size()),
        axes_(kernel.axes.size(), nullptr) {}

  void run() {
    if (context_.first_round != nullptr) in_parts_ = loops_in_parts(kernel_);
    emit(kernel_.body);
  }

 private:
  using Value = llvm::Value;
  using Values = std::vector<Value*>;
  static size_t at(int32_t id) { return static_cast<size_t>(id); }

  // --- values and widths ---

  int width_of(const Value* value) const;
  // The first `width` elements.
  Value* narrowed(Value* value, int width);
  // Once for each value and block of instructions: the points of a tile share it.
  Value* spread(Value* value, int width);
  static llvm::SmallVector<int, 16> first_elements(int width) {
    llvm::SmallVector<int, 16> elements;
    for (int i = 0; i < width; ++i) elements.push_back(i);
    return elements;
  }

  // --- points: the iterations of the open tiles that are computed side by side, those of the innermost tile next to
  // each other ---

  struct Tile {
    int32_t axis = 0;
    int64_t step = 1;  // of the axis, from point to point
    size_t count = 1;
    size_t stride = 1;         // of the point's number
    std::vector<bool> varies;  // by node
  };
  size_t coordinate(const Tile& tile) const { return point_ / tile.stride % tile.count; }
  // The first point at which `id` has the same value as at this one.
  size_t shared_point(NodeId id) const;
  // The points of the open tiles at which `id` has a value of its own.
  template <class Visit>
  void at_own_points(NodeId id, const Visit& visit) {
    for (point_ = 0; point_ < points_; ++point_)
      if (in_slice() && shared_point(id) == point_) visit();
    point_ = 0;
  }
  bool in_slice() const { return slicing_ == nullptr || coordinate(*slicing_) == slice_; }
  // `next()` gives the values of `id` at its own points in their order; the other points share them.
  template <class Next>
  void define(NodeId id, const Next& next) {
    Values values(points_);
    if (slicing_ != nullptr && slice_ > 0) values = std::move(values_[at(id)]);
    for (point_ = 0; point_ < points_; ++point_) {
      const size_t first = shared_point(id);
      if (in_slice()) values[point_] = first == point_ ? next() : values[first];
    }
    point_ = 0;
    values_[at(id)] = std::move(values);
  }
  // What was defined outside a tile has one value for all its points.
  Value* stored(NodeId id) const;
  Affine at_point(Affine index) const;
  Value* value(NodeId id) { return narrowed(stored(id), width_); }
  Value* wide(NodeId id) { return spread(value(id), width_); }

  // --- indices ---

  // `scale` times what the axes add to the index, in the order in which their loops were entered, so that sums over
  // the outer ones are computed outside; the innermost loop's part apart where `inner` takes it.
  Value* varying_part(const Affine& index, int64_t scale, Value** inner = nullptr);
  // `factor` times the index on an axis that no node gives. In an innermost loop it is counted, not multiplied.
  Value* scaled_axis(int32_t axis, int64_t factor);
  // The index on an axis, as i64; a vector of the current width where it is dynamic and varies.
  Value* axis_value(int32_t axis);
  // What dynamic axes add to the index of each element of a vector; null where they add the same to all.
  Value* scattered_part(const Affine& index);
  bool scattered(const Affine& index) const;
  // The index of the first element of a vector, or of the only one.
  Value* first_index(const Affine& index);
  int64_t vector_stride(const Affine& index) const { return width_ == 1 ? 0 : index.stride(vector_axis_); }
  // The index of every element, as a vector of `type` where it varies.
  Value* indices(const Affine& index, llvm::IntegerType* type);

  // --- memory ---

  const Buffer& buffer(const Node& node) const { return program_.buffers[at(node.buffer)]; }
  // The address of a buffer whose offset is an argument; null for all others.
  Value* start_of(int32_t id);
  // The address of the first element of a vector, or of the only one. The points of a tile are constant distances
  // apart.
  Value* element_pointer(const Node& node);
  llvm::Align alignment(const Node& node) const;
  // In a resident program every index is a number.
  int64_t constant_offset(const Node& node);
  bool in_registers(const Node& node) const;
  int64_t vector_distance(const Node& node) const { return vector_stride(node.index) * ir::dtype_bytes(node.dtype); }
  Value* load_registers(const Node& node, int64_t offset);
  // The predicate is a number for each lane. Elements where it does not hold may lie outside the buffer.
  Value* load_lanes_where(const Node& node, const llvm::Constant* condition, llvm::Type* type);
  Value* load(const Node& node);
  // The buffer in groups of `stride` elements: the load's place in its groups, the same for all lanes; -1 where that is
  // not known, or the stride is too long to load whole groups and pick.
  int64_t interleaved_offset(const Node& node, int64_t stride);
  // One by one, each at an address of its own.
  Value* load_scattered(const Node& node, llvm::Type* type);
  Value* pointer_to(const Node& node, Value* element);
  // The load's predicate, unless that is known to hold.
  NodeId open_predicate(const Node& node) const { return node.predicate == given_ ? kNoNode : node.predicate; }
  // A tile as long as a vector, along which the elements of the load are neighbours while along the vector they are
  // not.
  const Tile* transposing_tile(const Node& node) const;
  // A condition that is_mask (schedule.h), as a vector along the tile. Computed anew: it may vary with another tile
  // too, and what does so is emitted behind the loads that are turned.
  Value* mask_along(NodeId condition, const Tile& tile);
  // Vectors along the tile, then turned (transpose.h).
  void load_transposed(const Node& node, NodeId id, const Tile& tile);
  // What the load gives in each of the four rounds that turned_rounds is about to emit.
  void load_turned(const Node& node, NodeId id);
  // The innermost tile, where it is made of fours and the elements of the store are neighbours along it while along the
  // vector they are not.
  const Tile* turning_tile(const Node& node) const;
  // Four vectors along the tile at a time, turned: four neighbours for each element of a vector.
  void store_turned(const Node& node, NodeId id, const Tile& tile);
  Value* element_after(const Node& node, Value* first, int64_t distance);
  Value* load_at(const Node& node, Value* pointer, llvm::Type* type);
  // Memory is touched only where the predicate holds: neighbours by a masked load, others one by one, reading the first
  // element of the buffer where it does not hold.
  Value* load_where(const Node& node, llvm::Type* type);
  void store(const Node& node);
  void store_at(const Node& node, Value* pointer, Value* stored);
  unsigned lanes() const { return static_cast<unsigned>(width_); }

  // --- nodes ---

  void emit(const Node& node, NodeId id);
  Value* in_range(const Node& node, Value* index);
  Value* result_of(const Node& node);
  // The results of a function of ir/math.h at the own points of `id`, in pairs.
  Values side_by_side(const Node& node, NodeId id);
  // The operands at one width: vectors as soon as one of them is, or `least` asks for it.
  Values together(const std::vector<NodeId>& ids, int least);
  void emit(const Block& block);
  // Nodes in a row. Where tiles are open, slice by slice of one of them: what is the same for all slices comes first
  // and stays in registers, so the tile is cut along which that is the least.
  void emit(const std::vector<NodeId>& nodes);
  void emit_node(NodeId id);
  // Whether a copy of the nodes for every point of the open tiles would be more code than what their sums take.
  bool is_long_for_all_points(const std::vector<NodeId>& nodes) const;
  // Along which one of the nodes turns what it stores.
  const Tile* tile_that_turns(const std::vector<NodeId>& nodes) const;
  // The nodes in a loop over the points, which finds what was computed before in memory of its own.
  void emit_point_by_point(const std::vector<NodeId>& nodes);
  // Asks for what is loaded behind a tile's sum, so that it comes while the sum runs: the parameters that an update
  // reads are used once a step, and are far away.
  void fetch_ahead(const Block& block, size_t first);

  // --- loops ---

  // A loop that is being emitted.
  struct OpenLoop {
    int32_t axis;
    int64_t step;  // of the axis in a round
    bool innermost;
    llvm::BasicBlock *before, *head;
    Value* first;                                 // round
    std::map<int64_t, llvm::PHINode*> multiples;  // of the axis, by factor: counted beside the rounds
  };
  // The rounds of `loop` from 0 to before `count`, each `step` of its axis: carried = body(carried); at least one. In
  // SSA form, tested at its end.
  Values counted_loop(const Loop& loop, int64_t step, int64_t count, const Values& inits,
                      const std::function<Values(const Values&)>& body);
  // From `first` to before `end`, which is larger.
  Values counted_loop(const Loop& loop, int64_t step, Value* first, Value* end, const Values& inits,
                      const std::function<Values(const Values&)>& body);
  // Whether a loop will be emitted as one in the block.
  bool has_loop(const Block& block) const;
  void emit(const Loop& loop);
  void parallel(const Loop& loop);
  // The iterations behind the whole rounds: whole vectors, and one that is shorter.
  void what_is_left(const Loop& loop);
  // Those rounds of a loop in parts that the context asks for; what is left over belongs to the last round's part.
  void some_rounds(const Loop& loop);
  // The same where the loops inside are dealt out with it: the rounds are theirs.
  void joint_rounds_of(const Loop& loop);
  void only_if(Value* condition, const std::function<void()>& body);
  // The body for `tile` vectors of `width` iterations, side by side.
  void body_of(const Loop& loop, int64_t width, int64_t tile);
  void filling_vectors(const Loop& loop, int width, const std::function<void()>& body);
  // What the lanes yield from `first` on, as many as the schedule puts side by side.
  Values side_by_side_lanes(const Loop& loop, int64_t first);
  // Carried values stand behind each other, each at its own points.
  void reduce(const Loop& loop);
  // A sum whose schedule turns loads: rounds four by four, then those that are left.
  Values turned_rounds(const Loop& loop, Values carried, const std::function<Values(const Values&)>& round);
  // The body of a sum that changes what it carries only where a condition holds, which is the same for all points and
  // all elements of a vector: such are the terms of a transposed convolution that need not exist.
  struct Guarded {
    NodeId condition = kNoNode;  // none: nothing to jump over
    Block before, rest;          // what the condition needs; all else but the choice itself
  };
  Guarded guarded_parts(const Loop& loop) const;
  // One round that jumps over its body where the condition does not hold.
  Values only_where(const Guarded& guarded, const Values& now, const std::function<Values()>& next_values);
  // The lanes side by side in one vector, or one after the other; then the halving tree, which is the same additions.
  void lanes(const Loop& loop);
  void where(const Loop& loop);
  void where_of_counted_lanes(const Loop& loop);
  // `count` values, for as long as the function runs.
  llvm::AllocaInst* on_stack(llvm::Type* type, int64_t count);
  // Which values inside the loop depend on its axis, by node. Carried values feed back, so to a fixpoint.
  std::vector<bool> varying(const Loop& outer) const;
  EmitContext& context_;
  IrBuilder& builder_;
  const KernelProgram& program_;
  const Kernel& kernel_;
  std::vector<Values> values_;  // by node and point
  Values axes_;  // i64; of the axis that fills vectors, its first element's; of a tile, its first point's
  std::vector<OpenLoop> open_;  // outer to inner
  std::vector<Tile> tiles_;     // that are open, outer to inner
  size_t points_ = 1, point_ = 0;
  const Tile* slicing_ = nullptr;  // only the points at `slice_` of this tile are being emitted
  size_t slice_ = 0;
  std::vector<bool> varies_;  // with the axis that fills vectors, by node
  Value* base_ = nullptr;     // the address of the node that is being emitted, without what is constant
  int64_t base_offset_ = 0;
  std::map<std::pair<Value*, int>, Value*> splats_;
  const llvm::BasicBlock* splat_block_ = nullptr;
  std::vector<const Loop*> in_parts_;  // the loops in parts that have not been entered yet
  // Inside turned_rounds: the sum's axis, which of the four rounds this is, and what the loads give in each of them.
  int32_t turned_axis_ = -1;
  size_t turned_round_ = 0;
  std::map<NodeId, std::vector<Values>> turned_;
  NodeId given_ = kNoNode;  // a condition that is known to hold
  int32_t vector_axis_ = -1;
  int width_ = 1;
};

}  // namespace gradc::codegen
