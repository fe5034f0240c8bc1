// The indices that equations and reductions introduce, and their ranges (Rule 1).
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

}  // namespace gradc::frontend
