#include "runtime/table_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ir/ensure.h"
#include "ir/eval.h"
#include "ir/fault.h"
#include "runtime/byte_columns.h"
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

// The arguments of `func`, by position, for these rows.
std::vector<ir::Tensor> arguments_of(const ir::Table& table, const ir::Func& func, const NamedTensors& statistics,
                                     const std::vector<int64_t>& order, int64_t begin) {
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
  return arguments;
}

bool is_good(float value, int64_t limit) {
  if (limit == 0) return std::isfinite(value);
  return value >= 0 && value < static_cast<float>(limit) && std::trunc(value) == value;
}

ir::Error wrong(float value, const ColumnLimit& column, const ir::Table& table, int64_t row) {
  const std::string what = column.limit == 0 ? fmt::format("column `{}` becomes {}", column.name, value)
                                             : fmt::format("{} is outside idx<{}>, the type of column `{}`", value,
                                                           column.limit, column.name);
  return {fmt::format("{} ({})", what, row_place(table, row)), ir::Fault{column.name, value}};
}

// A byte that becomes no good number is an error where a row has it.
ir::Status check_bytes(const ByteRows& rows, const ColumnLimit& column) {
  const ir::TableColumn& own = rows.table->columns[rows.column];
  const auto bad = [&](std::byte byte) { return !is_good(rows.numbers[std::to_integer<size_t>(byte)], column.limit); };
  bool any = false;
  for (int byte = 0; byte < 256; ++byte) any |= bad(static_cast<std::byte>(byte));
  if (!any) return ir::success();
  for (const int64_t row : *rows.order) {
    const std::byte* begin = own.bytes_of_row(row);
    const std::byte* end = begin + own.type.elements();
    const std::byte* found = std::find_if(begin, end, bad);
    if (found == end) continue;
    return wrong(rows.numbers[std::to_integer<size_t>(*found)], column, *rows.table, row);
  }
  return ir::success();
}

// The numbers of the columns that have no bytes, a chunk of rows after the other.
ir::Status make_values(const ir::Table& table, const ir::Func& func, int64_t chunk, const NamedTensors& statistics,
                       const std::vector<ColumnLimit>& columns, const std::vector<int64_t>& order,
                       std::vector<ResidentColumn>& resident) {
  std::vector<std::vector<float>> values(columns.size());
  for (size_t c = 0; c < columns.size(); ++c) {
    if (!resident[c].bytes) values[c].reserve(order.size() * static_cast<size_t>(resident[c].type.elements()));
  }
  for (int64_t begin = 0; begin < std::ssize(order); begin += chunk) {
    const int64_t rows = std::min(chunk, std::ssize(order) - begin);
    const ir::Result<std::vector<ir::Tensor>> results =
        ir::evaluate(func, arguments_of(table, func, statistics, order, begin));
    if (!results) return results.failure();
    if (ir::Status status = ir::check_faults(func, *results, "in the rows of " + table.name); !status) return status;
    for (size_t c = 0; c < columns.size(); ++c) {
      if (resident[c].bytes) continue;
      const ir::Tensor& tensor =
          (*results)[static_cast<size_t>(func.find_result(columns[c].name) - func.results.data())];
      const int64_t elements = resident[c].type.elements();
      const float* first = tensor.data<float>();
      for (int64_t k = 0; k < rows * elements; ++k) {
        if (is_good(first[k], columns[c].limit)) continue;
        return wrong(first[k], columns[c], table, order[static_cast<size_t>(begin + k / elements)]);
      }
      values[c].insert(values[c].end(), first, first + rows * elements);
    }
  }
  for (size_t c = 0; c < columns.size(); ++c) {
    if (!resident[c].bytes) resident[c].values = std::make_shared<const std::vector<float>>(std::move(values[c]));
  }
  return ir::success();
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
  ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(func, arguments_of(table, func, {}, order, 0));
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

ir::Result<std::vector<ResidentColumn>> table_columns(const std::shared_ptr<const ir::Table>& table,
                                                      const ir::Func& func, int64_t chunk,
                                                      const NamedTensors& statistics,
                                                      const std::vector<ColumnLimit>& columns,
                                                      const std::vector<int64_t>& order) {
  std::vector<ResidentColumn> resident(columns.size());
  std::vector<std::array<float, 256>> numbers;
  const auto shared_order = std::make_shared<const std::vector<int64_t>>(order);
  bool bytes_only = true;
  for (size_t c = 0; c < columns.size(); ++c) {
    const ir::FuncResult* result = func.find_result(columns[c].name);
    ENSURE(result != nullptr && func[result->value].type.dtype == ir::DType::f32,
           "@" + func.name + " has no numbers " + columns[c].name);
    const auto place = static_cast<size_t>(result - func.results.data());
    resident[c] = {columns[c].name, without_batch(func[result->value].type), {}, 0, 0};
    const std::optional<size_t> column = byte_column(*table, func, place);
    bytes_only = bytes_only && column;
    if (!column) continue;
    if (numbers.empty()) {
      auto computed = byte_numbers(func, arguments_of(*table, func, statistics, order, 0));
      if (!computed) return computed.take_error();
      numbers = std::move(*computed);
    }
    ByteRows rows{table, *column, shared_order, numbers[place]};
    if (ir::Status status = check_bytes(rows, columns[c]); !status) return status.take_error();
    resident[c].bytes = std::make_shared<const ByteRows>(std::move(rows));
  }
  if (bytes_only) return resident;
  if (ir::Status status = make_values(*table, func, chunk, statistics, columns, order, resident); !status) {
    return status.take_error();
  }
  return resident;
}

}  // namespace gradc::runtime
