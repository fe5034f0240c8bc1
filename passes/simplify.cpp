// Removes operations that change nothing and merges chains of movements; every bit stays (simplify_rules.cpp).
#include "ir/rewrite.h"
#include "passes/passes.h"
#include "passes/simplify_rules.h"

namespace gradc::passes {

ir::Func simplify(const ir::Func& func) {
  return ir::rewrite(
      func, [](ir::Builder& builder, const ir::Value& original, const std::vector<ir::ValueId>& operands) {
        if (original.op == ir::Op::parameter) return ir::copy_value(builder, original, operands);
        std::optional<ir::ValueId> simpler = simplify_value(builder, original, operands);
        if (!simpler) return ir::copy_value(builder, original, operands);
        // Every rule makes the expression smaller, so this ends. A rule that only picked an older value has nothing to
        // add.
        while (simpler->index + 1 == builder.func().size() && builder.func()[*simpler].op != ir::Op::parameter) {
          const ir::Value value = builder.func()[*simpler];
          const std::optional<ir::ValueId> next = simplify_value(builder, value, value.operands);
          if (!next) break;
          simpler = next;
        }
        return *simpler;
      });
}

}  // namespace gradc::passes
