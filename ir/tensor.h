// A tensor's values in the host's memory, row-major, as the interpreter and the file readers hold them.
#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "ir/type.h"

namespace gradc::ir {

// The C++ type that holds one element: float, double, int32_t, uint8_t (0 or 1).
template <DType>
struct ElementOf;
template <>
struct ElementOf<DType::f32> {
  using type = float;
};
template <>
struct ElementOf<DType::f64> {
  using type = double;
};
template <>
struct ElementOf<DType::i32> {
  using type = int32_t;
};
template <>
struct ElementOf<DType::boolean> {
  using type = uint8_t;
};

// Makes a vector's new elements without a value.
template <class T>
struct WithoutValue : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = WithoutValue<U>;
  };
  template <class U>
  void construct(U* place) {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    std::construct_at(place, std::forward<Arguments>(arguments)...);
  }
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Type type) : Tensor(without_values(std::move(type))) {  // zeros
    if (!bytes_.empty()) std::memset(bytes_.data(), 0, bytes_.size());
  }
  // For one whose elements are all written next.
  static Tensor without_values(Type type) {
    Tensor tensor;
    tensor.bytes_.resize(static_cast<size_t>(type.bytes()));
    tensor.type_ = std::move(type);
    return tensor;
  }

  const Type& type() const { return type_; }
  int64_t elements() const { return type_.elements(); }
  size_t byte_count() const { return bytes_.size(); }
  std::byte* bytes() { return bytes_.data(); }
  const std::byte* bytes() const { return bytes_.data(); }
  // T is the element type of the dtype; not checked.
  template <class T>
  T* data() {
    return reinterpret_cast<T*>(bytes_.data());
  }
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(bytes_.data());
  }
  double at(int64_t index) const;         // any dtype, as a double (exact)
  void set(int64_t index, double value);  // rounded to the dtype
  void fill(double value);                // the same for every element

  // Same type and bits; all NaNs are alike, because their payload differs between processors.
  bool same_bits(const Tensor& other) const;

  static Tensor scalar(double value, DType dtype);

 private:
  Type type_;
  std::vector<std::byte, WithoutValue<std::byte>> bytes_;
};

// Calls f(element pointer type tag) with a value of the element type of `dtype`: dispatch(dtype, [&](auto zero) {...}).
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f64:
      return f(double{});
    case DType::i32:
      return f(int32_t{});
    case DType::boolean:
      return f(uint8_t{});
    case DType::f32:
      break;
  }
  return f(float{});
}

}  // namespace gradc::ir
