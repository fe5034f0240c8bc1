#include "runtime/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "ir/ensure.h"
#include "ir/fault.h"

namespace gradc::runtime {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kChunkSeconds = 0.05;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Memory for the longest chunk.
struct Staging {
  AlignedBuffer data, hyper, results;
  int64_t steps = 0;
};

Staging make_staging(const Training& training, uint64_t steps, const TrainingLimits& limits) {
  const int64_t bytes_a_step =
      std::max({training.data.stride(), training.hyper.stride(), training.layout.result_bytes, int64_t{1}});
  Staging staging;
  staging.steps = std::clamp(limits.chunk_bytes / bytes_a_step, int64_t{1}, std::max(limits.chunk_steps, int64_t{1}));
  staging.steps = static_cast<int64_t>(std::min(static_cast<uint64_t>(staging.steps), std::max(steps, uint64_t{1})));
  staging.data =
      AlignedBuffer(training.data.stride() > 0 ? staging.steps * training.data.stride() : training.data.block_bytes());
  staging.hyper =
      AlignedBuffer(training.hyper.stride() > 0 ? staging.steps * training.hyper.stride() : training.hyper.row_bytes());
  staging.results = AlignedBuffer(staging.steps * training.layout.result_bytes);
  return staging;
}

// The scalar in `slot` after each of `steps` steps.
void read_scalars(const StepBuffers& buffers, const Slot& slot, int64_t steps, std::vector<float>& values) {
  values.resize(static_cast<size_t>(steps));
  if (buffers.result_stride == sizeof(float)) {
    std::memcpy(values.data(), buffers.results, values.size() * sizeof(float));
    return;
  }
  for (int64_t k = 0; k < steps; ++k) {
    std::memcpy(&values[static_cast<size_t>(k)], buffers.results + k * buffers.result_stride + slot.offset,
                sizeof(float));
  }
}

// Without a branch for each loss, because the loop then fills vectors: a tiny step takes little longer than a look at
// its loss.
bool all_finite(const std::vector<float>& losses) {
  constexpr uint32_t kExponent = 0x7F800000;
  uint32_t bad = 0;
  for (const float loss : losses) bad |= (std::bit_cast<uint32_t>(loss) & kExponent) == kExponent ? 1U : 0U;
  return bad == 0;
}

struct FaultyStep {
  size_t step = 0;  // of the chunk, from 0
  ir::Fault fault;
};

// The first step whose results hold a fault.
std::optional<FaultyStep> first_faulty(const StepBuffers& buffers, const std::vector<const Slot*>& slots,
                                       int64_t steps) {
  std::optional<FaultyStep> first;
  std::vector<float> values;
  for (const Slot* slot : slots) {
    read_scalars(buffers, *slot, steps, values);
    const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return value != ir::kNoFault; });
    const auto step = static_cast<size_t>(bad - values.begin());
    if (bad == values.end() || (first && first->step <= step)) continue;
    first = {step, {slot->name, ir::fault_value(*bad)}};
  }
  return first;
}

}  // namespace

ir::Result<TrainingOutcome> train(Training& training, uint64_t steps, const TrainingObserver& observer,
                                  const TrainingLimits& limits) {
  const Slot* loss_slot = find_slot(training.layout.results, "loss");
  ENSURE(loss_slot != nullptr && loss_slot->type == (ir::Type{ir::DType::f32, {}}), "a step has no scalar result loss");
  const Clock::time_point start = Clock::now();
  RunRecord record = training.state.record();
  TrainingOutcome outcome;
  outcome.steps = record.step;
  Staging staging = make_staging(training, steps, limits);

  StepBuffers buffers;
  buffers.state = training.state.data();
  buffers.data = staging.data.data();
  buffers.hyper = staging.hyper.data();
  buffers.results = staging.results.data();
  buffers.data_stride = training.data.stride();
  buffers.hyper_stride = training.hyper.stride();
  buffers.result_stride = training.layout.result_bytes;

  bool staged_data = false, staged_hyper = false;
  StepReadings readings;
  std::vector<const Slot*> report_slots, fault_slots;
  for (const Slot& slot : training.layout.results) {
    ENSURE(slot.type == loss_slot->type, "the step's result " + slot.name + " is no scalar");
    if (&slot == loss_slot) continue;
    if (ir::is_fault(slot.name)) {
      fault_slots.push_back(&slot);
      continue;
    }
    report_slots.push_back(&slot);
    readings.reports.push_back({slot.name, {}});
  }
  int64_t chunk = 1;
  while (record.step < steps) {
    if (observer.stop()) {
      outcome.stopped = true;
      break;
    }
    const Clock::time_point chunk_start = Clock::now();
    const auto count = static_cast<int64_t>(std::min(static_cast<uint64_t>(chunk), steps - record.step));
    // What all steps share is staged once.
    if (!staged_data || buffers.data_stride > 0) {
      if (ir::Status status = training.data.stage(record.step, count, staging.data.data()); !status)
        return status.take_error();
      staged_data = true;
    }
    if (!staged_hyper || buffers.hyper_stride > 0) {
      if (ir::Status status = training.hyper.fill(record.step, count, staging.hyper.data()); !status) {
        return status.take_error();
      }
      staged_hyper = true;
    }
    if (ir::Status status = training.step(buffers, count); !status) return status.take_error();

    readings.first_step = record.step + 1;
    std::vector<float>& losses = readings.losses;
    read_scalars(buffers, *loss_slot, count, losses);
    for (size_t k = 0; k < report_slots.size(); ++k) {
      read_scalars(buffers, *report_slots[k], count, readings.reports[k].values);
    }
    const std::optional<FaultyStep> faulty = first_faulty(buffers, fault_slots, count);
    const bool finite = all_finite(losses);
    if (faulty || !finite) {
      const auto bad = std::find_if_not(losses.begin(), losses.end(), [](float loss) { return std::isfinite(loss); });
      const auto until_bad = static_cast<size_t>(bad - losses.begin()) + (bad == losses.end() ? 0 : 1);
      const bool stopped_by_fault = faulty && (finite || faulty->step < until_bad);
      losses.resize(stopped_by_fault ? faulty->step : until_bad);
      for (ReportedValues& report : readings.reports) report.values.resize(losses.size());
      if (!losses.empty()) observer.readings(readings);
      if (stopped_by_fault) {
        return ir::Error{fmt::format("at step {} of the training, which ends here", record.step + losses.size() + 1),
                         faulty->fault};
      }
      return ir::Error{fmt::format("the loss became {} at step {}: training diverged, nothing was saved",
                                   std::isnan(losses.back()) ? std::fabs(losses.back()) : losses.back(),
                                   record.step + losses.size())};
    }
    observer.readings(readings);
    record.step += static_cast<uint64_t>(count);
    training.state.set_record(record);
    outcome.steps = record.step;
    outcome.loss = losses.back();
    outcome.reports.clear();
    for (const ReportedValues& report : readings.reports)
      outcome.reports.emplace_back(report.name, report.values.back());
    const double took = seconds_since(chunk_start);
    if (took < kChunkSeconds / 2) chunk = std::min(chunk * 2, staging.steps);
    if (took > kChunkSeconds * 2) chunk = std::max(chunk / 2, int64_t{1});
  }
  outcome.seconds = seconds_since(start);
  return outcome;
}

}  // namespace gradc::runtime
