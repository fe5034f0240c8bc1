#include "ir/widen.h"

#include "ir/builder.h"
#include "ir/rewrite.h"

namespace gradc::ir {

Func widen(const Func& func) {
  auto wide = [](const Type& type) { return type.dtype == DType::f32 ? type.with_dtype(DType::f64) : type; };
  return rewrite(func, [&](Builder& builder, const Value& value, const std::vector<ValueId>& operands) {
    if (value.op == Op::parameter) return builder.parameter(value.name, wide(value.type), value.role);
    if (value.op == Op::random) {
      return builder.cast(builder.create(Op::random, operands, value.attr, value.type), DType::f64);
    }
    return builder.create(value.op, operands, value.attr, wide(value.type));
  });
}

}  // namespace gradc::ir
