#include "ir/fault.h"

#include <cmath>
#include <limits>

namespace gradc::ir {

namespace {
constexpr std::string_view kPrefix = "fault.";
}

std::string fault_name(size_t number) { return std::string(kPrefix) + std::to_string(number); }

bool is_fault(std::string_view result) {
  return result.starts_with(kPrefix) && result.find_first_not_of("0123456789", kPrefix.size()) == std::string::npos &&
         result.size() > kPrefix.size();
}

size_t fault_number(std::string_view result) { return std::stoul(std::string(result.substr(kPrefix.size()))); }

float fault_value(float result) {
  constexpr float kMost = std::numeric_limits<float>::max();
  if (std::isinf(result)) return std::numeric_limits<float>::quiet_NaN();
  return std::fabs(result) == kMost ? std::copysign(std::numeric_limits<float>::infinity(), result) : result;
}

std::optional<Fault> find_fault(const Func& func, const std::vector<Tensor>& results) {
  for (size_t k = 0; k < results.size(); ++k) {
    if (!is_fault(func.results[k].name)) continue;
    const auto value = static_cast<float>(results[k].at(0));
    if (value != kNoFault) return Fault{func.results[k].name, fault_value(value)};
  }
  return std::nullopt;
}

Status check_faults(const Func& func, const std::vector<Tensor>& results, const std::string& when) {
  if (std::optional<Fault> fault = find_fault(func, results)) return Error{when, std::move(fault)};
  return success();
}

}  // namespace gradc::ir
