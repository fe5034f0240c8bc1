// The outcome of work that the outside world can make fail (file, disk, target): a value, or one clear sentence that
// names the thing. Debian 12 packages no std::expected-like library for C++20, hence this one.
#pragma once
#include <string>
#include <utility>
#include <variant>

namespace gradc::ir {

struct Error {
  std::string message;
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
  Error take_error() { return std::move(std::get<1>(outcome_)); }

 private:
  std::variant<T, Error> outcome_;
};

using Status = Result<std::monostate>;
inline Status success() { return std::monostate{}; }

}  // namespace gradc::ir
