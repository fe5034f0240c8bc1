// The training loop in the interpreter: chunks, losses, stopping, divergence; and the table of run-time scalars.
#include "runtime/trainer.h"

#include <doctest/doctest.h>

#include <cstring>

#include "tests/support/ir_text.h"

using namespace gradc;
using namespace gradc::runtime;

namespace {

// loss = (w - x)^2, w <- w - rate * 2 (w - x)
const char* const kStep =
    R"(func @s(%w: f32[] parameter at state+0, %x: f32[1] data at data+0, %rate: f32[] hyper at hyper+0)
  -> (w: f32[], loss: f32[]) {
  %0 = reshape %x : f32[]
  %1 = sub %w, %0 : f32[]
  %2 = mul %1, %1 : f32[] kernel 0 at result+0
  %3 = add %1, %1 : f32[]
  %4 = mul %rate, %3 : f32[]
  %5 = sub %w, %4 : f32[] kernel 0 at state+0
  return %5, %2
}
)";

const char* const kConstantRate = R"(func @h(%t: f64[] hyper, %lr: f64[] hyper) -> (rate: f32[]) {
  %0 = cast %lr : f32[]
  return %0
}
)";

const char* const kDecayingRate = R"(func @h(%t: f64[] hyper, %lr: f64[] hyper) -> (rate: f32[], spare: f32[]) {
  %0 = div %lr, %t : f64[]
  %1 = cast %0 : f32[]
  %2 = cast %lr : f32[]
  return %1, %2
}
)";

struct Losses {
  std::vector<float> all;
  TrainingObserver observer() {
    TrainingObserver result;
    result.readings = [this](const StepReadings& readings) {
      CHECK(readings.first_step == all.size() + 1);
      all.insert(all.end(), readings.losses.begin(), readings.losses.end());
    };
    return result;
  }
};

Training make_training(const char* hyper, double rate, ResidentRows rows) {
  const ir::Func step = tests::func_from_text(kStep);
  const Layout layout = layout_of(step);
  ir::Result<Dataset> data = Dataset::resident(std::move(rows), layout, 1);
  REQUIRE(data);
  const ir::Func hyper_func = tests::func_from_text(hyper);
  ir::Result<HyperTable> table = HyperTable::make(&hyper_func, {{"lr", rate}}, layout, 1);
  REQUIRE(table);
  return {interpret(step), layout, State(layout.state, layout.state_bytes, 1), std::move(*data), std::move(*table)};
}

ResidentRows rows_of(std::vector<float> values) {
  const auto count = static_cast<int64_t>(values.size());
  return {
      "d", count, {{"x", {ir::DType::f32, {}}, std::make_shared<const std::vector<float>>(std::move(values))}}, false};
}

float weight(const Training& training) { return *training.state.elements(training.layout.state[0]); }

}  // namespace

TEST_CASE("hyper table: one row where nothing depends on t") {
  Training training = make_training(kConstantRate, 0.25, rows_of({2}));
  CHECK_FALSE(training.hyper.varies());
  CHECK(training.hyper.stride() == 0);
  float rate = 0;
  AlignedBuffer row(training.hyper.row_bytes());
  REQUIRE(training.hyper.fill(100, 50, row.data()));
  std::memcpy(&rate, row.data(), sizeof(rate));
  CHECK(rate == 0.25f);
}

TEST_CASE("hyper table: a row a step where it does, t counting from 1, computed in double and rounded once") {
  Training training = make_training(kDecayingRate, 0.1, rows_of({2}));
  CHECK(training.hyper.varies());
  const int64_t stride = training.hyper.stride();
  AlignedBuffer rows(5000 * stride);
  REQUIRE(training.hyper.fill(6, 5000, rows.data()));
  for (const int64_t row : {0, 1, 4095, 4096, 4999}) {
    float rate = 0;
    std::memcpy(&rate, rows.data() + row * stride, sizeof(rate));
    CHECK(rate == static_cast<float>(0.1 / static_cast<double>(row + 7)));
  }
}

TEST_CASE("trainer: the loss of a step is the one before its update") {
  Training training = make_training(kConstantRate, 0.25, rows_of({2}));
  Losses losses;
  ir::Result<TrainingOutcome> outcome = train(training, 3, losses.observer());
  REQUIRE(outcome);
  CHECK(losses.all == std::vector<float>{4, 1, 0.25f});
  CHECK(outcome->steps == 3);
  CHECK(outcome->loss == 0.25f);
  CHECK_FALSE(outcome->stopped);
  CHECK(weight(training) == 1.75f);
  CHECK(training.state.record().step == 3);
}

TEST_CASE("trainer: chunks do not change a bit, and a run can go on where it stopped") {
  const std::vector<float> values = {1, 5, 3};
  Training whole = make_training(kDecayingRate, 0.3, rows_of(values));
  Losses whole_losses;
  REQUIRE(train(whole, 200, whole_losses.observer()));
  for (const TrainingLimits& limits : {TrainingLimits{1}, TrainingLimits{7}, TrainingLimits{1000, 256}}) {
    Training parts = make_training(kDecayingRate, 0.3, rows_of(values));
    Losses losses;
    TrainingObserver observer = losses.observer();
    observer.stop = [&] { return losses.all.size() >= 50 && losses.all.size() < 100; };
    ir::Result<TrainingOutcome> first = train(parts, 200, observer, limits);
    REQUIRE(first);
    CHECK(first->stopped);
    CHECK(first->steps < 200);
    observer.stop = [] { return false; };
    REQUIRE(train(parts, 200, observer, limits));
    CHECK(losses.all == whole_losses.all);
    CHECK(weight(parts) == weight(whole));
  }
}

TEST_CASE("trainer: what the step gives beside its loss is reported with it") {
  const ir::Func step = tests::func_from_text(
      R"(func @s(%w: f32[] parameter at state+0, %x: f32[1] data at data+0) -> (w: f32[], loss: f32[],
                                                                                 gap: f32[]) {
  %0 = reshape %x : f32[]
  %1 = sub %w, %0 : f32[] kernel 0 at result+64
  %2 = mul %1, %1 : f32[] kernel 0 at result+0
  %3 = sub %w, %1 : f32[] kernel 0 at state+0
  return %3, %2, %1
}
)");
  const Layout layout = layout_of(step);
  ir::Result<Dataset> data = Dataset::resident(rows_of({2, 5, 1}), layout, 1);
  REQUIRE(data);
  ir::Result<HyperTable> table = HyperTable::make(nullptr, {}, layout, 1);
  REQUIRE(table);
  Training training{interpret(step), layout, State(layout.state, layout.state_bytes, 1), std::move(*data),
                    std::move(*table)};
  std::vector<float> gaps;
  TrainingObserver observer;
  observer.readings = [&](const StepReadings& readings) {
    REQUIRE(readings.reports.size() == 1);
    CHECK(readings.reports[0].name == "gap");
    REQUIRE(readings.reports[0].values.size() == readings.losses.size());
    gaps.insert(gaps.end(), readings.reports[0].values.begin(), readings.reports[0].values.end());
  };
  ir::Result<TrainingOutcome> outcome = train(training, 3, observer);
  REQUIRE(outcome);
  CHECK(gaps == std::vector<float>{-2, -3, 4});
  CHECK(outcome->reports == std::vector<std::pair<std::string, float>>{{"gap", 4}});
}

TEST_CASE("trainer: a loss that is not finite ends the run and names the step") {
  Training training = make_training(kConstantRate, 1e30, rows_of({2}));
  Losses losses;
  CHECK(train(training, 100, losses.observer()).error() ==
        "the loss became inf at step 2: training diverged, nothing was saved");
  CHECK(losses.all.size() == 2);
}
