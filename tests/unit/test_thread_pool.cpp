// The pool runs each iteration once, whatever the number of threads, and again and again.
#include <doctest/doctest.h>

#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

#include "runtime/thread_pool.h"

namespace gradc {

namespace {

struct Counts {
  std::vector<int64_t> times;
};

void count_one(void* environment, int64_t index) {
  ++static_cast<Counts*>(environment)->times[static_cast<size_t>(index)];
}

double process_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

TEST_CASE("thread pool: every iteration runs once, and what it wrote is seen by the caller") {
  for (const int threads : {1, 2, 3, 8}) {
    runtime::ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (int64_t round = 0; round < 2000; ++round) {
      Counts counts;
      const int64_t count = round % 33;
      counts.times.assign(static_cast<size_t>(count), 0);
      pool.run(count_one, &counts, count);
      for (const int64_t times : counts.times) REQUIRE(times == 1);
    }
  }
}

TEST_CASE("thread pool: threads that wait use no processor time") {
  runtime::ThreadPool pool(4);
  Counts counts;
  counts.times.assign(16, 0);
  pool.run(count_one, &counts, 16);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double before = process_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(process_seconds() - before < 0.05);
  // They wake up again.
  pool.run(count_one, &counts, 16);
  for (const int64_t times : counts.times) CHECK(times == 2);
}

TEST_CASE("thread pool: a pool that never ran, and one of nonsense sizes") {
  {
    runtime::ThreadPool pool(8);
  }
  runtime::ThreadPool least(-3);
  CHECK(least.threads() == 1);
  Counts counts;
  counts.times.assign(5, 0);
  least.run(count_one, &counts, 5);
  least.run(count_one, &counts, 0);
  for (const int64_t times : counts.times) CHECK(times == 1);
  CHECK(runtime::default_threads() >= 1);
}

}  // namespace gradc
