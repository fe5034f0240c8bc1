// gradc eval: a function of tensor IR text in the interpreter.
#include "ir/eval.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <cstdio>

#include "cli/load.h"
#include "cli/read_ir.h"
#include "ir/print.h"
#include "runtime/file.h"
#include "runtime/state.h"

namespace gradc::cli {
namespace {

const ir::Func* choose_func(const ir::Module& module, const std::string& name, std::string& problem) {
  const ir::Func* found = nullptr;
  std::string names;
  size_t count = 0;
  for (const ir::Item& item : module.items) {
    const ir::Func* func = std::get_if<ir::Func>(&item);
    if (func == nullptr) continue;
    ++count;
    names += (names.empty() ? "@" : ", @") + func->name;
    if (name.empty() || func->name == name || "@" + func->name == name) found = func;
  }
  if (found == nullptr) {
    problem = count == 0 ? "the text has no func" : fmt::format("there is no func @{}; there are: {}", name, names);
  } else if (name.empty() && count > 1) {
    problem = fmt::format("the text has several functions: {}; choose one with --func", names);
    found = nullptr;
  }
  return found;
}

// "1,2,3" as the elements of the type; one number stands for all elements.
ir::Result<ir::Tensor> parse_elements(const std::string& text, const ir::Type& type) {
  std::vector<double> numbers;
  std::string_view rest = text;
  for (;;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view word = rest.substr(0, comma);
    double number = 0;
    const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (failure != std::errc() || end != word.data() + word.size()) {
      return ir::Error{fmt::format("{} is not a number", runtime::quote_name(word))};
    }
    numbers.push_back(number);
    if (comma == rest.size()) break;
    rest.remove_prefix(comma + 1);
  }
  if (numbers.size() != 1 && std::ssize(numbers) != type.elements()) {
    return ir::Error{
        fmt::format("{} numbers for {} elements of {}", numbers.size(), type.elements(), ir::to_string(type))};
  }
  ir::Tensor tensor(type);
  for (int64_t k = 0; k < type.elements(); ++k) {
    tensor.set(k, numbers[numbers.size() == 1 ? 0 : static_cast<size_t>(k)]);
  }
  return tensor;
}

ir::Result<std::vector<ir::Tensor>> make_arguments(const ir::Func& func, const EvalWords& words) {
  std::vector<std::optional<ir::Tensor>> given(func.parameter_count);
  for (const std::string& word : words.inputs) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos)
      return ir::Error{fmt::format("--input: `{}` is not of the form NAME=NUMBER,...", word)};
    const std::string name = word.substr(word.starts_with('%') ? 1 : 0, equals - (word.starts_with('%') ? 1 : 0));
    const std::optional<ir::ValueId> id = func.find_parameter(name);
    if (!id) return ir::Error{fmt::format("--input: @{} has no argument %{}", func.name, name)};
    ir::Result<ir::Tensor> tensor = parse_elements(word.substr(equals + 1), func[*id].type);
    if (!tensor) return ir::Error{fmt::format("--input {}: {}", name, tensor.error())};
    given[id->index] = std::move(*tensor);
  }
  std::vector<ir::Tensor> arguments;
  std::string missing;
  for (size_t k = 0; k < func.parameter_count; ++k) {
    const ir::Value& value = func.values[k];
    if (given[k]) {
      arguments.push_back(std::move(*given[k]));
    } else if (value.role == ir::Role::key && value.type == (ir::Type{ir::DType::i32, {3}})) {
      arguments.push_back(runtime::random_key(words.seed, 0));
    } else {
      missing += fmt::format("{}%{}: {}", missing.empty() ? "" : ", ", value.name, ir::to_string(value.type));
    }
  }
  if (!missing.empty()) return ir::Error{fmt::format("@{} needs --input for {}", func.name, missing)};
  return arguments;
}

}  // namespace

int eval(const EvalWords& words) {
  const std::optional<ir::Module> module = read_ir(words.file);
  if (!module) return kFailed;
  std::string problem;
  const ir::Func* func = choose_func(*module, words.func, problem);
  if (func == nullptr) return fail_usage(problem);
  if (ir::Status status = ir::check_limits(*func); !status) return fail(status.error());
  const ir::Result<std::vector<ir::Tensor>> arguments = make_arguments(*func, words);
  if (!arguments) return fail_usage(arguments.error());
  const ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(*func, *arguments);
  if (!results) return fail(results.error());
  for (size_t k = 0; k < results->size(); ++k) {
    const ir::Tensor& tensor = (*results)[k];
    fmt::print("{}: {} = ", func->results[k].name, ir::to_string(tensor.type()));
    const bool scalar = tensor.type().is_scalar();
    for (int64_t element = 0; element < tensor.elements(); ++element) {
      const char* before = scalar ? "" : element == 0 ? "[" : ", ";
      fmt::print("{}{}", before, ir::print_number(tensor.at(element), tensor.type().dtype));
    }
    fmt::print("{}\n", scalar ? "" : "]");
  }
  return kDone;
}

}  // namespace gradc::cli
