// Random tensor functions, by seed: the input of the properties that every pass and the code generator must keep.
#pragma once
#include <cstdint>
#include <vector>

#include "ir/graph.h"
#include "ir/tensor.h"

namespace gradc::tests {

struct RandomGraph {
  ir::Func func;                 // its first result is `loss`, a real scalar; further results are values of any type
  std::vector<std::string> wrt;  // the real arguments
  std::vector<ir::Tensor> arguments;
};

struct RandomGraphOptions {
  bool smooth = false;  // operands are kept where functions are defined and gradients moderate
  int most_values = 16;
};

// Extents are drawn around the edges of lanes and vectors: 1 2 3 5 8 15 16 17 20, now and then 300 or 1500.
RandomGraph random_graph(uint64_t seed, const RandomGraphOptions& options = {});

}  // namespace gradc::tests
