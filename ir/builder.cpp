#include "ir/builder.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "ir/ensure.h"
#include "ir/shape_rules.h"

namespace gradc::ir {

double round_to_dtype(double value, DType dtype) {
  switch (dtype) {
    case DType::f32:
      return static_cast<double>(static_cast<float>(value));
    case DType::f64:
      return value;
    case DType::i32:
      if (std::isnan(value)) return 0;
      return std::trunc(std::fmin(std::fmax(value, -2147483648.0), 2147483647.0));
    case DType::boolean:
      return value != 0 ? 1 : 0;
  }
  return value;
}

ValueId Builder::parameter(std::string name, Type type, Role role) {
  ENSURE(func_.parameter_count == func_.values.size(), "an argument after other values");
  Value value;
  value.op = Op::parameter;
  value.type = std::move(type);
  value.location = location_;
  value.name = std::move(name);
  value.role = role;
  ++func_.parameter_count;
  return func_.add(std::move(value));
}

ValueId Builder::create(Op op, std::vector<ValueId> operands, Attr attr, Type requested) {
  std::vector<Type> types;
  types.reserve(operands.size());
  for (ValueId operand : operands) types.push_back(type(operand));
  Result<Type> inferred = infer_type(op, types, attr, requested);
  ENSURE(inferred.ok(), fmt::format("{}: {}", op_name(op), inferred.ok() ? "" : inferred.error()));
  Value value;
  value.op = op;
  value.type = std::move(*inferred);
  value.operands = std::move(operands);
  value.attr = std::move(attr);
  value.location = location_;
  return func_.add(std::move(value));
}

ValueId Builder::constant(double value, Type type) {
  return create(Op::constant, {}, ConstantAttr{{round_to_dtype(value, type.dtype)}}, type);
}

ValueId Builder::iota(int64_t axis, Shape shape) {
  return create(Op::iota, {}, AxisAttr{axis}, {DType::i32, std::move(shape)});
}

ValueId Builder::cast(ValueId x, DType dtype) {
  if (type(x).dtype == dtype) return x;
  return create(Op::cast, {x}, NoAttr{}, type(x).with_dtype(dtype));
}

ValueId Builder::broadcast(ValueId x, std::vector<int64_t> axes, Shape shape) {
  if (type(x).shape == shape) return x;
  const DType dtype = type(x).dtype;
  return create(Op::broadcast, {x}, AxesAttr{std::move(axes)}, {dtype, std::move(shape)});
}

ValueId Builder::permute(ValueId x, std::vector<int64_t> axes) {
  std::vector<int64_t> identity(axes.size());
  std::iota(identity.begin(), identity.end(), 0);
  if (axes == identity) return x;
  return create(Op::permute, {x}, AxesAttr{std::move(axes)});
}

ValueId Builder::reshape(ValueId x, Shape shape) {
  if (type(x).shape == shape) return x;
  const DType dtype = type(x).dtype;
  return create(Op::reshape, {x}, NoAttr{}, {dtype, std::move(shape)});
}

ValueId Builder::reduce(ReduceKind kind, ValueId x, std::vector<int64_t> axes) {
  if (axes.empty()) return x;
  return create(Op::reduce, {x}, ReduceAttr{kind, std::move(axes), {}});
}

ValueId Builder::contract(ValueId a, ValueId b, std::string subscripts) {
  return create(Op::contract, {a, b}, ContractAttr{std::move(subscripts), {}});
}

}  // namespace gradc::ir
