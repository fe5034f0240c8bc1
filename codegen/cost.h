// An estimate of what a nest costs, to compare schedules and layouts of the same nest: in vector operations. One that
// does not depend on the axis that fills the vectors is shared, and a load or store whose elements are not neighbours
// costs one for each element.
#pragma once
#include "codegen/schedule.h"

namespace gradc::codegen {

// One run of the nest's body with `axis` filling vectors of `width`; -1 and 1: no axis does.
double body_cost(const Kernel& kernel, const Nest& nest, int32_t axis, int64_t width);

// The position in nest.loops of the axis that fills vectors of `width` best, nest.loops.size() where none gains; and
// the cost of the whole nest then. The lanes of a sum fill vectors themselves, and leave no other axis to.
struct VectorChoice {
  size_t position = 0;
  double cost = 0;
  bool lanes = false;
};
VectorChoice best_vector_axis(const Kernel& kernel, const Nest& nest, int64_t width);

}  // namespace gradc::codegen
