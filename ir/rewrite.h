// The one way to make a function from another: value by value, in order, under a rule that says what each becomes.
#pragma once
#include <functional>
#include <vector>

#include "ir/builder.h"
#include "ir/graph.h"

namespace gradc::ir {

// What `value` becomes, given its operands in the new function: a value of the new function, made by the builder or
// older, or ValueId{} where nothing will use it. For a parameter it must be a parameter. The builder stands at the
// value's place.
using RewriteRule = std::function<ValueId(Builder& builder, const Value& value, const std::vector<ValueId>& operands)>;

// Results keep their names and follow their values. Storage and kernels are not copied.
Func rewrite(const Func& func, const RewriteRule& rule);

// The value as it is, on new operands.
ValueId copy_value(Builder& builder, const Value& value, const std::vector<ValueId>& operands);

// Appends a copy of `func`'s body to the builder's function; `arguments` stand for its parameters. Returns the new
// value of each old one.
std::vector<ValueId> inline_body(Builder& builder, const Func& func, const std::vector<ValueId>& arguments);

}  // namespace gradc::ir
