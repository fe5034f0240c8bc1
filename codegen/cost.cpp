#include "codegen/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <numeric>
#include <optional>

#include "codegen/body_cost.h"

namespace gradc::codegen {

namespace {

constexpr int32_t kMostRows = 8, kMostColumns = 4;
constexpr int32_t kLongestTile = ir::kLanes;  // that turns what it loads: a vector

size_t at(int32_t id) { return static_cast<size_t>(id); }

// An axis cut into equal tiles and what is left: how often, and how large.
struct Part {
  double times = 0;
  int32_t size = 0;
};
struct Parts {
  std::array<Part, 3> parts;
  size_t count = 0;
  void add(double times, int32_t size) { parts[count++] = {times, size}; }
  const Part* begin() const { return parts.data(); }
  const Part* end() const { return parts.data() + count; }
};
Parts parts_of(int64_t extent, int64_t width, int32_t tile) {
  const int64_t block = width * tile, whole = extent % block / width;
  Parts parts;
  if (extent >= block) parts.add(static_cast<double>(extent / block), tile);
  if (whole > 0) parts.add(1, static_cast<int32_t>(whole));
  if (extent % width != 0) parts.add(1, 1);
  return parts;
}

// What tiles of one row and column cost, each size computed once: a tile's remainders are tiles of other sizes.
class TileCosts {
 public:
  TileCosts(const BodyCost& body, const BodyCost::Tiled& tiled) : body_(body), tiled_(tiled) { known_.fill(-1); }
  double of(int32_t rows, int32_t columns) {
    double& cost = known_[static_cast<size_t>((columns - 1) * kLongestTile + rows - 1)];
    if (cost < 0) cost = body_.cost(tiled_, rows, columns);
    return cost;
  }

 private:
  const BodyCost& body_;
  const BodyCost::Tiled& tiled_;
  std::array<double, size_t{kLongestTile * kMostColumns}> known_;
};

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

  // The waiting takes most of the search's time, so that what costs too much without it is not asked for it.
  NestPlan run() {
    find_candidates();
    for (const Candidate& candidate : candidates_) {
      NestPlan plan = candidate.plan;
      double& least = least_[plan.vector];
      if (&candidate == candidates_.data() || plan.cost < best_.cost) {
        plan.waiting = waiting(candidate, std::numeric_limits<double>::infinity());
        plan.cost += plan.waiting;
        if (&candidate == candidates_.data() || plan.cost < best_.cost) best_ = plan;
      }
      least = std::min(least, plan.cost);
    }
    return best_;
  }

  // The same plan, and nothing about the others: the cheapest first, so that most need not be asked or not to the end.
  NestPlan run_quickly() {
    find_candidates();
    std::vector<size_t> order(candidates_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const auto cheaper = [&](size_t a, size_t b) {
      const double cost = candidates_[a].plan.cost, other = candidates_[b].plan.cost;
      return cost != other ? cost < other : a < b;
    };
    std::sort(order.begin(), order.end(), cheaper);
    size_t best = candidates_.size();
    double cost = std::numeric_limits<double>::infinity();
    for (size_t i : order) {
      NestPlan plan = candidates_[i].plan;
      if (plan.cost > cost) break;
      plan.waiting = waiting(candidates_[i], cost);
      plan.cost += plan.waiting;
      // Of equal ones that which run() meets first.
      if (plan.cost > cost || (plan.cost == cost && i > best)) continue;
      best = i, cost = plan.cost, best_ = plan;
    }
    return best_;
  }

 private:
  // A plan with its cost but for the waiting, and the tile of which that is asked.
  struct Candidate {
    NestPlan plan;
    const BodyCost* body;
    int64_t width, columns, rows;
  };

  int64_t extent(size_t position) const { return kernel_.loops[at(nest_.loops[position])].extent; }

  void find_candidates() {
    try_vector(none_);
    if (has_lanes_ && limits_.width > 1 && limits_.register_floats < ir::kLanes && limits_.registers > 0) {
      lanes_ = ir::kLanes / 2;
      try_vector(none_);
    }
    lanes_ = 0;
    for (size_t i = none_; i-- > 0 && limits_.width > 1;)
      if (extent(i) > 1) try_vector(i);
  }

  void try_vector(size_t vector) {
    if (try_vector(vector, false) && vector != none_ && limits_.registers > 0) try_vector(vector, true);
  }
  // Whether there is a sum. With `turn` only where a load is turned.
  bool try_vector(size_t vector, bool turn) {
    const int64_t width = vector == none_ ? 1 : std::min<int64_t>(limits_.width, extent(vector));
    const int32_t axis = vector == none_ ? -1 : kernel_.loops[at(nest_.loops[vector])].axis;
    const BodyCost& body = bodies_.emplace_back(kernel_, nest_, axis, width, lanes_, limits_, turn);
    if (turn && !body.turns()) {
      bodies_.pop_back();
      return true;
    }
    const Parts vectors = vector == none_ ? whole() : parts_of(extent(vector), width, 1);
    NestPlan plain{vector, vector, none_, 1, 1, lanes_, turn};
    const BodyCost::Tiled untiled = body.tiled(0, 0);
    TileCosts plain_costs(body, untiled);
    plain.cost = instructions(plain_costs, rounds_around(none_, vector), whole(), vectors);
    candidates_.push_back({plain, &body, width, 1, 1});
    if (limits_.registers == 0) return body.has_sum();
    if (!body.has_sum()) {
      for (size_t row = 0; row < none_ && vector != none_; ++row) {
        if (row == vector || extent(row) < width || !body.transposes(axes_bit(row))) continue;
        NestPlan plan{vector, vector, row, 1, static_cast<int32_t>(width), lanes_, turn};
        const BodyCost::Tiled tiled = body.tiled(axes_bit(row), 0);
        TileCosts costs(body, tiled);
        const Parts rows = parts_of(extent(row), 1, plan.rows);
        plan.cost = instructions(costs, rounds_around(row, vector), rows, vectors);
        candidates_.push_back({plan, &body, width, 1, width});
      }
      return false;
    }
    for (size_t column = none_ + 1; column-- > 0;) {
      if (vector != none_ && column != vector) continue;
      for (size_t row = none_ + 1; row-- > 0;) {
        // Without a vector axis the order of the two is of no importance.
        if (row == column ? row != none_ : vector == none_ && row < column) continue;
        if (column == none_ && row == none_) continue;
        const BodyCost::Tiled tiled = body.tiled(bit_of(row), bit_of(column));
        TileCosts costs(body, tiled);
        std::array<Parts, kMostRows> rows_cut;
        for (int32_t rows = 1; rows <= (row == none_ ? 1 : kMostRows); ++rows)
          rows_cut[at(rows - 1)] = row == none_ ? whole() : parts_of(extent(row), 1, rows);
        std::optional<NestPlan> least;
        for (int32_t columns = 1; columns <= (column == none_ ? 1 : kMostColumns); ++columns) {
          const Parts columns_cut = column == none_ ? whole() : parts_of(extent(column), width, columns);
          for (int32_t rows = 1; rows <= (row == none_ ? 1 : kMostRows); ++rows) {
            const bool larger = (columns > 1 && columns * width > extent(column)) || (rows > 1 && rows > extent(row));
            if (larger || !body.fits(bit_of(row), rows, bit_of(column), columns, limits_.registers)) break;
            NestPlan plan{vector, column, row, columns, rows, lanes_, turn};
            plan.cost = instructions(costs, rounds_around(row, column), rows_cut[at(rows - 1)], columns_cut);
            if (!least || plan.cost < least->cost) least = plan;
          }
        }
        // The waiting is that of a usual tile; its exact size makes little difference.
        if (least) candidates_.push_back({*least, &body, width, 2, 6});
      }
    }
    return true;
  }

  Axes bit_of(size_t position) const { return position == none_ ? 0 : axes_bit(position); }

  // The waiting of the whole nest, with the loops in the order that choose_vector_axis gives them; not to the end where
  // the plan's cost with it is more than `most`.
  double waiting(const Candidate& candidate, double most) const {
    const size_t column = candidate.plan.column, row = candidate.plan.row;
    llvm::SmallVector<BodyCost::Round, 8> tile, outer;
    const auto axis_of = [&](size_t position) { return kernel_.loops[at(nest_.loops[position])].axis; };
    const auto add = [&](size_t position, int64_t step, int64_t count) {
      if (position == none_) return;
      const int64_t size = std::min(step * count, extent(position));
      tile.push_back({axis_of(position), size, 1});
      outer.push_back({axis_of(position), (extent(position) + size - 1) / size, size});
    };
    add(row, 1, candidate.rows);
    add(column, column == candidate.plan.vector ? candidate.width : 1, candidate.columns);
    for (size_t i = none_; i-- > 0;)
      if (i != row && i != column) outer.push_back({axis_of(i), extent(i), 1});
    return candidate.body->waiting(tile, outer, [&](double cost) { return candidate.plan.cost + cost > most; });
  }

  // What runs around all tiles over these axes, and what one axis that is not cut is.
  double rounds_around(size_t row, size_t column) const {
    double rounds = iterations_;
    if (row != none_) rounds /= static_cast<double>(extent(row));
    if (column != none_) rounds /= static_cast<double>(extent(column));
    return rounds;
  }
  static Parts whole() {
    Parts parts;
    parts.add(1, 1);
    return parts;
  }

  static double instructions(TileCosts& costs, double rounds, const Parts& rows, const Parts& columns) {
    double cost = 0;
    for (const Part& row : rows)
      for (const Part& column : columns) cost += rounds * row.times * column.times * costs.of(row.size, column.size);
    return cost;
  }

  const Kernel& kernel_;
  const Nest& nest_;
  const ScheduleLimits& limits_;
  size_t none_;
  double iterations_ = 1;
  bool has_lanes_ = false;
  int32_t lanes_ = 0;  // side by side in what is tried
  std::deque<BodyCost> bodies_;
  std::vector<Candidate> candidates_;
  std::vector<double> least_;
  NestPlan best_;
};

}  // namespace

NestPlan best_plan(const Kernel& kernel, const Nest& nest, const ScheduleLimits& limits) {
  return Search(kernel, nest, limits).run_quickly();
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
  if (plan.turn) chosen += ", loads of four rounds turned in registers";
  std::vector<std::string> lines = {fmt::format("{}: {:.4g} instructions estimated, {:.4g} of them waiting for memory",
                                                chosen, plan.cost, plan.waiting)};
  for (size_t position = 0; position <= none; ++position) {
    if (position == plan.vector || search.least()[position] == std::numeric_limits<double>::infinity()) continue;
    lines.push_back(fmt::format("otherwise {}: at least {:.4g}", vectors(position), search.least()[position]));
  }
  return lines;
}

}  // namespace gradc::codegen
