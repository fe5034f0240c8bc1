// How long a run is and what it looks at on its way: epochs, metrics, `stop when`, `save ... every`.
#include <fmt/format.h>

#include <algorithm>

#include "frontend/elaborator.h"

namespace gradc::frontend {

namespace {

constexpr int64_t kMaxSteps = int64_t{1} << 40;

}  // namespace

// `every 2 epochs` in steps.
std::optional<int64_t> Elaborator::interval(const TrainItem& item) {
  const std::optional<int64_t> count = evaluate_integer(item.every, "the number after `every`", 1);
  if (!count) return std::nullopt;
  if (item.every_epochs && program_.steps_an_epoch == 0) {
    error(item.every->span, fmt::format("data `{}` is drawn afresh each step and has no epochs", program_.data.name))
        .help("`rows N` after the data block fixes its rows; or say `steps`");
    return std::nullopt;
  }
  const int64_t unit = item.every_epochs ? program_.steps_an_epoch : 1;
  if (*count > kMaxSteps / unit) {
    error(item.every->span, fmt::format("more than {} steps", kMaxSteps));
    return std::nullopt;
  }
  return *count * unit;
}

// What depends on the number of rows: called once the data is known.
void Elaborator::read_schedule(const Definition& train) {
  const TrainItem* epochs = find_item("epochs");
  const TrainItem* steps = find_item("steps");
  if (epochs && steps) {
    error(epochs->location, "a run has `steps` or `epochs`, not both")
        .label(steps->location, "steps here")
        .label(epochs->location, "epochs here");
    return;
  }
  if (const TrainItem* stop = find_item("stop")) {
    const std::optional<int64_t> losses = evaluate_integer(stop->every, "the number of losses", 1);
    const std::optional<Scalar> below = evaluate_scalar(stop->value, "the bound of the loss");
    if (losses && *losses > 1'000'000) {
      error(stop->every->span, "the number of losses is at most 1000000");
    } else if (losses && below) {
      program_.stop_when = {*losses, below->value};
    }
  }
  if (data_broken_) return;
  const DataSource& data = program_.data;
  program_.part = train.part.text.empty() ? "train" : train.part.text;
  const DataPart* part = data.part(program_.part);
  if (data.formula && !train.part.text.empty()) {
    error(train.part.location, fmt::format("data `{}` is drawn afresh each step and has no parts", data.name));
    return;
  }
  if (!data.formula && !part) {
    std::vector<std::string> names;
    for (const DataPart& known : data.parts) names.push_back(known.name);
    error(train.part.location, fmt::format("data `{}` has no part `{}`", data.name, program_.part))
        .help(fmt::format("it has `{}`", fmt::join(names, "`, `")));
    return;
  }
  if (part) {
    program_.steps_an_epoch = (part->rows + program_.batch - 1) / program_.batch;
    last_batch_rows_ = overrides_.batch ? 0 : part->rows % program_.batch;
  }
  if (epochs) {
    const std::optional<int64_t> count = evaluate_integer(epochs->value, "`epochs`", 1);
    if (!count) return;
    if (!part) {
      error(epochs->location, fmt::format("data `{}` is drawn afresh each step and has no epochs", data.name))
          .help("`rows N` after the data block fixes its rows; or say `steps`");
      return;
    }
    if (*count > kMaxSteps / program_.steps_an_epoch) {
      error(epochs->value->span, fmt::format("`steps` is at most {}", kMaxSteps));
      return;
    }
    if (!overrides_.steps) program_.steps = *count * program_.steps_an_epoch;
  }
  if (const TrainItem* save = find_item("save"); save && save->every) program_.save_every = interval(*save).value_or(0);
}

void Elaborator::elaborate_metrics(const Definition& train) {
  std::map<std::string, ir::SourceLocation> places;
  for (const TrainItem& item : train.items) {
    if (item.word != "metric" && item.word != "valid") continue;
    const bool is_metric = item.word == "metric";
    const std::string name = is_metric ? item.name.text : "valid loss";
    const ir::SourceLocation place = is_metric ? item.name.location : item.location;
    const auto [first, is_new] = places.try_emplace(name, place);
    if (!is_new) {
      auto& message = error(place, fmt::format("`{}` is measured twice", name));
      message.label(first->second, "first here").label(place, "again here");
      if (is_metric) message.help("give one of them another name");
      continue;
    }
    if (!data_broken_) elaborate_metric(item);
  }
}

void Elaborator::elaborate_metric(const TrainItem& item) {
  const DataSource& data = program_.data;
  if (item.data.text != data.name) {
    error(item.data.location, fmt::format("the run's data is `{}`, not `{}`", data.name, item.data.text))
        .help("a metric looks at a part of the data that the run trains on");
    return;
  }
  Metric metric;
  metric.name = item.word == "valid" ? "valid loss" : item.name.text;
  metric.part = item.part.text.empty() ? "train" : item.part.text;
  if (data.formula) {
    error(item.data.location,
          fmt::format("data `{}` is drawn afresh each step: there are no rows to look at", data.name))
        .help("`rows N` after the data block fixes its rows");
    return;
  }
  if (!data.part(metric.part)) {
    std::vector<std::string> names;
    for (const DataPart& known : data.parts) names.push_back(known.name);
    error(item.part.location, fmt::format("data `{}` has no part `{}`", data.name, metric.part))
        .help(fmt::format("it has `{}`", fmt::join(names, "`, `")));
    return;
  }
  const std::optional<int64_t> every = interval(item);
  if (!every) return;
  metric.every = *every;
  metric.func = fmt::format("{}.{}", program_.run, item.word == "valid" ? "valid" : "metric." + item.name.text);

  // The samples' values come from the program that does not train.
  if (item.word == "valid" && loss_broken_) return;
  const size_t errors = diagnostics_.error_count();
  const int64_t training_rows = last_batch_rows_;
  last_batch_rows_ = data.part(metric.part)->rows % program_.batch;
  Target* pass = nullptr;
  Scope columns;
  columns.file = spec_.main;
  std::optional<Tensor> out;
  if (!model_broken_) out = elaborate_model(columns, pass);
  if (!pass) pass = &make_target(Target::Kind::step, program_.batch);
  Target& samples = *pass;
  if (!out) out = stand_in_for_model(samples);
  const Context saved = context_;
  Frame frame;
  frame.kind = Frame::Kind::train;
  context_ = {};
  context_.target = &samples;
  context_.scope = &columns;
  context_.frame = &frame;
  if (out && item.word == "valid") {
    const std::optional<Tensor> value = loss_value(samples, columns, out);
    if (value) {
      ir::ValueId id = value->id;
      if (!value->batched()) id = samples.builder().broadcast_scalar(id, {samples.batch()});
      samples.result("values.0", id);
      metric.reductions = {"mean"};
    }
  } else if (out) {
    columns.names["out"] = {*out, model_->name.location, "output", true};
    std::set<std::string> wanted;
    collect_names(item.value, wanted);
    for (const std::string& column : wanted) {
      const auto known = columns_.find(column);
      if (known == columns_.end() || columns.names.count(column) > 0) continue;
      if (const std::optional<Tensor> tensor = column_tensor(column, samples, nullptr)) {
        columns.names[column] = {*tensor, known->second.second, "column", true};
      }
    }
    metric.combined = reduces_rows(item.value);
    metric_ = &metric;
    metric_samples_ = context_;
    if (metric.combined) {
      metric_total_ = &make_target(Target::Kind::data, 1);
      context_.target = metric_total_;
    }
    const Value value = evaluate(item.value);
    std::optional<Tensor> tensor = is_broken(value) ? std::nullopt : to_tensor(value, item.value);
    if (tensor && tensor->rank() > 0) {
      error(item.value->span, fmt::format("a metric is one number a row, found {}", describe(*tensor)))
          .help("take the mean: `mean[i] ...`");
      tensor.reset();
    }
    if (tensor) {
      ir::Builder& builder = context_.target->builder();
      builder.at(item.value->location);
      ir::ValueId id = builder.cast(tensor->id, ir::DType::f32);  // truth: 1
      if (metric.combined) {
        metric_total_->result("value", id);
      } else {
        if (!tensor->batched()) id = builder.broadcast_scalar(id, {samples.batch()});
        samples.result("values.0", id);
        metric.reductions = {"mean"};
      }
    }
    metric_ = nullptr;
    if (metric.combined) metric_targets_.emplace_back(metric_total_, metric.func + ".total");
    metric_total_ = nullptr;
  }
  context_ = saved;
  last_batch_rows_ = training_rows;
  if (diagnostics_.error_count() != errors || model_broken_) return;
  metric_targets_.emplace_back(&samples, metric.func);
  program_.metrics.push_back(std::move(metric));
}

}  // namespace gradc::frontend
