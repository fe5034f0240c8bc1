// What handing a loop over to waiting threads costs: the time of a loop whose iterations do nothing, and of one whose
// iterations are as long as the threshold below which kernels are not handed over (codegen::Options::parallel_ns).
//   ninja -C build/release measure_hand_over && build/release/tests/measure_hand_over
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "ir/thread_pool.h"

namespace {

using Clock = std::chrono::steady_clock;

double nanoseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

// Busy for as long as *environment nanoseconds.
void wait(void* environment, int64_t) {
  const double nanoseconds = *static_cast<double*>(environment);
  const Clock::time_point start = Clock::now();
  while (nanoseconds_since(start) < nanoseconds) {
  }
}

// The median of many calls in a row, as the kernels of a step follow each other.
double median(gradc::ir::ThreadPool& pool, double nanoseconds, int64_t parts) {
  std::vector<double> times;
  for (int i = 0; i < 20001; ++i) {
    const Clock::time_point start = Clock::now();
    pool.run(wait, &nanoseconds, parts);
    times.push_back(nanoseconds_since(start));
  }
  std::nth_element(times.begin(), times.begin() + 10000, times.end());
  return times[10000];
}

}  // namespace

int main() {
  gradc::ir::ThreadPool alone(1), all(0);
  fmt::print("{} threads, 4 parts; nanoseconds, medians of 20001 loops in a row\n", all.threads());
  for (double part : {0.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0}) {
    fmt::print("parts of {:4.0f}: one thread {:6.0f}, all {:6.0f}\n", part, median(alone, part, 4),
               median(all, part, 4));
  }
}
