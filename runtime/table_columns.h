// From the rows of a file to the columns of a run: @RUN.statistics over the training rows, @RUN.columns over all of
// them, a chunk at a time, in the interpreter. Tests: tests/unit/test_table_columns.cpp.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "ir/result.h"
#include "ir/table.h"
#include "ir/tensor.h"
#include "runtime/dataset.h"

namespace gradc::runtime {

using NamedTensors = std::vector<std::pair<std::string, ir::Tensor>>;

// The rows of a table in the order in which they are split: the first `shuffled` permuted, always in the same way.
std::vector<int64_t> split_order(int64_t rows, int64_t shuffled);

// The results of `func`, whose arguments are columns of the table over the rows `order[0 ...]`, as many as their first
// axis has.
ir::Result<NamedTensors> table_statistics(const ir::Table& table, const ir::Func& func,
                                          const std::vector<int64_t>& order);

// A result of @RUN.columns and the whole numbers that it may hold (0: any numbers).
struct ColumnLimit {
  std::string name;
  int64_t limit = 0;
};

// Every column row after row in the order of `order`, as the table's own bytes where they are enough
// (runtime/byte_columns.h). `func` takes `chunk` rows at a time. An error names the file, the row and the column of a
// value that is not finite or outside its limit; its fault has the column's name.
ir::Result<std::vector<ResidentColumn>> table_columns(const std::shared_ptr<const ir::Table>& table,
                                                      const ir::Func& func, int64_t chunk,
                                                      const NamedTensors& statistics,
                                                      const std::vector<ColumnLimit>& columns,
                                                      const std::vector<int64_t>& order);

// "line 17 of digits.csv", "row 3 of train-labels.gz"
std::string row_place(const ir::Table& table, int64_t row);

}  // namespace gradc::runtime
