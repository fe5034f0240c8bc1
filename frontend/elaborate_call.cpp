// Applications: f(x), linear(5)(x), x |> f. Arguments are evaluated before what they are given to (Rule 8).
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"

namespace gradc::frontend {

namespace {
constexpr size_t kMaxCalls = 64;
}

// A call of a definition begins; the caller pops `calls_` at its end.
bool Elaborator::enter(const Definition& definition, ir::SourceLocation site) {
  for (const Call& call : calls_) {
    if (call.definition != &definition) continue;
    error(site, fmt::format("{} `{}` uses itself", definition_word(definition.kind), definition.name.text))
        .label(site, "used here, inside its own body")
        .help("there is no recursion; `repeat` makes a fixed number of copies");
    return false;
  }
  if (calls_.size() >= kMaxCalls) {
    error(site, fmt::format("definitions use each other more than {} levels deep", kMaxCalls));
    return false;
  }
  calls_.push_back({&definition, site});
  return true;
}

// Puts the arguments into the order of the formals. Reports what is missing, double or unknown.
bool Elaborator::bind_arguments(const std::vector<Formal>& formals, const std::vector<Argument>& arguments,
                                const std::string& what, ir::SourceLocation name_location, const Expr* at,
                                BoundArguments& bound) {
  bound.assign(formals.size(), nullptr);
  size_t position = 0;
  bool good = true;
  for (const Argument& argument : arguments) {
    size_t index = position;
    if (!argument.name.text.empty()) {
      const auto formal = std::find_if(formals.begin(), formals.end(),
                                       [&](const Formal& f) { return f.name.text == argument.name.text; });
      if (formal == formals.end()) {
        auto& message = error(argument.name.location, fmt::format("{} has no argument `{}`", what, argument.name.text));
        std::vector<std::string> names;
        for (const Formal& other : formals) names.push_back(other.name.text);
        const std::string nearest = ir::nearest_name(argument.name.text, names);
        if (!nearest.empty()) {
          message.help(fmt::format("did you mean `{}`?", nearest));
        } else if (!names.empty()) {
          message.help(fmt::format("its arguments are `{}`", fmt::join(names, "`, `")));
        }
        good = false;
        continue;
      }
      index = static_cast<size_t>(formal - formals.begin());
    } else {
      ++position;
    }
    if (index >= formals.size()) {
      error(argument.value->span, fmt::format("{} takes {} argument{}, found {}", what, formals.size(),
                                              formals.size() == 1 ? "" : "s", arguments.size()))
          .label(argument.value->span, "one too many")
          .label(name_location, "defined here");
      return false;
    }
    if (bound[index]) {
      error(argument.value->span, fmt::format("{} gets its argument `{}` twice", what, formals[index].name.text))
          .label(bound[index]->span, "first here")
          .label(argument.value->span, "again here");
      good = false;
      continue;
    }
    bound[index] = argument.value;
  }
  if (!good) return false;  // what is missing may be what was misspelt
  for (size_t k = 0; k < formals.size(); ++k) {
    if (bound[k] || formals[k].default_value) continue;
    error(at->span, fmt::format("{} needs its argument `{}`", what, formals[k].name.text))
        .label(at->span)
        .label(formals[k].name.location, "declared here, without a default");
    good = false;
  }
  return good;
}

Value Elaborator::call_instance(InstanceRef instance, const Expr* expr, const std::vector<Value>& arguments) {
  bool good = std::none_of(arguments.begin(), arguments.end(), is_broken);
  for (const Argument& argument : expr->arguments) {
    if (argument.name.text.empty()) continue;
    error(argument.name.location, "tensors are passed to a layer by position, not by name");
    good = false;
  }
  return good ? apply_instance(instance, arguments, expr) : Broken{};
}

Value Elaborator::call(const Expr* expr) {
  const Expr* callee = expr->operands[0];
  if (callee->kind != ExprKind::name) {
    // f(5)(x): the arguments first, then the instance.
    std::vector<Value> arguments;
    for (const Argument& argument : expr->arguments) arguments.push_back(evaluate(argument.value));
    const Value target = evaluate(callee);
    if (is_broken(target)) return Broken{};
    if (const auto* instance = std::get_if<InstanceRef>(&target)) return call_instance(*instance, expr, arguments);
    if (std::any_of(arguments.begin(), arguments.end(), is_broken)) return Broken{};
    error(callee->span, fmt::format("{} cannot be called", describe(target)));
    return Broken{};
  }
  if (find_index(callee->text, false)) {
    error(callee->span, fmt::format("`{}` is an index and cannot be called", callee->text));
    return Broken{};
  }
  if (callee->text == "grad") return gradient(expr);
  if ((callee->text == "sum" || callee->text == "mean" || callee->text == "prod" || callee->text == "argmax" ||
       callee->text == "softmax" || callee->text == "logsumexp")) {
    error(callee->location, fmt::format("`{}` needs the indices it runs over", callee->text))
        .help(fmt::format("write `{}[i] x[i]`", callee->text));
    return Broken{};
  }
  if (callee->text == "total" && !find_binding("total")) return total(expr);
  if (callee->text == "reshape" || callee->text == "concat" || callee->text == "pad") {
    const Binding* hidden = find_binding(callee->text);
    const bool number = hidden && std::holds_alternative<Scalar>(hidden->value);
    if ((!hidden || number) && !spec_.find(context_.scope->file, NameSpace::value, callee->text)) {
      return whole_tensor_builtin(expr, callee->text);
    }
  }
  const Value target = look_up(callee);
  if (is_broken(target)) {
    return Broken{};
  }
  if (const auto* function = std::get_if<Callable>(&target)) {
    if (function->definition && function->definition->kind == DefinitionKind::layer) {
      return make_instance(*function->definition, expr);
    }
    std::vector<std::pair<Name, Value>> arguments;
    bool good = true;
    for (const Argument& argument : expr->arguments) {
      arguments.emplace_back(argument.name, evaluate(argument.value));
      good = good && !is_broken(arguments.back().second);
    }
    if (!good) return Broken{};
    return apply_function(*function, std::move(arguments), expr);
  }
  if (const auto* instance = std::get_if<InstanceRef>(&target)) {
    std::vector<Value> arguments;
    for (const Argument& argument : expr->arguments) arguments.push_back(evaluate(argument.value));
    return call_instance(*instance, expr, arguments);
  }
  error(callee->span, fmt::format("`{}` is {} and cannot be called", callee->text, describe(target)));
  return Broken{};
}

// x |> f: an instance, a layer with its static arguments, or a fn with its other arguments by name.
Value Elaborator::pipe(const Expr* expr) {
  const Value value = evaluate(expr->operands[0]);
  const Expr* right = expr->operands[1];
  if (is_broken(value)) return Broken{};
  if (right->kind == ExprKind::call && right->operands[0]->kind == ExprKind::name) {
    const Value callee = look_up(right->operands[0]);
    if (is_broken(callee)) return Broken{};
    const auto* function = std::get_if<Callable>(&callee);
    if (function && !(function->definition && function->definition->kind == DefinitionKind::layer)) {
      std::vector<std::pair<Name, Value>> arguments = {{Name{}, value}};
      for (const Argument& argument : right->arguments) {
        if (argument.name.text.empty()) {
          error(argument.value->span, "after `|>` the other arguments of a `fn` are given by name")
              .label(argument.value->span)
              .help(fmt::format("the value before `|>` is the first argument of `{}`", right->operands[0]->text));
          return Broken{};
        }
        arguments.emplace_back(argument.name, evaluate(argument.value));
        if (is_broken(arguments.back().second)) return Broken{};
      }
      return apply_function(*function, std::move(arguments), right);
    }
  }
  const Value target = evaluate(right);
  if (is_broken(target)) return Broken{};
  if (const auto* instance = std::get_if<InstanceRef>(&target)) return apply_instance(*instance, {value}, right);
  if (const auto* function = std::get_if<Callable>(&target)) {
    if (function->definition && function->definition->kind == DefinitionKind::layer) {
      error(right->span, fmt::format("`{}` is a layer and needs its static arguments", right->text))
          .help(fmt::format("write `|> {}(...)`", right->text));
      return Broken{};
    }
    return apply_function(*function, {{Name{}, value}}, right);
  }
  error(right->span,
        fmt::format("the right side of `|>` is {}, not a function or an instance of a layer", describe(target)));
  return Broken{};
}

Value Elaborator::apply_function(const Callable& function, std::vector<std::pair<Name, Value>> arguments,
                                 const Expr* at) {
  Value result = Broken{};
  if (function.definition) {
    result = apply_definition(*function.definition, arguments, at);
  } else {
    std::vector<Value> values;
    for (auto& [name, value] : arguments) {
      if (!name.text.empty()) {
        error(name.location, fmt::format("the arguments of `{}` have no names", function.builtin));
        return Broken{};
      }
      values.push_back(std::move(value));
    }
    result = apply_builtin(function.builtin, values, at);
  }
  // The functions that the model itself applies to tensors are rows of its table.
  const auto* tensor = std::get_if<Tensor>(&result);
  const bool table =
      first_pass_ && context_.frame->kind == Frame::Kind::layer && context_.frame->path.empty() && !context_.indexed;
  if (table && tensor && tensor->rank() > 0) {
    const std::string name = function.definition ? function.definition->name.text : function.builtin;
    program_.layers.push_back({name, name, {context_.target->type(*tensor).dtype, sample_shape(*tensor)}, 0});
  }
  return result;
}

Value Elaborator::apply_definition(const Definition& function, const std::vector<std::pair<Name, Value>>& arguments,
                                   const Expr* at) {
  const std::vector<Formal>& formals = function.tensors;
  const std::string what = fmt::format("fn `{}`", function.name.text);
  std::vector<const Value*> bound(formals.size(), nullptr);
  size_t position = 0;
  for (const auto& [name, value] : arguments) {
    size_t index = position;
    const std::string& wanted = name.text;
    if (wanted.empty()) {
      ++position;
    } else {
      const auto formal =
          std::find_if(formals.begin(), formals.end(), [&](const Formal& f) { return f.name.text == wanted; });
      index = static_cast<size_t>(formal - formals.begin());
      if (index == formals.size()) {
        std::vector<std::string> names;
        for (const Formal& other : formals) names.push_back(other.name.text);
        auto& message = error(name.location, fmt::format("{} has no argument `{}`", what, wanted));
        const std::string nearest = ir::nearest_name(wanted, names);
        if (!nearest.empty()) message.help(fmt::format("did you mean `{}`?", nearest));
        return Broken{};
      }
    }
    if (index >= formals.size()) {
      error(at->span, fmt::format("{} takes {} argument{}, found {}", what, formals.size(),
                                  formals.size() == 1 ? "" : "s", arguments.size()))
          .label(at->span)
          .label(function.name.location, "defined here");
      return Broken{};
    }
    if (bound[index]) {
      error(at->span, fmt::format("{} gets its argument `{}` twice", what, formals[index].name.text));
      return Broken{};
    }
    bound[index] = &value;
  }
  if (!enter(function, at->span)) return Broken{};
  const Context saved = context_;
  Scope scope;
  scope.file = function.location.file;
  Frame frame;
  frame.kind = Frame::Kind::function;
  Value result = Broken{};
  bool good = true;
  context_.scope = &scope;
  context_.frame = &frame;
  context_.indices = nullptr;
  for (size_t k = 0; k < formals.size() && good; ++k) {
    Value value = Broken{};
    if (bound[k]) {
      value = *bound[k];
    } else if (formals[k].default_value) {
      value = evaluate(formals[k].default_value);
    } else {
      calls_.pop_back();
      context_ = saved;
      error(at->span, fmt::format("{} needs its argument `{}`", what, formals[k].name.text))
          .label(at->span)
          .label(formals[k].name.location, "declared here, without a default");
      return Broken{};
    }
    good = define(formals[k].name, std::move(value), "argument") && good;
  }
  if (good) result = function.value ? evaluate(function.value) : body(*function.body, what);
  context_ = saved;
  calls_.pop_back();
  return result;
}

}  // namespace gradc::frontend
