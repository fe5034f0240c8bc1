// Threads that wait for a loop whose iterations may run at the same time: the `parallel_for` of codegen/abi.h, and the
// compiler's own loops.
//
// Handing over is cheap: a waiting thread looks for work for a short while before it goes to sleep, and the caller
// never waits for a thread that has not begun: it does itself what nobody else has taken. Each thread begins with the
// share of the iterations that it had the last time (their memory is in its cache) and then takes from the others'.
// Tests: tests/unit/test_thread_pool.cpp.
#pragma once
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace gradc::ir {

class ThreadPool {
 public:
  using Body = void (*)(void* environment, int64_t index);

  // `threads` counts the caller; 0: default_threads(). The others start when a call of run has work for them, as
  // many as the system gives.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(shares_.size()); }

  // Calls body(environment, i) for 0 <= i < count and returns when all are done. By one thread at a time. The body
  // throws nothing.
  void run(Body body, void* environment, int64_t count);

  // Calls work(i) for 0 <= i < count, as run does.
  template <typename Work>
  void for_each(size_t count, const Work& work) {
    const auto call = [](void* environment, int64_t index) {
      (*static_cast<const Work*>(environment))(static_cast<size_t>(index));
    };
    run(call, const_cast<Work*>(&work), static_cast<int64_t>(count));
  }

  // `pool` is a ThreadPool.
  static void parallel_for(void* pool, Body body, void* environment, int64_t count) {
    static_cast<ThreadPool*>(pool)->run(body, environment, count);
  }

 private:
  // A thread's share of the iterations that nobody has taken yet. On a cache line of its own.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void wake_or_start(int64_t count);
  void work(size_t first_share);
  void wait_for_work(size_t number);

  std::vector<Share> shares_;
  Body body_ = nullptr;
  void* environment_ = nullptr;
  // The lower bits count the threads that are inside of the loop that runs; kOpen: others may enter it; the bits above
  // number the loops. What the loop is may be written only while it is closed and nobody is inside.
  alignas(64) std::atomic<uint32_t> gate_{0};
  std::atomic<bool> stopping_{false};
  size_t most_workers_;
  std::vector<std::thread> workers_;
};

// As many threads as this process may run on at once.
int default_threads();

}  // namespace gradc::ir
