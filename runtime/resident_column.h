// A column of rows that stay in memory. Tests: tests/unit/test_dataset.cpp, tests/unit/test_byte_columns.cpp.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ir/table.h"
#include "ir/type.h"

namespace gradc::runtime {

// Rows that lie in a table's column of bytes: row r is its row order[r], and numbers[b] stands for the byte b.
struct ByteRows {
  std::shared_ptr<const ir::Table> table;
  size_t column = 0;
  std::shared_ptr<const std::vector<int64_t>> order;
  std::array<float, 256> numbers{};
};

// Row r begins at element begin + r * stride of `values`, which the parts of a data set share, or is one of `bytes`.
struct ResidentColumn {
  std::string name;
  ir::Type type;  // of one row
  std::shared_ptr<const std::vector<float>> values;
  int64_t stride = 0;  // 0: row after row
  int64_t begin = 0;
  std::shared_ptr<const ByteRows> bytes{};

  bool has_row(int64_t row) const;
  void copy_row(int64_t row, float* to) const;

 private:
  // Where the row is in `values`.
  int64_t first_element(int64_t row) const { return begin + row * (stride > 0 ? stride : type.elements()); }
};

// The type of one row of a batch.
ir::Type without_batch(const ir::Type& type);

}  // namespace gradc::runtime
