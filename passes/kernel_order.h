// In which order stored values get their kernels: each behind what it reads and, as far as that is possible, behind
// whatever reads the argument that it, or what is computed of it element by element, becomes the new value of. Then a
// gradient and the update by it can be one kernel, and the argument is overwritten where it lies:
//   %dw = contract %d, %x     kernel 1              %dx = contract %d, %w     kernel 1
//   %dx = contract %d, %w     kernel 2      ->      %dw = contract %d, %x     kernel 2
//   %w2 = fma %dw, %lr, %w    kernel 3              %w2 = fma %dw, %lr, %w    kernel 2
// Tests: tests/golden/passes/fuse_update.test.
#pragma once
#include "passes/reads.h"

namespace gradc::passes {

// The values that `stored` marks, in that order. `reads`: by value, empty where it is not stored. `replaced_by`: for
// each value the argument whose new value it is, if any.
std::vector<uint32_t> kernel_order(const ir::Func& func, const std::vector<bool>& stored,
                                   const std::vector<std::vector<Read>>& reads,
                                   const std::vector<ir::ValueId>& replaced_by);

}  // namespace gradc::passes
