#include "ir/op.h"

namespace gradc::ir {

namespace {
constexpr OpInfo kOps[] = {
#define GRADC_OP(name, operands, Attr, traits) {#name, operands, traits},
#include "ir/ops.def"
#undef GRADC_OP
};
}  // namespace

const OpInfo& op_info(Op op) { return kOps[static_cast<size_t>(op)]; }

std::optional<Op> op_from_name(std::string_view name) {
  for (size_t i = 0; i < kOpCount; ++i) {
    if (kOps[i].name == name) return static_cast<Op>(i);
  }
  return std::nullopt;
}

bool takes_operand_count(Op op, size_t count) {
  const int operands = op_info(op).operands;
  if (operands == kVariadic) return count >= 1;
  if (operands == kContract) return count == 2 || count == 3;
  return count == static_cast<size_t>(operands);
}

}  // namespace gradc::ir
