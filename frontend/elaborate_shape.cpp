// Dimensions: binding the names of a type to a shape, and evaluating types.
#include <fmt/format.h>

#include "frontend/elaborator.h"

namespace gradc::frontend {

namespace {
std::string sample_text(const ir::Shape& shape) { return ir::to_string({ir::DType::f32, shape}); }
}  // namespace

// Whether an argument with whole numbers below `limit` (0: any numbers) fits the type; the size of an `idx` may be a
// dimension that is bound here.
bool Elaborator::bind_limit(const TypeExpr& type, int64_t limit, const std::string& of, ir::SourceLocation at) {
  if (type.word == "f32") return true;
  if (type.word != "idx") {
    error(type.location, fmt::format("{} has type `{}`; tensors are `f32[...]` or `idx<V>[...]`", of, type.word));
    return false;
  }
  if (limit == 0) {
    error(at, fmt::format("{} indexes an axis: expected `idx<...>`, found numbers", of))
        .label(at, "numbers")
        .label(type.location, "declared here")
        .help("`idx<N>(e)` makes indices of whole numbers");
    return false;
  }
  const Expr* range = type.range;
  if (range->kind == ExprKind::name && !find_binding(range->text) &&
      !spec_.find(context_.scope->file, NameSpace::value, range->text)) {
    return define({range->text, range->location}, integer_scalar(static_cast<double>(limit)), "dimension");
  }
  const std::optional<int64_t> expected = evaluate_integer(range, "the size of `idx`", 1);
  if (!expected) return false;
  if (*expected == limit) return true;
  error(at, fmt::format("{} does not fit: expected idx<{}>, found idx<{}>", of, *expected, limit))
      .label(at, fmt::format("found idx<{}>", limit))
      .label(type.location, fmt::format("declared as idx<{}>", *expected));
  return false;
}

// Binds the dimension names of an argument's type that are not known yet to the argument's shape, and checks the
// others. Expressions are checked after all names of this type are bound.
bool Elaborator::bind_shape(const TypeExpr& type, const ir::Shape& shape, int64_t limit, const std::string& of,
                            ir::SourceLocation at) {
  if (!bind_limit(type, limit, of, at)) return false;
  size_t packs = 0;
  for (const Expr* dimension : type.dimensions) packs += dimension->kind == ExprKind::pack;
  if (packs > 1) {
    error(type.location, "a type has at most one pack of dimensions");
    return false;
  }
  const size_t singles = type.dimensions.size() - packs;
  const auto misfit = [&](const std::string& why) -> ir::Diagnostic& {
    return error(at, fmt::format("{} does not fit: {}", of, why))
        .label(at, fmt::format("found {}", sample_text(shape)));
  };
  if (shape.size() < singles || (packs == 0 && shape.size() != singles)) {
    misfit(fmt::format("expected {}{} axes, found {}", packs > 0 ? "at least " : "", singles, shape.size()))
        .label(type.location, "declared here");
    return false;
  }
  bool good = true;
  const auto both = [&](const std::string& name, ir::SourceLocation first, ir::SourceLocation second) {
    error(second, fmt::format("`{}` names a dimension and a pack of dimensions", name))
        .label(first, "first here")
        .label(second, "again here")
        .help("names are bound once; choose another");
    good = false;
  };
  std::vector<std::pair<const Expr*, int64_t>> later;
  size_t axis = 0;
  for (const Expr* dimension : type.dimensions) {
    if (dimension->kind == ExprKind::pack) {
      const size_t length = shape.size() - singles;
      Pack pack;
      pack.sizes.assign(shape.begin() + static_cast<ptrdiff_t>(axis),
                        shape.begin() + static_cast<ptrdiff_t>(axis + length));
      axis += length;
      const std::string name = ".." + dimension->text;
      if (const Binding* known = find_binding(name)) {
        const Pack& other = std::get<Pack>(known->value);
        if (other.sizes != pack.sizes) {
          misfit(fmt::format("`..{}` is [{}] elsewhere, here [{}]", dimension->text, fmt::join(other.sizes, ", "),
                             fmt::join(pack.sizes, ", ")))
              .label(known->location, fmt::format("here `..{}` is [{}]", dimension->text, fmt::join(other.sizes, ", ")))
              .label(dimension->location,
                     fmt::format("here `..{}` is [{}]", dimension->text, fmt::join(pack.sizes, ", ")));
          good = false;
        }
      } else if (const Binding* single = find_binding(dimension->text); single && single->what == "dimension") {
        both(dimension->text, single->location, dimension->location);
      } else {
        context_.scope->names[name] = {pack, dimension->location, "pack", false};
      }
      continue;
    }
    const int64_t size = shape[axis++];
    const Binding* pack = dimension->kind == ExprKind::name ? find_binding(".." + dimension->text) : nullptr;
    if (pack) {
      both(dimension->text, pack->location, dimension->location);
    } else if (dimension->kind == ExprKind::name && !find_binding(dimension->text) &&
               !spec_.find(context_.scope->file, NameSpace::value, dimension->text)) {
      good = define({dimension->text, dimension->location}, integer_scalar(static_cast<double>(size)), "dimension") &&
             good;
    } else {
      later.emplace_back(dimension, size);
    }
  }
  for (const auto& [dimension, size] : later) {
    const std::optional<int64_t> expected = evaluate_integer(dimension, "a dimension", 1);
    if (!expected) {
      good = false;
    } else if (*expected != size) {
      auto& message = misfit(fmt::format("expected a dimension of {}, found {}", *expected, size));
      const Binding* known = dimension->kind == ExprKind::name ? find_binding(dimension->text) : nullptr;
      if (known && known->location != dimension->location) {
        message.label(known->location, fmt::format("here `{}` is {}", dimension->text, *expected));
      }
      message.label(dimension->span, fmt::format("declared as {}", *expected));
      good = false;
    }
  }
  return good;
}

// Whether all names in the dimensions have a meaning yet; a result may have some that only the body gives.
bool Elaborator::dimensions_known(const TypeExpr& type) {
  std::vector<const Expr*> open = type.dimensions;
  while (!open.empty()) {
    const Expr* part = open.back();
    open.pop_back();
    open.insert(open.end(), part->operands.begin(), part->operands.end());
    if (part->kind == ExprKind::name && !find_binding(part->text) &&
        !spec_.find(context_.scope->file, NameSpace::value, part->text)) {
      return false;
    }
    if (part->kind == ExprKind::pack && !find_binding(".." + part->text)) return false;
  }
  return true;
}

// `limit`, where it is asked for, is the V of idx<V>, or 0; only there may the type be an `idx`.
std::optional<ir::Shape> Elaborator::evaluate_shape(const TypeExpr& type, int64_t* limit, std::string_view what) {
  if (limit != nullptr) *limit = 0;
  if (type.word == "idx" && limit != nullptr) {
    const std::optional<int64_t> size = evaluate_integer(type.range, "the size of `idx`", 1);
    if (!size) return std::nullopt;
    *limit = *size;
  } else if (type.word != "f32") {
    error(type.location, fmt::format("expected a tensor type `f32[...]`, found `{}`", type.word));
    return std::nullopt;
  }
  ir::Shape shape;
  bool good = true;
  for (const Expr* dimension : type.dimensions) {
    if (dimension->kind == ExprKind::pack) {
      const Binding* known = find_binding(".." + dimension->text);
      if (!known) {
        error(dimension->location, fmt::format("unknown pack of dimensions `..{}`", dimension->text));
        good = false;
        continue;
      }
      const Pack& pack = std::get<Pack>(known->value);
      shape.insert(shape.end(), pack.sizes.begin(), pack.sizes.end());
      continue;
    }
    const std::optional<int64_t> size = evaluate_integer(dimension, what, 1);
    good = good && size;
    shape.push_back(size.value_or(1));
  }
  if (!good || !fits(shape, type.location, "the tensor")) return std::nullopt;
  return shape;
}

// Whether the value of a body has the declared type.
bool Elaborator::check_result(const TypeExpr& type, const Value& value, const Definition& of) {
  int64_t limit = 0;
  const std::optional<ir::Shape> expected = evaluate_shape(type, &limit, "a dimension of the result");
  if (!expected) return false;
  const Expr* last = of.body->statements.back()->value;
  const std::optional<Tensor> tensor = to_tensor(value, last, limit > 0);
  if (!tensor) return false;
  if (context_.target->type(*tensor).dtype == ir::DType::boolean) {
    error(last->span, fmt::format("{} `{}` gives truth values, not numbers", definition_word(of.kind), of.name.text));
    return false;
  }
  const ir::Shape found = sample_shape(*tensor);
  if (found == *expected && (limit == 0 || limit == tensor->limit)) return true;
  const std::string promised = type_text(*expected, limit),
                    given = limit > 0 ? shape_text(*tensor) : sample_text(found);
  error(last->span,
        fmt::format("{} `{}` promises {} and gives {}", definition_word(of.kind), of.name.text, promised, given))
      .label(type.location, fmt::format("promised here: {}", promised))
      .label(last->span, fmt::format("given here: {}", given));
  return false;
}

}  // namespace gradc::frontend
