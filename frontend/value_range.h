// What is known while compiling about the values of a tensor: bounds, and whether they are whole numbers.
//
// Bounds are those of the computed values, rounding included: every operation looked through rounds monotonically. An
// operation that is not looked through has no known range, so that a new one needs nothing here.
// Tests: tests/unit/test_frontend_fault.cpp.
#pragma once
#include <cstdint>
#include <map>
#include <optional>

#include "ir/graph.h"

namespace gradc::frontend {

struct ValueRange {
  double low = 0, high = 0;  // finite
  bool whole = false;
};

// `limits` are values known to hold whole numbers from 0 to limit - 1. Nothing where the bounds are not known.
std::optional<ValueRange> range_of(const ir::Func& func, ir::ValueId value, const std::map<uint32_t, int64_t>& limits);

}  // namespace gradc::frontend
