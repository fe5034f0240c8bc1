// Parameters, and the initial values of these and of states.
#include <fmt/format.h>

#include "frontend/elaborator.h"

namespace gradc::frontend {

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
