// The table of tensor operations (ops.def) as an enumeration with facts.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace gradc::ir {

enum class Op : uint8_t {
#define GRADC_OP(name, operands, Attr, traits) name,
#include "ir/ops.def"
#undef GRADC_OP
};

inline constexpr size_t kOpCount = 0
#define GRADC_OP(name, operands, Attr, traits) +1
#include "ir/ops.def"
#undef GRADC_OP
    ;

enum OpTraits : uint32_t {
  kElementwise = 1,
  kMovement = 2,
  kReduction = 4,
  kCommutative = 8,
  kLeaf = 16,
  kAccumulation = 32,
  kFunction = 64,
  kRequest = 128,
};
inline constexpr int kVariadic = -1;  // one or more operands
inline constexpr int kContract = -2;  // two or three

struct OpInfo {
  std::string_view name;
  int operands;
  uint32_t traits;
  bool has(OpTraits trait) const { return (traits & trait) != 0; }
};

const OpInfo& op_info(Op op);
inline std::string_view op_name(Op op) { return op_info(op).name; }
std::optional<Op> op_from_name(std::string_view name);
bool takes_operand_count(Op op, size_t count);

}  // namespace gradc::ir
