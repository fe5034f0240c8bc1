// Columns of a run made of those of a file, and metrics over them.
#include "runtime/table_columns.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "runtime/metric.h"
#include "tests/support/ir_text.h"

using namespace gradc;
using namespace gradc::runtime;

namespace {

std::shared_ptr<const ir::Table> small_table() {
  ir::Table table;
  table.name = "f.csv";
  table.first_line = 2;
  table.rows = 5;
  table.columns = {{"a", {ir::DType::f32, {}}, {0, 1, 2, 3, 4}, {}}};
  return std::make_shared<const ir::Table>(std::move(table));
}

const char* kTwice = R"(func @columns(%s: f32[] input, %a: f32[2] data) -> (x: f32[2]) {
  %0 = broadcast %s {axes = []} : f32[2]
  %1 = mul %a, %0 : f32[2]
  return %1
}
)";

}  // namespace

TEST_CASE("table: columns a chunk at a time, in the order of the split") {
  const std::shared_ptr<const ir::Table> table = small_table();
  const NamedTensors two = {{"s", ir::Tensor::scalar(2, ir::DType::f32)}};
  const ir::Func func = tests::func_from_text(kTwice);
  const auto columns = table_columns(table, func, 2, two, {{"x", 0}}, {4, 0, 3, 1, 2});
  REQUIRE(columns);
  CHECK(*(*columns)[0].values == std::vector<float>{8, 0, 6, 2, 4});
  CHECK(table_columns(table, func, 2, two, {{"x", 8}}, {0, 1, 2, 3, 4}).error() ==
        "8 is outside idx<8>, the type of column `x` (line 6 of f.csv)");
  const NamedTensors half = {{"s", ir::Tensor::scalar(0.5, ir::DType::f32)}};
  CHECK(table_columns(table, func, 2, half, {{"x", 8}}, {0, 1, 2, 3, 4}).error() ==
        "0.5 is outside idx<8>, the type of column `x` (line 3 of f.csv)");
  const NamedTensors infinite = {{"s", ir::Tensor::scalar(INFINITY, ir::DType::f32)}};
  CHECK(table_columns(table, func, 2, infinite, {{"x", 0}}, {2, 1}).error() ==
        "column `x` becomes inf (line 4 of f.csv)");
}

TEST_CASE("table: the split is one permutation for all seeds, what is not shuffled stays") {
  std::vector<int64_t> order = split_order(10, 8);
  CHECK(order == split_order(10, 8));
  CHECK(order[8] == 8);
  CHECK(order[9] == 9);
  std::sort(order.begin(), order.end());
  for (int64_t k = 0; k < 10; ++k) CHECK(order[static_cast<size_t>(k)] == k);
}

TEST_CASE("metric: reduced over the rows, dead samples of the last batch left out") {
  const ir::Func samples = tests::func_from_text(
      R"(func @m(%w: f32[] parameter at state+0, %a: f32[2] data at data+0) -> (values.0: f32[2]) {
  %0 = broadcast %w {axes = []} : f32[2]
  %1 = mul %a, %0 : f32[2] kernel 0 at result+0
  return %1
}
)");
  const Layout layout = layout_of(samples);
  State run(layout.state, layout.state_bytes, 1);
  run.set_tensor(run.slots()[0], ir::Tensor::scalar(3, ir::DType::f32));
  const auto values = std::make_shared<const std::vector<float>>(std::vector<float>{1, 2, 6});
  const std::pair<const char*, float> kExpected[] = {
      {"mean", 9}, {"sum", 27}, {"min", 3}, {"max", 18}, {"std", 6.480741f}};
  for (const auto& [kind, expected] : kExpected) {
    auto rows = Dataset::resident({"d", 3, {{"a", {ir::DType::f32, {}}, values}}, false}, layout, 1, true);
    REQUIRE(rows);
    auto hyper = HyperTable::make(nullptr, {}, layout, 1);
    REQUIRE(hyper);
    Metric metric(interpret(samples), layout, std::move(*rows), std::move(*hyper), {kind}, std::nullopt);
    CHECK(*metric.evaluate(run) == doctest::Approx(expected));
  }
}
