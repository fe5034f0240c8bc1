// Index equations: ranges (Rule 1), reductions, contractions.
//
// Each access becomes movement onto its indices (elaborate_access.cpp), arithmetic aligns on the union of the indices,
// a reduction removes its own. The sum of a product of two tensors that both carry every reduced index is a `contract`.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"
#include "frontend/lexer.h"

namespace gradc::frontend {

namespace {

// One axis (of a pack: several) on which an index stands alone.
struct RangeUse {
  ir::SourceLocation location;
  std::vector<int64_t> sizes;
  std::string text;  // here `i` is axis 1 of `weight`: 3
};

std::string sizes_text(const std::vector<int64_t>& sizes, bool pack) {
  if (!pack) return std::to_string(sizes[0]);
  return fmt::format("[{}]", fmt::join(sizes, ", "));
}

// The place where a reduction inside `expr` introduces `index` anew; null where none does.
const Index* introduced_again(const Expr* expr, const Index& index) {
  if (expr->kind == ExprKind::reduction && expr->text != "softmax") {  // softmax is a map over an index of the equation
    for (const Index& other : expr->indices) {
      if (other.name.text == index.name.text && other.pack == index.pack) return &other;
    }
  }
  for (const Expr* operand : expr->operands) {
    if (const Index* found = introduced_again(operand, index)) return found;
  }
  for (const Argument& argument : expr->arguments) {
    if (const Index* found = introduced_again(argument.value, index)) return found;
  }
  return nullptr;
}

void collect_subscripts(const Expr* expr, std::vector<const Expr*>& found) {
  if (expr->kind == ExprKind::subscript) found.push_back(expr);
  for (const Expr* operand : expr->operands) collect_subscripts(operand, found);
  for (const Argument& argument : expr->arguments) collect_subscripts(argument.value, found);
}

}  // namespace

// The range of an index: from its limit, from the dimension pack of its name, and from every axis on which it stands
// alone. All must agree.
void Elaborator::find_range(IndexBinding& binding, const std::vector<const Expr*>& bodies, int& next_axis) {
  const Index& index = binding.index;
  const std::string shown = (index.pack ? ".." : "") + index.name.text;
  std::vector<RangeUse> uses;
  if (index.limit) {
    const Context saved = context_;
    context_.indexed = false;
    const std::optional<int64_t> limit = evaluate_integer(index.limit, fmt::format("the limit of `{}`", shown), 1);
    context_ = saved;
    if (!limit) {
      binding.broken = true;
    } else {
      uses.push_back({index.limit->span, {*limit}, fmt::format("here `{}` is limited to {}", shown, *limit)});
    }
  }
  if (index.pack) {
    const Binding* pack = find_binding(shown);
    if (!pack) {
      unknown_pack(index.name);
      binding.sizes.assign(1, 1);
      binding.axes.assign(1, next_axis++);
      binding.broken = true;
      return;
    }
    const auto& sizes = std::get<Pack>(pack->value).sizes;
    uses.push_back({pack->location, sizes, fmt::format("here `{}` is {}", shown, sizes_text(sizes, true))});
  }
  // An index may have the name of a dimension, and then ranges over it: `y[c] = x[c]` of `x: f32[c]`.
  const Binding* dimension = index.pack ? nullptr : find_binding(index.name.text);
  const auto* size = dimension ? std::get_if<Scalar>(&dimension->value) : nullptr;
  if (size && dimension->what == "dimension") {
    const auto count = static_cast<int64_t>(size->value);
    uses.push_back({dimension->location, {count}, fmt::format("here `{}` is a dimension of {}", shown, count)});
  }
  std::vector<const Expr*> subscripts;
  for (const Expr* body : bodies) {
    collect_subscripts(body, subscripts);
    const Index* again = introduced_again(body, index);
    if (!again) continue;
    error(again->name.location, fmt::format("index `{}` is already introduced", shown))
        .label(index.name.location, "first here")
        .label(again->name.location, "again here")
        .help("an index that is summed over needs a name of its own");
    binding.sizes.assign(1, 1);
    binding.axes.assign(1, next_axis++);
    binding.broken = true;
    return;
  }
  const Expr *miscounted = nullptr, *unknown = nullptr;
  for (const Expr* subscript : subscripts) {
    const Expr* base = subscript->operands[0];
    if (base->kind != ExprKind::name && base->kind != ExprKind::old_name) continue;
    Binding* named = find_binding(base->kind == ExprKind::old_name ? "old " + base->text : base->text);
    const auto* tensor = named ? std::get_if<Tensor>(&named->value) : nullptr;
    if (!tensor) {
      // Of a tensor whose mistake is known nothing more is said.
      for (size_t k = 1; named && is_broken(named->value) && k < subscript->operands.size(); ++k) {
        binding.broken = binding.broken || subscript->operands[k]->text == index.name.text;
      }
      const bool known = named || find_index(base->text, false) ||
                         spec_.find(context_.scope->file, NameSpace::value, base->text) || is_builtin(base->text);
      for (size_t k = 1; !known && base->kind == ExprKind::name && k < subscript->operands.size(); ++k) {
        if (subscript->operands[k]->text == index.name.text) unknown = base;
      }
      continue;
    }
    const ir::Shape shape = sample_shape(*tensor);
    // Where each subscript's axes begin; a pack of unknown length takes what the others leave.
    size_t known = 0, unknown_packs = 0;
    const auto length = [&](const Expr* element) -> std::optional<size_t> {
      if (element->kind != ExprKind::pack) return 1;
      if (const IndexBinding* other = find_index(element->text, true)) return other->sizes.size();
      if (const Binding* pack = find_binding(".." + element->text)) return std::get<Pack>(pack->value).sizes.size();
      return std::nullopt;
    };
    for (size_t k = 1; k < subscript->operands.size(); ++k) {
      if (const std::optional<size_t> count = length(subscript->operands[k])) {
        known += *count;
      } else {
        ++unknown_packs;
      }
    }
    if (unknown_packs > 1 || known > shape.size() || (unknown_packs == 0 && known != shape.size())) {
      for (size_t k = 1; k < subscript->operands.size(); ++k) {
        if (subscript->operands[k]->text == index.name.text) miscounted = subscript;
      }
      continue;
    }
    size_t axis = 0;
    for (size_t k = 1; k < subscript->operands.size(); ++k) {
      const Expr* element = subscript->operands[k];
      const size_t count = length(element).value_or(shape.size() - known);
      const bool alone =
          element->kind == (index.pack ? ExprKind::pack : ExprKind::name) && element->text == index.name.text;
      if (alone && axis + count <= shape.size()) {
        RangeUse use;
        use.location = element->span;
        use.sizes.assign(shape.begin() + static_cast<ptrdiff_t>(axis),
                         shape.begin() + static_cast<ptrdiff_t>(axis + count));
        use.text = index.pack ? fmt::format("here `{}` is {} of `{}`", shown, sizes_text(use.sizes, true), base->text)
                              : fmt::format("here `{}` is axis {} of `{}`: {}", shown, axis, base->text, use.sizes[0]);
        use.text += fmt::format("   ({}: {}, line {})", base->text, shape_text(*tensor), named->location.line);
        uses.push_back(std::move(use));
      }
      axis += count;
    }
  }
  if (uses.empty() && !binding.broken && unknown) {
    look_up(unknown);
    binding.broken = true;
  } else if (uses.empty() && !binding.broken && miscounted) {
    wrong_subscript_count(miscounted);
    binding.broken = true;
  } else if (uses.empty() && !binding.broken) {
    auto& message = error(index.name.location, fmt::format("index `{}` gets no range", shown));
    message.help(fmt::format("use it alone on an axis, or give it a limit: `{} < n`", shown));
    binding.broken = true;
  }
  for (const RangeUse& use : uses) {
    if (binding.broken || use.sizes == uses[0].sizes) continue;
    error(use.location, fmt::format("index `{}` ranges over two different sizes", shown))
        .label(uses[0].location, uses[0].text)
        .label(use.location, use.text);
    binding.broken = true;
  }
  if (uses.empty() || binding.broken) {
    binding.sizes.assign(1, 1);
  } else {
    binding.sizes = uses[0].sizes;
  }
  for (size_t k = 0; k < binding.sizes.size(); ++k) binding.axes.push_back(next_axis++);
}

// A pack of indices ranges over the pack of dimensions of its name (Rule 2).
void Elaborator::unknown_pack(const Name& name) {
  std::vector<std::string> packs;
  for (const Scope* scope = context_.scope; scope; scope = scope->parent) {
    for (const auto& [known, binding] : scope->names) {
      if (std::holds_alternative<Pack>(binding.value)) packs.push_back(known);
    }
  }
  auto& message = error(name.location, fmt::format("there is no pack of dimensions `..{}`", name.text));
  if (packs.empty()) {
    message.help(fmt::format("the type of an argument declares one: `x: f32[..{}]`", name.text));
  } else {
    message.help(fmt::format("there {} `{}`", packs.size() == 1 ? "is" : "are", fmt::join(packs, "`, `")));
  }
}

// The samples of a step, as what a reduction runs over.
bool Elaborator::introduce_batch(const Index& index, int first_axis, IndexBinding& binding) {
  binding.broken = true;
  const Frame::Kind kind = context_.frame->kind;
  if (first_axis < kFirstReductionAxis) {
    error(index.name.location, "`batch` is no index of an equation: a spec describes one sample")
        .help("a reduction runs over the samples: `mean[batch] e`");
  } else if ((kind != Frame::Kind::layer && kind != Frame::Kind::loss) || index.pack || index.limit) {
    error(index.name.location, "`[batch]` stands in layers and losses, without a limit");
  } else {
    binding.broken = false;
    binding.axes = {kBatchAxis};
    binding.sizes = {context_.target->batch()};
  }
  return !binding.broken;
}

// Puts the indices into `scope`, with their ranges; false where one is faulty (all are there nevertheless).
bool Elaborator::introduce(const std::vector<Index>& indices, const std::vector<const Expr*>& bodies, int first_axis,
                           IndexScope& scope) {
  bool good = true;
  int next_axis = first_axis;
  scope.bindings.reserve(indices.size());
  for (const Index& index : indices) {
    IndexBinding binding;
    binding.index = index;
    const std::string shown = (index.pack ? ".." : "") + index.name.text;
    const auto before = std::find_if(scope.bindings.begin(), scope.bindings.end(), [&](const IndexBinding& other) {
      return other.index.name.text == index.name.text && other.index.pack == index.pack;
    });
    if (before != scope.bindings.end()) {
      error(index.name.location, fmt::format("index `{}` is already introduced", shown))
          .label(before->index.name.location, "first here")
          .label(index.name.location, "again here")
          .help(first_axis < kFirstReductionAxis ? "each axis of the left side has an index of its own"
                                                 : "an index stands once in a reduction");
      binding.broken = true;
    } else if (index.name.text == "batch" && !find_binding("batch")) {
      if (introduce_batch(index, first_axis, binding)) {
        scope.bindings.push_back(std::move(binding));
        continue;
      }
    } else if (is_reduction(index.name.text)) {
      error(index.name.location, fmt::format("`{}` is built in and cannot be an index", index.name.text));
      binding.broken = true;
    } else if (const IndexBinding* other = find_index(index.name.text, index.pack)) {
      error(index.name.location, fmt::format("index `{}` is already introduced", shown))
          .label(other->index.name.location, "first here")
          .label(index.name.location, "again here")
          .help("an index that is summed over needs a name of its own");
      binding.broken = true;
    } else if (!index.pack && find_binding(index.name.text) && find_binding(index.name.text)->what != "dimension") {
      const Binding* hidden = find_binding(index.name.text);
      error(index.name.location, fmt::format("index `{}` hides the {} of that name", index.name.text, hidden->what))
          .label(hidden->location, "defined here")
          .label(index.name.location, "hidden here")
          .help("choose another name for the index");
      binding.broken = true;
    }
    if (binding.broken) {
      binding.sizes.assign(1, 1);
      binding.axes.assign(1, next_axis++);
    } else {
      // Indices introduced before are visible: their packs have known lengths.
      const IndexScope* outer = context_.indices;
      context_.indices = &scope;
      find_range(binding, bodies, next_axis);
      context_.indices = outer;
    }
    good = good && !binding.broken;
    scope.bindings.push_back(std::move(binding));
  }
  return good;
}

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
