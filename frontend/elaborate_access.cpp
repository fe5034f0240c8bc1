// An access x[i, 2, k*3 + u, ..s] inside an index equation, as movement onto the axes of its indices.
//
// A subscript is a sum c + k1*i1 + k2*i2 with whole numbers c, k. Expressible by slice, pad and reshape are: a
// constant; c + i; c + k*i; and windows that do not overlap, c + k*i + u with u < k. Windows that overlap, gathers and
// diagonals are in elaborate_gather.cpp.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"

namespace gradc::frontend {

// The affine form of a subscript; nullopt where it has none. `foreign`: it depends on more than indices and numbers
// known while compiling, which makes it a gather.
std::optional<Affine> Elaborator::affine_of(const Expr* expr, bool& foreign) {
  constexpr int64_t kLargest = int64_t{1} << 40;
  const auto checked = [&](Affine affine) -> std::optional<Affine> {
    if (affine.offset > kLargest || affine.offset < -kLargest) return std::nullopt;
    for (const auto& [axis, factor] : affine.factors) {
      if (factor > kLargest || factor < -kLargest) return std::nullopt;
    }
    return affine;
  };
  if (expr->kind == ExprKind::name) {
    if (const IndexBinding* index = find_index(expr->text, false)) {
      if (index->axes[0] == kBatchAxis) {
        evaluate(expr);  // says why not
        return std::nullopt;
      }
      Affine affine;
      affine.factors[index->axes[0]] = 1;
      return affine;
    }
  }
  if (expr->kind == ExprKind::unary && expr->text == "-") {
    std::optional<Affine> inner = affine_of(expr->operands[0], foreign);
    if (!inner) return std::nullopt;
    inner->offset = -inner->offset;
    for (auto& [axis, factor] : inner->factors) factor = -factor;
    return inner;
  }
  if (expr->kind == ExprKind::binary && (expr->text == "+" || expr->text == "-" || expr->text == "*")) {
    std::optional<Affine> left = affine_of(expr->operands[0], foreign);
    std::optional<Affine> right = left ? affine_of(expr->operands[1], foreign) : std::nullopt;
    if (!left || !right) return std::nullopt;
    if (expr->text == "*") {
      if (!left->factors.empty() && !right->factors.empty()) return std::nullopt;
      if (left->factors.empty()) std::swap(left, right);
      const int64_t scale = right->offset;
      left->offset *= scale;
      for (auto& [axis, factor] : left->factors) factor *= scale;
      return checked(*left);
    }
    const int64_t sign = expr->text == "+" ? 1 : -1;
    left->offset += sign * right->offset;
    for (const auto& [axis, factor] : right->factors) left->factors[axis] += sign * factor;
    return checked(*left);
  }
  const Value value = evaluate(expr);
  if (is_broken(value)) return std::nullopt;
  const auto* scalar = std::get_if<Scalar>(&value);
  if (!scalar || !scalar->known()) {
    foreign = true;
    return std::nullopt;
  }
  if (!scalar->is_integer()) {
    error(expr->span, fmt::format("a subscript must be a whole number, found {}", describe(value)));
    return std::nullopt;
  }
  Affine affine;
  affine.offset = static_cast<int64_t>(scalar->value);
  return checked(affine);
}

void Elaborator::wrong_subscript_count(const Expr* expr) {
  const Binding* binding = find_binding(expr->operands[0]->text);
  const auto* tensor = binding ? std::get_if<Tensor>(&binding->value) : nullptr;
  if (!tensor) return;
  size_t count = 0;
  for (size_t k = 1; k < expr->operands.size(); ++k) {
    const Expr* element = expr->operands[k];
    const IndexBinding* pack = element->kind == ExprKind::pack ? find_index(element->text, true) : nullptr;
    count += pack ? pack->sizes.size() : 1;
  }
  error(expr->span,
        fmt::format("`{}` has {} axes, the subscripts name {}", expr->operands[0]->text, tensor->rank(), count))
      .label(binding->location, fmt::format("`{}` is `{}`", expr->operands[0]->text, shape_text(*tensor)))
      .label(expr->span, fmt::format("{} here", count));
}

Value Elaborator::access(const Expr* expr) {
  const Expr* base = expr->operands[0];
  if (context_.frame->kind == Frame::Kind::function) {
    error(expr->span, "a `fn` works element by element and takes no subscripts").help("make it a `layer`");
    return Broken{};
  }
  if (base->kind != ExprKind::name && base->kind != ExprKind::old_name) {
    error(base->span, "inside an index equation only a name takes subscripts")
        .help("give the tensor a name with `let` before the equation");
    return Broken{};
  }
  // Not through evaluate(): inside an equation a bare tensor is a mistake.
  const Context saved = context_;
  context_.indexed = false;
  const Value value = find_index(base->text, false) ? Value(real_scalar(0)) : evaluate(base);
  context_ = saved;
  if (is_broken(value)) return Broken{};
  const auto* found = std::get_if<Tensor>(&value);
  if (!found) {
    error(base->span, fmt::format("a subscript needs a tensor, found {}",
                                  find_index(base->text, false) ? "an index" : describe(value)));
    return Broken{};
  }
  Tensor tensor = *found;
  const ir::Shape shape = sample_shape(tensor);
  const Binding* binding = find_binding(base->text);
  const std::string declared = fmt::format("`{}` is `{}`{}", base->text, shape_text(tensor),
                                           binding ? fmt::format(" (line {})", binding->location.line) : std::string());
  size_t count = 0;
  bool packs_known = true;
  for (size_t k = 1; k < expr->operands.size(); ++k) {
    const Expr* element = expr->operands[k];
    if (element->kind != ExprKind::pack) {
      ++count;
      continue;
    }
    const IndexBinding* pack = find_index(element->text, true);
    if (!pack) {
      error(element->location, fmt::format("no index pack `..{}` is introduced here", element->text))
          .help(fmt::format("introduce it on the left side or in a reduction: `sum[..{}] ...`", element->text));
      packs_known = false;
    } else if (pack->broken) {
      packs_known = false;
    } else {
      count += pack->sizes.size();
    }
  }
  if (!packs_known) return Broken{};
  if (count != shape.size()) {
    wrong_subscript_count(expr);
    return Broken{};
  }
  // The batch keeps its place; every sample axis gets the axis of its index, right to left so that places stay valid.
  const size_t shift = tensor.batched() ? 1 : 0;
  std::vector<std::pair<size_t, size_t>> places;  // subscript, its first sample axis
  std::vector<PendingWindow> windows;
  std::vector<PendingGather> gathers;
  size_t axis = 0;
  for (size_t k = 1; k < expr->operands.size(); ++k) {
    places.emplace_back(k, axis);
    const Expr* element = expr->operands[k];
    axis += element->kind == ExprKind::pack ? find_index(element->text, true)->sizes.size() : 1;
  }
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    const Expr* element = expr->operands[place->first];
    const size_t position = place->second + shift;
    if (element->kind == ExprKind::pack) {
      const IndexBinding* pack = find_index(element->text, true);
      for (size_t k = 0; k < pack->axes.size(); ++k) {
        if (context_.target->type(tensor).shape[position + k] != pack->sizes[k]) {
          error(element->span,
                fmt::format("`..{}` has other dimensions than the axes of `{}`", element->text, base->text))
              .label(element->span, declared);
          return Broken{};
        }
        tensor.axes[position + k] = pack->axes[k];
      }
      continue;
    }
    if (element->kind == ExprKind::range) {
      error(element->span, "a range `a .. b` stands in plain expressions, not inside an index equation")
          .help("give the slice a name with `let` before the equation");
      return Broken{};
    }
    if (element->kind == ExprKind::name) {
      const IndexBinding* index = find_index(element->text, false);
      if (index && index->broken) return Broken{};
      if (index && index->axes[0] != kBatchAxis && index->sizes[0] == context_.target->type(tensor).shape[position]) {
        tensor.axes[position] = index->axes[0];
        continue;
      }
      if (!index && !find_binding(element->text) &&
          !spec_.find(context_.scope->file, NameSpace::value, element->text)) {
        error(element->location, fmt::format("no index `{}` is introduced here", element->text))
            .help(fmt::format("introduce it on the left side, `let y[{}] = ...`, or in a reduction, `sum[{}] ...`",
                              element->text, element->text));
        return Broken{};
      }
    }
    bool foreign = false;
    const size_t errors = diagnostics_.error_count();
    const std::optional<Affine> affine = affine_of(element, foreign);
    if (!affine) {
      if (foreign && diagnostics_.error_count() == errors) {
        const std::optional<Tensor> indices = gather_indices(element, context_.target->type(tensor).shape[position],
                                                             fmt::format("axis {} of `{}`", place->second, base->text));
        if (!indices) return Broken{};
        const int placeholder = kFirstPlaceholder - static_cast<int>(position);
        tensor.axes[position] = placeholder;
        gathers.push_back({placeholder, *indices});
        continue;
      }
      if (diagnostics_.error_count() == errors) {
        error(element->span, "a subscript must be a whole number, an index, or a sum of indices with whole factors");
      }
      return Broken{};
    }
    std::optional<Tensor> moved =
        access_axis(expr, place->first, std::move(tensor), position, *affine, windows, gathers);
    if (!moved) return Broken{};
    tensor = std::move(*moved);
  }
  std::optional<Tensor> resolved = resolve_windows(std::move(tensor), std::move(windows), expr);
  for (const PendingGather& gather : gathers) {
    if (resolved) resolved = resolve_gather(std::move(*resolved), gather, expr);
  }
  if (resolved) resolved = resolve_diagonals(std::move(*resolved), expr);
  if (!resolved) return Broken{};
  // The axes in the order of their numbers: the batch in front.
  std::vector<int> axes = resolved->axes;
  std::sort(axes.begin(), axes.end());
  ir::Shape sizes;
  for (int wanted : axes) {
    const auto own = std::find(resolved->axes.begin(), resolved->axes.end(), wanted) - resolved->axes.begin();
    sizes.push_back(context_.target->type(*resolved).shape[static_cast<size_t>(own)]);
  }
  if (gathers.empty()) return *resolved;
  resolved = spread(*resolved, axes, sizes, expr->location);
  if (!resolved) return Broken{};
  return *resolved;
}

// The axis at `axis` of the tensor, under an affine subscript.
std::optional<Tensor> Elaborator::access_axis(const Expr* expr, size_t position, Tensor tensor, size_t axis,
                                              const Affine& affine, std::vector<PendingWindow>& windows,
                                              std::vector<PendingGather>& gathers) {
  const Expr* element = expr->operands[position];
  ir::Builder& builder = context_.target->builder();
  builder.at(element->location);
  ir::Shape shape = context_.target->type(tensor).shape;
  const int64_t size = shape[axis];
  // The indices with their ranges, the largest factor first.
  struct Term {
    int axis;
    int64_t factor, count;
  };
  std::vector<Term> terms;
  int64_t lowest = affine.offset, highest = affine.offset;
  for (const auto& [index_axis, factor] : affine.factors) {
    if (factor == 0) continue;
    int64_t count = 1;
    for (const IndexScope* scope = context_.indices; scope; scope = scope->parent) {
      for (const IndexBinding& binding : scope->bindings) {
        if (binding.broken) return std::nullopt;
        for (size_t k = 0; k < binding.axes.size(); ++k) {
          if (binding.axes[k] == index_axis) count = binding.sizes[k];
        }
      }
    }
    terms.push_back({index_axis, factor, count});
    (factor > 0 ? highest : lowest) += factor * (count - 1);
  }
  if (lowest < 0 || highest >= size) {
    auto& message =
        error(element->span,
              terms.empty() ? fmt::format("subscript {} is outside an axis of {}", lowest, size)
                            : fmt::format("the subscript runs from {} to {} on an axis of {}", lowest, highest, size));
    message.label(element->span,
                  fmt::format("axis {} of `{}`", axis - (tensor.batched() ? 1 : 0), expr->operands[0]->text));
    return std::nullopt;
  }
  std::sort(terms.begin(), terms.end(), [](const Term& a, const Term& b) { return a.factor > b.factor; });
  const bool window = terms.size() == 2 && terms[1].factor == 1 && terms[1].count <= terms[0].factor;
  const bool plain = terms.empty() || (terms.size() == 1 && terms[0].factor > 0);
  const bool overlapping = terms.size() == 2 && terms[1].factor > 0 && (!window || terms[0].factor == 1);
  if (!plain && !window && !overlapping) {
    // Backwards, or of three indices: looked up, its range being known.
    const Value value = evaluate(element);
    const auto* indices = std::get_if<Tensor>(&value);
    if (!indices) return std::nullopt;
    tensor.axes[axis] = kFirstPlaceholder - static_cast<int>(axis);
    gathers.push_back({tensor.axes[axis], *indices});
    return tensor;
  }
  const int64_t stride = terms.empty() ? 1 : terms[0].factor;
  const int64_t count = terms.empty() ? 1 : terms[0].count;
  const auto cut = [&](size_t at, int64_t begin, int64_t end) {
    if (begin == 0 && end == shape[at]) return;
    ir::SliceAttr slice{std::vector<int64_t>(shape.size(), 0), shape};
    slice.begin[at] = begin;
    slice.end[at] = end;
    shape[at] = end - begin;
    tensor.id = builder.create(ir::Op::slice, {tensor.id}, std::move(slice));
  };
  if (overlapping) {
    cut(axis, lowest, highest + 1);
    PendingWindow pending;
    pending.placeholder = kFirstPlaceholder - static_cast<int>(axis);
    pending.outer = terms[0].axis;
    pending.inner = terms[1].axis;
    pending.count = terms[0].count;
    pending.size = terms[1].count;
    pending.stride = terms[0].factor;
    pending.dilation = terms[1].factor;
    tensor.axes[axis] = pending.placeholder;
    windows.push_back(pending);
    return tensor;
  }
  cut(axis, affine.offset, std::min(size, affine.offset + count * stride));
  if (shape[axis] < count * stride) {  // the last window is cut short; what is added is never read
    ir::PadAttr pad{std::vector<int64_t>(shape.size(), 0), std::vector<int64_t>(shape.size(), 0), 0};
    pad.after[axis] = count * stride - shape[axis];
    shape[axis] = count * stride;
    if (!fits(shape, element->location, "the padded tensor")) return std::nullopt;
    tensor.id = builder.create(ir::Op::pad, {tensor.id}, std::move(pad));
  }
  if (terms.empty()) {
    shape.erase(shape.begin() + static_cast<ptrdiff_t>(axis));
    tensor.axes.erase(tensor.axes.begin() + static_cast<ptrdiff_t>(axis));
    tensor.id = builder.reshape(tensor.id, shape);
    return tensor;
  }
  tensor.axes[axis] = terms[0].axis;
  if (stride == 1) return tensor;
  shape[axis] = count;
  shape.insert(shape.begin() + static_cast<ptrdiff_t>(axis) + 1, stride);
  if (!fits(shape, element->location, "the split tensor")) return std::nullopt;
  tensor.id = builder.reshape(tensor.id, shape);
  cut(axis + 1, 0, window ? terms[1].count : 1);
  if (window) {
    tensor.axes.insert(tensor.axes.begin() + static_cast<ptrdiff_t>(axis) + 1, terms[1].axis);
  } else {
    shape.erase(shape.begin() + static_cast<ptrdiff_t>(axis) + 1);
    tensor.id = builder.reshape(tensor.id, shape);
  }
  return tensor;
}

}  // namespace gradc::frontend
