#include "runtime/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ir/ensure.h"
#include "ir/fault.h"
#include "runtime/state.h"

namespace gradc::runtime {

ir::Result<Dataset> Dataset::resident(ResidentRows rows, const Layout& step, uint64_t seed, bool padded) {
  Dataset data;
  data.slots_ = step.data;
  data.block_bytes_ = step.data_bytes;
  data.seed_ = seed;
  for (const Slot& slot : step.data) {
    if (slot.name == kLiveRows) continue;
    ENSURE(slot.type.rank() >= 1, "a data argument has no batch axis");
    data.batch_ = slot.type.shape[0];
  }
  if (rows.rows < 1) return ir::Error{fmt::format("data `{}` has no rows", rows.name)};
  if (rows.rows % data.batch_ != 0 && !padded && find_slot(step.data, kLiveRows) == nullptr) {
    return ir::Error{fmt::format("batch {} does not divide the {} rows of data `{}`; choose one that does", data.batch_,
                                 rows.rows, rows.name)};
  }
  for (const Slot& slot : step.data) {
    size_t found = rows.columns.size();
    if (slot.name != kLiveRows) {
      ENSURE(slot.type.dtype == ir::DType::f32 && slot.type.shape[0] == data.batch_, "data argument " + slot.name);
      for (size_t k = 0; k < rows.columns.size(); ++k) {
        if (rows.columns[k].name == slot.name) found = k;
      }
      ENSURE(found < rows.columns.size(), "no column for the data argument " + slot.name);
      const ResidentColumn& column = rows.columns[found];
      ENSURE(column.type == without_batch(slot.type) && column.has_row(rows.first + (rows.rows - 1) * rows.step),
             "column " + column.name + " does not fit");
    }
    data.column_of_slot_.push_back(found);
  }
  // One batch that is the whole data, or rows that are all one: every step sees the same block.
  data.constant_ = rows.rows == data.batch_ && (!rows.shuffle || rows.rows == 1);
  data.rows_ = std::move(rows);
  data.order_rows(0);  // while the step is compiled, not before its first run
  return data;
}

ir::Result<Dataset> Dataset::drawn(Executor draw, Layout draw_layout, const Layout& step, uint64_t seed) {
  Dataset data;
  data.slots_ = step.data;
  data.block_bytes_ = step.data_bytes;
  data.seed_ = seed;
  data.draw_ = std::move(draw);
  data.draw_in_place_ = draw_layout.result_bytes <= step.data_bytes;
  for (const Slot& slot : step.data) {
    const Slot* column = find_slot(draw_layout.results, slot.name);
    ENSURE(column != nullptr && column->type == slot.type, "no column for the data argument " + slot.name);
    data.draw_in_place_ &= column->offset == slot.offset;
  }
  for (const Slot& slot : draw_layout.results) data.draw_checks_ |= ir::is_fault(slot.name);
  data.draw_layout_ = std::move(draw_layout);
  return data;
}

ir::Status Dataset::stage(uint64_t first, int64_t steps, std::byte* blocks) {
  if (draw_) return stage_drawn(first, steps, blocks);
  stage_resident(first, constant_ ? 1 : steps, blocks);
  return ir::success();
}

void Dataset::order_rows(uint64_t epoch) {
  if (!rows_.shuffle || (order_ && order_epoch_ == epoch)) return;
  order_.emplace(rows_.rows, seed_, epoch);
  order_epoch_ = epoch;
}

void Dataset::stage_resident(uint64_t first, int64_t steps, std::byte* blocks) {
  const auto steps_an_epoch = static_cast<uint64_t>((rows_.rows + batch_ - 1) / batch_);
  for (int64_t step = 0; step < steps; ++step) {
    const uint64_t number = first + static_cast<uint64_t>(step);
    const uint64_t epoch = number / steps_an_epoch;
    const auto begin = static_cast<int64_t>(number % steps_an_epoch) * batch_;
    order_rows(epoch);
    const int64_t live = std::min(batch_, rows_.rows - begin);
    const std::span<const int64_t> visited = order_ ? order_->rows(begin, live) : std::span<const int64_t>();
    for (size_t k = 0; k < slots_.size(); ++k) {
      auto* to = reinterpret_cast<float*>(blocks + step * block_bytes_ + slots_[k].offset);
      if (slots_[k].name == kLiveRows) {
        *to = static_cast<float>(live);
        continue;
      }
      const ResidentColumn& column = rows_.columns[column_of_slot_[k]];
      const int64_t elements = column.type.elements();
      for (int64_t sample = 0; sample < batch_; ++sample) {
        const int64_t place = sample < live ? sample : 0;
        const int64_t row = rows_.first + rows_.step * (order_ ? visited[static_cast<size_t>(place)] : begin + place);
        column.copy_row(row, to);
        to += elements;
      }
    }
  }
}

ir::Status Dataset::check_drawn(const StepBuffers& drawn, uint64_t first, int64_t steps) const {
  for (int64_t step = 0; draw_checks_ && step < steps; ++step) {
    std::optional<ir::Fault> fault = find_fault(draw_layout_, drawn.results + step * drawn.result_stride);
    if (!fault) continue;
    return ir::Error{fmt::format("in the data drawn for step {}", first + static_cast<uint64_t>(step) + 1),
                     std::move(fault)};
  }
  return ir::success();
}

ir::Status Dataset::stage_drawn(uint64_t first, int64_t steps, std::byte* blocks) {
  const int64_t key_stride = draw_layout_.hyper_bytes;
  AlignedBuffer keys(steps * key_stride);
  for (int64_t step = 0; step < steps; ++step) {
    const ir::Tensor key = random_key(seed_, first + static_cast<uint64_t>(step));
    for (const Slot& slot : draw_layout_.hyper) {
      ENSURE(slot.role == ir::Role::key, "formula data takes " + slot.name);
      std::memcpy(keys.data() + step * key_stride + slot.offset, key.bytes(), key.byte_count());
    }
  }
  StepBuffers buffers;
  buffers.hyper = keys.data();
  buffers.hyper_stride = key_stride;
  if (draw_in_place_) {
    buffers.results = blocks;
    buffers.result_stride = block_bytes_;
    if (ir::Status status = draw_(buffers, steps); !status) return status;
    return check_drawn(buffers, first, steps);
  }
  AlignedBuffer drawn(steps * draw_layout_.result_bytes);
  buffers.results = drawn.data();
  buffers.result_stride = draw_layout_.result_bytes;
  if (ir::Status status = draw_(buffers, steps); !status) return status;
  if (ir::Status status = check_drawn(buffers, first, steps); !status) return status;
  for (int64_t step = 0; step < steps; ++step) {
    for (const Slot& slot : slots_) {
      std::memcpy(blocks + step * block_bytes_ + slot.offset,
                  drawn.data() + step * draw_layout_.result_bytes + find_slot(draw_layout_.results, slot.name)->offset,
                  static_cast<size_t>(slot.type.bytes()));
    }
  }
  return ir::success();
}

}  // namespace gradc::runtime
