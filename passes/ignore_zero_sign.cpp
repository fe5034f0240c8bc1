// Takes -0 for +0, and with it drops work that only tells them apart:
//   x + 0 -> x        a sum over axes of extent 1 -> the term itself
// Not exact (the sign of a zero may change), so it is a pass of its own that is printed and can be left out.
#include <algorithm>

#include "ir/rewrite.h"
#include "passes/passes.h"
#include "passes/simplify_rules.h"

namespace gradc::passes {

ir::Func ignore_zero_sign(const ir::Func& func) {
  return ir::rewrite(func, [](ir::Builder& builder, const ir::Value& value, const std::vector<ir::ValueId>& x) {
    auto zero = [&](size_t i) { return splat(builder.func(), x[i]) == 0.0; };
    if (value.op == ir::Op::add && zero(1)) return x[0];
    if (value.op == ir::Op::add && zero(0)) return x[1];
    if (value.op == ir::Op::reduce) {
      const ir::Shape& shape = builder.type(x[0]).shape;
      const std::vector<int64_t>& axes = std::get<ir::ReduceAttr>(value.attr).axes;
      const bool single =
          std::all_of(axes.begin(), axes.end(), [&](int64_t axis) { return shape[static_cast<size_t>(axis)] == 1; });
      if (single) return builder.reshape(x[0], value.type.shape);
    }
    return ir::copy_value(builder, value, x);
  });
}

}  // namespace gradc::passes
