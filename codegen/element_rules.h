// "Your value at index i?" for every operation of ir/ops.def: one function each, in element_rules.cpp.
#pragma once
#include "codegen/element_builder.h"

namespace gradc::codegen {

// The node for the element of `value` at `index`, one index for each axis of its result.
NodeId element_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index);

// The loops of `reduce` and `contract`, in the order that the attribute names (ir/attr.h, SumOrder).
NodeId sum_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index);

// The loops of `fold` and `scatter_add`, which pull: an element goes over the terms that may be its own.
NodeId fold_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index);
NodeId scatter_add_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index);

}  // namespace gradc::codegen
