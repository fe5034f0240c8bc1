// Weights in the safetensors format, as PyTorch's users know it: an unsigned 64-bit little-endian length, a JSON header
// of that length, the data. (https://github.com/huggingface/safetensors, "Format".)
//
// Files are not trusted: `open` reads and checks the header alone; the ranges must cover the data exactly, without gap
// or overlap, and agree with dtypes and shapes. Data is read a tensor at a time, once its shape is known to be wanted.
// Tests: tests/unit/test_safetensors.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ir/result.h"
#include "ir/type.h"
#include "runtime/file.h"
#include "runtime/numbers.h"

namespace gradc::runtime {

// The longest header that the reference implementation reads.
inline constexpr int64_t kMaxHeaderBytes = 100'000'000;

struct StoredTensor {
  std::string name;
  std::string dtype;  // the format's word: F32, BF16, I64, ...
  ir::Shape shape;    // extents may be 0
  int64_t begin = 0;  // bytes, from the start of the data
  int64_t end = 0;
};

std::string to_string(const StoredTensor& tensor);  // hidden.weight F32[5,2]

class SafetensorsReader {
 public:
  static ir::Result<SafetensorsReader> open(const std::string& path);
  const std::string& path() const { return file_.path(); }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }  // in the order of their data
  const StoredTensor* find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // The elements of an F32, F16, BF16 or F64 tensor as float32 (F64 is rounded); other dtypes are refused.
  ir::Result<std::vector<float>> read_f32(const StoredTensor& tensor) const;
  // The tensor as rows of data, whatever numbers it holds; `name` is for messages.
  ir::Result<NumberArray> read_array(const StoredTensor& tensor, const std::string& name) const;

 private:
  explicit SafetensorsReader(InputFile file) : file_(std::move(file)) {}
  InputFile file_;
  int64_t data_offset_ = 0;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

struct TensorToStore {
  std::string name;
  ir::Shape shape;
  const float* elements;
};

// F32 tensors, sorted by name and with metadata {"format": "pt"}, as PyTorch's writer does; the data starts at a
// multiple of
// 8. The same tensors give the same bytes. An existing file is replaced as a whole or not at all.
// `metadata` is added; other programs pass over it.
using Metadata = std::map<std::string, std::string>;
ir::Status write_safetensors(const std::string& path, std::vector<TensorToStore> tensors,
                             const Metadata& metadata = {});

}  // namespace gradc::runtime
