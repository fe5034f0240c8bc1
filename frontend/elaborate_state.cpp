// What layers and losses hold besides parameters: state, samples, `when training`, reports.
//
// A run is elaborated several times: once as it trains (@RUN.loss), and as it predicts and is measured. `<-` and
// `report` do something in the first only, and `when training` chooses by it.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"

namespace gradc::frontend {

bool Elaborator::is_training() const { return training_ && context_.target != initial_; }

// state m: f32[c] = 0
void Elaborator::declare_states(const Statement& item) {
  const bool in_loss = context_.frame->kind == Frame::Kind::loss;
  if (context_.frame->kind != Frame::Kind::layer && !in_loss) {
    error(item.location, "`state` stands in a layer, a loss or an optimizer");
    for (const Name& name : item.names) define(name, Broken{}, "state");
    return;
  }
  std::optional<ir::Shape> shape;
  if (item.type->word == "like") {
    const Binding* like = find_binding(item.type->like.text);
    const auto* tensor = like ? std::get_if<Tensor>(&like->value) : nullptr;
    if (tensor) {
      shape = sample_shape(*tensor);
    } else {
      error(item.type->like.location, fmt::format("`like {0}`: there is no tensor `{0}`", item.type->like.text));
    }
  } else {
    shape = evaluate_shape(*item.type);
  }
  for (const Name& name : item.names) {
    if (!shape || find_binding(name.text)) {  // where the name is taken, that is all that is said
      define(name, Broken{}, "state");
      continue;
    }
    const std::string full = (in_loss ? "loss." : context_.frame->path) + name.text + context_.frame->suffix;
    if (!in_loss && context_.frame->path.empty() && !check_run_name(name, "a state")) {
      define(name, Broken{}, "state");
      continue;
    }
    if (!check_full_name(full, name, "state")) {
      define(name, Broken{}, "state");
      continue;
    }
    const ir::Type type{ir::DType::f32, *shape};
    const auto [entry, is_new] = layer_states_.try_emplace(full);
    ParameterInfo& info = entry->second;
    if (is_new) {
      info = {full, type, name.location, &name};
      count_state(type, name.location);
      const std::optional<Tensor> initial =
          initial_value(item.value, *shape, full, fmt::format("state `{}`", name.text));
      if (initial) initial_->result(full, initial->id);
    } else if (info.identity != &name) {
      error(name.location, fmt::format("two states are called `{}`", full))
          .label(info.location, "the first")
          .label(name.location, "the second")
          .help("give one of them another name");
    } else if (info.type != type) {
      error(name.location, fmt::format("one instance is used with two shapes of its state `{}`", full))
          .label(name.location,
                 fmt::format("{} at the first use, {} at another", ir::to_string(info.type), ir::to_string(type)));
      define(name, Broken{}, "state");
      continue;
    }
    // A shared instance goes on from what its last use stored.
    const auto [current, first_use] = state_values_.try_emplace({context_.target, full});
    if (first_use) {
      current->second = {
          context_.target, context_.target->argument(full, info.type, ir::Role::state, name.location), {}};
      for (size_t k = 0; k < shape->size(); ++k) current->second.axes.push_back(static_cast<int>(k));
    }
    if (!define(name, current->second, "state")) continue;
    context_.scope->names[name.text].state = full;
    context_.scope->names["old " + name.text] = {current->second, name.location, "state", true, {}};
  }
}

// v <- e: without gradient; of the samples it may hold what all of them share.
void Elaborator::assign_state(const Statement& item) {
  const Name& name = item.names[0];
  Binding* binding = find_binding(name.text);
  if (binding && is_broken(binding->value)) return;
  if (!binding || binding->state.empty()) {
    auto& message = error(item.location, fmt::format("`<-`: `{}` is not a state", name.text));
    if (binding) message.label(binding->location, fmt::format("{} `{}`", binding->what, name.text));
    message.label(item.location).help("`let` defines a name; `<-` sets a `state`");
    return;
  }
  const Value value = evaluate(item.value);
  std::optional<Tensor> tensor = is_broken(value) ? std::nullopt : to_tensor(value, item.value);
  if (!tensor) return;
  binding = find_binding(name.text);
  const Tensor before = std::get<Tensor>(binding->value);
  const ir::Type type = context_.target->type(before);
  if (tensor->batched()) {
    error(item.value->span, fmt::format("the new value of the state `{}` differs from sample to sample", name.text))
        .label(item.value->span)
        .help("`mean[batch] e` is what the samples have in common");
    return;
  }
  if (context_.target->type(*tensor).dtype != ir::DType::f32 ||
      (tensor->rank() > 0 && sample_shape(*tensor) != type.shape)) {
    error(item.value->span,
          fmt::format("`{}` is {}, the new value {}", name.text, ir::to_string(type), shape_text(*tensor)))
        .label(binding->location, ir::to_string(type))
        .label(item.value->span, shape_text(*tensor));
    return;
  }
  if (!is_training()) return;
  tensor = spread(*tensor, before.axes, type.shape, item.location);
  if (!tensor) return;
  context_.target->builder().at(item.location);
  tensor->id = context_.target->builder().unary(ir::Op::stop_gradient, tensor->id);
  binding->value = *tensor;
  state_values_[{context_.target, binding->state}] = *tensor;
  changed_states_.insert(binding->state);
}

// The new values of the states that the training program changes become its results.
void Elaborator::finish_states(Target& target) {
  for (const std::string& name : changed_states_) target.result(name, state_values_.at({&target, name}).id);
}

// when training { ... } else { ... }
Value Elaborator::when_training(const Expr* expr) {
  if (context_.frame->kind != Frame::Kind::layer && context_.frame->kind != Frame::Kind::loss) {
    error(expr->location, "`when training` stands in a layer or a loss");
    return Broken{};
  }
  if (context_.indexed) {
    error(expr->location, "`when training` works on whole tensors").help("give its result a name with `let` before");
    return Broken{};
  }
  std::string place = context_.frame->path + context_.frame->suffix;
  for (const Call& call : calls_) place += fmt::format(" {}:{}:{}", call.site.file, call.site.line, call.site.column);
  const WhenKey key = {expr, place};
  const int use = when_uses_[{context_.target, key}]++;
  WhenSides& sides = when_sides_[{key, use}];
  bool training = is_training();
  if (when_round_ >= 0) {
    // A side that is not known yet; inside the known ones there may be others.
    training = sides.seen[0] == sides.seen[1] ? ((when_round_ >> when_depth_) & 1) == 0 : sides.seen[0];
  }
  sides.seen[training ? 1 : 0] = true;
  Scope scope;
  scope.parent = context_.scope;
  scope.file = context_.scope->file;
  scope.local = true;
  Scope* outer = context_.scope;
  context_.scope = &scope;
  ++when_depth_;
  const Value value = body(*expr->blocks[training ? 0 : 1], training ? "when training" : "else");
  --when_depth_;
  context_.scope = outer;
  if (is_broken(value)) return value;
  const auto* scalar = std::get_if<Scalar>(&value);
  const auto* tensor = std::get_if<Tensor>(&value);
  std::string& type = sides.types[training ? 1 : 0];
  type = tensor ? shape_text(*tensor) : scalar && !scalar->is_boolean() ? "a number" : describe(value);
  return check_when_sides(expr, sides) ? value : Broken{};
}

bool Elaborator::check_when_sides(const Expr* expr, const WhenSides& sides) {
  const auto is_number = [](const std::string& type) { return type == "a number" || type == "f32[]"; };
  const auto& [otherwise, training] = sides.types;
  if (otherwise.empty() || training.empty() || otherwise == training || (is_number(otherwise) && is_number(training))) {
    return true;
  }
  error(expr->location, "the two sides of `when training` have different types")
      .label(expr->blocks[0]->statements.back()->value->span, fmt::format("where the run trains: {}", training))
      .label(expr->blocks[1]->statements.back()->value->span, fmt::format("otherwise: {}", otherwise));
  return false;
}

// Sides that no function of the run takes, such as those in a loss that is not measured, or one inside the other side
// of another: they are checked in functions that are thrown away, with everything that these have made.
void Elaborator::elaborate_other_sides() {
  constexpr int kRounds = 8;  // three inside one another
  const auto unseen = [&] {
    return std::any_of(when_sides_.begin(), when_sides_.end(),
                       [](const auto& entry) { return !entry.second.seen[0] || !entry.second.seen[1]; });
  };
  for (int round = 0; round < kRounds && unseen(); ++round) {
    const auto all = [this] {
      return std::tie(program_, parameters_, parameter_order_, layer_states_, instances_, instance_by_path_,
                      anonymous_numbers_, anonymous_counts_, state_elements_, setting_index_, columns_used_, set_used_,
                      scalars_, fault_numbers_, initial_);
    };
    auto before = std::make_tuple(program_, parameters_, parameter_order_, layer_states_, instances_, instance_by_path_,
                                  anonymous_numbers_, anonymous_counts_, state_elements_, setting_index_, columns_used_,
                                  set_used_, scalars_, fault_numbers_, initial_);
    initial_ = &make_target(Target::Kind::initial, 1);
    when_round_ = round;
    Target* pass = nullptr;
    Scope columns;
    columns.file = spec_.main;
    if (const std::optional<Tensor> out = elaborate_model(columns, pass)) loss_value(*pass, columns, out);
    when_round_ = -1;
    all() = std::move(before);
  }
}

// let z[i] ~ normal(mu[i], sigma): one draw for every element of every sample, without gradient.
void Elaborator::sample(const Statement& item) {
  const auto fail = [&] {
    for (const Name& name : item.names) define(name, Broken{}, "sample");
  };
  const bool in_loss = context_.frame->kind == Frame::Kind::loss;
  if ((context_.frame->kind != Frame::Kind::layer && !in_loss) || context_.indexed) {
    error(item.location, "a sample (`~`) stands in data, layers and losses");
    return fail();
  }
  IndexScope scope;
  scope.parent = context_.indices;
  if (!introduce(item.indices, {item.value}, 0, scope)) return fail();
  std::vector<int> axes = {kBatchAxis};
  ir::Shape shape = {context_.target->batch()};
  for (const IndexBinding& binding : scope.bindings) {
    axes.insert(axes.end(), binding.axes.begin(), binding.axes.end());
    shape.insert(shape.end(), binding.sizes.begin(), binding.sizes.end());
  }
  if (!fits(shape, item.location, "the sample")) return fail();
  for (const Name& name : item.names) {
    // Each use of a shared instance draws anew.
    const std::string place = (in_loss ? "loss." : context_.frame->path) + name.text + context_.frame->suffix;
    const int use = sample_uses_[{context_.target, place}]++;
    draw_name_ = use == 0 ? "sample." + place : fmt::format("sample.{}@{}", place, use);
    draw_shape_ = shape;
    draw_sample_ = true;
    draws_ = 0;
    const Context saved = context_;
    context_.indices = &scope;
    context_.indexed = item.indexed;
    const Value value = evaluate(item.value);
    const bool drawn = draws_ > 0;
    draws_ = -1;
    const auto* found = std::get_if<Tensor>(&value);
    const bool index = found != nullptr && found->limit > 0;
    std::optional<Tensor> tensor = is_broken(value) ? std::nullopt : to_tensor(value, item.value, index);
    if (tensor && !drawn) {
      error(item.value->span, "the right side of `~` draws nothing")
          .help("write `uniform(a, b)` or `normal(mean, deviation)`; `=` defines a plain value");
      tensor.reset();
    }
    if (tensor) tensor = spread(*tensor, axes, shape, item.location);
    if (tensor && !index) {
      context_.target->builder().at(item.location);
      tensor->id = context_.target->builder().unary(ir::Op::stop_gradient, tensor->id);
    }
    context_ = saved;
    define(name, tensor ? Value(*tensor) : Value(Broken{}), "sample");
  }
}

// categorical[v] logits[t, v]: v with probability softmax, as the largest of logits + Gumbel noise (Gumbel, 1954).
Value Elaborator::categorical(const Expr* expr) {
  if (draws_ < 0) {
    error(expr->location, "a draw stands only after `~`").help("write `let a ~ categorical[v] logits[v]`");
    return Broken{};
  }
  IndexScope scope;
  scope.parent = context_.indices;
  const Expr* body = expr->operands[0];
  if (!introduce(expr->indices, {body}, next_reduction_axis_, scope)) return Broken{};
  const IndexBinding& binding = scope.bindings[0];
  next_reduction_axis_ += static_cast<int>(binding.axes.size());
  const Context saved = context_;
  context_.indices = &scope;
  context_.indexed = true;
  const Value value = evaluate(body);
  context_ = saved;
  std::optional<Tensor> logits = is_broken(value) ? std::nullopt : to_tensor(value, body);
  if (!logits || !check_numbers(*logits, expr)) return Broken{};
  ir::Builder& builder = context_.target->builder();
  builder.at(expr->location);
  std::vector<int> axes;
  for (size_t k = 0; k < draw_shape_.size(); ++k) axes.push_back(static_cast<int>(k) - (draw_sample_ ? 1 : 0));
  axes.insert(axes.end(), binding.axes.begin(), binding.axes.end());
  const ir::Shape before = draw_shape_;
  draw_shape_.insert(draw_shape_.end(), binding.sizes.begin(), binding.sizes.end());
  if (!fits(draw_shape_, expr->location, "the noise of the sample")) {
    draw_shape_ = before;
    return Broken{};
  }
  logits = spread(*logits, axes, draw_shape_, expr->location);
  const Value uniform = random(expr);
  draw_shape_ = before;
  if (!logits || is_broken(uniform)) return Broken{};
  builder.at(expr->location);
  const auto minus_log = [&](ir::ValueId id) { return builder.neg(builder.unary(ir::Op::log, id)); };
  const ir::ValueId noise = minus_log(minus_log(std::get<Tensor>(uniform).id));
  logits->id = builder.add(logits->id, noise);
  const std::optional<Tensor> chosen = argmax(*logits, binding.axes, expr);
  if (!chosen) return Broken{};
  return *chosen;
}

// report reward = e: the mean over the batch, a result of the step.
void Elaborator::report(const Statement& item) {
  const Name& name = item.names[0];
  if (context_.frame->kind != Frame::Kind::loss) {
    error(item.location, "`report` stands in a loss");
    return;
  }
  if (parameters_.count(name.text) > 0 || columns_.count(name.text) > 0 || layer_states_.count(name.text) > 0 ||
      name.text == "loss") {
    error(name.location, fmt::format("a report cannot be called `{}`: the run has something of that name", name.text))
        .help("choose another name");
    return;
  }
  const Value value = evaluate(item.value);
  std::optional<Tensor> tensor = is_broken(value) ? std::nullopt : to_tensor(value, item.value);
  if (!tensor) return;
  if (tensor->rank() > 0 || context_.target->type(*tensor).dtype != ir::DType::f32) {
    error(item.value->span, fmt::format("a report is one number per sample, found {}", describe(*tensor)))
        .help("take the mean: `mean[i] ...`");
    return;
  }
  if (!is_training()) return;
  for (const auto& [other, mean] : reports_) {
    if (other.text != name.text) continue;
    error(name.location, fmt::format("`{}` is reported twice", name.text))
        .label(other.location, "first here")
        .label(name.location, "again here");
    return;
  }
  context_.target->builder().at(item.location);
  reports_.emplace_back(name, batch_mean(*tensor));
}

}  // namespace gradc::frontend
