#include "runtime/resident_column.h"

#include <algorithm>

#include "ir/ensure.h"

namespace gradc::runtime {

bool ResidentColumn::has_row(int64_t row) const {
  const int64_t elements = type.elements();
  if (bytes) return row < std::ssize(*bytes->order) && bytes->table->columns[bytes->column].type.elements() == elements;
  return first_element(row) + elements <= std::ssize(*values);
}

void ResidentColumn::copy_row(int64_t row, float* to) const {
  const int64_t elements = type.elements();
  if (!bytes) {
    std::copy_n(values->data() + first_element(row), elements, to);
    return;
  }
  const std::byte* from = bytes->table->columns[bytes->column].bytes_of_row((*bytes->order)[static_cast<size_t>(row)]);
  const float* numbers = bytes->numbers.data();
  std::transform(from, from + elements, to, [&](std::byte byte) { return numbers[std::to_integer<size_t>(byte)]; });
}

ir::Type without_batch(const ir::Type& type) {
  ENSURE(type.rank() >= 1, "a data argument has no batch axis");
  return {type.dtype, ir::Shape(type.shape.begin() + 1, type.shape.end())};
}

}  // namespace gradc::runtime
