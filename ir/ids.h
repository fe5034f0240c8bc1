// A typed index into one of a function's vectors; `Id{}` names nothing.
#pragma once
#include <compare>
#include <cstdint>

namespace gradc::ir {

struct ValueId {
  uint32_t index = UINT32_MAX;
  bool valid() const { return index != UINT32_MAX; }
  auto operator<=>(const ValueId&) const = default;
};

}  // namespace gradc::ir
