// Printing results where a failed write must not end the work: what could not be written is said once, at the end of
// main.
#pragma once
#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace gradc::cli {

template <class... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  const std::string text = fmt::format(format, std::forward<Args>(args)...);
  std::fputs(text.c_str(), stdout);
}

}  // namespace gradc::cli
