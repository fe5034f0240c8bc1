#include "runtime/predict.h"

#include "ir/ensure.h"
#include "ir/eval.h"
#include "ir/fault.h"

namespace gradc::runtime {
namespace {

ir::Tensor argument_value(const ir::Value& argument, const State& state, const std::vector<NamedRow>& inputs,
                          const NamedNumbers& scalars) {
  ir::Tensor tensor(argument.type);
  switch (argument.role) {
    case ir::Role::parameter:
    case ir::Role::state: {
      const Slot* slot = find_slot(state.slots(), argument.name);
      ENSURE(slot != nullptr, "the state has no " + argument.name);
      return state.tensor(*slot);
    }
    case ir::Role::data:
    case ir::Role::input:
      for (const NamedRow& row : inputs) {
        if (row.name != argument.name) continue;
        ENSURE(std::ssize(row.elements) == tensor.elements(), "input " + row.name + " has another size");
        for (int64_t k = 0; k < tensor.elements(); ++k) {
          tensor.set(k, static_cast<double>(row.elements[static_cast<size_t>(k)]));
        }
        return tensor;
      }
      break;
    case ir::Role::hyper:
      for (const auto& [name, value] : scalars) {
        if (name != argument.name) continue;
        tensor.set(0, value);
        return tensor;
      }
      break;
    case ir::Role::key:
      return random_key(state.record().seed, state.record().step);
  }
  ENSURE(false, "no value for the argument " + argument.name);
}

}  // namespace

ir::Result<std::vector<NamedRow>> predict(const ir::Func& func, const State& state, const std::vector<NamedRow>& inputs,
                                          const NamedNumbers& scalars) {
  std::vector<ir::Tensor> arguments;
  for (size_t k = 0; k < func.parameter_count; ++k) {
    arguments.push_back(argument_value(func.values[k], state, inputs, scalars));
  }
  ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(func, std::move(arguments));
  if (!results) return results.take_error();
  if (ir::Status status = ir::check_faults(func, *results, ""); !status) return status.take_error();
  std::vector<NamedRow> rows;
  for (size_t k = 0; k < results->size(); ++k) {
    if (ir::is_fault(func.results[k].name)) continue;
    NamedRow row{func.results[k].name, {}};
    for (int64_t element = 0; element < (*results)[k].elements(); ++element) {
      row.elements.push_back(static_cast<float>((*results)[k].at(element)));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace gradc::runtime
