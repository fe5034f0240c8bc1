#include "runtime/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace gradc::runtime {
namespace {

constexpr size_t kBlock = size_t{1} << 16;  // numbers that are converted at once

static_assert(std::endian::native == std::endian::little, "the formats read here are little-endian");

template <class Number>
Number number_at(const std::byte* from, size_t index) {
  Number number;
  std::memcpy(&number, from + index * sizeof(Number), sizeof(Number));
  return number;
}

// IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction. Exact.
float float_from_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide_exponent = exponent == 0x1f ? 0xff : exponent + 112;
  return std::bit_cast<float>(sign | (wide_exponent << 23) | (fraction << 13));
}

template <class Number>
std::optional<size_t> convert_whole(const std::byte* from, size_t count, std::vector<float>& values) {
  for (size_t k = 0; k < count; ++k) {
    const auto number = number_at<Number>(from, k);
    const auto value = static_cast<float>(number);
    // 2^63 and 2^64 themselves do not fit the type: converting back would be undefined.
    const bool fits = value < static_cast<float>(std::numeric_limits<Number>::max()) || sizeof(Number) < 4;
    if (!fits || static_cast<Number>(value) != number) return k;
    values.push_back(value);
  }
  return std::nullopt;
}

}  // namespace

int64_t bytes_of(NumberType type) {
  switch (type) {
    case NumberType::i8:
    case NumberType::u8:
    case NumberType::boolean:
      return 1;
    case NumberType::f16:
    case NumberType::bf16:
    case NumberType::i16:
    case NumberType::u16:
      return 2;
    case NumberType::f32:
    case NumberType::i32:
    case NumberType::u32:
      return 4;
    case NumberType::f64:
    case NumberType::i64:
    case NumberType::u64:
      return 8;
  }
  return 0;
}

std::optional<size_t> convert_numbers(const std::byte* from, NumberType type, size_t count,
                                      std::vector<float>& values) {
  switch (type) {
    case NumberType::f32:
      for (size_t k = 0; k < count; ++k) values.push_back(number_at<float>(from, k));
      return std::nullopt;
    case NumberType::f64:
      for (size_t k = 0; k < count; ++k) values.push_back(static_cast<float>(number_at<double>(from, k)));
      return std::nullopt;
    case NumberType::f16:
      for (size_t k = 0; k < count; ++k) values.push_back(float_from_half(number_at<uint16_t>(from, k)));
      return std::nullopt;
    case NumberType::bf16:
      for (size_t k = 0; k < count; ++k) {
        values.push_back(std::bit_cast<float>(static_cast<uint32_t>(number_at<uint16_t>(from, k)) << 16));
      }
      return std::nullopt;
    case NumberType::boolean:
      for (size_t k = 0; k < count; ++k) values.push_back(number_at<uint8_t>(from, k) != 0 ? 1.0f : 0.0f);
      return std::nullopt;
    case NumberType::i8:
      return convert_whole<int8_t>(from, count, values);
    case NumberType::i16:
      return convert_whole<int16_t>(from, count, values);
    case NumberType::i32:
      return convert_whole<int32_t>(from, count, values);
    case NumberType::i64:
      return convert_whole<int64_t>(from, count, values);
    case NumberType::u8:
      return convert_whole<uint8_t>(from, count, values);
    case NumberType::u16:
      return convert_whole<uint16_t>(from, count, values);
    case NumberType::u32:
      return convert_whole<uint32_t>(from, count, values);
    case NumberType::u64:
      return convert_whole<uint64_t>(from, count, values);
  }
  return std::nullopt;
}

ir::Result<NumberArray> read_numbers(const InputFile& file, const std::string& name, int64_t begin, NumberType type,
                                     const ir::Shape& shape, bool to_the_end) {
  int64_t count = 1;
  const int64_t bytes = bytes_of(type);
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] < 1) return ir::Error{fmt::format("{}: axis {} is empty", name, axis)};
    if (shape[axis] > ir::kMaxElements / count) {
      return ir::Error{fmt::format("{} claims more than {} elements", name, ir::kMaxElements)};
    }
    count *= shape[axis];
  }
  const int64_t held = file.size() - begin;
  if (held < count * bytes) {
    return ir::Error{
        fmt::format("{} ends after {} of the {} elements that its header claims", name, held / bytes, count)};
  }
  if (to_the_end && held > count * bytes) {
    return ir::Error{fmt::format("{} goes on behind the {} elements that its header claims", name, count)};
  }
  NumberArray array{shape, {}};
  array.values.reserve(static_cast<size_t>(count));
  std::vector<std::byte> block;
  while (std::ssize(array.values) < count) {
    const size_t done = array.values.size();
    const size_t some = std::min(kBlock, static_cast<size_t>(count) - done);
    block.resize(some * static_cast<size_t>(bytes));
    if (ir::Status status = file.read(begin + static_cast<int64_t>(done) * bytes, block); !status) {
      return status.take_error();
    }
    if (convert_numbers(block.data(), type, some, array.values)) {
      const auto row = std::ssize(array.values) / (count / (shape.empty() ? 1 : shape[0]));
      return ir::Error{fmt::format("{}: row {}: a whole number that float32 does not hold exactly", name, row + 1)};
    }
  }
  return array;
}

}  // namespace gradc::runtime
