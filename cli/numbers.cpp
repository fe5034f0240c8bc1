#include "cli/numbers.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace gradc::cli {

std::string human(float number) {
  const auto wide = static_cast<double>(number);
  const double size = std::abs(wide);
  if (number == 0 || (size >= 0.995 && size < 1e6)) return fmt::format("{:.2f}", wide);
  return fmt::format("{:.3g}", wide);
}

std::string json_number(float number) {
  if (!std::isfinite(number)) return "null";
  const std::string text = fmt::format("{}", number);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_list(std::span<const float> numbers) {
  std::string list = "[";
  for (const float number : numbers) list += (list.size() > 1 ? "," : "") + json_number(number);
  return list + "]";
}

std::string plain(float number) { return fmt::format("{}", number); }

std::optional<float> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  float number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  // Too large or too small for float32 is no number that could be meant.
  if (problem != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

}  // namespace gradc::cli
