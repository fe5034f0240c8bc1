// exp and log of double, for run-time scalars (@RUN.hyper): made of operations that IEEE 754 fixes, so that a schedule
// has the same bits whatever the C library. At most 1 ulp from the C library's at the points that
// tests/unit/test_math.cpp tries.
#pragma once

namespace gradc::ir {

double exp_f64(double x);
double log_f64(double x);

}  // namespace gradc::ir
