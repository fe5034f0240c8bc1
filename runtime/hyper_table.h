// The run-time scalars of a step, computed in double by the spec's own formulas (func @RUN.hyper) and rounded once: one
// row for all steps where nothing depends on the step's number, else one row a step. A `key` argument of the step gets
// (seed low word, seed high word, step) in its row.
// Tests: tests/unit/test_trainer.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "ir/result.h"
#include "runtime/layout.h"

namespace gradc::runtime {

using NamedNumbers = std::vector<std::pair<std::string, double>>;

class HyperTable {
 public:
  // `hyper` may be null where the step takes no hyper arguments; `settings` are its arguments by name, apart from `t`.
  static ir::Result<HyperTable> make(const ir::Func* hyper, const NamedNumbers& settings, const Layout& step,
                                     uint64_t seed);
  bool varies() const { return varies_; }
  int64_t stride() const { return varies_ ? row_bytes_ : 0; }
  int64_t row_bytes() const { return row_bytes_; }
  // The rows of the steps first, first + 1, ... (counted from 0; the spec's t is one more), or the one row.
  ir::Status fill(uint64_t first, int64_t steps, std::byte* rows) const;

 private:
  std::optional<ir::Func> hyper_;
  std::vector<double> settings_;  // by argument of hyper_
  std::vector<Slot> slots_;
  uint64_t seed_ = 0;
  int64_t row_bytes_ = 0;
  bool varies_ = false;
};

}  // namespace gradc::runtime
