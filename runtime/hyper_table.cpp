#include "runtime/hyper_table.h"

#include <fmt/format.h>

#include <cstring>

#include "ir/ensure.h"
#include "ir/eval.h"
#include "runtime/state.h"

namespace gradc::runtime {
namespace {

constexpr std::string_view kStepNumber = "t";
// Rows that the interpreter computes in one go.
constexpr int64_t kRowsAtOnce = 4096;

// Whether each value depends on the argument `t`.
std::vector<bool> find_dependence(const ir::Func& func) {
  std::vector<bool> depends(func.size(), false);
  for (size_t k = 0; k < func.size(); ++k) {
    depends[k] = k < func.parameter_count && func.values[k].name == kStepNumber;
    for (const ir::ValueId operand : func.values[k].operands) depends[k] = depends[k] || depends[operand.index];
  }
  return depends;
}

// The same scalar function for `rows` steps at a time: every value becomes a vector. Elementwise operations and leaves
// only.
ir::Func for_rows(const ir::Func& func, int64_t rows) {
  ir::Func wide = func;
  for (ir::Value& value : wide.values) {
    ENSURE(value.type.is_scalar() && (ir::op_info(value.op).has(ir::kElementwise) || value.op == ir::Op::parameter ||
                                      value.op == ir::Op::constant),
           "@" + func.name + " is not a function of scalars");
    value.type.shape = {rows};
  }
  return wide;
}

}  // namespace

ir::Result<HyperTable> HyperTable::make(const ir::Func* hyper, const NamedNumbers& settings, const Layout& step,
                                        uint64_t seed) {
  HyperTable table;
  table.slots_ = step.hyper;
  table.row_bytes_ = step.hyper_bytes;
  table.seed_ = seed;
  for (const Slot& slot : step.hyper) table.varies_ |= slot.role == ir::Role::key;
  if (hyper == nullptr) return table;
  table.hyper_ = *hyper;
  for (size_t k = 0; k < hyper->parameter_count; ++k) {
    double value = 0;
    bool found = hyper->values[k].name == kStepNumber;
    for (const auto& [name, number] : settings) {
      if (name != hyper->values[k].name) continue;
      value = number;
      found = true;
    }
    ENSURE(found, "no value for %" + hyper->values[k].name + " of @" + hyper->name);
    table.settings_.push_back(value);
  }
  const std::vector<bool> depends = find_dependence(*hyper);
  for (const ir::FuncResult& result : hyper->results) {
    if (find_slot(step.hyper, result.name) != nullptr) table.varies_ |= depends[result.value.index];
  }
  return table;
}

ir::Status HyperTable::fill(uint64_t first, int64_t steps, std::byte* rows) const {
  const int64_t count = varies_ ? steps : 1;
  for (int64_t begin = 0; begin < count; begin += kRowsAtOnce) {
    const int64_t block = std::min(kRowsAtOnce, count - begin);
    std::byte* block_rows = rows + begin * row_bytes_;
    std::vector<ir::Tensor> values;
    if (hyper_) {
      const ir::Func wide = for_rows(*hyper_, block);
      std::vector<ir::Tensor> arguments;
      for (size_t k = 0; k < wide.parameter_count; ++k) {
        arguments.emplace_back(wide.values[k].type);
        const bool is_step = wide.values[k].name == kStepNumber;
        for (int64_t row = 0; row < block; ++row) {
          const auto number = static_cast<double>(first + static_cast<uint64_t>(begin + row) + 1);
          arguments.back().set(row, is_step ? number : settings_[k]);
        }
      }
      ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(wide, arguments);
      if (!results) return results.take_error();
      values = std::move(*results);
    }
    for (const Slot& slot : slots_) {
      if (slot.role == ir::Role::key) {
        for (int64_t row = 0; row < block; ++row) {
          const ir::Tensor key = random_key(seed_, first + static_cast<uint64_t>(begin + row));
          std::memcpy(block_rows + row * row_bytes_ + slot.offset, key.bytes(), key.byte_count());
        }
        continue;
      }
      const ir::FuncResult* result = hyper_ ? hyper_->find_result(slot.name) : nullptr;
      ENSURE(result != nullptr && slot.type.is_scalar(), "no value for the run-time scalar " + slot.name);
      const ir::Tensor& column = values[static_cast<size_t>(result - hyper_->results.data())];
      const auto bytes = static_cast<size_t>(ir::dtype_bytes(slot.type.dtype));
      for (int64_t row = 0; row < block; ++row) {
        std::memcpy(block_rows + row * row_bytes_ + slot.offset, column.bytes() + static_cast<size_t>(row) * bytes,
                    bytes);
      }
    }
  }
  return ir::success();
}

}  // namespace gradc::runtime
