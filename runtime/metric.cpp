#include "runtime/metric.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ir/ensure.h"
#include "ir/eval.h"
#include "ir/fault.h"

namespace gradc::runtime {
namespace {

double reduce(const std::string& kind, const std::vector<float>& values) {
  double sum = 0, least = INFINITY, most = -INFINITY;
  for (const float value : values) {
    const auto number = static_cast<double>(value);
    sum += number;
    least = std::isnan(number) ? number : std::min(least, number);
    most = std::isnan(number) ? number : std::max(most, number);
  }
  const auto count = static_cast<double>(values.size());
  if (kind == "sum") return sum;
  if (kind == "min") return least;
  if (kind == "max") return most;
  if (kind == "mean") return sum / count;
  double squares = 0;
  for (const float value : values) squares += std::pow(static_cast<double>(value) - sum / count, 2);
  return std::sqrt(squares / count);
}

}  // namespace

Metric::Metric(Executor samples, Layout layout, Dataset rows, HyperTable hyper, std::vector<std::string> reductions,
               std::optional<ir::Func> total)
    : samples_(std::move(samples)),
      layout_(std::move(layout)),
      rows_(std::move(rows)),
      hyper_(std::move(hyper)),
      reductions_(std::move(reductions)),
      total_(std::move(total)) {}

ir::Result<float> Metric::evaluate(const State& run) {
  State state(layout_.state, layout_.state_bytes, run.record().seed);
  for (const Slot& slot : layout_.state) {
    const Slot* from = find_slot(run.slots(), slot.name);
    ENSURE(from != nullptr, "the run has no " + slot.name);
    state.set_tensor(slot, run.tensor(*from));
  }
  AlignedBuffer data(rows_.block_bytes()), hyper(hyper_.row_bytes()), results(layout_.result_bytes);
  if (ir::Status status = hyper_.fill(run.record().step, 1, hyper.data()); !status) return status.take_error();
  StepBuffers buffers;
  buffers.state = state.data();
  buffers.data = data.data();
  buffers.hyper = hyper.data();
  buffers.results = results.data();

  std::vector<std::vector<float>> values(reductions_.size());
  for (int64_t begin = 0; begin < rows_.rows(); begin += rows_.batch()) {
    const int64_t live = std::min(rows_.batch(), rows_.rows() - begin);
    ir::Status staged = rows_.stage(static_cast<uint64_t>(begin / rows_.batch()), 1, data.data());
    if (!staged) return staged.take_error();
    if (ir::Status status = samples_(buffers, 1); !status) return status.take_error();
    if (std::optional<ir::Fault> fault = find_fault(layout_, results.data())) return ir::Error{"", std::move(fault)};
    for (size_t k = 0; k < values.size(); ++k) {
      const Slot* slot = find_slot(layout_.results, fmt::format("values.{}", k));
      ENSURE(slot != nullptr && slot->type.shape == ir::Shape{rows_.batch()}, "a metric without values");
      const size_t before = values[k].size();
      values[k].resize(before + static_cast<size_t>(live));
      std::memcpy(values[k].data() + before, results.data() + slot->offset, static_cast<size_t>(live) * sizeof(float));
    }
  }
  if (!total_) return static_cast<float>(reduce(reductions_[0], values[0]));
  std::vector<ir::Tensor> arguments;
  for (size_t argument = 0; argument < total_->parameter_count; ++argument) {
    arguments.emplace_back(total_->values[argument].type);
    for (size_t k = 0; k < values.size(); ++k) {
      if (total_->values[argument].name != fmt::format("values.{}", k)) continue;
      arguments.back().set(0, reduce(reductions_[k], values[k]));
    }
  }
  ir::Result<std::vector<ir::Tensor>> totals = ir::evaluate(*total_, arguments);
  if (!totals) return totals.take_error();
  if (ir::Status status = ir::check_faults(*total_, *totals, ""); !status) return status.take_error();
  return static_cast<float>((*totals)[0].at(0));
}

}  // namespace gradc::runtime
