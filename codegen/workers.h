// Threads that the compiler deals its work out to; what comes out does not depend on how many there are. They live as
// long as this object, since a batch of estimates takes no longer than making a thread does.
#pragma once
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "codegen/codegen.h"

namespace gradc::codegen {

// What the options ask for: at least 1.
size_t compile_threads(const Options& options);

class Workers {
 public:
  // `threads` counts the one that calls; the others are made when they are first needed, as many as the system gives.
  explicit Workers(size_t threads) : threads_(threads) {}
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();

  // Runs work() on every thread, and waits for all of them.
  void run(const std::function<void()>& work);

  // Runs work(0), ..., work(count - 1), each once.
  template <typename Work>
  void for_each(size_t count, const Work& work) {
    std::atomic<size_t> next = 0;
    const auto some = [&] {
      for (size_t i = next++; i < count; i = next++) work(i);
    };
    if (count < 2) return some();
    run(some);
  }

 private:
  void serve();

  size_t threads_;
  std::vector<std::jthread> helpers_;
  const std::function<void()>* work_ = nullptr;  // none: they are to end
  std::atomic<uint32_t> round_ = 0;
  std::atomic<uint32_t> busy_ = 0;  // helpers that have not finished this round
};

}  // namespace gradc::codegen
