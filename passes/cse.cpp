// Common subexpression elimination: of values with equal operation, operands, attributes and type the first serves all.
// Operands of commutative operations are compared in either order.
#include <algorithm>
#include <functional>
#include <map>
#include <string_view>

#include "ir/rewrite.h"
#include "passes/passes.h"

namespace gradc::passes {

namespace {

class FieldHasher {
 public:
  explicit FieldHasher(size_t seed) : hash_(seed) {}
  size_t hash() const { return hash_; }
  void mix(size_t word) { hash_ = hash_ * 1000003 ^ word; }

  template <class T>
  void operator()(std::string_view, const std::vector<T>& list) {
    for (const T& each : list) mix(std::hash<T>()(each));
  }
  template <class T>
  void operator()(std::string_view, const T& value) {
    mix(std::hash<T>()(value));
  }
  void order(const ir::SumOrder& order, bool) { mix(static_cast<size_t>(order.block)); }

 private:
  size_t hash_;
};

size_t hash_value(const ir::Value& value, const std::vector<ir::ValueId>& operands) {
  FieldHasher hasher(static_cast<size_t>(value.op));
  for (ir::ValueId operand : operands) hasher.mix(operand.index);
  for (int64_t extent : value.type.shape) hasher.mix(static_cast<size_t>(extent));
  ir::Attr attr = value.attr;
  std::visit([&](auto& each) { each.fields(hasher); }, attr);
  return hasher.hash();
}

bool same_value(const ir::Value& a, const ir::Value& b, const std::vector<ir::ValueId>& b_operands) {
  return a.op == b.op && a.type == b.type && a.operands == b_operands && a.attr == b.attr;
}

}  // namespace

ir::Func cse(const ir::Func& func) {
  std::multimap<size_t, ir::ValueId> known;
  return ir::rewrite(func, [&](ir::Builder& builder, const ir::Value& value, std::vector<ir::ValueId> operands) {
    if (value.op == ir::Op::parameter) return ir::copy_value(builder, value, operands);
    if (ir::op_info(value.op).has(ir::kCommutative)) std::sort(operands.begin(), operands.end());
    const size_t hash = hash_value(value, operands);
    for (auto [it, end] = known.equal_range(hash); it != end; ++it) {
      if (same_value(builder.func()[it->second], value, operands)) return it->second;
    }
    const ir::ValueId made = ir::copy_value(builder, value, operands);
    known.emplace(hash, made);
    return made;
  });
}

}  // namespace gradc::passes
