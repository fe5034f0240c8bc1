// What a run does between its steps: metrics, saving now and then, `stop when`. Events stand at fixed steps, so that
// when they happen never depends on time.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cli/build_run.h"
#include "frontend/program.h"
#include "ir/result.h"

namespace gradc::cli {

struct RunEvents {
  // Called with a metric's value; the step counts from 1.
  std::function<void(const frontend::Metric& metric, uint64_t step, float value)> measured;
  // Saves the weights as they are.
  std::function<ir::Status(uint64_t step)> save;
};

// Trains to the end of the run, or until its `stop when` holds. `observer` is asked as in runtime::train.
ir::Result<runtime::TrainingOutcome> train_with_events(const frontend::Program& program, BuiltRun& run,
                                                       const runtime::TrainingObserver& observer,
                                                       const RunEvents& events, bool& converged);

}  // namespace gradc::cli
