// What one run of the body of a nest costs with a given vector axis, in a given register tile: in instructions on one
// register of the processor, and the waiting of its loads and stores for the caches. codegen/cost.h searches the plans.
// Tested through the schedules in tests/native/test_schedule.cpp.
#pragma once
#include <llvm/ADT/ArrayRef.h>
#include <llvm/ADT/STLFunctionalExtras.h>
#include <llvm/ADT/SmallVector.h>

#include <cstdint>
#include <vector>

#include "codegen/kernel.h"
#include "codegen/schedule.h"

namespace gradc::codegen {

// A set of loops of the nest, by position; positions from 64 on are in no set.
using Axes = uint64_t;
inline Axes axes_bit(size_t position) { return position < 64 ? Axes{1} << position : 0; }

// Measured with `axis` filling vectors of `width` (-1 and 1: none), or with `lanes` lanes of its sums side by side (0:
// one after the other).
class BodyCost {
 public:
  BodyCost(const Kernel& kernel, const Nest& nest, int32_t axis, int64_t width, int64_t lanes,
           const ScheduleLimits& limits, bool turn);

  // A loop over an axis, or the part of it that is inside or outside a tile.
  struct Round {
    int32_t axis;
    int64_t extent, step;
  };
  // What all loads and stores wait for. `tile` are the loops inside the tile, `outer` those outside of it and of the
  // sums, from the innermost out. Not counted to the end once `enough` says so of what it is at least.
  double waiting(llvm::ArrayRef<Round> tile, llvm::ArrayRef<Round> outer,
                 llvm::function_ref<bool(double)> enough) const;

  bool has_sum() const;
  // Whether a load is for four rounds of its sum, because `turn` was asked for.
  bool turns() const;

  // Whether a tile over `row` lets scattered elements be loaded along it and transposed in registers, and all the
  // values of the tile still have room.
  bool transposes(Axes row) const;

  // Costs of items by what has a copy of them in a tile of rows and columns.
  struct Copies {
    double once = 0, rows = 0, columns = 0, points = 0;
    double in_tile(double row_count, double column_count) const {
      return once + rows * row_count + columns * column_count + points * row_count * column_count;
    }
  };
  // One run of a loop's body without the loops inside it, in tiles over some row and column.
  struct TiledLevel {
    double times = 1;  // in one run of the nest's body
    bool chain = false;
    Copies work, memory;
    Copies scattered, transposed;  // loads that a tile as long as a vector transposes in registers
    Copies stores, turned;         // scattered ones, which a tile of fours turns in registers
  };
  using Tiled = llvm::SmallVector<TiledLevel, 8>;
  Tiled tiled(Axes row, Axes column) const;

  // With a tile of so many rows and columns.
  double cost(const Tiled& levels, double rows, double columns) const;
  bool fits(Axes row, double rows, Axes column, double columns, int registers) const;

 private:
  struct Item {
    double cost = 0;
    bool memory = false;
    Axes varies = 0;
    Axes neighbours = 0;    // loops along which what is scattered in a vector has stride 1
    double transposed = 0;  // its cost where a tile along such a loop turns it; of a load one as long as a vector
    double shuffles = 0;    // beside the loads
    double held = 0;        // registers with what later rounds of the sum will take
    bool is_store = false;
  };
  struct Level {
    double times = 1;
    bool chain = false;
    std::vector<Item> items;
    std::vector<Item> carried;  // cost: registers
    double shared = 0;          // registers of what is loaded and the same for all rows and columns
  };
  struct Reached {
    NodeId node;
    Axes sums;  // around it, by position in sums_
  };

  // Whether what a tile turns and what is computed of it fits into the registers, more or less.
  static bool has_room_to_turn(const Level& level);
  double registers_of(int64_t width) const { return static_cast<double>((width + floats_ - 1) / floats_); }
  Axes axis_bit() const;
  Axes axes_of(const Affine& index) const;
  void gather(const Block& block, double times, const Loop* loop);
  bool in_reached_line(const Node& node) const;
  Item item_of(NodeId id);

  const Kernel& kernel_;
  int32_t axis_;
  int64_t width_;
  int64_t lanes_;
  int64_t floats_;
  bool masked_loads_;
  bool turn_;
  const Loop* reduce_ = nullptr;        // the sum whose body is being measured, where its rounds may be turned
  std::vector<Axes> varies_;            // by node
  std::vector<Axes> position_of_axis_;  // by axis of the kernel
  std::vector<Level> levels_;
  std::vector<Reached> reached_;
  llvm::SmallVector<NodeId, 4> picked_;  // loads of elements 2 to 4 apart
  std::vector<Round> sums_;              // the loops of the body
};

}  // namespace gradc::codegen
