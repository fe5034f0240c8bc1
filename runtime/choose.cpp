#include "runtime/choose.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "ir/math.h"

namespace gradc::runtime {

ir::Result<int64_t> choose(std::span<const float> logits, const Choice& choice, float uniform) {
  for (const float logit : logits) {
    if (std::isnan(logit) || logit == INFINITY) return ir::Error{"the model's result is not finite"};
  }
  const auto largest = std::max_element(logits.begin(), logits.end());
  if (largest == logits.end() || *largest == -INFINITY) return ir::Error{"the model's result is not finite"};
  if (choice.temperature == 0) return largest - logits.begin();
  float lowest = -INFINITY;
  if (choice.most_likely > 0 && choice.most_likely < std::ssize(logits)) {
    std::vector<float> sorted(logits.begin(), logits.end());
    const auto last = sorted.begin() + (choice.most_likely - 1);
    std::nth_element(sorted.begin(), last, sorted.end(), std::greater<>());
    lowest = *last;
  }
  ir::FloatBuilder builder;
  std::vector<float> weights;
  double sum = 0;
  for (const float logit : logits) {
    const double scaled = (static_cast<double>(logit) - static_cast<double>(*largest)) / choice.temperature;
    weights.push_back(logit < lowest ? 0.0f : ir::exp_f32(builder, static_cast<float>(scaled)));
    sum += static_cast<double>(weights.back());
  }
  const double wanted = static_cast<double>(uniform) * sum;
  double cumulated = 0;
  int64_t chosen = largest - logits.begin();
  for (size_t k = 0; k < weights.size(); ++k) {
    if (weights[k] == 0) continue;
    chosen = static_cast<int64_t>(k);
    cumulated += static_cast<double>(weights[k]);
    if (wanted < cumulated) break;
  }
  return chosen;
}

}  // namespace gradc::runtime
