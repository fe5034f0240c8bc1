// Gives every argument and every stored value an address.
//   state   arguments of role parameter and state, 64-byte aligned, in their order
//   data    arguments of role data and input      hyper   scalars and the key, packed
//   result  results that are no new value of an argument
//   arena   everything else; two values share bytes where no kernel needs both
// A function that has not been fused is left as it is.
//
// The new value of an argument takes the argument's place where nobody reads the old one any more; otherwise it waits
// in the arena and a last kernel copies it.
#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>

#include "ir/builder.h"
#include "ir/ensure.h"
#include "passes/passes.h"
#include "passes/reads.h"

namespace gradc::passes {

namespace {

using ir::Func;
using ir::Op;
using ir::Space;
using ir::Value;
using ir::ValueId;

constexpr int64_t kAlignment = 64;
int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Hands out addresses of one space in order: tensors aligned, scalars packed behind each other.
class Region {
 public:
  explicit Region(Space space) : space_(space) {}
  ir::Storage take(const ir::Type& type, bool packed = false) {
    const int64_t alignment = type.elements() > 1 && !packed ? kAlignment : ir::dtype_bytes(type.dtype);
    end_ = (end_ + alignment - 1) / alignment * alignment;
    const ir::Storage storage{space_, end_};
    end_ += type.bytes();
    return storage;
  }

 private:
  Space space_;
  int64_t end_ = 0;
};

struct Interval {
  ValueId id;
  int32_t first = 0, last = 0;  // kernels, both inclusive
};

class MemoryPlan {
 public:
  explicit MemoryPlan(const Func& func) : func_(func) {}

  Func run() {
    find_reads();
    place_arguments();
    place_results();
    place_arena();
    alias_reshapes();
    return std::move(func_);
  }

 private:
  void find_reads() {
    std::vector<bool> stored(func_.size());
    for (size_t i = 0; i < func_.size(); ++i) stored[i] = func_.values[i].kernel >= 0;
    last_read_.assign(func_.size(), -1);
    for (uint32_t i = 0; i < func_.size(); ++i) {
      const int32_t kernel = func_.values[i].kernel;
      if (kernel < 0) continue;
      last_kernel_ = std::max(last_kernel_, kernel);
      for (const Read& read : reads_of(func_, {i}, stored)) {
        reads_.push_back({read.leaf, read.pointwise, kernel});
        last_read_[read.leaf.index] = std::max(last_read_[read.leaf.index], kernel);
      }
    }
  }

  void place_arguments() {
    Region state(Space::state), data(Space::data), hyper(Space::hyper);
    for (size_t i = 0; i < func_.parameter_count; ++i) {
      Value& value = func_.values[i];
      switch (value.role) {
        case ir::Role::parameter:
        case ir::Role::state:
          value.storage = state.take(value.type);
          break;
        case ir::Role::data:
        case ir::Role::input:
          value.storage = data.take(value.type);
          break;
        case ir::Role::hyper:
        case ir::Role::key:
          value.storage = hyper.take(value.type, true);
          break;
      }
    }
  }

  bool may_overwrite(ValueId argument, ValueId value) const {
    return std::none_of(reads_.begin(), reads_.end(), [&](const KernelRead& read) {
      return read.leaf == argument &&
             (read.kernel > func_[value].kernel || (read.kernel == func_[value].kernel && !read.pointwise));
    });
  }

  void place_results() {
    Region result_region(Space::result);
    ir::Builder builder(func_);
    for (ir::FuncResult& result : func_.results) {
      const std::optional<ValueId> argument = func_.find_parameter(result.name);
      const bool persists =
          argument && (func_[*argument].role == ir::Role::parameter || func_[*argument].role == ir::Role::state);
      if (!persists) {
        func_[result.value].storage = result_region.take(func_[result.value].type);
        continue;
      }
      if (result.value == *argument) continue;
      const ir::Storage home = func_[*argument].storage;
      if (may_overwrite(*argument, result.value)) {
        func_[result.value].storage = home;
        continue;
      }
      builder.at(func_[result.value].location);
      const ValueId copy = builder.create(Op::stop_gradient, {result.value});
      func_[copy].kernel = ++last_kernel_;
      func_[copy].storage = home;
      last_read_[result.value.index] = last_kernel_;
      last_read_.push_back(-1);
      result.value = copy;
    }
  }

  void place_arena() {
    std::vector<Interval> intervals;
    for (uint32_t i = static_cast<uint32_t>(func_.parameter_count); i < func_.size(); ++i) {
      const Value& value = func_.values[i];
      if (value.kernel < 0 && is_table(value)) {
        intervals.push_back({{i}, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()});
      } else if (value.kernel >= 0 && value.storage.space == Space::none) {
        intervals.push_back({{i}, value.kernel, std::max(value.kernel, last_read_[i])});
      }
    }
    // Large ones first: small ones fit into what is left between them.
    std::sort(intervals.begin(), intervals.end(), [&](const Interval& a, const Interval& b) {
      const int64_t bytes_a = func_[a.id].type.bytes(), bytes_b = func_[b.id].type.bytes();
      return bytes_a != bytes_b ? bytes_a > bytes_b : a.id < b.id;
    });
    std::vector<Interval> placed;
    for (const Interval& interval : intervals) {
      const int64_t bytes = aligned(func_[interval.id].type.bytes());
      const int64_t offset = first_gap(interval, placed, bytes);
      func_[interval.id].storage = {Space::arena, offset};
      func_.arena_bytes = std::max(func_.arena_bytes, offset + bytes);
      placed.push_back(interval);
    }
  }

  int64_t first_gap(const Interval& interval, const std::vector<Interval>& placed, int64_t bytes) const {
    std::vector<std::pair<int64_t, int64_t>> busy;  // begin, end
    for (const Interval& other : placed) {
      if (other.first > interval.last || interval.first > other.last) continue;
      const int64_t begin = func_[other.id].storage.offset;
      busy.emplace_back(begin, begin + aligned(func_[other.id].type.bytes()));
    }
    std::sort(busy.begin(), busy.end());
    int64_t offset = 0;
    for (const auto& [begin, end] : busy) {
      if (begin - offset >= bytes) break;
      offset = std::max(offset, end);
    }
    return offset;
  }

  void alias_reshapes() {
    for (size_t i = func_.parameter_count; i < func_.size(); ++i) {
      Value& value = func_.values[i];
      if (value.op == Op::reshape && value.kernel < 0) value.storage = func_[value.operands[0]].storage;
    }
  }

  struct KernelRead {
    ValueId leaf;
    bool pointwise;
    int32_t kernel;
  };

  Func func_;
  std::vector<KernelRead> reads_;
  std::vector<int32_t> last_read_;  // the last kernel that reads a value, -1: none
  int32_t last_kernel_ = -1;
};

// Whether every result has a kernel that stores it (or is an argument's unchanged value).
bool is_fused(const Func& func) {
  return std::all_of(func.results.begin(), func.results.end(), [&](const ir::FuncResult& result) {
    const Value& value = func[result.value];
    return value.kernel >= 0 || (value.op == Op::parameter && value.name == result.name);
  });
}

}  // namespace

ir::Func plan_memory(const ir::Func& func) {
  if (!is_fused(func)) return func;
  Func clean = func;
  for (Value& value : clean.values) value.storage = {};
  clean.arena_bytes = 0;
  return MemoryPlan(clean).run();
}

}  // namespace gradc::passes
