// Ctrl-C during training: held back while a guard lives and asked for between chunks, so that the run can stop in order
// and save. No handler, hence no global state: the signal is blocked and seen as pending.
#pragma once
#include <csignal>

namespace gradc::runtime {

class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  // Whether Ctrl-C has been pressed; stays true.
  bool requested();

 private:
  sigset_t before_ = {};
  bool requested_ = false;
};

}  // namespace gradc::runtime
