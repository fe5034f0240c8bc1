#include "ir/rewrite.h"

#include "ir/ensure.h"

namespace gradc::ir {

namespace {

std::vector<ValueId> mapped(const std::vector<ValueId>& operands, const std::vector<ValueId>& map) {
  std::vector<ValueId> out;
  out.reserve(operands.size());
  for (ValueId operand : operands) out.push_back(map[operand.index]);
  return out;
}

}  // namespace

ValueId copy_value(Builder& builder, const Value& value, const std::vector<ValueId>& operands) {
  if (value.op == Op::parameter) return builder.parameter(value.name, value.type, value.role);
  return builder.create(value.op, operands, value.attr, value.type);
}

Func rewrite(const Func& func, const RewriteRule& rule) {
  Func out;
  out.name = func.name;
  out.location = func.location;
  out.values.reserve(func.size());
  Builder builder(out);
  std::vector<ValueId> map;
  map.reserve(func.size());
  for (const Value& value : func.values) {
    builder.at(value.location);
    map.push_back(rule(builder, value, mapped(value.operands, map)));
    ENSURE(!map.back().valid() || map.back().index < out.size(), "a rewrite rule gave a value that does not exist");
  }
  for (const FuncResult& result : func.results) {
    ENSURE(map[result.value.index].valid(), "a rewrite rule dropped the result " + result.name);
    out.results.push_back({result.name, map[result.value.index]});
  }
  return out;
}

std::vector<ValueId> inline_body(Builder& builder, const Func& func, const std::vector<ValueId>& arguments) {
  ENSURE(arguments.size() == func.parameter_count, "inline_body: wrong number of arguments for @" + func.name);
  std::vector<ValueId> map = arguments;
  map.reserve(func.size());
  for (size_t i = func.parameter_count; i < func.size(); ++i) {
    const Value& value = func.values[i];
    builder.at(value.location);
    map.push_back(copy_value(builder, value, mapped(value.operands, map)));
  }
  return map;
}

}  // namespace gradc::ir
