// The optimizer: every line of its body runs for every parameter before the next line does. Its states become arguments
// and results of @RUN.update; one that nothing reads is dropped. Then the module is put together.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"

namespace gradc::frontend {

namespace {

Tensor parameter_tensor(Target& target, ir::ValueId id) {
  Tensor tensor{&target, id, {}};
  for (size_t k = 0; k < target.func()[id].type.rank(); ++k) tensor.axes.push_back(static_cast<int>(k));
  return tensor;
}

}  // namespace

void Elaborator::elaborate_optimizer() {
  const TrainItem* item = find_item("optimizer");
  if (!item) return;
  const size_t errors = diagnostics_.error_count();
  if (model_broken_) {
    // Of a faulty model, the parameters that are known, or one in their place.
    std::erase_if(parameter_order_, [&](const std::string& name) { return !initial_->func().find_result(name); });
    if (parameter_order_.empty()) {
      const ir::Type type{ir::DType::f32, {1}};
      parameters_["parameter"] = {"parameter", type, train_->model.location, nullptr};
      parameter_order_.emplace_back("parameter");
      initial_->result("parameter", initial_->builder().constant(0, type));
    }
  }
  const Expr* call = item->value;
  const Expr* callee = call->kind == ExprKind::call ? call->operands[0] : call;
  if (callee->kind != ExprKind::name) {
    error(call->span, "expected an optimizer with its arguments").help("write `optimizer sgd(lr = 0.01)`");
    return;
  }
  const Definition* optimizer = spec_.find(spec_.main, NameSpace::optimizer, callee->text);
  if (!optimizer) {
    auto& message = error(callee->location, fmt::format("unknown optimizer `{}`", callee->text));
    suggest(message, callee->text, spec_.names(spec_.main, NameSpace::optimizer));
    return;
  }
  Target& target = make_target(Target::Kind::step, 1);
  const Context saved = context_;
  Frame frame;
  frame.kind = Frame::Kind::train;
  Scope arguments_scope;
  arguments_scope.file = spec_.main;
  arguments_scope.names["t"] = {scalars_.step(), optimizer->optimizer_names[2].location, "step number", true};
  context_.target = &target;
  context_.scope = &arguments_scope;
  context_.frame = &frame;
  BoundArguments bound;
  const std::string what = fmt::format("optimizer `{}`", optimizer->name.text);
  bool good = bind_arguments(optimizer->statics, call->arguments, what, optimizer->name.location, call, bound);
  Scope statics;
  statics.file = optimizer->location.file;
  for (size_t k = 0; good && k < optimizer->statics.size(); ++k) {
    const Formal& formal = optimizer->statics[k];
    const std::optional<Value> value = static_argument(formal, bound[k], "optimizer.", statics);
    good = value.has_value();
    if (value) statics.names[formal.name.text] = {*value, formal.name.location, "argument", false};
  }
  if (!good || !enter(*optimizer, call->span)) {
    context_ = saved;
    return;
  }
  frame.kind = Frame::Kind::optimizer;
  // One scope a parameter: p, its gradient, the step, the arguments.
  std::vector<Scope> scopes(parameter_order_.size());
  const std::vector<Name>& names = optimizer->optimizer_names;
  for (size_t k = 0; k < scopes.size() && good; ++k) {
    const std::string& parameter = parameter_order_[k];
    const ParameterInfo& info = parameters_.at(parameter);
    scopes[k].file = optimizer->location.file;
    scopes[k].names = statics.names;
    context_.scope = &scopes[k];
    const Tensor p =
        parameter_tensor(target, target.argument(parameter, info.type, ir::Role::parameter, info.location));
    const Tensor g = parameter_tensor(
        target, target.argument(ir::gradient_name(parameter), info.type, ir::Role::input, info.location));
    good = define(names[0], p, "parameter") && define(names[1], g, "gradient") &&
           define(names[2], scalars_.step(), "step number");
    scopes[k].names["old " + names[0].text] = {p, names[0].location, "parameter", true};
  }
  std::map<std::string, std::map<std::string, Tensor>> states;  // name -> parameter -> argument
  for (const Statement* line : optimizer->body->statements) {
    if (!good) break;
    const size_t before = diagnostics_.error_count();
    optimizer_statement(*line, *optimizer, scopes, states);
    if (diagnostics_.error_count() == before) continue;
    for (const Name& name : line->names) {  // what the line would have bound is not missed by others
      for (Scope& scope : scopes) scope.names.try_emplace(name.text, Binding{Broken{}, name.location, "let", true});
    }
  }
  optimizer_scopes_ = nullptr;
  calls_.pop_back();
  context_ = saved;
  if (diagnostics_.error_count() != errors || !good) return;

  for (size_t k = 0; k < scopes.size(); ++k) {
    target.result(parameter_order_[k], std::get<Tensor>(scopes[k].names.at(names[0].text).value).id);
  }
  // By the text: with a rate of 0 the new value is the old one, which is what was asked for.
  const std::vector<const Statement*>& lines = optimizer->body->statements;
  const bool changes = std::any_of(lines.begin(), lines.end(), [&](const Statement* line) {
    return line->kind == StatementKind::assign && line->names[0].text == names[0].text;
  });
  if (!changes) {
    error(optimizer->name.location,
          fmt::format("optimizer `{}` never changes the parameter `{}`", optimizer->name.text, names[0].text))
        .help(fmt::format("write `{} <- {} - ...`", names[0].text, names[0].text));
    return;
  }
  for (const auto& [state, by_parameter] : states) {
    for (size_t k = 0; k < scopes.size(); ++k) {
      const Tensor& value = std::get<Tensor>(scopes[k].names.at(state).value);
      target.result(fmt::format("optimizer.{}.{}", state, parameter_order_[k]), value.id);
    }
  }
  // A state that no operation reads is dropped.
  const ir::Func& func = target.func();
  std::vector<bool> live(func.size(), false);
  for (const ir::FuncResult& result : func.results) {
    if (parameters_.count(result.name) > 0) live[result.value.index] = true;
  }
  // What the parameters' new values depend on, the states' new values counting only when their old ones are read.
  for (bool again = true; again;) {
    again = false;
    for (size_t i = func.size(); i-- > 0;) {
      if (!live[i]) continue;
      for (ir::ValueId operand : func.values[i].operands) live[operand.index] = true;
    }
    for (const ir::FuncResult& result : func.results) {
      if (parameters_.count(result.name) > 0 || live[result.value.index]) continue;
      for (size_t i = 0; i < func.size(); ++i) {
        const ir::Value& value = func.values[i];
        if (value.op == ir::Op::parameter && value.name == result.name && live[i]) {
          live[result.value.index] = again = true;
        }
      }
    }
  }
  for (size_t i = 0; i < func.size(); ++i) {
    const ir::Value& value = func.values[i];
    if (value.op == ir::Op::parameter && value.role == ir::Role::state && !live[i]) dropped_states_.insert(value.name);
  }
  update_ = &target;
}

// total(e): the sum of all elements of e over all parameters, the same for each of them.
Value Elaborator::total(const Expr* expr) {
  if (context_.frame->kind != Frame::Kind::optimizer || optimizer_scopes_ == nullptr || context_.indexed) {
    error(expr->span, "`total` stands in the lines of an optimizer").help("`sum[i] e` sums over an index");
    return Broken{};
  }
  if (expr->arguments.size() != 1 || !expr->arguments[0].name.text.empty()) {
    error(expr->span, fmt::format("`total` takes 1 argument, found {}", expr->arguments.size()));
    return Broken{};
  }
  const auto known = totals_.find(expr);
  if (known != totals_.end()) return known->second;
  const Expr* body = expr->arguments[0].value;
  Scope* own = context_.scope;
  ir::Builder& builder = context_.target->builder();
  Tensor result{context_.target, {}, {}};
  for (size_t k = 0; k < optimizer_scopes_->size(); ++k) {
    context_.scope = &(*optimizer_scopes_)[k];
    const Value value = evaluate(body);
    std::optional<Tensor> part = is_broken(value) ? std::nullopt : to_tensor(value, body);
    context_.scope = own;
    if (!part) return Broken{};
    if (context_.target->type(*part).dtype != ir::DType::f32) {
      error(body->span, fmt::format("`total` takes numbers, found {}", describe(*part)));
      return Broken{};
    }
    builder.at(expr->location);
    const Tensor sum = reduce_axes(ir::ReduceKind::sum, *part, part->axes);
    result.id = k == 0 ? sum.id : builder.add(result.id, sum.id);
  }
  totals_[expr] = result;
  return result;
}

// One line of the body, for every parameter.
void Elaborator::optimizer_statement(const Statement& item, const Definition& optimizer, std::vector<Scope>& scopes,
                                     std::map<std::string, std::map<std::string, Tensor>>& states) {
  const Name& p_name = optimizer.optimizer_names[0];
  if (item.kind == StatementKind::expression) {
    error(item.location, "an optimizer holds `let`, `state` and `<-` lines");
    return;
  }
  const size_t errors = diagnostics_.error_count();
  optimizer_scopes_ = &scopes;
  totals_.clear();
  for (size_t k = 0; k < scopes.size(); ++k) {
    if (!spend(item.location) || diagnostics_.error_count() != errors) return;  // the others would say the same
    context_.scope = &scopes[k];
    const std::string& parameter = parameter_order_[k];
    const ParameterInfo& info = parameters_.at(parameter);
    switch (item.kind) {
      case StatementKind::state: {
        std::optional<ir::Shape> shape;
        if (item.type->word == "like") {
          const Binding* like = find_binding(item.type->like.text);
          const auto* tensor = like ? std::get_if<Tensor>(&like->value) : nullptr;
          if (!tensor) {
            error(item.type->like.location,
                  fmt::format("`like {}`: there is no tensor of that name", item.type->like.text))
                .help(fmt::format("write `like {}`", p_name.text));
            return;
          }
          shape = sample_shape(*tensor);
        } else {
          shape = evaluate_shape(*item.type);
        }
        if (!shape) return;
        for (const Name& name : item.names) {
          const std::string full = fmt::format("optimizer.{}.{}", name.text, parameter);
          // The initial value may use the parameter's own.
          Scope initial_scope = scopes[k];
          for (auto& [bound_name, binding] : initial_scope.names) {
            if (!std::holds_alternative<Tensor>(binding.value)) continue;
            binding.value = bound_name == p_name.text ? Value(initial_parameter(parameter)) : binding.value;
          }
          context_.scope = &initial_scope;
          const std::optional<Tensor> initial =
              initial_value(item.value, *shape, full, fmt::format("state `{}`", name.text));
          context_.scope = &scopes[k];
          if (!initial) return;
          initial_->result(full, initial->id);
          count_state({ir::DType::f32, *shape}, name.location);
          const ir::ValueId id =
              context_.target->argument(full, {ir::DType::f32, *shape}, ir::Role::state, name.location);
          const Tensor tensor = parameter_tensor(*context_.target, id);
          if (!define(name, tensor, "state")) return;
          scopes[k].names["old " + name.text] = {tensor, name.location, "state", true};
          states[name.text][parameter] = tensor;
        }
        break;
      }
      case StatementKind::assign: {
        const Name& name = item.names[0];
        Binding* binding = find_binding(name.text);
        if (binding && is_broken(binding->value)) return;
        if (!binding || (name.text != p_name.text && states.count(name.text) == 0)) {
          auto& message =
              error(name.location, binding ? fmt::format("`<-`: `{}` is neither a state nor the parameter", name.text)
                                           : fmt::format("unknown name `{}`", name.text));
          if (binding)
            message.label(binding->location, fmt::format("{} `{}`", binding->what, name.text)).label(name.location);
          std::vector<std::string> candidates = {p_name.text};
          for (const auto& [state, tensors] : states) candidates.push_back(state);
          if (!binding) suggest(message, name.text, candidates);
          return;
        }
        const Value value = evaluate(item.value);
        std::optional<Tensor> tensor = is_broken(value) ? std::nullopt : to_tensor(value, item.value);
        if (!tensor) return;
        const Tensor& old = std::get<Tensor>(scopes[k].names.at("old " + name.text).value);
        const ir::Type& type = context_.target->type(old);
        if (context_.target->type(*tensor).dtype != ir::DType::f32 ||
            (tensor->rank() > 0 && sample_shape(*tensor) != type.shape)) {
          error(item.value->span,
                fmt::format("`{}` is {}, the new value {}", name.text, ir::to_string(type), shape_text(*tensor)))
              .label(scopes[k].names.at(name.text).location, ir::to_string(type))
              .label(item.value->span, shape_text(*tensor))
              .note(fmt::format("for the parameter `{}`: {}", parameter, ir::to_string(info.type)));
          return;
        }
        tensor = spread(*tensor, old.axes, type.shape, item.location);
        if (!tensor) return;
        scopes[k].names.at(name.text).value = *tensor;
        break;
      }
      case StatementKind::require:
        if (!requirement(item)) return;
        break;
      case StatementKind::let:
      case StatementKind::constant:
        statement(item);
        break;
      default:
        error(item.location, "this statement does not stand in an optimizer")
            .help("it holds `let`, `state` and `<-` lines");
        return;
    }
  }
}

// The initial value of a parameter, as a value of @RUN.init.
Tensor Elaborator::initial_parameter(const std::string& parameter) {
  const ir::FuncResult* result = initial_->func().find_result(parameter);
  return parameter_tensor(*initial_, result->value);
}

void Elaborator::finish() {
  const std::string& run = program_.run;
  ir::Module& module = program_.module;
  for (size_t i = 0; i < spec_.sources.size(); ++i)
    module.files.push_back(spec_.sources.file(static_cast<int32_t>(i)).name);
  std::vector<std::string> settings;
  for (const Setting& setting : program_.settings) settings.push_back(setting.name);

  // Those that only the other side of `when training` has are trained too, with a gradient of 0.
  for (const std::string& parameter : parameter_order_) {
    if (loss_target_->func().find_parameter(parameter)) continue;
    const ParameterInfo& info = parameters_.at(parameter);
    loss_target_->argument(parameter, info.type, ir::Role::parameter, info.location);
  }
  module.items.emplace_back(loss_target_->finish(run + ".loss", train_->location));
  module.items.emplace_back(ir::GradientRequest{run + ".gradient", run + ".loss", parameter_order_, train_->location});
  module.items.emplace_back(update_->finish(run + ".update", train_->location, dropped_states_));
  module.items.emplace_back(ir::StepRequest{run + ".step", run + ".gradient", run + ".update", train_->location});
  module.items.emplace_back(scalars_.emit(run + ".hyper", settings, train_->location));
  if (data_target_) {
    for (const Column& column : program_.data.columns) {
      if (column_values_.count(column.name) > 0 && columns_used_.count(column.name) > 0)
        data_target_->result(column.name, column_values_.at(column.name).id);
    }
    data_target_->argument("key", {ir::DType::i32, {3}}, ir::Role::key, train_->location);
    module.items.emplace_back(data_target_->finish(run + ".data", train_->location));
  }
  if (columns_target_) module.items.emplace_back(columns_target_->finish(run + ".columns", train_->location));
  if (statistics_target_) module.items.emplace_back(statistics_target_->finish(run + ".statistics", train_->location));
  initial_->argument("key", {ir::DType::i32, {3}}, ir::Role::key, train_->location);
  module.items.emplace_back(initial_->finish(run + ".init", train_->location, dropped_states_));
  module.items.emplace_back(predict_target_->finish(run + ".predict", train_->location));
  for (const auto& [target, name] : metric_targets_) {
    module.items.emplace_back(target->finish(name, train_->location));
  }
  std::erase_if(program_.data.columns, [&](const Column& column) { return columns_used_.count(column.name) == 0; });
}

}  // namespace gradc::frontend
