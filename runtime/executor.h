// Something that runs a planned function for several steps in a row on memory laid out by its plan: compiled code, or
// the interpreter. Both leave the same bits.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

#include "ir/graph.h"
#include "ir/result.h"

namespace gradc::runtime {

// Step s reads data + s * data_stride and hyper + s * hyper_stride, writes results + s * result_stride (bytes; a stride
// of 0 means that all steps share one block) and updates `state` in place. All begin at multiples of 64.
struct StepBuffers {
  std::byte* state = nullptr;
  const std::byte* data = nullptr;
  const std::byte* hyper = nullptr;
  std::byte* results = nullptr;
  int64_t data_stride = 0;
  int64_t hyper_stride = 0;
  int64_t result_stride = 0;
};

using Executor = std::function<ir::Status(const StepBuffers& buffers, int64_t steps)>;

// Runs `planned` in the interpreter (ir/eval.h).
Executor interpret(ir::Func planned);

}  // namespace gradc::runtime
