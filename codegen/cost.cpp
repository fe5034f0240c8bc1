#include "codegen/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

#include "codegen/cache.h"
#include "ir/attr.h"

namespace gradc::codegen {

namespace {

constexpr double kBroadcastLoad = 0.5;
constexpr double kScatteredElement = 1.5;
constexpr double kMaskedElement = 3;
constexpr double kPickedVector = 1.5;  // loaded and shuffled: each of the vectors that hold the elements between, too
constexpr double kFunction = 20;       // exp, log, tanh, random numbers
constexpr double kHalving = 8;         // the tree of 16 lanes
constexpr double kLaneByLane = 3;      // of each lane, one after the other: to the stack, from it, and added
constexpr double kLatency = 8;         // a term of a sum waits for the one before it while this many others could start
constexpr double kRound = 0.5;         // counting a loop
// Of one core; what waiting for a line takes the place of was measured on sums whose operands have awkward strides.
const std::vector<CacheSizes> kCaches{{32 << 10, 8, 2, 12}, {512 << 10, 8, 4, 30}};
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
  double shared = 0;          // registers of what is loaded and the same for all rows and columns
};

// Costs of items by what has a copy of them in a tile of rows and columns.
struct Copies {
  double once = 0, rows = 0, columns = 0, points = 0;
  double in_tile(double row_count, double column_count) const {
    return once + rows * row_count + columns * column_count + points * row_count * column_count;
  }
};

// A level in tiles over some row and column.
struct TiledLevel {
  double times = 1;
  bool chain = false;
  Copies work, memory;
  Copies scattered, transposed;  // loads that a tile as long as a vector transposes in registers
};

// The body of a nest, measured with `axis` filling vectors of `width` (-1 and 1: none), or with `lanes` lanes of its
// sums side by side (0: one after the other).
class Body {
 public:
  Body(const Kernel& kernel, const Nest& nest, int32_t axis, int64_t width, int64_t lanes, int registers_floats)
      : kernel_(kernel),
        axis_(axis),
        width_(width),
        lanes_(lanes),
        floats_(registers_floats),
        varies_(kernel.nodes.size(), 0) {
    position_of_axis_.assign(kernel.axes.size(), 0);
    for (size_t i = 0; i < nest.loops.size(); ++i) position_of_axis_[at(kernel.loops[at(nest.loops[i])].axis)] = bit(i);
    gather(nest.body, 1, nullptr);
  }

  // A loop over an axis, or the part of it that is inside or outside a tile.
  struct Round {
    int32_t axis;
    int64_t extent, step;
  };
  // What all loads and stores wait for. `tile` are the loops inside the tile, `outer` those outside of it and of the
  // sums, from the innermost out.
  double waiting(llvm::ArrayRef<Round> tile, llvm::ArrayRef<Round> outer) const {
    llvm::SmallVector<Round, 12> rounds(tile.begin(), tile.end());
    rounds.append(sums_.begin(), sums_.end());
    rounds.append(outer.begin(), outer.end());
    llvm::SmallVector<int64_t, 12> extents;
    for (const Round& round : rounds) extents.push_back(round.extent);
    llvm::SmallVector<Access, 8> accesses;
    for (const Reached& reached : reached_) {
      const Node& node = kernel_.nodes[at(reached.node)];
      Access access{4, {}, {}};
      for (size_t i = 0; i < rounds.size(); ++i) {
        const bool is_sum = i >= tile.size() && i < tile.size() + sums_.size();
        const bool around = !is_sum || (reached.sums & bit(i - tile.size())) != 0;
        const int64_t stride = around ? 4 * node.index.stride(rounds[i].axis) * rounds[i].step : 0;
        access.around.push_back(around);
        access.strides.push_back(stride);
      }
      accesses.push_back(std::move(access));
    }
    return waiting_cost(accesses, extents, kCaches);
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

  // The levels, with the loops `row` and `column` around a tile.
  using Tiled = llvm::SmallVector<TiledLevel, 8>;
  Tiled tiled(Axes row, Axes column) const {
    Tiled levels;
    for (const Level& level : levels_) {
      TiledLevel& in_tiles = levels.emplace_back();
      in_tiles.times = level.times, in_tiles.chain = level.chain;
      for (const Item& item : level.items) {
        const bool by_row = (item.varies & row) != 0, by_column = (item.varies & column) != 0;
        const auto part =
            by_row ? (by_column ? &Copies::points : &Copies::rows) : (by_column ? &Copies::columns : &Copies::once);
        const bool neighbours = (item.neighbours & row) != 0;
        (neighbours ? in_tiles.scattered : item.memory ? in_tiles.memory : in_tiles.work).*part += item.cost;
        if (neighbours) in_tiles.transposed.*part += item.transposed;
      }
    }
    return levels;
  }

  // With a tile of so many rows and columns.
  double cost(const Tiled& levels, double rows, double columns) const {
    double total = 0;
    for (const TiledLevel& level : levels) {
      const Copies& loads = rows == static_cast<double>(width_) ? level.transposed : level.scattered;
      const double work = level.work.in_tile(rows, columns);
      const double memory = level.memory.in_tile(rows, columns) + loads.in_tile(rows, columns);
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
      // One operand of the columns or the rows is held while the other passes by. What several sums share is held
      // until the last of them has had it.
      double held = std::min(rows, columns) * registers_of(width_);
      if (level.carried.size() > 1) held = std::max(held, level.shared);
      if (live > 0 && live + held + 2 > registers) return false;
    }
    return true;
  }

 private:
  static double copies(const Item& item, Axes row, double rows, Axes column, double columns) {
    return ((item.varies & row) != 0 ? rows : 1) * ((item.varies & column) != 0 ? columns : 1);
  }

  Axes axis_bit() const { return axis_ < 0 ? 0 : position_of_axis_[at(axis_)]; }

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
    const size_t number = levels_.size(), first_reached = reached_.size();
    levels_.push_back({times, false, {}, {}});
    bool innermost = loop != nullptr;
    for (const Statement& statement : block) {
      if (!statement.is_loop) {
        levels_[number].items.push_back(item_of(statement.id));
        const Node& node = kernel_.nodes[at(statement.id)];
        if (node.kind == NodeKind::load && varies_[at(statement.id)] == 0)
          levels_[number].shared += registers_of(width_);
        const bool memory = node.kind == NodeKind::load || node.kind == NodeKind::store;
        if (memory && !kernel_.is_dynamic(node.index) && !in_reached_line(node)) reached_.push_back({statement.id, 0});
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
      double rounds = inner.kind == LoopKind::where ? 1 : static_cast<double>(inner.extent);
      if (inner.kind == LoopKind::lanes && lanes_ == 0) {
        levels_[number].items.push_back({kLaneByLane * rounds * registers_of(width_), false, varies | axis_bit()});
      } else if (inner.kind == LoopKind::lanes) {
        axis_ = inner.axis, width_ = std::min(inner.extent, lanes_);
        rounds = static_cast<double>((inner.extent + lanes_ - 1) / lanes_);
        levels_[number].items.push_back({kHalving * static_cast<double>(inner.yields.size()), false, varies});
      }
      const size_t body = levels_.size();
      gather(inner.body, times * rounds, &inner);
      for (size_t i = 0; i < inner.carried.size(); ++i)
        levels_[body].carried.push_back({registers_of(width_), false, varies});
      axis_ = axis, width_ = width;
      for (NodeId id : inner.results) varies_[at(id)] = varies;
    }
    levels_[number].chain = innermost && loop->kind == LoopKind::reduce;
    if (loop == nullptr || loop->kind == LoopKind::where) return;
    // Counted from the innermost out: this loop comes behind those in it. Lanes run side by side, so they come first.
    const bool first = loop->kind == LoopKind::lanes && lanes_ > 0;
    for (size_t i = 0; first && i < reached_.size(); ++i) reached_[i].sums <<= 1;
    const size_t place = first ? 0 : sums_.size();
    const int64_t side_by_side = first ? std::min(loop->extent, lanes_) : loop->extent;
    sums_.insert(sums_.begin() + static_cast<std::ptrdiff_t>(place), Round{loop->axis, side_by_side, 1});
    for (size_t i = first_reached; i < reached_.size(); ++i) reached_[i].sums |= bit(place);
    if (side_by_side == loop->extent) return;
    // The lanes that come after these.
    sums_.push_back({loop->axis, (loop->extent + side_by_side - 1) / side_by_side, side_by_side});
    for (size_t i = first_reached; i < reached_.size(); ++i) reached_[i].sums |= bit(sums_.size() - 1);
  }

  // Beside what another access has brought near.
  bool in_reached_line(const Node& node) const {
    constexpr int64_t kLine = 16;  // elements
    return std::any_of(reached_.begin(), reached_.end(), [&](const Reached& reached) {
      const Node& other = kernel_.nodes[at(reached.node)];
      return other.buffer == node.buffer && other.index.terms == node.index.terms &&
             other.index.constant != node.index.constant &&
             std::abs(other.index.constant - node.index.constant) < kLine;
    });
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
    // Element by element where the predicate is not the same for the whole vector.
    if (node.predicate != kNoNode && (varies_[at(node.predicate)] & axis_bit()) != 0)
      return {kMaskedElement * static_cast<double>(width_), true, varies};
    if (stride == 0) return {node.kind == NodeKind::load ? kBroadcastLoad : 1, true, varies};
    if (node.kind == NodeKind::load && node.predicate == kNoNode && width_ >= 4 && is_interleaved(stride, stride)) {
      // Neighbours are picked from the same vectors.
      const auto same_vectors = [&](NodeId other) {
        const Node& picked = kernel_.nodes[at(other)];
        return picked.buffer == node.buffer && picked.index.terms == node.index.terms &&
               picked.index.constant / stride == node.index.constant / stride;
      };
      const bool loaded = std::any_of(picked_.begin(), picked_.end(), same_vectors);
      picked_.push_back(id);
      return {(loaded ? 1 : kPickedVector * static_cast<double>(stride)) * registers, true, varies};
    }
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
  int64_t lanes_;
  int64_t floats_;
  std::vector<Axes> varies_;            // by node
  std::vector<Axes> position_of_axis_;  // by axis of the kernel
  std::vector<Level> levels_;
  struct Reached {
    NodeId node;
    Axes sums;  // around it, by position in sums_
  };
  std::vector<Reached> reached_;
  llvm::SmallVector<NodeId, 4> picked_;  // loads of elements 2 to 4 apart
  std::vector<Round> sums_;              // the loops of the body
};

// An axis cut into equal tiles and what is left: how often, and how large.
struct Part {
  double times = 0;
  int32_t size = 0;
};
using Parts = llvm::SmallVector<Part, 3>;
Parts parts_of(int64_t extent, int64_t width, int32_t tile) {
  const int64_t block = width * tile, whole = extent % block / width;
  Parts parts;
  if (extent >= block) parts.push_back({static_cast<double>(extent / block), tile});
  if (whole > 0) parts.push_back({1, static_cast<int32_t>(whole)});
  if (extent % width != 0) parts.push_back({1, 1});
  return parts;
}

class Search {
 public:
  Search(const Kernel& kernel, const Nest& nest, const ScheduleLimits& limits)
      : kernel_(kernel),
        nest_(nest),
        limits_(limits),
        none_(nest.loops.size()),
        least_(none_ + 1, std::numeric_limits<double>::infinity()) {
    for (int32_t loop : nest.loops) iterations_ *= static_cast<double>(kernel.loops[at(loop)].extent);
    walk(
        kernel, nest.body, [](NodeId) {},
        [&](int32_t id) { has_lanes_ = has_lanes_ || kernel.loops[at(id)].kind == LoopKind::lanes; });
    if (has_lanes_) lanes_ = ir::kLanes;
  }

  // The least cost of a plan with this vector axis that was met; without its waiting where that could not matter.
  const std::vector<double>& least() const { return least_; }

  NestPlan run() {
    try_vector(none_);
    if (has_lanes_ && limits_.width > 1 && limits_.register_floats < ir::kLanes && limits_.registers > 0) {
      lanes_ = ir::kLanes / 2;
      try_vector(none_);
    }
    lanes_ = 0;
    for (size_t i = none_; i-- > 0 && limits_.width > 1;)
      if (extent(i) > 1) try_vector(i);
    return best_;
  }

 private:
  int64_t extent(size_t position) const { return kernel_.loops[at(nest_.loops[position])].extent; }

  void try_vector(size_t vector) {
    const int64_t width = vector == none_ ? 1 : std::min<int64_t>(limits_.width, extent(vector));
    const int32_t axis = vector == none_ ? -1 : kernel_.loops[at(nest_.loops[vector])].axis;
    const Body body(kernel_, nest_, axis, width, lanes_, limits_.register_floats);
    const NestPlan plain{vector, vector, none_, 1, 1, lanes_, 0};
    consider(body, with_instructions(body, body.tiled(0, 0), plain, width), width, 1, 1);
    if (limits_.registers == 0) return;
    if (!body.has_sum()) {
      for (size_t row = 0; row < none_ && vector != none_; ++row) {
        if (row == vector || extent(row) < width || !body.transposes(bit(row))) continue;
        const NestPlan plan{vector, vector, row, 1, static_cast<int32_t>(width), lanes_, 0};
        consider(body, with_instructions(body, body.tiled(bit(row), 0), plan, width), width, 1, width);
      }
      return;
    }
    for (size_t column = none_ + 1; column-- > 0;) {
      if (vector != none_ && column != vector) continue;
      for (size_t row = none_ + 1; row-- > 0;) {
        // Without a vector axis the order of the two is of no importance.
        if (row == column ? row != none_ : vector == none_ && row < column) continue;
        if (column == none_ && row == none_) continue;
        const Body::Tiled tiled = body.tiled(bit_of(row), bit_of(column));
        std::optional<NestPlan> least;
        for (int32_t columns = 1; columns <= (column == none_ ? 1 : kMostColumns); ++columns) {
          for (int32_t rows = 1; rows <= (row == none_ ? 1 : kMostRows); ++rows) {
            const bool larger = (columns > 1 && columns * width > extent(column)) || (rows > 1 && rows > extent(row));
            if (larger || !body.fits(bit_of(row), rows, bit_of(column), columns, limits_.registers)) break;
            const NestPlan plan =
                with_instructions(body, tiled, {vector, column, row, columns, rows, lanes_, 0}, width);
            if (!least || plan.cost < least->cost) least = plan;
          }
        }
        // The waiting is that of a usual tile; its exact size makes little difference.
        if (least) consider(body, *least, width, 2, 6);
      }
    }
  }

  Axes bit_of(size_t position) const { return position == none_ ? 0 : bit(position); }

  // The waiting of the whole nest, with the loops in the order that choose_vector_axis gives them.
  double waiting(const Body& body, size_t vector, size_t column, size_t row, int64_t width, int64_t columns,
                 int64_t rows) const {
    llvm::SmallVector<Body::Round, 8> tile, outer;
    const auto axis_of = [&](size_t position) { return kernel_.loops[at(nest_.loops[position])].axis; };
    const auto add = [&](size_t position, int64_t step, int64_t count) {
      if (position == none_) return;
      const int64_t size = std::min(step * count, extent(position));
      tile.push_back({axis_of(position), size, 1});
      outer.push_back({axis_of(position), (extent(position) + size - 1) / size, size});
    };
    add(row, 1, rows);
    add(column, column == vector ? width : 1, columns);
    for (size_t i = none_; i-- > 0;)
      if (i != row && i != column) outer.push_back({axis_of(i), extent(i), 1});
    return body.waiting(tile, outer);
  }

  // The plan with its cost but for the waiting.
  NestPlan with_instructions(const Body& body, const Body::Tiled& tiled, NestPlan plan, int64_t width) const {
    double others = iterations_;
    Parts rows{{1, 1}}, columns{{1, 1}};
    if (plan.row != none_)
      rows = parts_of(extent(plan.row), 1, plan.rows), others /= static_cast<double>(extent(plan.row));
    if (plan.column != none_) {
      columns = parts_of(extent(plan.column), width, plan.columns);
      others /= static_cast<double>(extent(plan.column));
    }
    for (const Part& row : rows)
      for (const Part& column : columns)
        plan.cost += others * row.times * column.times * body.cost(tiled, row.size, column.size);
    return plan;
  }

  // The waiting takes most of the search's time, and what costs too much without it need not be asked for it.
  void consider(const Body& body, NestPlan plan, int64_t width, int64_t columns, int64_t rows) {
    double& least = least_[plan.vector];
    if (found_ && plan.cost >= best_.cost) {
      least = std::min(least, plan.cost);
      return;
    }
    plan.waiting = waiting(body, plan.vector, plan.column, plan.row, width, columns, rows);
    plan.cost += plan.waiting;
    least = std::min(least, plan.cost);
    if (!found_ || plan.cost < best_.cost) best_ = plan;
    found_ = true;
  }

  const Kernel& kernel_;
  const Nest& nest_;
  const ScheduleLimits& limits_;
  size_t none_;
  double iterations_ = 1;
  bool has_lanes_ = false, found_ = false;
  int32_t lanes_ = 0;  // side by side in what is tried
  std::vector<double> least_;
  NestPlan best_;
};

}  // namespace

NestPlan best_plan(const Kernel& kernel, const Nest& nest, const ScheduleLimits& limits) {
  return Search(kernel, nest, limits).run();
}

std::vector<std::string> explain_plan(const Kernel& kernel, const Nest& nest, const ScheduleLimits& limits) {
  Search search(kernel, nest, limits);
  const NestPlan plan = search.run();
  const size_t none = nest.loops.size();
  const auto name = [&](size_t position) { return kernel.axes[at(kernel.loops[at(nest.loops[position])].axis)].name; };
  const auto vectors = [&](size_t position) {
    if (position != none) return fmt::format("vectors along {}", name(position));
    if (plan.lanes == 0) return std::string("no vectors");
    return fmt::format("vectors along {}the lanes of the sum", plan.lanes < ir::kLanes ? "half of " : "");
  };
  std::string chosen = vectors(plan.vector);
  if (plan.columns > 1 || plan.rows > 1) {
    chosen += ", a tile in registers of";
    if (plan.row != none)
      chosen += fmt::format(" {} of {}{}", plan.rows, name(plan.row), plan.column == none ? "" : " by");
    if (plan.column != none) {
      chosen +=
          fmt::format(" {} {}of {}", plan.columns, plan.column == plan.vector ? "vectors " : "", name(plan.column));
    }
  }
  std::vector<std::string> lines = {fmt::format("{}: {:.4g} instructions estimated, {:.4g} of them waiting for memory",
                                                chosen, plan.cost, plan.waiting)};
  for (size_t position = 0; position <= none; ++position) {
    if (position == plan.vector || search.least()[position] == std::numeric_limits<double>::infinity()) continue;
    lines.push_back(fmt::format("otherwise {}: at least {:.4g}", vectors(position), search.least()[position]));
  }
  return lines;
}

}  // namespace gradc::codegen
