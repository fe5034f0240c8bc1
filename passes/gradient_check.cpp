#include "passes/gradient_check.h"

#include <algorithm>
#include <cmath>

#include "ir/ensure.h"
#include "ir/eval.h"
#include "ir/rewrite.h"
#include "ir/widen.h"

namespace gradc::passes {

namespace {

using ir::Func;
using ir::Tensor;
using ir::ValueId;

bool is_stop(const ir::Value& value) { return value.op == ir::Op::stop_gradient && ir::is_float(value.type.dtype); }

// `func` with every value under stop_gradient turned into a further argument, in the order of the values.
Func with_stops_as_arguments(const Func& func) {
  std::vector<ValueId> stops;
  size_t index = 0, next_stop = 0;
  return ir::rewrite(func, [&](ir::Builder& builder, const ir::Value& value, const std::vector<ValueId>& operands) {
    const bool last_parameter = ++index == func.parameter_count;
    if (is_stop(value)) return stops[next_stop++];
    const ValueId made = ir::copy_value(builder, value, operands);
    for (size_t i = 0; last_parameter && i < func.size(); ++i) {
      if (!is_stop(func.values[i])) continue;
      stops.push_back(builder.parameter("stop." + std::to_string(stops.size()), func.values[i].type, ir::Role::input));
    }
    return made;
  });
}

Tensor in_double(const Tensor& tensor) {
  if (tensor.type().dtype != ir::DType::f32) return tensor;
  Tensor wide(tensor.type().with_dtype(ir::DType::f64));
  for (int64_t i = 0; i < tensor.elements(); ++i) wide.set(i, tensor.at(i));
  return wide;
}

// Evaluates the loss while one element moves.
class Mover {
 public:
  Mover(Func func, std::vector<Tensor> arguments) : func_(std::move(func)), arguments_(std::move(arguments)) {}

  double loss() const {
    const ir::Result<std::vector<Tensor>> results = evaluate(func_, arguments_);
    return results ? results->front().at(0) : std::nan("");
  }
  double loss_at(size_t argument, int64_t element, double x) {
    const double before = arguments_[argument].at(element);
    arguments_[argument].set(element, x);
    const double value = loss();
    arguments_[argument].set(element, before);
    return value;
  }
  double value(size_t argument, int64_t element) const { return arguments_[argument].at(element); }

 private:
  Func func_;
  std::vector<Tensor> arguments_;
};

struct Difference {
  double central = 0;
  double noise = 0;  // what rounding of the loss contributes at most
  bool kink = false;
};

Difference difference_at(Mover& mover, size_t argument, int64_t element, double loss, double relative_step) {
  const double x = mover.value(argument, element);
  const double step = relative_step * std::max(1.0, std::fabs(x));
  const double above = mover.loss_at(argument, element, x + step), below = mover.loss_at(argument, element, x - step);
  const double right = (above - loss) / step, left = (loss - below) / step;
  Difference difference;
  difference.central = (above - below) / (2 * step);
  difference.noise = 1e-14 * std::max({std::fabs(loss), std::fabs(above), std::fabs(below)}) / step;
  difference.kink = std::fabs(right - left) > 1e-3 * (std::fabs(right) + std::fabs(left)) + 4 * difference.noise;
  return difference;
}

void check_element(Mover& mover, size_t argument, int64_t element, double loss, double derived, double scale,
                   const GradientCheckOptions& options, GradientCheckRow& row) {
  Difference difference;
  double error = 0;
  // A kink or strong curvature near the point spoils a wide step only: then narrower ones decide.
  for (double step : {options.step, options.step / 30, options.step / 1000}) {
    difference = difference_at(mover, argument, element, loss, step);
    const double distance = std::max(0.0, std::fabs(derived - difference.central) - difference.noise);
    error = distance / std::max({scale, std::fabs(difference.central), 1e-12});
    if (error <= options.tolerance) break;
  }
  const bool fails = !(error <= options.tolerance);  // also a NaN
  if (fails && difference.kink) {
    ++row.kinks;
    return;
  }
  ++row.checked;
  row.passed = row.passed && !fails;
  if (error > row.error || row.checked == 1 || std::isnan(error)) {
    row.error = error;
    row.index = element;
    row.derived = derived;
    row.difference = difference.central;
  }
}

}  // namespace

ir::Result<std::vector<GradientCheckRow>> check_gradients(const Func& loss, const Func& gradient,
                                                          const std::vector<std::string>& wrt,
                                                          const std::vector<Tensor>& arguments,
                                                          const GradientCheckOptions& options) {
  std::vector<Tensor> wide;
  for (const Tensor& argument : arguments) wide.push_back(in_double(argument));

  const Func wide_loss = ir::widen(loss);
  ir::Result<std::vector<Tensor>> values = ir::evaluate_all(wide_loss, wide);
  if (!values) return values.take_error();
  std::vector<Tensor> moved_arguments = wide;
  for (size_t i = 0; i < wide_loss.size(); ++i) {
    if (is_stop(wide_loss.values[i])) moved_arguments.push_back((*values)[i]);
  }
  Mover mover(with_stops_as_arguments(wide_loss), std::move(moved_arguments));
  const double loss_value = mover.loss();

  const Func wide_gradient = ir::widen(gradient);
  const ir::Result<std::vector<Tensor>> results = ir::evaluate(wide_gradient, wide);
  if (!results) return results.failure();

  std::vector<GradientCheckRow> rows;
  for (const std::string& name : wrt) {
    const std::optional<ValueId> argument = loss.find_parameter(name);
    const ir::FuncResult* result = wide_gradient.find_result(ir::gradient_name(name));
    ENSURE(argument && result != nullptr, "no gradient of %" + name);
    const Tensor& derived = (*results)[static_cast<size_t>(result - wide_gradient.results.data())];
    GradientCheckRow row;
    row.name = name;
    row.type = loss[*argument].type;
    double scale = 0;
    for (int64_t i = 0; i < derived.elements(); ++i) scale = std::max(scale, std::fabs(derived.at(i)));
    const int64_t count = derived.elements();
    const int64_t stride = std::max<int64_t>(1, (count + options.most_elements - 1) / options.most_elements);
    for (int64_t i = 0; i < count; i += stride) {
      check_element(mover, argument->index, i, loss_value, derived.at(i), scale, options, row);
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace gradc::passes
