// Joins the gradient and the optimizer's update into the training step.
#pragma once
#include "ir/graph.h"

namespace gradc::passes {

// Runs `first`, then `second` with what it takes of first's results by name; see StepRequest.
ir::Func compose(const ir::Func& first, const ir::Func& second, const std::string& name);

// Replaces every StepRequest by its function and drops the two functions that went into it, unless another request
// still names them. A step of a gradient that has not been derived yet stays a request.
ir::Module apply_optimizer(const ir::Module& module);

}  // namespace gradc::passes
