// One number that a run measures on a part of its data: a function of parameters and rows gives values for each sample,
// which are reduced over the rows of the part in double and in their order. Tests: tests/unit/test_metric.cpp.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/result.h"
#include "runtime/dataset.h"
#include "runtime/executor.h"
#include "runtime/hyper_table.h"
#include "runtime/layout.h"
#include "runtime/state.h"

namespace gradc::runtime {

class Metric {
 public:
  // `samples` runs the planned function of that layout, whose results are `values.K`, f32[batch]; they are reduced by
  // reductions[K] (mean sum min max std). `total` combines them where there is more to do than that. `rows` keeps its
  // order.
  Metric(Executor samples, Layout layout, Dataset rows, HyperTable hyper, std::vector<std::string> reductions,
         std::optional<ir::Func> total);
  // With the parameters and states of the run as they are. A fault of the program is an error without words.
  ir::Result<float> evaluate(const State& run);

 private:
  Executor samples_;
  Layout layout_;
  Dataset rows_;
  HyperTable hyper_;
  std::vector<std::string> reductions_;
  std::optional<ir::Func> total_;
};

}  // namespace gradc::runtime
