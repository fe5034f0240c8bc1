// The invariants of tensor IR. Run after every pass and after reading IR text.
//
// Of a function:
//   1. The first `parameter_count` values, and no others, are parameters; their names are distinct and not empty.
//   2. An operand stands before its user.
//   3. Operand count, attributes and types are what the shape rules give (ir/shape_rules.h).
//   4. Result names are distinct and not empty, result values exist.
//   5. A result that shares its name with a `parameter` or `state` argument has that argument's type.
//   6. Kernel numbers are dense from 0; a stored value's kernel is not before the kernels that store what it reads
//      (directly or through values that are not stored).
//   7. Offsets are multiples of the element size and not negative; arena storage ends within arena_bytes; only
//   arguments,
//      stored values, dense constants and reshapes of these have storage.
// Of a module:
//   8. Names of items are distinct. A `grad` names a function that stands before it, whose first result is a real
//   scalar,
//      and arguments of it that are real. A `step` names two earlier items;
//      arguments that they share have one type and role, what the second takes of the first's results has their type,
//      no two results of the whole share a name, and invariant 5 holds for them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace gradc::ir {

// One fault: where and what. `item` indexes Module::items, `value` a function's values (kNoValue: the item as a whole).
struct VerifyError {
  static constexpr size_t kNoValue = SIZE_MAX;
  std::string func;
  std::string message;
  size_t item = 0;
  size_t value = kNoValue;
};

// Empty where everything holds.
std::vector<VerifyError> verify(const Module& module);
std::vector<VerifyError> verify(const Func& func);
std::string to_string(const VerifyError& error);

}  // namespace gradc::ir
