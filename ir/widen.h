// The same function in double precision, for gradient checks.
#pragma once
#include "ir/graph.h"

namespace gradc::ir {

// Every f32 becomes f64; `random` still draws its float32 numbers and widens them. Storage and kernels are dropped.
Func widen(const Func& func);

}  // namespace gradc::ir
