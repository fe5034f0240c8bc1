#include "cli/predictor.h"

#include <fmt/core.h>

#include "cli/build_run.h"
#include "cli/numbers.h"
#include "cli/saved_data.h"
#include "ir/ensure.h"
#include "passes/differentiate.h"

namespace gradc::cli {

ir::Result<Predictor> Predictor::make(frontend::Program program) {
  ir::Func* func = program.module.find(program.run + ".predict");
  const ir::Func* init = program.module.find(program.run + ".init");
  ENSURE(func != nullptr && init != nullptr, "no @" + program.run + ".predict or .init");
  *func = passes::write_out_gradients(*func);
  const runtime::Layout layout = runtime::persistent_layout(*func);
  runtime::State state(layout.state, layout.state_bytes, program.seed);
  if (ir::Status status = runtime::initialize(state, *init); !status) return status.take_error();
  ir::Result<runtime::NamedNumbers> scalars = predict_scalars(program);
  if (!scalars) return scalars.take_error();
  return Predictor(std::move(program), std::move(state), std::move(*scalars));
}

ir::Status Predictor::load_weights(const std::string& path) {
  if (ir::Status status = runtime::load_weights(state_, path, program_.model, layer_states(program_)); !status)
    return status;
  return check_vocabulary(program_, path);
}

void Predictor::copy_weights(const runtime::State& other) {
  for (const runtime::Slot& slot : state_.slots()) {
    const runtime::Slot* from = runtime::find_slot(other.slots(), slot.name);
    if (from != nullptr) state_.set_tensor(slot, other.tensor(*from));
  }
}

size_t Predictor::input_count() const {
  size_t count = 0;
  for (const frontend::Port& port : program_.inputs) count += static_cast<size_t>(port.type.elements());
  return count;
}

ir::Result<std::vector<runtime::NamedRow>> Predictor::answer(std::span<const float> row) const {
  std::vector<runtime::NamedRow> inputs;
  for (const frontend::Port& port : program_.inputs) {
    const auto count = static_cast<size_t>(port.type.elements());
    inputs.push_back({port.name, {row.begin(), row.begin() + static_cast<std::ptrdiff_t>(count)}});
    row = row.subspan(count);
  }
  return answer(inputs);
}

ir::Result<std::vector<runtime::NamedRow>> Predictor::answer(const std::vector<runtime::NamedRow>& inputs) const {
  return runtime::predict(*program_.module.find(program_.run + ".predict"), state_, inputs, scalars_);
}

std::string describe(const std::vector<runtime::NamedRow>& outputs, size_t most) {
  std::string text;
  for (const runtime::NamedRow& output : outputs) {
    if (!text.empty()) text += ", ";
    if (outputs.size() > 1) text += output.name + " ";
    for (size_t k = 0; k < output.elements.size(); ++k) {
      if (k == most) {
        text += fmt::format(", ... ({} numbers)", output.elements.size());
        break;
      }
      text += (k > 0 ? ", " : "") + human(output.elements[k]);
    }
  }
  return text;
}

}  // namespace gradc::cli
