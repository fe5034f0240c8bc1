// Appends values to a function. Operand types must fit: a misfit is our fault (ENSURE), so callers that handle user
// input check first. Every value made carries the current place, set by `at`.
#pragma once
#include <string>
#include <vector>

#include "ir/graph.h"

namespace gradc::ir {

class Builder {
 public:
  explicit Builder(Func& func) : func_(func) {}

  void at(SourceLocation location) { location_ = location; }
  SourceLocation location() const { return location_; }
  Func& func() { return func_; }
  const Type& type(ValueId id) const { return func_[id].type; }

  // Arguments come before any other value.
  ValueId parameter(std::string name, Type type, Role role);
  void result(std::string name, ValueId value) { func_.results.push_back({std::move(name), value}); }

  // Any operation; `requested` as in infer_type.
  ValueId create(Op op, std::vector<ValueId> operands, Attr attr = NoAttr{}, Type requested = {});

  ValueId constant(double value, Type type);  // `value` everywhere; rounded to the dtype
  ValueId constant_like(double value, ValueId like) { return constant(value, type(like)); }
  ValueId iota(int64_t axis, Shape shape);
  ValueId unary(Op op, ValueId x) { return create(op, {x}); }
  ValueId binary(Op op, ValueId a, ValueId b) { return create(op, {a, b}); }
  ValueId neg(ValueId x) { return create(Op::neg, {x}); }
  ValueId add(ValueId a, ValueId b) { return create(Op::add, {a, b}); }
  ValueId sub(ValueId a, ValueId b) { return create(Op::sub, {a, b}); }
  ValueId mul(ValueId a, ValueId b) { return create(Op::mul, {a, b}); }
  ValueId div(ValueId a, ValueId b) { return create(Op::div, {a, b}); }
  ValueId select(ValueId condition, ValueId a, ValueId b) { return create(Op::select, {condition, a, b}); }
  ValueId cast(ValueId x, DType dtype);  // x itself where it has that dtype
  // Operand axis k becomes result axis axes[k] of `shape`; x itself where nothing changes.
  ValueId broadcast(ValueId x, std::vector<int64_t> axes, Shape shape);
  ValueId broadcast_scalar(ValueId x, Shape shape) { return broadcast(x, {}, std::move(shape)); }
  ValueId permute(ValueId x, std::vector<int64_t> axes);                  // x itself where the order does not change
  ValueId reshape(ValueId x, Shape shape);                                // x itself where it has that shape
  ValueId reduce(ReduceKind kind, ValueId x, std::vector<int64_t> axes);  // x itself without axes
  ValueId contract(ValueId a, ValueId b, std::string subscripts);

 private:
  Func& func_;
  SourceLocation location_;
};

// `value` as the nearest number of the dtype (f32: rounded; i32: truncated and saturated; bool: != 0).
double round_to_dtype(double value, DType dtype);

}  // namespace gradc::ir
