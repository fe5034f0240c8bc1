// The outcome of work that the outside world can make fail (file, disk, target): a value, or one clear sentence that
// names the thing. Debian 12 packages no std::expected-like library for C++20, hence this one.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace gradc::ir {

// A result of a function that says that a value of the program was wrong while it ran (ir/fault.h), and the value.
struct Fault {
  std::string result;
  float value = 0;
};

struct Error {
  std::string message;
  std::optional<Fault> fault{};  // where it is the program's own: its place is in the spec, `message` says when it was
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : outcome_(std::move(value)) {}
  Result(Error error) : outcome_(std::move(error)) {}
  bool ok() const { return outcome_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& operator*() { return std::get<0>(outcome_); }
  const T& operator*() const { return std::get<0>(outcome_); }
  T* operator->() { return &std::get<0>(outcome_); }
  const T* operator->() const { return &std::get<0>(outcome_); }
  const std::string& error() const { return std::get<1>(outcome_).message; }
  const Error& failure() const { return std::get<1>(outcome_); }
  Error take_error() { return std::move(std::get<1>(outcome_)); }

 private:
  std::variant<T, Error> outcome_;
};

using Status = Result<std::monostate>;
inline Status success() { return std::monostate{}; }

}  // namespace gradc::ir
