#include "ir/source.h"

namespace gradc::ir {

std::string_view SourceFile::line(uint32_t number) const {
  std::string_view rest = text;
  for (uint32_t i = 1; i < number; ++i) {
    size_t end = rest.find('\n');
    if (end == std::string_view::npos) return {};
    rest.remove_prefix(end + 1);
  }
  std::string_view found = rest.substr(0, rest.find('\n'));
  if (!found.empty() && found.back() == '\r') found.remove_suffix(1);
  return found;
}

int32_t Sources::add(std::string name, std::string text) {
  files_.push_back({std::move(name), std::move(text)});
  return static_cast<int32_t>(files_.size()) - 1;
}

}  // namespace gradc::ir
