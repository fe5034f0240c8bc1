// Groups stored values into kernels: the second half of fuse.cpp. A stored value joins an earlier kernel that neither
// reads what it stores nor stores what it reads, except at the same index, and
//   of the same shape, where the two share something that they read at the same index;
//   of sums over the same rounds, where the two share something that they read at all: a gradient of weights and that
//   of their bias then run through the rows once. The shape of one must begin as that of the other does.
// After that, what only one kernel reads is not stored at all: at the same index, or as terms of joint sums that take
// each of its elements once. Tests: tests/golden/passes/fuse_*.test.
#pragma once
#include <vector>

#include "ir/graph.h"

namespace gradc::passes {

// Sets Value::kernel of what stays stored. `required`: results, and what sums read again and again.
void assign_kernels(ir::Func& func, const std::vector<bool>& stored, const std::vector<bool>& required);

}  // namespace gradc::passes
