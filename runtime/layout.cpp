#include "runtime/layout.h"

#include <algorithm>
#include <cstring>

#include "ir/ensure.h"
#include "ir/fault.h"
#include "runtime/aligned_buffer.h"

namespace gradc::runtime {
namespace {

void append(std::vector<Slot>& slots, int64_t& bytes, Slot slot) {
  bytes = std::max(bytes, round_up(slot.offset + slot.type.bytes(), kAlignment));
  slots.push_back(std::move(slot));
}

}  // namespace

const Slot* find_slot(const std::vector<Slot>& slots, std::string_view name) {
  for (const Slot& slot : slots) {
    if (slot.name == name) return &slot;
  }
  return nullptr;
}

Layout layout_of(const ir::Func& planned) {
  Layout layout;
  for (size_t k = 0; k < planned.parameter_count; ++k) {
    const ir::Value& value = planned.values[k];
    Slot slot{value.name, value.type, value.role, value.storage.offset};
    switch (value.storage.space) {
      case ir::Space::state:
        append(layout.state, layout.state_bytes, std::move(slot));
        break;
      case ir::Space::data:
        append(layout.data, layout.data_bytes, std::move(slot));
        break;
      case ir::Space::hyper:
        append(layout.hyper, layout.hyper_bytes, std::move(slot));
        break;
      default:
        ENSURE(false, "argument %" + value.name + " of @" + planned.name + " has no place in memory");
    }
  }
  for (const ir::FuncResult& result : planned.results) {
    const ir::Value& value = planned[result.value];
    if (find_slot(layout.state, result.name) != nullptr) continue;
    ENSURE(value.storage.space == ir::Space::result,
           "result " + result.name + " of @" + planned.name + " has no place");
    append(layout.results, layout.result_bytes, {result.name, value.type, ir::Role::input, value.storage.offset});
  }
  return layout;
}

std::optional<ir::Fault> find_fault(const Layout& layout, const std::byte* results) {
  for (const Slot& slot : layout.results) {
    if (!ir::is_fault(slot.name)) continue;
    float value = 0;
    std::memcpy(&value, results + slot.offset, sizeof(value));
    if (value != ir::kNoFault) return ir::Fault{slot.name, ir::fault_value(value)};
  }
  return std::nullopt;
}

Layout persistent_layout(const ir::Func& func) {
  Layout layout;
  for (size_t k = 0; k < func.parameter_count; ++k) {
    const ir::Value& value = func.values[k];
    if (value.role != ir::Role::parameter && value.role != ir::Role::state) continue;
    append(layout.state, layout.state_bytes, {value.name, value.type, value.role, layout.state_bytes});
  }
  return layout;
}

}  // namespace gradc::runtime
