#include "codegen/workers.h"

#include <system_error>

namespace gradc::codegen {

size_t compile_threads(const Options& options) {
  if (options.compile_threads > 0) return static_cast<size_t>(options.compile_threads);
  return std::max(1U, std::thread::hardware_concurrency());
}

Workers::~Workers() {
  work_ = nullptr;
  ++round_;
  round_.notify_all();
  helpers_.clear();
}

void Workers::run(const std::function<void()>& work) {
  try {
    while (helpers_.size() + 1 < threads_) helpers_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {
    threads_ = helpers_.size() + 1;
  }
  work_ = &work;
  busy_ = static_cast<uint32_t>(helpers_.size());
  ++round_;
  round_.notify_all();
  work();
  for (uint32_t busy = busy_; busy > 0; busy = busy_) busy_.wait(busy);
}

void Workers::serve() {
  for (uint32_t seen = 0;;) {
    round_.wait(seen);
    seen = round_;
    if (work_ == nullptr) return;
    (*work_)();
    if (--busy_ == 0) busy_.notify_one();
  }
}

}  // namespace gradc::codegen
