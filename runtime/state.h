// All that a run has learned so far, as one contiguous block: parameters, optimizer and layer states at the offsets of
// the step's plan, then the run's record. A checkpoint is this block. The data cursor is the step number: which rows
// and which random numbers a step sees is a function of seed and step alone.
//
// Tensors go in and out by name: from @RUN.init, and from and to safetensors files under PyTorch's names.
// Tests: tests/unit/test_state.cpp.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ir/result.h"
#include "ir/tensor.h"
#include "runtime/aligned_buffer.h"
#include "runtime/layout.h"

namespace gradc::runtime {

struct RunRecord {
  uint64_t seed = 0;
  uint64_t step = 0;  // steps done
};

// The key operand of `random`: (seed low word, seed high word, low word of step). Beyond 2^32 steps the seed changes
// with the step's high word, so that no step repeats another.
ir::Tensor random_key(uint64_t seed, uint64_t step);

class State {
 public:
  // Zeros. `slots` and `tensor_bytes` are a layout's `state` and `state_bytes`.
  State(std::vector<Slot> slots, int64_t tensor_bytes, uint64_t seed);

  std::byte* data() { return blob_.data(); }
  std::span<const std::byte> blob() const { return blob_.span(); }
  const std::vector<Slot>& slots() const { return slots_; }
  RunRecord record() const;
  void set_record(const RunRecord& record);

  ir::Tensor tensor(const Slot& slot) const;
  void set_tensor(const Slot& slot, const ir::Tensor& tensor);
  // The f32 elements of a slot, in place.
  const float* elements(const Slot& slot) const;
  float* elements(const Slot& slot);

 private:
  std::vector<Slot> slots_;
  AlignedBuffer blob_;
  int64_t record_offset_ = 0;
};

// The results of `init` (func @RUN.init) for a seed.
ir::Result<std::vector<ir::Tensor>> initial_values(const ir::Func& init, uint64_t seed);
// Fills every slot with the result of `init` that has its name.
void initialize(State& state, const ir::Func& init, const std::vector<ir::Tensor>& values);
// Both, for the state's seed.
ir::Status initialize(State& state, const ir::Func& init);

// The name of the first parameter that has an element which is not finite, or "".
std::string find_not_finite(const State& state);

// Whether a state of this name is a layer's; else it is the optimizer's or the loss's.
bool is_layer_state(std::string_view name);

// Parameters and layer states by name from a safetensors file. Names and shapes must be exactly those of the state;
// what else PyTorch stores (`num_batches_tracked`) and what `elsewhere` names (states that only training reads) is
// passed over. On error nothing has changed. `model` is for the message.
ir::Status load_weights(State& state, const std::string& path, std::string_view model,
                        const std::vector<std::string>& elsewhere = {});
ir::Status save_weights(const State& state, const std::string& path,
                        const std::map<std::string, std::string>& metadata = {});

}  // namespace gradc::runtime
