// ENSURE: a check of our own invariants, always compiled in. A failure is our fault, never the user's: it prints where
// and what, and aborts. The pass runner registers the pass and the IR it was given as context.
#pragma once
#include <string>
#include <string_view>

namespace gradc::ir {

[[noreturn]] void ensure_failed(const char* file, int line, const char* condition, const std::string& message);

// While it lives, a failed ENSURE also prints `text()`.
class EnsureContext {
 public:
  using Describe = std::string (*)(const void* subject);
  EnsureContext(std::string_view what, Describe describe, const void* subject);
  ~EnsureContext();
  EnsureContext(const EnsureContext&) = delete;
  EnsureContext& operator=(const EnsureContext&) = delete;

 private:
  friend void ensure_failed(const char*, int, const char*, const std::string&);
  std::string_view what_;
  Describe describe_;
  const void* subject_;
  EnsureContext* outer_;
};

}  // namespace gradc::ir

#define ENSURE(condition, message) \
  ((condition) ? void(0) : ::gradc::ir::ensure_failed(__FILE__, __LINE__, #condition, (message)))
