// A train block: its lines, the model inside the loss, the examples, and the module that comes of it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "frontend/elaborator.h"
#include "frontend/lexer.h"

namespace gradc::frontend {

namespace {

constexpr int64_t kMaxBatch = 1 << 20;
constexpr int64_t kMaxSteps = int64_t{1} << 40;

ir::Shape with_batch(int64_t batch, const ir::Shape& sample) {
  ir::Shape shape = sample;
  shape.insert(shape.begin(), batch);
  return shape;
}

Tensor whole_tensor(Target& target, ir::ValueId id, size_t rank, bool batched) {
  Tensor tensor{&target, id, {}};
  if (batched) tensor.axes.push_back(kBatchAxis);
  for (size_t k = 0; k < rank; ++k) tensor.axes.push_back(static_cast<int>(k));
  return tensor;
}

}  // namespace

void collect_names(const Expr* expr, std::set<std::string>& names) {
  if (expr->kind == ExprKind::name) names.insert(expr->text);
  for (const Expr* operand : expr->operands) collect_names(operand, names);
  for (const Argument& argument : expr->arguments) collect_names(argument.value, names);
}

const TrainItem* Elaborator::find_item(std::string_view word) const {
  const auto found = items_.find(std::string(word));
  return found == items_.end() ? nullptr : found->second;
}

void Elaborator::read_train_items(const Definition& train) {
  for (const TrainItem& item : train.items) {
    if (item.word == "example" || item.word == "metric" || item.word == "valid") continue;
    const auto [entry, is_new] = items_.try_emplace(item.word, &item);
    if (is_new) continue;
    error(item.location, fmt::format("`{}` is said twice", item.word))
        .label(entry->second->location, "first here")
        .label(item.location, "again here");
  }
  const auto number = [&](const char* word, int64_t lowest, int64_t highest) -> std::optional<int64_t> {
    const TrainItem* item = find_item(word);
    if (!item) return std::nullopt;
    const std::optional<int64_t> value = evaluate_integer(item->value, fmt::format("`{}`", word), lowest);
    if (value && *value > highest) {
      error(item->value->span, fmt::format("`{}` is at most {}", word, highest));
      return std::nullopt;
    }
    return value;
  };
  program_.batch = overrides_.batch ? *overrides_.batch : number("batch", 1, kMaxBatch).value_or(1);
  program_.steps = overrides_.steps ? *overrides_.steps : number("steps", 0, kMaxSteps).value_or(0);
  program_.seed =
      overrides_.seed ? *overrides_.seed : static_cast<uint64_t>(number("seed", 0, int64_t{1} << 53).value_or(0));
  program_.log_every = number("log", 1, kMaxSteps).value_or(0);
  if (program_.batch < 1 || program_.batch > kMaxBatch) {
    diagnostics_.error({}, fmt::format("the batch must be from 1 to {}, found {}", kMaxBatch, program_.batch));
    program_.batch = 1;
  }
  if (program_.steps < 0 || program_.steps > kMaxSteps) {
    diagnostics_.error({},
                       fmt::format("the number of steps must be from 0 to {}, found {}", kMaxSteps, program_.steps));
  }
  if (const TrainItem* item = find_item("shuffle")) {
    const Value value = evaluate(item->value);
    const auto* scalar = std::get_if<Scalar>(&value);
    if (scalar && scalar->known() && scalar->is_boolean()) {
      program_.shuffle = scalar->value != 0;
    } else if (!is_broken(value)) {
      error(item->value->span, "`shuffle` is `true` or `false`");
    }
  }
  if (const TrainItem* item = find_item("save")) {
    if (item->value->text.empty()) error(item->value->span, "`save` needs the name of a file");
    program_.save = item->value->text;
    program_.save_location = item->value->span;
  }
  static constexpr std::pair<const char*, const char*> kNeeded[] = {{"loss", "loss mse(out, target)"},
                                                                    {"optimizer", "optimizer sgd(lr = 0.01)"},
                                                                    {"batch", "batch 32"},
                                                                    {"steps", "steps 1000"}};
  for (const auto& [word, sample] : kNeeded) {
    if (find_item(word) || (word == std::string_view("steps") && find_item("epochs"))) continue;
    error(train.name.location, fmt::format("train `{}` has no `{}`", train.name.text, word))
        .help(fmt::format("write `{}`", sample));
  }
}

// Whether the name may be a column of data whose mistake is known.
bool Elaborator::is_unknown_column(const std::string& name) const {
  return data_broken_ && columns_.count(name) == 0 && name != "out" && !is_builtin(name) && !is_reduction(name) &&
         !spec_.find(spec_.main, NameSpace::value, name);
}

// A tensor of one batch of that type in the place of one that is not known; nothing where the type does not say enough.
std::optional<Tensor> Elaborator::stand_in(const TypeExpr& type, const std::string& name, Target& target) {
  if ((type.word != "f32" && type.word != "idx") || !dimensions_known(type)) return std::nullopt;
  int64_t limit = 0;
  const std::optional<ir::Shape> shape = evaluate_shape(type, &limit);
  if (!shape || !fits(with_batch(target.batch(), *shape), type.location, "one batch")) return std::nullopt;
  const ir::Type whole{limit > 0 ? ir::DType::i32 : ir::DType::f32, with_batch(target.batch(), *shape)};
  Tensor tensor = whole_tensor(target, target.argument("unknown." + name, whole, ir::Role::data, type.location),
                               shape->size(), true);
  tensor.limit = limit;
  return tensor;
}

// What the model gives, by its type.
std::optional<Tensor> Elaborator::stand_in_for_model(Target& target) {
  if (!model_ || !model_->result) return std::nullopt;
  const BodyContext context(context_, model_->location.file, Frame::Kind::layer, &target);
  return stand_in(*model_->result, "out", target);
}

// One batch of a column as an argument of `target`. Where `type` is an `idx` and the column holds literal numbers, they
// are checked and converted.
std::optional<Tensor> Elaborator::column_tensor(const std::string& name, Target& target, const TypeExpr* type) {
  const auto& [column, location] = columns_.at(name);
  if (!fits(with_batch(target.batch(), column.shape), location, fmt::format("one batch of `{}`", name))) {
    return std::nullopt;
  }
  columns_used_.insert(name);
  const ir::Type whole{column.dtype, with_batch(target.batch(), column.shape)};
  Tensor tensor =
      whole_tensor(target, target.argument(name, whole, ir::Role::data, location), column.shape.size(), true);
  const auto limit = column_limits_.find(name);
  if (limit != column_limits_.end()) tensor.limit = limit->second;
  const bool wanted = type != nullptr && type->word == "idx";
  if (wanted && tensor.limit == 0) {
    const auto literal_column = std::find_if(program_.data.columns.begin(), program_.data.columns.end(),
                                             [&](const Column& c) { return c.name == name && !c.values.empty(); });
    if (literal_column == program_.data.columns.end()) return tensor;  // bind_shape says what is wrong
    const std::optional<int64_t> size = evaluate_integer(type->range, "the size of `idx`", 1);
    if (!size) return std::nullopt;
    for (float value : literal_column->values) {
      if (std::trunc(value) == value && value >= 0 && value < static_cast<float>(*size)) continue;
      error(location, fmt::format("{} in column `{}` is outside idx<{}>", value, name, *size))
          .label(location)
          .label(type->location, "indices are wanted here");
      return std::nullopt;
    }
    tensor.limit = *size;
  }
  if (tensor.limit > 0) {
    target.builder().at(location);
    target.set_limit(tensor.id, tensor.limit);  // checked where the rows come from
    tensor.id = target.builder().cast(tensor.id, ir::DType::i32);
  }
  return tensor;
}

// The model on the data's columns in a new function, which becomes `target`; its value of one batch. `columns` are the
// names of the data. Where it turns out that a parameter needs a copy for each sample, it is elaborated once more.
std::optional<Tensor> Elaborator::elaborate_model(Scope& columns, Target*& target) {
  const size_t errors = diagnostics_.error_count();
  std::optional<Tensor> out;
  do {
    if (first_pass_) {
      program_.inputs.clear();
      program_.outputs.clear();
      program_.layers.clear();
    }
    columns.names.clear();
    once_more_ = false;
    target = &make_target(Target::Kind::step, program_.batch);
    out = elaborate_model(*model_, *target, columns);
  } while (once_more_ && diagnostics_.error_count() == errors);
  return out;
}

std::optional<Tensor> Elaborator::elaborate_model(const Definition& model, Target& target, Scope& columns) {
  const BodyContext context(context_, model.location.file, Frame::Kind::layer, &target);
  bool good = true;
  if (model.tensors.empty()) {
    error(model.name.location, fmt::format("model `{}` has no inputs", model.name.text));
    good = false;
  }
  for (const Formal& formal : model.tensors) {
    if (!formal.type) {
      error(formal.name.location,
            fmt::format("input `{}` of model `{}` needs a type", formal.name.text, model.name.text))
          .help(fmt::format("write `{}: f32[...]`", formal.name.text));
      good = false;
      continue;
    }
    const auto column = columns_.find(formal.name.text);
    if (is_unknown_column(formal.name.text)) {
      const std::optional<Tensor> tensor = stand_in(*formal.type, formal.name.text, target);
      good = tensor && define(formal.name, *tensor, "input") && good;
      continue;
    }
    if (column == columns_.end()) {
      std::vector<std::string> names;
      for (const auto& [name, type] : columns_) names.push_back(name);
      auto& message = error(train_->data.location,
                            fmt::format("data `{}` has no column `{}`", train_->data.text, formal.name.text));
      message.label(formal.name.location, fmt::format("model `{}` takes it here", model.name.text))
          .label(train_->data.location,
                 names.empty() ? "no columns" : fmt::format("its columns are `{}`", fmt::join(names, "`, `")));
      good = false;
      continue;
    }
    const auto& [type, location] = column->second;
    const std::string of = fmt::format("input `{}` of model `{}`", formal.name.text, model.name.text);
    const std::optional<Tensor> tensor = column_tensor(formal.name.text, target, formal.type);
    if (!tensor || !bind_shape(*formal.type, type.shape, tensor->limit, of, location)) {
      good = false;
      continue;
    }
    good = define(formal.name, *tensor, "input") && good;
    columns.names[formal.name.text] = {*tensor, location, "column", true};
    if (first_pass_) program_.inputs.push_back({formal.name.text, type, tensor->limit});
  }
  Value result = Broken{};
  if (good) result = body(*model.body, fmt::format("model `{}`", model.name.text));
  std::optional<Tensor> out;
  if (!is_broken(result) && check_result(*model.result, result, model))
    out = to_tensor(result, model.body->statements.back()->value, model.result->word == "idx");
  if (out && !out->batched()) {
    const ir::Shape sample = sample_shape(*out);
    std::vector<int> axes = out->axes;
    axes.insert(axes.begin(), kBatchAxis);
    out = spread(*out, axes, with_batch(target.batch(), sample), model.location);
  }
  if (out && first_pass_) program_.outputs.push_back({"out", {ir::DType::f32, sample_shape(*out)}});
  return out;
}

// @RUN.predict and @RUN.loss.
void Elaborator::elaborate_loss(const Definition& train) {
  Scope columns;
  columns.file = spec_.main;
  const size_t errors = diagnostics_.error_count();
  const std::optional<Tensor> predicted = model_ ? elaborate_model(columns, predict_target_) : std::nullopt;
  first_pass_ = false;
  model_broken_ = !predicted || diagnostics_.error_count() != errors;
  if (!predict_target_) predict_target_ = &make_target(Target::Kind::step, program_.batch);
  if (predicted) predict_target_->result("out", predicted->id);

  std::optional<Tensor> out;
  columns.names.clear();
  training_ = true;
  if (!model_broken_) out = elaborate_model(columns, loss_target_);  // else it would say the same
  model_broken_ = model_broken_ || !out;
  if (!loss_target_) loss_target_ = &make_target(Target::Kind::step, program_.batch);
  Target& target = *loss_target_;
  if (!out) out = stand_in_for_model(target);
  const std::optional<Tensor> value = loss_value(target, columns, out);
  loss_broken_ = !value;
  if (value) {
    // The trained quantity is the mean over the rows of the batch.
    const Context saved = context_;
    context_.target = &target;
    target.builder().at(find_item("loss")->location);
    target.result("loss", batch_mean(*value));
    context_ = saved;
    for (const auto& [report_name, report_value] : reports_) target.result(report_name.text, report_value);
    finish_states(target);
  }
  training_ = false;
  if (model_broken_) return;
  for (const Instance& instance : instances_) {
    if (!instance.applied) {
      diagnostics_.warning(instance.location, fmt::format("instance `{}` is never used", instance.path))
          .help("`x |> f` passes a value to it");
    }
  }
  if (parameter_order_.empty()) {
    error(model_->name.location, fmt::format("model `{}` has no parameters to train", model_->name.text))
        .help("use a layer such as `linear(5)`");
    return;
  }
  if (loss_broken_ || data_broken_) return;
  // A parameter may stand on one side of `when training`.
  std::set<std::string> used;
  for (const Target* pass : {predict_target_, loss_target_}) {
    const ir::Func func = pass->finish("", train.location);
    const std::vector<uint32_t> uses = ir::count_uses(func);
    for (size_t k = 0; k < func.parameter_count; ++k) {
      if (uses[k] > 0) used.insert(func.values[k].name);
    }
  }
  for (const std::string& parameter : parameter_order_) {
    if (used.count(parameter) > 0) continue;
    const ParameterInfo& info = parameters_.at(parameter);
    diagnostics_.warning(info.location, fmt::format("param `{}` is declared and never used", parameter));
  }
}

// The value of the run's loss for each sample, of the model's output; `columns` holds what the model has taken.
std::optional<Tensor> Elaborator::loss_value(Target& target, Scope& columns, const std::optional<Tensor>& out) {
  const TrainItem* item = find_item("loss");
  if (!item) return std::nullopt;
  const Expr* call = item->value;
  if (call->kind != ExprKind::call || call->operands[0]->kind != ExprKind::name) {
    error(call->span, "expected a loss with its arguments").help("write `loss mse(out, target)`");
    return std::nullopt;
  }
  const std::string& name = call->operands[0]->text;
  const Definition* loss = spec_.find(spec_.main, NameSpace::loss, name);
  if (!loss) {
    auto& message = error(call->operands[0]->location, fmt::format("unknown loss `{}`", name));
    suggest(message, name, spec_.names(spec_.main, NameSpace::loss));
    return std::nullopt;
  }
  // What the arguments may name: the model's output, and the columns.
  columns.names["out"] = {out ? Value(*out) : Value(Broken{}), train_->model.location, "output", true};
  std::set<std::string> wanted;
  for (const Argument& argument : call->arguments) collect_names(argument.value, wanted);
  for (const std::string& column : wanted) {
    if (columns.names.count(column) > 0) continue;
    if (is_unknown_column(column)) columns.names[column] = {Broken{}, train_->data.location, "column", true};
    const auto known = columns_.find(column);
    if (known == columns_.end()) continue;
    const std::optional<Tensor> tensor = column_tensor(column, target, nullptr);
    if (!tensor) return std::nullopt;
    columns.names[column] = {*tensor, known->second.second, "column", true};
  }
  const Context saved = context_;
  Frame train_frame;
  train_frame.kind = Frame::Kind::train;
  context_.target = &target;
  context_.scope = &columns;
  context_.frame = &train_frame;
  BoundArguments bound;
  const std::string what = fmt::format("loss `{}`", name);
  Scope scope;
  scope.file = loss->location.file;
  bool good = bind_arguments(loss->tensors, call->arguments, what, loss->name.location, call, bound);
  std::vector<std::pair<const Formal*, Value>> values;
  for (size_t k = 0; good && k < loss->tensors.size(); ++k) {
    const Formal& formal = loss->tensors[k];
    if (!formal.type || (formal.type->word != "f32" && formal.type->word != "idx")) {
      std::optional<Value> value = static_argument(formal, bound[k], "loss.", scope);
      good = value.has_value();
      if (value) values.emplace_back(&formal, *value);
      continue;
    }
    if (bound[k] && bound[k]->kind == ExprKind::name && is_unknown_column(bound[k]->text)) {
      values.emplace_back(&formal, Broken{});
      continue;
    }
    const Value value = evaluate(bound[k] ? bound[k] : formal.default_value);
    const std::optional<Tensor> tensor =
        is_broken(value) ? std::nullopt : to_tensor(value, bound[k] ? bound[k] : call, formal.type->word == "idx");
    good = tensor.has_value();
    if (tensor) values.emplace_back(&formal, *tensor);
  }
  Value result = Broken{};
  std::optional<Tensor> value;
  Frame frame;
  frame.kind = Frame::Kind::loss;
  if (good && enter(*loss, call->span)) {
    context_.scope = &scope;
    context_.frame = &frame;
    for (size_t k = 0; k < values.size(); ++k) {
      const Formal& formal = *values[k].first;
      if (is_broken(values[k].second)) {
        const std::optional<Tensor> unknown = stand_in(*formal.type, formal.name.text, target);
        good = unknown && define(formal.name, *unknown, "argument") && good;
        continue;
      }
      if (auto* tensor = std::get_if<Tensor>(&values[k].second)) {
        const std::string of = fmt::format("argument `{}` of loss `{}`", formal.name.text, name);
        const Expr* given = bound[k] ? bound[k] : call;
        if (tensor->limit == 0 && formal.type->word == "idx" && given->kind == ExprKind::name &&
            columns_.count(given->text) > 0) {
          const std::optional<Tensor> indices = column_tensor(given->text, target, formal.type);
          good = good && indices;
          if (indices) *tensor = *indices;
        }
        good = good && bind_shape(*formal.type, sample_shape(*tensor), tensor->limit, of, given->span);
      }
      good = define(formal.name, values[k].second, "argument") && good;
    }
    if (good) result = body(*loss->body, what);
    const Expr* last = loss->body->statements.empty() ? call : loss->body->statements.back()->value;
    if (!last) last = call;
    value = is_broken(result) ? std::nullopt : to_tensor(result, last);
    if (value && (value->rank() > 0 || target.type(*value).dtype == ir::DType::boolean)) {
      error(last->span, fmt::format("a loss is one number per sample, found {}", describe(*value)))
          .help("take the mean: `mean[i] ...`");
      value.reset();
    }
    calls_.pop_back();
  }
  context_ = saved;
  return value;
}

void Elaborator::elaborate_examples(const Definition& train) {
  if (!model_ || program_.inputs.size() != model_->tensors.size()) return;  // a mistake is known
  for (const TrainItem& item : train.items) {
    if (item.word != "example") continue;
    Example example;
    example.location = item.location;
    example.label = item.label;
    bool good = true;
    for (const Port& input : program_.inputs) {
      const auto given = std::find_if(item.inputs.begin(), item.inputs.end(),
                                      [&](const Argument& a) { return a.name.text == input.name; });
      if (given == item.inputs.end()) {
        error(item.location, fmt::format("the example lacks the input `{}`", input.name));
        good = false;
        continue;
      }
      const auto value = literal(given->value);
      if (!value) {
        good = false;
        continue;
      }
      if (value->first != input.type.shape) {
        error(given->value->span, fmt::format("the example gives `{}` the wrong shape", input.name))
            .label(given->value->span,
                   fmt::format("found {}, expected {}", ir::to_string({ir::DType::f32, value->first}),
                               ir::to_string(input.type)));
        good = false;
        continue;
      }
      const auto outside = std::find_if(value->second.begin(), value->second.end(), [&](float number) {
        return std::trunc(number) != number || number < 0 || number >= static_cast<float>(input.limit);
      });
      if (input.limit > 0 && outside != value->second.end()) {
        error(given->value->span, fmt::format("{} is outside idx<{}>", *outside, input.limit))
            .label(given->value->span,
                   fmt::format("`{}` of model `{}` is {}", input.name, program_.model, to_string(input)));
        good = false;
        continue;
      }
      example.inputs.emplace_back(input.name, value->second);
    }
    std::set<std::string> seen;
    for (const Argument& argument : item.inputs) {
      const bool known = std::any_of(program_.inputs.begin(), program_.inputs.end(),
                                     [&](const Port& p) { return p.name == argument.name.text; });
      if (!known) {
        auto& message = error(argument.name.location,
                              fmt::format("model `{}` has no input `{}`", program_.model, argument.name.text));
        std::vector<std::string> names;
        for (const Port& input : program_.inputs) names.push_back(input.name);
        message.help(fmt::format("its inputs are `{}`", fmt::join(names, "`, `")));
        good = false;
      } else if (!seen.insert(argument.name.text).second) {
        error(argument.name.location, fmt::format("the example gives `{}` twice", argument.name.text));
        good = false;
      }
    }
    if (good) program_.examples.push_back(std::move(example));
  }
}

}  // namespace gradc::frontend
