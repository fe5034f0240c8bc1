// gradc generate: a model of text writes on, one character (or byte) after the other.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "cli/build_run.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/run_passes.h"
#include "cli/saved_data.h"
#include "ir/ensure.h"
#include "ir/philox.h"
#include "runtime/aligned_buffer.h"
#include "runtime/choose.h"
#include "runtime/read_table.h"
#include "runtime/state.h"

namespace gradc::cli {
namespace {

// The sample index of the counters that choose characters; no batch is that large, and row orders use another.
constexpr uint32_t kGenerateSample = 0xfffffffe;
// "" where the program is a model from idx<V>[T] to f32[T, V] on text.
std::string why_not_text(const frontend::Program& program) {
  const frontend::Port& out = program.outputs[0];
  if (program.inputs.size() != 1 || program.inputs[0].limit == 0 || program.inputs[0].type.rank() != 1 ||
      out.type.shape != ir::Shape{program.inputs[0].type.shape[0], program.inputs[0].limit}) {
    std::string inputs;
    for (const frontend::Port& port : program.inputs) {
      inputs += fmt::format("{}{}: {}", inputs.empty() ? "" : ", ", port.name, frontend::to_string(port));
    }
    return fmt::format("text is written by a model from idx<V>[T] to f32[T, V]; model `{}` goes from {} to {}",
                       program.model, inputs, ir::to_string(out.type));
  }
  if (!program.data.table || program.data.table->window == 0) {
    return fmt::format("data `{}` is no text: `generate` needs `chars(\"f.txt\")` or `bytes(\"f.txt\")`",
                       program.data.name);
  }
  return {};
}

// @RUN.predict as machine code, with the memory it works on.
class TextModel {
 public:
  static ir::Result<TextModel> make(const frontend::Program& program, const GenerateWords& words);

  int64_t length() const { return length_; }
  int64_t characters() const { return characters_; }
  // The logits that follow place `place` of `numbers`, which are `length` ones.
  ir::Result<std::span<const float>> logits(const std::vector<float>& numbers, int64_t place);

 private:
  TextModel(runtime::Executor run, const runtime::Layout& layout, runtime::State state)
      : run_(std::move(run)),
        layout_(layout),
        state_(std::move(state)),
        data_(layout.data_bytes),
        hyper_(layout.hyper_bytes),
        results_(layout.result_bytes) {}
  runtime::Executor run_;
  runtime::Layout layout_;
  runtime::State state_;
  runtime::AlignedBuffer data_, hyper_, results_;
  int64_t length_ = 0, characters_ = 0;
};

ir::Result<TextModel> TextModel::make(const frontend::Program& program, const GenerateWords& words) {
  passes::Runner runner({.read_back = false});
  const std::string name = program.run + ".predict";
  const ir::Module module = runner.run(program.module, passes::Stage::memory, {name});
  const ir::Func* func = module.find(name);
  const ir::Func* init = program.module.find(program.run + ".init");
  ENSURE(func != nullptr && init != nullptr, "no @" + name + " or .init");
  TrainWords train_words;
  train_words.interpret = words.interpret;
  ir::Result<runtime::Host> host = make_host(train_words);
  if (!host) return host.take_error();
  ir::Result<runtime::Executor> run = make_executor(*func, {train_words, module.files, std::move(*host)});
  if (!run) return run.take_error();
  const runtime::Layout layout = runtime::layout_of(*func);
  runtime::State state(layout.state, layout.state_bytes, program.seed);
  if (ir::Status status = runtime::initialize(state, *init); !status) return status.take_error();
  if (ir::Status status = runtime::load_weights(state, words.weights, program.model, layer_states(program)); !status) {
    return status.take_error();
  }
  TextModel model(std::move(*run), layout, std::move(state));
  model.length_ = program.inputs[0].type.shape[0];
  model.characters_ = program.inputs[0].limit;
  const ir::Result<runtime::HyperTable> hyper = runtime::HyperTable::make(program.module.find(program.run + ".hyper"),
                                                                          settings_of(program), layout, program.seed);
  if (!hyper) return hyper.failure();
  if (ir::Status status = hyper->fill(0, 1, model.hyper_.data()); !status) return status.take_error();
  return model;
}

ir::Result<std::span<const float>> TextModel::logits(const std::vector<float>& numbers, int64_t place) {
  for (const runtime::Slot& slot : layout_.data) {
    std::memcpy(data_.data() + slot.offset, numbers.data(), numbers.size() * sizeof(float));
  }
  runtime::StepBuffers buffers;
  buffers.state = state_.data();
  buffers.data = data_.data();
  buffers.hyper = hyper_.data();
  buffers.results = results_.data();
  if (ir::Status status = run_(buffers, 1); !status) return status.take_error();
  if (std::optional<ir::Fault> fault = runtime::find_fault(layout_, results_.data())) {
    return ir::Error{"", std::move(fault)};
  }
  const runtime::Slot* out = runtime::find_slot(layout_.results, "out");
  ENSURE(out != nullptr, "a prediction without result");
  const auto* rows = reinterpret_cast<const float*>(results_.data() + out->offset);
  return std::span<const float>(rows + place * characters_, static_cast<size_t>(characters_));
}

// What is written before the text is as long as the model's context stands in the first places; the later ones hold
// character 0, which a causal model does not see.
ir::Status check_causal(TextModel& model, std::vector<float> numbers, const std::string& name) {
  const auto known = std::ssize(numbers);
  if (known >= model.length() || model.characters() < 2) return ir::success();
  std::vector<float> found[2];
  for (const int64_t filler : {0, 1}) {
    numbers.resize(static_cast<size_t>(known));
    numbers.resize(static_cast<size_t>(model.length()),
                   filler == 0 ? 0.0f : static_cast<float>(model.characters() - 1));
    const ir::Result<std::span<const float>> logits = model.logits(numbers, known - 1);
    if (!logits) return logits.failure();
    found[filler].assign(logits->begin(), logits->end());
  }
  if (std::memcmp(found[0].data(), found[1].data(), found[0].size() * sizeof(float)) == 0) return ir::success();
  return ir::Error{
      fmt::format("model `{}` is not causal, what follows a place changes its result there: it needs a prompt of at "
                  "least {} characters, found {}",
                  name, model.length(), known)};
}

}  // namespace

int generate(const GenerateWords& words) {
  if (words.prompt.empty()) return fail_usage("--prompt: it is empty; the model goes on from at least one character");
  std::signal(SIGPIPE, SIG_IGN);
  Loaded loaded = load(words.spec);
  if (loaded.exit_code != kDone) return loaded.exit_code;
  const ir::Result<std::vector<std::string>> saved = read_vocabulary(words.weights);
  if (!saved) return fail(saved.error());
  loaded.overrides.read_table = predicting_reader(loaded.overrides.read_table, words.weights);
  const std::optional<frontend::Program> program = elaborate(loaded, words.spec.run, 1, false);
  if (!program) return kFailed;
  if (const std::string problem = why_not_text(*program); !problem.empty()) return fail(problem);
  if (ir::Status status = check_vocabulary(*program, words.weights); !status) return fail(status.error());
  const std::vector<std::string>& vocabulary = program->data.table->vocabulary;
  ir::Result<std::vector<float>> numbers = runtime::encode_text(words.prompt, vocabulary);
  if (!numbers) return fail("--prompt: " + numbers.error());
  ir::Result<TextModel> model = TextModel::make(*program, words);
  if (!model) return fail(model.error());
  const int64_t context = model->length();
  if (ir::Status status = check_causal(*model, *numbers, program->model); !status) {
    return fail(status.failure(), loaded, *program);
  }

  std::fwrite(words.prompt.data(), 1, words.prompt.size(), stdout);
  const runtime::Choice choice{words.temperature, words.most_likely.value_or(0)};
  for (int64_t written = 0; written < words.length && std::ferror(stdout) == 0; ++written) {
    std::vector<float> window(numbers->end() - std::min(context, std::ssize(*numbers)), numbers->end());
    const int64_t place = std::ssize(window) - 1;
    window.resize(static_cast<size_t>(context), 0);
    const ir::Result<std::span<const float>> logits = model->logits(window, place);
    if (!logits) return fail(logits.failure(), loaded, *program);
    const float uniform =
        ir::random_f32(static_cast<uint32_t>(program->seed), static_cast<uint32_t>(program->seed >> 32), 0, 0,
                       kGenerateSample, static_cast<uint32_t>(written));
    const ir::Result<int64_t> next = runtime::choose(*logits, choice, uniform);
    if (!next) return fail(fmt::format("after {} characters: {}", written, next.error()));
    numbers->push_back(static_cast<float>(*next));
    const std::string character =
        vocabulary.empty() ? std::string(1, static_cast<char>(*next)) : vocabulary[static_cast<size_t>(*next)];
    std::fwrite(character.data(), 1, character.size(), stdout);
    std::fflush(stdout);
  }
  std::fputc('\n', stdout);
  return kDone;
}

}  // namespace gradc::cli
