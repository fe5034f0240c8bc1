#include "frontend/target.h"

#include <algorithm>

#include "ir/fault.h"

namespace gradc::frontend {

ir::ValueId Target::argument(const std::string& name, const ir::Type& type, ir::Role role,
                             ir::SourceLocation location) {
  const auto [entry, is_new] = arguments_.try_emplace(name);
  if (is_new) {
    ir::Value value;
    value.op = ir::Op::parameter;
    value.type = type;
    value.location = location;
    value.name = name;
    value.role = role;
    entry->second = func_.add(std::move(value));
  }
  return entry->second;
}

void Target::fault(size_t number, ir::ValueId wrong) {
  const auto [entry, is_new] = faults_.try_emplace(number, wrong);
  if (!is_new) entry->second = builder_.binary(ir::Op::max, entry->second, wrong);
}

ir::Func Target::finish(std::string name, ir::SourceLocation location, const std::set<std::string>& dropped) const {
  constexpr ir::Role kOrder[] = {ir::Role::parameter, ir::Role::input, ir::Role::state,
                                 ir::Role::data,      ir::Role::hyper, ir::Role::key};
  ir::Func result;
  result.name = std::move(name);
  result.location = location;
  std::vector<ir::ValueId> moved(func_.size());
  for (ir::Role role : kOrder) {
    for (size_t i = 0; i < func_.size(); ++i) {
      const ir::Value& value = func_.values[i];
      if (value.op != ir::Op::parameter || value.role != role || dropped.count(value.name) > 0) continue;
      moved[i] = result.add(value);
      ++result.parameter_count;
    }
  }
  std::vector<ir::FuncResult> results = func_.results;
  for (const auto& [number, wrong] : faults_) results.push_back({ir::fault_name(number), wrong});
  // What no result depends on is left out.
  std::vector<bool> live(func_.size(), false);
  for (const ir::FuncResult& old : results) {
    if (dropped.count(old.name) == 0) live[old.value.index] = true;
  }
  for (size_t i = func_.size(); i-- > 0;) {
    if (!live[i]) continue;
    for (ir::ValueId operand : func_.values[i].operands) live[operand.index] = true;
  }
  for (size_t i = 0; i < func_.size(); ++i) {
    if (!live[i] || func_.values[i].op == ir::Op::parameter) continue;
    ir::Value value = func_.values[i];
    for (ir::ValueId& operand : value.operands) operand = moved[operand.index];
    moved[i] = result.add(std::move(value));
  }
  for (const ir::FuncResult& old : results) {
    if (dropped.count(old.name) == 0) result.results.push_back({old.name, moved[old.value.index]});
  }
  return result;
}

}  // namespace gradc::frontend
