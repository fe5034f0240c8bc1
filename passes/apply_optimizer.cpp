#include "passes/apply_optimizer.h"

#include <map>
#include <set>

#include "ir/ensure.h"
#include "ir/rewrite.h"

namespace gradc::passes {

using ir::Func;
using ir::ValueId;

Func compose(const Func& first, const Func& second, const std::string& name) {
  Func out;
  out.name = name;
  out.location = second.location;
  ir::Builder builder(out);
  std::map<std::string, ValueId> arguments;
  auto declare = [&](const Func& func, const Func* provider) {
    for (size_t i = 0; i < func.parameter_count; ++i) {
      const ir::Value& value = func.values[i];
      if (provider != nullptr && value.role == ir::Role::input && provider->find_result(value.name) != nullptr)
        continue;
      const auto [at, inserted] = arguments.try_emplace(value.name);
      builder.at(value.location);
      if (inserted) at->second = builder.parameter(value.name, value.type, value.role);
      ENSURE(out[at->second].type == value.type, "two functions of a step disagree about %" + value.name);
    }
  };
  declare(first, nullptr);
  declare(second, &first);

  std::vector<ValueId> first_arguments;
  for (size_t i = 0; i < first.parameter_count; ++i) first_arguments.push_back(arguments.at(first.values[i].name));
  const std::vector<ValueId> first_values = ir::inline_body(builder, first, first_arguments);
  std::vector<ValueId> second_arguments;
  std::set<std::string> taken;
  for (size_t i = 0; i < second.parameter_count; ++i) {
    const ir::Value& value = second.values[i];
    const ir::FuncResult* provided = value.role == ir::Role::input ? first.find_result(value.name) : nullptr;
    if (provided != nullptr) taken.insert(value.name);
    second_arguments.push_back(provided != nullptr ? first_values[provided->value.index] : arguments.at(value.name));
  }
  const std::vector<ValueId> second_values = ir::inline_body(builder, second, second_arguments);
  for (const ir::FuncResult& result : second.results) builder.result(result.name, second_values[result.value.index]);
  for (const ir::FuncResult& result : first.results) {
    if (taken.count(result.name) == 0) builder.result(result.name, first_values[result.value.index]);
  }
  return out;
}

ir::Module apply_optimizer(const ir::Module& module) {
  ir::Module out{module.files, {}};
  std::set<std::string> used_up, still_named;
  for (const ir::Item& item : module.items) {
    const ir::StepRequest* request = std::get_if<ir::StepRequest>(&item);
    const Func* first = request != nullptr ? out.find(request->first) : nullptr;
    const Func* second = request != nullptr ? out.find(request->second) : nullptr;
    if (first == nullptr || second == nullptr) {
      if (request != nullptr) still_named.insert({request->first, request->second});
      if (const auto* gradient = std::get_if<ir::GradientRequest>(&item)) still_named.insert(gradient->of);
      out.items.push_back(item);
      continue;
    }
    Func step = compose(*first, *second, request->name);
    step.location = request->location;
    used_up.insert({request->first, request->second});
    out.items.push_back(std::move(step));
  }
  std::erase_if(out.items, [&](const ir::Item& item) {
    return used_up.count(ir::item_name(item)) > 0 && still_named.count(ir::item_name(item)) == 0;
  });
  return out;
}

}  // namespace gradc::passes
