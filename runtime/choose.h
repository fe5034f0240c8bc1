// The next of a sequence, from the logits that a model gives for it. Tests: tests/unit/test_choose.cpp.
#pragma once
#include <cstdint>
#include <span>

#include "ir/result.h"

namespace gradc::runtime {

struct Choice {
  double temperature = 1;   // logits are divided by it; 0: the first of the largest
  int64_t most_likely = 0;  // only so many of the largest (and what ties with the last of them) can be chosen; 0: all
};

// v with probability softmax(logits / temperature)[v], by the inverse of the cumulated distribution: `uniform` lies in
// (0, 1). The same bits on every machine. An error where a logit is NaN or +inf, or all are -inf.
ir::Result<int64_t> choose(std::span<const float> logits, const Choice& choice, float uniform);

}  // namespace gradc::runtime
