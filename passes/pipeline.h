// The way of a module through the passes, and the runner that owns what every pass needs: verification and the text
// round trip after each one, timing, dumps before and after, stopping after the Nth.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ir/result.h"

namespace gradc::passes {

// The stages of `--emit` that are tensor IR, in the order of the pipeline.
enum class Stage : uint8_t { ir, grad, step, opt, ordered, fused, memory };
std::optional<Stage> stage_from_name(std::string_view name);

struct PassTime {
  std::string pass;
  double milliseconds = 0;
};

struct RunnerOptions {
  bool optimize = true;    // simplify, fold, cse, dce, ignore_zero_sign; the others are always needed
  bool fold_rate = false;  // the pass of that name
  bool check = true;       // verify after every pass
  bool read_back = true;   // with it, require that the printed text reads back as the same
  int stop_after = -1;     // run only the first N passes (a pass on several functions counts once); -1: all
  std::vector<std::string> print_before, print_after;  // names of passes, or "all"
  std::function<void(const std::string&)> print;       // takes the dumps; needed where the lists are not empty
};

class Runner {
 public:
  explicit Runner(RunnerOptions options) : options_(std::move(options)) {}

  // Runs the module to the end of the stage. `compiled` names the functions that become machine code: the passes on
  // functions run on these, and on all where the list is empty.
  ir::Module run(ir::Module module, Stage last, const std::vector<std::string>& compiled = {});
  // One pass by its name (passes.def, or "differentiate" and "apply_optimizer"), on every function of the module that
  // `compiled` names. False where there is no such pass.
  bool run_pass(std::string_view name, ir::Module& module, const std::vector<std::string>& compiled = {});

  const std::vector<PassTime>& times() const { return times_; }

 private:
  RunnerOptions options_;
  std::vector<PassTime> times_;
  int passes_run_ = 0;
};

// All names that run_pass takes, in the order of the pipeline.
std::vector<std::string_view> pass_names();

// Verifies the module, or only the functions of the names `changed` where there are any, and with `read_back` requires
// print(parse(print(module))) == print(module); ENSURE with the text where not.
void check_module(const ir::Module& module, std::string_view after, bool read_back = true,
                  const std::vector<std::string>& changed = {});

// A faulty pass list such as "simplify,frob": one sentence.
ir::Result<std::vector<std::string>> parse_pass_list(std::string_view list);

}  // namespace gradc::passes
