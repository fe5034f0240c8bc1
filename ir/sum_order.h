// The order in which the terms of a sum are added, as a function of shapes alone, never of the machine. It is part of a
// program's meaning: the interpreter and every schedule obey it. Measured costs and reasons: docs/performance.md.
//
// P = elements of the result, K = terms of each. Terms are numbered in the written order of the reduced axes.
//   1. A term is one fma(a, b, acc) in `contract`, one addition in `reduce`. acc starts at `init`, else at +0.
//   2. P >= 256: sequential, but for 3.
//   3. P < 256 and K >= 16: 16 lanes over one axis, the longest that is a multiple of 16, or else the longest. Its
//   index
//      j goes to lane j mod 16, `init` to lane 0. P >= 256 and a `reduce` whose last axis is reduced and has 16 or
//      more: the same over the last axis.
//   4. P <= 16 and 4 <= K < 16, one reduced axis longer than 1: the same; each lane has one term (a tree).
//      Other sums are sequential.
//   5. Lanes combine by halving: l += l+8, l+4, l+2, l+1; lanes past the end of a short axis take no part.
//   6. P < 256 and K > 1024, in lanes: the first reduced axis is cut into blocks of at least 1024 terms (a multiple of
//   16
//      indices on the lane axis). Every block starts at +0 (the first at `init`); the blocks are added lane by lane in
//      ascending order, then the lanes combine.
//   7. max, min and prod are sequential.
#pragma once
#include <cstdint>
#include <vector>

#include "ir/graph.h"

namespace gradc::ir {

struct ReducedAxis {
  int64_t id = 0;  // as in SumOrder::axis
  int64_t extent = 1;
};

// What a `reduce` or `contract` sums: its result's element count and its reduced axes in the written order. Of a
// `contract_fold`: what its contraction sums, for each element of each window.
struct SumShape {
  int64_t outputs = 1;
  std::vector<ReducedAxis> reduced;
  int64_t terms() const;
};

// The extents of axes of a contraction, by their letters.
Shape extents_of(const std::string& letters, const Subscripts& parts, const Shape& lhs, const Shape& rhs);
SumShape sum_shape(const Func& func, const Value& sum);
SumOrder canonical_order(const Func& func, const Value& sum);
// The order written on the value, else the canonical one.
SumOrder order_of(const Func& func, const Value& sum);

// Sums over the same rounds may be added up in one nest of loops. As many as this, two registers of 8 lanes each, leave
// some of 16 registers for what is added.
inline constexpr size_t kMostJointSums = 6;
// Whether the two are sums in lanes whose loops are the same: equal extents, the same lane axis, the same blocks.
bool same_rounds(const Func& func, const Value& a, const Value& b);

}  // namespace gradc::ir
