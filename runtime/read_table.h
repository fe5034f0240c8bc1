// The files of a data block as rows (ir/table.h). Formats:
//   csv    a header line with the names of the columns, then numbers, separated by commas; RFC 4180 quotes and CRLF are
//          accepted, missing cells are not
//   idx    MNIST's: big-endian magic number (0, 0, type, rank), extents, unsigned bytes; gzip or plain; two files:
//          column `image` of any shape, column `label`
//   chars  UTF-8 text; a number for each distinct character, in the order of their codes; column `w`
//   bytes  any file; the numbers are the bytes
//   npy    NumPy's: one array a file, a column of the file's name; rows along axis 0
//   safetensors  tensors, columns of their names; rows along axis 0
// A spec may come from elsewhere: file names are relative, stay inside the folder they are looked up in (that of the
// spec, then the data folder), and what a file claims about its size is checked before memory is taken.
// Tests: tests/unit/test_read_table.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ir/result.h"
#include "ir/table.h"
#include "runtime/numbers.h"

namespace gradc::runtime {

struct DataFolders {
  std::string spec;  // the folder of the spec; empty: the current one
  std::string data;  // --data-dir; empty: none
};

// The path of a file that a spec names; an error that says where it was looked for.
ir::Result<std::string> find_data_file(const std::string& name, const DataFolders& folders);

ir::Result<std::shared_ptr<const ir::Table>> read_table(const ir::TableRequest& request, const DataFolders& folders);

// `name` is the file's, for messages.
ir::Result<ir::Table> parse_csv(const std::string& name, std::string_view text);
ir::Result<ir::Table> parse_text(const std::string& name, std::string_view text, bool characters, int64_t window);

// Whether this is one character of UTF-8.
bool is_character(std::string_view text);
// The number of each character of `text` in `vocabulary`, which is sorted; where that is empty, the bytes. An error
// names a character that is not there.
ir::Result<std::vector<float>> encode_text(std::string_view text, const std::vector<std::string>& vocabulary);

// One array in NumPy's format.
ir::Result<NumberArray> read_npy(const std::string& path, const std::string& name);

// An idx file of unsigned bytes: its elements are bytes[begin ...], and `spare` bytes more have room behind them.
struct ByteArray {
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;
  int64_t begin = 0;
  int64_t elements() const { return std::ssize(bytes) - begin; }
};
ir::Result<ByteArray> read_idx(const std::string& path, const std::string& name, int64_t spare = 0);
// The table of an idx block.
ir::Result<ir::Table> read_images(const ir::TableRequest& request, const DataFolders& folders);

}  // namespace gradc::runtime
