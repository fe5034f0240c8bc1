// Index equations: reductions, contractions.
//
// Each access becomes movement onto its indices (elaborate_access.cpp), arithmetic aligns on the union of the indices,
// a reduction removes its own. The sum of a product of two tensors that both carry every reduced index is a `contract`.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"

namespace gradc::frontend {

// let y[o, ..s] = value: axes of the result in the order of the left side.
Value Elaborator::index_equation(const Statement& statement, const Expr* value) {
  if (context_.indexed || context_.frame->kind == Frame::Kind::function) {
    error(statement.location, "a `fn` works element by element; an index equation stands in a layer")
        .help("make it a `layer`");
    return Broken{};
  }
  IndexScope scope;
  scope.parent = context_.indices;
  if (!introduce(statement.indices, {value}, 0, scope)) {
    return Broken{};
  }
  const Context saved = context_;
  context_.indices = &scope;
  context_.indexed = true;
  const Value element = evaluate(value);
  const auto* whole = std::get_if<Tensor>(&element);  // what may index an axis stays so
  std::optional<Tensor> tensor =
      is_broken(element) ? std::nullopt : to_tensor(element, value, whole != nullptr && whole->limit > 0);
  std::optional<Tensor> result;
  if (tensor && context_.target->type(*tensor).dtype == ir::DType::boolean) {
    error(value->span, "an index equation defines numbers, not truth values")
        .help("`if c then 1 else 0` makes numbers of truth values");
  } else if (tensor) {
    std::vector<int> axes;
    ir::Shape sizes;
    if (tensor->batched()) {
      axes.push_back(kBatchAxis);
      sizes.push_back(context_.target->type(*tensor).shape[0]);
    }
    for (const IndexBinding& binding : scope.bindings) {
      axes.insert(axes.end(), binding.axes.begin(), binding.axes.end());
      sizes.insert(sizes.end(), binding.sizes.begin(), binding.sizes.end());
    }
    context_.target->builder().at(statement.location);
    result = spread(*tensor, axes, sizes, statement.location);
  }
  context_ = saved;
  if (!result) return Broken{};
  return *result;
}

// A reduction over a number that depends on no index.
Value Elaborator::reduce_scalar(const Expr* expr, const Scalar& body, double count) {
  scalars_.at(expr->location);
  if (expr->text == "sum") return scalars_.binary(ir::Op::mul, body, integer_scalar(count));
  if (expr->text == "prod") return scalars_.power(body, integer_scalar(count));
  return body;  // mean, max, min
}

// `tensor` on the axes `reduced`, of extents `sizes`, besides its own: an index that it does not depend on repeats it.
std::optional<Tensor> Elaborator::over(const Tensor& tensor, const std::vector<int>& reduced, const ir::Shape& sizes,
                                       ir::SourceLocation location) {
  std::map<int, int64_t> all;
  const ir::Shape& shape = context_.target->type(tensor).shape;
  for (size_t k = 0; k < shape.size(); ++k) all[tensor.axes[k]] = shape[k];
  for (size_t k = 0; k < reduced.size(); ++k) all[reduced[k]] = sizes[k];
  std::vector<int> axes;
  ir::Shape wide;
  for (const auto& [axis, size] : all) {
    axes.push_back(axis);
    wide.push_back(size);
  }
  return spread(tensor, axes, wide, location);
}

bool Elaborator::check_numbers(const Tensor& tensor, const Expr* expr) {
  if (context_.target->type(tensor).dtype != ir::DType::boolean) return true;
  error(expr->operands[0]->span, fmt::format("`{}[...]` takes numbers, not truth values", expr->text))
      .help("`if c then 1 else 0` makes numbers of truth values");
  return false;
}

Value Elaborator::reduction(const Expr* expr) {
  if (context_.frame->kind == Frame::Kind::function) {
    error(expr->location, "a `fn` works element by element and takes no reductions")
        .help("make it a `layer` or a `loss`");
    return Broken{};
  }
  if (expr->text == "softmax") return softmax(expr);
  if (expr->text == "categorical") return categorical(expr);
  if (expr->text == "std" || (expr->indices.size() == 1 && expr->indices[0].name.text == "rows" &&
                              !expr->indices[0].limit && !expr->indices[0].pack && !find_binding("rows"))) {
    return rows_reduction(expr);
  }
  const Expr* body = expr->operands[0];
  IndexScope scope;
  scope.parent = context_.indices;
  if (!introduce(expr->indices, {body}, next_reduction_axis_, scope)) return Broken{};
  std::vector<int> reduced;
  ir::Shape sizes;
  double count = 1;
  for (const IndexBinding& binding : scope.bindings) {
    reduced.insert(reduced.end(), binding.axes.begin(), binding.axes.end());
    sizes.insert(sizes.end(), binding.sizes.begin(), binding.sizes.end());
  }
  for (int64_t size : sizes) count *= static_cast<double>(size);
  next_reduction_axis_ += static_cast<int>(reduced.size());
  if (!fits(sizes, expr->location, "the range of the reduction")) return Broken{};

  const bool sums = expr->text == "sum" || expr->text == "mean";
  const bool batch = std::find(reduced.begin(), reduced.end(), kBatchAxis) != reduced.end();
  if (batch && !sums && expr->text != "max" && expr->text != "min") {
    error(expr->location, fmt::format("`{}[batch]` is not possible; `mean sum max min` are", expr->text));
    return Broken{};
  }
  // The dead samples of a batch that is not full take no part.
  const bool live_only = batch && has_dead_samples();
  if (live_only) count /= static_cast<double>(context_.target->batch());
  const Context saved = context_;
  context_.indices = &scope;
  context_.indexed = true;
  const bool composed = expr->text == "logsumexp" || expr->text == "argmax";
  Value value;
  std::optional<Tensor> result;
  if (sums && body->kind == ExprKind::binary && body->text == "*") {
    const Value left = evaluate(body->operands[0]);
    const Value right = evaluate(body->operands[1]);
    const auto* a = std::get_if<Tensor>(&left);
    const auto* b = std::get_if<Tensor>(&right);
    if (a && b && live_only) {
      const std::optional<Tensor> live_a = select_live(*a, 0, body->location);
      const std::optional<Tensor> live_b = select_live(*b, 0, body->location);
      if (live_a && live_b) result = contraction(*live_a, *live_b, reduced, body);
    } else if (a && b) {
      result = contraction(*a, *b, reduced, body);
    }
    if (!result) value = binary("*", left, right, body);
  } else {
    value = evaluate(body);
  }
  context_ = saved;
  ir::Builder& builder = context_.target->builder();
  builder.at(expr->location);
  if (!result) {
    if (is_broken(value)) return Broken{};
    const auto* scalar = std::get_if<Scalar>(&value);
    if (scalar && !composed) {
      const Value reduced_scalar = reduce_scalar(expr, *scalar, count);
      return live_only && expr->text == "sum" ? binary("*", live_count(), reduced_scalar, expr) : reduced_scalar;
    }
    result = to_tensor(value, body);
    if (!result || !check_numbers(*result, expr)) return Broken{};
    result = over(*result, reduced, sizes, expr->location);
    if (result && live_only) {
      const double dead = sums ? 0 : expr->text == "max" ? -__builtin_inf() : __builtin_inf();
      result = select_live(*result, dead, expr->location);
    }
    if (!result) return Broken{};
    builder.at(expr->location);
    if (composed) {
      result = expr->text == "argmax" ? argmax(*result, reduced, expr) : logsumexp(*result, reduced, expr);
      if (!result) return Broken{};
      return *result;
    }
    const ir::ReduceKind kind = sums                  ? ir::ReduceKind::sum
                                : expr->text == "max" ? ir::ReduceKind::max
                                : expr->text == "min" ? ir::ReduceKind::min
                                                      : ir::ReduceKind::prod;
    result = reduce_axes(kind, *result, reduced);
  }
  if (expr->text == "mean" && live_only) {
    Tensor divisor = live_count();
    if (count != 1) divisor.id = builder.mul(divisor.id, builder.constant_like(count, divisor.id));
    const ir::Shape shape = context_.target->type(*result).shape;
    result->id = builder.div(result->id, builder.broadcast_scalar(divisor.id, shape));
  } else if (expr->text == "mean" && count != 1) {
    result->id = builder.div(result->id, builder.constant_like(count, result->id));
  }
  return *result;
}

// sum over `reduced` of a * b, where both carry every reduced index; nullopt where that is not so.
// Letters: an index of one letter has its own, the batch `b`, the others the next free one.
std::optional<Tensor> Elaborator::contraction(const Tensor& a, const Tensor& b, const std::vector<int>& reduced,
                                              const Expr* at) {
  if (a.zero || b.zero || reduced.empty()) return std::nullopt;
  for (const Tensor* tensor : {&a, &b}) {
    if (tensor->home != context_.target || context_.target->type(*tensor).dtype != ir::DType::f32) return std::nullopt;
    for (int axis : reduced) {
      if (std::find(tensor->axes.begin(), tensor->axes.end(), axis) == tensor->axes.end()) return std::nullopt;
    }
  }
  std::map<int, char> letters;
  std::map<int, int64_t> sizes;
  for (const Tensor* tensor : {&a, &b}) {
    for (size_t k = 0; k < tensor->axes.size(); ++k) {
      letters[tensor->axes[k]] = 0;
      sizes[tensor->axes[k]] = context_.target->type(*tensor).shape[k];
    }
  }
  std::set<char> taken;
  for (const IndexScope* scope = context_.indices; scope; scope = scope->parent) {
    for (const IndexBinding& binding : scope->bindings) {
      if (binding.index.pack || binding.index.name.text.size() != 1 || letters.count(binding.axes[0]) == 0) continue;
      const char letter = binding.index.name.text[0];
      if (letter == '_' || !taken.insert(letter).second) continue;
      letters[binding.axes[0]] = letter;
    }
  }
  if (letters.count(kBatchAxis) > 0 && taken.insert('b').second) letters[kBatchAxis] = 'b';
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (auto& [axis, letter] : letters) {
    for (size_t k = 0; letter == 0 && k < kAlphabet.size(); ++k) {
      if (taken.insert(kAlphabet[k]).second) letter = kAlphabet[k];
    }
  }
  Tensor result{context_.target, {}, {}};
  ir::Shape shape;
  std::string subscripts;
  for (int axis : a.axes) subscripts += letters[axis];
  subscripts += ",";
  for (int axis : b.axes) subscripts += letters[axis];
  subscripts += "->";
  for (const auto& [axis, letter] : letters) {
    if (std::find(reduced.begin(), reduced.end(), axis) != reduced.end()) continue;
    result.axes.push_back(axis);
    shape.push_back(sizes[axis]);
    subscripts += letter;
  }
  if (!fits(shape, at->location, "the result of the sum")) return std::nullopt;
  context_.target->builder().at(at->location);
  result.id = context_.target->builder().contract(a.id, b.id, std::move(subscripts));
  return result;
}

}  // namespace gradc::frontend
