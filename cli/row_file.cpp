#include "cli/row_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "cli/saved_data.h"
#include "ir/fault.h"
#include "runtime/file.h"
#include "runtime/read_table.h"

namespace gradc::cli {
namespace {

// The arguments that the inputs of the model depend on.
std::vector<bool> needed_arguments(const ir::Func& func, const std::vector<frontend::Port>& inputs) {
  std::vector<bool> live(func.size(), false);
  for (const frontend::Port& input : inputs) live[func.find_result(input.name)->value.index] = true;
  for (size_t k = func.size(); k-- > 0;) {
    if (!live[k]) continue;
    for (const ir::ValueId operand : func.values[k].operands) live[operand.index] = true;
  }
  live.resize(func.parameter_count);
  return live;
}

// The function without the faults of what the inputs do not depend on.
ir::Func without_other_faults(ir::Func func, const std::vector<bool>& needed) {
  std::vector<bool> other(func.size(), false);
  for (size_t k = 0; k < func.size(); ++k) {
    const ir::Value& value = func.values[k];
    other[k] = k < func.parameter_count && value.role == ir::Role::data && !needed[k];
    for (const ir::ValueId operand : value.operands) other[k] = other[k] || other[operand.index];
  }
  std::erase_if(func.results,
                [&](const ir::FuncResult& result) { return ir::is_fault(result.name) && other[result.value.index]; });
  return func;
}

}  // namespace

ir::Result<std::vector<std::vector<runtime::NamedRow>>> read_rows(const frontend::Program& program,
                                                                  const std::string& path, const std::string& weights) {
  const ir::Func* func = program.module.find(program.run + ".columns");
  if (func == nullptr || !program.data.table || program.data.table->first_line == 0) {
    return ir::Error{fmt::format(
        "data `{}` is not made of the columns of a csv file; give the model's inputs as numbers", program.data.name)};
  }
  for (const frontend::Port& input : program.inputs) {
    if (func->find_result(input.name) == nullptr) {
      return ir::Error{fmt::format("data `{}` has no column `{}`", program.data.name, input.name)};
    }
  }
  const ir::Result<std::string> text = runtime::read_text_file(path, int64_t{1} << 30);
  if (!text) return text.failure();
  ir::Result<ir::Table> table = runtime::parse_csv(path, *text);
  if (!table) return table.take_error();
  // What the inputs do not depend on (the target, above all) may be missing.
  const std::vector<bool> needed = needed_arguments(*func, program.inputs);
  for (size_t k = 0; k < func->parameter_count; ++k) {
    const ir::Value& argument = func->values[k];
    if (argument.role != ir::Role::data) continue;
    auto column = std::find_if(table->columns.begin(), table->columns.end(),
                               [&](const ir::TableColumn& candidate) { return candidate.name == argument.name; });
    if (needed[k] && column == table->columns.end()) {
      return ir::Error{fmt::format("{} has no column {}, which the inputs of model `{}` are made of", path,
                                   runtime::quote_name(argument.name), program.model)};
    }
    if (needed[k] && !column->problem.empty()) return ir::Error{column->problem};
    if (needed[k]) continue;
    if (column == table->columns.end()) {
      table->columns.push_back({argument.name, {ir::DType::f32, {}}, {}, {}});
      column = table->columns.end() - 1;
    }
    column->values.assign(static_cast<size_t>(table->rows), 0.0f);
  }
  const ir::Result<runtime::NamedTensors> statistics = read_statistics(program, weights);
  if (!statistics) return statistics.failure();
  std::vector<runtime::ColumnLimit> limits;
  for (const frontend::Port& input : program.inputs) limits.push_back({input.name, input.limit});
  std::vector<int64_t> order(static_cast<size_t>(table->rows));
  std::iota(order.begin(), order.end(), int64_t{0});
  const ir::Result<std::vector<runtime::ResidentColumn>> columns =
      runtime::table_columns(std::make_shared<const ir::Table>(std::move(*table)), without_other_faults(*func, needed),
                             program.data.chunk, *statistics, limits, order);
  if (!columns) return columns.failure();
  std::vector<std::vector<runtime::NamedRow>> rows(order.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    for (const runtime::ResidentColumn& column : *columns) {
      rows[row].push_back({column.name, std::vector<float>(static_cast<size_t>(column.type.elements()))});
      column.copy_row(static_cast<int64_t>(row), rows[row].back().elements.data());
    }
  }
  return rows;
}

}  // namespace gradc::cli
