// Arrays of numbers in files, whatever type they are stored as, as float32. Tests: tests/unit/test_numbers.cpp,
// tests/golden/cli/arrays.test.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/result.h"
#include "ir/type.h"
#include "runtime/file.h"

namespace gradc::runtime {

// Little-endian.
enum class NumberType : uint8_t { f32, f64, f16, bf16, i8, i16, i32, i64, u8, u16, u32, u64, boolean };

int64_t bytes_of(NumberType type);

// Row-major.
struct NumberArray {
  ir::Shape shape;
  std::vector<float> values;
};

// `count` numbers at `from`. Real numbers are rounded; a whole number that float32 does not hold exactly gives its
// index, and `values` ends before it.
std::optional<size_t> convert_numbers(const std::byte* from, NumberType type, size_t count, std::vector<float>& values);

// The array of that type and shape at byte `begin` of the file; with `to_the_end` nothing may follow. An error where
// the file does not hold it, an axis is empty, or a whole number is not exact in float32. `name` is for messages.
ir::Result<NumberArray> read_numbers(const InputFile& file, const std::string& name, int64_t begin, NumberType type,
                                     const ir::Shape& shape, bool to_the_end);

}  // namespace gradc::runtime
