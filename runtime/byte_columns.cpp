#include "runtime/byte_columns.h"

#include <algorithm>

#include "ir/eval.h"
#include "ir/fault.h"

namespace gradc::runtime {
namespace {

// What the elements of a value depend on: nothing that differs between them, the element of one argument in the same
// place, or something else.
struct Origin {
  enum Kind { same, argument, other } kind = other;
  size_t index = 0;  // of the argument
};

Origin of_elementwise(const ir::Value& value, const std::vector<Origin>& origins) {
  Origin origin{Origin::same};
  for (const ir::ValueId operand : value.operands) {
    const Origin& own = origins[operand.index];
    if (own.kind == Origin::same) continue;
    if (own.kind == Origin::other || (origin.kind == Origin::argument && origin.index != own.index)) return {};
    origin = own;
  }
  return origin;
}

Origin origin_of(const ir::Func& func, size_t index, const std::vector<Origin>& origins) {
  const ir::Value& value = func.values[index];
  if (index < func.parameter_count) {
    if (value.role == ir::Role::data) return {Origin::argument, index};
    return {value.type.rank() == 0 ? Origin::same : Origin::other};
  }
  if (value.op == ir::Op::constant) {
    const std::vector<double>& numbers = std::get<ir::ConstantAttr>(value.attr).values;
    return {numbers.size() == 1 ? Origin::same : Origin::other};
  }
  if (value.op == ir::Op::reshape || value.op == ir::Op::broadcast) {
    // A broadcast that repeats nothing adds axes of one.
    const ir::ValueId operand = value.operands[0];
    const bool in_place = func[operand].type.elements() == value.type.elements();
    if (in_place || origins[operand.index].kind == Origin::same) return origins[operand.index];
    return {};
  }
  if (ir::op_info(value.op).has(ir::kElementwise)) return of_elementwise(value, origins);
  return {};
}

}  // namespace

std::optional<size_t> byte_column(const ir::Table& table, const ir::Func& func, size_t result) {
  for (const ir::FuncResult& other : func.results) {
    if (ir::is_fault(other.name)) return std::nullopt;
  }
  std::vector<Origin> origins;
  for (size_t k = 0; k < func.size(); ++k) origins.push_back(origin_of(func, k, origins));
  const ir::ValueId value = func.results[result].value;
  const Origin origin = origins[value.index];
  if (origin.kind != Origin::argument || func[value].type.dtype != ir::DType::f32) return std::nullopt;
  for (size_t column = 0; column < table.columns.size(); ++column) {
    const ir::TableColumn& candidate = table.columns[column];
    if (candidate.name == func.values[origin.index].name && !candidate.bytes.empty()) return column;
  }
  return std::nullopt;
}

ir::Result<std::vector<std::array<float, 256>>> byte_numbers(const ir::Func& func, std::vector<ir::Tensor> arguments) {
  std::vector<std::array<float, 256>> numbers(func.results.size());
  // As often as the smallest result needs to see all bytes.
  for (int64_t seen = 0, step = 256; seen < 256; seen += step) {
    for (size_t k = 0; k < func.parameter_count; ++k) {
      if (func.values[k].role != ir::Role::data) continue;
      float* element = arguments[k].data<float>();
      for (int64_t e = 0; e < arguments[k].elements(); ++e) element[e] = static_cast<float>((seen + e) % 256);
    }
    const ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(func, arguments);
    if (!results) return results.failure();
    for (size_t k = 0; k < results->size(); ++k) {
      const ir::Tensor& tensor = (*results)[k];
      for (int64_t e = 0; e < std::min<int64_t>(tensor.elements(), 256); ++e) {
        numbers[k][static_cast<size_t>((seen + e) % 256)] = static_cast<float>(tensor.at(e));
      }
      step = std::min(step, tensor.elements());
    }
  }
  return numbers;
}

}  // namespace gradc::runtime
