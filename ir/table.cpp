#include "ir/table.h"

#include <algorithm>

namespace gradc::ir {

void TableColumn::copy_row(int64_t row, float* to) const {
  const int64_t elements = type.elements();
  if (bytes.empty()) {
    std::copy_n(values.data() + row * elements, elements, to);
    return;
  }
  const std::byte* from = bytes_of_row(row);
  std::transform(from, from + elements, to,
                 [](std::byte byte) { return static_cast<float>(std::to_integer<int>(byte)); });
}

}  // namespace gradc::ir
