// The words of the command line as one structure for each subcommand. The only file that knows CLI11 is
// command_line.cpp. Tests: tests/golden/cli.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace gradc::cli {

// 0: done. 1: a mistake in a file, or the outside world failed. 2: a mistake on the command line. 130: stopped by
// Ctrl-C.
enum ExitCode : int { kDone = 0, kFailed = 1, kUsage = 2, kInterrupted = 130 };

// A spec and what the command line changes in it.
struct SpecWords {
  std::string spec;
  std::string run;                    // of the train block; empty: the only one
  std::vector<std::string> defines;   // -D N=8
  std::vector<std::string> settings;  // --set optimizer.lr=0.01
  std::optional<uint64_t> seed;
  std::optional<int64_t> steps;
  std::string data_dir;  // --data-dir
};

// How passes are watched.
struct PassWords {
  bool time_passes = false;
  std::vector<std::string> print_before, print_after;
  std::optional<int64_t> stop_after;
  bool no_optimize = false;
  bool fold_rate = false;
};

// None of these changes a result.
struct CodeWords {
  int opt_level = 2;
  int vector_width = 0;
  bool no_unroll = false;
  bool software_fma = false;
  std::string cpu = "native";
};

struct CheckWords {
  SpecWords spec;
};
struct TrainWords {
  SpecWords spec;
  PassWords passes;
  CodeWords code;
  int64_t threads = 0;  // 0: all of the machine's
  bool no_cache = false;
  std::optional<std::string> weights;
  std::optional<std::string> save;
  bool json = false;
  bool interpret = false;
  std::optional<int64_t> log_every;
};
struct PredictWords {
  SpecWords spec;
  std::string weights;
  bool json = false;
  std::string rows;                  // a csv file
  std::vector<std::string> numbers;  // "-": rows on standard input
};
struct GenerateWords {
  SpecWords spec;
  std::string weights;
  std::string prompt;
  int64_t length = 300;
  double temperature = 1;
  std::optional<int64_t> most_likely;
  bool interpret = false;
};
struct CompileWords {
  SpecWords spec;
  PassWords passes;
  CodeWords code;
  std::string emit;
  std::string output;
  bool explain = false;
};
struct BenchWords {
  SpecWords spec;
  PassWords passes;
  CodeWords code;
  int64_t threads = 1;
  bool json = false;
};
struct OptWords {
  std::string file;
  bool passes_given = false;
  std::string pass_list;
  PassWords passes;
  std::string output;
};
struct EvalWords {
  std::string file;
  std::string func;
  std::vector<std::string> inputs;  // name=1,2,3
  uint64_t seed = 0;
};
struct ShowWords {
  std::string name;
  std::string spec;
};
struct FormatWords {
  std::vector<std::string> files;  // "-": standard input to standard output
  bool check = false;
};
struct GradcheckWords {
  SpecWords spec;
  int64_t batch = 4;
};

struct CacheWords {
  bool clear = false;
};

using Command = std::variant<CheckWords, TrainWords, PredictWords, GenerateWords, CompileWords, BenchWords, OptWords,
                             EvalWords, ShowWords, FormatWords, GradcheckWords, CacheWords>;

struct CommandLine {
  std::optional<Command> command;  // none: print `text` and end with `exit_code`
  std::string text;
  int exit_code = kDone;
};
CommandLine parse_command_line(int argc, const char* const* argv);

// One function a subcommand, in a file of its name; they print and return the exit code.
int check(const CheckWords& words);
int train(const TrainWords& words);
int predict(const PredictWords& words);
int generate(const GenerateWords& words);
int compile(const CompileWords& words);
int bench(const BenchWords& words);
int opt(const OptWords& words);
int eval(const EvalWords& words);
int show(const ShowWords& words);
int format(const FormatWords& words);
int gradcheck(const GradcheckWords& words);
int cache(const CacheWords& words);

}  // namespace gradc::cli
