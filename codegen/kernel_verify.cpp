// The invariants of kernel IR:
//   1. Every statement, node, loop, axis and buffer that is referred to exists; no node or loop stands in two places.
//   2. A node is defined before it is used, in the same block or around it.
//   3. An index uses axes of loops around it only, and dynamic axes whose node is defined and known to be in bounds;
//      stores use these only beside the axes of all loops around them that are no `reduce`. `where` stands inside the
//      `lanes` of its axis.
//   4. Types: operands of an elementwise operation are what it takes; loads and stores have their buffer's type; what a
//      loop carries keeps its type.
//   5. Loads without a predicate, and stores, stay inside their buffer; arena buffers stay inside the arena; data and
//      hyper are not written.
//   6. A nest that stores a buffer does not load bytes of it at another index, unless the two never meet, nor through
//      another buffer at another place; stores of one nest do not overlap.
//   7. vector: 1 ... 16 on parallel loops without vector loops inside, and on lanes; tile: on parallel loops, at most
//      64 points in all; all inits, carried, yields, results of a loop are as many.
//   8. parts: on one parallel loop of a kernel, at most as many as it has rounds; nothing is stored outside it.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "codegen/codegen.h"
#include "codegen/parts.h"
#include "codegen/schedule.h"
#include "ir/shape_rules.h"

namespace gradc::codegen {

namespace {

constexpr int32_t kMostPoints = 64;

size_t at(int32_t id) { return static_cast<size_t>(id); }

// Whatever the axes are, the two are different elements: for some m, what they are beyond multiples of m differs by no
// multiple of it.
bool never_meet(const Affine& a, const Affine& b, const std::vector<Axis>& axes) {
  std::vector<int64_t> candidates{int64_t{1} << 60, 0};  // more than any index; of all strides
  for (const Affine* index : {&a, &b}) {
    for (const Affine::Term& term : index->terms) {
      candidates.push_back(std::abs(term.stride));
      candidates[1] = std::gcd(candidates[1], term.stride);
    }
  }
  return std::any_of(candidates.begin(), candidates.end(), [&](int64_t m) {
    if (m == 0) return false;
    Interval beyond[2];
    for (size_t k = 0; k < 2; ++k) {
      Affine rest = k == 0 ? a : b;
      std::erase_if(rest.terms, [&](const Affine::Term& term) { return term.stride % m == 0; });
      beyond[k] = interval_of(rest, axes);
    }
    const int64_t low = beyond[0].low - beyond[1].high, high = beyond[0].high - beyond[1].low;
    const int64_t multiple = (high >= 0 ? high / m : -((-high + m - 1) / m)) * m;  // the largest up to high
    return multiple < low;
  });
}

class Verifier {
 public:
  explicit Verifier(const KernelProgram& program) : program_(program) {}

  std::string run() {
    for (const Buffer& buffer : program_.buffers) {
      if (buffer.storage.space == ir::Space::none || buffer.storage.offset < 0 || buffer.elements() < 1 ||
          buffer.storage.offset % ir::dtype_bytes(buffer.dtype) != 0)
        return fmt::format("buffer {} has no proper place", buffer.name);
      if (buffer.storage.space == ir::Space::arena && buffer.storage.offset + buffer.bytes() > program_.arena_bytes)
        return fmt::format("buffer {} ends outside the arena", buffer.name);
      if (buffer.dtype == ir::DType::f64) return fmt::format("buffer {} is f64", buffer.name);
    }
    for (size_t i = 0; i < program_.kernels.size() && error_.empty(); ++i) {
      kernel_ = &program_.kernels[i];
      defined_.assign(kernel_->nodes.size(), false);
      placed_.assign(kernel_->nodes.size(), false);
      loop_placed_.assign(kernel_->loops.size(), false);
      open_axis_.assign(kernel_->axes.size(), false);
      axes_ = kernel_->axes;
      check(kernel_->body);
      for (const Statement& statement : kernel_->body)
        if (error_.empty()) check_memory(Block{statement});
      if (error_.empty()) check_parts();
      if (!error_.empty()) error_ = fmt::format("kernel {}: {}", i, error_);
    }
    return error_;
  }

 private:
  template <class... Args>
  bool require(bool holds, fmt::format_string<Args...> form, Args&&... args) {
    if (!holds && error_.empty()) error_ = fmt::format(form, std::forward<Args>(args)...);
    return holds;
  }

  bool defined(NodeId id) const { return id >= 0 && at(id) < defined_.size() && defined_[at(id)]; }
  ir::DType dtype(NodeId id) const { return kernel_->nodes[at(id)].dtype; }

  void check_index(const Affine& index) {
    for (const Affine::Term& term : index.terms) {
      if (!require(term.axis >= 0 && at(term.axis) < open_axis_.size(), "an index uses an axis that does not exist"))
        return;
      const NodeId node = kernel_->axes[at(term.axis)].node;
      if (node == kNoNode) {
        require(open_axis_[at(term.axis)], "an index uses an axis that is not around it");
      } else if (require(defined(node), "an index uses node {} before it is defined", node)) {
        const Interval reach = interval_of(*kernel_, node, axes_);
        require(dtype(node) == ir::DType::i32 && reach.low >= 0 && reach.high < kernel_->axes[at(term.axis)].extent,
                "node {} may leave the axis whose index it is", node);
      }
    }
  }

  void check_node(NodeId id) {
    if (!require(id >= 0 && at(id) < kernel_->nodes.size() && !placed_[at(id)], "node {} stands in two places", id))
      return;
    placed_[at(id)] = true;
    const Node& node = kernel_->nodes[at(id)];
    for (NodeId operand : node.operands)
      if (!require(defined(operand), "node {} uses {} before it is defined", id, operand)) return;
    check_index(node.index);
    check_index(node.sample);
    if (node.predicate != kNoNode) {
      if (!require(defined(node.predicate), "node {} uses its predicate before it is defined", id)) return;
      require(dtype(node.predicate) == ir::DType::boolean, "the predicate of node {} is not bool", id);
    }
    switch (node.kind) {
      case NodeKind::load:
      case NodeKind::store:
        check_access(node);
        break;
      case NodeKind::apply:
        check_apply(node);
        break;
      case NodeKind::random:
        require(node.operands.size() == 3, "random takes three key words");
        break;
      case NodeKind::carried:
        require(false, "node {} stands alone but belongs to a loop", id);
        break;
      case NodeKind::constant:
      case NodeKind::index:
      case NodeKind::in_range:
        break;
    }
    defined_[at(id)] = node.kind != NodeKind::store;
  }

  void check_access(const Node& node) {
    if (!require(node.buffer >= 0 && at(node.buffer) < program_.buffers.size(), "no buffer {}", node.buffer)) return;
    const Buffer& buffer = program_.buffers[at(node.buffer)];
    require(node.dtype == buffer.dtype, "{} is accessed as another type", buffer.name);
    if (!error_.empty()) return;
    const Interval reach = interval_of(node.index, axes_);
    require(node.predicate != kNoNode || (reach.low >= 0 && reach.high < buffer.elements()),
            "{}[{} ... {}] is outside its {} elements", buffer.name, reach.low, reach.high, buffer.elements());
    if (node.kind == NodeKind::load) return;
    require(node.operands.size() == 1 && dtype(node.operands[0]) == node.dtype, "{} stores another type", buffer.name);
    if (kernel_->is_dynamic(node.index)) check_computed_store(node, buffer);
    require(buffer.storage.space != ir::Space::data && buffer.storage.space != ir::Space::hyper,
            "{} is written but lies in a space that is read only", buffer.name);
  }

  // Rounds that run at the same time store elsewhere, whatever the node says: the axes of their loops are in the index,
  // and each stride is longer than all that the shorter ones reach.
  void check_computed_store(const Node& node, const Buffer& buffer) {
    for (const Loop* loop : open_loops_) {
      require(loop->kind == LoopKind::reduce || node.index.stride(loop->axis) != 0,
              "{} is stored at the same computed index by all rounds of {}", buffer.name,
              kernel_->axes[at(loop->axis)].name);
    }
    std::vector<Affine::Term> terms = node.index.terms;
    std::sort(terms.begin(), terms.end(), [](const auto& a, const auto& b) { return a.stride < b.stride; });
    int64_t reached = 0;
    for (const Affine::Term& term : terms) {
      require(term.stride > reached, "{} is stored at a computed index that other rounds may store at too",
              buffer.name);
      reached += term.stride * (kernel_->axes[at(term.axis)].extent - 1);
    }
  }

  void check_apply(const Node& node) {
    const ir::OpInfo& info = ir::op_info(node.op);
    if (!require(info.has(ir::kElementwise) && static_cast<size_t>(info.operands) == node.operands.size(),
                 "{} does not take {} operands", info.name, node.operands.size()))
      return;
    std::vector<ir::Type> types;
    for (NodeId operand : node.operands) types.push_back({dtype(operand), {}});
    const ir::Result<ir::Type> type = ir::infer_type(node.op, types, ir::NoAttr{}, {node.dtype, {}});
    require(type.ok() && type->dtype == node.dtype, "{} gets or gives the wrong types", info.name);
  }

  void check(const Block& block) {
    std::vector<NodeId> here;
    for (const Statement& statement : block) {
      if (!error_.empty()) return;
      if (!statement.is_loop) {
        check_node(statement.id);
        here.push_back(statement.id);
        continue;
      }
      if (!require(statement.id >= 0 && at(statement.id) < kernel_->loops.size() && !loop_placed_[at(statement.id)],
                   "loop {} stands in two places", statement.id))
        return;
      loop_placed_[at(statement.id)] = true;
      check(kernel_->loops[at(statement.id)]);
      const std::vector<NodeId>& results = kernel_->loops[at(statement.id)].results;
      here.insert(here.end(), results.begin(), results.end());
    }
    block_nodes_ = std::move(here);
  }

  void check(const Loop& loop) {
    if (!require(loop.axis >= 0 && at(loop.axis) < kernel_->axes.size(), "a loop has no axis")) return;
    const Axis& axis = kernel_->axes[at(loop.axis)];
    require(axis.node == kNoNode, "a loop runs an axis whose index is node {}", axis.node);
    const bool is_where = loop.kind == LoopKind::where;
    require(open_axis_[at(loop.axis)] == is_where, "axis {} is opened twice or never", axis.name);
    require(is_where ? loop.extent >= 1 && loop.extent < axis.extent : loop.extent == axis.extent,
            "a loop over {} has another extent", axis.name);
    require(loop.kind != LoopKind::lanes || loop.extent <= ir::kLanes, "more than 16 lanes");
    require(loop.results.size() == loop.yields.size(), "a loop over {} yields and gives not as many", axis.name);
    require(loop.carried.size() == (loop.kind == LoopKind::reduce ? loop.yields.size() : 0) &&
                loop.inits.size() == (loop.kind == LoopKind::reduce || is_where ? loop.yields.size() : 0),
            "a loop over {} carries not as much as it yields", axis.name);
    require(loop.schedule.vector >= 1 && loop.schedule.vector <= ir::kLanes, "vector {}", loop.schedule.vector);
    const bool vector = loop.schedule.vector > 1;
    require(!vector || (!vector_open_ && (loop.kind == LoopKind::parallel || loop.kind == LoopKind::lanes)),
            "axis {} cannot fill vectors", axis.name);
    const int32_t tile = loop.schedule.tile;
    require(tile >= 1 && (tile == 1 || loop.kind == LoopKind::parallel), "tile {} over {}", tile, axis.name);
    const int32_t turn = loop.schedule.turn;
    require(turn == 1 || (turn == kTurned && has_turnable_rounds(loop)), "turn {} over {}", turn, axis.name);
    require(tile <= kMostPoints / points_, "the tiles around {} have more than {} points", axis.name, kMostPoints);
    for (NodeId init : loop.inits) require(defined(init), "a loop over {} starts with what is not defined", axis.name);
    if (!error_.empty()) return;

    for (size_t i = 0; i < loop.carried.size(); ++i) {
      require(dtype(loop.carried[i]) == dtype(loop.inits[i]), "a loop over {} carries two types", axis.name);
      defined_[at(loop.carried[i])] = true;
    }
    open_axis_[at(loop.axis)] = true;
    axes_[at(loop.axis)].extent = loop.extent;
    const bool outer_vector = vector_open_;
    vector_open_ = vector_open_ || vector;
    points_ *= tile;
    open_loops_.push_back(&loop);
    check(loop.body);
    open_loops_.pop_back();
    points_ /= tile;
    vector_open_ = outer_vector;
    open_axis_[at(loop.axis)] = is_where;
    axes_[at(loop.axis)].extent = axis.extent;
    if (!error_.empty()) return;
    for (size_t i = 0; i < loop.yields.size(); ++i) {
      if (!require(defined(loop.yields[i]), "a loop over {} yields what is not defined", axis.name)) return;
      require(dtype(loop.yields[i]) == dtype(loop.results[i]), "a loop over {} gives another type", axis.name);
      if (!loop.inits.empty())
        require(dtype(loop.yields[i]) == dtype(loop.inits[i]), "a loop over {} changes a type", axis.name);
    }
    for (NodeId node : block_nodes_) defined_[at(node)] = false;
    for (NodeId carried : loop.carried) defined_[at(carried)] = false;
    for (NodeId result : loop.results) defined_[at(result)] = true;
  }

  void check_parts() {
    const Loop* in_parts = nullptr;
    int64_t stores = 0;
    const auto count = [&](NodeId id) { stores += kernel_->nodes[at(id)].kind == NodeKind::store ? 1 : 0; };
    walk(*kernel_, kernel_->body, count, [&](int32_t id) {
      const Loop& loop = kernel_->loops[at(id)];
      require(loop.schedule.parts >= 1, "{} parts", loop.schedule.parts);
      if (loop.schedule.parts <= 1) return;
      require(in_parts == nullptr, "two loops are in parts");
      const std::vector<const Loop*> loops = loops_in_parts(*kernel_);
      const bool joined = loops.size() == static_cast<size_t>(loop.schedule.joined) + 1;
      require(loop.kind == LoopKind::parallel && joined && loop.schedule.parts <= joint_rounds(loops),
              "axis {} cannot be in parts", kernel_->axes[at(loop.axis)].name);
      for (size_t i = 0; i + 1 < loops.size(); ++i) {
        const Schedule& schedule = loops[i]->schedule;
        require(loops[i]->extent % (int64_t{schedule.vector} * schedule.tile) == 0,
                "axis {} has a part of a round left over", kernel_->axes[at(loops[i]->axis)].name);
      }
      in_parts = &loop;
    });
    if (in_parts == nullptr) return;
    const int64_t all = stores;
    stores = 0;
    walk(*kernel_, in_parts->body, count, [](int32_t) {});
    require(stores == all, "every part stores what stands outside the loop over {}",
            kernel_->axes[at(in_parts->axis)].name);
  }

  // One nest: what it stores, nobody in it may read at another index.
  void check_memory(const Block& nest) {
    std::vector<const Node*> loads, stores;
    walk(
        *kernel_, nest,
        [&](NodeId id) {
          const Node& node = kernel_->nodes[at(id)];
          if (node.kind == NodeKind::load) loads.push_back(&node);
          if (node.kind == NodeKind::store) stores.push_back(&node);
        },
        [](int32_t) {});
    for (size_t i = 0; i < stores.size(); ++i) {
      const Buffer& stored = program_.buffers[at(stores[i]->buffer)];
      for (const Node* load : loads) {
        const Buffer& loaded = program_.buffers[at(load->buffer)];
        if (!overlap(stored, loaded)) continue;
        const bool same_place = stored.storage == loaded.storage && stored.dtype == loaded.dtype;
        require(same_place && (load->index == stores[i]->index || never_meet(load->index, stores[i]->index, axes_)),
                "{} is stored while {} is read at another index", stored.name, loaded.name);
      }
      for (size_t k = 0; k < i; ++k) {
        const Buffer& other = program_.buffers[at(stores[k]->buffer)];
        const bool apart =
            stores[k]->buffer == stores[i]->buffer && never_meet(stores[k]->index, stores[i]->index, axes_);
        require(apart || !overlap(stored, other), "{} and {} are stored to the same bytes", stored.name, other.name);
      }
    }
  }

  const KernelProgram& program_;
  const Kernel* kernel_ = nullptr;
  std::vector<Axis> axes_;  // with the extents that hold inside the open loops
  std::vector<bool> defined_, placed_, loop_placed_, open_axis_;
  std::vector<NodeId> block_nodes_;  // defined by the block that was checked last
  bool vector_open_ = false;
  std::vector<const Loop*> open_loops_;
  int32_t points_ = 1;  // of the open tiles
  std::string error_;
};

}  // namespace

std::string verify(const KernelProgram& program) { return Verifier(program).run(); }

}  // namespace gradc::codegen
