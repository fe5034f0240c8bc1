// Layers: instances, their static arguments, their application.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"
#include "frontend/print_ast.h"

namespace gradc::frontend {

// A real number that can change without recompiling; a 0 is folded.
Scalar Elaborator::make_setting(const std::string& name, Scalar value, ir::SourceLocation location) {
  const auto [entry, is_new] = setting_index_.try_emplace(name, program_.settings.size());
  if (is_new) program_.settings.push_back({name, value.value, location, value.value == 0});
  if (value.value == 0) return real_scalar(0);
  scalars_.at(location);
  return scalars_.setting(name, value.value);
}

// The value of a static argument. `value` is evaluated where the instance is made, the default in `defaults`, where the
// arguments before it are known.
std::optional<Value> Elaborator::static_argument(const Formal& formal, const Expr* value,
                                                 const std::string& setting_prefix, Scope& defaults) {
  const Context saved = context_;
  if (!value) {
    value = formal.default_value;
    context_.scope = &defaults;
  }
  Value result = evaluate(value);
  context_ = saved;
  if (is_broken(result)) return std::nullopt;
  const std::string word = formal.type ? formal.type->word : "real";
  auto* scalar = std::get_if<Scalar>(&result);
  const auto mismatch = [&](std::string_view expected) {
    error(value->span, fmt::format("argument `{}` is {}, found {}", formal.name.text, expected, describe(result)))
        .label(value->span)
        .label(formal.type ? formal.type->location : formal.name.location, "declared here");
    return std::nullopt;
  };
  if (word == "int") {
    if (!scalar || !scalar->known() || scalar->is_boolean()) return mismatch("a whole number known while compiling");
    if (scalar->divisor != 0) {
      error(value->span, fmt::format("{} does not divide {}: argument `{}` is a whole number", scalar->divisor,
                                     scalar->dividend, formal.name.text));
      return std::nullopt;
    }
    if (!scalar->is_integer()) return mismatch("a whole number known while compiling");
    return result;
  }
  if (word == "bool") {
    if (!scalar || !scalar->known() || !scalar->is_boolean())
      return mismatch("`true` or `false`, known while compiling");
    return result;
  }
  if (word == "fn") {
    const auto* function = std::get_if<Callable>(&result);
    if (!function || (function->definition && function->definition->kind != DefinitionKind::function))
      return mismatch("a `fn`");
    return result;
  }
  if (word != "real") {
    error(formal.type->location,
          fmt::format("a static argument has type `int`, `bool`, `real` or `fn`, not `{}`", word));
    return std::nullopt;
  }
  if (!scalar || scalar->is_boolean()) return mismatch("a number");
  const std::string name = setting_prefix + formal.name.text;
  if (const std::optional<double> given = override_of(name))
    return make_setting(name, real_scalar(*given), formal.name.location);
  if (!scalar->known()) return result;  // depends on other settings or on `t`
  return make_setting(name, real_scalar(scalar->value), value->location);
}

Value Elaborator::make_instance(const Definition& layer, const Expr* call_expr) {
  if (context_.frame->kind != Frame::Kind::layer) {
    error(call_expr->span, fmt::format("layer `{}` cannot be used here", layer.name.text))
        .help("layers are used in models and in other layers");
    return Broken{};
  }
  const Name name = pending_name_;
  pending_name_ = {};
  const bool anonymous = name.text.empty();
  std::string path = context_.frame->path;
  if (!anonymous && path.empty() && !check_run_name(name, "an instance")) return Broken{};
  if (anonymous) {
    const int round = context_.frame->anonymous[call_expr]++;
    const auto [number, is_new] = anonymous_numbers_.try_emplace({path, call_expr, round}, 0);
    path += layer.name.text + "_";
    if (is_new) number->second = anonymous_counts_[path]++;
    path += std::to_string(number->second);
  } else {
    path += name.text + context_.frame->suffix;
  }
  if (!check_full_name(path, {path, anonymous ? call_expr->location : name.location}, "instance")) return Broken{};
  BoundArguments bound;
  const std::string what = fmt::format("layer `{}`", layer.name.text);
  if (!bind_arguments(layer.statics, call_expr->arguments, what, layer.name.location, call_expr, bound))
    return Broken{};
  Instance instance;
  instance.layer = &layer;
  instance.path = path;
  instance.text = print_expression(*call_expr);
  instance.location = anonymous ? call_expr->location : name.location;
  instance.identity = call_expr;
  instance.anonymous = anonymous;
  Scope defaults;
  defaults.file = layer.location.file;
  bool good = true;
  for (size_t k = 0; k < layer.statics.size(); ++k) {
    const Formal& formal = layer.statics[k];
    std::optional<Value> value = static_argument(formal, bound[k], path + ".", defaults);
    if (!value) {
      good = false;
      continue;
    }
    defaults.names[formal.name.text] = {*value, formal.name.location, "argument", false};
    instance.statics[formal.name.text] = *value;
    instance.static_names.push_back(formal.name);
  }
  if (!good) return Broken{};
  const auto [entry, is_new] = instance_by_path_.try_emplace(path, instances_.size());
  if (is_new) {
    instances_.push_back(std::move(instance));
  } else if (instances_[entry->second].identity != call_expr) {
    error(instance.location, fmt::format("two instances are called `{}`", path))
        .label(instances_[entry->second].location, "the first")
        .label(instance.location, "the second")
        .help("give one of them a name of its own with `let`");
    return Broken{};
  } else {
    instances_[entry->second].statics = std::move(instance.statics);
  }
  return InstanceRef{entry->second};
}

Value Elaborator::apply_instance(InstanceRef reference, const std::vector<Value>& arguments, const Expr* at) {
  const size_t index = reference.index;
  const Definition& layer = *instances_[index].layer;
  if (context_.indexed) {
    error(at->span, fmt::format("layer `{}` works on whole tensors", layer.name.text))
        .help("give its result a name with `let` before the equation");
    return Broken{};
  }
  if (arguments.size() != layer.tensors.size()) {
    error(at->span, fmt::format("layer `{}` takes {} tensor{}, found {}", layer.name.text, layer.tensors.size(),
                                layer.tensors.size() == 1 ? "" : "s", arguments.size()))
        .label(at->span)
        .label(layer.name.location, "defined here");
    return Broken{};
  }
  if (!enter(layer, at->span)) return Broken{};
  if (!instances_[index].applied) instances_[index].first_use = at->span;
  instances_[index].applied = true;
  std::vector<Tensor> tensors;
  for (size_t k = 0; k < arguments.size(); ++k) {
    const TypeExpr* type = layer.tensors[k].type;
    std::optional<Tensor> tensor = to_tensor(arguments[k], at, type != nullptr && type->word == "idx");
    if (!tensor) {
      calls_.pop_back();
      return Broken{};
    }
    tensors.push_back(std::move(*tensor));
  }
  const Context saved = context_;
  Scope scope;
  scope.file = layer.location.file;
  Frame frame;
  frame.kind = Frame::Kind::layer;
  frame.path = instances_[index].path + ".";
  frame.instance = index;
  context_.scope = &scope;
  context_.frame = &frame;
  context_.indices = nullptr;
  context_.layer_branch = context_.branch;
  bool good = true;
  for (const Name& name : instances_[index].static_names) {
    good = define(name, instances_[index].statics.at(name.text), "argument") && good;
  }
  for (size_t k = 0; k < layer.tensors.size() && good; ++k) {
    const Formal& formal = layer.tensors[k];
    if (!formal.type) {
      error(formal.name.location,
            fmt::format("argument `{}` of layer `{}` needs a type", formal.name.text, layer.name.text))
          .help(fmt::format("write `{}: f32[...]`; numbers stand in the first bracket", formal.name.text));
      good = false;
      continue;
    }
    const std::string of = fmt::format("argument `{}` of layer `{}`", formal.name.text, layer.name.text);
    good = bind_shape(*formal.type, sample_shape(tensors[k]), tensors[k].limit, of, at->span) && good;
    if (good) good = define(formal.name, tensors[k], "argument");
  }
  // What the layer requires first, then a result that cannot be, are said before what follows from them in the body.
  for (const Statement* item : layer.body->statements) {
    if (item->kind != StatementKind::require || !good) break;
    good = requirement(*item);
  }
  int64_t result_limit = 0;
  if (good && dimensions_known(*layer.result)) {
    good = evaluate_shape(*layer.result, &result_limit, "a dimension of the result").has_value();
  }
  Value result = Broken{};
  if (good) result = body(*layer.body, fmt::format("layer `{}`", layer.name.text));
  if (!is_broken(result)) {
    if (check_result(*layer.result, result, layer)) {
      result = *to_tensor(result, at, layer.result->word == "idx");
    } else {
      result = Broken{};
    }
  }
  context_ = saved;
  calls_.pop_back();
  if (const auto* tensor = std::get_if<Tensor>(&result); tensor && first_pass_) {
    const Instance& instance = instances_[index];
    program_.layers.push_back({instance.path,
                               instance.text,
                               {tensor->home->type(*tensor).dtype, sample_shape(*tensor)},
                               instance.parameters});
  }
  return result;
}

}  // namespace gradc::frontend
