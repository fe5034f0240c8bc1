// Expressions, except calls, index equations and arithmetic.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "frontend/elaborator.h"
#include "frontend/print_ast.h"

namespace gradc::frontend {

Value Elaborator::evaluate(const Expr* expr) {
  if (!spend(expr->location)) return Broken{};
  if (depth_ >= limits_.depth) {
    error(expr->location, fmt::format("the evaluation is nested more than {} levels deep", limits_.depth));
    exhausted_ = true;
    return Broken{};
  }
  ++depth_;
  Value value = evaluate_kind(expr);
  --depth_;
  return value;
}

Value Elaborator::evaluate_kind(const Expr* expr) {
  context_.target->builder().at(expr->location);
  switch (expr->kind) {
    case ExprKind::number:
      return expr->text == "integer" ? integer_scalar(expr->number) : real_scalar(expr->number);
    case ExprKind::boolean:
      return boolean_scalar(expr->number != 0);
    case ExprKind::string:
      error(expr->location, "a string is not a value").help("strings name files: `import`, `save`");
      return Broken{};
    case ExprKind::name: {
      if (const IndexBinding* index = find_index(expr->text, false)) {
        if (index->broken) return Broken{};
        if (index->axes[0] == kBatchAxis) {
          error(expr->location, "`batch` is no index: a sample does not know its number")
              .help("it is only reduced over");
          return Broken{};
        }
        Tensor tensor{context_.target, context_.target->builder().iota(0, {index->sizes[0]}), index->axes};
        tensor.limit = index->sizes[0];
        return tensor;
      }
      const Value value = look_up(expr);
      const auto* tensor = std::get_if<Tensor>(&value);
      if (tensor && context_.indexed && tensor->rank() > 0 && context_.frame->kind != Frame::Kind::function) {
        std::string indices = "i";
        for (size_t k = 1; k < std::min<size_t>(tensor->rank(), 4); ++k) indices += fmt::format(", {}", "ijkl"[k]);
        error(expr->location, fmt::format("`{}` is a tensor `{}`; an index equation works on its elements", expr->text,
                                          shape_text(*tensor)))
            .help(fmt::format("write `{}[{}]`", expr->text, indices));
        return Broken{};
      }
      if (!usable(value, expr)) return Broken{};
      return value;
    }
    case ExprKind::old_name: {
      const Value value = look_up(expr);
      if (is_broken(value)) return Broken{};
      const Binding* binding = find_binding("old " + expr->text);
      if (!binding) {
        error(expr->location, fmt::format("`old {}`: `{}` is not a state", expr->text, expr->text))
            .help("`old` reads what a `state` held before the step");
        return Broken{};
      }
      if (!usable(binding->value, expr)) return Broken{};
      return binding->value;
    }
    case ExprKind::pack:
      error(expr->location, fmt::format("the pack `..{}` stands only among subscripts or dimensions", expr->text));
      return Broken{};
    case ExprKind::unary:
      return unary(expr->text == "-" ? ir::Op::neg : ir::Op::logical_not, evaluate(expr->operands[0]), expr);
    case ExprKind::binary: {
      const Value left = evaluate(expr->operands[0]);
      const Value right = evaluate(expr->operands[1]);
      return binary(expr->text, left, right, expr);
    }
    case ExprKind::conditional:
      return conditional(expr);
    case ExprKind::call:
      return call(expr);
    case ExprKind::subscript:
      return context_.indexed ? access(expr) : plain_subscript(expr);
    case ExprKind::range:
      error(expr->location, "a range stands only among subscripts");
      return Broken{};
    case ExprKind::reduction:
      return reduction(expr);
    case ExprKind::list:
      return list(expr);
    case ExprKind::pipe:
      return pipe(expr);
    case ExprKind::stop: {
      const Value value = evaluate(expr->operands[0]);
      if (std::holds_alternative<Scalar>(value) || is_broken(value)) return value;
      std::optional<Tensor> tensor = to_tensor(value, expr->operands[0], true);
      if (!tensor) return Broken{};
      context_.target->builder().at(expr->location);
      tensor->id = context_.target->builder().unary(ir::Op::stop_gradient, tensor->id);
      return *tensor;
    }
    case ExprKind::when:
      return when_training(expr);
    case ExprKind::convert:
      return convert(expr);
    case ExprKind::error:
      return Broken{};
  }
  return Broken{};
}

// idx<N>(e): what is known while compiling is checked now, what is not is checked while it runs.
Value Elaborator::convert(const Expr* expr) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const std::optional<int64_t> limit = evaluate_integer(expr->operands[0], "the size of `idx`", 1);
  const Value value = evaluate(expr->operands[1]);
  if (!limit || is_broken(value)) return Broken{};
  if (*limit > kMost) {
    error(expr->operands[0]->span, fmt::format("the size of `idx` is at most {}", kMost));
    return Broken{};
  }
  const auto* scalar = std::get_if<Scalar>(&value);
  if (scalar && (!scalar->known() || scalar->is_boolean() || std::trunc(scalar->value) != scalar->value)) {
    error(expr->operands[1]->span, fmt::format("`idx<{}>` is made of whole numbers, found {}", *limit,
                                               scalar->known() ? describe(value) : "a run-time number"));
    return Broken{};
  }
  if (scalar && (scalar->value < 0 || scalar->value >= static_cast<double>(*limit))) {
    error(expr->operands[1]->span, fmt::format("{} is outside idx<{}>", scalar->value, *limit));
    return Broken{};
  }
  std::optional<Tensor> tensor = to_tensor(value, expr->operands[1], true);
  if (!tensor) return Broken{};
  context_.target->builder().at(expr->location);
  if (context_.target->type(*tensor).dtype == ir::DType::boolean) {
    error(expr->operands[1]->span, fmt::format("`idx<{}>` is made of numbers, not truth values", *limit))
        .help("`if c then 1 else 0` makes numbers of truth values");
    return Broken{};
  }
  const std::optional<Tensor> indices = checked_index(*tensor, *limit, expr);
  if (!indices) return Broken{};
  return *indices;
}

Value Elaborator::conditional(const Expr* expr) {
  const Value condition = evaluate(expr->operands[0]);
  if (is_broken(condition)) return Broken{};
  const auto* scalar = std::get_if<Scalar>(&condition);
  const auto* tensor = std::get_if<Tensor>(&condition);
  const bool boolean =
      (scalar && scalar->is_boolean()) || (tensor && context_.target->type(*tensor).dtype == ir::DType::boolean);
  if (!boolean) {
    error(expr->operands[0]->span, fmt::format("the condition of `if` is {}, not a truth value", describe(condition)))
        .help("compare: `x > 0`");
    return Broken{};
  }
  if (scalar && scalar->known()) return evaluate(expr->operands[scalar->value != 0 ? 1 : 2]);
  Branch branch{context_.branch, condition, expr->operands[0]};
  context_.branch = &branch;
  const Value yes = evaluate(expr->operands[1]);
  branch.taken = false;
  const Value no = evaluate(expr->operands[2]);
  context_.branch = branch.outer;
  return choose(condition, yes, no, expr);
}

Value Elaborator::list(const Expr* expr) {
  if (expr->operands.empty()) {
    error(expr->location, "an empty list has no shape");
    return Broken{};
  }
  if (context_.indexed) {
    error(expr->location, "a list is a whole tensor; an index equation works on elements")
        .help("give the list a name with `let` before the equation");
    return Broken{};
  }
  std::vector<Value> parts;
  std::vector<const Expr*> places;
  for (const Expr* operand : expr->operands) {
    if (operand->kind == ExprKind::range) {
      if (!in_columns_ && !in_statistics_) {
        error(operand->span, "a range in a list stands for columns of a file; here is none")
            .help("a range among subscripts takes a part of an axis: `x[a .. b]`");
        return Broken{};
      }
      const auto columns = column_range(operand);
      if (!columns) return Broken{};
      for (const ir::TableColumn* column : *columns) {
        const Binding* binding = find_binding(column->name);
        if (!binding || is_broken(binding->value)) return Broken{};
        parts.push_back(binding->value);
        places.push_back(operand);
      }
      continue;
    }
    parts.push_back(evaluate(operand));
    places.push_back(operand);
    if (is_broken(parts.back())) return Broken{};
  }
  return stack(expr, parts, places);
}

// Elements of one shape along a new first axis.
Value Elaborator::stack(const Expr* expr, const std::vector<Value>& parts, const std::vector<const Expr*>& places) {
  // A list of indices holds indices, below the largest of their limits.
  const auto limit_of = [](const Value& part) {
    const auto* tensor = std::get_if<Tensor>(&part);
    return tensor != nullptr ? tensor->limit : 0;
  };
  int64_t limit = 0;
  for (const Value& part : parts) limit = std::max(limit, limit_of(part));
  if (std::any_of(parts.begin(), parts.end(), [&](const Value& part) { return limit_of(part) == 0; })) limit = 0;
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < parts.size(); ++i) {
    std::optional<Tensor> tensor = to_tensor(parts[i], places[i], limit > 0);
    if (!tensor) return Broken{};
    if (context_.target->type(*tensor).dtype == ir::DType::boolean) {
      error(places[i]->span, "a list holds numbers, not truth values");
      return Broken{};
    }
    if (i > 0 && sample_shape(*tensor) != sample_shape(tensors[0])) {
      error(places[i]->span, "the elements of a list have different shapes")
          .label(places[0]->span, shape_text(tensors[0]))
          .label(places[i]->span, shape_text(*tensor));
      return Broken{};
    }
    tensors.push_back(std::move(*tensor));
  }
  std::vector<Tensor*> all;
  for (Tensor& tensor : tensors) all.push_back(&tensor);
  if (!align(all, expr)) return Broken{};
  ir::Builder& builder = context_.target->builder();
  builder.at(expr->location);
  const size_t axis = tensors[0].batched() ? 1 : 0;
  ir::Shape unit = context_.target->type(tensors[0]).shape;
  unit.insert(unit.begin() + static_cast<ptrdiff_t>(axis), 1);
  ir::Shape whole = unit;
  whole[axis] = static_cast<int64_t>(tensors.size());
  if (!fits(whole, expr->location, "the list")) return Broken{};
  Tensor result{context_.target, {}, {}};
  result.limit = limit;
  if (axis == 1) result.axes.push_back(kBatchAxis);
  for (size_t k = axis; k < unit.size(); ++k) result.axes.push_back(static_cast<int>(k - axis));
  // A list of numbers is one constant.
  const bool constant =
      axis == 0 && unit.size() == 1 && std::all_of(tensors.begin(), tensors.end(), [&](const Tensor& t) {
        return context_.target->func()[t.id].op == ir::Op::constant;
      });
  if (constant) {
    ir::ConstantAttr attr;
    for (const Tensor& tensor : tensors) {
      attr.values.push_back(std::get<ir::ConstantAttr>(context_.target->func()[tensor.id].attr).values[0]);
    }
    result.id = builder.create(ir::Op::constant, {}, std::move(attr), {context_.target->type(tensors[0]).dtype, whole});
    return result;
  }
  std::vector<ir::ValueId> ids;
  for (const Tensor& tensor : tensors) ids.push_back(builder.reshape(tensor.id, unit));
  result.id = ids.size() == 1
                  ? ids[0]
                  : builder.create(ir::Op::concat, std::move(ids), ir::AxisAttr{static_cast<int64_t>(axis)});
  return result;
}

// x[2], x[a .. b], x[0, a .. b] in a plain expression: positions known while compiling. Or x[label]: a look-up.
Value Elaborator::plain_subscript(const Expr* expr) {
  const Value base = evaluate(expr->operands[0]);
  if (is_broken(base)) return Broken{};
  const auto* tensor = std::get_if<Tensor>(&base);
  if (!tensor) {
    error(expr->operands[0]->span, fmt::format("a subscript needs a tensor, found {}", describe(base)));
    return Broken{};
  }
  if (context_.frame->kind == Frame::Kind::function) {
    error(expr->span, "a `fn` works element by element and takes no subscripts").help("make it a `layer`");
    return Broken{};
  }
  const size_t count = expr->operands.size() - 1;
  if (count != tensor->rank()) {
    error(expr->span, fmt::format("`{}` takes {} subscript{}, found {}", shape_text(*tensor), tensor->rank(),
                                  tensor->rank() == 1 ? "" : "s", count));
    return Broken{};
  }
  const size_t shift = tensor->batched() ? 1 : 0;
  const ir::Shape shape = context_.target->type(*tensor).shape;
  ir::SliceAttr slice;
  ir::Shape kept;
  Tensor result{context_.target, tensor->id, {}};
  result.limit = tensor->limit;
  if (shift == 1) {
    slice.begin.push_back(0);
    slice.end.push_back(shape[0]);
    kept.push_back(shape[0]);
    result.axes.push_back(kBatchAxis);
  }
  for (size_t k = 0; k < count; ++k) {
    const Expr* subscript = expr->operands[k + 1];
    const int64_t size = shape[k + shift];
    if (subscript->kind == ExprKind::name && !find_binding(subscript->text) &&
        !spec_.find(context_.scope->file, NameSpace::value, subscript->text)) {
      error(subscript->location, fmt::format("no index `{}` is introduced here", subscript->text))
          .help(fmt::format("an index equation introduces its indices: `let y[{}] = ...`, `sum[{}] ...`",
                            subscript->text, subscript->text));
      return Broken{};
    }
    const bool range = subscript->kind == ExprKind::range;
    if (subscript->kind == ExprKind::pack) {
      error(subscript->location, "a pack as a subscript needs an index equation that introduces it");
      return Broken{};
    }
    if (!range) {
      const Value position = evaluate(subscript);
      if (is_broken(position)) return Broken{};
      if (const auto* index = std::get_if<Tensor>(&position); index && index->limit > 0) return look_up_element(expr);
    }
    const std::optional<int64_t> begin = evaluate_integer(range ? subscript->operands[0] : subscript, "a subscript", 0);
    const std::optional<int64_t> end = range   ? evaluate_integer(subscript->operands[1], "the end of a range", 0)
                                       : begin ? std::optional(*begin + 1)
                                               : begin;
    if (!begin || !end) return Broken{};
    if (*end > size || *begin >= *end) {
      error(subscript->span, range ? fmt::format("the range {} .. {} does not lie in an axis of {}", *begin, *end, size)
                                   : fmt::format("subscript {} is outside an axis of {}", *begin, size))
          .label(subscript->span, fmt::format("axis {} of `{}`", k, shape_text(*tensor)));
      return Broken{};
    }
    slice.begin.push_back(*begin);
    slice.end.push_back(*end);
    if (range) {
      result.axes.push_back(static_cast<int>(kept.size() - shift));
      kept.push_back(*end - *begin);
    }
  }
  ir::Builder& builder = context_.target->builder();
  builder.at(expr->location);
  if (!shape.empty() && count > 0) result.id = builder.create(ir::Op::slice, {tensor->id}, std::move(slice));
  result.id = builder.reshape(result.id, kept);
  return result;
}

// An element whose place is computed: an index equation without indices.
Value Elaborator::look_up_element(const Expr* expr) {
  const Context saved = context_;
  IndexScope none;
  none.parent = context_.indices;
  context_.indices = &none;
  context_.indexed = true;
  const Value element = access(expr);
  context_ = saved;
  return element;
}

std::optional<Scalar> Elaborator::evaluate_scalar(const Expr* expr, std::string_view what) {
  const Value value = evaluate(expr);
  if (is_broken(value)) return std::nullopt;
  const auto* scalar = std::get_if<Scalar>(&value);
  if (!scalar || !scalar->known() || scalar->is_boolean()) {
    error(expr->span, fmt::format("{} must be a number known while compiling, found {}", what,
                                  scalar && !scalar->known() ? "a run-time number" : describe(value)));
    return std::nullopt;
  }
  return *scalar;
}

// `conv2d: `, inside a layer or a function that is used elsewhere.
std::string Elaborator::inside() const {
  return calls_.empty() ? std::string() : calls_.back().definition->name.text + ": ";
}

// The names of an expression with their numbers: ": (h + 2*pad - k)//stride + 1, where h = 3, pad = 0"; nothing where
// the expression has none.
std::string Elaborator::with_numbers(const Expr* expr) {
  std::vector<std::string> seen, numbers;
  std::vector<const Expr*> open = {expr};
  while (!open.empty()) {
    const Expr* part = open.back();
    open.pop_back();
    for (size_t k = part->operands.size(); k-- > 0;) open.push_back(part->operands[k]);
    if (part->kind != ExprKind::name || std::find(seen.begin(), seen.end(), part->text) != seen.end()) continue;
    seen.push_back(part->text);
    const Value value = look_up(part);
    const auto* scalar = std::get_if<Scalar>(&value);
    if (scalar && scalar->known()) numbers.push_back(fmt::format("{} = {}", part->text, scalar->value));
  }
  if (numbers.empty()) return {};
  const std::string text = expr->kind == ExprKind::name ? std::string() : print_expression(*expr) + ", where ";
  return ": " + text + fmt::format("{}", fmt::join(numbers, ", "));
}

std::optional<int64_t> Elaborator::evaluate_integer(const Expr* expr, std::string_view what, int64_t lowest) {
  const std::optional<Scalar> scalar = evaluate_scalar(expr, what);
  if (!scalar) return std::nullopt;
  if (scalar->divisor != 0) {
    // heads = 3 does not divide dim = 128
    const auto part = [&](size_t k, double number) {
      const Expr* operand = scalar->division != nullptr ? scalar->division->operands[k] : nullptr;
      const bool named = operand != nullptr && operand->kind != ExprKind::number;
      return named ? fmt::format("{} = {}", print_expression(*operand), number) : fmt::format("{}", number);
    };
    error(expr->span, fmt::format("{}{} does not divide {}: {} is not a whole number", inside(),
                                  part(1, scalar->divisor), part(0, scalar->dividend), what));
    return std::nullopt;
  }
  if (!scalar->is_integer()) {
    error(expr->span,
          fmt::format("{}{} must be a whole number, found {}{}", inside(), what, scalar->value, with_numbers(expr)));
    return std::nullopt;
  }
  if (scalar->value < static_cast<double>(lowest)) {
    error(expr->span, fmt::format("{}{} must be at least {}, found {}{}", inside(), what, lowest, scalar->value,
                                  with_numbers(expr)));
    return std::nullopt;
  }
  return static_cast<int64_t>(scalar->value);
}

}  // namespace gradc::frontend
