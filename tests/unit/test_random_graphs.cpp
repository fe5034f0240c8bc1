// Properties that hold for every function, on functions made by seed: the text round-trips, every pass leaves a valid
// function, exact passes keep every bit, the others the value, and derived gradients are the differences.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <random>

#include "ir/builder.h"
#include "ir/eval.h"
#include "ir/print.h"
#include "ir/rewrite.h"
#include "ir/widen.h"
#include "passes/differentiate.h"
#include "passes/gradient_check.h"
#include "passes/passes.h"
#include "passes/pipeline.h"
#include "tests/support/random_graph.h"

using namespace gradc;

namespace {

constexpr uint64_t kGraphs = 2000;

ir::Module module_of(const ir::Func& func) { return {{}, {func}}; }

std::vector<ir::Tensor> evaluate_or_fail(const ir::Func& func, const std::vector<ir::Tensor>& arguments) {
  ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(func, arguments);
  REQUIRE_MESSAGE(results.ok(), (results.ok() ? "" : results.error()));
  return std::move(*results);
}

bool all_same_bits(const std::vector<ir::Tensor>& a, const std::vector<ir::Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!a[i].same_bits(b[i])) return false;
  }
  return a.size() == b.size();
}

// The function with every real value of an operation, element by element, changed by a random part of at most
// kDisturbance; likewise arguments. What the results do then is the error that roundings can have, however badly
// conditioned the function is at these arguments (Monte Carlo arithmetic, Parker 1997).
constexpr double kDisturbance = 0x1p-40;
double disturbance(std::mt19937_64& random) {
  return 1 + std::uniform_real_distribution<double>(-kDisturbance, kDisturbance)(random);
}
ir::Func disturbed(const ir::Func& func, uint64_t seed) {
  std::mt19937_64 random(seed);
  return ir::rewrite(func, [&](ir::Builder& builder, const ir::Value& value, const std::vector<ir::ValueId>& operands) {
    if (value.op == ir::Op::parameter) return builder.parameter(value.name, value.type, value.role);
    const ir::ValueId id = builder.create(value.op, operands, value.attr, value.type);
    if (value.type.dtype != ir::DType::f64) return id;
    ir::ConstantAttr factors;
    for (int64_t i = 0; i < value.type.elements(); ++i) factors.values.push_back(disturbance(random));
    return builder.mul(id, builder.create(ir::Op::constant, {}, factors, value.type));
  });
}
std::vector<ir::Tensor> disturbed(std::vector<ir::Tensor> tensors, uint64_t seed) {
  std::mt19937_64 random(~seed);
  for (ir::Tensor& tensor : tensors) {
    if (tensor.type().dtype != ir::DType::f64) continue;
    for (int64_t i = 0; i < tensor.elements(); ++i) tensor.set(i, tensor.at(i) * disturbance(random));
  }
  return tensors;
}

struct Distance {
  double relative = 0;  // to the largest element of the same result
  bool same_nans = true;
};

Distance distance(const std::vector<ir::Tensor>& a, const std::vector<ir::Tensor>& b) {
  Distance all;
  for (size_t i = 0; i < a.size(); ++i) {
    double scale = 1e-300, most = 0;
    for (int64_t k = 0; k < a[i].elements(); ++k) {
      const double x = a[i].at(k), y = b[i].at(k);
      if (std::isfinite(x)) scale = std::max(scale, std::fabs(x));
      if (std::isfinite(x) && std::isfinite(y)) most = std::max(most, std::fabs(x - y));
      all.same_nans = all.same_nans && std::isnan(x) == std::isnan(y);
    }
    all.relative = std::max(all.relative, most / scale);
  }
  return all;
}

std::vector<ir::Tensor> in_double(const std::vector<ir::Tensor>& tensors) {
  std::vector<ir::Tensor> out;
  for (const ir::Tensor& tensor : tensors) {
    ir::Tensor wide(tensor.type().dtype == ir::DType::f32 ? tensor.type().with_dtype(ir::DType::f64) : tensor.type());
    for (int64_t i = 0; i < tensor.elements(); ++i) wide.set(i, tensor.at(i));
    out.push_back(std::move(wide));
  }
  return out;
}

}  // namespace

TEST_CASE("random graphs keep their meaning through every pass") {
  int64_t compared = 0, badly_conditioned = 0;
  for (uint64_t seed = 1; seed <= kGraphs; ++seed) {
    CAPTURE(seed);
    tests::RandomGraph graph = tests::random_graph(seed, {.smooth = seed % 2 == 0});
    passes::check_module(module_of(graph.func), "generation");
    if (seed % 4 == 0) graph.func = passes::differentiate(graph.func, "random", graph.wrt);
    std::vector<ir::Tensor> bits = evaluate_or_fail(graph.func, graph.arguments);
    for (const char* name :
         {"simplify", "fold", "cse", "ignore_zero_sign", "simplify", "dce", "order", "fuse", "plan_memory"}) {
      const passes::PassInfo* pass = passes::find_pass(name);
      const ir::Func after = pass->run(graph.func);
      passes::check_module(module_of(after), name);
      const std::vector<ir::Tensor> now = evaluate_or_fail(after, graph.arguments);
      if (pass->exactness == passes::Exactness::exact) {
        CHECK_MESSAGE(all_same_bits(bits, now), "seed ", seed, ", pass ", name, ":\n", ir::print(graph.func, {}),
                      ir::print(after, {}));
      } else {
        // In double precision a different rounding shows in the last digits only, or not more than roundings explain.
        // Graphs that are not smooth are left out here: where numbers overflow, a rounding decides what comes out.
        if (seed % 2 == 0) {
          const std::vector<ir::Tensor> wide = in_double(graph.arguments);
          const ir::Func func = ir::widen(graph.func);
          const std::vector<ir::Tensor> expected = evaluate_or_fail(func, wide);
          const Distance found = distance(expected, evaluate_or_fail(ir::widen(after), wide));
          double allowed = 1e-9;
          if (found.relative > allowed) {
            ++badly_conditioned;
            allowed = distance(expected, evaluate_or_fail(disturbed(func, seed), disturbed(wide, seed))).relative;
          }
          ++compared;
          CHECK_MESSAGE((found.same_nans && found.relative <= allowed), "seed ", seed, ", pass ", name, ", distance ",
                        found.relative, ", roundings explain ", allowed, ":\n", ir::print(graph.func, {}),
                        ir::print(after, {}));
        }
      }
      graph.func = after;
      bits = now;
    }
  }
  CHECK(badly_conditioned * 100 < compared);  // a check that excuses its cases checks nothing
}

TEST_CASE("random graphs have the gradients that differences show") {
  int64_t checked = 0, kinks = 0;
  for (uint64_t seed = 1; seed <= kGraphs; ++seed) {
    CAPTURE(seed);
    const tests::RandomGraph graph = tests::random_graph(seed, {.smooth = true, .most_values = 10});
    const ir::Func gradient = passes::differentiate(graph.func, "gradient", graph.wrt);
    const auto rows = passes::check_gradients(graph.func, gradient, graph.wrt, graph.arguments, {.most_elements = 6});
    REQUIRE(rows.ok());
    for (const passes::GradientCheckRow& row : *rows) {
      checked += row.checked;
      kinks += row.kinks;
      CHECK_MESSAGE(row.passed, "seed ", seed, " ", row.name, "[", row.index, "]: derived ", row.derived,
                    ", difference ", row.difference, "\n", ir::print(graph.func, {}));
    }
  }
  CHECK(kinks * 20 < checked);  // a check that skips its elements checks nothing
}
