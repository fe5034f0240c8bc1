#include "ir/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>

namespace gradc::ir {
namespace {

constexpr uint32_t kOpen = 1U << 12;  // so at most 4095 threads are inside
constexpr uint32_t kInside = kOpen - 1;
constexpr uint32_t kLoop = kOpen << 1;
constexpr int kMostThreads = 1024;
// A waiting thread looks for work as long as a step's kernels that one thread runs may take, then it sleeps.
constexpr auto kSpin = std::chrono::microseconds(50);

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

int default_threads() { return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMostThreads); }

ThreadPool::ThreadPool(int threads)
    : shares_(static_cast<size_t>(std::clamp(threads == 0 ? default_threads() : threads, 1, kMostThreads))),
      most_workers_(shares_.size() - 1) {}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  gate_.fetch_add(kLoop);
  gate_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(Body body, void* environment, int64_t count) {
  if (shares_.size() == 1 || count <= 1) {
    for (int64_t i = 0; i < count; ++i) body(environment, i);
    return;
  }
  body_ = body;
  environment_ = environment;
  const auto threads = static_cast<int64_t>(shares_.size());
  for (int64_t t = 0; t < threads; ++t) {
    Share& share = shares_[static_cast<size_t>(t)];
    share.next.store(count * t / threads, std::memory_order_relaxed);
    share.end = count * (t + 1) / threads;
  }
  // Nobody is inside and the gate is shut, so this is the only writer.
  gate_.store((gate_.load(std::memory_order_relaxed) + kLoop) | kOpen, std::memory_order_release);
  wake_or_start(count);
  work(0);
  uint32_t gate = gate_.fetch_and(~kOpen, std::memory_order_acquire) & ~kOpen;
  // Everything has been taken; what is still being done takes as long as one iteration, unless a thread has lost its
  // processor.
  for (int spins = 1; (gate & kInside) != 0; ++spins) {
    if (spins > 4096) {
      gate_.wait(gate, std::memory_order_acquire);
    } else {
      pause();
    }
    gate = gate_.load(std::memory_order_acquire);
  }
}

void ThreadPool::wake_or_start(int64_t count) {
  if (!workers_.empty()) gate_.notify_all();
  const size_t useful = std::min(most_workers_, static_cast<size_t>(count - 1));
  try {
    while (workers_.size() < useful) {
      workers_.emplace_back([this, number = workers_.size() + 1] { wait_for_work(number); });
    }
  } catch (const std::system_error&) {
    most_workers_ = workers_.size();  // the others' shares are taken by those that there are
  }
}

void ThreadPool::work(size_t first_share) {
  for (size_t k = 0; k < shares_.size(); ++k) {
    Share& share = shares_[(first_share + k) % shares_.size()];
    while (share.next.load(std::memory_order_relaxed) < share.end) {
      const int64_t index = share.next.fetch_add(1, std::memory_order_relaxed);
      if (index < share.end) body_(environment_, index);
    }
  }
}

void ThreadPool::wait_for_work(size_t number) {
  uint32_t done = 0;  // the number of the loop that this thread was in last, in the bits of the gate
  while (true) {
    uint32_t seen = gate_.load(std::memory_order_acquire);
    const auto has_work = [&] { return (seen & kOpen) != 0 && (seen & ~(kOpen | kInside)) != done; };
    const auto start = std::chrono::steady_clock::now();
    for (int spins = 1; !has_work() && !stopping_.load(std::memory_order_relaxed); ++spins) {
      if (spins % 64 == 0 && std::chrono::steady_clock::now() - start > kSpin) gate_.wait(seen);
      pause();
      seen = gate_.load(std::memory_order_acquire);
    }
    if (stopping_.load(std::memory_order_relaxed)) return;
    if (!gate_.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire)) continue;
    done = seen & ~(kOpen | kInside);
    work(number);
    const uint32_t left = gate_.fetch_sub(1, std::memory_order_release) - 1;
    if ((left & (kOpen | kInside)) == 0) gate_.notify_all();  // the caller may have gone to sleep
  }
}

}  // namespace gradc::ir
