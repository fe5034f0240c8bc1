// One row through a trained model, in the interpreter: the same bits on every machine, and nothing to compile.
#pragma once
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/result.h"
#include "runtime/hyper_table.h"
#include "runtime/state.h"

namespace gradc::runtime {

struct NamedRow {
  std::string name;
  std::vector<float> elements;
};

// The results of @RUN.predict, made for a batch of 1, by name and without the batch axis. Parameters and states come
// from `state`; `inputs` must name every data argument with as many numbers as it has elements (ENSURE). Run-time
// scalars of layers come from `settings` by name.
ir::Result<std::vector<NamedRow>> predict(const ir::Func& func, const State& state, const std::vector<NamedRow>& inputs,
                                          const NamedNumbers& scalars);

}  // namespace gradc::runtime
