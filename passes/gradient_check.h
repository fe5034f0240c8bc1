// Holds a derived gradient against central differences in double precision, on the interpreter.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ir/diag.h"
#include "ir/graph.h"
#include "ir/result.h"
#include "ir/tensor.h"
#include "passes/gradient_rules.h"

namespace gradc::passes {

struct GradientCheckOptions {
  double step = 1e-5;       // of the difference, times max(1, |x|)
  double tolerance = 1e-6;  // of an error, relative to the larger of the tensor's largest gradient and the difference
  int64_t most_elements = 256;  // of one argument; larger ones are sampled evenly
};

// One argument's outcome. `error` is the largest relative error, at row-major element `index`.
struct GradientCheckRow {
  std::string name;
  ir::Type type;
  int64_t checked = 0;
  int64_t kinks =
      0;  // elements at a point without a derivative (both one-sided differences exist and differ): not checked
  double error = 0;
  int64_t index = 0;
  double derived = 0;
  double difference = 0;
  bool passed = true;
};

// `gradient` is `loss` with the further results `NAME.gradient` for the names in `wrt` (passes/differentiate.h); its
// first result is the loss. `arguments` by position, in any precision. Values under stop_gradient are held while x
// moves. The error is the interpreter's.
ir::Result<std::vector<GradientCheckRow>> check_gradients(const ir::Func& loss, const ir::Func& gradient,
                                                          const std::vector<std::string>& wrt,
                                                          const std::vector<ir::Tensor>& arguments,
                                                          const GradientCheckOptions& options = {});

// An operation of a loss whose rule does not send its operand the derivative of its values.
struct WrongRule {
  ir::ValueId value;   // of the loss
  size_t operand = 0;  // which of its operands
  int64_t index = 0;   // row-major element of that operand
  double derived = 0;
  double difference = 0;
};

// From the loss backwards, the first operation whose contribution to an operand, given the gradient of its own value,
// is not the central difference at the operands that it has; nothing where all agree. `arguments` and `wrt` as above.
ir::Result<std::optional<WrongRule>> find_wrong_rule(const ir::Func& loss, const std::vector<std::string>& wrt,
                                                     const std::vector<ir::Tensor>& arguments,
                                                     GradientRule rule = apply_gradient_rule);
// Says so at the operation's place in the spec.
void report_wrong_rule(const WrongRule& wrong, const ir::Func& loss, ir::Diagnostics& diagnostics);

}  // namespace gradc::passes
