// Which operation a wrong gradient comes from: each is checked on its own, as the function of its operands that it is,
// weighted with the gradient that reaches it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ir/builder.h"
#include "ir/eval.h"
#include "ir/widen.h"
#include "passes/differentiate.h"
#include "passes/gradient_check.h"

namespace gradc::passes {

namespace {

using ir::Func;
using ir::Tensor;
using ir::ValueId;

constexpr int64_t kMostChecked = 32;  // of one operand

// sum seed * op(operands), the operands being arguments `0`, `1`, ...
Func on_its_own(const ir::Value& value, const std::vector<ir::Type>& operands) {
  Func func;
  func.name = "operation";
  ir::Builder builder(func);
  std::vector<ValueId> arguments;
  for (const ir::Type& type : operands) {
    arguments.push_back(builder.parameter(std::to_string(arguments.size()), type, ir::Role::input));
  }
  const ValueId seed = builder.parameter("seed", value.type, ir::Role::input);
  ValueId total = builder.mul(builder.create(value.op, arguments, value.attr, value.type), seed);
  std::vector<int64_t> axes;
  for (size_t k = 0; k < value.type.rank(); ++k) axes.push_back(static_cast<int64_t>(k));
  if (!axes.empty()) total = builder.reduce(ir::ReduceKind::sum, total, axes);
  builder.result("loss", total);
  return func;
}

bool is_finite(const Tensor& tensor) {
  for (int64_t k = 0; k < tensor.elements(); ++k) {
    if (!std::isfinite(tensor.at(k))) return false;
  }
  return true;
}

}  // namespace

ir::Result<std::optional<WrongRule>> find_wrong_rule(const Func& loss, const std::vector<std::string>& wrt,
                                                     const std::vector<Tensor>& arguments, GradientRule rule) {
  const Func wide = ir::widen(loss);
  std::vector<Tensor> given;
  for (const Tensor& argument : arguments) {
    Tensor copy(argument.type().dtype == ir::DType::f32 ? argument.type().with_dtype(ir::DType::f64) : argument.type());
    for (int64_t k = 0; k < argument.elements(); ++k) copy.set(k, argument.at(k));
    given.push_back(std::move(copy));
  }
  ir::Result<std::vector<Tensor>> values = ir::evaluate_all(wide, given);
  if (!values) return values.take_error();
  const Func gradients = all_gradients(wide, wrt, rule);
  ir::Result<std::vector<Tensor>> seeds = ir::evaluate(gradients, given);
  if (!seeds) return seeds.take_error();

  for (size_t result = gradients.results.size(); result-- > 0;) {
    const ValueId id{static_cast<uint32_t>(std::stoul(gradients.results[result].name))};
    const ir::Value& value = wide[id];
    std::vector<ir::Type> types;
    std::vector<Tensor> operands;
    std::vector<std::string> names;
    bool finite = is_finite((*values)[id.index]) && is_finite((*seeds)[result]);
    for (size_t k = 0; k < value.operands.size(); ++k) {
      operands.push_back((*values)[value.operands[k].index]);
      types.push_back(operands.back().type());
      if (ir::is_float(types.back().dtype)) names.push_back(std::to_string(k));
      finite = finite && is_finite(operands.back());
    }
    // Where a branch that is not taken is infinite, there is no difference to compare with.
    if (!finite) continue;
    operands.push_back((*seeds)[result]);
    const Func alone = on_its_own(value, types);
    GradientCheckOptions options;
    options.most_elements = kMostChecked;
    const ir::Result<std::vector<GradientCheckRow>> rows =
        check_gradients(alone, differentiate(alone, "gradient", names, rule), names, operands, options);
    if (!rows) return rows.failure();
    for (const GradientCheckRow& row : *rows) {
      if (!row.passed)
        return std::optional(WrongRule{id, std::stoul(row.name), row.index, row.derived, row.difference});
    }
  }
  return std::optional<WrongRule>();
}

void report_wrong_rule(const WrongRule& wrong, const Func& loss, ir::Diagnostics& diagnostics) {
  const ir::Value& value = loss[wrong.value];
  const ir::Value& operand = loss[value.operands[wrong.operand]];
  diagnostics
      .error(value.location, fmt::format("the gradient of `{}` with respect to operand {} is wrong",
                                         ir::op_name(value.op), wrong.operand))
      .label(value.location, fmt::format("element {} of {}: derived {:.9g}, difference {:.9g}", wrong.index,
                                         ir::to_string(operand.type), wrong.derived, wrong.difference))
      .help("every operation between this one and the loss agrees with its differences");
}

}  // namespace gradc::passes
