// Training against runs recorded with PyTorch (tests/reference): from the same initial weights the same first gradient
// and the same loss at every step, in the interpreter's and the machine code's way, which must agree bit for bit.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "frontend/elaborate.h"
#include "frontend/spec.h"
#include "ir/diag.h"
#include "ir/eval.h"
#include "passes/pipeline.h"
#include "runtime/jit_executor.h"
#include "runtime/read_table.h"
#include "runtime/safetensors.h"
#include "runtime/table_columns.h"
#include "runtime/trainer.h"
#include "tests/unit/temporary_folder.h"

using namespace gradc;

namespace {

using Weights = std::map<std::string, std::vector<float>>;

std::string reference(const std::string& file) { return GRADC_SOURCE_DIR "/tests/reference/" + file; }

Weights read_weights(const std::string& file) {
  ir::Result<runtime::SafetensorsReader> reader = runtime::SafetensorsReader::open(reference(file));
  REQUIRE(reader);
  Weights weights;
  for (const runtime::StoredTensor& tensor : reader->tensors()) {
    ir::Result<std::vector<float>> elements = reader->read_f32(tensor);
    REQUIRE(elements);
    weights[tensor.name] = *elements;
  }
  return weights;
}

std::vector<double> read_losses(const std::string& file) {
  std::ifstream stream(reference(file));
  return nlohmann::json::parse(stream).at("loss").get<std::vector<double>>();
}

// 2-5-1 with relu, mean squared error, plain gradient descent.
frontend::Program program_of(const std::string& text) {
  frontend::Spec spec;
  ir::Diagnostics diagnostics(spec.sources);
  frontend::load_spec_text("adder.grad", text, spec, diagnostics);
  frontend::Overrides overrides;
  overrides.read_table = [](const ir::TableRequest& request) {
    return runtime::read_table(request, {GRADC_SOURCE_DIR "/examples/data", ""});
  };
  std::optional<frontend::Program> program = frontend::elaborate(spec, "r", overrides, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(program.has_value());
  return *program;
}

frontend::Program adder_program(int64_t batch, const std::string& rate) {
  const std::string text = fmt::format(R"(language 1
model adder(x: f32[2]) -> f32[1] {{
  let hidden = linear(5)
  let output = linear(1)
  x |> hidden |> relu |> output
}}
data sums {{
  let a, b ~ uniform(-10, 10)
  x = [a, b]
  target = [a + b]
}}
train r: adder on sums {{
  loss mse(out, target)
  optimizer sgd(lr = {})
  batch {}; steps 1; seed 1
}}
)",
                                       rate, batch);
  return program_of(text);
}
void check_first_gradient(const ir::Module& module, const Weights& init, const Weights& expected,
                          const runtime::ResidentRows& rows) {
  const ir::Module derived = passes::Runner({}).run(module, passes::Stage::grad);
  const ir::Func* gradient = derived.find("r.gradient");
  REQUIRE(gradient != nullptr);
  std::vector<ir::Tensor> arguments;
  for (size_t k = 0; k < gradient->parameter_count; ++k) {
    const ir::Value& value = gradient->values[k];
    const std::vector<float>* numbers = init.contains(value.name) ? &init.at(value.name) : nullptr;
    for (const runtime::ResidentColumn& column : rows.columns) {
      if (column.name == value.name) numbers = column.values.get();
    }
    const std::vector<float> live = {32};  // rows of a full batch
    if (value.name == "batch.live") numbers = &live;
    REQUIRE(numbers != nullptr);
    ir::Tensor tensor(value.type);
    for (int64_t e = 0; e < tensor.elements(); ++e)
      tensor.set(e, static_cast<double>((*numbers)[static_cast<size_t>(e)]));
    arguments.push_back(tensor);
  }
  ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(*gradient, arguments);
  REQUIRE(results);
  for (const auto& [name, numbers] : expected) {
    double largest = 0;
    for (const float number : numbers) largest = std::max(largest, std::abs(static_cast<double>(number)));
    bool found = false;
    for (size_t k = 0; k < results->size(); ++k) {
      if (gradient->results[k].name != ir::gradient_name(name)) continue;
      found = true;
      for (size_t e = 0; e < numbers.size(); ++e) {
        CHECK(std::abs((*results)[k].at(static_cast<int64_t>(e)) - static_cast<double>(numbers[e])) <= 1e-5 * largest);
      }
    }
    CHECK_MESSAGE(found, name);
  }
}

struct Trained {
  std::vector<float> losses;
  std::vector<std::byte> state;
};

Trained train(const frontend::Program& program, const ir::Module& planned, runtime::Executor executor,
              const std::string& init_file, runtime::ResidentRows rows, uint64_t steps) {
  const ir::Func& step = *planned.find("r.step");
  const runtime::Layout layout = runtime::layout_of(step);
  ir::Result<runtime::Dataset> data = runtime::Dataset::resident(std::move(rows), layout, 1);
  REQUIRE(data);
  runtime::NamedNumbers settings;
  for (const frontend::Setting& setting : program.settings) settings.emplace_back(setting.name, setting.value);
  ir::Result<runtime::HyperTable> table =
      runtime::HyperTable::make(program.module.find("r.hyper"), settings, layout, 1);
  REQUIRE(table);
  runtime::Training training{std::move(executor), layout, runtime::State(layout.state, layout.state_bytes, 1),
                             std::move(*data), std::move(*table)};
  REQUIRE(runtime::load_weights(training.state, reference(init_file), "adder"));
  Trained trained;
  runtime::TrainingObserver observer;
  observer.readings = [&](const runtime::StepReadings& readings) {
    trained.losses.insert(trained.losses.end(), readings.losses.begin(), readings.losses.end());
  };
  REQUIRE(runtime::train(training, steps, observer));
  trained.state.assign(training.state.blob().begin(), training.state.blob().end());

  // What is saved loads again, and is close to where PyTorch arrived.
  TemporaryFolder folder;
  REQUIRE(runtime::save_weights(training.state, folder.path("w.safetensors")));
  runtime::State again(layout.state, layout.state_bytes, 1);
  REQUIRE(runtime::load_weights(again, folder.path("w.safetensors"), "adder"));
  const std::string case_name = init_file.substr(0, init_file.find('.'));
  const Weights final_weights = read_weights(case_name + ".final.safetensors");
  for (const runtime::Slot& slot : again.slots()) {
    if (slot.role != ir::Role::parameter) continue;  // PyTorch's file has no optimizer state
    const std::vector<float>& expected = final_weights.at(slot.name);
    for (size_t e = 0; e < expected.size(); ++e) {
      CHECK(std::abs(static_cast<double>(again.elements(slot)[e] - expected[e])) < 1e-4);
    }
  }
  return trained;
}

std::shared_ptr<const std::vector<float>> shared(std::vector<float> values) {
  return std::make_shared<const std::vector<float>>(std::move(values));
}

void check_case(const std::string& name, const frontend::Program& program, const runtime::ResidentRows& rows) {
  const ir::Module& module = program.module;
  check_first_gradient(module, read_weights(name + ".init.safetensors"), read_weights(name + ".grad0.safetensors"),
                       rows);
  const std::vector<double> expected = read_losses(name + ".json");
  const ir::Module planned = passes::Runner({}).run(module, passes::Stage::memory, {"r.step"});
  ir::Result<runtime::CompiledExecutor> compiled =
      runtime::compile_executor(*planned.find("r.step"), planned.files, codegen::Options{});
  REQUIRE(compiled);
  const std::string init = name + ".init.safetensors";
  const Trained native = train(program, planned, compiled->run, init, rows, expected.size());
  const Trained interpreted =
      train(program, planned, runtime::interpret(*planned.find("r.step")), init, rows, expected.size());
  REQUIRE(native.losses.size() == expected.size());
  size_t wrong = 0;
  for (size_t step = 0; step < expected.size(); ++step) {
    const double error = std::abs(static_cast<double>(native.losses[step]) - expected[step]);
    wrong += error > std::max(1e-4 * std::abs(expected[step]), 1e-6);
  }
  CHECK(wrong == 0);
  CHECK(native.losses == interpreted.losses);
  CHECK(native.state == interpreted.state);
}

}  // namespace

TEST_CASE("parity with PyTorch: one row, a thousand steps") {
  check_case("seed", adder_program(1, "0.01"),
             {"row",
              1,
              {{"x", {ir::DType::f32, {2}}, shared({5, 3})}, {"target", {ir::DType::f32, {1}}, shared({8})}},
              false});
}

TEST_CASE("parity with PyTorch: batches of 32 in order") {
  const Weights data = read_weights("adder_batch.data.safetensors");
  const auto count = static_cast<int64_t>(data.at("target").size());
  check_case("adder_batch", adder_program(32, "0.003"),
             {"rows",
              count,
              {{"x", {ir::DType::f32, {2}}, shared(data.at("x"))},
               {"target", {ir::DType::f32, {1}}, shared(data.at("target"))}},
              false});
}

TEST_CASE("parity with PyTorch: digits, cross entropy, adam") {
  const frontend::Program program = program_of(R"(language 1
model mlp(x: f32[64]) -> f32[10] {
  let hidden = linear(32)
  let output = linear(10)
  x |> hidden |> relu |> output
}
data digits = csv("digits.csv") { x = [p0 .. p63] / 16; target = idx<10>(label) }
train r: mlp on digits {
  loss cross_entropy(out, target)
  optimizer adam(lr = 0.01)
  batch 32; steps 1; seed 1
}
)");
  const ir::Func* columns = program.module.find("r.columns");
  REQUIRE(columns != nullptr);
  std::vector<int64_t> order(1600);
  for (size_t k = 0; k < order.size(); ++k) order[k] = static_cast<int64_t>(k);
  auto made =
      runtime::table_columns(program.data.table, *columns, program.data.chunk, {}, {{"x", 0}, {"target", 10}}, order);
  REQUIRE(made);
  check_case("digits_mlp", program, {"digits", 1600, std::move(*made), false});
}
