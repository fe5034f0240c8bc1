#include "codegen/cost.h"

#include <algorithm>
#include <bit>

#include "ir/attr.h"

namespace gradc::codegen {

namespace {

constexpr double kBroadcastLoad = 0.5;
constexpr double kScatteredElement = 1.5;
constexpr double kFunction = 20;  // exp, log, tanh, random numbers
constexpr double kHalving = 8;    // the tree of 16 lanes
constexpr double kLatency = 8;    // a term of a sum waits for the one before it while this many others could start
constexpr double kRound = 0.5;    // counting a loop
constexpr int32_t kMostRows = 8, kMostColumns = 4;

size_t at(int32_t id) { return static_cast<size_t>(id); }

using Axes = uint64_t;  // a set of loops of the nest, by position
Axes bit(size_t position) { return position < 64 ? Axes{1} << position : 0; }

struct Item {
  double cost = 0;
  bool memory = false;
  Axes varies = 0;
  Axes neighbours = 0;    // loops along which a load whose elements are scattered in a vector has stride 1
  double transposed = 0;  // its cost where a tile as long as a vector runs along such a loop
};

// One run of a loop's body without the loops inside it.
struct Level {
  double times = 1;  // in one run of the nest's body
  bool chain = false;
  std::vector<Item> items;
  std::vector<Item> carried;  // cost: registers
};

// The body of a nest, measured with `axis` filling vectors of `width` (-1 and 1: none).
class Body {
 public:
  Body(const Kernel& kernel, const Nest& nest, int32_t axis, int64_t width, int registers_floats)
      : kernel_(kernel), axis_(axis), width_(width), floats_(registers_floats), varies_(kernel.nodes.size(), 0) {
    position_of_axis_.assign(kernel.axes.size(), 0);
    for (size_t i = 0; i < nest.loops.size(); ++i) position_of_axis_[at(kernel.loops[at(nest.loops[i])].axis)] = bit(i);
    gather(nest.body, 1, nullptr);
  }

  bool has_sum() const {
    return std::any_of(levels_.begin(), levels_.end(), [](const Level& level) { return !level.carried.empty(); });
  }

  // Whether a tile over `row` lets scattered elements be loaded along it and transposed in registers, and all the
  // values of the tile still have room.
  bool transposes(Axes row) const {
    constexpr size_t kMostItems = 6;
    size_t items = 0;
    bool does = false;
    for (const Level& level : levels_) {
      items += level.items.size();
      for (const Item& item : level.items) does = does || (item.neighbours & row) != 0;
    }
    return does && items <= kMostItems && width_ >= 4 && std::has_single_bit(static_cast<uint64_t>(width_));
  }

  // With a tile of `rows` over the axes `row` and `columns` over `column`.
  double cost(Axes row, double rows, Axes column, double columns) const {
    double total = 0;
    for (const Level& level : levels_) {
      double work = 0, memory = 0;
      for (const Item& item : level.items) {
        const bool transposed = (item.neighbours & row) != 0 && rows == static_cast<double>(width_);
        const double cost = (transposed ? item.transposed : item.cost) * copies(item, row, rows, column, columns);
        (item.memory ? memory : work) += cost;
      }
      double time = std::max(work, memory) + 0.2 * std::min(work, memory);
      if (level.chain) time = std::max(time, kLatency) + kRound;
      total += level.times * time;
    }
    return total;
  }

  bool fits(Axes row, double rows, Axes column, double columns, int registers) const {
    for (const Level& level : levels_) {
      double live = 0;
      for (const Item& item : level.carried) live += item.cost * copies(item, row, rows, column, columns);
      // One operand of the columns or the rows is held while the other passes by.
      if (live > 0 && live + std::min(rows, columns) * registers_of(width_) + 2 > registers) return false;
    }
    return true;
  }

 private:
  static double copies(const Item& item, Axes row, double rows, Axes column, double columns) {
    return ((item.varies & row) != 0 ? rows : 1) * ((item.varies & column) != 0 ? columns : 1);
  }

  double registers_of(int64_t width) const { return static_cast<double>((width + floats_ - 1) / floats_); }

  Axes axes_of(const Affine& index) const {
    Axes axes = 0;
    for (const Affine::Term& term : index.terms) {
      const NodeId node = kernel_.axes[at(term.axis)].node;
      axes |= node == kNoNode ? position_of_axis_[at(term.axis)] : varies_[at(node)];
    }
    return axes;
  }

  void gather(const Block& block, double times, const Loop* loop) {
    const size_t number = levels_.size();
    levels_.push_back({times, false, {}, {}});
    bool innermost = loop != nullptr;
    for (const Statement& statement : block) {
      if (!statement.is_loop) {
        levels_[number].items.push_back(item_of(statement.id));
        continue;
      }
      innermost = false;
      const Loop& inner = kernel_.loops[at(statement.id)];
      Axes varies = 0;
      for (NodeId init : inner.inits) varies |= varies_[at(init)];
      walk(
          kernel_, inner.body,
          [&](NodeId id) {
            const Node& node = kernel_.nodes[at(id)];
            varies |= axes_of(node.index) | axes_of(node.sample);
            // What stands around the loop is known already.
            for (NodeId operand : node.operands) varies |= varies_[at(operand)];
          },
          [](int32_t) {});
      for (NodeId id : inner.carried) varies_[at(id)] = varies;
      const int32_t axis = axis_;
      const int64_t width = width_;
      if (inner.kind == LoopKind::lanes) {
        axis_ = inner.axis, width_ = inner.extent;
        levels_[number].items.push_back({kHalving, false, varies});
      }
      const bool runs_once = inner.kind == LoopKind::lanes || inner.kind == LoopKind::where;
      const size_t body = levels_.size();
      gather(inner.body, runs_once ? times : times * static_cast<double>(inner.extent), &inner);
      for (size_t i = 0; i < inner.carried.size(); ++i)
        levels_[body].carried.push_back({registers_of(width_), false, varies});
      axis_ = axis, width_ = width;
      for (NodeId id : inner.results) varies_[at(id)] = varies;
    }
    levels_[number].chain = innermost && loop->kind == LoopKind::reduce;
  }

  Item item_of(NodeId id) {
    const Node& node = kernel_.nodes[at(id)];
    Axes varies = axes_of(node.index) | axes_of(node.sample);
    for (NodeId operand : node.operands) varies |= varies_[at(operand)];
    if (node.predicate != kNoNode) varies |= varies_[at(node.predicate)];
    varies_[at(id)] = varies;
    const double registers = registers_of(width_);
    switch (node.kind) {
      case NodeKind::constant:
      case NodeKind::index:
        return {};
      case NodeKind::load:
      case NodeKind::store:
        break;
      case NodeKind::random:
        return {kFunction * registers, false, varies};
      default: {
        const bool dear = node.kind == NodeKind::apply && ir::op_info(node.op).has(ir::kFunction);
        return {(dear ? kFunction : 1) * registers, false, varies};
      }
    }
    const int64_t stride = node.index.stride(axis_);
    // Through a dynamic axis the elements of a vector may have no common stride.
    if (kernel_.is_dynamic(node.index)) return {kScatteredElement * static_cast<double>(width_), true, varies};
    if (stride == 0) return {node.kind == NodeKind::load ? kBroadcastLoad : 1, true, varies};
    Item item{stride == 1 ? registers : kScatteredElement * static_cast<double>(width_), true, varies};
    if (stride == 1 || node.kind == NodeKind::store || node.predicate != kNoNode) return item;
    for (const Affine::Term& term : node.index.terms)
      if (term.stride == 1) item.neighbours |= position_of_axis_[at(term.axis)];
    item.transposed = registers * (1 + static_cast<double>(std::bit_width(static_cast<uint64_t>(width_))));
    return item;
  }

  const Kernel& kernel_;
  int32_t axis_;
  int64_t width_;
  int64_t floats_;
  std::vector<Axes> varies_;            // by node
  std::vector<Axes> position_of_axis_;  // by axis of the kernel
  std::vector<Level> levels_;
};

// An axis cut into equal tiles and what is left: how often, and how large.
struct Part {
  double times = 0;
  int32_t size = 0;
};
std::vector<Part> parts_of(int64_t extent, int64_t width, int32_t tile) {
  const int64_t block = width * tile, whole = extent % block / width;
  std::vector<Part> parts;
  if (extent >= block) parts.push_back({static_cast<double>(extent / block), tile});
  if (whole > 0) parts.push_back({1, static_cast<int32_t>(whole)});
  if (extent % width != 0) parts.push_back({1, 1});
  return parts;
}

class Search {
 public:
  Search(const Kernel& kernel, const Nest& nest, const ScheduleLimits& limits)
      : kernel_(kernel), nest_(nest), limits_(limits), none_(nest.loops.size()) {
    for (int32_t loop : nest.loops) iterations_ *= static_cast<double>(kernel.loops[at(loop)].extent);
    walk(
        kernel, nest.body, [](NodeId) {},
        [&](int32_t id) { lanes_ = lanes_ || kernel.loops[at(id)].kind == LoopKind::lanes; });
  }

  NestPlan run() {
    try_vector(none_);
    for (size_t i = none_; i-- > 0 && limits_.width > 1 && !lanes_;)
      if (extent(i) > 1) try_vector(i);
    return best_;
  }

 private:
  int64_t extent(size_t position) const { return kernel_.loops[at(nest_.loops[position])].extent; }

  void try_vector(size_t vector) {
    const int64_t width = vector == none_ ? 1 : std::min<int64_t>(limits_.width, extent(vector));
    const int32_t axis = vector == none_ ? -1 : kernel_.loops[at(nest_.loops[vector])].axis;
    const Body body(kernel_, nest_, axis, width, limits_.register_floats);
    consider(body, {vector, vector, none_, 1, 1, lanes_, 0}, width);
    if (limits_.registers == 0) return;
    if (!body.has_sum()) {
      for (size_t row = 0; row < none_ && vector != none_; ++row) {
        if (row == vector || extent(row) < width || !body.transposes(bit(row))) continue;
        consider(body, {vector, vector, row, 1, static_cast<int32_t>(width), lanes_, 0}, width);
      }
      return;
    }
    for (size_t column = none_ + 1; column-- > 0;) {
      if (vector != none_ && column != vector) continue;
      for (size_t row = none_ + 1; row-- > 0;) {
        // Without a vector axis the order of the two is of no importance.
        if (row == column ? row != none_ : vector == none_ && row < column) continue;
        if (column == none_ && row == none_) continue;
        for (int32_t columns = 1; columns <= (column == none_ ? 1 : kMostColumns); ++columns) {
          for (int32_t rows = 1; rows <= (row == none_ ? 1 : kMostRows); ++rows) {
            const bool larger = (columns > 1 && columns * width > extent(column)) || (rows > 1 && rows > extent(row));
            if (larger || !body.fits(bit_of(row), rows, bit_of(column), columns, limits_.registers)) break;
            consider(body, {vector, column, row, columns, rows, lanes_, 0}, width);
          }
        }
      }
    }
  }

  Axes bit_of(size_t position) const { return position == none_ ? 0 : bit(position); }

  void consider(const Body& body, NestPlan plan, int64_t width) {
    double others = iterations_;
    std::vector<Part> rows{{1, 1}}, columns{{1, 1}};
    if (plan.row != none_)
      rows = parts_of(extent(plan.row), 1, plan.rows), others /= static_cast<double>(extent(plan.row));
    if (plan.column != none_) {
      columns = parts_of(extent(plan.column), width, plan.columns);
      others /= static_cast<double>(extent(plan.column));
    }
    for (const Part& row : rows)
      for (const Part& column : columns)
        plan.cost +=
            others * row.times * column.times * body.cost(bit_of(plan.row), row.size, bit_of(plan.column), column.size);
    if (!found_ || plan.cost < best_.cost) best_ = plan;
    found_ = true;
  }

  const Kernel& kernel_;
  const Nest& nest_;
  const ScheduleLimits& limits_;
  size_t none_;
  double iterations_ = 1;
  bool lanes_ = false, found_ = false;
  NestPlan best_;
};

}  // namespace

NestPlan best_plan(const Kernel& kernel, const Nest& nest, const ScheduleLimits& limits) {
  return Search(kernel, nest, limits).run();
}

}  // namespace gradc::codegen
