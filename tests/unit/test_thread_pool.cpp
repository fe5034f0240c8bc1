// The pool runs each iteration once, whatever the number of threads, and again and again.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

#include "ir/thread_pool.h"

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
    ir::ThreadPool pool(threads);
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

TEST_CASE("thread pool: for_each calls what it is given, and loops of any length follow each other") {
  ir::ThreadPool pool(3);
  for (const size_t count : {0U, 1U, 2U, 100U, 2U, 7U}) {
    std::vector<int> times(count, 0);
    pool.for_each(count, [&](size_t i) { ++times[i]; });
    for (const int one : times) CHECK(one == 1);
  }
}

TEST_CASE("thread pool: the caller sleeps while others finish what they have begun") {
  ir::ThreadPool pool(2);
  std::atomic<int> begun = 0;
  const double before = process_seconds();
  pool.for_each(2, [&](size_t i) {
    ++begun;
    while (begun < 2) std::this_thread::yield();  // each on a thread of its own
    if (i == 1) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  });
  CHECK(process_seconds() - before < 0.1);
}

TEST_CASE("thread pool: threads that wait use no processor time") {
  ir::ThreadPool pool(4);
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
    ir::ThreadPool pool(8);
  }
  ir::ThreadPool least(-3);
  CHECK(least.threads() == 1);
  Counts counts;
  counts.times.assign(5, 0);
  least.run(count_one, &counts, 5);
  least.run(count_one, &counts, 0);
  for (const int64_t times : counts.times) CHECK(times == 1);
  CHECK(ir::default_threads() >= 1);
}

}  // namespace gradc
