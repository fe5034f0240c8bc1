// An estimate of what a nest costs, to compare schedules and layouts of the same nest: in instructions on one register
// of the processor. One that does not depend on an axis is shared by the vector and the tile over it; a load or store
// whose elements are not neighbours costs more than one for each element; a sum whose terms wait for each other costs
// at least the wait.
#pragma once
#include "codegen/schedule.h"

namespace gradc::codegen {

// How a nest runs. Positions are into nest.loops; nest.loops.size(): none.
struct NestPlan {
  size_t vector = 0;              // this axis fills vectors; none where the lanes of a sum do
  size_t column = 0, row = 0;     // the axes of the register tile; the column is the vector axis where there is one
  int32_t columns = 1, rows = 1;  // of the tile, in vectors and iterations
  int32_t lanes = 0;              // so many lanes of a sum side by side, where these fill the vectors
  bool turn = false;              // Schedule::turn of the innermost sums
  double cost = 0;                // of the whole nest
  double waiting = 0;             // the part of it that is waiting for memory
};
NestPlan best_plan(const Kernel& kernel, const Nest& nest, const ScheduleLimits& limits);

// The plan in words, with its cost and that of the best plan for every other choice of the vector axis.
std::vector<std::string> explain_plan(const Kernel& kernel, const Nest& nest, const ScheduleLimits& limits);

}  // namespace gradc::codegen
