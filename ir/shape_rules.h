// The result type of every operation. One rule an operation (shape_rules.cpp); builder, parser and verifier all ask
// here.
#pragma once
#include <vector>

#include "ir/attr.h"
#include "ir/op.h"
#include "ir/result.h"
#include "ir/type.h"

namespace gradc::ir {

// The type of `op` applied to operands of these types. `requested` is the type that stands in the text or that the
// builder was asked for: rules that cannot derive the type (constant, iota, random, broadcast, reshape, cast,
// parameter) check it and return it, the others ignore it. The error is a sentence about the shapes, without a place.
Result<Type> infer_type(Op op, const std::vector<Type>& operands, const Attr& attr, const Type& requested);

}  // namespace gradc::ir
