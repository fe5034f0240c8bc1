// Drops values that neither a result nor a used value needs. Parameters stay.
#include "ir/rewrite.h"
#include "passes/passes.h"

namespace gradc::passes {

ir::Func dce(const ir::Func& func) {
  std::vector<bool> needed(func.size(), false);
  for (const ir::FuncResult& result : func.results) needed[result.value.index] = true;
  for (size_t i = func.size(); i-- > 0;) {
    if (!needed[i]) continue;
    for (ir::ValueId operand : func.values[i].operands) needed[operand.index] = true;
  }
  size_t index = 0;
  return ir::rewrite(func, [&](ir::Builder& builder, const ir::Value& value, const std::vector<ir::ValueId>& operands) {
    const bool keep = index < func.parameter_count || needed[index];
    ++index;
    if (!keep) return ir::ValueId{};
    return ir::copy_value(builder, value, operands);
  });
}

}  // namespace gradc::passes
