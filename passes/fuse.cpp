// Decides which values are stored; everything else is computed inside the kernels that use it. Then assign_kernels.h
// groups the stored values. Sets Value::kernel.
//
// Stored are: results; what a contract or a scatter_add reads and what a gather looks up in (the operands, behind
// movements); the operand of a reshape that changes more than extents of 1, unless that reshape belongs to one
// elementwise chain whose kernel can run over the axes of both shapes; sums that anything but one elementwise chain
// uses; and values used more than once, or repeated by a broadcast, a window, a gather or a fold, that cost more than
// they are worth computing again.
//
#include <algorithm>
#include <map>
#include <optional>

#include "ir/ensure.h"
#include "ir/rewrite.h"
#include "passes/assign_kernels.h"
#include "passes/passes.h"
#include "passes/reads.h"

namespace gradc::passes {

namespace {

using ir::Func;
using ir::Op;
using ir::Value;
using ir::ValueId;

// About how many additions one element costs.
constexpr int kDear = 8;
constexpr int kRecomputeTensor = 1;  // at most this much is computed again rather than stored
constexpr int kRecomputeScalar = 4;
constexpr int kRecomputeIndices = 8;  // of what reads nothing

int weight(Op op) {
  const ir::OpInfo& info = ir::op_info(op);
  if (info.has(ir::kLeaf) || info.has(ir::kMovement) || op == Op::cast || op == Op::stop_gradient) return 0;
  const bool dear = info.has(ir::kFunction) || op == Op::div || op == Op::sqrt || op == Op::random;
  return dear ? kDear : 1;
}

bool is_sum(const Value& value) {
  return ir::op_info(value.op).has(ir::kReduction) || ir::op_info(value.op).has(ir::kAccumulation);
}

// Uses each element of its operand once. With a longer stride the kernel tries offsets that have no window.
bool folds_each_once(const Value& value) {
  const ir::FoldAttr* fold = std::get_if<ir::FoldAttr>(&value.attr);
  return fold != nullptr &&
         std::all_of(fold->stride.begin(), fold->stride.end(), [](int64_t stride) { return stride == 1; });
}

// Every result gets a value of its own that a kernel can store (unless an argument is its own new value): a further
// result of the same value, an argument or a table handed out, becomes a copy.
Func separate_results(const Func& func) {
  Func out = func;
  ir::Builder builder(out);
  std::vector<bool> taken(out.size(), false);
  for (size_t i = 0; i < out.results.size(); ++i) {
    const ValueId id = out.results[i].value;
    const bool is_argument = id.index < out.parameter_count;
    if (is_argument && out[id].name == out.results[i].name) continue;
    if (is_argument || taken[id.index] || is_table(out[id])) {
      builder.at(out[id].location);
      out.results[i].value = builder.create(Op::stop_gradient, {id});
    } else {
      taken[id.index] = true;
    }
  }
  return out;
}

class Fusion {
 public:
  explicit Fusion(Func func)
      : func_(std::move(func)), stored_(func_.size(), false), required_(func_.size(), false), users_(func_.size()) {
    for (uint32_t i = 0; i < func_.size(); ++i) {
      for (ValueId operand : func_.values[i].operands) users_[operand.index].push_back({i});
    }
  }

  Func run() {
    require_results_and_operands();
    store_sums();
    store_dear_values();
    assign_kernels(func_, stored_, required_);
    return std::move(func_);
  }

 private:
  bool is_argument(ValueId id) const { return id.index < func_.parameter_count; }
  bool is_leaf(ValueId id) const { return is_argument(id) || stored_[id.index]; }

  void require(ValueId id) {
    if (is_argument(id)) return;
    stored_[id.index] = true;
    required_[id.index] = true;
  }

  // Behind the movements that a load can follow.
  ValueId base_of(ValueId id) const {
    while (!is_argument(id)) {
      const Value& value = func_[id];
      const bool follows = value.op == Op::broadcast || value.op == Op::permute || value.op == Op::slice ||
                           value.op == Op::window ||
                           (value.op == Op::reshape && is_unit_reshape(func_[value.operands[0]].type, value.type));
      if (!follows) break;
      id = value.operands[0];
    }
    return id;
  }

  // Computed from the index alone, or a table: nothing to store.
  bool is_free(ValueId id) const { return func_[id].op == Op::iota || func_[id].op == Op::constant; }

  void require_results_and_operands() {
    for (const ir::FuncResult& result : func_.results) require(result.value);
    for (uint32_t i = 0; i < func_.size(); ++i) {
      const Value& value = func_.values[i];
      // Both operands of a contraction are read again and again; so are those of scatter_add, and the table of gather
      // is read anywhere.
      const bool reads_both = value.op == Op::contract || value.op == Op::contract_fold || value.op == Op::scatter_add;
      const size_t read_often = reads_both ? 2 : value.op == Op::gather ? 1 : 0;
      for (size_t k = 0; k < read_often; ++k) {
        const ValueId base = base_of(value.operands[k]);
        if (!is_free(base)) require(base);
      }
      if (value.op == Op::reshape && !is_unit_reshape(func_[value.operands[0]].type, value.type)) {
        if (stays_inside({i})) continue;
        const ValueId base = base_of_alias(value.operands[0]);
        if (!is_table(func_[base])) require(base);
      }
    }
  }
  // Whether the operand of this reshape can be computed where the reshape is used: then the end of the chain that uses
  // it is stored in the operand's stead, by a kernel over axes that both shapes are made of.
  bool stays_inside(ValueId reshape) {
    const ValueId operand = func_[reshape].operands[0];
    if (is_leaf(operand) || users_[operand.index].size() != 1 || ends_in_sum(operand)) return false;
    ValueId end = reshape;
    while (!stored_[end.index] && users_[end.index].size() == 1 &&
           ir::op_info(func_[users_[end.index][0]].op).has(ir::kElementwise))
      end = users_[end.index][0];
    if (end == reshape) return false;
    const auto [axes, inserted] = axes_of_.try_emplace(end.index, func_[end].type.shape);
    const std::optional<ir::Shape> refined = ir::common_refinement(axes->second, func_[operand].type.shape);
    if (!refined) return false;
    axes->second = *refined;
    require(end);
    return true;
  }
  // A sum is better stored with the elementwise chain behind it than read by a kernel that looks for it.
  bool ends_in_sum(ValueId id) const {
    const Value& value = func_[id];
    if (is_sum(value)) return true;
    if (is_leaf(id) || !ir::op_info(value.op).has(ir::kElementwise)) return false;
    return std::any_of(value.operands.begin(), value.operands.end(),
                       [&](ValueId operand) { return users_[operand.index].size() == 1 && ends_in_sum(operand); });
  }

  // A reshape of an alias is an alias of the same memory.
  ValueId base_of_alias(ValueId id) const {
    while (!is_argument(id) && func_[id].op == Op::reshape && !required_[id.index]) id = func_[id].operands[0];
    return id;
  }

  // A sum may stay inside the one elementwise chain that uses it, up to the value that this chain ends in; a fold that
  // uses each element once may be part of the chain: then the terms of a transposed convolution are never stored.
  void store_sums() {
    std::vector<bool> reaches_store(func_.size(), false);  // through one elementwise chain
    for (uint32_t i = static_cast<uint32_t>(func_.size()); i-- > func_.parameter_count;) {
      const Value& value = func_.values[i];
      if (!stored_[i] && users_[i].size() == 1) {
        const ValueId user = users_[i][0];
        const bool as_init = func_[user].op == Op::contract && func_[user].operands.size() == 3 &&
                             func_[user].operands[2] == ValueId{i} && func_[user].operands[0] != ValueId{i} &&
                             func_[user].operands[1] != ValueId{i};
        const bool keeps_index =
            as_init || ir::op_info(func_[user].op).has(ir::kElementwise) || folds_each_once(func_[user]);
        reaches_store[i] = keeps_index && (stored_[user.index] || reaches_store[user.index]);
      }
      if (is_sum(value) && !stored_[i] && !reaches_store[i]) stored_[i] = true;
    }
  }

  void store_dear_values() {
    std::vector<int> cost(func_.size(), 0);
    std::vector<bool> reads_nothing(func_.size(), false);
    for (uint32_t i = static_cast<uint32_t>(func_.parameter_count); i < func_.size(); ++i) {
      const Value& value = func_.values[i];
      int sum = weight(value.op);
      reads_nothing[i] = value.op != Op::random && !is_table(value);
      for (ValueId operand : value.operands) {
        sum += cost[operand.index];
        reads_nothing[i] = reads_nothing[i] && reads_nothing[operand.index];
      }
      cost[i] = stored_[i] ? 0 : std::min(sum, 1 << 20);
      if (stored_[i] || users_[i].empty()) continue;
      const int limit = reads_nothing[i]             ? kRecomputeIndices
                        : value.type.elements() == 1 ? kRecomputeScalar
                                                     : kRecomputeTensor;
      const bool repeated = std::any_of(users_[i].begin(), users_[i].end(), [&](ValueId user) {
        const Value& use = func_[user];
        const bool spreads = use.op == Op::broadcast || use.op == Op::window || use.op == Op::gather;
        const bool tries = use.op == Op::fold && !folds_each_once(use);
        return tries || (spreads && use.type.elements() > value.type.elements());
      });
      if ((users_[i].size() > 1 || repeated) && cost[i] > limit) {
        stored_[i] = true;
        cost[i] = 0;
      }
    }
  }

  Func func_;
  std::vector<bool> stored_;    // has a kernel
  std::vector<bool> required_;  // must keep it
  std::vector<std::vector<ValueId>> users_;
  std::map<uint32_t, ir::Shape> axes_of_;  // of the kernel of a stored value with a reshape inside
};

}  // namespace

ir::Func fuse(const ir::Func& func) {
  // Storage and kernels of an earlier fusion don't count.
  return Fusion(separate_results(dce(func))).run();
}

}  // namespace gradc::passes
