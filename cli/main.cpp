#include <cstdio>
#include <exception>
#include <new>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "cli/command_line.h"

namespace gradc::cli {
namespace {

struct Runner {
  int operator()(const CheckWords& words) const { return check(words); }
  int operator()(const TrainWords& words) const { return train(words); }
  int operator()(const PredictWords& words) const { return predict(words); }
  int operator()(const GenerateWords& words) const { return generate(words); }
  int operator()(const CompileWords& words) const { return compile(words); }
  int operator()(const BenchWords& words) const { return bench(words); }
  int operator()(const OptWords& words) const { return opt(words); }
  int operator()(const EvalWords& words) const { return eval(words); }
  int operator()(const ShowWords& words) const { return show(words); }
  int operator()(const FormatWords& words) const { return format(words); }
  int operator()(const GradcheckWords& words) const { return gradcheck(words); }
  int operator()(const CacheWords& words) const { return cache(words); }
};

// The heap of a thread grows by a page and a system call at a time, and is taken away from it where it ends in a little
// free memory; while two threads compile, each of them stops the other. What is only reserved costs nothing.
void let_heaps_grow() {
#ifdef __GLIBC__
  constexpr int kReserved = 16 << 20;
  mallopt(M_TOP_PAD, kReserved);
#endif
}

}  // namespace
}  // namespace gradc::cli

int main(int argc, char** argv) {
  using namespace gradc::cli;
  let_heaps_grow();
  int exit_code = kFailed;
  try {
    const CommandLine line = parse_command_line(argc, argv);
    exit_code = line.exit_code;
    if (line.command) {
      exit_code = std::visit(Runner{}, *line.command);
    } else {
      std::fputs(line.text.c_str(), line.exit_code == kDone ? stdout : stderr);
    }
  } catch (const std::bad_alloc&) {
    // The libraries' only exceptions that can come this far.
    std::fputs("gradc: error: out of memory\n", stderr);
    return kFailed;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gradc: error: %s\n", error.what());
    return kFailed;
  }
  // A full disk or a closed pipe shows only here.
  const bool failed_before = std::ferror(stdout) != 0;
  if ((std::fflush(stdout) != 0 || failed_before) && exit_code == kDone) {
    std::fputs("gradc: error: cannot write to standard output\n", stderr);
    return kFailed;
  }
  return exit_code;
}
