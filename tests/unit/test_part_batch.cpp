// A batch of an epoch that is not full: the step on it is the step of a run whose batch has exactly that many rows.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>

#include "ir/eval.h"
#include "passes/pipeline.h"
#include "tests/support/spec_from_text.h"

using namespace gradc;
using tests::Results;
using tests::Values;
using Given = std::map<std::string, Values>;

namespace {

constexpr int kRows = 3, kBatch = 5;

// Batch norm on two layouts, dropout, a loss with a state, and everything that may stand over [batch].
const char* const kDefinitions = R"(language 1
loss watched(y: f32[n], target: f32[n]) {
  let cost = mean[i] (y[i] - target[i])^2
  let most = max[batch] cost
  let least = min[batch] cost
  let spread = (sum[batch] cost * cost) / (sum[batch] 1)
  let moments[i] = mean[batch] y[i] * target[i]
  state level: f32[] = 0.5
  level <- 0.9 * level + 0.1 * mean[batch] cost
  report highest = most + cost
  report count = sum[batch] 1
  cost * (1 + stop(old level)) + 0.1 * (most - least) + 0.01 * spread + mean[i] moments[i]
}
model net(x: f32[2, 3]) -> f32[4] {
  let first = linear(5)
  let norm = batch_norm()
  let places = batch_norm()
  let drop = dropout(0.25)
  let second = linear(4)
  x |> places |> flatten() |> first |> norm |> tanh |> drop |> second
}
)";

std::string spec_text(int batch) {
  std::string rows;
  for (int k = 0; k < kRows; ++k) rows += " { x = [[0, 0, 0], [0, 0, 0]], target = [0, 0, 0, 0] }";
  return std::string(kDefinitions) + "data d = rows" + rows +
         fmt::format(
             "\ntrain r: net on d {{\n  loss watched(out, target)\n  optimizer adamw(lr = 0.1, clip = 1)\n  "
             "batch {}; epochs 1; shuffle false\n}}\n",
             batch);
}

// Values that are not alike, for arguments of any name.
Values values_of(const std::string& name, int64_t elements, double dead, int64_t live) {
  Values values;
  double seed = 0;
  for (char c : name) seed = std::fmod(seed * 31 + c, 1009);
  for (int64_t k = 0; k < elements; ++k) {
    const double value = std::sin(seed + 1.7 * static_cast<double>(k));
    values.push_back(k < live ? (name.find("_var") != std::string::npos || name.find(".v") != std::string::npos
                                     ? 1 + value * value
                                     : value)
                              : dead);
  }
  return values;
}

// The step of a run with that batch, on the same rows; what is behind them is `dead`.
Results step(int batch, double dead) {
  const tests::Elaborated spec = tests::elaborate_text(spec_text(batch));
  INFO(spec.messages);
  REQUIRE(spec.program.has_value());
  const ir::Module module = passes::Runner({}).run(spec.program->module, passes::Stage::step);
  const ir::Func* func = module.find("r.step");
  REQUIRE(func != nullptr);
  Given settings = {{"t", {3}}};
  for (const frontend::Setting& setting : spec.program->settings) settings[setting.name] = {setting.value};
  const Results hyper = spec.run("hyper", settings);
  std::vector<ir::Tensor> arguments;
  for (size_t i = 0; i < func->parameter_count; ++i) {
    const ir::Value& argument = func->values[i];
    ir::Tensor tensor(argument.type);
    Values values;
    if (argument.role == ir::Role::hyper) {
      values = hyper.at(argument.name);
    } else if (argument.role == ir::Role::key) {
      values = {1, 0, 5};
    } else if (argument.name == "batch.live") {
      values = {kRows};
    } else {
      const int64_t rows = argument.role == ir::Role::data ? argument.type.shape[0] : 1;
      const int64_t live = argument.role == ir::Role::data ? tensor.elements() / rows * kRows : tensor.elements();
      values = values_of(argument.name, tensor.elements(), dead, live);
    }
    REQUIRE(static_cast<int64_t>(values.size()) == tensor.elements());
    for (size_t k = 0; k < values.size(); ++k) tensor.set(static_cast<int64_t>(k), values[k]);
    arguments.push_back(std::move(tensor));
  }
  const ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(*func, arguments);
  REQUIRE(results.ok());
  Results named;
  for (size_t k = 0; k < results->size(); ++k) {
    Values& values = named[func->results[k].name];
    for (int64_t i = 0; i < (*results)[k].elements(); ++i) values.push_back((*results)[k].at(i));
  }
  return named;
}

}  // namespace

TEST_CASE("the step on a part batch is that of a run with so many rows") {
  const Results whole = step(kRows, 0);
  CHECK(whole.at("count") == Values{kRows});
  for (const char* name : {"norm.running_mean", "norm.running_var", "places.running_var", "level", "highest", "loss"}) {
    INFO(name);
    const bool there = whole.count(name) > 0 || whole.count(std::string("loss.") + name) > 0;
    CHECK(there);
  }
  for (const double dead : {0.0, 0.3, 1e10}) {
    INFO(dead);
    const Results part = step(kBatch, dead);
    REQUIRE(part.size() == whole.size());
    for (const auto& [name, expected] : whole) {
      INFO(name);
      const Values& found = part.at(name);
      REQUIRE(found.size() == expected.size());
      for (size_t k = 0; k < found.size(); ++k) {
        CHECK(found[k] == doctest::Approx(expected[k]).epsilon(2e-5).scale(0.1));
      }
    }
  }
  // What the dead samples hold does not change a bit.
  CHECK(step(kBatch, 0.3) == step(kBatch, -7));
}

TEST_CASE("metrics and validation count live rows over the batch") {
  const tests::Elaborated spec = tests::elaborate_text(
      "language 1\nloss level(y: f32[1], target: f32[1]) { (y[0] - mean[batch] target[0])^2 }\n"
      "model m(x: f32[1]) -> f32[1] {\n  param w: f32[1] = 1\n  x * w\n}\n"
      "data d = rows { x = [1], target = [3] } { x = [2], target = [5] } { x = [4], target = [10] }\n"
      "train r: m on d {\n  loss level(out, target)\n  optimizer sgd(lr = 1)\n  batch 2; epochs 1\n"
      "  valid loss every 1 epochs on d\n}\n");
  INFO(spec.messages);
  REQUIRE(spec.program.has_value());
  const Given last = {{"w", {1}}, {"x", {4, 1}}, {"target", {10, 3}}, {"batch.live", {1}}};
  CHECK(spec.run("valid", last).at("values.0")[0] == 36);
  const Given first = {{"w", {1}}, {"x", {1, 2}}, {"target", {3, 5}}, {"batch.live", {2}}};
  CHECK(spec.run("valid", first).at("values.0") == Values{9, 4});
}
