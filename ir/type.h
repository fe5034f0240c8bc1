// Tensor types: an element type and a static shape.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gradc::ir {

enum class DType : uint8_t { f32, f64, i32, boolean };

std::string_view dtype_name(DType dtype);  // "f32" "f64" "i32" "bool"
std::optional<DType> dtype_from_name(std::string_view name);
int64_t dtype_bytes(DType dtype);  // size in memory: 4, 8, 4, 1
inline bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }

using Shape = std::vector<int64_t>;

// No tensor may have more elements than this (16 GiB of f32), so that sizes and offsets never overflow int64.
inline constexpr int64_t kMaxElements = int64_t{1} << 32;
inline constexpr size_t kMaxRank = 16;

// The product of the extents; nullopt where one is below 1, the rank is above kMaxRank or the product above
// kMaxElements.
std::optional<int64_t> checked_element_count(const Shape& shape);
// Row-major strides in elements.
std::vector<int64_t> row_major_strides(const Shape& shape);
// The shortest shape whose axes, joined with their neighbours, give both; nullopt where there is none ([2, 3] and
// [3, 2]). Both have the same number of elements, at least 1.
std::optional<Shape> common_refinement(const Shape& a, const Shape& b);
// Whether the axes of `shape` longer than 1 begin with those of `prefix`.
bool begins_with(const Shape& shape, const Shape& prefix);

struct Type {
  DType dtype = DType::f32;
  Shape shape;

  bool operator==(const Type&) const = default;
  size_t rank() const { return shape.size(); }
  bool is_scalar() const { return shape.empty(); }
  int64_t elements() const;  // of a type that has been checked
  int64_t bytes() const { return elements() * dtype_bytes(dtype); }
  Type with_dtype(DType other) const { return {other, shape}; }
};

std::string to_string(const Type& type);  // f32[32,5], f32[]

}  // namespace gradc::ir
