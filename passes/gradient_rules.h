// The derivative of each operation: one textbook rule a row of ops.def, in gradient_rules.cpp. The driver
// (differentiate.cpp) adds up what several users contribute; a rule only says what it sends to its operands.
#pragma once
#include <functional>

#include "ir/builder.h"

namespace gradc::passes {

// Where a gradient is known to be exactly 0: at the elements whose `condition` is not `taken`. The driver keeps it 0
// there on its way back through elementwise operations, even where their derivative is infinite or NaN.
struct Guard {
  ir::ValueId condition;
  bool taken = true;
};

struct GradientCall {
  ir::Builder& builder;
  ir::ValueId result;    // y = op(operands)
  ir::ValueId gradient;  // of the loss with respect to y; y's type
  // Adds to the gradient of operand i; the type must be that operand's.
  const std::function<void(size_t operand, ir::ValueId contribution)>& contribute;
  const std::function<void(size_t operand, ir::ValueId contribution, Guard guard)>& contribute_where;
  // Whether operand i's gradient is wanted: rules may skip the others.
  const std::function<bool(size_t operand)>& wanted;

  const ir::Value& value() const { return builder.func()[result]; }
  ir::ValueId operand(size_t i) const { return value().operands[i]; }
};

void apply_gradient_rule(const GradientCall& call);
using GradientRule = void (*)(const GradientCall&);

}  // namespace gradc::passes
