#include "ir/graph.h"

#include <array>

namespace gradc::ir {

namespace {

constexpr std::array<std::string_view, 6> kRoles = {"input", "parameter", "state", "data", "hyper", "key"};
constexpr std::array<std::string_view, 6> kSpaces = {"none", "state", "data", "hyper", "arena", "result"};

template <class Enum, size_t N>
std::optional<Enum> from_name(const std::array<std::string_view, N>& names, std::string_view name) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view role_name(Role role) { return kRoles[static_cast<size_t>(role)]; }
std::optional<Role> role_from_name(std::string_view name) { return from_name<Role>(kRoles, name); }
std::string_view space_name(Space space) { return kSpaces[static_cast<size_t>(space)]; }
std::optional<Space> space_from_name(std::string_view name) { return from_name<Space>(kSpaces, name); }

std::optional<ValueId> Func::find_parameter(std::string_view parameter_name) const {
  for (uint32_t i = 0; i < parameter_count; ++i) {
    if (values[i].name == parameter_name) return ValueId{i};
  }
  return std::nullopt;
}

const FuncResult* Func::find_result(std::string_view result_name) const {
  for (const FuncResult& result : results) {
    if (result.name == result_name) return &result;
  }
  return nullptr;
}

const Func* Module::find(std::string_view func_name) const {
  for (const Item& item : items) {
    if (const Func* func = std::get_if<Func>(&item); func != nullptr && func->name == func_name) return func;
  }
  return nullptr;
}

Func* Module::find(std::string_view func_name) {
  return const_cast<Func*>(static_cast<const Module*>(this)->find(func_name));
}

const std::string& item_name(const Item& item) {
  return std::visit([](const auto& each) -> const std::string& { return each.name; }, item);
}

std::unordered_map<std::string_view, ValueId> parameters_by_name(const Func& func) {
  std::unordered_map<std::string_view, ValueId> found;
  for (uint32_t i = 0; i < func.parameter_count; ++i) found.emplace(func.values[i].name, ValueId{i});
  return found;
}

std::vector<uint32_t> count_uses(const Func& func) {
  std::vector<uint32_t> uses(func.size());
  for (const Value& value : func.values) {
    for (ValueId operand : value.operands) ++uses[operand.index];
  }
  for (const FuncResult& result : func.results) ++uses[result.value.index];
  return uses;
}

}  // namespace gradc::ir
