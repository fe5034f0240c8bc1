#include "runtime/executor.h"

#include <cstring>
#include <memory>

#include "ir/ensure.h"
#include "ir/eval.h"

namespace gradc::runtime {
namespace {

ir::Status interpret_step(const ir::Func& func, const StepBuffers& buffers, int64_t step) {
  std::vector<ir::Tensor> arguments;
  for (size_t k = 0; k < func.parameter_count; ++k) {
    const ir::Value& value = func.values[k];
    const std::byte* from = value.storage.space == ir::Space::state  ? buffers.state
                            : value.storage.space == ir::Space::data ? buffers.data + step * buffers.data_stride
                                                                     : buffers.hyper + step * buffers.hyper_stride;
    arguments.emplace_back(value.type);
    std::memcpy(arguments.back().bytes(), from + value.storage.offset, arguments.back().byte_count());
  }
  ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(func, std::move(arguments));
  if (!results) return results.take_error();
  for (size_t k = 0; k < func.results.size(); ++k) {
    const ir::Tensor& tensor = (*results)[k];
    const std::optional<ir::ValueId> argument = func.find_parameter(func.results[k].name);
    const bool updates = argument && func[*argument].storage.space == ir::Space::state;
    std::byte* to = updates
                        ? buffers.state + func[*argument].storage.offset
                        : buffers.results + step * buffers.result_stride + func[func.results[k].value].storage.offset;
    std::memcpy(to, tensor.bytes(), tensor.byte_count());
  }
  return ir::success();
}

}  // namespace

Executor interpret(ir::Func planned) {
  return [func = std::make_shared<const ir::Func>(std::move(planned))](const StepBuffers& buffers, int64_t steps) {
    for (int64_t step = 0; step < steps; ++step) {
      if (ir::Status status = interpret_step(*func, buffers, step); !status) return status;
    }
    return ir::success();
  };
}

}  // namespace gradc::runtime
