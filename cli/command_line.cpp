#include "cli/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cctype>
#include <charconv>
#include <functional>
#include <memory>
#include <string_view>

#include "cli/numbers.h"

namespace gradc::cli {
namespace {

constexpr std::string_view kVersion = "gradc 0.1.0\n";

constexpr const char* kExamples = R"(Examples:
  gradc check examples/adder.grad
  gradc train examples/adder.grad
  gradc predict examples/adder.grad --weights add.safetensors 5 3
  gradc generate examples/gpt.grad --weights gpt.safetensors --prompt "ROMEO:"
  gradc compile examples/adder.grad --emit asm
  gradc show linear
)";

// How messages of the command line begin, and where help is.
std::string usage_error(const std::string& message, const std::string& command) {
  return "gradc: " + message + "\n" + "  help: gradc " + command + (command.empty() ? "" : " ") + "--help\n";
}

// A whole number from `lowest` on that fits its type; "" or what is wrong.
CLI::Validator at_least(uint64_t lowest, uint64_t highest = INT64_MAX) {
  const auto check_text = [lowest, highest](std::string& text) {
    uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data(), end, number);
    const bool good = problem == std::errc() && stop == end && number >= lowest && number <= highest;
    if (good) return std::string();
    return "`" + text + "` is no whole number from " + std::to_string(lowest) + " to " + std::to_string(highest);
  };
  return CLI::Validator(check_text, "");
}

CLI::Validator one_of(const std::vector<std::string>& words) {
  const auto check_text = [words](std::string& text) {
    std::string list;
    for (const std::string& word : words) {
      if (word == text) return std::string();
      list += (list.empty() ? "" : ", ") + word;
    }
    return "`" + text + "` is none of " + list;
  };
  return CLI::Validator(check_text, "");
}

void add_spec(CLI::App* app, SpecWords& words, bool run_is_positional) {
  app->add_option("SPEC", words.spec, "the spec file")->required();
  if (run_is_positional) {
    app->add_option("RUN", words.run, "the train block, where the spec has several");
  } else {
    app->add_option("--run", words.run, "the train block, where the spec has several")->type_name("RUN");
  }
  app->add_option("-D,--define", words.defines, "replace a const of the spec")
      ->type_name("NAME=NUMBER")
      ->expected(1)
      ->take_all();
  app->add_option("--data-dir", words.data_dir, "where data files are that are not beside the spec")
      ->type_name("FOLDER")
      ->envname("GRADC_DATA");
  app->add_option("--set", words.settings, "replace a run-time setting, such as optimizer.lr")
      ->type_name("NAME=NUMBER")
      ->expected(1)
      ->take_all();
}

void add_seed(CLI::App* app, SpecWords& words) {
  app->add_option("--seed", words.seed, "start from this seed instead of the spec's")
      ->type_name("N")
      ->check(at_least(0, UINT64_MAX));
}

void add_passes(CLI::App* app, PassWords& words) {
  app->add_flag("--time-passes", words.time_passes, "print what each part of compiling took, on standard error");
  app->add_option("--print-before", words.print_before, "print the IR before this pass, on standard error")
      ->type_name("PASS")
      ->expected(1)
      ->take_all();
  app->add_option("--print-after", words.print_after, "print the IR after this pass, on standard error")
      ->type_name("PASS")
      ->expected(1)
      ->take_all();
}

void add_fold_rate(CLI::App* app, PassWords& words) {
  app->add_flag(
      "--fold-rate", words.fold_rate,
      "multiply the error by the learning rate once, not every gradient; rounds differently (plain sgd, batch 1)");
}

void add_optimize(CLI::App* app, PassWords& words) {
  add_fold_rate(app, words);
  app->add_flag("--no-optimize", words.no_optimize, "leave out the passes that only make the program smaller");
}

void add_stop_after(CLI::App* app, PassWords& words) {
  app->add_option("--stop-after", words.stop_after, "run only the first N passes")->type_name("N")->check(at_least(0));
}

void add_threads(CLI::App* app, int64_t& threads) {
  app->add_option("--threads", threads,
                  "run on at most this many threads; never changes a result; 0: all of the machine's")
      ->type_name("N")
      ->envname("GRADC_THREADS")
      ->check(at_least(0, 1024));
}

void add_code(CLI::App* app, CodeWords& words) {
  app->add_option("-O,--opt-level", words.opt_level, "0 or 2; never changes a result")
      ->type_name("LEVEL")
      ->check(one_of({"0", "2"}));
  app->add_option("--vector-width", words.vector_width, "floats in a vector; 0: what the processor has")
      ->type_name("N")
      ->check(one_of({"0", "1", "2", "4", "8", "16"}));
  app->add_flag("--no-unroll", words.no_unroll, "keep all loops");
  app->add_flag("--software-fma", words.software_fma, "do not use the processor's fused multiply-add");
  app->add_option("--cpu", words.cpu, "the processor to compile for, by LLVM's name")->type_name("NAME");
}

template <class Words>
struct Subcommand {
  CLI::App* app;
  std::shared_ptr<Words> words;
};

template <class Words>
Subcommand<Words> add_command(CLI::App& app, std::function<Command()>& chosen, const std::string& name,
                              const std::string& sentence, const std::string& examples) {
  auto words = std::make_shared<Words>();
  CLI::App* command = app.add_subcommand(name, sentence);
  command->footer("Examples:\n" + examples);
  command->callback([&chosen, words] { chosen = [words] { return Command(*words); }; });
  return {command, words};
}

void add_check(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] =
      add_command<CheckWords>(app, chosen, "check", "Check a spec and print its layers, shapes, parameters and memory",
                              "  gradc check examples/adder.grad\n"
                              "  gradc check examples/adder.grad add -D N=8\n");
  add_spec(command, words->spec, true);
}

void add_train(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] = add_command<TrainWords>(
      app, chosen, "train", "Compile and run a train block, print its examples, save the weights",
      "  gradc train examples/adder.grad\n"
      "  gradc train examples/adder.grad add --seed 3 --steps 1000 --set optimizer.lr=0.01\n"
      "  gradc train examples/adder.grad --weights add.safetensors --save better.safetensors\n"
      "  gradc train examples/seed.grad --json --log-every 1\n");
  add_spec(command, words->spec, true);
  add_seed(command, words->spec);
  command->add_option("--steps", words->spec.steps, "train this many steps instead of the spec's")
      ->type_name("N")
      ->check(at_least(1));
  command->add_option("--weights", words->weights, "begin with the parameters of this safetensors file")
      ->type_name("FILE");
  command->add_option("--save", words->save, "save the parameters here instead of RUN.safetensors")->type_name("FILE");
  command->add_flag("--json", words->json, "print one JSON object a line");
  command->add_option("--log-every", words->log_every, "print the loss of every Nth step")
      ->type_name("N")
      ->check(at_least(1));
  command->add_flag("--interpret", words->interpret, "run in the interpreter: slow, same bits");
  add_threads(command, words->threads);
  command->add_flag("--no-cache", words->no_cache, "compile anew, and keep nothing for the next run");
  add_passes(command, words->passes);
  add_optimize(command, words->passes);
  add_code(command, words->code);
}

void add_predict(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] = add_command<PredictWords>(
      app, chosen, "predict",
      "Print the model's output for the NUMBERs behind SPEC, or for each row on standard input (-)",
      "  gradc predict examples/adder.grad --weights add.safetensors 5 3\n"
      "  printf '5 3\\n-1 2.5\\n' | gradc predict examples/adder.grad --weights add.safetensors -\n");
  add_spec(command, words->spec, false);
  command->add_option("--weights", words->weights, "the safetensors file with the parameters")
      ->type_name("FILE")
      ->required();
  command->add_flag("--json", words->json, "print one JSON object a line");
  command->add_option("--rows", words->rows, "predict every row of a csv file with the columns of the spec's data")
      ->type_name("FILE");
  // The numbers are what is left over: as positionals, negative ones would be taken for options.
  command->allow_extras();
}

void add_generate(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] = add_command<GenerateWords>(
      app, chosen, "generate",
      "Let a model of text write on from a prompt: from idx<V>[T] to f32[T, V], on `chars` or `bytes`",
      "  gradc generate examples/gpt.grad --weights gpt.safetensors --prompt \"ROMEO:\"\n"
      "  gradc generate examples/gpt.grad --weights gpt.safetensors --prompt \"ROMEO:\" --length 1000 --temperature "
      "0.8 "
      "--seed 1\n\n"
      "Each step reads the last T characters. Where there are fewer, they stand in the first places, and the result at "
      "the\n"
      "last of them counts: the model must be causal, what stands behind a place may not change its result (this is\n"
      "tested before anything is written). The text that the model was trained on is not needed where the weights "
      "name\n"
      "its characters.\n");
  add_spec(command, words->spec, false);
  add_seed(command, words->spec);
  command->add_option("--weights", words->weights, "the safetensors file with the parameters")
      ->type_name("FILE")
      ->required();
  command->add_option("--prompt", words->prompt, "what the text begins with")->type_name("TEXT")->required();
  command->add_option("--length", words->length, "characters (bytes) to write after the prompt")
      ->type_name("N")
      ->capture_default_str()
      ->check(at_least(1, UINT32_MAX));
  command
      ->add_option("--temperature", words->temperature, "divides the logits: 0 always takes the most likely character")
      ->type_name("T")
      ->capture_default_str()
      ->check(CLI::Validator(
          [](std::string& text) {
            const std::optional<float> number = parse_number(text);
            if (number && *number >= 0 && *number <= 1e6f) return std::string();
            return "`" + text + "` is no number from 0 to 1000000";
          },
          ""));
  command->add_option("--most-likely", words->most_likely, "choose among the N most likely characters only")
      ->type_name("N")
      ->check(at_least(1));
  command->add_flag("--interpret", words->interpret, "run in the interpreter: slow, same text");
}

void add_compile(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] =
      add_command<CompileWords>(app, chosen, "compile", "Print the program at one stage of its way to machine code",
                                "  gradc compile examples/adder.grad --emit ir\n"
                                "  gradc compile examples/adder.grad --emit kernel --explain\n"
                                "  gradc compile examples/adder.grad --emit asm -o adder.s\n");
  add_spec(command, words->spec, true);
  command
      ->add_option("--emit", words->emit,
                   "the stage: ast, ir, grad, step, opt, ordered, fused, memory, kernel, llvm, llvm-opt or asm")
      ->type_name("STAGE")
      ->required()
      ->check(one_of(
          {"ast", "ir", "grad", "step", "opt", "ordered", "fused", "memory", "kernel", "llvm", "llvm-opt", "asm"}));
  command->add_option("-o,--output", words->output, "write to this file instead of standard output")->type_name("FILE");
  command->add_flag("--explain", words->explain, "with --emit kernel: say why each kernel has its schedule");
  add_passes(command, words->passes);
  add_optimize(command, words->passes);
  add_stop_after(command, words->passes);
  add_code(command, words->code);
}

void add_bench(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] = add_command<BenchWords>(
      app, chosen, "bench", "Measure each kernel of the training step beside the processor's limit",
      "  gradc bench examples/adder.grad\n"
      "  gradc bench examples/adder.grad --cpu x86-64-v3\n"
      "  gradc bench examples/lenet.grad plain --threads 2\n");
  add_spec(command, words->spec, true);
  command->add_flag("--json", words->json, "print one JSON object a line");
  add_threads(command, words->threads);
  add_fold_rate(command, words->passes);
  add_code(command, words->code);
}

void add_opt(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] =
      add_command<OptWords>(app, chosen, "opt", "Run passes on tensor IR and print the result",
                            "  gradc opt model.ir --passes differentiate,simplify,cse,dce\n"
                            "  gradc opt model.ir                    # check and print only\n"
                            "  gradc compile examples/adder.grad --emit ir | gradc opt - --passes differentiate\n");
  command->add_option("FILE", words->file, "tensor IR text; -: standard input")->required();
  command
      ->add_option_function<std::string>(
          "--passes",
          [target = words](const std::string& list) {
            target->passes_given = true;
            target->pass_list = list;
          },
          "the passes to run, in this order")
      ->type_name("PASS,...");
  command->add_option("-o,--output", words->output, "write to this file instead of standard output")->type_name("FILE");
  add_passes(command, words->passes);
  add_stop_after(command, words->passes);
}

void add_eval(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] = add_command<EvalWords>(
      app, chosen, "eval", "Run a function of tensor IR in the interpreter and print its results",
      "  gradc eval sum.ir\n"
      "  gradc eval sum.ir --func f --input x=1,2,3 --input y=0.5\n");
  command->add_option("FILE", words->file, "tensor IR text; -: standard input")->required();
  command->add_option("--func", words->func, "the function, where the text has several")->type_name("NAME");
  command
      ->add_option("--input", words->inputs, "the elements of an argument in row-major order; one number: everywhere")
      ->type_name("NAME=NUMBER,...")
      ->expected(1)
      ->take_all();
  command->add_option("--seed", words->seed, "for arguments of role key that have no --input")
      ->type_name("N")
      ->check(at_least(0, UINT64_MAX));
}

void add_show(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] = add_command<ShowWords>(
      app, chosen, "show", "Print the source of a definition; without a name, all names of the library",
      "  gradc show linear\n"
      "  gradc show adder --spec examples/adder.grad\n");
  command->add_option("NAME", words->name, "a layer, function, loss or optimizer");
  command->add_option("--spec", words->spec, "look in this spec file first")->type_name("FILE");
}

void add_format(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] =
      add_command<FormatWords>(app, chosen, "fmt", "Bring spec files into their canonical layout",
                               "  gradc fmt examples/*.grad            # prints the names of the files it changed\n"
                               "  gradc fmt --check examples/*.grad    # changes nothing; exit code 1 where it would\n"
                               "  gradc fmt - < examples/adder.grad\n");
  command->add_option("FILE", words->files, "spec files; -: from standard input to standard output")->required();
  command->add_flag("--check", words->check, "only print the names of the files whose layout is another");
}

void add_gradcheck(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] = add_command<GradcheckWords>(
      app, chosen, "gradcheck", "Hold the derived gradients against central differences in double",
      "  gradc gradcheck examples/adder.grad\n"
      "  gradc gradcheck examples/adder.grad --seed 5\n");
  add_spec(command, words->spec, true);
  add_seed(command, words->spec);
  command->add_option("--batch", words->batch, "samples in the batch that is checked")
      ->type_name("N")
      ->capture_default_str()
      ->check(at_least(1, 1024));
}

void add_cache(CLI::App& app, std::function<Command()>& chosen) {
  const auto [command, words] = add_command<CacheWords>(
      app, chosen, "cache", "Tell where compiled code is kept, and how much; `gradc cache clear` deletes it",
      "  gradc cache\n"
      "  gradc cache clear\n"
      "  GRADC_CACHE_SIZE=64M gradc train examples/adder.grad\n");
  command
      ->add_option_function<std::string>(
          "ACTION", [target = words](const std::string&) { target->clear = true; }, "clear: delete all of it")
      ->check(one_of({"clear"}));
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CLI::App app(
      "gradc compiles the training of neural networks: a spec file goes in, native code that learns comes out.",
      "gradc");
  app.footer(kExamples);
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(34);
  bool version = false;
  app.add_flag("--version", version, "Print the version and exit");
  std::function<Command()> chosen;
  add_check(app, chosen);
  add_train(app, chosen);
  add_predict(app, chosen);
  add_generate(app, chosen);
  add_compile(app, chosen);
  add_bench(app, chosen);
  add_opt(app, chosen);
  add_eval(app, chosen);
  add_show(app, chosen);
  add_format(app, chosen);
  add_gradcheck(app, chosen);
  add_cache(app, chosen);

  CommandLine line;
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const std::vector<CLI::App*> used = app.get_subcommands();
    line.text = used.empty() ? app.help() : used.front()->help("gradc");
    return line;
  } catch (const CLI::ParseError& error) {
    const std::vector<CLI::App*> used = app.get_subcommands();
    line.text = usage_error(error.what(), used.empty() ? "" : used.front()->get_name());
    line.exit_code = kUsage;
    return line;
  }
  if (version) {
    line.text = kVersion;
    return line;
  }
  if (!chosen) {
    line.text = app.help();
    line.exit_code = argc > 1 ? kDone : kUsage;
    return line;
  }
  line.command = chosen();
  if (auto* predict_words = std::get_if<PredictWords>(&*line.command)) {
    predict_words->numbers = app.get_subcommands().front()->remaining();
    for (const std::string& word : predict_words->numbers) {
      const bool option = word.size() > 1 && word[0] == '-' &&
                          (word[1] == '-' || std::isalpha(static_cast<unsigned char>(word[1])) != 0);
      const bool number_word = word == "-inf" || word == "-nan";
      if (!option || number_word) continue;
      line.text = usage_error("The following argument was not expected: " + word, "predict");
      line.command.reset();  // `word` lived in it
      line.exit_code = kUsage;
      return line;
    }
  }
  return line;
}

}  // namespace gradc::cli
