// gradc train: compile a run, run it with progress, print its examples, save its weights.
#include <fmt/core.h>

#include <cmath>
#include <csignal>
#include <cstdio>

#include "cli/build_run.h"
#include "cli/load.h"
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/predictor.h"
#include "cli/run_events.h"
#include "cli/run_passes.h"
#include "cli/save_path.h"
#include "cli/saved_data.h"
#include "runtime/file.h"
#include "runtime/interrupt.h"
#include "runtime/progress.h"
#include "runtime/safetensors.h"

namespace gradc::cli {
namespace {

int64_t parameter_count(const frontend::Program& program) {
  int64_t count = 0;
  for (const frontend::Port& parameter : program.parameters) count += parameter.type.elements();
  return count;
}

using Reports = std::vector<std::pair<std::string, float>>;

Reports reports_at(const runtime::StepReadings& readings, uint64_t step) {
  Reports reports;
  for (const runtime::ReportedValues& report : readings.reports) {
    reports.emplace_back(report.name, report.values[step - readings.first_step]);
  }
  return reports;
}

// ,"reports":{"reward":-0.2}; nothing where the loss has none.
std::string json_reports(const Reports& reports) {
  std::string text;
  for (const auto& [name, value] : reports) {
    text += (text.empty() ? "" : ",") + json_string(name) + ":" + json_number(value);
  }
  return text.empty() ? text : R"(,"reports":{)" + text + "}";
}

// Everything that the run prints while it goes.
class Report {
 public:
  Report(const TrainWords& words, const frontend::Program& program, uint64_t steps)
      : json_(words.json),
        log_every_(static_cast<uint64_t>(words.log_every.value_or(program.log_every))),
        steps_(steps),
        progress_(stderr, !words.json) {}

  void readings(const runtime::StepReadings& readings) {
    const std::vector<float>& losses = readings.losses;
    const uint64_t first_step = readings.first_step;
    const uint64_t last_step = first_step + losses.size() - 1;
    // From one logged step to the next: most losses are not looked at.
    uint64_t step = log_every_ > 0 ? (first_step + log_every_ - 1) / log_every_ * log_every_ : last_step + 1;
    for (; step <= last_step; step += log_every_) {
      const float loss = losses[step - first_step];
      const Reports reports = reports_at(readings, step);
      progress_.clear();
      if (json_) {
        print(R"({{"event":"step","step":{},"loss":{}{}}})"
              "\n",
              step, json_number(loss), json_reports(reports));
      } else {
        print("step {:>{}}  loss {:.6g}", step, fmt::formatted_size("{}", steps_), static_cast<double>(loss));
        for (const auto& [name, value] : reports) print("  {} {:.6g}", name, static_cast<double>(value));
        print("\n");
      }
    }
    if (log_every_ > 0) std::fflush(stdout);
    progress_.show(last_step, steps_, losses.back(), reports_at(readings, last_step));
  }
  void measured(const frontend::Program& program, const frontend::Metric& metric, uint64_t step, float value) {
    progress_.clear();
    const std::string rows = fmt::format("{}.{}", program.data.name, metric.part);
    const auto epoch_steps = static_cast<uint64_t>(program.steps_an_epoch);
    if (json_) {
      print(R"({{"event":"metric","step":{},"name":{},"on":{},"value":{}}})"
            "\n",
            step, json_string(metric.name), json_string(rows), json_number(value));
    } else {
      const bool epoch = epoch_steps > 0 && step % epoch_steps == 0;
      print("{} {}  {} {:.6g} on {}\n", epoch ? "epoch" : "step", epoch ? step / epoch_steps : step, metric.name,
            static_cast<double>(value), rows);
    }
    std::fflush(stdout);
  }
  void clear() { progress_.clear(); }

 private:
  bool json_;
  uint64_t log_every_;
  uint64_t steps_;
  runtime::Progress progress_;
};

std::string call_text(const frontend::Program& program, const frontend::Example& example) {
  if (!example.label.empty()) return example.label;
  std::string text = program.model + "(";
  size_t shown = 0;
  for (const auto& [name, numbers] : example.inputs) {
    for (const float number : numbers) {
      if (shown == 16) return text + ", ...)";
      text += (shown++ > 0 ? ", " : "") + plain(number);
    }
  }
  return text + ")";
}

int print_examples(const Loaded& loaded, const frontend::Program& program, const runtime::State& state, bool json,
                   const std::string& saved) {
  if (program.examples.empty()) return kDone;
  std::optional<frontend::Program> single = elaborate(loaded, program.run, 1, false);
  if (!single) return fail("the spec cannot be used with a batch of 1");
  ir::Result<Predictor> predictor = Predictor::make(std::move(*single));
  if (!predictor) return fail(predictor.error());
  predictor->copy_weights(state);
  for (const frontend::Example& example : program.examples) {
    std::vector<runtime::NamedRow> inputs;
    for (const auto& [name, numbers] : example.inputs) inputs.push_back({name, numbers});
    ir::Result<std::vector<runtime::NamedRow>> outputs = predictor->answer(inputs);
    if (!outputs) {
      ir::Error error = outputs.failure();
      if (error.fault) error.message = fmt::format("in an example; the weights are saved in {}", saved);
      return fail(error, loaded, predictor->program());
    }
    if (!json) {
      print("{} = {}\n", call_text(program, example), describe(*outputs));
      continue;
    }
    std::string inputs_text, outputs_text;
    for (const runtime::NamedRow& input : inputs) {
      inputs_text += (inputs_text.empty() ? "" : ",") + json_string(input.name) + ":[";
      for (size_t k = 0; k < input.elements.size(); ++k)
        inputs_text += (k > 0 ? "," : "") + (std::isfinite(input.elements[k]) ? plain(input.elements[k]) : "null");
      inputs_text += "]";
    }
    for (const runtime::NamedRow& output : *outputs) {
      const std::string list = json_list(output.elements);
      // One unnamed output is a plain list, several are an object.
      outputs_text +=
          outputs->size() == 1 ? list : (outputs_text.empty() ? "{" : ",") + json_string(output.name) + ":" + list;
    }
    if (outputs->size() > 1) outputs_text += "}";
    print(R"({{"event":"example","inputs":{{{}}},"outputs":{}}})"
          "\n",
          inputs_text, outputs_text);
  }
  return kDone;
}

}  // namespace

int train(const TrainWords& words) {
  // A reader that goes away (`| head`) is a failed write, not the end of a training run.
  std::signal(SIGPIPE, SIG_IGN);
  if (ir::Result<passes::RunnerOptions> options = runner_options(words.passes); !options) {
    return fail_usage(options.error());
  }
  PhaseClock clock(words.passes);
  Loaded loaded = load(words.spec);
  if (loaded.exit_code != kDone) return loaded.exit_code;
  loaded.overrides.interpreted = words.interpret;
  clock.lap("parse");
  const std::optional<frontend::Program> program = elaborate(loaded, words.spec.run);
  if (!program) return kFailed;
  clock.lap("elaborate");
  // Said now rather than after hours of training.
  const std::optional<std::string> path = save_path(loaded, *program, words.save);
  if (!path) return kFailed;
  if (words.weights) {
    const ir::Result<runtime::SafetensorsReader> reader = runtime::SafetensorsReader::open(*words.weights);
    if (!reader) return fail(reader.error());
  }

  const auto steps = static_cast<uint64_t>(program->steps);
  if (!words.json) {
    print("{}: {} on {}, {} parameters, batch {}, {} steps, seed {}\n", program->run, program->model,
          program->data.name, parameter_count(*program), program->batch, steps, program->seed);
    std::fflush(stdout);
  }
  ir::Result<BuiltRun> built = build_run(*program, words);
  if (!built) return fail(built.failure(), loaded, *program);
  runtime::Training& training = built->training;
  if (words.weights) {
    ir::Status status = runtime::load_weights(training.state, *words.weights, program->model);
    if (status) status = check_vocabulary(*program, *words.weights);
    if (!status) return fail(status.error());
  }
  if (!words.json) {
    print("{} in {:.1f} ms\n", words.interpret ? "prepared for the interpreter" : "compiled",
          built->compile_milliseconds);
    std::fflush(stdout);
  }

  runtime::InterruptGuard interrupt;
  Report report(words, *program, steps);
  runtime::TrainingObserver observer;
  observer.readings = [&](const runtime::StepReadings& readings) { report.readings(readings); };
  observer.stop = [&] { return interrupt.requested(); };
  RunEvents events;
  events.measured = [&](const frontend::Metric& metric, uint64_t step, float value) {
    report.measured(*program, metric, step, value);
  };
  const runtime::Metadata metadata = data_metadata(*program, built->statistics);
  // A loss shows the weights before its step's update; what the last update made of them shows only in themselves.
  const auto save = [&](uint64_t step) -> ir::Status {
    if (const std::string name = runtime::find_not_finite(training.state); !name.empty()) {
      return ir::Error{fmt::format("{} is not finite after step {}: training diverged, nothing was saved",
                                   runtime::quote_name(name), step)};
    }
    return runtime::save_weights(training.state, *path, metadata);
  };
  events.save = save;
  bool converged = false;
  const ir::Result<runtime::TrainingOutcome> outcome = train_with_events(*program, *built, observer, events, converged);
  report.clear();
  if (!outcome) return fail(outcome.failure(), loaded, *program);

  if (!words.json) {
    print("{}{} steps in {:.3f} s, final loss {:.4g}",
          outcome->stopped ? "stopped after "
          : converged      ? "the loss is small enough after "
                           : "",
          outcome->steps, outcome->seconds, static_cast<double>(outcome->loss));
    for (const auto& [name, value] : outcome->reports) print(", {} {:.4g}", name, static_cast<double>(value));
    print("\n");
  }
  if (ir::Status status = save(outcome->steps); !status) return fail(status.error());
  const int code = print_examples(loaded, *program, training.state, words.json, *path);
  if (code != kDone) return code;
  if (words.json) {
    print(R"({{"event":"done","steps":{},"loss":{}{},"seconds":{:.6f},"compile_ms":{:.3f},"saved":{}}})"
          "\n",
          outcome->steps, json_number(outcome->loss), json_reports(outcome->reports), outcome->seconds,
          built->compile_milliseconds, json_string(*path));
  } else {
    print("saved {}\n", *path);
  }
  return outcome->stopped ? kInterrupted : kDone;
}

}  // namespace gradc::cli
