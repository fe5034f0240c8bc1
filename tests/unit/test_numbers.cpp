// Numbers of every stored type as float32.
#include "runtime/numbers.h"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>

using namespace gradc::runtime;

namespace {

template <class Number>
std::vector<float> convert(NumberType type, std::initializer_list<Number> numbers, std::optional<size_t> stops = {}) {
  std::vector<std::byte> bytes(numbers.size() * sizeof(Number));
  std::memcpy(bytes.data(), numbers.begin(), bytes.size());
  CHECK(bytes_of(type) == static_cast<int64_t>(sizeof(Number)));
  std::vector<float> values;
  CHECK(convert_numbers(bytes.data(), type, numbers.size(), values) == stops);
  return values;
}

}  // namespace

TEST_CASE("numbers: real ones are rounded") {
  CHECK(convert<float>(NumberType::f32, {1.5f, -0.0f}) == std::vector<float>{1.5f, -0.0f});
  CHECK(convert<double>(NumberType::f64, {0.1, 1e300}) ==
        std::vector<float>{0.1f, std::numeric_limits<float>::infinity()});
  CHECK(convert<uint16_t>(NumberType::f16, {0x3c00, 0xc000, 0x0001}) == std::vector<float>{1, -2, 0x1p-24f});
  CHECK(convert<uint16_t>(NumberType::bf16, {0x3f80, 0xc000}) == std::vector<float>{1, -2});
}

TEST_CASE("numbers: whole ones are exact, or the first that is not is named") {
  CHECK(convert<int8_t>(NumberType::i8, {-128, 127}) == std::vector<float>{-128, 127});
  CHECK(convert<uint8_t>(NumberType::u8, {0, 255}) == std::vector<float>{0, 255});
  CHECK(convert<uint8_t>(NumberType::boolean, {0, 1, 7}) == std::vector<float>{0, 1, 1});
  CHECK(convert<int16_t>(NumberType::i16, {-32768, 32767}) == std::vector<float>{-32768, 32767});
  CHECK(convert<uint16_t>(NumberType::u16, {65535}) == std::vector<float>{65535});
  CHECK(convert<int32_t>(NumberType::i32, {-(1 << 24), INT32_MIN, (1 << 24) + 1}, 2) ==
        std::vector<float>{-0x1p24f, -0x1p31f});
  CHECK(convert<int32_t>(NumberType::i32, {INT32_MAX}, 0).empty());
  CHECK(convert<uint32_t>(NumberType::u32, {0x80000000u, UINT32_MAX}, 1) == std::vector<float>{0x1p31f});
  CHECK(convert<int64_t>(NumberType::i64, {INT64_MIN, INT64_MAX}, 1) == std::vector<float>{-0x1p63f});
  CHECK(convert<uint64_t>(NumberType::u64, {uint64_t{1} << 63, UINT64_MAX}, 1) == std::vector<float>{0x1p63f});
}
