#include "ir/tensor.h"

#include <algorithm>
#include <cmath>

#include "ir/builder.h"

namespace gradc::ir {

double Tensor::at(int64_t index) const {
  return dispatch(type_.dtype, [&](auto zero) { return static_cast<double>(data<decltype(zero)>()[index]); });
}

void Tensor::set(int64_t index, double value) {
  dispatch(type_.dtype, [&](auto zero) {
    using T = decltype(zero);
    data<T>()[index] = static_cast<T>(round_to_dtype(value, type_.dtype));
  });
}

void Tensor::fill(double value) {
  dispatch(type_.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(data<T>(), elements(), static_cast<T>(round_to_dtype(value, type_.dtype)));
  });
}

bool Tensor::same_bits(const Tensor& other) const {
  if (type_ != other.type_) return false;
  if (std::memcmp(bytes(), other.bytes(), byte_count()) == 0) return true;
  return dispatch(type_.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0, count = elements(); i < count; ++i) {
      const T a = data<T>()[i];
      const T b = other.data<T>()[i];
      if (std::memcmp(&a, &b, sizeof(T)) != 0 && !(a != a && b != b)) return false;
    }
    return true;
  });
}

Tensor Tensor::scalar(double value, DType dtype) {
  Tensor tensor(Type{dtype, {}});
  tensor.set(0, value);
  return tensor;
}

}  // namespace gradc::ir
