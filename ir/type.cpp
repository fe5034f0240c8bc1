#include "ir/type.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace gradc::ir {

namespace {
constexpr std::array<std::string_view, 4> kNames = {"f32", "f64", "i32", "bool"};
constexpr std::array<int64_t, 4> kBytes = {4, 8, 4, 1};
}  // namespace

std::string_view dtype_name(DType dtype) { return kNames[static_cast<size_t>(dtype)]; }
int64_t dtype_bytes(DType dtype) { return kBytes[static_cast<size_t>(dtype)]; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::optional<int64_t> checked_element_count(const Shape& shape) {
  if (shape.size() > kMaxRank) return std::nullopt;
  int64_t count = 1;
  for (int64_t extent : shape) {
    if (extent < 1 || extent > kMaxElements / count) return std::nullopt;
    count *= extent;
  }
  return count;
}

std::vector<int64_t> row_major_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::optional<Shape> common_refinement(const Shape& a, const Shape& b) {
  std::set<int64_t> strides;
  for (const Shape* shape : {&a, &b}) {
    int64_t stride = 1;
    for (size_t i = shape->size(); i-- > 0;) strides.insert(stride *= (*shape)[i]);
  }
  Shape refined;
  int64_t inner = 1;
  for (int64_t stride : strides) {
    if (stride % inner != 0) return std::nullopt;
    if (stride != inner) refined.insert(refined.begin(), stride / inner);
    inner = stride;
  }
  return refined;
}

bool begins_with(const Shape& shape, const Shape& prefix) {
  Shape all = shape, first = prefix;
  std::erase(all, 1);
  std::erase(first, 1);
  return first.size() <= all.size() && std::equal(first.begin(), first.end(), all.begin());
}

int64_t Type::elements() const {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

std::string to_string(const Type& type) {
  return fmt::format("{}[{}]", dtype_name(type.dtype), fmt::join(type.shape, ","));
}

}  // namespace gradc::ir
