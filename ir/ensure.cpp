#include "ir/ensure.h"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

namespace gradc::ir {

namespace {
// The one mutable per-thread variable of the project: a crash report has no other way to learn what was going on.
thread_local EnsureContext* innermost = nullptr;
}  // namespace

EnsureContext::EnsureContext(std::string_view what, Describe describe, const void* subject)
    : what_(what), describe_(describe), subject_(subject), outer_(innermost) {
  innermost = this;
}

EnsureContext::~EnsureContext() { innermost = outer_; }

void ensure_failed(const char* file, int line, const char* condition, const std::string& message) {
  fmt::print(stderr, "gradc: internal error: {}\n  {}:{}: ENSURE({})\n", message, file, line, condition);
  for (EnsureContext* context = innermost; context != nullptr; context = context->outer_) {
    fmt::print(stderr, "in {}, given:\n{}\n", context->what_, context->describe_(context->subject_));
  }
  std::fflush(stderr);
  std::abort();
}

}  // namespace gradc::ir
