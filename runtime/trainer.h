// The loop around the loop: stages data and run-time scalars for a chunk of steps, lets the executor run them in one
// call, looks at the losses, and so on until all steps are done. Chunks grow until one takes about 50 ms, so that
// progress, logging and Ctrl-C happen between calls and cost nothing inside them. How a run is cut into chunks never
// changes a bit. Tests: tests/unit/test_trainer.cpp.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ir/result.h"
#include "runtime/dataset.h"
#include "runtime/executor.h"
#include "runtime/hyper_table.h"
#include "runtime/layout.h"
#include "runtime/state.h"

namespace gradc::runtime {

// A compiled (or interpreted) step with all it works on. What it gives beside `loss` are reports and faults.
struct Training {
  Executor step;
  Layout layout;  // of the step; its result `loss` is a scalar
  State state;
  Dataset data;
  HyperTable hyper;
};

struct TrainingLimits {
  int64_t chunk_steps = int64_t{1} << 20;
  int64_t chunk_bytes = int64_t{256} << 10;  // of staged data, so that it stays in the cache until it is used
};

// What the loss of a run reports beside its value: the mean over the batch, one number a step.
struct ReportedValues {
  std::string name;
  std::vector<float> values;
};

// The scalars of a chunk of steps, each before its step's update.
struct StepReadings {
  uint64_t first_step = 1;  // counts from 1
  std::vector<float> losses;
  std::vector<ReportedValues> reports;  // as many values each as losses; in the order of the results
};

struct TrainingObserver {
  std::function<void(const StepReadings&)> readings = [](const StepReadings&) {};
  // Asked between chunks; true ends the run.
  std::function<bool()> stop = [] { return false; };
};

struct TrainingOutcome {
  uint64_t steps = 0;                                  // done, by the state's count
  float loss = 0;                                      // of the last step, before its update
  std::vector<std::pair<std::string, float>> reports;  // of the last step
  double seconds = 0;
  bool stopped = false;  // by the observer, before all steps were done
};

// Runs until the state's step count is `steps`. An error where a loss is not finite, or where a step finds a fault of
// the program: it names the step.
ir::Result<TrainingOutcome> train(Training& training, uint64_t steps, const TrainingObserver& observer,
                                  const TrainingLimits& limits = {});

}  // namespace gradc::runtime
