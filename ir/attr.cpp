#include "ir/attr.h"

#include <bit>
#include <cctype>
#include <utility>

namespace gradc::ir {

namespace {

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) || (a != a && b != b);
}

bool distinct_letters(const std::string& letters) {
  for (size_t i = 0; i < letters.size(); ++i) {
    if (std::isalpha(static_cast<unsigned char>(letters[i])) == 0) return false;
    if (letters.find(letters[i], i + 1) != std::string::npos) return false;
  }
  return true;
}

}  // namespace

Attr::Attr() = default;
template <class Alternative>
  requires kIsAttrAlternative<Alternative>
Attr::Attr(Alternative alternative) : AttrVariant(std::move(alternative)) {}
template Attr::Attr(NoAttr);
template Attr::Attr(ConstantAttr);
template Attr::Attr(AxisAttr);
template Attr::Attr(RandomAttr);
template Attr::Attr(AxesAttr);
template Attr::Attr(SliceAttr);
template Attr::Attr(PadAttr);
template Attr::Attr(WindowAttr);
template Attr::Attr(FoldAttr);
template Attr::Attr(GatherAttr);
template Attr::Attr(ScatterAttr);
template Attr::Attr(ReduceAttr);
template Attr::Attr(ContractAttr);
template Attr::Attr(ContractFoldAttr);
Attr::~Attr() = default;
Attr::Attr(const Attr& other) = default;
Attr::Attr(Attr&& other) noexcept = default;
Attr& Attr::operator=(const Attr& other) = default;
Attr& Attr::operator=(Attr&& other) noexcept = default;
bool Attr::operator==(const Attr& other) const {
  return static_cast<const AttrVariant&>(*this) == static_cast<const AttrVariant&>(other);
}

bool ConstantAttr::operator==(const ConstantAttr& other) const {
  if (values.size() != other.values.size()) return false;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!same_bits(values[i], other.values[i])) return false;
  }
  return true;
}

bool PadAttr::operator==(const PadAttr& other) const {
  return before == other.before && after == other.after && same_bits(value, other.value);
}

Subscripts parse_subscripts(const std::string& text) {
  Subscripts parts;
  const size_t comma = text.find(',');
  const size_t arrow = text.find("->");
  if (comma == std::string::npos || arrow == std::string::npos || comma > arrow) return parts;
  parts.lhs = text.substr(0, comma);
  parts.rhs = text.substr(comma + 1, arrow - comma - 1);
  parts.result = text.substr(arrow + 2);
  if (!distinct_letters(parts.lhs) || !distinct_letters(parts.rhs) || !distinct_letters(parts.result)) return parts;
  for (char letter : parts.lhs + parts.rhs) {
    if (parts.result.find(letter) == std::string::npos && parts.reduced.find(letter) == std::string::npos) {
      parts.reduced += letter;
    }
  }
  for (char letter : parts.result) {
    if (parts.lhs.find(letter) == std::string::npos && parts.rhs.find(letter) == std::string::npos) return parts;
  }
  parts.valid = true;
  return parts;
}

}  // namespace gradc::ir
