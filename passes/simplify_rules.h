// Local rewrites of one value given what its operands are. Each keeps every bit.
#pragma once
#include <optional>

#include "ir/builder.h"

namespace gradc::passes {

// The value that stands for `op(operands)` in the builder's function, or nullopt where no rule applies.
std::optional<ir::ValueId> simplify_value(ir::Builder& builder, const ir::Value& value,
                                          const std::vector<ir::ValueId>& operands);

// The one number that a constant holds everywhere; nullopt for other values.
std::optional<double> splat(const ir::Func& func, ir::ValueId id);

}  // namespace gradc::passes
