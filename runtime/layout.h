// Where a planned function (passes/plan_memory) finds its arguments and leaves its results: for each space the named
// tensors with their offsets. Everything that fills or reads such memory does it through this table.
// Tests: tests/unit/test_state.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ir/result.h"

namespace gradc::runtime {

struct Slot {
  std::string name;
  ir::Type type;
  ir::Role role = ir::Role::input;  // of results: input
  int64_t offset = 0;               // bytes from the start of the space
};

const Slot* find_slot(const std::vector<Slot>& slots, std::string_view name);

// Arguments in the order of the function. `results` are those outside the state: a new value of a parameter or state
// takes its argument's place.
struct Layout {
  std::vector<Slot> state, data, hyper, results;
  int64_t state_bytes = 0;
  int64_t data_bytes = 0;  // of one step, as the following two; multiples of 64
  int64_t hyper_bytes = 0;
  int64_t result_bytes = 0;
};

// Every argument and every result of `planned` must have been given a space (ENSURE).
Layout layout_of(const ir::Func& planned);

// The first fault (ir/fault.h) among the results of one run of the function.
std::optional<ir::Fault> find_fault(const Layout& layout, const std::byte* results);

// Slots for the arguments of role parameter and state of a function that has not been planned, one after the other.
Layout persistent_layout(const ir::Func& func);

}  // namespace gradc::runtime
