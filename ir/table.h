// Rows that were read from a file, before the spec says what they mean: the files' readers fill it, the front end asks
// it for names, types and the number of rows, and @RUN.columns makes the columns of the run from it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ir/result.h"
#include "ir/type.h"

namespace gradc::ir {

struct TableColumn {
  std::string name;
  Type type;                       // of one row
  std::vector<float> values;       // row after row (whole numbers below 2^24 are exact)
  std::string problem;             // why it cannot be used: "digits.csv:17: column `label`: `x` is not a number"
  std::vector<std::byte> bytes{};  // instead of `values` where the file holds bytes: bytes[begin ...]
  int64_t begin = 0;

  const std::byte* bytes_of_row(int64_t row) const { return bytes.data() + begin + row * type.elements(); }
  // The elements of a row.
  void copy_row(int64_t row, float* to) const;
};

struct Table {
  std::string name;        // the file, for messages
  std::string label_name;  // the file that column 1 comes from, where it is another
  std::string test_name;   // the file of the last `test_rows` rows
  int64_t rows = 0;
  int64_t test_rows = 0;   // the last ones are from the files behind `test`
  int64_t first_line = 0;  // the line of the first row; 0: rows are counted instead
  int64_t window = 0;      // > 0: row r is elements r ... r+window-1 of the one column
  std::vector<TableColumn> columns;
  std::vector<std::string> vocabulary;  // of text: the character that each number stands for
};

// What a data block asks for.
struct TableRequest {
  std::string kind;                // csv idx chars bytes npy safetensors
  std::vector<std::string> files;  // as written in the spec
  std::vector<std::string> test_files;
  int64_t window = 0;  // of chars and bytes

  bool operator==(const TableRequest&) const = default;
};

// Reads the files of a data block; a failure is one sentence that names the file.
using TableReader = std::function<Result<std::shared_ptr<const Table>>(const TableRequest&)>;

}  // namespace gradc::ir
