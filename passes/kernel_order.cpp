#include "passes/kernel_order.h"

#include <algorithm>
#include <functional>
#include <queue>

#include "ir/ensure.h"

namespace gradc::passes {

namespace {

using Reads = std::vector<std::vector<Read>>;
using Before = std::vector<std::vector<uint32_t>>;

// Whether computing `later` needs `earlier`.
bool needs(const Reads& reads, uint32_t later, uint32_t earlier) {
  std::vector<uint32_t> pending{later};
  std::vector<bool> seen(reads.size(), false);
  while (!pending.empty()) {
    const uint32_t id = pending.back();
    pending.pop_back();
    if (id == earlier) return true;
    for (const Read& read : reads[id]) {
      if (read.leaf.index < earlier || seen[read.leaf.index]) continue;
      seen[read.leaf.index] = true;
      pending.push_back(read.leaf.index);
    }
  }
  return false;
}

// The new value of an argument and the stored values that it is computed of element by element.
std::vector<uint32_t> update_of(const ir::Func& func, const Reads& reads, uint32_t new_value) {
  std::vector<uint32_t> update{new_value};
  for (size_t k = 0; k < update.size(); ++k) {
    for (const Read& read : reads[update[k]]) {
      const bool same_index = read.pointwise && func[read.leaf].type.shape == func.values[new_value].type.shape;
      if (read.leaf.index < func.parameter_count || !same_index) continue;
      if (std::find(update.begin(), update.end(), read.leaf.index) == update.end()) update.push_back(read.leaf.index);
    }
  }
  return update;
}

// For each stored value those that had better come before it although it does not read them.
Before wishes(const ir::Func& func, const Reads& reads, const std::vector<ir::ValueId>& replaced_by) {
  Before readers(func.parameter_count), before(func.size());
  for (uint32_t i = 0; i < func.size(); ++i)
    for (const Read& read : reads[i])
      if (read.leaf.index < func.parameter_count) readers[read.leaf.index].push_back(i);
  for (uint32_t i = 0; i < func.size(); ++i) {
    if (!replaced_by[i].valid()) continue;
    const std::vector<uint32_t> update = update_of(func, reads, i);
    for (uint32_t reader : readers[replaced_by[i].index]) {
      if (std::find(update.begin(), update.end(), reader) != update.end()) continue;
      for (uint32_t member : update)
        if (!needs(reads, reader, member)) before[member].push_back(reader);
    }
  }
  return before;
}

}  // namespace

std::vector<uint32_t> kernel_order(const ir::Func& func, const std::vector<bool>& stored, const Reads& reads,
                                   const std::vector<ir::ValueId>& replaced_by) {
  const Before before = wishes(func, reads, replaced_by);
  Before readers(func.size()), wishers(func.size());
  std::vector<size_t> needed(func.size(), 0), wished(func.size(), 0);
  using Queue = std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>>;
  Queue ready, able;  // able: all that it reads is there, but not all that it wishes for
  size_t count = 0;
  const auto offer = [&](uint32_t i) {
    if (needed[i] == 0) (wished[i] == 0 ? ready : able).push(i);
  };
  for (uint32_t i = 0; i < func.size(); ++i) {
    if (!stored[i]) continue;
    ++count;
    for (const Read& read : reads[i])
      if (read.leaf.index >= func.parameter_count) readers[read.leaf.index].push_back(i), ++needed[i];
    for (uint32_t wish : before[i]) wishers[wish].push_back(i), ++wished[i];
    offer(i);
  }
  std::vector<uint32_t> order;
  std::vector<bool> placed(func.size(), false);
  while (order.size() < count) {
    Queue& queue = ready.empty() ? able : ready;
    ENSURE(!queue.empty(), "stored values read each other in a circle");
    const uint32_t next = queue.top();
    queue.pop();
    if (placed[next]) continue;
    placed[next] = true;
    order.push_back(next);
    for (uint32_t reader : readers[next])
      if (--needed[reader] == 0) offer(reader);
    for (uint32_t wisher : wishers[next])
      if (--wished[wisher] == 0 && !placed[wisher]) offer(wisher);
  }
  return order;
}

}  // namespace gradc::passes
