// What can be wrong at run time, against values by hand: where a check is made, and what it looks at.
#include <doctest/doctest.h>

#include <cmath>

#include "frontend/value_range.h"
#include "ir/builder.h"
#include "ir/fault.h"
#include "tests/support/spec_from_text.h"

using namespace gradc;
using tests::Elaborated;

namespace {

// Three rows in batches of two: the second sample of the last batch is dead.
Elaborated run_of(const std::string& body) {
  return tests::elaborate_good(
      "language 1\nmodel m(x: f32[2]) -> f32[3] {\n  param one: f32[3] = 1\n" + body +
      "\n  one * x[0]\n}\nloss first(y: f32[3], x: f32[2]) { y[0] }\n"
      "data d = rows { x = [0, 0] } { x = [1, 0] } { x = [2, 0] }\n"
      "train r: m on d {\n  loss first(out, x)\n  optimizer sgd(lr = 0.1)\n  batch 2; epochs 1\n}\n");
}

// `fault.0` of the loss for two samples of which `live` count; NaN where there is no such result.
double fault_of(const Elaborated& spec, const tests::Values& x, double live = 2) {
  const tests::Results results = spec.run("loss", {{"one", {1, 1, 1}}, {"x", x}, {"batch.live", {live}}});
  const auto fault = results.find("fault.0");
  return fault == results.end() ? std::nan("") : fault->second[0];
}

constexpr double kFine = -INFINITY;
constexpr float kMost = 3.40282347e38f;

}  // namespace

TEST_CASE("idx<N>(e) finds the largest value that is no index") {
  const Elaborated spec = run_of("  let k = idx<3>(x[0])\n  let used = one[k] + one[idx<3>(x[1])]");
  CHECK(fault_of(spec, {0, 0, 2, 0}) == kFine);
  CHECK(fault_of(spec, {0, 0, 3, 0}) == 3);
  CHECK(fault_of(spec, {-1, 0, 2, 0}) == -1);
  CHECK(fault_of(spec, {-1, 0, 3, 0}) == 3);
  CHECK(fault_of(spec, {1.5, 0, 0, 0}) == 1.5);
  CHECK(fault_of(spec, {-0.0, 0, 0, 0}) == kFine);
  CHECK(fault_of(spec, {1e30, 0, 0, 0}) == 1e30f);
  CHECK(fault_of(spec, {NAN, 0, 0, 0}) == INFINITY);
  CHECK(fault_of(spec, {INFINITY, 0, 0, 0}) == kMost);
  CHECK(fault_of(spec, {-INFINITY, 0, 0, 0}) == -kMost);
  CHECK(std::isnan(ir::fault_value(INFINITY)));
  CHECK(ir::fault_value(kMost) == INFINITY);
  CHECK(ir::fault_value(-kMost) == -INFINITY);
  CHECK(ir::fault_value(7) == 7);
  CHECK(spec.program->faults.size() == 2);  // one for each place in the spec
}

TEST_CASE("dead samples and branches that are not taken have no faults") {
  const Elaborated spec = run_of("  let used = one[idx<3>(x[0])]");
  CHECK(fault_of(spec, {0, 0, 5, 0}, 1) == kFine);
  CHECK(fault_of(spec, {5, 0, 0, 0}, 1) == 5);
  const Elaborated branch = run_of("  let used = if x[1] > 0 then one[idx<3>(x[0])] else one[idx<3>(x[0] + 1)]");
  CHECK(fault_of(branch, {3, 0, 0, 0}) == kFine);  // the first place, whose branch is not taken
  CHECK(fault_of(branch, {3, 1, 0, 0}) == 3);
  CHECK(branch.program->faults.size() == 2);
  // Inside a layer that stands in a branch: where the branch is taken anywhere.
  const std::string layer =
      "language 1\nlayer f()(x: f32[3]) -> f32[3] { let y[i < 3] = x[idx<3>(x[0] + i - i)]\n y }\n";
  const Elaborated inner = tests::elaborate_good(
      layer +
      "model m(x: f32[3]) -> f32[3] { param one: f32[3] = 1\n  let y = if x > 0 then f()(x) else x\n  y * one }\n"
      "loss first(y: f32[3]) { y[0] }\ndata d = rows { x = [0, 0, 0] }\n"
      "train r: m on d {\n  loss first(out)\n  optimizer sgd(lr = 0.1)\n  batch 1; steps 1\n}\n");
  const auto at = [&](const tests::Values& x) {
    return inner.run("loss", {{"one", {1, 1, 1}}, {"x", x}}).at("fault.0")[0];
  };
  CHECK(at({-1, -2, -3}) == kFine);
  CHECK(at({-1, -2, 3}) == -1);
}

TEST_CASE("what is known to lie inside is not looked at") {
  for (const char* known : {"idx<2>(if x[0] > 0 then 1 else 0)", "idx<3>((argmax[i] one[i]) * 2 // 2)"}) {
    CAPTURE(known);
    CHECK(run_of(std::string("  let used = one[") + known + "]").program->faults.empty());
  }
}

TEST_CASE("the range of a value") {
  ir::Func func;
  ir::Builder builder(func);
  const ir::ValueId x = builder.parameter("x", {ir::DType::f32, {4}}, ir::Role::data);
  const ir::ValueId i = builder.iota(0, {4});
  const ir::ValueId reals = builder.cast(i, ir::DType::f32);
  const ir::ValueId half = builder.mul(reals, builder.constant_like(0.5, reals));
  const auto check = [&](ir::ValueId value, double low, double high, bool whole) {
    const auto range = frontend::range_of(func, value, {{x.index, 10}});
    REQUIRE(range.has_value());
    CHECK(range->low == low);
    CHECK(range->high == high);
    CHECK(range->whole == whole);
  };
  check(x, 0, 9, true);
  check(builder.neg(i), -3, 0, true);
  check(builder.sub(i, builder.constant_like(2, i)), -2, 1, true);
  check(builder.mul(builder.neg(i), builder.constant_like(2, i)), -6, 0, true);
  check(half, 0, 1.5, false);
  check(builder.unary(ir::Op::floor, half), 0, 1, true);
  check(builder.unary(ir::Op::abs, builder.neg(i)), 0, 3, true);
  check(builder.div(builder.neg(i), builder.constant_like(2, i)), -2, 0, true);
  check(builder.add(x, half), 0, 10.5, false);
  CHECK(!frontend::range_of(func, x, {}));
  const ir::ValueId large = builder.constant_like(2e9, i);
  CHECK(!frontend::range_of(func, builder.add(large, large), {}));  // wraps around
  CHECK(!frontend::range_of(func, builder.div(reals, reals), {}));  // 0 / 0
}
