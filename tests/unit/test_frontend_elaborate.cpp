// The program that a spec becomes: names, instances, settings, functions, losses, data, optimizers.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>

#include "tests/support/spec_from_text.h"

using namespace gradc;
using tests::elaborate_text;
using tests::Elaborated;
using tests::Values;

namespace {

std::string spec_of(const std::string& model_body, const std::string& loss = "mse(out, target)",
                    const std::string& optimizer = "sgd(lr = 0.5)", const std::string& definitions = "") {
  return "language 1\n" + definitions + "\nmodel adder(x: f32[2]) -> f32[1] {\n" + model_body + "\n}\n" +
         "data sums {\n  let a, b ~ uniform(-10, 10)\n  x = [a, b]\n  target = [a + b]\n}\n" +
         "train add: adder on sums {\n  loss " + loss + "\n  optimizer " + optimizer +
         "\n  batch 4; steps 10; seed 7\n  example x = [5, 3]\n}\n";
}

Elaborated good(const std::string& text, const frontend::Overrides& overrides = {}) {
  Elaborated result = elaborate_text(text, overrides);
  INFO(result.messages);
  REQUIRE(result.program.has_value());
  return result;
}

std::vector<std::string> parameter_names(const Elaborated& spec) {
  std::vector<std::string> names;
  for (const frontend::Port& port : spec.program->parameters) names.push_back(port.name);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a program holds the facts of its run") {
  const Elaborated spec = good(spec_of("x |> linear(5) |> relu |> linear(1)"));
  const frontend::Program& program = *spec.program;
  CHECK(program.run == "add");
  CHECK(program.model == "adder");
  CHECK(program.batch == 4);
  CHECK(program.steps == 10);
  CHECK(program.seed == 7);
  CHECK(program.inputs.size() == 1);
  CHECK(program.outputs[0].name == "out");
  CHECK(program.data.formula);
  REQUIRE(program.examples.size() == 1);
  CHECK(program.examples[0].inputs[0].second == std::vector<float>{5, 3});
  REQUIRE(program.layers.size() == 3);
  CHECK(program.layers[0].instance == "linear_0");
  CHECK(program.layers[0].layer == "linear(5)");
  CHECK(program.layers[0].parameters == 15);
  CHECK(program.layers[1].instance == "relu");
}

TEST_CASE("parameters are named by instances") {
  CHECK(
      parameter_names(good(spec_of("let hidden = linear(5)\nlet output = linear(1)\nx |> hidden |> relu |> output"))) ==
      Names{"hidden.weight", "hidden.bias", "output.weight", "output.bias"});
  CHECK(parameter_names(good(spec_of("linear(1)(linear(3)(x))"))) ==
        Names{"linear_0.weight", "linear_0.bias", "linear_1.weight", "linear_1.bias"});
  const std::string block = "layer block()(x: f32[n]) -> f32[n] { x |> linear(n) |> relu }";
  CHECK(parameter_names(good(spec_of("let y = x\nrepeat 2 {\n let b = block()\n y = b(y)\n}\ny |> linear(1)",
                                     "mse(out, target)", "sgd(lr = 0.1)", block))) ==
        Names{"b_0.linear_0.weight", "b_0.linear_0.bias", "b_1.linear_0.weight", "b_1.linear_0.bias", "linear_0.weight",
              "linear_0.bias"});
  // Used twice, an instance shares its weights.
  CHECK(parameter_names(good(spec_of("let f = linear(2)\nx |> f |> f |> linear(1)"))).size() == 4);
}

TEST_CASE("predict and loss compute what the spec says") {
  const Elaborated spec = good(spec_of("let f = linear(1)\nx |> f"));
  const Values x = {1, 2, 3, 4, 5, 6, 7, 8};
  const tests::Results out = spec.run("predict", {{"f.weight", {10, 1}}, {"f.bias", {0.5}}, {"x", x}});
  CHECK(out.at("out") == Values{12.5, 34.5, 56.5, 78.5});
  const tests::Results loss =
      spec.run("loss", {{"f.weight", {10, 1}}, {"f.bias", {0.5}}, {"x", x}, {"target", {12.5, 34.5, 56.5, 74.5}}});
  CHECK(loss.at("loss") == Values{4});
  const Elaborated mae = good(spec_of("let f = linear(1)\nx |> f", "mae(out, target)"));
  CHECK(mae.run("loss", {{"f.weight", {10, 1}}, {"f.bias", {0.5}}, {"x", x}, {"target", {12.5, 34.5, 56.5, 74.5}}})
            .at("loss") == Values{1});
}

TEST_CASE("another batch is the same program") {
  frontend::Overrides overrides;
  overrides.batch = 1;
  const Elaborated spec = good(spec_of("x |> linear(1)"), overrides);
  CHECK(spec.program->batch == 1);
  CHECK(spec.run("predict", {{"linear_0.weight", {10, 1}}, {"x", {5, 3}}}).at("out") == Values{53});
}

TEST_CASE("sgd without momentum keeps no state, with momentum it does") {
  const Elaborated plain = good(spec_of("x |> linear(1)"));
  CHECK(!plain.has_result("update", "optimizer.v.linear_0.weight"));
  CHECK(!plain.has_result("init", "optimizer.v.linear_0.weight"));
  const tests::Results next = plain.run(
      "update", {{"linear_0.weight", {1, 2}}, {"linear_0.weight.gradient", {4, -4}}, {"optimizer.lr", {0.5}}});
  CHECK(next.at("linear_0.weight") == Values{-1, 4});

  frontend::Overrides overrides;
  overrides.settings = {{"optimizer.momentum", "0.5"}};
  const Elaborated momentum = good(spec_of("x |> linear(1)"), overrides);
  const tests::Results after = momentum.run("update", {{"linear_0.weight", {1, 2}},
                                                       {"linear_0.weight.gradient", {4, -4}},
                                                       {"optimizer.v.linear_0.weight", {2, 2}},
                                                       {"optimizer.momentum", {0.5}},
                                                       {"optimizer.lr", {1}}});
  CHECK(after.at("optimizer.v.linear_0.weight") == Values{5, -3});
  CHECK(after.at("linear_0.weight") == Values{-4, 5});
  CHECK(momentum.run("init").at("optimizer.v.linear_0.weight") == Values{0, 0});
}

TEST_CASE("adam agrees with its formula") {
  const Elaborated spec = good(spec_of("x |> linear(1)", "mse(out, target)", "adam(lr = 0.01)"));
  double p = 1, m = 0, v = 0;
  Values p_now = {1}, m_now = {0}, v_now = {0};
  for (int t = 1; t <= 20; ++t) {
    const double g = std::sin(t);
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    p -= 0.01 / (1 - std::pow(0.9, t)) * m / (std::sqrt(v) / std::sqrt(1 - std::pow(0.999, t)) + 1e-8);
    tests::Results scalars = spec.run("hyper", {{"t", {double(t)}},
                                                {"optimizer.lr", {0.01}},
                                                {"optimizer.beta1", {0.9}},
                                                {"optimizer.beta2", {0.999}},
                                                {"optimizer.eps", {1e-8}}});
    std::map<std::string, Values> arguments = {{"linear_0.bias", p_now},
                                               {"linear_0.bias.gradient", {g}},
                                               {"optimizer.m.linear_0.bias", m_now},
                                               {"optimizer.v.linear_0.bias", v_now}};
    arguments.insert(scalars.begin(), scalars.end());
    const tests::Results next = spec.run("update", arguments);
    p_now = next.at("linear_0.bias");
    m_now = next.at("optimizer.m.linear_0.bias");
    v_now = next.at("optimizer.v.linear_0.bias");
    CHECK(p_now[0] == doctest::Approx(p).epsilon(2e-6));
  }
}

TEST_CASE("arithmetic on hyper-parameters is done in double and rounded once") {
  const std::string optimizer = "optimizer mine(lr, base = 0.5) on (p, g, t) { p <- p - lr * base^t * g }";
  const Elaborated spec = good(spec_of("x |> linear(1)", "mse(out, target)", "mine(lr = 0.1)", optimizer));
  const ir::Func& hyper = spec.func("hyper");
  REQUIRE(hyper.results.size() == 1);
  const auto at = [&](double base, double t) {
    return spec.run("hyper", {{"t", {t}}, {"optimizer.lr", {0.1}}, {"optimizer.base", {base}}})
        .at(hyper.results[0].name)[0];
  };
  for (double t : {1.0, 2.0, 3.0, 10.0, 101.0}) {
    for (double base : {0.5, 0.999, -0.5, -1.0, 1.0, 2.0}) {
      CHECK(at(base, t) == doctest::Approx(static_cast<float>(0.1 * std::pow(base, t))).epsilon(1e-7));
    }
    CHECK(at(0, t) == 0);
  }
}

TEST_CASE("t is in scope in the arguments of an optimizer, and a choice between numbers stays a number") {
  const Elaborated spec =
      good(spec_of("x |> linear(1)", "mse(out, target)", "sgd(lr = if t < 3 then 0.1 * t else 0.01)"));
  const std::string name = spec.func("hyper").results[0].name;
  CHECK(spec.run("hyper", {{"t", {2}}}).at(name)[0] == doctest::Approx(0.2));
  CHECK(spec.run("hyper", {{"t", {3}}}).at(name)[0] == doctest::Approx(0.01));
  frontend::Overrides overrides;
  overrides.settings = {{"optimizer.lr", "0.5"}};
  const Elaborated set = good(spec_of("x |> linear(1)", "mse(out, target)", "sgd(lr = 0.1 * t)"), overrides);
  CHECK(set.run("hyper", {{"t", {2}}, {"optimizer.lr", {0.5}}}).at("optimizer.lr")[0] == 0.5);
}

TEST_CASE("a real argument of a layer and of a loss is a setting") {
  const std::string definitions =
      "layer scale(by = 2)(x: f32[n]) -> f32[n] { x * by }\n"
      "loss scaled(y: f32[..s], target: f32[..s], weight = 3) { weight * (mean[..s] (y[..s] - target[..s])^2) }";
  const Elaborated spec = good(spec_of("let double = scale()\nx |> double |> linear(1)",
                                       "scaled(out, target, weight = 4)", "sgd(lr = 0.1)", definitions));
  std::map<std::string, double> settings;
  for (const frontend::Setting& setting : spec.program->settings) settings[setting.name] = setting.value;
  CHECK(settings == std::map<std::string, double>{{"double.by", 2},
                                                  {"loss.weight", 4},
                                                  {"optimizer.lr", 0.1},
                                                  {"optimizer.momentum", 0},
                                                  {"optimizer.weight_decay", 0}});
  CHECK(spec.func("predict").find_parameter("double.by").has_value());
  CHECK(spec.func("loss").find_parameter("loss.weight").has_value());
}

TEST_CASE("initial values depend on seed and name alone") {
  const Elaborated first =
      good(spec_of("let hidden = linear(5)\nlet output = linear(1)\nx |> hidden |> relu |> output"));
  const Elaborated second =
      good(spec_of("let before = linear(2)\nlet hidden = linear(5)\nlet output = linear(1)\nx |> before |> hidden |> "
                   "relu |> output"));
  const Values weights = first.run("init", {{"key", {7, 0, 0}}}).at("hidden.weight");
  CHECK(weights == second.run("init", {{"key", {7, 0, 0}}}).at("hidden.weight"));
  CHECK(weights != first.run("init", {{"key", {8, 0, 0}}}).at("hidden.weight"));
  for (double weight : weights) CHECK(std::abs(weight) <= 1 / std::sqrt(2.0));
}

TEST_CASE("data by formula draws each name by itself") {
  const Elaborated spec = good(spec_of("x |> linear(1)"));
  const tests::Results rows = spec.run("data", {{"key", {7, 0, 3}}});
  for (size_t row = 0; row < 4; ++row) {
    const double a = rows.at("x")[2 * row], b = rows.at("x")[2 * row + 1];
    CHECK(a != b);
    CHECK(std::abs(a) <= 10);
    CHECK(rows.at("target")[row] == doctest::Approx(a + b).epsilon(1e-6));
  }
  frontend::Overrides overrides;
  overrides.batch = 2;
  const tests::Results fewer = good(spec_of("x |> linear(1)"), overrides).run("data", {{"key", {7, 0, 3}}});
  CHECK(Values(rows.at("x").begin(), rows.at("x").begin() + 4) == fewer.at("x"));  // row s is row s in every batch
}

TEST_CASE("literal rows keep their order and their columns") {
  const Elaborated spec = good(
      "language 1\nconst N = 3\nmodel m(x: f32[n]) -> f32[1] { x |> linear(1) }\n"
      "data d = rows { x = [1, N], target = [N^2] } { x = [5, 6]; target = [-7] }\n"
      "train r: m on d { loss mse(out, target); optimizer sgd(lr = 0.1); batch 2; steps 1; shuffle false }\n");
  CHECK(!spec.program->data.formula);
  CHECK(spec.program->data.rows == 2);
  CHECK(!spec.program->shuffle);
  CHECK(spec.program->data.columns[0].values == std::vector<float>{1, 3, 5, 6});
  CHECK(spec.program->data.columns[1].values == std::vector<float>{9, -7});
}

TEST_CASE("-D and --set are checked") {
  const std::string text = spec_of("x |> linear(N) |> linear(1)", "mse(out, target)", "sgd(lr = 0.1)", "const N = 5");
  frontend::Overrides overrides;
  overrides.constants = {{"N", "8"}};
  CHECK(*good(text, overrides).parameter("linear_0.weight") == ir::Type{ir::DType::f32, {8, 2}});
  const auto message = [&](frontend::Overrides bad) { return elaborate_text(text, bad).messages; };
  CHECK(message({.constants = {{"M", "8"}}}).find("the spec has no const `M`") != std::string::npos);
  CHECK(message({.constants = {{"N", "x"}}}).find("`x` is not a number") != std::string::npos);
  CHECK(message({.constants = {{"N", "2.5"}}}).find("-D N") != std::string::npos);
  CHECK(message({.settings = {{"optimizer.rl", "1"}}}).find("did you mean `optimizer.lr`?") != std::string::npos);
  CHECK(message({.settings = {{"optimizer.lr", ""}}}).find("is not a number") != std::string::npos);
}

TEST_CASE("one model, several runs") {
  const std::string text =
      spec_of("x |> linear(1)") +
      "train slow: adder on sums {\n  loss mae(out, target)\n  optimizer sgd(lr = 0.1)\n  batch 8; steps 3\n}\n";
  CHECK(elaborate_text(text, {}, "slow").program->batch == 8);
  CHECK(elaborate_text(text).program->run == "add");
  CHECK(elaborate_text(text, {}, "slw").messages.find("did you mean `slow`?") != std::string::npos);
}

TEST_CASE("unused parameters and instances are warnings") {
  const Elaborated spec = good(spec_of("param w: f32[] = 0\nlet f = linear(3)\nx |> linear(1)"));
  CHECK(spec.messages.find("param `w` is declared and never used") != std::string::npos);
  CHECK(spec.messages.find("instance `f` is never used") != std::string::npos);
}

TEST_CASE("every value knows its place") {
  const Elaborated spec = good(spec_of("x |> linear(5) |> relu |> linear(1)"));
  for (const ir::Item& item : spec.program->module.items) {
    if (const auto* func = std::get_if<ir::Func>(&item)) {
      for (const ir::Value& value : func->values) CHECK(value.location.valid());
    }
  }
}

TEST_CASE("a hostile spec ends with an error") {
  std::string functions = "fn f0(x) = x + x\n";
  for (int i = 1; i < 40; ++i) functions += fmt::format("fn f{}(x) = f{}(f{}(x))\n", i, i - 1, i - 1);
  CHECK(elaborate_text(spec_of("x |> f39 |> linear(1)", "mse(out, target)", "sgd(lr = 0.1)", functions))
            .messages.find("more than") != std::string::npos);
  CHECK(elaborate_text(spec_of("let y = x\nrepeat 1000000000 { y = y + 1 }\ny |> linear(1)"))
            .messages.find("more than") != std::string::npos);
  CHECK(elaborate_text(spec_of("x |> linear(1000000000000) |> linear(1)")).messages.find("too large") !=
        std::string::npos);
  CHECK(elaborate_text(spec_of("let y = " + std::string(5000, '(') + "x")).messages.find("nested more than") !=
        std::string::npos);
}
