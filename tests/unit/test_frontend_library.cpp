// The library's layers, losses and the reductions that are compositions, against values computed by hand.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/spec_from_text.h"

using namespace gradc;
using tests::apply;
using tests::kMatrix;
using tests::kMatrixRow;
using tests::Results;
using tests::Values;
using tests::vector;

namespace {

const double kInfinity = std::numeric_limits<double>::infinity();

void check_close(const Values& found, const Values& expected, double tolerance = 1e-6) {
  REQUIRE(found.size() == expected.size());
  for (size_t k = 0; k < found.size(); ++k) {
    CHECK(found[k] == doctest::Approx(expected[k]).epsilon(tolerance));
  }
}

// The run-time scalars of step 1.
void add_scalars(const tests::Elaborated& spec, std::map<std::string, Values>& given) {
  std::map<std::string, Values> settings = {{"t", {1}}};
  for (const frontend::Setting& setting : spec.program->settings) settings[setting.name] = {setting.value};
  for (const auto& [name, values] : spec.run("hyper", settings)) given[name] = values;
}

// The loss of one row: `y` as the model's output, `target` as given.
double loss_of(const std::string& call, const std::string& type, const std::string& y, const std::string& target) {
  const tests::Elaborated spec = tests::elaborate_text(
      "language 1\nmodel m(x: " + type + ") -> " + type + " {\n  param one: f32[] = 1\n  x * one\n}\n" +
      "data d = rows { x = " + y + ", target = " + target + " }\n" + "train r: m on d {\n  loss " + call +
      "\n  optimizer sgd(lr = 0.1)\n  batch 1; steps 1\n}\n");
  INFO(spec.messages);
  REQUIRE(spec.program.has_value());
  std::map<std::string, Values> given = {{"one", {1}}};
  for (const frontend::Column& column : spec.program->data.columns) {
    given[column.name] = Values(column.values.begin(), column.values.end());
  }
  add_scalars(spec, given);
  return spec.run("loss", given).at("loss")[0];
}

}  // namespace

TEST_CASE("softmax maps over an index of the equation and never overflows") {
  const std::string body = "let y[i] = softmax[i] x[i]\ny";
  const double sum = 1 + std::exp(-1) + std::exp(-2);
  check_close(vector("f32[3]", body, {1000, 999, 998}), {1 / sum, std::exp(-1) / sum, std::exp(-2) / sum});
  check_close(vector("f32[3]", body, {0, -kInfinity, -kInfinity}), {1, 0, 0});
  for (double value : vector("f32[3]", body, {-kInfinity, -kInfinity, -kInfinity})) CHECK(std::isnan(value));
  check_close(apply(kMatrix, kMatrixRow, "f32[2, 3]", "let y[i, j] = softmax[i] x[i, j]\ny", {0, 0, 0, 0, 0, 0}),
              {0.5, 0.5, 0.5, 0.5, 0.5, 0.5});
  check_close(vector("f32[3]", "let y[i < 3] = softmax[i] 2\ny * x", {1, 1, 1}), {1 / 3., 1 / 3., 1 / 3.});
}

TEST_CASE("logsumexp is stable") {
  const std::string body = "logsumexp[i] x[i]";
  check_close(vector("f32[]", body, {1000, 1000, 1000}), {1000 + std::log(3)});
  check_close(vector("f32[]", body, {-1000, -1000, -1000}), {-1000 + std::log(3)});
  CHECK(vector("f32[]", body, {-kInfinity, -kInfinity, -kInfinity})[0] == -kInfinity);
}

TEST_CASE("argmax is the first of the largest, an index of its axis") {
  CHECK(vector("f32[]", "let k = argmax[i] x[i]\nk + 0", {1, 5, 5}) == Values{1});
  CHECK(vector("f32[]", "let k = argmax[i] x[i]\nk + 0", {7, 5, 5}) == Values{0});
  CHECK(apply(kMatrix, kMatrixRow, "f32[2]", "let k[i] = argmax[j] x[i, j]\nlet y[i] = k[i]\ny + 0",
              {1, 2, 3, 6, 5, 4}) == Values{2, 0});
}

TEST_CASE("idx<N>(e) makes indices of whole numbers") {
  const std::string layer = "language 1\nlayer next(k: idx<4>[]) -> idx<4>[] { idx<4>(if k == 3 then 0 else k + 1) }\n";
  const tests::Elaborated spec =
      tests::elaborate_text(layer +
                            "model m(k: idx<4>[]) -> f32[] {\n  param one: f32[] = 1\n  next()(k) * one\n}\n"
                            "loss same(y: f32[]) { y }\ndata d = rows { k = 2 } { k = 3 }\n"
                            "train r: m on d { loss same(out); optimizer sgd(lr = 1); batch 2; steps 1 }\n");
  INFO(spec.messages);
  REQUIRE(spec.program.has_value());
  CHECK(spec.run("predict", {{"one", {1}}, {"k", {2, 3}}}).at("out") == Values{3, 0});
}

TEST_CASE("losses of the library") {
  CHECK(loss_of("mse(out, target)", "f32[2]", "[1, 2]", "[2, 4]") == 2.5);
  CHECK(loss_of("mae(out, target)", "f32[2]", "[1, 2]", "[2, 4]") == 1.5);
  CHECK(loss_of("huber(out, target)", "f32[3]", "[1, 2, 0]", "[1.5, 4, 1]") ==
        doctest::Approx((0.125 + 1.5 + 0.5) / 3));
  CHECK(loss_of("huber(out, target, delta = 2)", "f32[1]", "[0]", "[3]") == doctest::Approx(4));
  CHECK(loss_of("cross_entropy(out, target)", "f32[3]", "[1, 2, 3]", "1") ==
        doctest::Approx(std::log(std::exp(-1) + 1 + std::exp(1))));
  CHECK(loss_of("cross_entropy(out, target)", "f32[2, 2]", "[[5, 5], [0, 200]]", "[0, 0]") ==
        doctest::Approx((std::log(2) + 200) / 2));
  CHECK(loss_of("binary_cross_entropy_with_logits(out, target)", "f32[2]", "[3, -100]", "[0, 1]") ==
        doctest::Approx((std::log1p(std::exp(3)) + 100) / 2));
}

TEST_CASE("layers of the library") {
  const Values x = {1, 2, 3, 4, 5, 12};
  const auto layer = [&](const std::string& result, const std::string& body) {
    const tests::Elaborated spec = tests::elaborate_text(tests::layer_spec(kMatrix, kMatrixRow, result, body));
    INFO(spec.messages);
    REQUIRE(spec.program.has_value());
    std::map<std::string, Values> given = {{"one", {1}}, {"x", x}};
    add_scalars(spec, given);
    for (const frontend::Port& port : spec.program->parameters) {
      if (port.name == "one") continue;
      given[port.name] = Values(static_cast<size_t>(port.type.elements()), port.name.ends_with("bias") ? 0.5 : 2);
    }
    return spec.run("predict", given).at("out");
  };
  const double a = 2 / std::sqrt(2 / 3. + 1e-5), b = 2 / std::sqrt(38 / 3. + 1e-5);
  check_close(layer("f32[2, 3]", "layer_norm()(x)"), {0.5 - a, 0.5, 0.5 + a, 0.5 - 3 * b, 0.5 - 2 * b, 0.5 + 5 * b},
              1e-5);
  const double c = 2 / std::sqrt(14 / 3.), d = 2 / std::sqrt(185 / 3.);
  check_close(layer("f32[2, 3]", "rms_norm()(x)"), {c, 2 * c, 3 * c, 4 * d, 5 * d, 12 * d}, 1e-5);
  CHECK(layer("f32[6]", "flatten()(x)") == x);
  CHECK(layer("f32[1, 1, 1]", "avg_pool(2)(reshape(x, [1, 2, 3]))") == Values{3});
  CHECK(layer("f32[1, 1, 1]", "max_pool(2)(reshape(x, [1, 2, 3]))") == Values{5});
}

TEST_CASE("silu and sign") {
  check_close(vector("f32[3]", "x |> silu", {-2, 0, 3}), {-2 / (1 + std::exp(2)), 0, 3 / (1 + std::exp(-3))});
  CHECK(vector("f32[3]", "x |> sign", {-2, 0, 3}) == Values{-1, 0, 1});
}

TEST_CASE("schedules are functions of t, computed in double") {
  const auto rate = [](const std::string& lr, double t) {
    const tests::Elaborated spec = tests::elaborate_text(
        "language 1\nmodel m(x: f32[1]) -> f32[1] {\n  param w: f32[] = 1\n  x * w\n}\n"
        "data d = rows { x = [1] }\ntrain r: m on d {\n  loss mse(out, x)\n  optimizer sgd(lr = " +
        lr + ")\n  batch 1; steps 1\n}\n");
    INFO(spec.messages);
    REQUIRE(spec.program.has_value());
    const Results values = spec.run("hyper", {{"t", {t}}});
    REQUIRE(values.size() == 1);
    return values.begin()->second[0];
  };
  const double pi = std::acos(-1.0);
  CHECK(rate("step_decay(t, 0.5, 0.1, 10)", 10) == doctest::Approx(0.5));
  CHECK(rate("step_decay(t, 0.5, 0.1, 10)", 11) == doctest::Approx(0.05));
  CHECK(rate("step_decay(t, 0.5, 0.1, 10)", 31) == doctest::Approx(0.0005));
  for (int t : {1, 17, 50, 101, 500}) {
    CHECK(rate("cosine(t, 0.5, 100)", t) ==
          doctest::Approx(0.25 * (1 + std::cos(pi * std::min(t - 1, 100) / 100))).epsilon(1e-6));
  }
  CHECK(rate("warmup_cosine(t, 1e-3, 100, 2000)", 50) == doctest::Approx(1e-3 * 50 / 101));
  CHECK(rate("warmup_cosine(t, 1e-3, 100, 2000)", 101) == doctest::Approx(1e-3));
  CHECK(rate("warmup_cosine(t, 1e-3, 100, 2000)", 1051) == doctest::Approx(5.5e-4));
  CHECK(rate("warmup_cosine(t, 1e-3, 100, 2000)", 3000) == doctest::Approx(1e-4));
}
