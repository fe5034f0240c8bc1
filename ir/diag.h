// The user's mistakes: a sink of messages with places, carets, notes. Several are reported per run.
//
//   adder.grad:7:24: error: index `i` ranges over two different sizes
//     7 |   let y[o] = bias[o] + sum[i] weight[o, i] * x[i]
//       |                                         ^ here `i` is axis 1 of `weight`: 3
//     help: did you mean `weight: f32[out, in]`?
//
// Tests: tests/golden/errors.
#pragma once
#include <string>
#include <vector>

#include "ir/source.h"

namespace gradc::ir {

enum class Severity { error, warning };

// A further place that takes part, with the words that stand behind its caret.
struct Label {
  SourceLocation location;
  std::string text;
};

struct Diagnostic {
  Severity severity = Severity::error;
  std::string message;
  SourceLocation location;    // the headline's place
  std::vector<Label> labels;  // shown with carets; when empty, `location` is shown with a bare caret
  std::vector<std::string> notes;
  std::vector<std::string> helps;

  Diagnostic& label(SourceLocation place, std::string text = {});
  Diagnostic& note(std::string text);
  Diagnostic& help(std::string text);
};

class Diagnostics {
 public:
  explicit Diagnostics(const Sources& sources) : sources_(sources) {}
  // The reference stays valid until the next call.
  Diagnostic& error(SourceLocation location, std::string message);
  Diagnostic& warning(SourceLocation location, std::string message);
  Diagnostic& add(Diagnostic diagnostic);
  bool has_errors() const { return error_count_ > 0; }
  size_t error_count() const { return error_count_; }
  bool empty() const { return all_.empty(); }
  // All messages in the order of their places (file, line, column), identical ones once; at most `most` errors, then a
  // line that counts the rest.
  std::string render(size_t most = 20) const;

 private:
  const Sources& sources_;
  std::vector<Diagnostic> all_;
  size_t error_count_ = 0;
};

// The candidate nearest to `word` in edit distance (at most a third of its length, at least 1), or "".
std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace gradc::ir
