// The library's layers, losses and optimizers held against PyTorch (tests/reference/record_parts.py): results,
// gradients and new states of one batch, and a hundred steps of each optimizer.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ir/eval.h"
#include "passes/pipeline.h"
#include "tests/support/spec_from_text.h"

using namespace gradc;
using tests::Elaborated;
using tests::Results;
using tests::Values;
using Given = std::map<std::string, Values>;

namespace {

const nlohmann::json& recorded() {
  static const nlohmann::json parts = [] {
    std::ifstream stream(GRADC_SOURCE_DIR "/tests/reference/parts.json");
    return nlohmann::json::parse(stream);
  }();
  return parts;
}

// Relative to the largest of the tensor.
void check_close(const Values& found, const Values& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  double largest = 0.01, worst = 0;  // a gradient that is 0 in exact arithmetic is noise
  for (double value : expected) largest = std::max(largest, std::abs(value));
  for (size_t k = 0; k < found.size(); ++k) worst = std::max(worst, std::abs(found[k] - expected[k]));
  CHECK(worst <= tolerance * largest);
}

void add_scalars(const Elaborated& spec, double t, Given& given) {
  Given settings = {{"t", {t}}};
  for (const frontend::Setting& setting : spec.program->settings) settings[setting.name] = {setting.value};
  for (const auto& [name, values] : spec.run("hyper", settings)) given[name] = values;
}

std::string list_text(const Values& values, const std::vector<int64_t>& shape, size_t axis = 0) {
  if (axis == shape.size()) return fmt::format("{}", values[0]);
  const auto count = static_cast<size_t>(shape[axis]);
  const size_t step = values.size() / count;
  std::string text = "[";
  for (size_t k = 0; k < count; ++k) {
    const auto begin = values.begin() + static_cast<ptrdiff_t>(k * step);
    text += (k > 0 ? ", " : "") + list_text(Values(begin, begin + static_cast<ptrdiff_t>(step)), shape, axis + 1);
  }
  return text + "]";
}

}  // namespace

TEST_CASE("layers agree with PyTorch") {
  for (const nlohmann::json& part : recorded().at("layers")) {
    INFO(part.at("name").get<std::string>());
    const Elaborated spec = tests::elaborate_good(part.at("spec"));
    Given given = part.at("arguments").get<Given>();
    add_scalars(spec, 1, given);
    if (!part.at("training").get<bool>()) {
      check_close(tests::evaluate(spec.func("predict"), given).at("out"), part.at("out"), 1e-5);
      continue;
    }
    const ir::Module derived = passes::Runner({}).run(spec.program->module, passes::Stage::grad);
    const Results results = tests::evaluate(*derived.find("r.gradient"), given);
    for (const auto& [name, values] : part.at("gradients").get<Given>()) {
      INFO(name);
      check_close(results.at(ir::gradient_name(name)), values, 1e-5);
    }
    for (const auto& [name, values] : part.at("states").get<Given>()) check_close(results.at(name), values, 1e-5);
    const Values out = part.at("out"), r = part.at("arguments").at("r");
    double loss = 0;
    for (size_t k = 0; k < out.size(); ++k) loss += out[k] * r[k];
    check_close(results.at("loss"), {loss / static_cast<double>(spec.program->batch)}, 1e-4);
    const bool same_program = part.at("states").empty();
    if (same_program) check_close(tests::evaluate(spec.func("predict"), given).at("out"), out, 1e-5);
  }
}

TEST_CASE("losses agree with PyTorch") {
  for (const nlohmann::json& part : recorded().at("losses")) {
    INFO(part.at("name").get<std::string>());
    const Values y = part.at("y"), target = part.at("target");
    const auto shape = part.at("shape").get<std::vector<int64_t>>();
    const auto target_shape = part.at("target_shape").get<std::vector<int64_t>>();
    const std::string type = ir::to_string({ir::DType::f32, shape});
    size_t batch = y.size(), target_elements = 1;
    for (int64_t size : shape) batch /= static_cast<size_t>(size);
    for (int64_t size : target_shape) target_elements *= static_cast<size_t>(size);
    std::string rows;
    for (size_t row = 0; row < batch; ++row) {
      const auto part_of = [&](const Values& all, size_t count) {
        const auto begin = all.begin() + static_cast<ptrdiff_t>(row * count);
        return Values(begin, begin + static_cast<ptrdiff_t>(count));
      };
      rows += fmt::format(" {{ x = {}, target = {} }}", list_text(part_of(y, y.size() / batch), shape),
                          list_text(part_of(target, target_elements), target_shape));
    }
    const Elaborated spec = tests::elaborate_good(fmt::format(
        "language 1\nmodel m(x: {0}) -> {0} {{\n  param shift: {0} = 0\n  x + shift\n}}\ndata d = rows{1}\n"
        "train r: m on d {{\n  loss {2}\n  optimizer sgd(lr = 1)\n  batch {3}; steps 1; shuffle false\n}}\n",
        type, rows, part.at("call").get<std::string>(), batch));
    Given given = {{"x", y}, {"target", target}, {"shift", Values(y.size() / batch, 0)}};
    add_scalars(spec, 1, given);
    const ir::Module derived = passes::Runner({}).run(spec.program->module, passes::Stage::grad);
    const Results results = tests::evaluate(*derived.find("r.gradient"), given);
    check_close(results.at("loss"), part.at("loss"), 1e-5);
    Values summed(y.size() / batch, 0);  // the gradient of `shift` adds up over the batch
    const Values gradient = part.at("gradient");
    for (size_t k = 0; k < gradient.size(); ++k) summed[k % summed.size()] += gradient[k];
    check_close(results.at("shift.gradient"), summed, 1e-5);
  }
}

TEST_CASE("optimizers agree with PyTorch over 100 steps") {
  const nlohmann::json& parts = recorded();
  for (const nlohmann::json& part : parts.at("optimizers")) {
    INFO(part.at("name").get<std::string>());
    const Elaborated spec = tests::elaborate_good(fmt::format(
        "language 1\nmodel m(x: f32[6]) -> f32[6] {{\n  param w: f32[6] = 0\n  w - x\n}}\n"
        "loss scaled(y: f32[6], a: f32[6]) {{ sum[i] (a[i] * y[i])^2 }}\ndata d = rows {{ x = {}, a = {} }}\n"
        "train r: m on d {{\n  loss scaled(out, a)\n  optimizer {}\n  batch 1; steps 100\n}}\n",
        list_text(parts.at("goal"), {6}), list_text(parts.at("scale"), {6}), part.at("call").get<std::string>()));
    const ir::Module derived = passes::Runner({}).run(spec.program->module, passes::Stage::step);
    const ir::Func& step = *derived.find("r.step");
    Given given = {{"x", parts.at("goal")}, {"a", parts.at("scale")}};
    for (size_t k = 0; k < step.parameter_count; ++k) {
      if (step.values[k].role == ir::Role::state) {
        given[step.values[k].name] = Values(static_cast<size_t>(step.values[k].type.elements()), 0);
      }
    }
    given["w"] = parts.at("start").get<Values>();
    Values losses;
    for (int t = 1; t <= 100; ++t) {
      add_scalars(spec, t, given);
      for (const auto& [name, values] : tests::evaluate(step, given)) given[name] = values;
      losses.push_back(given.at("loss")[0]);
    }
    check_close(losses, part.at("loss"), 1e-5);
    check_close(given.at("w"), part.at("w"), 1e-5);
  }
}
