// Layers: instances, their static arguments, bodies with their statements, parameters.
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

// A block's value is its last expression.
Value Elaborator::body(const Block& block, std::string_view of) {
  Value result = Broken{};
  if (block.statements.empty()) {
    error(block.location, fmt::format("the body of {} is empty", of)).help("its value is its last expression");
    return result;
  }
  for (const Statement* item : block.statements) {
    const bool last = item == block.statements.back();
    if (item->kind == StatementKind::require && !requirement(*item)) return result;
    if (item->kind != StatementKind::expression) {
      if (item->kind != StatementKind::require) statement(*item);
      if (last && !exhausted_) {
        error(item->location, fmt::format("the body of {} ends without a value", of))
            .help("its value is its last expression");
      }
      continue;
    }
    const Value value = evaluate(item->value);
    if (last) {
      result = value;
    } else if (!is_broken(value)) {
      error(item->value->span, "this value is not used").help("give it a name with `let`, or let it stand last");
    }
  }
  return result;
}

void Elaborator::statement(const Statement& item) {
  if (!spend(item.location)) return;
  const bool in_function = context_.frame->kind == Frame::Kind::function;
  switch (item.kind) {
    case StatementKind::let: {
      if (item.indexed) {
        const Value value = index_equation(item, item.value);
        define(item.names[0], value, "let");
        return;
      }
      // `let f = linear(5)` names the instance; only directly, not deeper in the expression.
      bool names_instance = false;
      if (item.value->kind == ExprKind::call && item.value->operands[0]->kind == ExprKind::name &&
          !find_binding(item.value->operands[0]->text)) {
        const Definition* called = spec_.find(context_.scope->file, NameSpace::value, item.value->operands[0]->text);
        names_instance = called && called->kind == DefinitionKind::layer;
      }
      if (names_instance && find_binding(item.names[0].text)) {  // no instance for a name that is taken
        check_new_name(item.names[0]);
        return;
      }
      pending_name_ = names_instance ? item.names[0] : Name{};
      const Value value = evaluate(item.value);
      pending_name_ = {};
      if (std::holds_alternative<Callable>(value) && std::get<Callable>(value).definition &&
          std::get<Callable>(value).definition->kind == DefinitionKind::layer) {
        error(item.value->span, fmt::format("`{}` is a layer, not an instance of one", item.value->text))
            .help(fmt::format("write `{}(...)` with its static arguments", item.value->text));
        define(item.names[0], Broken{}, "let");
        return;
      }
      define(item.names[0], value, "let");
      return;
    }
    case StatementKind::constant: {
      const std::optional<Scalar> value = evaluate_scalar(item.value, fmt::format("const `{}`", item.names[0].text));
      define(item.names[0], value ? Value(*value) : Value(Broken{}), "const");
      return;
    }
    case StatementKind::param:
      if (context_.frame->kind != Frame::Kind::layer) {
        error(item.location, "`param` stands in a layer or a model");
        return;
      }
      declare_parameters(item);
      return;
    case StatementKind::repeat:
      if (in_function) {
        error(item.location, "`repeat` stands in a layer or a model, not in a `fn`");
        return;
      }
      repeat(item);
      return;
    case StatementKind::rebind: {
      Binding* binding = find_binding(item.names[0].text);
      const bool own = context_.scope->names.count(item.names[0].text) > 0;
      if (context_.scope->parent && !context_.scope->local && binding && !own) {
        const bool argument = binding->what == "argument" || binding->what == "input";
        const bool carried = binding->what == "let" || binding->what == "sample" ||
                             (argument && std::holds_alternative<Tensor>(binding->value));
        if (!carried && !is_broken(binding->value)) {
          const std::string what = argument ? "static argument" : binding->what;
          auto& message = error(item.names[0].location,
                                fmt::format("`repeat` may not rebind the {} `{}`", what, item.names[0].text));
          message.label(binding->location, fmt::format("{} `{}`", what, item.names[0].text))
              .label(item.names[0].location, "again here");
          message.help(what == "state"
                           ? "`<-` sets a state"
                           : "`repeat` carries a name of a `let`, or a tensor argument, from round to round");
          return;
        }
        const Value value = evaluate(item.value);
        binding = find_binding(item.names[0].text);
        if (is_broken(value) || is_broken(binding->value)) {
          binding->value = Broken{};
          return;
        }
        const auto* before = std::get_if<Tensor>(&binding->value);
        const auto* after = std::get_if<Tensor>(&value);
        const bool same =
            before && after ? sample_shape(*before) == sample_shape(*after) : binding->value.index() == value.index();
        if (!same) {
          error(item.names[0].location, fmt::format("`repeat` may not change the type of `{}`", item.names[0].text))
              .label(binding->location, fmt::format("before: {}", describe(binding->value)))
              .label(item.value->span, fmt::format("after one round: {}", describe(value)));
          binding->value = Broken{};
          return;
        }
        binding->value = value;
        return;
      }
      auto& message = error(item.names[0].location, fmt::format("`{} = ...` without `let`", item.names[0].text));
      if (binding) {
        message.label(binding->location, fmt::format("`{}` is bound here", item.names[0].text))
            .label(item.names[0].location, "again here");
        message.help("names are bound once; only `repeat` carries a name from round to round");
      } else {
        message.help(fmt::format("write `let {} = ...`", item.names[0].text));
      }
      return;
    }
    case StatementKind::require:
      requirement(item);
      return;
    case StatementKind::sample:
      sample(item);
      return;
    case StatementKind::state:
      if (in_function) {
        error(item.location, "a `fn` has no state").help("make it a `layer`");
        for (const Name& name : item.names) define(name, Broken{}, "state");
        return;
      }
      declare_states(item);
      return;
    case StatementKind::assign:
      assign_state(item);
      return;
    case StatementKind::report:
      report(item);
      return;
    case StatementKind::expression: {
      const Value value = evaluate(item.value);
      if (!is_broken(value))
        error(item.value->span, "this value is not used").help("`name = e` carries a value to the next round");
      return;
    }
  }
}

void Elaborator::repeat(const Statement& item) {
  const std::optional<int64_t> count = evaluate_integer(item.value, "the count of `repeat`", 0);
  if (!count) return;
  Frame& frame = *context_.frame;
  const std::string suffix = frame.suffix;
  Scope* outer = context_.scope;
  for (int64_t round = 0; round < *count && !exhausted_; ++round) {
    const size_t errors = diagnostics_.error_count();
    if (!spend(item.location)) break;
    Scope scope;
    scope.parent = outer;
    scope.file = outer->file;
    context_.scope = &scope;
    frame.suffix = fmt::format("{}_{}", suffix, round);
    for (const Statement* inner : item.body->statements) statement(*inner);
    context_.scope = outer;
    if (diagnostics_.error_count() != errors) break;  // the next rounds would say the same
  }
  frame.suffix = suffix;
}

// Rounds of `repeat` have a number in the full names of what they make, which may be that of something else.
bool Elaborator::check_full_name(const std::string& full, const Name& name, std::string_view what) {
  std::string_view other;
  ir::SourceLocation place;
  const auto parameter = parameters_.find(full);
  const auto state = layer_states_.find(full);
  const auto instance = instance_by_path_.find(full);
  const auto column = columns_.find(full);
  if (what != "param" && parameter != parameters_.end()) {
    other = "param";
    place = parameter->second.location;
  } else if (what != "state" && state != layer_states_.end()) {
    other = "state";
    place = state->second.location;
  } else if (what != "instance" && instance != instance_by_path_.end()) {
    other = "instance";
    place = instances_[instance->second].location;
  } else if (what != "instance" && column != columns_.end()) {
    other = "column of the data";
    place = column->second.second;
  } else {
    return true;
  }
  error(name.location,
        fmt::format("{} `{}` has the name of {} {}", what, full, other == "instance" ? "an" : "a", other))
      .label(place, fmt::format("the {}", other.substr(0, other.find(' '))))
      .label(name.location, fmt::format("the {}", what))
      .help("choose another name for one of them");
  return false;
}

void Elaborator::declare_parameters(const Statement& item) {
  const std::optional<ir::Shape> shape = evaluate_shape(*item.type);
  for (const Name& name : item.names) {
    if (!shape || find_binding(name.text)) {  // where the name is taken, that is all that is said
      define(name, Broken{}, "param");
      continue;
    }
    const std::string full = context_.frame->path + name.text + context_.frame->suffix;
    if ((context_.frame->path.empty() && !check_run_name(name, "a param")) || name.text == "gradient") {
      if (name.text == "gradient") {
        error(name.location, "`gradient` cannot be the name of a param").help("choose another name");
      }
      define(name, Broken{}, "param");
      continue;
    }
    if (!check_full_name(full, name, "param")) {
      define(name, Broken{}, "param");
      continue;
    }
    const ir::Type type{ir::DType::f32, *shape};
    const auto [entry, is_new] = parameters_.try_emplace(full);
    ParameterInfo& info = entry->second;
    if (is_new) {
      info = {full, type, name.location, &name};
      count_state(type, name.location);
      std::optional<Tensor> initial = initial_value(item.value, *shape, full, fmt::format("param `{}`", name.text));
      if (initial) initial_->result(full, initial->id);
      parameter_order_.push_back(full);
      program_.parameters.push_back({full, type});
      if (context_.frame->instance != SIZE_MAX) {
        instances_[context_.frame->instance].parameters += type.elements();
      }
    } else if (info.identity != &name) {
      error(name.location, fmt::format("two parameters are called `{}`", full))
          .label(info.location, "the first")
          .label(name.location, "the second")
          .help("give one of them another name");
    } else if (info.type != type) {
      auto& message = error(name.location, fmt::format("one instance is used with two shapes of `{}`", full));
      message.label(name.location,
                    fmt::format("{} at the first use, {} at another", ir::to_string(info.type), ir::to_string(type)));
      if (context_.frame->instance != SIZE_MAX)
        message.label(instances_[context_.frame->instance].first_use, "first used here");
      message.help("weights are shared when an instance is used twice; make a second instance");
      define(name, Broken{}, "param");
      continue;
    }
    Tensor tensor{context_.target, context_.target->argument(full, info.type, ir::Role::parameter, name.location), {}};
    for (size_t k = 0; k < shape->size(); ++k) tensor.axes.push_back(static_cast<int>(k));
    const std::optional<Tensor> value =
        for_each_sample_.count(full) > 0 ? copy_for_each_sample(tensor, name.location) : tensor;
    define(name, value ? Value(*value) : Value(Broken{}), "param");
  }
}

// Evaluates an initial value in the function @RUN.init, in the present scope.
std::optional<Tensor> Elaborator::initial_value(const Expr* expr, const ir::Shape& shape, const std::string& draw_name,
                                                std::string_view what) {
  const Context saved = context_;
  Frame frame;
  frame.kind = Frame::Kind::initializer;
  context_.target = initial_;
  context_.frame = &frame;
  context_.indices = nullptr;
  context_.indexed = false;
  context_.branch = context_.layer_branch = nullptr;
  draw_name_ = draw_name;
  draw_shape_ = shape;
  draw_sample_ = false;
  draws_ = 0;
  const Value value = evaluate(expr);
  draws_ = -1;
  std::optional<Tensor> tensor = is_broken(value) ? std::nullopt : to_tensor(value, expr);
  if (tensor && context_.target->type(*tensor).dtype == ir::DType::boolean) {
    error(expr->span, fmt::format("the initial value of {} is a truth value, not a number", what));
    tensor.reset();
  }
  if (tensor && tensor->rank() > 0 && sample_shape(*tensor) != shape) {
    error(expr->span, fmt::format("the initial value of {} has the wrong shape", what))
        .label(expr->span,
               fmt::format("found {}, expected {}", shape_text(*tensor), ir::to_string({ir::DType::f32, shape})));
    tensor.reset();
  }
  if (tensor) {
    std::vector<int> axes;
    for (size_t k = 0; k < shape.size(); ++k) axes.push_back(static_cast<int>(k));
    tensor = spread(*tensor, axes, shape, expr->location);
  }
  context_ = saved;
  return tensor;
}

}  // namespace gradc::frontend
