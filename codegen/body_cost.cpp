#include "codegen/body_cost.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "codegen/cache.h"
#include "ir/attr.h"

namespace gradc::codegen {

namespace {

constexpr double kBroadcastLoad = 0.5;
constexpr double kScatteredElement = 1.5;
constexpr double kMaskedElement = 3;
constexpr double kPickedVector = 1.5;  // loaded and shuffled: each of the vectors that hold the elements between, too
// Of the vectors of four rounds each: two loads of half a vector, two shuffles, and what waits for these.
constexpr double kTurnedLoads = 2, kTurnedShuffles = 3.5;
constexpr double kTurnedStores = 4;  // of a vector: two shuffles and two halves stored
constexpr double kFunction = 20;     // exp, log, tanh, random numbers
constexpr double kHalving = 8;       // the tree of 16 lanes
constexpr double kLaneByLane = 3;    // of each lane, one after the other: to the stack, from it, and added
constexpr double kLatency = 8;       // a term of a sum waits for the one before it while this many others could start
constexpr double kRound = 0.5;       // counting a loop
// Of one core; what waiting for a line takes the place of was measured on sums whose operands have awkward strides.
const std::vector<CacheSizes> kCaches{{32 << 10, 8, 2, 12}, {512 << 10, 8, 4, 30}};

size_t at(int32_t id) { return static_cast<size_t>(id); }

double copies_of(Axes varies, Axes row, double rows, Axes column, double columns) {
  return ((varies & row) != 0 ? rows : 1) * ((varies & column) != 0 ? columns : 1);
}

}  // namespace

BodyCost::BodyCost(const Kernel& kernel, const Nest& nest, int32_t axis, int64_t width, int64_t lanes,
                   const ScheduleLimits& limits, bool turn)
    : kernel_(kernel),
      axis_(axis),
      width_(width),
      lanes_(lanes),
      floats_(limits.register_floats),
      masked_loads_(limits.masked_loads),
      turn_(turn),
      varies_(kernel.nodes.size(), 0) {
  position_of_axis_.assign(kernel.axes.size(), 0);
  for (size_t i = 0; i < nest.loops.size(); ++i)
    position_of_axis_[at(kernel.loops[at(nest.loops[i])].axis)] = axes_bit(i);
  gather(nest.body, 1, nullptr);
}

double BodyCost::waiting(llvm::ArrayRef<Round> tile, llvm::ArrayRef<Round> outer,
                         llvm::function_ref<bool(double)> enough) const {
  llvm::SmallVector<Round, 12> rounds(tile.begin(), tile.end());
  rounds.append(sums_.begin(), sums_.end());
  rounds.append(outer.begin(), outer.end());
  llvm::SmallVector<int64_t, 12> extents;
  for (const Round& round : rounds) extents.push_back(round.extent);
  llvm::SmallVector<Access, 8> accesses(reached_.size());
  for (size_t k = 0; k < reached_.size(); ++k) {
    const Affine& index = kernel_.nodes[at(reached_[k].node)].index;
    Access& access = accesses[k];
    access.around.assign(rounds.size(), true);
    access.strides.assign(rounds.size(), 0);
    for (size_t i = 0; i < sums_.size(); ++i) access.around[tile.size() + i] = (reached_[k].sums & axes_bit(i)) != 0;
    for (const Affine::Term& term : index.terms)
      for (size_t i = 0; i < rounds.size(); ++i)
        if (rounds[i].axis == term.axis && access.around[i]) access.strides[i] = 4 * term.stride * rounds[i].step;
  }
  return waiting_cost(accesses, extents, kCaches, enough);
}

bool BodyCost::has_sum() const {
  return std::any_of(levels_.begin(), levels_.end(), [](const Level& level) { return !level.carried.empty(); });
}

bool BodyCost::turns() const {
  return std::any_of(levels_.begin(), levels_.end(), [](const Level& level) {
    return std::any_of(level.items.begin(), level.items.end(), [](const Item& item) { return item.held > 0; });
  });
}

bool BodyCost::transposes(Axes row) const {
  bool does = false, room = true;
  for (const Level& level : levels_) {
    room = room && has_room_to_turn(level);
    for (const Item& item : level.items) does = does || (!item.is_store && (item.neighbours & row) != 0);
  }
  return does && room && width_ >= 4 && std::has_single_bit(static_cast<uint64_t>(width_));
}

bool BodyCost::has_room_to_turn(const Level& level) {
  constexpr std::ptrdiff_t kMostItems = 6;
  return std::count_if(level.items.begin(), level.items.end(), [](const Item& item) { return item.cost > 0; }) <=
         kMostItems;
}

BodyCost::Tiled BodyCost::tiled(Axes row, Axes column) const {
  Tiled levels;
  for (const Level& level : levels_) {
    TiledLevel& in_tiles = levels.emplace_back();
    in_tiles.times = level.times, in_tiles.chain = level.chain;
    const bool room = has_room_to_turn(level);
    for (const Item& item : level.items) {
      const bool by_row = (item.varies & row) != 0, by_column = (item.varies & column) != 0;
      const auto part =
          by_row ? (by_column ? &Copies::points : &Copies::rows) : (by_column ? &Copies::columns : &Copies::once);
      in_tiles.work.*part += item.shuffles;
      if ((item.neighbours & row) == 0) {
        (item.memory ? in_tiles.memory : in_tiles.work).*part += item.cost;
      } else {
        (item.is_store ? in_tiles.stores : in_tiles.scattered).*part += item.cost;
        (item.is_store ? in_tiles.turned : in_tiles.transposed).*part +=
            item.is_store && !room ? item.cost : item.transposed;
      }
    }
  }
  return levels;
}

double BodyCost::cost(const Tiled& levels, double rows, double columns) const {
  double total = 0;
  for (const TiledLevel& level : levels) {
    const Copies& loads = rows == static_cast<double>(width_) ? level.transposed : level.scattered;
    const Copies& stores = std::fmod(rows, kTurned) == 0 ? level.turned : level.stores;
    const double work = level.work.in_tile(rows, columns);
    const double memory =
        level.memory.in_tile(rows, columns) + loads.in_tile(rows, columns) + stores.in_tile(rows, columns);
    double time = std::max(work, memory) + 0.2 * std::min(work, memory);
    if (level.chain) time = std::max(time, kLatency) + kRound;
    total += level.times * time;
  }
  return total;
}

bool BodyCost::fits(Axes row, double rows, Axes column, double columns, int registers) const {
  for (const Level& level : levels_) {
    double live = 0;
    for (const Item& item : level.carried) live += item.cost * copies_of(item.varies, row, rows, column, columns);
    // One operand of the columns or the rows is held while the other passes by. What several sums share is held
    // until the last of them has had it.
    double held = std::min(rows, columns) * registers_of(width_);
    if (level.carried.size() > 1) held = std::max(held, level.shared);
    for (const Item& item : level.items) held += item.held * copies_of(item.varies, row, rows, column, columns);
    if (live > 0 && live + held + 2 > registers) return false;
  }
  return true;
}

Axes BodyCost::axis_bit() const { return axis_ < 0 ? 0 : position_of_axis_[at(axis_)]; }

Axes BodyCost::axes_of(const Affine& index) const {
  Axes axes = 0;
  for (const Affine::Term& term : index.terms) {
    const NodeId node = kernel_.axes[at(term.axis)].node;
    axes |= node == kNoNode ? position_of_axis_[at(term.axis)] : varies_[at(node)];
  }
  return axes;
}

void BodyCost::gather(const Block& block, double times, const Loop* loop) {
  const size_t number = levels_.size(), first_reached = reached_.size();
  levels_.push_back({times, false, {}, {}});
  bool innermost = loop != nullptr;
  reduce_ = loop != nullptr && has_turnable_rounds(*loop) ? loop : nullptr;
  for (const Statement& statement : block) {
    if (!statement.is_loop) {
      levels_[number].items.push_back(item_of(statement.id));
      const Node& node = kernel_.nodes[at(statement.id)];
      if (node.kind == NodeKind::load && varies_[at(statement.id)] == 0) levels_[number].shared += registers_of(width_);
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
    reduce_ = nullptr;
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
  for (size_t i = first_reached; i < reached_.size(); ++i) reached_[i].sums |= axes_bit(place);
  if (side_by_side == loop->extent) return;
  // The lanes that come after these.
  sums_.push_back({loop->axis, (loop->extent + side_by_side - 1) / side_by_side, side_by_side});
  for (size_t i = first_reached; i < reached_.size(); ++i) reached_[i].sums |= axes_bit(sums_.size() - 1);
}

// Beside what another access has brought near.
bool BodyCost::in_reached_line(const Node& node) const {
  constexpr int64_t kLine = 16;  // elements
  return std::any_of(reached_.begin(), reached_.end(), [&](const Reached& reached) {
    const Node& other = kernel_.nodes[at(reached.node)];
    return other.buffer == node.buffer && other.index.terms == node.index.terms &&
           other.index.constant != node.index.constant && std::abs(other.index.constant - node.index.constant) < kLine;
  });
}

BodyCost::Item BodyCost::item_of(NodeId id) {
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
  if (turn_ && reduce_ != nullptr && width_ % kTurned == 0 && is_turned(kernel_, node, reduce_->axis, axis_))
    return {kTurnedLoads * registers, true, varies, 0, 0, kTurnedShuffles * registers, kTurned * registers};
  Item item{stride == 1 ? registers : kScatteredElement * static_cast<double>(width_), true, varies};
  const bool masked = node.predicate != kNoNode;
  item.is_store = node.kind == NodeKind::store;
  if (stride == 1 || (item.is_store && width_ % kTurned != 0) ||
      (masked && !(masked_loads_ && is_mask(kernel_, node.predicate))))
    return item;
  for (const Affine::Term& term : node.index.terms)
    if (term.stride == 1) item.neighbours |= position_of_axis_[at(term.axis)];
  if (item.is_store) {
    item.transposed = kTurnedStores * registers;
    return item;
  }
  item.transposed = registers * ((masked ? 3 : 1) + static_cast<double>(std::bit_width(static_cast<uint64_t>(width_))));
  return item;
}

}  // namespace gradc::codegen
