// Properties that hold for every function, on functions made by seed: the text round-trips, every pass leaves a valid
// function, exact passes keep every bit, the others the value, and derived gradients are the differences.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>

#include "ir/eval.h"
#include "ir/print.h"
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

// In double precision a different rounding shows in the last digits only.
bool all_near(const std::vector<ir::Tensor>& a, const std::vector<ir::Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    double scale = 1e-5;  // what is smaller comes from 1 - y of a saturated tanh, which has lost its digits
    for (int64_t k = 0; k < a[i].elements(); ++k) {
      if (std::isfinite(a[i].at(k))) scale = std::max(scale, std::fabs(a[i].at(k)));
    }
    for (int64_t k = 0; k < a[i].elements(); ++k) {
      const double x = a[i].at(k), y = b[i].at(k);
      if (std::isfinite(x) && std::isfinite(y) && std::fabs(x - y) > 1e-9 * scale) return false;
      if (std::isnan(x) != std::isnan(y)) return false;
    }
  }
  return true;
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
        const std::vector<ir::Tensor> wide = in_double(graph.arguments);
        const bool near =
            all_near(evaluate_or_fail(ir::widen(graph.func), wide), evaluate_or_fail(ir::widen(after), wide));
        // Where numbers overflow or cancel, a rounding decides what comes out.
        if (seed % 2 == 0)
          CHECK_MESSAGE(near, "seed ", seed, ", pass ", name, ":\n", ir::print(graph.func, {}), ir::print(after, {}));
      }
      graph.func = after;
      bits = now;
    }
  }
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
