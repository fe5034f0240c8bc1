// Names: what they mean, and that each is bound once (Rule 3).
#include <fmt/format.h>

#include "frontend/elaborator.h"
#include "frontend/lexer.h"

namespace gradc::frontend {

namespace {

constexpr const char* kBuiltins[] = {"exp", "log", "sqrt", "abs",    "tanh",    "max",    "min", "floor", "erf",
                                     "sin", "cos", "pow",  "random", "reshape", "concat", "pad", "rank",  "total"};

}  // namespace

bool is_builtin(const std::string& name) {
  for (const char* builtin : kBuiltins) {
    if (name == builtin) return true;
  }
  return false;
}

Binding* Elaborator::find_binding(const std::string& name) {
  for (Scope* scope = context_.scope; scope; scope = scope->parent) {
    const auto found = scope->names.find(name);
    if (found != scope->names.end()) return &found->second;
  }
  return nullptr;
}

const IndexBinding* Elaborator::find_index(const std::string& name, bool pack) const {
  for (const IndexScope* scope = context_.indices; scope; scope = scope->parent) {
    for (const IndexBinding& binding : scope->bindings) {
      if (binding.index.name.text == name && binding.index.pack == pack) return &binding;
    }
  }
  return nullptr;
}

std::vector<std::string> Elaborator::visible_names() const {
  std::vector<std::string> names(std::begin(kBuiltins), std::end(kBuiltins));
  for (const Scope* scope = context_.scope; scope; scope = scope->parent) {
    for (const auto& [name, binding] : scope->names) {
      if (name.find_first_of(". ") == std::string::npos) names.push_back(name);
    }
  }
  for (const IndexScope* scope = context_.indices; scope; scope = scope->parent) {
    for (const IndexBinding& binding : scope->bindings) names.push_back(binding.index.name.text);
  }
  for (std::string& name : spec_.names(context_.scope->file, NameSpace::value)) names.push_back(std::move(name));
  return names;
}

// A help that names the nearest of `names`, or all of them where they are few.
void Elaborator::suggest(ir::Diagnostic& message, const std::string& word, const std::vector<std::string>& names,
                         bool list) const {
  constexpr size_t kFew = 8;
  const std::string nearest = word.size() > 1 ? ir::nearest_name(word, names) : std::string();
  if (!nearest.empty()) {
    message.help(fmt::format("did you mean `{}`?", nearest));
  } else if (list && !names.empty() && names.size() <= kFew) {
    message.help(fmt::format("there {} `{}`", names.size() == 1 ? "is" : "are", fmt::join(names, "`, `")));
  }
}

// A name of the body, of the file, or built in.
Value Elaborator::look_up(const Expr* expr) {
  if (Binding* binding = find_binding(expr->text)) {
    binding->used = true;
    return binding->value;
  }
  if (const Definition* definition = spec_.find(context_.scope->file, NameSpace::value, expr->text)) {
    return file_value(definition, expr);
  }
  if (is_builtin(expr->text)) return Callable{nullptr, expr->text};
  auto& message = error(expr->location, fmt::format("unknown name `{}`", expr->text));
  suggest(message, expr->text, visible_names(), false);
  for (NameSpace space : {NameSpace::loss, NameSpace::optimizer, NameSpace::data}) {
    if (!spec_.find(context_.scope->file, space, expr->text)) continue;
    message.help(fmt::format("there is a {} of that name; it stands only in a `train` block",
                             space == NameSpace::loss        ? "loss"
                             : space == NameSpace::optimizer ? "optimizer"
                                                             : "data block"));
  }
  return Broken{};
}

Value Elaborator::file_value(const Definition* definition, const Expr* expr) {
  switch (definition->kind) {
    case DefinitionKind::constant:
      return constant_value(definition);
    case DefinitionKind::model:
      error(expr->location, fmt::format("`{}` is a model; a model is trained, not used inside another", expr->text))
          .help("make it a `layer` to use it here");
      return Broken{};
    default:
      return Callable{definition, {}};
  }
}

Value Elaborator::constant_value(const Definition* definition) {
  const auto known = constants_.find(definition);
  if (known != constants_.end()) return known->second;
  if (!constants_open_.insert(definition).second) {
    error(definition->name.location, fmt::format("const `{}` depends on itself", definition->name.text));
    return constants_[definition] = Broken{};
  }
  Value value;
  {
    const BodyContext context(context_, definition->location.file, Frame::Kind::constant, context_.target);
    value = evaluate(definition->value);
  }
  constants_open_.erase(definition);
  const auto* scalar = std::get_if<Scalar>(&value);
  const auto overridden = defined_.find(definition);
  if (overridden != defined_.end()) {
    if (scalar && scalar->kind != overridden->second.kind &&
        !(scalar->kind == Scalar::Kind::real && overridden->second.is_integer())) {
      error({}, fmt::format("-D {}: the constant is {}, the new value is {}", definition->name.text, describe(value),
                            describe(overridden->second)));
      value = Broken{};
    } else {
      value = overridden->second;
    }
  } else if (!scalar && !is_broken(value)) {
    error(definition->value->span,
          fmt::format("const `{}` is {}, not a number known while compiling", definition->name.text, describe(value)));
    value = Broken{};
  }
  return constants_[definition] = value;
}

// Whether a body may bind this name anew.
bool Elaborator::check_new_name(const Name& name) {
  // `pad` is told apart by its bracket: `pad(x, [pad/pad])`.
  if (is_reduction(name.text) || (is_builtin(name.text) && name.text != "pad")) {
    error(name.location, fmt::format("`{}` is built in and cannot be a name", name.text));
    return false;
  }
  if (const Binding* binding = find_binding(name.text)) {
    auto& message = error(name.location, fmt::format("`{}` is already defined", name.text));
    if (binding->location.valid()) message.label(binding->location, fmt::format("{} `{}`", binding->what, name.text));
    message.label(name.location, "again here").help("names are bound once; choose another");
    return false;
  }
  const Definition* definition = spec_.find(context_.scope->file, NameSpace::value, name.text);
  if (definition && !is_library(definition->location)) {
    error(name.location, fmt::format("`{}` hides the {} of that name", name.text, definition_word(definition->kind)))
        .label(definition->name.location, "defined here")
        .label(name.location, "hidden here")
        .help("names are bound once; choose another");
    return false;
  }
  return true;
}

// Names that a run's functions use for themselves may not be names of parameters, instances or columns at the top.
bool Elaborator::check_run_name(const Name& name, std::string_view what) {
  static constexpr const char* kTaken[] = {"loss", "out", "optimizer", "hyper", "key", "t"};
  for (const char* taken : kTaken) {
    if (name.text != taken) continue;
    error(name.location,
          fmt::format("`{}` cannot be the name of {}: every run has something of that name", name.text, what))
        .help("choose another name");
    return false;
  }
  return true;
}

bool Elaborator::define(const Name& name, Value value, std::string what) {
  if (!check_new_name(name)) {
    // What is bound stays; a name that may not be one is bound to nothing, so that its uses bring no more messages.
    if (!find_binding(name.text)) {
      context_.scope->names[name.text] = {Broken{}, name.location, std::move(what), true};
    }
    return false;
  }
  context_.scope->names[name.text] = {std::move(value), name.location, std::move(what), false};
  return true;
}

}  // namespace gradc::frontend
