#include "runtime/state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ir/ensure.h"
#include "ir/eval.h"
#include "ir/fault.h"
#include "runtime/safetensors.h"

namespace gradc::runtime {
namespace {

bool ends_with_batch_counter(std::string_view name) { return name.ends_with("num_batches_tracked"); }

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (size_t k = 0; k < words.size(); ++k) {
    if (k == 20) return text + fmt::format(", and {} more", words.size() - k);
    text += (k > 0 ? ", " : "") + words[k];
  }
  return text.empty() ? "nothing" : text;
}

// What belongs to the model: its parameters, and the states of its layers.
bool is_of_model(const Slot& slot) { return slot.role == ir::Role::parameter || is_layer_state(slot.name); }

// The sentence that lists both sides where the names differ; empty where they fit.
std::string compare_names(const State& state, const SafetensorsReader& reader, std::string_view model,
                          const std::vector<std::string>& elsewhere) {
  std::vector<std::string> missing, extra;
  for (const Slot& slot : state.slots()) {
    if (is_of_model(slot) && reader.find(slot.name) == nullptr) {
      missing.push_back(fmt::format("{} {}", slot.name, ir::to_string(slot.type)));
    }
  }
  for (const StoredTensor& tensor : reader.tensors()) {
    const Slot* slot = find_slot(state.slots(), tensor.name);
    const bool known = std::find(elsewhere.begin(), elsewhere.end(), tensor.name) != elsewhere.end();
    if (slot == nullptr && !known && !ends_with_batch_counter(tensor.name)) extra.push_back(to_string(tensor));
  }
  if (missing.empty() && extra.empty()) return {};
  return fmt::format("{}: the names are not those of model `{}`\n  only in the model: {}\n  only in the file: {}",
                     reader.path(), model, join(missing), join(extra));
}

}  // namespace

namespace {

// A bijection of the 64-bit words that spreads every bit over all (the finalizer of SplitMix64, Steele and others,
// 2014).
uint64_t mix(uint64_t word) {
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
  word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
  return word ^ (word >> 31);
}

}  // namespace

ir::Tensor random_key(uint64_t seed, uint64_t step) {
  seed ^= mix(step >> 32);  // mix(0) = 0
  ir::Tensor key(ir::Type{ir::DType::i32, {3}});
  key.data<int32_t>()[0] = static_cast<int32_t>(static_cast<uint32_t>(seed));
  key.data<int32_t>()[1] = static_cast<int32_t>(static_cast<uint32_t>(seed >> 32));
  key.data<int32_t>()[2] = static_cast<int32_t>(static_cast<uint32_t>(step));
  return key;
}

State::State(std::vector<Slot> slots, int64_t tensor_bytes, uint64_t seed)
    : slots_(std::move(slots)),
      blob_(round_up(tensor_bytes, kAlignment) + static_cast<int64_t>(sizeof(RunRecord))),
      record_offset_(round_up(tensor_bytes, kAlignment)) {
  set_record({seed, 0});
}

RunRecord State::record() const {
  RunRecord record;
  std::memcpy(&record, blob_.data() + record_offset_, sizeof(record));
  return record;
}

void State::set_record(const RunRecord& record) { std::memcpy(blob_.data() + record_offset_, &record, sizeof(record)); }

ir::Tensor State::tensor(const Slot& slot) const {
  ir::Tensor tensor(slot.type);
  std::memcpy(tensor.bytes(), blob_.data() + slot.offset, tensor.byte_count());
  return tensor;
}

void State::set_tensor(const Slot& slot, const ir::Tensor& tensor) {
  ENSURE(tensor.type() == slot.type, "the value of " + slot.name + " is " + ir::to_string(tensor.type()));
  std::memcpy(blob_.data() + slot.offset, tensor.bytes(), tensor.byte_count());
}

const float* State::elements(const Slot& slot) const {
  ENSURE(slot.type.dtype == ir::DType::f32, slot.name + " is not f32");
  return reinterpret_cast<const float*>(blob_.data() + slot.offset);
}

float* State::elements(const Slot& slot) {
  ENSURE(slot.type.dtype == ir::DType::f32, slot.name + " is not f32");
  return reinterpret_cast<float*>(blob_.data() + slot.offset);
}

ir::Result<std::vector<ir::Tensor>> initial_values(const ir::Func& init, uint64_t seed) {
  std::vector<ir::Tensor> arguments;
  if (init.parameter_count == 1) arguments.push_back(random_key(seed, 0));
  ir::Result<std::vector<ir::Tensor>> values = ir::evaluate(init, std::move(arguments));
  if (!values) return values;
  if (ir::Status status = ir::check_faults(init, *values, "in an initial value"); !status) return status.take_error();
  return values;
}

void initialize(State& state, const ir::Func& init, const std::vector<ir::Tensor>& values) {
  for (const Slot& slot : state.slots()) {
    size_t found = init.results.size();
    for (size_t k = 0; k < init.results.size(); ++k) {
      if (init.results[k].name == slot.name) found = k;
    }
    ENSURE(found < init.results.size(), "@" + init.name + " has no initial value of " + slot.name);
    state.set_tensor(slot, values[found]);
  }
}

ir::Status initialize(State& state, const ir::Func& init) {
  ir::Result<std::vector<ir::Tensor>> values = initial_values(init, state.record().seed);
  if (!values) return values.take_error();
  initialize(state, init, *values);
  return ir::success();
}

std::string find_not_finite(const State& state) {
  for (const Slot& slot : state.slots()) {
    if (slot.role != ir::Role::parameter || slot.type.dtype != ir::DType::f32) continue;
    const float* elements = state.elements(slot);
    for (int64_t k = 0; k < slot.type.elements(); ++k) {
      if (!std::isfinite(elements[k])) return slot.name;
    }
  }
  return {};
}

bool is_layer_state(std::string_view name) { return !name.starts_with("optimizer.") && !name.starts_with("loss."); }

ir::Status load_weights(State& state, const std::string& path, std::string_view model,
                        const std::vector<std::string>& elsewhere) {
  ir::Result<SafetensorsReader> reader = SafetensorsReader::open(path);
  if (!reader) return reader.take_error();
  if (std::string problem = compare_names(state, *reader, model, elsewhere); !problem.empty())
    return ir::Error{problem};
  std::vector<std::pair<const Slot*, std::vector<float>>> loaded;
  for (const Slot& slot : state.slots()) {
    const StoredTensor* stored = reader->find(slot.name);
    if (stored == nullptr) continue;
    if (stored->shape != slot.type.shape) {
      return ir::Error{fmt::format("{}: `{}` has another shape in the file: {}; model `{}` has {}", path, slot.name,
                                   fmt::format("{}[{}]", stored->dtype, fmt::join(stored->shape, ",")), model,
                                   ir::to_string(slot.type))};
    }
    ir::Result<std::vector<float>> elements = reader->read_f32(*stored);
    if (!elements) return elements.take_error();
    loaded.emplace_back(&slot, std::move(*elements));
  }
  for (const auto& [slot, elements] : loaded) {
    std::copy(elements.begin(), elements.end(), state.elements(*slot));
  }
  return ir::success();
}

ir::Status save_weights(const State& state, const std::string& path,
                        const std::map<std::string, std::string>& metadata) {
  std::vector<TensorToStore> tensors;
  for (const Slot& slot : state.slots()) {
    if (is_of_model(slot)) tensors.push_back({slot.name, slot.type.shape, state.elements(slot)});
  }
  return write_safetensors(path, std::move(tensors), metadata);
}

}  // namespace gradc::runtime
