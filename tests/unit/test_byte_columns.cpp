// Columns that are the bytes of the file and a table of what each becomes.
#include "runtime/byte_columns.h"

#include <doctest/doctest.h>

#include "runtime/table_columns.h"
#include "tests/support/ir_text.h"

using namespace gradc;
using namespace gradc::runtime;

namespace {

// Three rows of two bytes behind a head of one, and their labels.
std::shared_ptr<const ir::Table> byte_table() {
  ir::Table table;
  table.name = "images";
  table.label_name = "labels";
  table.rows = 3;
  const auto bytes = [](std::initializer_list<int> numbers) {
    std::vector<std::byte> result;
    for (const int number : numbers) result.push_back(static_cast<std::byte>(number));
    return result;
  };
  table.columns.push_back({"image", {ir::DType::f32, {2}}, {}, {}, bytes({99, 0, 1, 2, 255, 4, 5}), 1});
  table.columns.push_back({"label", {ir::DType::f32, {}}, {}, {}, bytes({7, 1, 9}), 0});
  table.columns.push_back({"weight", {ir::DType::f32, {}}, {1, 2, 3}, {}});
  return std::make_shared<const ir::Table>(std::move(table));
}

const char* kFunc =
    R"(func @columns(%mean: f32[] input, %image: f32[2,2] data, %label: f32[2] data, %weight: f32[2] data) -> (x: f32[2,2,1], target: f32[2], pair: f32[2], both: f32[2], turned: f32[2,2], summed: f32[2], w: f32[2]) {
  %0 = broadcast %mean {axes = []} : f32[2,2,1]
  %1 = reshape %image : f32[2,2,1]
  %2 = sub %1, %0 : f32[2,2,1]
  %3 = constant {0.5} : f32[2,2,1]
  %4 = mul %2, %3 : f32[2,2,1]
  %5 = constant {[1, 2]} : f32[2]
  %6 = mul %label, %5 : f32[2]
  %7 = mul %label, %weight : f32[2]
  %8 = permute %image {axes = [1, 0]} : f32[2,2]
  %9 = reduce %image {sum, axes = [1]} : f32[2]
  return %4, %label, %6, %7, %8, %9, %weight
}
)";

std::vector<float> row(const ResidentColumn& column, int64_t index) {
  std::vector<float> elements(static_cast<size_t>(column.type.elements()));
  column.copy_row(index, elements.data());
  return elements;
}

}  // namespace

TEST_CASE("byte columns: made of one byte in the same place, and of nothing else that varies") {
  const ir::Func func = tests::func_from_text(kFunc);
  const auto table = byte_table();
  CHECK(byte_column(*table, func, 0) == 0);
  CHECK(byte_column(*table, func, 1) == 1);
  for (size_t result = 2; result < func.results.size(); ++result) CHECK_FALSE(byte_column(*table, func, result));
  ir::Func checked = func;
  checked.results.back().name = "fault.0";
  CHECK_FALSE(byte_column(*table, checked, 0));
}

TEST_CASE("byte columns: the same rows as numbers would be, beside columns of numbers") {
  const ir::Func func = tests::func_from_text(kFunc);
  const NamedTensors mean = {{"mean", ir::Tensor::scalar(1, ir::DType::f32)}};
  const auto columns =
      table_columns(byte_table(), func, 2, mean, {{"x", 0}, {"target", 10}, {"summed", 0}, {"w", 0}}, {2, 0, 1});
  REQUIRE(columns);
  CHECK((*columns)[0].bytes != nullptr);
  CHECK((*columns)[1].bytes != nullptr);
  CHECK((*columns)[2].bytes == nullptr);
  CHECK(row((*columns)[0], 0) == std::vector<float>{1.5f, 2});
  CHECK(row((*columns)[0], 2) == std::vector<float>{0.5f, 127});
  CHECK(row((*columns)[1], 0) == std::vector<float>{9});
  CHECK(row((*columns)[2], 2) == std::vector<float>{257});
  CHECK(row((*columns)[3], 0) == std::vector<float>{3});
  CHECK((*columns)[0].has_row(2));
  CHECK_FALSE((*columns)[0].has_row(3));
}

TEST_CASE("byte columns: a byte that becomes no good number is an error where a row has it") {
  const ir::Func func = tests::func_from_text(kFunc);
  const auto with_mean = [&](float mean, const ColumnLimit& column) {
    return table_columns(byte_table(), func, 2, {{"mean", ir::Tensor::scalar(mean, ir::DType::f32)}}, {column},
                         {2, 0, 1});
  };
  CHECK(with_mean(1, {"target", 10}));
  CHECK(with_mean(1, {"target", 9}).error() == "9 is outside idx<9>, the type of column `target` (row 3 of labels)");
  CHECK(with_mean(INFINITY, {"x", 0}).error() == "column `x` becomes -inf (row 3 of labels)");
  CHECK(with_mean(0, {"x", 3}).error() == "2.5 is outside idx<3>, the type of column `x` (row 3 of labels)");
}
