// grad(e, x): against formulas, and differentiated again.
#include <doctest/doctest.h>

#include <cmath>

#include "ir/eval.h"
#include "passes/differentiate.h"
#include "passes/gradient_check.h"
#include "tests/support/spec_from_text.h"

using namespace gradc;
using tests::Elaborated;
using tests::Results;
using tests::Values;
using Given = std::map<std::string, Values>;

namespace {

// A model of x: f32[3] and w: f32[3] with that body, in batches of two rows.
Elaborated spec(const std::string& body, const std::string& result = "f32[3]", const std::string& definitions = "") {
  return tests::elaborate_good(
      "language 1\n" + definitions + "loss total_of(y: f32[..s]) { sum[..s] y[..s] }\nmodel whole(x: f32[3]) -> " +
      result + " {\n  param w: f32[3] = 1\n" + body + "\n}\n" +
      "data d = rows { x = [0, 0, 0] } { x = [0, 0, 0] }\n"
      "train r: whole on d {\n  loss total_of(out)\n  optimizer sgd(lr = 0.1)\n  batch 2; steps 1\n}\n");
}

const Values kX = {0.5, -1, 2, 0.25, 3, -0.75}, kW = {1, -0.5, 2};

// What the model gives for kX and kW.
Values outputs(const std::string& body, const std::string& result = "f32[3]", const std::string& definitions = "") {
  const Elaborated elaborated = spec(body, result, definitions);
  const ir::Func func = passes::write_out_gradients(elaborated.func("predict"));
  return tests::evaluate(func, {{"x", kX}, {"w", kW}}).at(func.results[0].name);
}

// Each element against a formula of its x and w.
template <class Formula>
void check(const Values& found, Formula formula, double tolerance = 1e-6) {
  REQUIRE(found.size() == 6);
  for (size_t k = 0; k < 6; ++k) CHECK(found[k] == doctest::Approx(formula(kX[k], kW[k % 3])).epsilon(tolerance));
}

}  // namespace

TEST_CASE("the gradient of a sample's number is the sample's own") {
  check(outputs("  let e = sum[i] w[i] * x[i]^3\n  grad(e, x)"), [](double x, double w) { return 3 * w * x * x; });
}

TEST_CASE("a gradient by an intermediate value stops there") {
  check(outputs("  let h = x * x\n  let e = sum[i] (w[i] * h[i]^2 + x[i])\n  grad(e, h)"),
        [](double x, double w) { return 2 * w * x * x; });
}

TEST_CASE("a second derivative is that of the formula") {
  const std::string body =
      "  let e = sum[i] tanh(w[i] * x[i])\n  let first = grad(e, x)\n  let s = sum[i] first[i]\n  grad(s, x)";
  check(
      outputs(body),
      [](double x, double w) {
        const double t = std::tanh(w * x);
        return -2 * t * (1 - t * t) * w * w;
      },
      1e-5);
}

TEST_CASE("third derivatives, of sine") {
  const std::string body =
      "  let e = sum[i] sin(w[i] * x[i])\n  let g = grad(e, x)\n  let f = sum[i] g[i]\n  let h = grad(f, x)\n"
      "  let k = sum[i] h[i]\n  grad(k, x)";
  check(outputs(body), [](double x, double w) { return -std::cos(w * x) * w * w * w; }, 1e-5);
}

TEST_CASE("by a parameter, a sample's number has a gradient of its own, which the loss derives again") {
  const std::string body =
      "  let e = sin(sum[i] w[i] * x[i])\n  let c = mean[batch] e\n  let m = grad(c, w)\n"
      "  let g = grad(e, w)\n  let y[i] = g[i] + m[i]\n  y";
  const Values found = outputs(body);
  double cosine[2] = {};
  for (size_t sample = 0; sample < 2; ++sample) {
    double sum = 0;
    for (size_t k = 0; k < 3; ++k) sum += kW[k] * kX[3 * sample + k];
    cosine[sample] = std::cos(sum);
  }
  for (size_t k = 0; k < 6; ++k) {
    const double own = cosine[k / 3] * kX[k];
    const double shared = (cosine[0] * kX[k % 3] + cosine[1] * kX[k % 3 + 3]) / 2;
    CHECK(found[k] == doctest::Approx(own + shared).epsilon(1e-5));
  }
}

TEST_CASE("a gradient by a parameter is of what the samples have in common") {
  const Values found =
      outputs("  let m = mean[batch] (sum[i] w[i]^2 * x[i])\n  let g = grad(m, w)\n  let y[i] = g[i] + 0 * x[i]\n  y");
  REQUIRE(found.size() == 6);  // the same for both samples
  for (size_t k = 0; k < 6; ++k) CHECK(found[k] == doctest::Approx(2 * kW[k % 3] * (kX[k % 3] + kX[k % 3 + 3]) / 2));
}

TEST_CASE("over [batch], a sample's gradient is that of the sum over all samples") {
  // e_b = (x_b - mean x)^2, summed over b: the gradient is 2 (x_b - mean x), as the mean's part adds up to 0.
  const Values found = outputs("  let m[i] = mean[batch] x[i]\n  let e = sum[i] (x[i] - m[i])^2\n  grad(e, x)");
  for (size_t k = 0; k < 6; ++k) {
    const double mean = (kX[k % 3] + kX[k % 3 + 3]) / 2;
    CHECK(found[k] == doctest::Approx(2 * (kX[k] - mean)));
  }
}

TEST_CASE("stop and the branch not taken give 0") {
  CHECK(outputs("  let e = sum[i] stop(x[i]) * x[i]\n  grad(e, x)") == kX);
  check(outputs("  let e = sum[i] if x[i] > 0 then sqrt(x[i]) else 0\n  grad(e, x)"),
        [](double x, double) { return x > 0 ? 0.5 / std::sqrt(x) : 0.0; });
}

TEST_CASE("a loss that holds gradients has the gradient of central differences") {
  for (const char* body :
       {"  let e = sum[i] tanh(w[i] * x[i])^2\n  let g = grad(e, x)\n  g * g",
        "  let h = x * w\n  let e = sum[i] exp(0.3 * h[i]) * erf(x[i] * w[i])\n  let g = grad(e, h)\n  sin(g)",
        "  let y = layer_norm()(x * w)\n  let e = sum[i] y[i]^3\n  let g = grad(e, x)\n  g * g",
        "  let e = (logsumexp[i] (w[i] * x[i]))\n  let g = grad(e, x)\n  let s = sum[i] g[i]^2\n"
        "  let again = grad(s, x)\n  again + x"}) {
    INFO(body);
    const Elaborated elaborated = spec(body);
    const ir::Func loss = passes::write_out_gradients(elaborated.func("loss"));
    std::vector<ir::Tensor> arguments;
    for (size_t i = 0; i < loss.parameter_count; ++i) {
      ir::Tensor tensor(loss.values[i].type);
      const Values& values = loss.values[i].name == "x" ? kX : kW;
      for (int64_t k = 0; k < tensor.elements(); ++k) tensor.set(k, values[static_cast<size_t>(k)]);
      arguments.push_back(std::move(tensor));
    }
    const auto rows = passes::check_gradients(loss, passes::differentiate(loss, "g", {"w"}), {"w"}, arguments);
    REQUIRE(rows.ok());
    CHECK((*rows)[0].checked == 3);
    CHECK((*rows)[0].passed);
  }
}
