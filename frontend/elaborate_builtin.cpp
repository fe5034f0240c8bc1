// The functions that the language has built in.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "frontend/elaborator.h"

namespace gradc::frontend {

using ir::Op;

namespace {

// FNV-1a, 32 bits (Fowler, Noll, Vo): the place of a draw is the hash of its name.
int64_t place_of(const std::string& name) {
  uint32_t hash = 2166136261u;
  for (char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 16777619u;
  }
  return static_cast<int64_t>(hash);
}

}  // namespace

Value Elaborator::apply_builtin(const std::string& name, const std::vector<Value>& arguments, const Expr* at) {
  for (const Value& argument : arguments) {
    if (is_broken(argument)) return Broken{};
  }
  const auto takes = [&](size_t count) {
    if (arguments.size() == count) return true;
    error(at->span,
          fmt::format("`{}` takes {} argument{}, found {}", name, count, count == 1 ? "" : "s", arguments.size()));
    return false;
  };
  static constexpr std::pair<const char*, Op> kUnary[] = {{"exp", Op::exp}, {"log", Op::log},   {"sqrt", Op::sqrt},
                                                          {"abs", Op::abs}, {"tanh", Op::tanh}, {"erf", Op::erf},
                                                          {"sin", Op::sin}, {"cos", Op::cos},   {"floor", Op::floor}};
  for (const auto& [word, op] : kUnary) {
    if (name == word) return takes(1) ? unary(op, arguments[0], at) : Value(Broken{});
  }
  if (name == "max" || name == "min") {
    if (!takes(2)) return Broken{};
    return apply_binary(name == "max" ? Op::max : Op::min, arguments[0], arguments[1], at);
  }
  if (name == "pow") return takes(2) ? power(arguments[0], arguments[1], at) : Value(Broken{});
  if (name == "random") return takes(0) ? random(at) : Value(Broken{});
  if (name != "rank") {
    error(at->span, fmt::format("`{}` is written with its arguments behind it", name))
        .help(fmt::format("write `{}(...)`", name));
    return Broken{};
  }
  if (!takes(1)) return Broken{};
  const auto* tensor = std::get_if<Tensor>(&arguments[0]);
  if (tensor && !context_.indexed) return integer_scalar(static_cast<double>(tensor->rank()));
  error(at->span, fmt::format("`rank` takes a whole tensor, found {}", describe(arguments[0])));
  return Broken{};
}

// A uniform draw in (0, 1) of the shape that is being filled: Philox of (seed, step, place, sample, element).
Value Elaborator::random(const Expr* at) {
  if (draws_ < 0) {
    error(at->span, "a draw stands only in an initial value and after `~`")
        .help("in a data block write `let a ~ uniform(0, 1)`");
    return Broken{};
  }
  const std::string name = draws_ == 0 ? draw_name_ : fmt::format("{}#{}", draw_name_, draws_);
  ++draws_;
  const ir::ValueId key = context_.target->argument("key", {ir::DType::i32, {3}}, ir::Role::key, train_->location);
  Tensor result{context_.target, {}, {}};
  if (draw_sample_) result.axes.push_back(kBatchAxis);
  for (size_t k = draw_sample_ ? 1 : 0; k < draw_shape_.size(); ++k) {
    result.axes.push_back(static_cast<int>(k - (draw_sample_ ? 1 : 0)));
  }
  result.id = context_.target->builder().create(Op::random, {key}, ir::RandomAttr{place_of(name), draw_sample_},
                                                {ir::DType::f32, draw_shape_});
  return result;
}

// reshape(x, [2, 3]), concat(a, b, axis = 0), pad(x, [1/1, 0/0], value = 0)
Value Elaborator::whole_tensor_builtin(const Expr* expr, const std::string& name) {
  if (context_.indexed || context_.frame->kind == Frame::Kind::function) {
    error(expr->span, fmt::format("`{}` works on whole tensors", name))
        .help("give its result a name with `let` before the equation");
    return Broken{};
  }
  // What these take by name: one thing each.
  const std::string option = name == "concat" ? "axis" : name == "pad" ? "value" : "";
  std::vector<const Expr*> positional;
  const Expr* given = nullptr;
  for (const Argument& argument : expr->arguments) {
    if (argument.name.text.empty()) {
      positional.push_back(argument.value);
    } else if (argument.name.text == option) {
      given = argument.value;
    } else {
      auto& message = error(argument.name.location, fmt::format("`{}` has no argument `{}`", name, argument.name.text));
      if (!option.empty()) message.help(fmt::format("what it takes by name is `{}`", option));
      return Broken{};
    }
  }
  if (name == "pad") return pad(expr, positional, given);
  return name == "reshape" ? reshape(expr, positional) : concat(expr, positional, given);
}

Value Elaborator::reshape(const Expr* expr, const std::vector<const Expr*>& arguments) {
  if (arguments.size() != 2 || arguments[1]->kind != ExprKind::list) {
    error(expr->span, "`reshape` takes a tensor and a list of dimensions").help("write `reshape(x, [2, 3])`");
    return Broken{};
  }
  const Value value = evaluate(arguments[0]);
  std::optional<Tensor> tensor = to_tensor(value, arguments[0], true);
  if (!tensor) return Broken{};
  ir::Shape shape;
  double elements = 1, found = 1;
  for (const Expr* dimension : arguments[1]->operands) {
    const std::optional<int64_t> size = evaluate_integer(dimension, "a dimension", 1);
    if (!size) return Broken{};
    shape.push_back(*size);
    elements *= static_cast<double>(*size);
  }
  for (int64_t size : sample_shape(*tensor)) found *= static_cast<double>(size);
  if (elements != found) {
    error(expr->span, fmt::format("`reshape` keeps the number of elements: {} has {}, the list {}", shape_text(*tensor),
                                  found, elements))
        .label(arguments[0]->span, shape_text(*tensor))
        .label(arguments[1]->span, fmt::format("{} elements", elements));
    return Broken{};
  }
  if (!fits(shape, expr->span, "the result of `reshape`")) return Broken{};
  Tensor result{context_.target, {}, {}};
  result.limit = tensor->limit;
  if (tensor->batched()) {
    result.axes.push_back(kBatchAxis);
    shape.insert(shape.begin(), context_.target->type(*tensor).shape[0]);
  }
  for (size_t k = 0; k < arguments[1]->operands.size(); ++k) result.axes.push_back(static_cast<int>(k));
  context_.target->builder().at(expr->location);
  result.id = context_.target->builder().reshape(tensor->id, shape);
  return result;
}

// Whole numbers stay so where all parts are; below the largest of the parts' limits where all have one.
Value Elaborator::concat(const Expr* expr, const std::vector<const Expr*>& parts, const Expr* axis_expr) {
  int64_t axis = 0;
  if (axis_expr) {
    const std::optional<int64_t> given = evaluate_integer(axis_expr, "the axis", 0);
    if (!given) return Broken{};
    axis = *given;
  }
  if (parts.empty()) {
    error(expr->span, "`concat` takes at least one tensor");
    return Broken{};
  }
  std::vector<Tensor> tensors;
  bool integers = true, batched = false;
  int64_t limit = 0, lowest_limit = ir::kMaxElements;
  for (const Expr* part : parts) {
    const Value value = evaluate(part);
    std::optional<Tensor> tensor = to_tensor(value, part, true);
    if (!tensor) return Broken{};
    const ir::DType dtype = context_.target->type(*tensor).dtype;
    if (dtype == ir::DType::boolean) {
      error(part->span, "`concat` takes numbers, not truth values")
          .help("`if c then 1 else 0` makes numbers of truth values");
      return Broken{};
    }
    ir::Shape shape = sample_shape(*tensor);
    if (axis >= static_cast<int64_t>(shape.size())) {
      error(part->span, fmt::format("`{}` has no axis {}", shape_text(*tensor), axis))
          .label(part->span, shape_text(*tensor))
          .help("axes are counted from 0");
      return Broken{};
    }
    if (!tensors.empty()) {
      ir::Shape first = sample_shape(tensors[0]);
      if (first.size() == shape.size()) first[static_cast<size_t>(axis)] = shape[static_cast<size_t>(axis)];
      if (first != shape) {
        error(part->span, "the parts of `concat` differ in other axes than the one they are joined along")
            .label(parts[0]->span, shape_text(tensors[0]))
            .label(part->span, shape_text(*tensor));
        return Broken{};
      }
    }
    integers = integers && dtype == ir::DType::i32;
    batched = batched || tensor->batched();
    limit = std::max(limit, tensor->limit);
    lowest_limit = std::min(lowest_limit, tensor->limit);
    tensors.push_back(std::move(*tensor));
  }
  // Parts that do not depend on the sample get its axis where another one does.
  ir::Shape whole = sample_shape(tensors[0]);
  whole[static_cast<size_t>(axis)] = 0;
  std::vector<ir::ValueId> ids;
  for (Tensor& tensor : tensors) {
    whole[static_cast<size_t>(axis)] += sample_shape(tensor)[static_cast<size_t>(axis)];
    if (!integers) tensor = cast(tensor, ir::DType::f32);
    if (batched && !tensor.batched()) {
      std::vector<int> axes = tensor.axes;
      ir::Shape sizes = context_.target->type(tensor).shape;
      axes.insert(axes.begin(), kBatchAxis);
      sizes.insert(sizes.begin(), context_.target->batch());
      const std::optional<Tensor> wide = spread(tensor, axes, sizes, expr->location);
      if (!wide) return Broken{};
      tensor = *wide;
    }
    ids.push_back(tensor.id);
  }
  if (batched) whole.insert(whole.begin(), context_.target->batch());
  if (!fits(whole, expr->span, "the result of `concat`")) return Broken{};
  ir::Builder& builder = context_.target->builder();
  builder.at(expr->location);
  Tensor result{context_.target, ids[0], tensors[0].axes};
  if (integers && lowest_limit > 0) result.limit = limit;
  if (ids.size() > 1) result.id = builder.create(Op::concat, std::move(ids), ir::AxisAttr{axis + (batched ? 1 : 0)});
  return result;
}

Value Elaborator::pad(const Expr* expr, const std::vector<const Expr*>& arguments, const Expr* value_expr) {
  if (arguments.size() != 2 || arguments[1]->kind != ExprKind::list) {
    error(expr->span, "`pad` takes a tensor and, for every axis, `before/after`")
        .help("write `pad(x, [1/1, 0/0], value = 0)`");
    return Broken{};
  }
  const Expr* operand = arguments[0];
  const Expr* widths = arguments[1];
  Scalar value = integer_scalar(0);
  if (value_expr) {
    const std::optional<Scalar> given = evaluate_scalar(value_expr, "the value of `pad`");
    if (!given) return Broken{};
    value = *given;
  }
  const Value whole = evaluate(operand);
  std::optional<Tensor> tensor = to_tensor(whole, operand, value.is_integer());
  if (!tensor) return Broken{};
  if (context_.target->type(*tensor).dtype == ir::DType::boolean) {
    error(operand->span, "`pad` takes numbers, not truth values")
        .help("`if c then 1 else 0` makes numbers of truth values");
    return Broken{};
  }
  if (widths->operands.size() != tensor->rank()) {
    error(widths->span, fmt::format("`pad` takes a width for every axis: {} for `{}`, found {}", tensor->rank(),
                                    shape_text(*tensor), widths->operands.size()));
    return Broken{};
  }
  ir::PadAttr attr;
  attr.value = value.value;
  ir::Shape shape = context_.target->type(*tensor).shape;
  const size_t shift = tensor->batched() ? 1 : 0;
  if (shift == 1) {
    attr.before.push_back(0);
    attr.after.push_back(0);
  }
  for (size_t k = 0; k < widths->operands.size(); ++k) {
    const Expr* width = widths->operands[k];
    if (width->kind != ExprKind::binary || width->text != "/") {
      error(width->span, "a width of `pad` has the form `before/after`");
      return Broken{};
    }
    const std::optional<int64_t> before = evaluate_integer(width->operands[0], "a width of `pad`", 0);
    const std::optional<int64_t> after = evaluate_integer(width->operands[1], "a width of `pad`", 0);
    if (!before || !after) return Broken{};
    if (*before > ir::kMaxElements || *after > ir::kMaxElements) {
      error(width->span, "a width of `pad` is too large");
      return Broken{};
    }
    attr.before.push_back(*before);
    attr.after.push_back(*after);
    shape[k + shift] += *before + *after;
  }
  if (!fits(shape, expr->span, "the result of `pad`")) return Broken{};
  context_.target->builder().at(expr->location);
  Tensor result = *tensor;
  // Of indices: indices still, where the value is one.
  if (value.value < 0 || value.value >= static_cast<double>(tensor->limit)) result.limit = 0;
  result.zero = false;
  result.id = context_.target->builder().create(Op::pad, {tensor->id}, std::move(attr));
  return result;
}

}  // namespace gradc::frontend
