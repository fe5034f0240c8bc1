#include "runtime/interrupt.h"

#include <pthread.h>

#include <ctime>

namespace gradc::runtime {
namespace {

sigset_t interrupt_set() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  return set;
}

// Takes a pending SIGINT away; false where there is none.
bool take_pending() {
  const sigset_t set = interrupt_set();
  const timespec no_wait = {};
  return sigtimedwait(&set, nullptr, &no_wait) == SIGINT;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  const sigset_t set = interrupt_set();
  pthread_sigmask(SIG_BLOCK, &set, &before_);
}

InterruptGuard::~InterruptGuard() {
  // One that came after the last question would otherwise kill the process while it saves.
  while (take_pending()) {
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool InterruptGuard::requested() {
  requested_ = requested_ || take_pending();
  return requested_;
}

}  // namespace gradc::runtime
