// softmax, logsumexp and argmax, as compositions of tensor operations.
//
//   softmax[u] e    exp(e - m) / sum exp(e - m), m the largest e: never overflows; a row that is all -inf gives NaN
//   logsumexp[u] e  m + log(sum exp(e - m)), with m = 0 where all e are -inf, which gives -inf
//   argmax[u] e     the first u with e = m: idx<size of u>
// No gradient flows through m: it cancels.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"

namespace gradc::frontend {

using ir::Op;

Tensor Elaborator::reduce_axes(ir::ReduceKind kind, const Tensor& tensor, const std::vector<int>& reduced) {
  std::vector<int64_t> positions;
  Tensor result{context_.target, {}, {}};
  for (size_t k = 0; k < tensor.axes.size(); ++k) {
    if (std::find(reduced.begin(), reduced.end(), tensor.axes[k]) != reduced.end()) {
      positions.push_back(static_cast<int64_t>(k));
    } else {
      result.axes.push_back(tensor.axes[k]);
    }
  }
  result.id = context_.target->builder().reduce(kind, tensor.id, positions);
  return result;
}

// The indices of a softmax are those of the equation: it maps, it does not reduce.
Value Elaborator::softmax(const Expr* expr) {
  std::vector<int> axes;
  ir::Shape sizes;
  for (const Index& index : expr->indices) {
    const std::string shown = (index.pack ? ".." : "") + index.name.text;
    const IndexBinding* binding = find_index(index.name.text, index.pack);
    if (index.name.text == "batch" && !find_binding("batch")) {
      error(expr->location, "`softmax[batch]` is not possible; `mean sum max min` are");
      return Broken{};
    }
    if (!binding) {
      error(index.name.location, fmt::format("no index `{}` is introduced here", shown))
          .help(fmt::format("`softmax[{0}]` is a map over an index of the equation: `let y[{0}] = softmax[{0}] x[{0}]`",
                            shown));
      return Broken{};
    }
    if (index.limit) {
      error(index.limit->span, fmt::format("`{}` has its range already: `softmax` introduces no index", shown))
          .label(binding->index.name.location, "introduced here")
          .label(index.limit->span);
      return Broken{};
    }
    if (binding->broken) return Broken{};
    if (std::find(axes.begin(), axes.end(), binding->axes.empty() ? kFirstPlaceholder : binding->axes[0]) !=
        axes.end()) {
      error(index.name.location, fmt::format("`softmax` names the index `{}` twice", shown));
      return Broken{};
    }
    axes.insert(axes.end(), binding->axes.begin(), binding->axes.end());
    sizes.insert(sizes.end(), binding->sizes.begin(), binding->sizes.end());
  }
  const Value value = evaluate(expr->operands[0]);
  std::optional<Tensor> x = is_broken(value) ? std::nullopt : to_tensor(value, expr->operands[0]);
  if (!x || !check_numbers(*x, expr)) return Broken{};
  ir::Builder& builder = context_.target->builder();
  builder.at(expr->location);
  x = over(*x, axes, sizes, expr->location);
  if (!x) return Broken{};
  const ir::Shape wide = context_.target->type(*x).shape;
  Tensor most = reduce_axes(ir::ReduceKind::max, *x, axes);
  most.id = builder.unary(Op::stop_gradient, most.id);
  if (overrides_.interpreted && !check_softmax(most, expr)) return Broken{};
  builder.at(expr->location);
  std::optional<Tensor> shift = spread(most, x->axes, wide, expr->location);
  if (!shift) return Broken{};
  Tensor result = *x;
  result.zero = false;
  result.id = builder.unary(Op::exp, builder.sub(x->id, shift->id));
  const Tensor sum = reduce_axes(ir::ReduceKind::sum, result, axes);
  const std::optional<Tensor> divisor = spread(sum, x->axes, wide, expr->location);
  if (!divisor) return Broken{};
  result.id = builder.div(result.id, divisor->id);
  return result;
}

std::optional<Tensor> Elaborator::logsumexp(const Tensor& tensor, const std::vector<int>& reduced, const Expr* expr) {
  ir::Builder& builder = context_.target->builder();
  Tensor most = reduce_axes(ir::ReduceKind::max, tensor, reduced);
  most.id = builder.unary(Op::stop_gradient, most.id);
  const ir::ValueId lowest = builder.constant_like(-__builtin_inf(), most.id);
  most.id = builder.select(builder.binary(Op::less, lowest, most.id), most.id, builder.constant_like(0, most.id));
  const std::optional<Tensor> shift = spread(most, tensor.axes, context_.target->type(tensor).shape, expr->location);
  if (!shift) return std::nullopt;
  Tensor exponentials = tensor;
  exponentials.id = builder.unary(Op::exp, builder.sub(tensor.id, shift->id));
  Tensor result = reduce_axes(ir::ReduceKind::sum, exponentials, reduced);
  result.id = builder.add(most.id, builder.unary(Op::log, result.id));
  return result;
}

std::optional<Tensor> Elaborator::argmax(const Tensor& tensor, const std::vector<int>& reduced, const Expr* expr) {
  if (reduced.size() != 1 || reduced[0] == kBatchAxis) {
    error(expr->location, "`argmax` runs over one index").help("write `argmax[i] x[i]`");
    return std::nullopt;
  }
  ir::Builder& builder = context_.target->builder();
  const ir::Shape wide = context_.target->type(tensor).shape;
  const auto place = std::find(tensor.axes.begin(), tensor.axes.end(), reduced[0]) - tensor.axes.begin();
  const std::optional<Tensor> most =
      spread(reduce_axes(ir::ReduceKind::max, tensor, reduced), tensor.axes, wide, expr->location);
  if (!most) return std::nullopt;
  // The last index where none is: a row with a NaN.
  const int64_t size = wide[static_cast<size_t>(place)];
  const ir::ValueId positions = builder.iota(place, wide);
  Tensor result = tensor;
  result.zero = false;
  result.id = builder.select(builder.binary(Op::equal, tensor.id, most->id), positions,
                             builder.constant_like(static_cast<double>(size - 1), positions));
  result = reduce_axes(ir::ReduceKind::min, result, reduced);
  result.limit = size;
  return result;
}

}  // namespace gradc::frontend
