#include <cstdio>

#include "cli/command_line.h"

namespace gradc::cli {
namespace {

struct Runner {
  int operator()(const CheckWords& words) const { return check(words); }
  int operator()(const TrainWords& words) const { return train(words); }
  int operator()(const PredictWords& words) const { return predict(words); }
  int operator()(const CompileWords& words) const { return compile(words); }
  int operator()(const OptWords& words) const { return opt(words); }
  int operator()(const EvalWords& words) const { return eval(words); }
  int operator()(const ShowWords& words) const { return show(words); }
  int operator()(const GradcheckWords& words) const { return gradcheck(words); }
};

}  // namespace
}  // namespace gradc::cli

int main(int argc, char** argv) {
  using namespace gradc::cli;
  const CommandLine line = parse_command_line(argc, argv);
  if (!line.command) {
    std::fputs(line.text.c_str(), line.exit_code == kDone ? stdout : stderr);
    return line.exit_code;
  }
  const int exit_code = std::visit(Runner{}, *line.command);
  // A full disk or a closed pipe shows only here.
  if (std::fflush(stdout) != 0 && exit_code == kDone) {
    std::perror("gradc: standard output");
    return kFailed;
  }
  return exit_code;
}
