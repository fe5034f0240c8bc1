// Numbers and rows as text: for a person, and as JSON.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gradc::cli {

// 8.00 where two decimals are exact enough, else three significant digits: 0.00321, 1.23e+08.
std::string human(float number);
// The fewest digits that read back to the same float; 8.0 rather than 8; null where JSON has no word for it.
std::string json_number(float number);
std::string json_string(std::string_view text);
// [8.0,2.5]
std::string json_list(std::span<const float> numbers);
// As written by a person: 5, 0.5.
std::string plain(float number);
// A whole text as a number; also inf and nan.
std::optional<float> parse_number(std::string_view text);

}  // namespace gradc::cli
