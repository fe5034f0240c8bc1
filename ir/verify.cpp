#include "ir/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ir/shape_rules.h"

namespace gradc::ir {

namespace {

class FuncVerifier {
 public:
  FuncVerifier(const Func& func, size_t item, std::vector<VerifyError>& errors)
      : func_(func), item_(item), errors_(errors) {}

  void run() {
    if (!check_parameters()) return;
    for (uint32_t i = 0; i < func_.size(); ++i) {
      if (!check_value(i)) return;
    }
    check_results();
    check_kernels();
    for (uint32_t i = 0; i < func_.size(); ++i) check_storage(i);
  }

 private:
  template <class... Args>
  bool error(const Value* value, fmt::format_string<Args...> format, Args&&... args) {
    errors_.push_back({func_.name, fmt::format(format, std::forward<Args>(args)...), item_,
                       value != nullptr ? static_cast<size_t>(value - func_.values.data()) : VerifyError::kNoValue});
    return false;
  }

  std::string name(uint32_t index) const {
    if (index < func_.parameter_count) return "%" + func_.values[index].name;
    return fmt::format("%{}", index - func_.parameter_count);
  }

  bool check_parameters() {
    if (func_.parameter_count > func_.size()) return error(nullptr, "more parameters than values");
    std::set<std::string> names;
    for (uint32_t i = 0; i < func_.size(); ++i) {
      const Value& value = func_.values[i];
      const bool is_parameter = value.op == Op::parameter;
      if (is_parameter != (i < func_.parameter_count))
        return error(&value, "{} stands among the wrong values", name(i));
      if (!is_parameter) continue;
      if (value.name.empty()) return error(&value, "an argument without a name");
      if (!names.insert(value.name).second) return error(&value, "two arguments are named %{}", value.name);
    }
    return true;
  }

  bool check_value(uint32_t index) {
    const Value& value = func_.values[index];
    std::vector<Type> types;
    for (ValueId operand : value.operands) {
      if (operand.index >= index) return error(&value, "{} uses a value that does not stand before it", name(index));
      types.push_back(func_[operand].type);
    }
    const Result<Type> type = infer_type(value.op, types, value.attr, value.type);
    if (!type) return error(&value, "{} = {}: {}", name(index), op_name(value.op), type.error());
    if (*type != value.type) {
      return error(&value, "{} = {} gives {}, not {}", name(index), op_name(value.op), to_string(*type),
                   to_string(value.type));
    }
    return true;
  }

  void check_results() {
    std::set<std::string> names;
    const auto parameters = parameters_by_name(func_);
    for (const FuncResult& result : func_.results) {
      if (result.name.empty()) error(nullptr, "a result without a name");
      if (!names.insert(result.name).second) error(nullptr, "two results are named {}", result.name);
      if (result.value.index >= func_.size()) {
        error(nullptr, "the result {} names no value", result.name);
        continue;
      }
      const auto argument = parameters.find(result.name);
      if (argument == parameters.end()) continue;
      const Value& parameter = func_[argument->second];
      if ((parameter.role == Role::parameter || parameter.role == Role::state) &&
          parameter.type != func_[result.value].type) {
        error(&func_[result.value], "the new value of %{} is {}, not {}", result.name,
              to_string(func_[result.value].type), to_string(parameter.type));
      }
    }
  }

  void check_kernels() {
    std::vector<int32_t> last_read(func_.size(), -1);  // the latest kernel that a value waits for
    std::set<int32_t> numbers;
    for (uint32_t i = 0; i < func_.size(); ++i) {
      const Value& value = func_.values[i];
      for (ValueId operand : value.operands) last_read[i] = std::max(last_read[i], last_read[operand.index]);
      if (value.kernel < 0) continue;
      if (value.op == Op::parameter) error(&value, "the argument {} has a kernel", name(i));
      if (value.kernel < last_read[i]) {
        error(&value, "{} in kernel {} reads what kernel {} stores", name(i), value.kernel, last_read[i]);
      }
      last_read[i] = value.kernel;
      numbers.insert(value.kernel);
    }
    if (!numbers.empty() && static_cast<size_t>(*numbers.rbegin()) != numbers.size() - 1) {
      error(nullptr, "kernel numbers are not dense from 0");
    }
  }

  bool may_have_storage(const Value& value) const {
    if (value.op == Op::parameter || value.kernel >= 0 || value.op == Op::constant) return true;
    return value.op == Op::reshape && func_[value.operands[0]].storage == value.storage;
  }

  void check_storage(uint32_t index) {
    const Value& value = func_.values[index];
    if (value.storage.space == Space::none) return;
    if (!may_have_storage(value)) error(&value, "{} is not stored but has storage", name(index));
    if (value.storage.offset < 0 || value.storage.offset % dtype_bytes(value.type.dtype) != 0) {
      error(&value, "{} lies at offset {}", name(index), value.storage.offset);
    } else if (value.storage.space == Space::arena && (value.storage.offset > func_.arena_bytes ||
                                                       value.type.bytes() > func_.arena_bytes - value.storage.offset)) {
      error(&value, "{} ends past the arena of {} bytes", name(index), func_.arena_bytes);
    }
  }

  const Func& func_;
  size_t item_;
  std::vector<VerifyError>& errors_;
};

bool stands_before(const Module& module, size_t index, const std::string& name) {
  return std::any_of(module.items.begin(), module.items.begin() + static_cast<std::ptrdiff_t>(index),
                     [&](const Item& item) { return item_name(item) == name; });
}

void check_request(const Module& module, size_t index, const GradientRequest& request,
                   std::vector<VerifyError>& errors) {
  const Func* of = stands_before(module, index, request.of) ? module.find(request.of) : nullptr;
  auto error = [&](std::string message) { errors.push_back({request.name, std::move(message), index}); };
  if (of == nullptr) return error(fmt::format("grad of @{}, which is no function that stands before", request.of));
  if (of->results.empty()) return error(fmt::format("grad of @{}, which has no result", request.of));
  const ValueId loss = of->results[0].value;
  if (loss.index >= of->size()) return;  // reported with the function
  if (!(*of)[loss].type.is_scalar() || !is_float((*of)[loss].type.dtype)) {
    return error(fmt::format("grad of @{}, whose first result is {} and not a real scalar", request.of,
                             to_string((*of)[loss].type)));
  }
  std::set<std::string> seen;
  for (const std::string& name : request.wrt) {
    const std::optional<ValueId> argument = of->find_parameter(name);
    if (!argument) {
      error(fmt::format("grad wrt %{}, which is no argument of @{}", name, request.of));
    } else if (!is_float((*of)[*argument].type.dtype)) {
      error(fmt::format("grad wrt %{}, which is {} and not real", name, to_string((*of)[*argument].type)));
    } else if (!seen.insert(name).second) {
      error(fmt::format("grad wrt %{} twice", name));
    } else if (of->find_result(gradient_name(name)) != nullptr) {
      error(fmt::format("grad wrt %{}, but @{} has a result {} already", name, request.of, gradient_name(name)));
    }
  }
}

// What an item takes and gives, once expanded.
struct Port {
  std::string name;
  Type type;
  Role role = Role::input;
};
struct Signature {
  std::vector<Port> arguments, results;
};
const Port* find_port(const std::vector<Port>& ports, const std::string& name) {
  const auto found = std::find_if(ports.begin(), ports.end(), [&](const Port& port) { return port.name == name; });
  return found == ports.end() ? nullptr : &*found;
}

Signature signature_of(const Module& module, const std::string& name);

Signature signature_of(const Module&, const Func& func) {
  Signature signature;
  for (size_t i = 0; i < func.parameter_count; ++i) {
    signature.arguments.push_back({func.values[i].name, func.values[i].type, func.values[i].role});
  }
  for (const FuncResult& result : func.results) {
    if (result.value.index < func.size()) signature.results.push_back({result.name, func[result.value].type});
  }
  return signature;
}

Signature signature_of(const Module& module, const GradientRequest& request) {
  Signature signature = signature_of(module, request.of);
  for (const std::string& name : request.wrt) {
    const Port* argument = find_port(signature.arguments, name);
    if (argument != nullptr) signature.results.push_back({gradient_name(name), argument->type});
  }
  return signature;
}

// As passes/apply_optimizer composes it.
Signature signature_of(const Module& module, const StepRequest& request) {
  Signature signature = signature_of(module, request.first), second = signature_of(module, request.second);
  std::vector<Port> results = second.results;
  for (const Port& result : signature.results) {
    const Port* argument = find_port(second.arguments, result.name);
    if (argument == nullptr || argument->role != Role::input) results.push_back(result);
  }
  for (const Port& argument : second.arguments) {
    const bool provided = argument.role == Role::input && find_port(signature.results, argument.name) != nullptr;
    if (!provided && find_port(signature.arguments, argument.name) == nullptr) signature.arguments.push_back(argument);
  }
  signature.results = std::move(results);
  return signature;
}

// Requests name items that stand before them, so this ends.
Signature signature_of(const Module& module, const std::string& name) {
  for (const Item& item : module.items) {
    if (item_name(item) == name) return std::visit([&](const auto& each) { return signature_of(module, each); }, item);
  }
  return {};
}

void check_request(const Module& module, size_t index, const StepRequest& request, std::vector<VerifyError>& errors) {
  auto error = [&](std::string message) { errors.push_back({request.name, std::move(message), index}); };
  for (const std::string& name : {request.first, request.second}) {
    if (!stands_before(module, index, name))
      return error(fmt::format("step of @{}, which does not stand before", name));
  }
  const Signature first = signature_of(module, request.first), second = signature_of(module, request.second);
  for (const Port& argument : second.arguments) {
    const Port* result = argument.role == Role::input ? find_port(first.results, argument.name) : nullptr;
    const Port* shared = result != nullptr ? result : find_port(first.arguments, argument.name);
    if (shared != nullptr && shared->type != argument.type) {
      error(fmt::format("%{} is {} in @{} and {} in @{}", argument.name, to_string(shared->type), request.first,
                        to_string(argument.type), request.second));
    } else if (shared != nullptr && result == nullptr && shared->role != argument.role) {
      error(fmt::format("%{} is {} in @{} and {} in @{}", argument.name, role_name(shared->role), request.first,
                        role_name(argument.role), request.second));
    }
  }
  const Signature whole = signature_of(module, request);
  std::set<std::string> names;
  for (const Port& result : whole.results) {
    if (!names.insert(result.name).second) error(fmt::format("both functions give a result {}", result.name));
    const Port* argument = find_port(whole.arguments, result.name);
    const bool persists = argument != nullptr && (argument->role == Role::parameter || argument->role == Role::state);
    if (persists && argument->type != result.type) {
      error(fmt::format("the new value of %{} is {}, not {}", result.name, to_string(result.type),
                        to_string(argument->type)));
    }
  }
}

void check_request(const Module&, size_t index, const Func& func, std::vector<VerifyError>& errors) {
  FuncVerifier(func, index, errors).run();
}

}  // namespace

std::vector<VerifyError> verify(const Func& func) {
  std::vector<VerifyError> errors;
  FuncVerifier(func, 0, errors).run();
  return errors;
}

std::vector<VerifyError> verify(const Module& module) {
  std::vector<VerifyError> errors;
  std::set<std::string> names;
  for (size_t i = 0; i < module.items.size(); ++i) {
    const std::string& name = item_name(module.items[i]);
    if (name.empty() || !names.insert(name).second) errors.push_back({name, "an item without a name of its own", i});
    std::visit([&](const auto& item) { check_request(module, i, item, errors); }, module.items[i]);
  }
  return errors;
}

std::string to_string(const VerifyError& error) { return fmt::format("@{}: {}", error.func, error.message); }

}  // namespace gradc::ir
