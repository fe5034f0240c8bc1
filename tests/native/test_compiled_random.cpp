// Compiled code equals the interpreter bit for bit on random functions: each under a schedule drawn for it.
#include <doctest/doctest.h>

#include "run_compiled.h"
#include "tests/support/random_graph.h"

namespace gradc {

TEST_CASE("compiled: random graphs") {
  constexpr uint64_t kGraphs = 2000;
  constexpr int kWidths[] = {0, 1, 4, 8, 16}, kThreads[] = {1, 1, 2, 3, 8};
  for (uint64_t seed = 1; seed <= kGraphs; ++seed) {
    const tests::RandomGraph graph = tests::random_graph(seed);
    CAPTURE(seed);
    codegen::Options options;
    options.vector_width = kWidths[seed % 5];
    options.unroll = seed % 3 != 0;
    options.opt_level = seed % 7 == 0 ? 0 : 2;
    options.debug_info = seed % 11 == 0;
    options.software_fma = seed % 13 == 0;
    const int threads = kThreads[seed / 5 % 5];
    if (threads > 1) options.parallel_ns = 0;  // even the smallest kernel is dealt out
    check_compiled(seed % 4 == 0 ? planned_apart(graph.func) : planned(graph.func), graph.arguments, options,
                   seed % 8 == 0 ? 2 : 1, threads);
  }
}

}  // namespace gradc
