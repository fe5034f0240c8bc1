#include "cli/run_events.h"

#include <fmt/format.h>

#include <algorithm>

namespace gradc::cli {
namespace {

// The mean of the losses since the last time that it was asked.
struct LossMean {
  double sum = 0;
  uint64_t count = 0;
};

}  // namespace

ir::Result<runtime::TrainingOutcome> train_with_events(const frontend::Program& program, BuiltRun& run,
                                                       const runtime::TrainingObserver& observer,
                                                       const RunEvents& events, bool& converged) {
  converged = false;
  const auto steps = static_cast<uint64_t>(program.steps);
  LossMean losses;
  runtime::TrainingObserver own = observer;
  own.readings = [&](const runtime::StepReadings& chunk) {
    if (program.stop_when) {
      for (const float loss : chunk.losses) losses.sum += static_cast<double>(loss);
      losses.count += chunk.losses.size();
    }
    observer.readings(chunk);
  };
  std::vector<uint64_t> intervals;
  for (const frontend::Metric& metric : program.metrics) intervals.push_back(static_cast<uint64_t>(metric.every));
  if (program.save_every > 0) intervals.push_back(static_cast<uint64_t>(program.save_every));
  if (program.stop_when) intervals.push_back(static_cast<uint64_t>(program.stop_when->losses));

  runtime::TrainingOutcome total;
  while (true) {
    const uint64_t done = run.training.state.record().step;
    uint64_t next = steps;
    for (const uint64_t interval : intervals) next = std::min(next, (done / interval + 1) * interval);
    const ir::Result<runtime::TrainingOutcome> outcome = runtime::train(run.training, next, own);
    if (!outcome) return outcome.failure();
    total.seconds += outcome->seconds;
    total.steps = outcome->steps;
    total.stopped = outcome->stopped;
    if (outcome->steps > done) {
      total.loss = outcome->loss;
      total.reports = outcome->reports;
    }
    if (outcome->stopped) return total;
    if (program.stop_when && next % static_cast<uint64_t>(program.stop_when->losses) == 0 && losses.count > 0) {
      converged = losses.sum / static_cast<double>(losses.count) < program.stop_when->below;
      losses = {};
    }
    const bool last = converged || (next == steps && done < steps);
    for (size_t k = 0; k < program.metrics.size(); ++k) {
      if (next == 0 || (!last && next % static_cast<uint64_t>(program.metrics[k].every) != 0)) continue;
      const ir::Result<float> value = run.metrics[k].evaluate(run.training.state);
      if (!value && value.failure().fault) {
        return ir::Error{fmt::format("in `{}` on {}.{}, measured after step {}; the training ends here",
                                     program.metrics[k].name, program.data.name, program.metrics[k].part, next),
                         value.failure().fault};
      }
      if (!value) return value.failure();
      events.measured(program.metrics[k], next, *value);
    }
    if (program.save_every > 0 && next < steps && next % static_cast<uint64_t>(program.save_every) == 0) {
      if (ir::Status status = events.save(next); !status) return status.take_error();
    }
    if (converged || next >= steps) return total;
  }
}

}  // namespace gradc::cli
