// Values that turn out wrong while a function runs, such as a computed index outside its axis.
//
// A function has no way to stop in the middle. It says so by a result of its own: `fault.K`, f32[], which is -inf while
// all is well and else holds the largest wrong value (`fault_value` reads it). Whoever runs a function looks at these
// results afterwards. What K means stands in the front end's Program::faults.
// Tests: tests/unit/test_frontend_fault.cpp.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ir/result.h"
#include "ir/tensor.h"

namespace gradc::ir {

std::string fault_name(size_t number);
bool is_fault(std::string_view result);
size_t fault_number(std::string_view result);

// NaN stands in a result as inf, infinities as the largest and the least number: -inf is left for "all is well".
inline constexpr float kNoFault = -__builtin_inff();
float fault_value(float result);

// The first of the results that holds a fault.
std::optional<Fault> find_fault(const Func& func, const std::vector<Tensor>& results);
// The same as an error that says what was being done: "in data `d`".
Status check_faults(const Func& func, const std::vector<Tensor>& results, const std::string& when);

}  // namespace gradc::ir
