// Arithmetic on values: scalars in the scalar graph, tensors in tensor IR. Alignment lives here: operands whose axes
// differ are permuted and broadcast onto the union of their axes, in ascending order of the axis numbers (batch first,
// then the left side's indices, then reduced ones).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "frontend/elaborator.h"

namespace gradc::frontend {

using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {
constexpr double kLargestInteger = 9007199254740992.0;  // 2^53

// As the spec has it: `>`, where the operation is `less`.
std::string operator_word(Op op, const Expr* at) {
  const bool written = at->kind == ExprKind::unary || at->kind == ExprKind::binary;
  return written ? at->text : std::string(ir::op_name(op));
}
}  // namespace

std::string Elaborator::shape_text(const Tensor& tensor) const {
  return type_text(sample_shape(tensor), tensor.limit, tensor.home->type(tensor).dtype);
}

// f32[2, 3], idx<10>[4]
std::string Elaborator::type_text(const ir::Shape& shape, int64_t limit, DType dtype) const {
  const std::string text = ir::to_string({dtype, shape});
  return limit > 0 ? fmt::format("idx<{}>{}", limit, text.substr(text.find('['))) : text;
}

ir::Shape Elaborator::sample_shape(const Tensor& tensor) const {
  ir::Shape shape = tensor.home->type(tensor).shape;
  if (tensor.batched()) shape.erase(shape.begin());
  return shape;
}

std::string Elaborator::describe(const Value& value) const {
  if (const auto* scalar = std::get_if<Scalar>(&value)) {
    if (scalar->is_boolean()) return "a truth value";
    return scalar->is_integer() ? "a whole number" : "a real number";
  }
  if (const auto* tensor = std::get_if<Tensor>(&value)) return fmt::format("a tensor `{}`", shape_text(*tensor));
  if (const auto* instance = std::get_if<InstanceRef>(&value)) {
    return fmt::format("an instance of layer `{}`", instances_[instance->index].layer->name.text);
  }
  if (const auto* function = std::get_if<Callable>(&value)) {
    if (!function->definition) return fmt::format("the built-in function `{}`", function->builtin);
    return fmt::format("{} `{}`", definition_word(function->definition->kind), function->definition->name.text);
  }
  if (std::holds_alternative<Pack>(value)) return "a pack of dimensions";
  return "nothing";
}

// Whether the value may stand where it does: a tensor of the function being built.
bool Elaborator::usable(const Value& value, const Expr* at) {
  const auto* tensor = std::get_if<Tensor>(&value);
  if (!tensor || tensor->home == context_.target) return true;
  error(at->span, "an initial value cannot use tensors: it is computed before the first step")
      .help("initial values are made of numbers, dimensions and draws such as `uniform(a, b)`");
  return false;
}

Tensor Elaborator::cast(const Tensor& tensor, DType dtype) {
  Tensor result = tensor;
  result.id = context_.target->builder().cast(tensor.id, dtype);
  if (dtype != DType::i32) result.limit = 0;
  return result;
}

// As a tensor of the current function: reals as f32; whole numbers stay i32 with `keep_integer`; truth values as bool.
std::optional<Tensor> Elaborator::to_tensor(const Value& value, const Expr* at, bool keep_integer) {
  if (is_broken(value)) return std::nullopt;
  ir::Builder& builder = context_.target->builder();
  if (const auto* tensor = std::get_if<Tensor>(&value)) {
    if (!usable(value, at)) return std::nullopt;
    const DType dtype = context_.target->type(*tensor).dtype;
    if (dtype == DType::i32 && !keep_integer) return cast(*tensor, DType::f32);
    return *tensor;
  }
  const auto* scalar = std::get_if<Scalar>(&value);
  if (!scalar) {
    auto& message = error(at->span, fmt::format("expected a number or a tensor, found {}", describe(value)));
    const auto* function = std::get_if<Callable>(&value);
    if (std::holds_alternative<InstanceRef>(value)) message.help("pass it a value: `x |> f` or `f(x)`");
    if (function && function->definition && function->definition->kind == DefinitionKind::layer) {
      message.help(
          fmt::format("make an instance and pass it a value: `x |> {}(...)`", function->definition->name.text));
    }
    return std::nullopt;
  }
  Tensor result{context_.target, {}, {}};
  if (!scalar->known() && context_.target->kind() == Target::Kind::step) {
    Scalar number = *scalar;
    if (number.is_boolean()) number = scalars_.select(number, real_scalar(1), real_scalar(0));
    const std::string& name = scalars_.output_name(number.node);
    result.id = context_.target->argument(name, {DType::f32, {}}, ir::Role::hyper, at->location);
    if (scalar->is_boolean()) result.id = builder.binary(Op::less, builder.constant(0, {DType::f32, {}}), result.id);
    return result;
  }
  if (scalar->timed) {
    error(at->span, "`t` changes from step to step and cannot be part of an initial value");
    return std::nullopt;
  }
  const DType dtype = scalar->is_boolean()                   ? DType::boolean
                      : scalar->is_integer() && keep_integer ? DType::i32
                                                             : DType::f32;
  result.id = builder.constant(scalar->value, {dtype, {}});
  result.zero = scalar->is_zero();
  return result;
}

// The tensor on the axes `axes` of extents `sizes`; its own axes are among them.
std::optional<Tensor> Elaborator::spread(const Tensor& tensor, const std::vector<int>& axes, const ir::Shape& sizes,
                                         ir::SourceLocation location) {
  if (tensor.axes == axes) return tensor;
  if (!fits(sizes, location, "an intermediate value")) return std::nullopt;
  ir::Builder& builder = context_.target->builder();
  std::vector<int64_t> order, places;
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto own = std::find(tensor.axes.begin(), tensor.axes.end(), axes[k]);
    if (own == tensor.axes.end()) continue;
    order.push_back(own - tensor.axes.begin());
    places.push_back(static_cast<int64_t>(k));
  }
  Tensor result = tensor;
  result.axes = axes;
  // A constant is made in its final shape.
  const ir::Value& value = context_.target->func()[tensor.id];
  if (value.op == Op::constant && value.type.is_scalar()) {
    result.id = builder.constant(std::get<ir::ConstantAttr>(value.attr).values[0], {value.type.dtype, sizes});
    return result;
  }
  result.id = builder.broadcast(builder.permute(tensor.id, order), places, sizes);
  return result;
}

// All tensors on the union of their axes.
bool Elaborator::align(std::vector<Tensor*> tensors, const Expr* at) {
  std::map<int, int64_t> sizes;
  for (const Tensor* tensor : tensors) {
    const ir::Shape& shape = context_.target->type(*tensor).shape;
    for (size_t k = 0; k < shape.size(); ++k) sizes[tensor->axes[k]] = shape[k];
  }
  std::vector<int> axes;
  ir::Shape shape;
  for (const auto& [axis, size] : sizes) {
    axes.push_back(axis);
    shape.push_back(size);
  }
  for (Tensor* tensor : tensors) {
    const std::optional<Tensor> wide = spread(*tensor, axes, shape, at->location);
    if (!wide) return false;
    *tensor = *wide;
  }
  return true;
}

// In plain expressions: equal shapes, or a scalar with a tensor (Rule 2).
bool Elaborator::check_same_shape(const Tensor& a, const Tensor& b, const Expr* at) {
  if (context_.indexed || a.rank() == 0 || b.rank() == 0) return true;
  if (sample_shape(a) == sample_shape(b)) return true;
  auto& message = error(at->location, fmt::format("the shapes {} and {} differ", shape_text(a), shape_text(b)));
  if (at->operands.size() >= 2) {
    const size_t first = at->operands.size() - 2;
    message.label(at->operands[first]->span, shape_text(a)).label(at->operands[first + 1]->span, shape_text(b));
  }
  message.help("nothing is broadcast by itself; say it with an index equation: `let y[i, j] = a[i, j] + b[j]`");
  return false;
}

Value Elaborator::unary(Op op, const Value& x, const Expr* at) {
  if (is_broken(x)) return Broken{};
  context_.target->builder().at(at->location);
  scalars_.at(at->location);
  const bool logical = op == Op::logical_not;
  if (const auto* scalar = std::get_if<Scalar>(&x)) {
    if (scalar->is_boolean() != logical) {
      error(at->span, fmt::format("`{}` takes {}, not {}", operator_word(op, at),
                                  logical ? "a truth value" : "a number", describe(x)));
      return Broken{};
    }
    if (scalar->known() && ((op == Op::sqrt && scalar->value < 0) || (op == Op::log && scalar->value <= 0))) {
      error(at->span, fmt::format("`{}` of {} is not a number", ir::op_name(op), scalar->value));
      return Broken{};
    }
    return scalars_.unary(op, *scalar);
  }
  std::optional<Tensor> tensor = to_tensor(x, at, op == Op::neg || op == Op::abs);
  if (!tensor) return Broken{};
  const bool is_boolean = context_.target->type(*tensor).dtype == DType::boolean;
  if (is_boolean != logical) {
    error(at->span,
          fmt::format("`{}` takes {}", operator_word(op, at), logical ? "truth values" : "numbers, not truth values"))
        .help(is_boolean ? "`if c then 1 else 0` makes numbers of truth values" : "compare: `x > 0`");
    return Broken{};
  }
  tensor->id = context_.target->builder().unary(op, tensor->id);
  tensor->zero = false;
  tensor->limit = 0;
  return *tensor;
}

Value Elaborator::binary(const std::string& symbol, const Value& a, const Value& b, const Expr* at) {
  if (is_broken(a) || is_broken(b)) return Broken{};
  if (symbol == "+") return apply_binary(Op::add, a, b, at);
  if (symbol == "-") return apply_binary(Op::sub, a, b, at);
  if (symbol == "*") return apply_binary(Op::mul, a, b, at);
  if (symbol == "/") return apply_binary(Op::div, a, b, at);
  if (symbol == "^") return power(a, b, at);
  if (symbol == "<") return apply_binary(Op::less, a, b, at);
  if (symbol == ">") return apply_binary(Op::less, b, a, at);
  if (symbol == "<=") return apply_binary(Op::less_equal, a, b, at);
  if (symbol == ">=") return apply_binary(Op::less_equal, b, a, at);
  if (symbol == "==") return apply_binary(Op::equal, a, b, at);
  if (symbol == "!=") {
    const Value equal = apply_binary(Op::equal, a, b, at);
    return is_broken(equal) ? equal : unary(Op::logical_not, equal, at);
  }
  if (symbol == "and") return apply_binary(Op::logical_and, a, b, at);
  if (symbol == "or") return apply_binary(Op::logical_or, a, b, at);
  // Floor division.
  const auto* x = std::get_if<Scalar>(&a);
  const auto* y = std::get_if<Scalar>(&b);
  if (y && y->known() && y->value == 0) {
    error(at->location, "division by 0").label(at->span);
    return Broken{};
  }
  if (!x || !y || !x->known() || !y->known()) return floor_division(a, b, at);
  Scalar result = *x;
  result.kind = x->is_integer() && y->is_integer() ? Scalar::Kind::integer : Scalar::Kind::real;
  result.value = std::floor(x->value / y->value);
  result.divisor = 0;
  return result;
}

// At run time: whole tensors of whole numbers stay so, all else is rounded down.
Value Elaborator::floor_division(const Value& a, const Value& b, const Expr* at) {
  const auto whole = [&](const Value& value) {
    const auto* scalar = std::get_if<Scalar>(&value);
    const auto* tensor = std::get_if<Tensor>(&value);
    return (scalar && scalar->is_integer() && scalar->known()) ||
           (tensor && tensor->home->type(*tensor).dtype == DType::i32);
  };
  if (!whole(a) || !whole(b)) return unary(Op::floor, apply_binary(Op::div, a, b, at), at);
  std::optional<Tensor> left = to_tensor(a, at, true);
  std::optional<Tensor> right = left ? to_tensor(b, at, true) : std::nullopt;
  if (!left || !right || !check_same_shape(*left, *right, at) || !align({&*left, &*right}, at)) return Broken{};
  context_.target->builder().at(at->location);
  left->id = context_.target->builder().div(left->id, right->id);
  // An index divided by a number that is known is an index of a shorter axis.
  const auto* divisor = std::get_if<Scalar>(&b);
  const bool shorter = left->limit > 0 && divisor != nullptr && divisor->value >= 1;
  left->limit = shorter ? (left->limit - 1) / static_cast<int64_t>(divisor->value) + 1 : 0;
  left->zero = false;
  return *left;
}

Value Elaborator::apply_binary(Op op, Value a, Value b, const Expr* at) {
  if (is_broken(a) || is_broken(b)) return Broken{};
  ir::Builder& builder = context_.target->builder();
  builder.at(at->location);
  scalars_.at(at->location);
  const bool logical = op == Op::logical_and || op == Op::logical_or;
  const auto* x = std::get_if<Scalar>(&a);
  const auto* y = std::get_if<Scalar>(&b);
  if (x && y) {
    if (x->is_boolean() != logical || y->is_boolean() != logical) {
      error(at->location,
            fmt::format("`{}` takes {}", operator_word(op, at), logical ? "truth values" : "numbers, not truth values"))
          .label(at->span, fmt::format("{} and {}", describe(a), describe(b)));
      return Broken{};
    }
    if (op == Op::div && y->known() && y->value == 0) {
      error(at->location, "division by 0").label(at->span);
      return Broken{};
    }
    Scalar result = scalars_.binary(op, *x, *y);
    if (result.divisor != 0 && at->kind == ExprKind::binary) result.division = at;
    if (result.known() && result.is_integer() && std::fabs(result.value) > kLargestInteger) {
      error(at->location, "the whole number is above 2^53").label(at->span);
      return Broken{};
    }
    return result;
  }
  // What divides by the number of samples minus 1 must still predict one row.
  if (op == Op::div && y && y->is_zero() && !overrides_.batch) {
    error(at->location, "division by 0").label(at->span);
    return Broken{};
  }
  const auto* divisor = std::get_if<Tensor>(&b);
  if (op == Op::div && divisor && divides_by_zero(*divisor)) {
    error(at->location, fmt::format("division by 0 in the last batch of an epoch, which has {} row{}", last_batch_rows_,
                                    last_batch_rows_ == 1 ? "" : "s"))
        .label(at->span)
        .help(fmt::format("choose a `batch` other than {}", program_.batch));
    return Broken{};
  }
  // Whole numbers with whole numbers stay so, except under division.
  const auto whole = [&](const Value& value) {
    if (const auto* scalar = std::get_if<Scalar>(&value)) {
      return scalar->is_integer() && scalar->known() && std::fabs(scalar->value) < 2147483648.0;
    }
    const auto* tensor = std::get_if<Tensor>(&value);
    return tensor && tensor->home->type(*tensor).dtype == DType::i32;
  };
  const bool integers = op != Op::div && op != Op::pow && whole(a) && whole(b);
  std::optional<Tensor> left = to_tensor(a, at, integers);
  std::optional<Tensor> right = left ? to_tensor(b, at, integers) : std::nullopt;
  if (!left || !right) return Broken{};
  const bool left_boolean = context_.target->type(*left).dtype == DType::boolean;
  const bool right_boolean = context_.target->type(*right).dtype == DType::boolean;
  if (left_boolean != logical || right_boolean != logical) {
    error(at->location,
          fmt::format("`{}` takes {}", operator_word(op, at), logical ? "truth values" : "numbers, not truth values"))
        .label(at->span, fmt::format("{} and {}", describe(a), describe(b)))
        .help(logical ? "compare: `x > 0`" : "`if c then 1 else 0` makes numbers of truth values");
    return Broken{};
  }
  if (!check_same_shape(*left, *right, at)) return Broken{};
  // A literal 0 is folded (Rule 7).
  const bool zero_product = op == Op::mul && (left->zero || right->zero);
  const bool left_neutral = op == Op::add && left->zero;
  const bool right_neutral = (op == Op::add || op == Op::sub) && right->zero;
  if (!align({&*left, &*right}, at)) return Broken{};
  if (zero_product) {
    Tensor result = *left;
    result.id = builder.constant_like(0, left->id);
    result.zero = true;
    result.limit = 0;
    return result;
  }
  if (right_neutral) return *left;
  if (left_neutral) return *right;
  Tensor result = *left;
  result.id = builder.binary(op, left->id, right->id);
  result.zero = false;
  result.limit = 0;
  return result;
}

// A power that is a whole number known while compiling is multiplication (Rule 6): squares from the lowest bit of the
// exponent, the result taking up each square whose bit is set. Any other is the function `pow`.
Value Elaborator::power(const Value& base, const Value& exponent, const Expr* at) {
  const auto* x = std::get_if<Scalar>(&base);
  const auto* n = std::get_if<Scalar>(&exponent);
  scalars_.at(at->location);
  if (x && n) {
    if (x->is_boolean() || n->is_boolean()) {
      error(at->location, "`^` takes numbers, not truth values").label(at->span);
      return Broken{};
    }
    if (x->known() && n->known() && x->value == 0 && n->value < 0) {
      error(at->location, "division by 0: a negative power of 0").label(at->span);
      return Broken{};
    }
    const Scalar result = scalars_.power(*x, *n);
    if (result.known() && result.is_integer() && std::fabs(result.value) > kLargestInteger) {
      error(at->location, "the whole number is above 2^53").label(at->span);
      return Broken{};
    }
    if (result.known() && !std::isfinite(result.value)) {
      error(at->location, "the power is not a finite number").label(at->span);
      return Broken{};
    }
    return result;
  }
  std::optional<Tensor> tensor = to_tensor(base, at, true);
  if (!tensor) return Broken{};
  if (context_.target->type(*tensor).dtype == DType::boolean) {
    error(at->location, "`^` takes numbers, not truth values").label(at->span);
    return Broken{};
  }
  const bool whole = n && n->known() && std::trunc(n->value) == n->value && std::fabs(n->value) <= 1024;
  if (n && n->known() && n->value == 0.5) return unary(Op::sqrt, cast(*tensor, DType::f32), at);
  if (!whole) return apply_binary(Op::pow, base, exponent, at);
  ir::Builder& builder = context_.target->builder();
  builder.at(at->location);
  if (n->value < 0) tensor = cast(*tensor, DType::f32);
  tensor->limit = 0;
  tensor->zero = tensor->zero && n->value > 0;
  Tensor result = *tensor, square = *tensor;
  if (n->value == 0) result.id = builder.constant_like(1, result.id);
  bool first = true;
  for (auto rest = static_cast<int64_t>(std::fabs(n->value)); rest > 0;) {
    if (rest & 1) {
      result.id = first ? square.id : builder.mul(result.id, square.id);
      first = false;
    }
    rest >>= 1;
    if (rest > 0) square.id = builder.mul(square.id, square.id);
  }
  if (n->value < 0) result.id = builder.div(builder.constant_like(1, result.id), result.id);
  return result;
}

Value Elaborator::choose(const Value& condition, const Value& a, const Value& b, const Expr* at) {
  if (is_broken(condition) || is_broken(a) || is_broken(b)) return Broken{};
  context_.target->builder().at(at->location);
  scalars_.at(at->location);
  const auto* c = std::get_if<Scalar>(&condition);
  const auto* x = std::get_if<Scalar>(&a);
  const auto* y = std::get_if<Scalar>(&b);
  if (c && x && y && x->is_boolean() == y->is_boolean()) return scalars_.select(*c, *x, *y);
  std::optional<Tensor> test = to_tensor(condition, at->operands[0]);
  if (!test) return Broken{};
  const auto integer = [&](const Value& value) {
    const auto* tensor = std::get_if<Tensor>(&value);
    const auto* scalar = std::get_if<Scalar>(&value);
    return (tensor && tensor->home->type(*tensor).dtype == DType::i32) ||
           (scalar && scalar->known() && scalar->is_integer());
  };
  const bool integers = integer(a) && integer(b) && !(x && y);
  std::optional<Tensor> left = to_tensor(a, at->operands[1], integers);
  std::optional<Tensor> right = left ? to_tensor(b, at->operands[2], integers) : std::nullopt;
  if (!left || !right) return Broken{};
  if (context_.target->type(*left).dtype != context_.target->type(*right).dtype) {
    error(at->location, "one branch gives truth values, the other numbers")
        .label(at->operands[1]->span, describe(a))
        .label(at->operands[2]->span, describe(b));
    return Broken{};
  }
  if (!check_same_shape(*left, *right, at)) return Broken{};
  if (!check_same_shape(*test, left->rank() > 0 ? *left : *right, at)) return Broken{};
  if (!align({&*test, &*left, &*right}, at)) return Broken{};
  Tensor result = *left;
  result.id = context_.target->builder().select(test->id, left->id, right->id);
  result.zero = false;
  result.limit = left->limit > 0 && right->limit > 0 ? std::max(left->limit, right->limit) : 0;
  return result;
}

}  // namespace gradc::frontend
