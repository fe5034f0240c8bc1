// Index equations and expressions of a layer's body, against values computed by hand.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/spec_from_text.h"

using namespace gradc;
using tests::apply;
using tests::kOneToSix;
using tests::kVectorRow;
using tests::matrix;
using tests::Values;
using tests::vector;

namespace {

const std::string kSix = "f32[6]", kSixRow = "[0, 0, 0, 0, 0, 0]";

Values six(const std::string& result, const std::string& body) { return apply(kSix, kSixRow, result, body, kOneToSix); }

}  // namespace

TEST_CASE("an index equation moves axes to the order of its left side") {
  CHECK(matrix("f32[3, 2]", "let y[j, i] = x[i, j]\ny") == Values{1, 4, 2, 5, 3, 6});
  CHECK(matrix("f32[2, 3]", "let y[i, j] = x[i, j] - x[i, 0]\ny") == Values{0, 1, 2, 0, 1, 2});
  CHECK(vector("f32[3, 2]", "let y[i, k < 2] = x[i]\ny") == Values{1, 1, 2, 2, 3, 3});
}

TEST_CASE("reductions") {
  CHECK(matrix("f32[2]", "let y[i] = sum[j] x[i, j]\ny") == Values{6, 15});
  CHECK(matrix("f32[3]", "let y[j] = mean[i] x[i, j]\ny") == Values{2.5, 3.5, 4.5});
  CHECK(matrix("f32[]", "max[i, j] x[i, j]") == Values{6});
  CHECK(matrix("f32[]", "min[i, j] x[i, j]") == Values{1});
  CHECK(matrix("f32[2]", "let y[i] = prod[j] x[i, j]\ny") == Values{6, 120});
  CHECK(matrix("f32[2, 2]", "let y[i, k] = sum[j] x[i, j] * x[k, j]\ny").size() == 4);
}

TEST_CASE("an index twice on different accesses of one tensor gives a product") {
  CHECK(vector("f32[3, 3]", "let y[i, j] = x[i] * x[j]\ny") == Values{1, 2, 3, 2, 4, 6, 3, 6, 9});
  // The limit of a first index says nothing about another of the same size.
  CHECK(
      matrix("f32[2, 2]", "let a[i, j] = x[i, j]\nlet b[k, j] = x[k, j]\nlet y[i, k] = sum[j] a[i, j] * b[k, j]\ny") ==
      Values{14, 32, 32, 77});
}

TEST_CASE("sum and mean reach over a product, not over a sum") {
  CHECK(vector("f32[]", "10 + sum[i] x[i] * x[i] + 100") == Values{124});
  CHECK(vector("f32[]", "mean[i] 3 * x[i] - 1") == Values{5});
  CHECK(vector("f32[]", "(max[i] x[i]) * 2") == Values{6});
}

TEST_CASE("a reduced index that the body does not use repeats it") {
  CHECK(vector("f32[3]", "let y[i] = sum[k < 4] x[i]\ny") == Values{4, 8, 12});
  CHECK(vector("f32[3]", "let n = sum[k < 4] 1\nx * n") == Values{4, 8, 12});
}

TEST_CASE("packs stand for any number of axes") {
  std::string text = tests::layer_spec(tests::kMatrix, tests::kMatrixRow, "f32[]", "sum[..s] x[..s]");
  text.replace(text.find(tests::kMatrix), tests::kMatrix.size(), "f32[..s]");
  CHECK(tests::elaborate_good(text).run("predict", {{"one", {1}}, {"x", tests::kOneToSix}}).at("out") == Values{21});
  CHECK(matrix("f32[3]", "let y[j] = sum[i] x[i, j]\ny") == Values{5, 7, 9});
}

TEST_CASE("index names are whole numbers in arithmetic") {
  CHECK(vector("f32[3]", "let y[i] = x[i] * i\ny") == Values{0, 2, 6});
  CHECK(matrix("f32[2, 3]", "let y[i, j] = if j <= i then x[i, j] else 0\ny") == Values{1, 0, 0, 4, 5, 0});
  CHECK(vector("f32[3]", "let y[i < 3] = i / 2\ny * x / x") == Values{0, 0.5, 1});
}

TEST_CASE("affine subscripts that do not overlap") {
  CHECK(six("f32[5]", "let y[i < 5] = x[i + 1] - x[i + 0]\ny") == Values{1, 1, 1, 1, 1});
  CHECK(six("f32[3]", "let y[i < 3] = x[2*i]\ny") == Values{1, 3, 5});
  CHECK(six("f32[2]", "let y[i < 2] = x[3*i + 1]\ny") == Values{2, 5});
  CHECK(six("f32[3]", "let y[i < 3] = max[u < 2] x[i*2 + u]\ny") == Values{2, 4, 6});
  CHECK(six("f32[2]", "let y[i < 2] = sum[u < 2] x[i*4 + u]\ny") == Values{3, 11});
  CHECK(six("f32[]", "sum[i < 2] x[5 - 0] * x[i + 0]") == Values{18});
}

TEST_CASE("an index may have the name of the dimension that it ranges over") {
  CHECK(apply("f32[n]", kVectorRow, "f32[n]", "let y[n] = x[n] * 2\ny", {1, 2, 3}) == Values{2, 4, 6});
  const std::string text = tests::layer_spec("f32[n]", kVectorRow, "f32[n]", "let y[n < 2] = x[0]\ny * x");
  CHECK(tests::elaborate_text(text).messages.find("ranges over two different sizes") != std::string::npos);
}

TEST_CASE("pooling: windows that do not overlap, on two axes") {
  const Values x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  const std::string row = "[[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]]";
  CHECK(apply("f32[c, h, w]", row, "f32[c, h//2, w//2]",
              "let y[c, i < h//2, j < w//2] = max[u < 2, v < 2] x[c, i*2 + u, j*2 + v]\ny", x) == Values{6, 8, 14, 16});
}

TEST_CASE("subscripts that run backwards, or of three indices") {
  CHECK(vector("f32[3]", "let y[i < 3] = x[2 - i]\ny") == Values{3, 2, 1});
  CHECK(matrix("f32[2, 3]", "let y[i, j < 3] = x[i, 2 - j]\ny") == Values{3, 2, 1, 6, 5, 4});
  CHECK(vector("f32[6]", "let y[i < 6] = x[i // 2]\ny") == Values{1, 1, 2, 2, 3, 3});
  CHECK(vector("f32[2]", "let k[i < 3] = idx<3>(2 - i)\nlet pair = [k[0], k[2]]\nlet y[i] = x[pair[i]]\ny") ==
        Values{3, 1});
  CHECK(six("f32[2, 2]", "let y[i < 2, j < 2] = sum[k < 3] x[i + j + k]\ny") == Values{6, 9, 9, 12});
  CHECK(matrix("f32[3]", "let y[j < 3] = sum[i < 2] x[1 - i, 2 - j]\ny") == Values{9, 7, 5});
}

TEST_CASE("whole tensors: slices, lists, reshape, concat, pad") {
  CHECK(six("f32[2]", "x[1 .. 3]") == Values{2, 3});
  CHECK(matrix("f32[2]", "x[1, 0 .. 2]") == Values{4, 5});
  CHECK(vector("f32[2]", "[x[2], x[0] * 10]") == Values{3, 10});
  CHECK(six("f32[2, 3]", "reshape(x, [2, 3])") == kOneToSix);
  CHECK(vector("f32[4]", "concat(x, [7])") == Values{1, 2, 3, 7});
  CHECK(vector("f32[6]", "pad(x, [1/2], value = 9)") == Values{9, 1, 2, 3, 9, 9});
  CHECK(matrix("f32[2, 5]", "concat(x, [[7, 8], [9, 10]], axis = 1)") == Values{1, 2, 3, 7, 8, 4, 5, 6, 9, 10});
  // Indices stay what they are.
  const std::string ids = "let ids[i < 2] = idx<3>(i + 1)\n";
  CHECK(vector("f32[4]", ids + "let all = concat(ids, ids)\nlet y[i] = x[all[i]]\ny") == Values{2, 3, 2, 3});
  CHECK(vector("f32[3]", ids + "let all = pad(ids, [0/1])\nlet y[i] = x[all[i]]\ny") == Values{2, 3, 1});
  CHECK(vector("f32[1, 2]", ids + "let all = reshape(ids, [1, 2])\nlet y[i, j] = x[all[i, j]]\ny") == Values{2, 3});
}

TEST_CASE("powers, choices and scalars") {
  CHECK(vector("f32[3]", "x^3") == Values{1, 8, 27});
  CHECK(vector("f32[3]", "x^-1 * x") == Values{1, 1, 1});
  CHECK(vector("f32[3]", "-x^2") == Values{-1, -4, -9});
  CHECK(vector("f32[3]", "pow(x, 2) - x * x") == Values{0, 0, 0});
  CHECK(vector("f32[3]", "x^1.5")[1] == doctest::Approx(std::pow(2, 1.5)).epsilon(1e-6));
  CHECK(vector("f32[3]", "2^x") == Values{2, 4, 8});
  CHECK(vector("f32[3]", "x^x") == Values{1, 4, 27});
  CHECK(vector("f32[3]", "let y[i < 3] = 2^i * x[i]\ny") == Values{1, 4, 12});
  CHECK(vector("f32[3]", "2^3^0 * x") == Values{2, 4, 6});
  CHECK(vector("f32[3]", "if x > 1 and not (x > 2) then 5 else x") == Values{1, 5, 3});
  CHECK(vector("f32[3]", "if 3 // 2 == 1 then x else reshape(x, [7])") == Values{1, 2, 3});
  CHECK(vector("f32[3]", "let s = sum[i] x[i]\nx / s * 6") == Values{1, 2, 3});
}

TEST_CASE("repeat carries a name from round to round") {
  CHECK(vector("f32[3]", "let y = x\nrepeat 3 { y = y + y }\ny") == Values{8, 16, 24});
  CHECK(vector("f32[3]", "let y = x\nrepeat 0 { y = y + y }\ny") == Values{1, 2, 3});
}

TEST_CASE("the library's functions") {
  const auto at = [](const std::string& call, double x) {
    return apply("f32[1]", "[0]", "f32[1]", "x |> " + call, {x})[0];
  };
  CHECK(at("relu", -2) == 0);
  CHECK(at("relu", 2) == 2);
  CHECK(at("leaky_relu(slope = 0.25)", -2) == -0.5);
  CHECK(at("square", -3) == 9);
  CHECK(at("identity", -3) == -3);
  for (double x : {-90.0, -5.0, -0.5, 0.0, 0.5, 5.0, 90.0}) {
    CHECK(at("sigmoid", x) == doctest::Approx(1 / (1 + std::exp(-x))).epsilon(1e-6));
    CHECK(at("softplus", x) == doctest::Approx(std::log1p(std::exp(x))).epsilon(1e-6));
    CHECK(at("elu", x) == doctest::Approx(x > 0 ? x : std::expm1(x)).epsilon(1e-6));
    CHECK(at("tanh", x) == doctest::Approx(std::tanh(x)).epsilon(1e-6));
    CHECK(at("erf", x) == doctest::Approx(std::erf(x)).epsilon(1e-6));
    CHECK(at("sin", x) == doctest::Approx(std::sin(x)).epsilon(1e-6));
    CHECK(at("cos", x) == doctest::Approx(std::cos(x)).epsilon(1e-6));
    CHECK(at("floor", x) == std::floor(x));
    CHECK(at("gelu", x) == doctest::Approx(0.5 * x * (1 + std::erf(x / std::sqrt(2.0)))).epsilon(1e-5));
  }
}

TEST_CASE("functions of numbers known while compiling are computed there") {
  CHECK(apply("f32[1]", "[0]", "f32[4]", "[erf(0.5) + x[0], sin(0.5), cos(0.5), floor(-0.5)]", {0}) ==
        Values{static_cast<double>(static_cast<float>(std::erf(0.5))),
               static_cast<double>(static_cast<float>(std::sin(0.5))),
               static_cast<double>(static_cast<float>(std::cos(0.5))), -1});
}

TEST_CASE("the normal quantile agrees with tables") {
  // Values of the standard normal quantile, to 9 digits.
  const std::pair<double, double> table[] = {{0.5, 0.0},           {0.75, 0.674489750},  {0.9, 1.281551566},
                                             {0.975, 1.959963985}, {0.999, 3.090232306}, {0.025, -1.959963985},
                                             {1e-6, -4.753424309}, {1e-12, -7.034483825}};
  for (const auto& [u, z] : table) {
    const double found = apply("f32[1]", "[0]", "f32[1]", "x |> normal_quantile", {u})[0];
    CHECK(std::abs(found - z) < 2e-5);
  }
}
