#include "codegen/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "codegen/body_cost.h"

namespace gradc::codegen {

namespace {

constexpr int32_t kMostRows = 8, kMostColumns = 4;

size_t at(int32_t id) { return static_cast<size_t>(id); }

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
    if (try_vector(vector, false) && vector != none_ && limits_.registers > 0) try_vector(vector, true);
  }
  // Whether there is a sum. With `turn` only where a load is turned.
  bool try_vector(size_t vector, bool turn) {
    const int64_t width = vector == none_ ? 1 : std::min<int64_t>(limits_.width, extent(vector));
    const int32_t axis = vector == none_ ? -1 : kernel_.loops[at(nest_.loops[vector])].axis;
    const BodyCost body(kernel_, nest_, axis, width, lanes_, limits_, turn);
    if (turn && !body.turns()) return true;
    const NestPlan plain{vector, vector, none_, 1, 1, lanes_, turn};
    consider(body, with_instructions(body, body.tiled(0, 0), plain, width), width, 1, 1);
    if (limits_.registers == 0) return body.has_sum();
    if (!body.has_sum()) {
      for (size_t row = 0; row < none_ && vector != none_; ++row) {
        if (row == vector || extent(row) < width || !body.transposes(axes_bit(row))) continue;
        const NestPlan plan{vector, vector, row, 1, static_cast<int32_t>(width), lanes_, turn};
        consider(body, with_instructions(body, body.tiled(axes_bit(row), 0), plan, width), width, 1, width);
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
        std::optional<NestPlan> least;
        for (int32_t columns = 1; columns <= (column == none_ ? 1 : kMostColumns); ++columns) {
          for (int32_t rows = 1; rows <= (row == none_ ? 1 : kMostRows); ++rows) {
            const bool larger = (columns > 1 && columns * width > extent(column)) || (rows > 1 && rows > extent(row));
            if (larger || !body.fits(bit_of(row), rows, bit_of(column), columns, limits_.registers)) break;
            const NestPlan plan =
                with_instructions(body, tiled, {vector, column, row, columns, rows, lanes_, turn}, width);
            if (!least || plan.cost < least->cost) least = plan;
          }
        }
        // The waiting is that of a usual tile; its exact size makes little difference.
        if (least) consider(body, *least, width, 2, 6);
      }
    }
    return true;
  }

  Axes bit_of(size_t position) const { return position == none_ ? 0 : axes_bit(position); }

  // The waiting of the whole nest, with the loops in the order that choose_vector_axis gives them.
  double waiting(const BodyCost& body, size_t vector, size_t column, size_t row, int64_t width, int64_t columns,
                 int64_t rows) const {
    llvm::SmallVector<BodyCost::Round, 8> tile, outer;
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
  NestPlan with_instructions(const BodyCost& body, const BodyCost::Tiled& tiled, NestPlan plan, int64_t width) const {
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
  void consider(const BodyCost& body, NestPlan plan, int64_t width, int64_t columns, int64_t rows) {
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
