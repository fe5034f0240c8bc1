#include "passes/assign_kernels.h"

#include <algorithm>
#include <set>

#include "ir/rewrite.h"
#include "ir/sum_order.h"
#include "passes/kernel_order.h"

namespace gradc::passes {

namespace {

using ir::Func;
using ir::Op;
using ir::Value;
using ir::ValueId;

constexpr size_t kMostStoresPerKernel = 8;

class Assignment {
 public:
  Assignment(Func& func, const std::vector<bool>& stored, const std::vector<bool>& required)
      : func_(func), stored_(stored), required_(required), reads_(func.size()), kernel_of_(func.size(), 0) {
    for (uint32_t i = 0; i < func_.size(); ++i)
      if (stored_[i]) reads_[i] = reads_of(func_, {i}, stored_);
    const auto parameters = ir::parameters_by_name(func_);
    replaced_by_.resize(func_.size());
    is_result_.resize(func_.size(), false);
    for (const ir::FuncResult& result : func_.results) {
      is_result_[result.value.index] = true;
      const auto found = parameters.find(result.name);
      if (found != parameters.end()) replaced_by_[result.value.index] = found->second;
    }
  }

  void run() {
    for (uint32_t i : kernel_order(func_, stored_, reads_, replaced_by_)) assign(i);
    drop_needless_stores();
    take_in_terms();
    int32_t next = 0;
    for (const KernelPlan& kernel : kernels_) {
      if (kernel.stores.empty()) continue;
      for (ValueId id : kernel.stores) func_[id].kernel = next;
      ++next;
    }
  }

 private:
  struct KernelPlan {
    std::vector<ValueId> stores;
    std::vector<Read> reads;
    std::vector<ValueId> sums;  // over the same rounds
    bool others = false;        // sums over other rounds
  };

  bool is_argument(ValueId id) const { return id.index < func_.parameter_count; }
  const ir::Shape& shape(ValueId id) const { return func_[id].type.shape; }

  static bool reads_pointwise(const KernelPlan& kernel, ValueId leaf) {
    return std::any_of(kernel.reads.begin(), kernel.reads.end(),
                       [&](const Read& read) { return read.leaf == leaf && read.pointwise; });
  }

  // The first kernel that `id` can stand in without a change of what it, or a kernel before, reads.
  size_t earliest(ValueId id) const {
    size_t earliest = 0;
    for (const Read& read : reads_[id.index]) {
      if (is_argument(read.leaf)) continue;
      const bool same_index = read.pointwise && shape(read.leaf) == shape(id);
      earliest = std::max(earliest, kernel_of_[read.leaf.index] + (same_index ? 0 : 1));
    }
    // A new value may overwrite its argument once nobody else needs the old one.
    if (const ValueId replaced = replaced_by_[id.index]; replaced.valid()) {
      for (size_t k = earliest; k < kernels_.size(); ++k) {
        for (const Read& read : kernels_[k].reads) {
          if (read.leaf == replaced) earliest = k + (read.pointwise ? 0 : 1);
        }
      }
    }
    return earliest;
  }

  bool shares_index(const KernelPlan& kernel, ValueId id) const {
    const bool same_shape = std::any_of(kernel.stores.begin(), kernel.stores.end(),
                                        [&](ValueId store) { return shape(store) == shape(id); });
    const std::vector<Read>& reads = reads_[id.index];
    return same_shape && std::any_of(reads.begin(), reads.end(), [&](const Read& read) {
             const bool is_member =
                 std::find(kernel.stores.begin(), kernel.stores.end(), read.leaf) != kernel.stores.end();
             return read.pointwise && shape(read.leaf) == shape(id) &&
                    (is_member || reads_pointwise(kernel, read.leaf));
           });
  }

  // The sums that `id` is computed of inside its kernel, each once.
  std::vector<ValueId> sums_in(ValueId id) const {
    std::vector<ValueId> sums, pending{id};
    std::set<ValueId> seen{id};
    while (!pending.empty()) {
      const ValueId next = pending.back();
      const Value& value = func_[next];
      pending.pop_back();
      if (ir::op_info(value.op).has(ir::kReduction)) sums.push_back(next);
      for (ValueId operand : value.operands)
        if (!is_argument(operand) && !stored_[operand.index] && seen.insert(operand).second) pending.push_back(operand);
    }
    return sums;
  }

  // How many sums a kernel with these has for each element of the shape that all of theirs begin with; 0 where they
  // begin differently.
  size_t joint_sums(const std::vector<ValueId>& sums) const {
    const ir::Shape* prefix = &shape(sums[0]);
    int64_t elements = 0;
    for (ValueId sum : sums) {
      if (func_[sum].type.elements() < ir::Type{{}, *prefix}.elements()) prefix = &shape(sum);
      elements += func_[sum].type.elements();
    }
    for (ValueId sum : sums)
      if (!ir::begins_with(shape(sum), *prefix)) return 0;
    const int64_t points = ir::Type{{}, *prefix}.elements();
    // What has many elements is not made to run over one.
    const bool one = points == 1 && elements > static_cast<int64_t>(sums.size());
    return one ? 0 : static_cast<size_t>(elements / points);
  }

  bool joins_sums(const KernelPlan& kernel, ValueId id, const std::vector<ValueId>& sums) const {
    if (kernel.sums.empty() || kernel.others || sums.size() != 1) return false;
    if (!ir::same_rounds(func_, func_[kernel.sums[0]], func_[sums[0]])) return false;
    std::vector<ValueId> all = kernel.sums;
    all.push_back(sums[0]);
    const size_t count = joint_sums(all);
    if (count == 0 || count > ir::kMostJointSums) return false;
    const std::vector<Read>& reads = reads_[id.index];
    return std::any_of(reads.begin(), reads.end(), [&](const Read& read) {
      return func_[read.leaf].type.elements() > 1 &&
             std::any_of(kernel.reads.begin(), kernel.reads.end(),
                         [&](const Read& other) { return other.leaf == read.leaf; });
    });
  }

  void assign(uint32_t index) {
    const ValueId id{index};
    const std::vector<ValueId> sums = sums_in(id);
    size_t chosen = kernels_.size();
    for (size_t k = earliest(id); k < kernels_.size() && chosen == kernels_.size(); ++k) {
      const KernelPlan& kernel = kernels_[k];
      if (kernel.stores.size() >= kMostStoresPerKernel) continue;
      if (shares_index(kernel, id) || joins_sums(kernel, id, sums)) chosen = k;
    }
    if (chosen == kernels_.size()) kernels_.emplace_back();
    KernelPlan& kernel = kernels_[chosen];
    kernel.stores.push_back(id);
    kernel.reads.insert(kernel.reads.end(), reads_[index].begin(), reads_[index].end());
    for (ValueId sum : sums) {
      const ValueId first = kernel.sums.empty() ? sum : kernel.sums[0];
      kernel.others = kernel.others || !ir::same_rounds(func_, func_[first], func_[sum]);
      kernel.sums.push_back(sum);
    }
    kernel_of_[index] = chosen;
  }

  // Whether `sum` takes each element of its operand `value` once for an element of the shape that the sums begin with.
  bool takes_each_once(ValueId sum, ValueId value, const ir::Shape& prefix) const {
    const Value& user = func_[sum];
    const int64_t needed = ir::Type{{}, prefix}.elements() * ir::sum_shape(func_, user).terms();
    if (func_[value].type.elements() != needed) return false;
    if (user.op == Op::reduce) return true;
    if (user.operands.size() == 3 && user.operands[2] == value) return false;
    // The letters of `value` are those of the prefix and the reduced ones.
    const ir::Subscripts parts = ir::parse_subscripts(std::get<ir::ContractAttr>(user.attr).subscripts);
    for (size_t k = 0; k < 2; ++k) {
      if (user.operands[k] != value) continue;
      const std::string& letters = k == 0 ? parts.lhs : parts.rhs;
      for (size_t axis = 0, left = prefix.size(); axis < parts.result.size(); ++axis) {
        if (user.type.shape[axis] == 1) continue;
        const bool leads = left > 0;
        if (leads) --left;
        if (leads != (letters.find(parts.result[axis]) != std::string::npos)) return false;
      }
    }
    return true;
  }

  // Computed of single elements, with sums of one term at most.
  bool is_term(ValueId id) const {
    std::vector<ValueId> pending{id};
    std::set<ValueId> seen{id};
    while (!pending.empty()) {
      const Value& value = func_[pending.back()];
      pending.pop_back();
      const ir::OpInfo& info = ir::op_info(value.op);
      const bool one_term = value.op == Op::contract && ir::sum_shape(func_, value).terms() == 1;
      const bool moves = value.op == Op::broadcast || value.op == Op::permute || info.has(ir::kLeaf);
      if (!info.has(ir::kElementwise) && !one_term && !moves) return false;
      for (ValueId operand : value.operands)
        if (!is_argument(operand) && !stored_[operand.index] && seen.insert(operand).second) pending.push_back(operand);
    }
    return true;
  }

  // What only joint sums read, each element once, is computed there as their term, where that saves a whole kernel.
  void take_in_terms() {
    for (uint32_t i = static_cast<uint32_t>(func_.parameter_count); i < func_.size(); ++i) {
      if (!stored_[i] || is_result_[i] || kernels_[kernel_of_[i]].stores.size() > 1 || !is_term({i})) continue;
      size_t reader = kernels_.size();
      bool one_reader = true;
      for (size_t k = 0; k < kernels_.size(); ++k) {
        for (const Read& read : kernels_[k].reads) {
          if (read.leaf != ValueId{i}) continue;
          one_reader = one_reader && (reader == kernels_.size() || reader == k);
          reader = k;
        }
      }
      if (!one_reader || reader == kernels_.size() || reader == kernel_of_[i]) continue;
      if (can_take_in({i}, reader)) take_in({i}, kernels_[reader]);
    }
  }

  bool can_take_in(ValueId id, size_t reader) const {
    const KernelPlan& kernel = kernels_[reader];
    if (kernel.others || kernel.sums.size() < 2) return false;
    ir::Shape prefix = shape(*std::min_element(kernel.sums.begin(), kernel.sums.end(), [&](ValueId a, ValueId b) {
      return func_[a].type.elements() < func_[b].type.elements();
    }));
    std::erase(prefix, 1);
    // Reached as an operand of the sums and in no other way.
    std::vector<ValueId> pending = kernel.stores;
    std::set<ValueId> seen(pending.begin(), pending.end());
    while (!pending.empty()) {
      const ValueId next = pending.back();
      pending.pop_back();
      const bool is_sum = std::find(kernel.sums.begin(), kernel.sums.end(), next) != kernel.sums.end();
      for (ValueId operand : func_[next].operands) {
        if (operand == id && !(is_sum && takes_each_once(next, id, prefix))) return false;
        if (!is_argument(operand) && !stored_[operand.index] && seen.insert(operand).second) pending.push_back(operand);
      }
    }
    // No kernel in between overwrites what it reads.
    for (const Read& read : reads_[id.index])
      for (size_t k = 0; k <= reader; ++k)
        for (ValueId store : kernels_[k].stores)
          if (replaced_by_[store.index].valid() && replaced_by_[store.index] == read.leaf) return false;
    return true;
  }

  void take_in(ValueId id, KernelPlan& kernel) {
    std::erase(kernels_[kernel_of_[id.index]].stores, id);
    stored_[id.index] = false;
    std::erase_if(kernel.reads, [&](const Read& read) { return read.leaf == id; });
    for (const Read& read : reads_[id.index]) kernel.reads.push_back({read.leaf, false});
  }

  void drop_needless_stores() {
    for (uint32_t i = static_cast<uint32_t>(func_.parameter_count); i < func_.size(); ++i) {
      if (!stored_[i] || required_[i]) continue;
      KernelPlan& kernel = kernels_[kernel_of_[i]];
      bool only_here = kernel.stores.size() > 1;
      for (size_t k = 0; only_here && k < kernels_.size(); ++k) {
        for (const Read& read : kernels_[k].reads) {
          if (read.leaf == ValueId{i} && (k != kernel_of_[i] || !read.pointwise)) only_here = false;
        }
      }
      if (!only_here) continue;
      stored_[i] = false;
      std::erase(kernel.stores, ValueId{i});
    }
    for (uint32_t i = 0; i < func_.size(); ++i)
      reads_[i] = stored_[i] ? reads_of(func_, {i}, stored_) : std::vector<Read>{};
  }

  Func& func_;
  std::vector<bool> stored_;    // has a kernel
  std::vector<bool> required_;  // must keep it, but for terms of joint sums
  std::vector<std::vector<Read>> reads_;
  std::vector<ValueId> replaced_by_;  // the argument that a value becomes the new value of
  std::vector<bool> is_result_;
  std::vector<KernelPlan> kernels_;
  std::vector<size_t> kernel_of_;
};

}  // namespace

void assign_kernels(ir::Func& func, const std::vector<bool>& stored, const std::vector<bool>& required) {
  Assignment(func, stored, required).run();
}

}  // namespace gradc::passes
