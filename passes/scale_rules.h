// In which operands each operation is linear: one rule for each that is, in scale_rules.cpp.
#pragma once
#include <vector>

#include "ir/graph.h"

namespace gradc::passes {

// Whether `value` is multiplied by k where those of its operands are that `scaled` holds true for (by value).
bool scales_with(const ir::Func& func, const ir::Value& value, const std::vector<bool>& scaled);

}  // namespace gradc::passes
