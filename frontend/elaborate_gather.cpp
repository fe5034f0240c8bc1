// Accesses that are more than slices: gathers `table[ids[t], d]`, overlapping windows `x[i*stride + u]`, diagonals
// `x[i, i]`. While the subscripts are taken one by one (elaborate_access.cpp), an axis that one of these concerns
// carries a placeholder; here they are resolved together, so that a convolution over two axes is one `window`.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"

namespace gradc::frontend {

namespace {

size_t place_of(const std::vector<int>& axes, int axis) {
  return static_cast<size_t>(std::find(axes.begin(), axes.end(), axis) - axes.begin());
}

}  // namespace

// The indices that a subscript computes: whole numbers, for an axis of `size`.
std::optional<Tensor> Elaborator::gather_indices(const Expr* element, int64_t size, const std::string& of) {
  const Value value = evaluate(element);
  if (is_broken(value)) return std::nullopt;
  const auto* tensor = std::get_if<Tensor>(&value);
  if (!tensor || tensor->limit == 0) {
    error(element->span, fmt::format("a subscript must be a whole number, an index, a sum of indices with whole "
                                     "factors, or of type `idx`; found {}",
                                     describe(value)))
        .help("`idx<N>(e)` makes indices of whole numbers");
    return std::nullopt;
  }
  if (tensor->limit > size) {
    error(element->span, fmt::format("indices of type idx<{}> reach over an axis of {}", tensor->limit, size))
        .label(element->span, of);
    return std::nullopt;
  }
  return *tensor;
}

// Windows of all overlapping subscripts at once; their axes become the place of the window and the place inside it.
std::optional<Tensor> Elaborator::resolve_windows(Tensor tensor, std::vector<PendingWindow> windows, const Expr* expr) {
  if (windows.empty()) return tensor;
  std::sort(windows.begin(), windows.end(), [&](const PendingWindow& a, const PendingWindow& b) {
    return place_of(tensor.axes, a.placeholder) < place_of(tensor.axes, b.placeholder);
  });
  ir::WindowAttr attr;
  ir::Shape shape = context_.target->type(tensor).shape;
  std::vector<int> axes = tensor.axes;
  for (const PendingWindow& window : windows) {
    const size_t place = place_of(axes, window.placeholder);
    attr.axes.push_back(static_cast<int64_t>(place));
    attr.size.push_back(window.size);
    attr.stride.push_back(window.stride);
    attr.dilation.push_back(window.dilation);
    shape[place] = window.count;
    axes[place] = window.outer;
  }
  for (const PendingWindow& window : windows) {
    axes.push_back(window.inner);
    shape.push_back(window.size);
  }
  if (!fits(shape, expr->location, "what the windows hold")) return std::nullopt;
  context_.target->builder().at(expr->location);
  tensor.id = context_.target->builder().create(ir::Op::window, {tensor.id}, std::move(attr));
  tensor.axes = std::move(axes);
  return tensor;
}

// x[.., j, ..] for every axis that carries a placeholder: axes that the tensor and the indices share go together.
std::optional<Tensor> Elaborator::resolve_gather(Tensor tensor, const PendingGather& gather, const Expr* expr) {
  ir::Builder& builder = context_.target->builder();
  builder.at(expr->location);
  const Tensor& indices = gather.indices;
  const ir::Shape table = context_.target->type(tensor).shape;
  const ir::Shape found = context_.target->type(indices).shape;
  std::vector<int> shared;
  for (int axis : tensor.axes) {
    if (std::find(indices.axes.begin(), indices.axes.end(), axis) != indices.axes.end()) shared.push_back(axis);
  }
  std::sort(shared.begin(), shared.end());
  std::vector<int64_t> table_order, index_order;
  ir::Shape shape;
  std::vector<int> axes = shared;
  for (int axis : shared) {
    table_order.push_back(static_cast<int64_t>(place_of(tensor.axes, axis)));
    index_order.push_back(static_cast<int64_t>(place_of(indices.axes, axis)));
    shape.push_back(found[place_of(indices.axes, axis)]);
  }
  table_order.push_back(static_cast<int64_t>(place_of(tensor.axes, gather.placeholder)));
  const auto is_shared = [&](int axis) { return std::find(shared.begin(), shared.end(), axis) != shared.end(); };
  for (size_t k = 0; k < indices.axes.size(); ++k) {
    if (is_shared(indices.axes[k])) continue;
    index_order.push_back(static_cast<int64_t>(k));
    axes.push_back(indices.axes[k]);
    shape.push_back(found[k]);
  }
  for (size_t k = 0; k < tensor.axes.size(); ++k) {
    if (is_shared(tensor.axes[k]) || tensor.axes[k] == gather.placeholder) continue;
    table_order.push_back(static_cast<int64_t>(k));
    axes.push_back(tensor.axes[k]);
    shape.push_back(table[k]);
  }
  if (!fits(shape, expr->location, "what the subscripts look up")) return std::nullopt;
  const auto count = static_cast<int64_t>(shared.size());
  Tensor result{context_.target, {}, axes};
  result.limit = tensor.limit;
  result.id = builder.create(ir::Op::gather,
                             {builder.permute(tensor.id, table_order), builder.permute(indices.id, index_order)},
                             ir::GatherAttr{count, count});
  return result;
}

// An index that stands on two axes: element k of the diagonal of an n x n square is number k * (n + 1) of its rows.
std::optional<Tensor> Elaborator::resolve_diagonals(Tensor tensor, const Expr* expr) {
  ir::Builder& builder = context_.target->builder();
  for (size_t first = 0; first < tensor.axes.size(); ++first) {
    const auto again =
        std::find(tensor.axes.begin() + static_cast<ptrdiff_t>(first) + 1, tensor.axes.end(), tensor.axes[first]);
    if (again == tensor.axes.end()) continue;
    const auto second = static_cast<size_t>(again - tensor.axes.begin());
    builder.at(expr->location);
    std::vector<int64_t> order;
    ir::Shape shape;
    std::vector<int> axes;
    for (size_t k = 0; k < tensor.axes.size(); ++k) {
      if (k == first || k == second) continue;
      order.push_back(static_cast<int64_t>(k));
      axes.push_back(tensor.axes[k]);
      shape.push_back(context_.target->type(tensor).shape[k]);
    }
    order.push_back(static_cast<int64_t>(first));
    order.push_back(static_cast<int64_t>(second));
    axes.push_back(tensor.axes[first]);
    const int64_t size = context_.target->type(tensor).shape[first];
    const size_t kept = shape.size();
    shape.push_back(size * size);
    ir::ValueId id = builder.reshape(builder.permute(tensor.id, order), shape);
    ir::PadAttr pad{std::vector<int64_t>(kept + 1, 0), std::vector<int64_t>(kept + 1, 0), 0};
    pad.after[kept] = size;
    shape[kept] = size * (size + 1);
    if (!fits(shape, expr->location, "the padded square")) return std::nullopt;
    id = builder.create(ir::Op::pad, {id}, std::move(pad));
    shape[kept] = size;
    shape.push_back(size + 1);
    id = builder.reshape(id, shape);
    ir::SliceAttr slice{std::vector<int64_t>(shape.size(), 0), shape};
    slice.end.back() = 1;
    id = builder.create(ir::Op::slice, {id}, std::move(slice));
    shape.pop_back();
    tensor.id = builder.reshape(id, shape);
    tensor.axes = std::move(axes);
    first = static_cast<size_t>(-1);  // once more from the start
  }
  return tensor;
}

}  // namespace gradc::frontend
