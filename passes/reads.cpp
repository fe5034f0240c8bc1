#include "passes/reads.h"

#include <algorithm>
#include <map>

namespace gradc::passes {

std::vector<Read> reads_of(const ir::Func& func, ir::ValueId root, const std::vector<bool>& stored) {
  std::vector<Read> reads;
  std::map<ir::ValueId, bool> visited;  // value -> reached pointwise only
  std::vector<Read> pending = {{root, true}};
  while (!pending.empty()) {
    const auto [id, pointwise] = pending.back();
    pending.pop_back();
    const auto [at, inserted] = visited.try_emplace(id, pointwise);
    if (!inserted && (pointwise || !at->second)) continue;
    at->second = pointwise;
    const ir::Value& value = func[id];
    if (id != root && (id.index < func.parameter_count || stored[id.index])) {
      const auto known = std::find_if(reads.begin(), reads.end(), [&](const Read& read) { return read.leaf == id; });
      if (known == reads.end()) {
        reads.push_back({id, pointwise});
      } else {
        known->pointwise = known->pointwise && pointwise;
      }
      continue;
    }
    for (size_t i = 0; i < value.operands.size(); ++i) {
      const bool is_init = value.op == ir::Op::contract && i == 2;
      const bool keeps_index = is_init || ir::op_info(value.op).has(ir::kElementwise);
      pending.push_back({value.operands[i], pointwise && keeps_index});
    }
  }
  return reads;
}

bool is_table(const ir::Value& value) {
  const ir::ConstantAttr* constant = std::get_if<ir::ConstantAttr>(&value.attr);
  return constant != nullptr && constant->values.size() > 1;
}

bool is_unit_reshape(const ir::Type& from, const ir::Type& to) {
  ir::Shape a = from.shape, b = to.shape;
  std::erase(a, 1);
  std::erase(b, 1);
  return a == b;
}

}  // namespace gradc::passes
