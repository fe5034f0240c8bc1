// Gathers, windows and diagonals; state, samples and `when training` in layers and losses: against values by hand.
#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "tests/support/spec_from_text.h"

using namespace gradc;
using tests::apply;
using tests::Elaborated;
using tests::matrix;
using tests::Results;
using tests::Values;

namespace {

// A batch of `batch` rows x: f32[2] through layer f, the loss being the sum of its result.
Elaborated layer_run(const std::string& definitions, const std::string& result, int batch,
                     const std::string& use = "f()(x)") {
  std::string rows;
  for (int k = 0; k < batch; ++k) rows += " { x = [0, 0] }";
  return tests::elaborate_good("language 1\n" + definitions + "\nmodel whole(x: f32[2]) -> " + result +
                               " {\n  param one: f32[] = 1\n  let y = " + use + "\n  y * one\n}\n" +
                               "loss total_of(y: f32[..s]) { sum[..s] y[..s] }\n" + "data d = rows" + rows +
                               "\ntrain r: whole on d {\n  loss total_of(out)\n  optimizer sgd(lr = 0.1)\n  batch " +
                               std::to_string(batch) + "; steps 1\n}\n");
}

const Values kKey = {1, 0, 5};

}  // namespace

TEST_CASE("a subscript of type idx looks up") {
  CHECK(matrix("f32[2]", "let k[i] = argmax[j] x[i, j]\nlet y[i] = x[i, k[i]]\ny") == Values{3, 6});
}

TEST_CASE("gathers share the axes that stand on both sides") {
  CHECK(matrix("f32[2, 3]", "let k[i < 2, j < 3] = idx<3>(2 - j)\nlet y[i, j] = x[i, k[i, j]]\ny") ==
        Values{3, 2, 1, 6, 5, 4});
  CHECK(matrix("f32[3, 2]", "let k[j < 4] = idx<3>(j // 2)\nlet y[j < 3, i] = x[i, k[j + 1]]\ny") ==
        Values{1, 4, 2, 5, 2, 5});
}

TEST_CASE("windows that overlap") {
  CHECK(apply("f32[5]", "[0, 0, 0, 0, 0]", "f32[3]", "let y[i < 3] = sum[u < 3] x[i + u]\ny", {1, 2, 3, 4, 5}) ==
        Values{6, 9, 12});
  CHECK(apply("f32[5]", "[0, 0, 0, 0, 0]", "f32[2]", "let y[i < 2] = sum[u < 3] x[2*i + u]\ny", {1, 2, 3, 4, 5}) ==
        Values{6, 12});
}

TEST_CASE("an index on two axes takes the diagonal") {
  const std::string row = "[[0, 0, 0], [0, 0, 0], [0, 0, 0]]";
  const Values nine = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  CHECK(apply("f32[3, 3]", row, "f32[3]", "let y[i] = x[i, i]\ny", nine) == Values{1, 5, 9});
  CHECK(apply("f32[3, 3]", row, "f32[]", "sum[i] x[i, i]", nine) == Values{15});
}

TEST_CASE("reductions over the batch") {
  const Elaborated spec = layer_run(
      "layer f()(x: f32[n]) -> f32[n] {\n  let m[i] = mean[batch] x[i]\n  let count = sum[batch] 1\n"
      "  let most = max[batch] x[0]\n  let y[i] = x[i] - m[i] + count * 10 + most\n  y\n}",
      "f32[2]", 2);
  CHECK(spec.run("predict", {{"one", {1}}, {"x", {1, 2, 3, 6}}}).at("out") == Values{22, 21, 24, 25});
}

TEST_CASE("state, old and shared instances") {
  const std::string layer =
      "layer f()(x: f32[n]) -> f32[n] {\n  state s: f32[n] = 1\n  let m[i] = mean[batch] x[i]\n  s <- 2 * s + m\n"
      "  x * 0 + old s\n}\nlayer g()(x: f32[n]) -> f32[n] {\n  let h = f()\n  h(x) + 100 * h(x)\n}";
  const Elaborated spec = layer_run(layer, "f32[2]", 2, "g()(x)");
  const std::map<std::string, Values> given = {{"one", {1}}, {"x", {1, 2, 3, 4}}, {"g_0.h.s", {10, 20}}};
  CHECK(spec.run("predict", given).at("out") == Values{1010, 2020, 1010, 2020});
  const Results trained = spec.run("loss", given);
  // First use: 2 * (10, 20) + (2, 3) = (22, 43); second: 2 * (22, 43) + (2, 3).
  CHECK(trained.at("g_0.h.s") == Values{46, 89});
  CHECK(trained.at("loss")[0] == 10 + 20 + 100 * (22 + 43));
  CHECK(spec.run("init", {{"key", {1, 0, 0}}}).at("g_0.h.s") == Values{1, 1});
}

TEST_CASE("when training chooses between two programs") {
  const Elaborated spec =
      layer_run("layer f()(x: f32[n]) -> f32[n] {\n  when training { x * 2 } else { x + 1 }\n}", "f32[2]", 1);
  CHECK(spec.run("predict", {{"one", {1}}, {"x", {3, 4}}}).at("out") == Values{4, 5});
  CHECK(spec.run("loss", {{"one", {1}}, {"x", {3, 4}}}).at("loss") == Values{14});
}

TEST_CASE("samples in layers are drawn anew for each element, sample, use and step") {
  const Elaborated spec = layer_run(
      "layer f()(x: f32[n]) -> f32[n] {\n  let z[i < n] ~ uniform(0, 1)\n  z\n}\n"
      "layer g()(x: f32[n]) -> f32[4] {\n  let h = f()\n  concat(h(x), h(x))\n}",
      "f32[4]", 3, "g()(x)");
  const Values first = spec.run("predict", {{"one", {1}}, {"key", kKey}}).at("out");
  std::set<double> distinct(first.begin(), first.end());
  CHECK(distinct.size() == 12);
  CHECK(spec.run("predict", {{"one", {1}}, {"key", kKey}}).at("out") == first);
  CHECK(spec.run("predict", {{"one", {1}}, {"key", {1, 0, 6}}}).at("out") != first);
}

TEST_CASE("dropout scales what it keeps, and does nothing outside training") {
  const Elaborated spec = layer_run("layer f()(x: f32[n]) -> f32[n] { dropout(0.25)(x) }", "f32[2]", 500);
  Values ones(1000, 1);
  std::map<std::string, Values> given = {{"one", {1}}, {"x", ones}, {"key", kKey}};
  for (const auto& [name, values] : spec.run("hyper", {{"t", {1}}, {"f_0.dropout_0.rate", {0.25}}}))
    given[name] = values;
  CHECK(spec.run("predict", given).at("out") == ones);
  // 1000 elements, each 4/3 with probability 3/4: the mean loss is 2 within five standard deviations.
  CHECK(std::abs(spec.run("loss", given).at("loss")[0] - 2) < 2 * 5 * std::sqrt(1.0 / 3 / 1000));
}

TEST_CASE("categorical draws as softmax says") {
  const Elaborated spec = layer_run(
      "layer f()(x: f32[n]) -> f32[n] {\n  let a[i < 2] ~ categorical[v < 3] if v == 1 then log(3) else 0\n"
      "  let y[i] = if a[i] == 1 then 1 else 0\n  y\n}",
      "f32[2]", 2000);
  const Values out = spec.run("predict", {{"one", {1}}, {"key", kKey}}).at("out");
  double ones = 0;
  for (double value : out) ones += value;
  CHECK(std::abs(ones / 4000 - 0.6) < 5 * std::sqrt(0.24 / 4000));
}

TEST_CASE("bernoulli and integers in data") {
  const Elaborated spec = tests::elaborate_text(
      "language 1\nmodel m(x: f32[2]) -> f32[2] {\n  param w: f32[] = 1\n  x * w\n}\n"
      "data d {\n  let b ~ bernoulli(0.5)\n  let k ~ integers(3, 6)\n  x = [b, k]\n}\n"
      "train r: m on d { loss mse(out, x); optimizer sgd(lr = 1); batch 300; steps 1 }\n");
  INFO(spec.messages);
  REQUIRE(spec.program.has_value());
  const Values x = spec.run("data", {{"key", kKey}}).at("x");
  std::set<double> flips, numbers;
  for (size_t k = 0; k < x.size(); k += 2) {
    flips.insert(x[k]);
    numbers.insert(x[k + 1]);
  }
  CHECK(flips == std::set<double>{0, 1});
  CHECK(numbers == std::set<double>{3, 4, 5});
}

TEST_CASE("a loss may draw, hold state and report") {
  const Elaborated spec = tests::elaborate_text(
      "language 1\nmodel m(x: f32[1]) -> f32[1] {\n  param w: f32[] = 1\n  x * w\n}\n"
      "data d = rows { x = [1], target = [2] } { x = [2], target = [2] }\n"
      "train r: m on d { loss reinforce(out, target); optimizer sgd(lr = 1); batch 2; steps 1; shuffle false }\n");
  INFO(spec.messages);
  REQUIRE(spec.program.has_value());
  std::map<std::string, Values> given = {
      {"w", {1}}, {"x", {1, 2}}, {"target", {2, 2}}, {"key", kKey}, {"loss.baseline", {-4}}};
  for (const auto& [name, values] : spec.run("hyper", {{"t", {1}}, {"loss.sigma", {0.1}}})) given[name] = values;
  const Results results = spec.run("loss", given);
  const double reward = results.at("reward")[0];
  CHECK(reward < 0);
  CHECK(reward > -1);
  CHECK(results.at("loss.baseline")[0] == doctest::Approx(-3.96 + 0.01 * reward));
}
