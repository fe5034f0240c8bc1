#include "ir/print.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace gradc::ir {

namespace {

std::string_view reduce_kind_name(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::sum:
      return "sum";
    case ReduceKind::max:
      return "max";
    case ReduceKind::min:
      return "min";
    case ReduceKind::prod:
      return "prod";
  }
  return "";
}

// Writes the fields of an attribute structure as `name = value, ...`; fields at their default are left out.
class FieldPrinter {
 public:
  explicit FieldPrinter(DType dtype) : dtype_(dtype) {}
  const std::string& text() const { return text_; }

  void operator()(std::string_view name, const std::vector<double>& values) {
    if (values.size() == 1) return write(name, print_number(values[0], dtype_));
    std::vector<std::string> words;
    for (double value : values) words.push_back(print_number(value, dtype_));
    write(name, fmt::format("[{}]", fmt::join(words, ", ")));
  }
  void operator()(std::string_view name, const std::vector<int64_t>& values) {
    write(name, fmt::format("[{}]", fmt::join(values, ", ")));
  }
  void operator()(std::string_view name, int64_t value) { write(name, std::to_string(value)); }
  void operator()(std::string_view name, double value) { write(name, print_number(value, dtype_)); }
  void operator()(std::string_view name, bool value) {
    if (value) write("", std::string(name));
  }
  void operator()(std::string_view name, const std::string& value) { write(name, '"' + value + '"'); }
  void operator()(std::string_view name, ReduceKind kind) { write(name, std::string(reduce_kind_name(kind))); }
  void order(const SumOrder& order, bool letters) {
    if (order.kind == SumOrder::Kind::unset) return;
    if (order.kind == SumOrder::Kind::sequential) {
      write("order", "seq");
    } else {
      const std::string axis = letters ? std::string(1, static_cast<char>(order.axis)) : std::to_string(order.axis);
      write("order", fmt::format("lanes({}, {})", kLanes, axis));
    }
    if (order.block > 0) write("block", std::to_string(order.block));
  }

 private:
  void write(std::string_view name, const std::string& value) {
    if (!text_.empty()) text_ += ", ";
    if (!name.empty()) text_ += fmt::format("{} = ", name);
    text_ += value;
  }
  DType dtype_;
  std::string text_;
};

void print_location(SourceLocation location, const std::vector<std::string>& files, std::string& out) {
  if (!location.valid() || static_cast<size_t>(location.file) >= files.size()) return;
  out += fmt::format("  # {}:{}:{}", files[static_cast<size_t>(location.file)], location.line, location.column);
  if (location.length != 1) out += fmt::format("+{}", location.length);
}

std::string storage_text(const Storage& storage) {
  if (storage.space == Space::none) return {};
  return fmt::format(" at {}+{}", space_name(storage.space), storage.offset);
}

// Parameters by name, the others by a number that counts them.
class Names {
 public:
  explicit Names(const Func& func) : func_(func) {}
  std::string operator()(ValueId id) const {
    if (id.index < func_.parameter_count) return "%" + func_[id].name;
    return fmt::format("%{}", id.index - func_.parameter_count);
  }
  std::string list(const std::vector<ValueId>& ids) const {
    std::string out;
    for (ValueId id : ids) out += (out.empty() ? "" : ", ") + (*this)(id);
    return out;
  }

 private:
  const Func& func_;
};

void print_func(const Func& func, const std::vector<std::string>& files, std::string& out) {
  const Names names(func);
  out += fmt::format("func @{}(", func.name);
  for (uint32_t i = 0; i < func.parameter_count; ++i) {
    const Value& value = func.values[i];
    out += fmt::format("{}%{}: {} {}{}", i == 0 ? "" : ", ", value.name, to_string(value.type), role_name(value.role),
                       storage_text(value.storage));
  }
  out += ") -> (";
  for (size_t i = 0; i < func.results.size(); ++i) {
    out +=
        fmt::format("{}{}: {}", i == 0 ? "" : ", ", func.results[i].name, to_string(func[func.results[i].value].type));
  }
  out += ")";
  if (func.arena_bytes > 0) out += fmt::format(" arena {}", func.arena_bytes);
  out += " {";
  print_location(func.location, files, out);
  out += "\n";
  for (uint32_t i = static_cast<uint32_t>(func.parameter_count); i < func.size(); ++i) {
    const Value& value = func.values[i];
    out += fmt::format("  {} = {}", names({i}), op_name(value.op));
    if (!value.operands.empty()) out += " " + names.list(value.operands);
    FieldPrinter fields(value.type.dtype);
    std::visit([&](const auto& attr) { const_cast<std::decay_t<decltype(attr)>&>(attr).fields(fields); }, value.attr);
    if (!fields.text().empty()) out += fmt::format(" {{{}}}", fields.text());
    out += fmt::format(" : {}", to_string(value.type));
    if (value.kernel >= 0) out += fmt::format(" kernel {}", value.kernel);
    out += storage_text(value.storage);
    print_location(value.location, files, out);
    out += "\n";
  }
  std::vector<ValueId> returned;
  for (const FuncResult& result : func.results) returned.push_back(result.value);
  out += fmt::format("  return{}{}\n}}\n", returned.empty() ? "" : " ", names.list(returned));
}

void print_item(const GradientRequest& request, const std::vector<std::string>& files, std::string& out) {
  std::string wrt;
  for (const std::string& name : request.wrt) wrt += (wrt.empty() ? "%" : ", %") + name;
  out += fmt::format("grad @{} = @{} wrt {}", request.name, request.of, wrt);
  print_location(request.location, files, out);
  out += "\n";
}

void print_item(const StepRequest& request, const std::vector<std::string>& files, std::string& out) {
  out += fmt::format("step @{} = @{} then @{}", request.name, request.first, request.second);
  print_location(request.location, files, out);
  out += "\n";
}

void print_item(const Func& func, const std::vector<std::string>& files, std::string& out) {
  print_func(func, files, out);
}

}  // namespace

std::string print_number(double value, DType dtype) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (dtype == DType::f32) return fmt::format("{}", static_cast<float>(value));
  return fmt::format("{}", value);
}

std::string print(const Func& func, const std::vector<std::string>& files) {
  std::string out;
  print_func(func, files, out);
  return out;
}

std::string print(const Module& module) {
  std::string out;
  for (const Item& item : module.items) {
    if (!out.empty()) out += "\n";
    std::visit([&](const auto& each) { print_item(each, module.files, out); }, item);
  }
  return out;
}

}  // namespace gradc::ir
