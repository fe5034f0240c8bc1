// The data of a run, staged in the layout that the step wants: one block a step, its columns at the offsets of the
// plan.
//
// Rows of literals and files are resident. Every epoch visits each row once, in an order that Philox draws from seed
// and epoch (`shuffle false` keeps their order); batches do not cross epochs. Where the last one of an epoch is not
// full, its dead samples repeat its first row, and the step's argument `batch.live` holds the number of the others.
// Formula data is drawn afresh for each step by @RUN.data. Either way a step's block is a function of seed and step
// alone. Tests: tests/unit/test_dataset.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/result.h"
#include "ir/type.h"
#include "runtime/aligned_buffer.h"
#include "runtime/executor.h"
#include "runtime/layout.h"
#include "runtime/resident_column.h"
#include "runtime/row_order.h"

namespace gradc::runtime {

// The rows first, first + step, ... of the columns.
struct ResidentRows {
  std::string name;  // of the data, for messages
  int64_t rows = 0;
  std::vector<ResidentColumn> columns;
  bool shuffle = true;
  int64_t first = 0;
  int64_t step = 1;
};

inline constexpr const char* kLiveRows = "batch.live";

class Dataset {
 public:
  // The data arguments of the step are wired to the columns by name (ENSURE: each has one, of its type after the batch
  // axis). An error where there are no rows, or the batch does not divide them and neither `batch.live` is among the
  // arguments nor `padded` says that the caller knows which samples count.
  static ir::Result<Dataset> resident(ResidentRows rows, const Layout& step, uint64_t seed, bool padded = false);
  // `draw` runs the planned @RUN.data, whose layout is `draw_layout`: its key comes from the hyper space, its results
  // are the columns.
  static ir::Result<Dataset> drawn(Executor draw, Layout draw_layout, const Layout& step, uint64_t seed);

  // Bytes from one step's block to the next; 0 where all steps see the same block.
  int64_t stride() const { return constant_ ? 0 : block_bytes_; }
  int64_t block_bytes() const { return block_bytes_; }
  int64_t batch() const { return batch_; }
  int64_t rows() const { return rows_.rows; }
  // The blocks of steps first, first + 1, ... (counted from 0), or the one block.
  ir::Status stage(uint64_t first, int64_t steps, std::byte* blocks);

 private:
  ir::Status stage_drawn(uint64_t first, int64_t steps, std::byte* blocks);
  ir::Status check_drawn(const StepBuffers& drawn, uint64_t first, int64_t steps) const;
  void order_rows(uint64_t epoch);
  void stage_resident(uint64_t first, int64_t steps, std::byte* blocks);

  std::vector<Slot> slots_;
  int64_t block_bytes_ = 0;
  uint64_t seed_ = 0;
  int64_t batch_ = 1;
  bool constant_ = false;

  ResidentRows rows_;
  std::vector<size_t> column_of_slot_;
  std::optional<RowOrder> order_;  // of order_epoch_; nothing where rows keep their order
  uint64_t order_epoch_ = 0;

  Executor draw_;
  Layout draw_layout_;
  bool draw_in_place_ = false;  // the results of `draw` already have the step's layout
  bool draw_checks_ = false;    // and some are faults
};

}  // namespace gradc::runtime
