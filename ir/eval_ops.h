// The meaning of each operation: one function a row of ops.def (eval_rules.h).
#pragma once
#include <vector>

#include "ir/graph.h"
#include "ir/tensor.h"

namespace gradc::ir {

struct EvalCall {
  const Func& func;
  const Value& value;
  const std::vector<const Tensor*>& operands;
  Tensor& result;  // has its type, holds zeros
};
void evaluate_op(const EvalCall& call);

}  // namespace gradc::ir
