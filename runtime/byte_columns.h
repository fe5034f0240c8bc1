// Columns of a run that need no numbers of their own: where each element is made of one byte of the file in the same
// place, as in `x = image / 255`, the bytes and a table of what each of the 256 becomes are the column. MNIST's images
// take a quarter of the memory, and no time to be made. Tests: tests/unit/test_byte_columns.cpp.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "ir/graph.h"
#include "ir/result.h"
#include "ir/table.h"
#include "ir/tensor.h"

namespace gradc::runtime {

// The column of the table that result `result` of @RUN.columns is made of in this way; none where there is no such, or
// where the function has faults to find.
std::optional<size_t> byte_column(const ir::Table& table, const ir::Func& func, size_t result);

// What each byte becomes in each result for which byte_column names a column. `arguments` are those of @RUN.columns by
// position; the data among them are written over.
ir::Result<std::vector<std::array<float, 256>>> byte_numbers(const ir::Func& func, std::vector<ir::Tensor> arguments);

}  // namespace gradc::runtime
