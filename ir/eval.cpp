#include "ir/eval.h"

#include <fmt/format.h>

#include "ir/ensure.h"
#include "ir/eval_ops.h"
#include "ir/sum_order.h"

namespace gradc::ir {

Status check_limits(const Func& func, const EvalLimits& limits) {
  int64_t bytes = 0;
  int64_t operations = 0;
  for (const Value& value : func.values) {
    if (op_info(value.op).has(kRequest)) {
      return Error{
          fmt::format("@{} has a `{}`, which the pass differentiate writes out", func.name, op_name(value.op))};
    }
    int64_t work = value.type.elements();
    if (op_info(value.op).has(kReduction) || value.op == Op::contract_fold) {
      const SumShape shape = sum_shape(func, value);
      const int64_t terms = shape.terms();
      work = terms > limits.operations / shape.outputs ? limits.operations + 1 : shape.outputs * terms;
    }
    operations += work;
    bytes += value.type.bytes();
    if (bytes > limits.bytes) {
      return Error{
          fmt::format("@{} needs more than the {} MB that the interpreter may use", func.name, limits.bytes >> 20)};
    }
    if (operations > limits.operations) {
      return Error{fmt::format("@{} takes more than the {} operations that the interpreter may spend", func.name,
                               limits.operations)};
    }
  }
  return success();
}

namespace {

// For each value the last one that reads it; the function's size where a result does.
std::vector<size_t> last_uses(const Func& func) {
  std::vector<size_t> last(func.size(), 0);
  for (size_t i = 0; i < func.size(); ++i) {
    for (ValueId operand : func.values[i].operands) last[operand.index] = i;
  }
  for (const FuncResult& result : func.results) last[result.value.index] = func.size();
  return last;
}

// Every value of the function, or only those that results read: the others are given back behind their last use.
Result<std::vector<Tensor>> run(const Func& func, std::vector<Tensor> arguments, const EvalLimits& limits,
                                bool keep_all) {
  ENSURE(arguments.size() == func.parameter_count, "evaluate: wrong number of arguments for @" + func.name);
  if (Status status = check_limits(func, limits); !status) return status.take_error();
  const std::vector<size_t> last = keep_all ? std::vector<size_t>(func.size(), func.size()) : last_uses(func);
  std::vector<Tensor> values;
  values.reserve(func.size());
  std::vector<const Tensor*> operands;
  for (size_t i = 0; i < func.size(); ++i) {
    const Value& value = func.values[i];
    if (i < func.parameter_count) {
      ENSURE(arguments[i].type() == value.type, "evaluate: wrong type for %" + value.name);
      values.push_back(std::move(arguments[i]));
      continue;
    }
    operands.clear();
    for (ValueId operand : value.operands) operands.push_back(&values[operand.index]);
    const bool writes_all = op_info(value.op).has(kElementwise) || value.op == Op::constant || value.op == Op::random;
    values.push_back(writes_all ? Tensor::without_values(value.type) : Tensor(value.type));
    evaluate_op({func, value, operands, values.back()});
    for (ValueId operand : value.operands) {
      if (last[operand.index] == i) values[operand.index] = Tensor({DType::boolean, {}});
    }
  }
  return values;
}

}  // namespace

Result<std::vector<Tensor>> evaluate_all(const Func& func, std::vector<Tensor> arguments, const EvalLimits& limits) {
  return run(func, std::move(arguments), limits, true);
}

Result<std::vector<Tensor>> evaluate(const Func& func, std::vector<Tensor> arguments, const EvalLimits& limits) {
  Result<std::vector<Tensor>> values = run(func, std::move(arguments), limits, false);
  if (!values) return values.take_error();
  std::vector<Tensor> results;
  results.reserve(func.results.size());
  std::vector<size_t> left(func.size(), 0);  // results that are still to be taken from each value
  for (const FuncResult& result : func.results) ++left[result.value.index];
  for (const FuncResult& result : func.results) {
    Tensor& value = (*values)[result.value.index];
    results.push_back(--left[result.value.index] > 0 ? value : std::move(value));
  }
  return results;
}

}  // namespace gradc::ir
