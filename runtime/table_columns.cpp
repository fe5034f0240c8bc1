#include "runtime/table_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "ir/ensure.h"
#include "ir/eval.h"
#include "ir/fault.h"
#include "runtime/row_order.h"

namespace gradc::runtime {
namespace {

// No run's: the split does not depend on the seed of the run.
constexpr uint64_t kSplitSeed = 0x73706c6974;

const ir::TableColumn& find_column(const ir::Table& table, const std::string& name) {
  for (const ir::TableColumn& column : table.columns) {
    if (column.name == name) return column;
  }
  ENSURE(false, "the table has no column " + name);
}

// The rows order[begin ...] of the argument's column; the last row is repeated where there are no more.
ir::Tensor gather_rows(const ir::Table& table, const ir::Value& argument, const std::vector<int64_t>& order,
                       int64_t begin) {
  const ir::TableColumn& column = find_column(table, argument.name);
  ir::Tensor tensor(argument.type);
  ENSURE(tensor.elements() == argument.type.shape[0] * column.type.elements(), "column " + column.name);
  for (int64_t k = 0; k < argument.type.shape[0]; ++k) {
    column.copy_row(order[static_cast<size_t>(std::min(begin + k, std::ssize(order) - 1))],
                    tensor.data<float>() + k * column.type.elements());
  }
  return tensor;
}

ir::Result<std::vector<ir::Tensor>> evaluate_rows(const ir::Table& table, const ir::Func& func,
                                                  const NamedTensors& statistics, const std::vector<int64_t>& order,
                                                  int64_t begin) {
  std::vector<ir::Tensor> arguments;
  for (size_t k = 0; k < func.parameter_count; ++k) {
    const ir::Value& argument = func.values[k];
    if (argument.role == ir::Role::data) {
      arguments.push_back(gather_rows(table, argument, order, begin));
      continue;
    }
    const auto found = std::find_if(statistics.begin(), statistics.end(),
                                    [&](const auto& statistic) { return statistic.first == argument.name; });
    ENSURE(found != statistics.end() && found->second.type() == argument.type, "no value for " + argument.name);
    arguments.push_back(found->second);
  }
  return ir::evaluate(func, std::move(arguments));
}

}  // namespace

std::vector<int64_t> split_order(int64_t rows, int64_t shuffled) {
  std::vector<int64_t> order(static_cast<size_t>(rows));
  RowOrder first(shuffled, kSplitSeed, 0);
  std::ranges::copy(first.rows(0, shuffled), order.begin());
  std::iota(order.begin() + shuffled, order.end(), shuffled);
  return order;
}

std::string row_place(const ir::Table& table, int64_t row) {
  const bool test = row >= table.rows - table.test_rows;
  const int64_t own = test ? row - (table.rows - table.test_rows) : row;
  const bool lines = table.first_line > 0;
  const std::string& file = test ? table.test_name : lines || table.label_name.empty() ? table.name : table.label_name;
  return fmt::format("{} {} of {}", lines ? "line" : "row", own + (lines ? table.first_line : 1), file);
}

ir::Result<NamedTensors> table_statistics(const ir::Table& table, const ir::Func& func,
                                          const std::vector<int64_t>& order) {
  ir::Result<std::vector<ir::Tensor>> results = evaluate_rows(table, func, {}, order, 0);
  if (!results) return results.take_error();
  if (ir::Status status = ir::check_faults(func, *results, "in the training rows of " + table.name); !status) {
    return status.take_error();
  }
  NamedTensors statistics;
  for (size_t k = 0; k < results->size(); ++k) {
    if (!ir::is_fault(func.results[k].name)) statistics.emplace_back(func.results[k].name, std::move((*results)[k]));
  }
  return statistics;
}

ir::Result<std::vector<ResidentColumn>> table_columns(const ir::Table& table, const ir::Func& func, int64_t chunk,
                                                      const NamedTensors& statistics,
                                                      const std::vector<ColumnLimit>& columns,
                                                      const std::vector<int64_t>& order) {
  std::vector<std::vector<float>> values(columns.size());
  std::vector<ResidentColumn> resident(columns.size());
  for (int64_t begin = 0; begin < std::ssize(order); begin += chunk) {
    const int64_t rows = std::min(chunk, std::ssize(order) - begin);
    const ir::Result<std::vector<ir::Tensor>> results = evaluate_rows(table, func, statistics, order, begin);
    if (!results) return results.failure();
    if (ir::Status status = ir::check_faults(func, *results, "in the rows of " + table.name); !status) {
      return status.take_error();
    }
    for (size_t c = 0; c < columns.size(); ++c) {
      const ir::FuncResult* result = func.find_result(columns[c].name);
      ENSURE(result != nullptr, "@" + func.name + " has no result " + columns[c].name);
      const ir::Tensor& tensor = (*results)[static_cast<size_t>(result - func.results.data())];
      ENSURE(tensor.type().dtype == ir::DType::f32, "column " + columns[c].name + " is not f32");
      const int64_t elements = tensor.elements() / chunk;
      const float* first = tensor.data<float>();
      if (begin == 0) {
        const ir::Shape& shape = tensor.type().shape;
        resident[c] = {columns[c].name, {ir::DType::f32, {shape.begin() + 1, shape.end()}}, {}, 0, 0};
        values[c].reserve(order.size() * static_cast<size_t>(elements));
      }
      const float limit = static_cast<float>(columns[c].limit);
      for (int64_t k = 0; k < rows * elements; ++k) {
        const float value = first[k];
        const bool good =
            columns[c].limit > 0 ? value >= 0 && value < limit && std::trunc(value) == value : std::isfinite(value);
        if (good) continue;
        const std::string place = row_place(table, order[static_cast<size_t>(begin + k / elements)]);
        const std::string wrong = columns[c].limit == 0 ? fmt::format("column `{}` becomes {}", columns[c].name, value)
                                                        : fmt::format("{} is outside idx<{}>, the type of column `{}`",
                                                                      value, columns[c].limit, columns[c].name);
        return ir::Error{fmt::format("{} ({})", wrong, place), ir::Fault{columns[c].name, value}};
      }
      values[c].insert(values[c].end(), first, first + rows * elements);
    }
  }
  for (size_t c = 0; c < columns.size(); ++c) {
    resident[c].values = std::make_shared<const std::vector<float>>(std::move(values[c]));
  }
  return resident;
}

}  // namespace gradc::runtime
