#include "frontend/scalar_graph.h"

#include <fmt/format.h>

#include <cmath>

#include "ir/builder.h"
#include "ir/ensure.h"

namespace gradc::frontend {

using ir::Op;

Scalar integer_scalar(double value) { return {Scalar::Kind::integer, value}; }
Scalar real_scalar(double value) { return {Scalar::Kind::real, value}; }
Scalar boolean_scalar(bool value) { return {Scalar::Kind::boolean, value ? 1.0 : 0.0}; }

namespace {

constexpr size_t kLongestName = 60;

bool is_comparison(Op op) { return op == Op::less || op == Op::less_equal || op == Op::equal; }
bool is_logical(Op op) { return op == Op::logical_and || op == Op::logical_or || op == Op::logical_not; }

// The operations on doubles, as the interpreter has them. Another table than ir/eval_elementwise.cpp because a front
// end that evaluates `1/sqrt(in)` needs no tensors.
double compute(Op op, double a, double b) {
  switch (op) {
    case Op::neg:
      return -a;
    case Op::abs:
      return std::fabs(a);
    case Op::exp:
      return std::exp(a);
    case Op::log:
      return std::log(a);
    case Op::sqrt:
      return std::sqrt(a);
    case Op::tanh:
      return std::tanh(a);
    case Op::erf:
      return std::erf(a);
    case Op::sin:
      return std::sin(a);
    case Op::cos:
      return std::cos(a);
    case Op::floor:
      return std::floor(a);
    case Op::add:
      return a + b;
    case Op::sub:
      return a - b;
    case Op::mul:
      return a * b;
    case Op::div:
      return a / b;
    case Op::max:
      return b > a ? b : a;
    case Op::min:
      return b < a ? b : a;
    case Op::less:
      return a < b;
    case Op::less_equal:
      return a <= b;
    case Op::equal:
      return a == b;
    case Op::logical_and:
      return a != 0 && b != 0;
    case Op::logical_or:
      return a != 0 || b != 0;
    case Op::logical_not:
      return a == 0;
    default:
      break;
  }
  ENSURE(false, fmt::format("no scalar `{}`", ir::op_name(op)));
}

const char* infix(Op op) {
  switch (op) {
    case Op::add:
      return "_plus_";
    case Op::sub:
      return "_minus_";
    case Op::mul:
      return "_times_";
    case Op::div:
      return "_over_";
    default:
      return nullptr;
  }
}

// A number in the characters of a name.
std::string number_text(double value) {
  std::string text = fmt::format("{}", value);
  for (char& c : text) {
    if (c == '-') c = 'm';
    if (c == '+') c = 'p';
  }
  return text;
}

}  // namespace

int32_t ScalarGraph::add(Node node) {
  std::string key = fmt::format("{} {} {}", static_cast<int>(node.op), number_text(node.number), node.name);
  for (int32_t operand : node.operands) key += fmt::format(" {}", operand);
  const auto [entry, is_new] = known_.try_emplace(key, static_cast<int32_t>(nodes_.size()));
  if (is_new) {
    node.location = location_;
    nodes_.push_back(std::move(node));
  }
  return entry->second;
}

int32_t ScalarGraph::node_of(const Scalar& scalar) {
  if (scalar.node >= 0) return scalar.node;
  Node node;
  node.number = scalar.value;
  node.kind = scalar.kind;
  node.text = number_text(scalar.value);
  return add(std::move(node));
}

Scalar ScalarGraph::setting(const std::string& name, double value) {
  Node node;
  node.op = Op::parameter;
  node.name = node.text = name;
  Scalar result = real_scalar(value);
  result.node = add(std::move(node));
  return result;
}

Scalar ScalarGraph::step() {
  Node node;
  node.op = Op::parameter;
  node.name = node.text = "t";
  node.kind = Scalar::Kind::integer;
  Scalar result = integer_scalar(0);
  result.node = add(std::move(node));
  result.timed = true;
  return result;
}

Scalar ScalarGraph::with_node(Scalar result, Op op, const std::vector<const Scalar*>& operands) {
  bool known = true;
  for (const Scalar* operand : operands) {
    known = known && operand->known();
    result.timed = result.timed || operand->timed;
  }
  if (known) return result;
  Node node;
  node.op = op;
  node.kind = result.kind;
  for (const Scalar* operand : operands) node.operands.push_back(node_of(*operand));
  const auto text = [&](size_t i) -> const std::string& { return nodes_[static_cast<size_t>(node.operands[i])].text; };
  if (const char* word = infix(op)) {
    node.text = text(0) + word + text(1);
  } else {
    node.text = std::string(ir::op_name(op));
    for (size_t i = 0; i < operands.size(); ++i) node.text += "_" + text(i);
  }
  if (node.text.size() > kLongestName) node.text = fmt::format("n{}", nodes_.size());
  result.node = add(std::move(node));
  return result;
}

Scalar ScalarGraph::unary(Op op, const Scalar& x) {
  Scalar result = real_scalar(compute(op, x.value, 0));
  if (op == Op::floor || (x.is_integer() && (op == Op::neg || op == Op::abs))) result.kind = Scalar::Kind::integer;
  if (is_logical(op)) result.kind = Scalar::Kind::boolean;
  return with_node(result, op, {&x});
}

Scalar ScalarGraph::binary(Op op, const Scalar& a, const Scalar& b) {
  // A literal 0 is folded (Rule 7): `0 * e` is 0, `0 + e` and `e - 0` are e.
  if (op == Op::mul && (a.is_zero() || b.is_zero())) {
    return a.is_integer() && b.is_integer() ? integer_scalar(0) : real_scalar(0);
  }
  if (!a.known() || !b.known()) {
    if (op == Op::add && a.is_zero()) return b;
    if ((op == Op::add || op == Op::sub) && b.is_zero()) return a;
  }
  Scalar result = real_scalar(compute(op, a.value, b.value));
  if (is_comparison(op) || is_logical(op)) {
    result.kind = Scalar::Kind::boolean;
  } else if (a.is_integer() && b.is_integer()) {
    if (op != Op::div) {
      result.kind = Scalar::Kind::integer;
    } else if (a.known() && b.known() && b.value != 0) {
      if (std::fmod(a.value, b.value) == 0) {
        result.kind = Scalar::Kind::integer;
      } else {
        result.dividend = a.value;
        result.divisor = b.value;
      }
    }
  }
  return with_node(result, op, {&a, &b});
}

Scalar ScalarGraph::select(const Scalar& condition, const Scalar& a, const Scalar& b) {
  if (condition.known()) return condition.value != 0 ? a : b;
  Scalar result = condition.value != 0 ? a : b;
  result.kind = a.is_integer() && b.is_integer() ? Scalar::Kind::integer : Scalar::Kind::real;
  result.node = -1;
  result.timed = false;
  return with_node(result, Op::select, {&condition, &a, &b});
}

Scalar ScalarGraph::power(const Scalar& a, const Scalar& b) {
  if (a.known() && b.known() && !(a.is_integer() && b.is_integer() && b.value >= 0)) {
    return real_scalar(std::pow(a.value, b.value));
  }
  if (b.known() && std::trunc(b.value) == b.value && std::fabs(b.value) <= 1024) {
    Scalar result = a.is_integer() && b.value >= 0 ? integer_scalar(1) : real_scalar(1);
    bool first = true;
    Scalar square = a;
    for (auto rest = static_cast<int64_t>(std::fabs(b.value)); rest > 0;) {
      if (rest & 1) {
        result = first ? square : binary(Op::mul, result, square);
        first = false;
      }
      rest >>= 1;
      if (rest > 0) square = binary(Op::mul, square, square);
    }
    return b.value < 0 ? binary(Op::div, real_scalar(1), result) : result;
  }
  const Scalar zero = real_scalar(0), one = real_scalar(1);
  const Scalar magnitude = unary(Op::exp, binary(Op::mul, b, unary(Op::log, b.is_integer() ? unary(Op::abs, a) : a)));
  Scalar result = magnitude;
  if (b.is_integer()) {
    // Odd: b / 2 is not whole. exp(b log|a|) is above 0, so the sign is set by hand.
    const Scalar half = binary(Op::mul, b, real_scalar(0.5));
    Scalar whole = real_scalar(std::trunc(half.value));
    if (!half.known()) {
      Node to_int;
      to_int.op = Op::cast;
      to_int.kind = Scalar::Kind::integer;
      to_int.operands = {half.node};
      to_int.text = fmt::format("n{}", nodes_.size());
      to_int.name = "whole";
      whole.node = add(std::move(to_int));
      whole.timed = half.timed;
    }
    const Scalar even = binary(Op::equal, whole, half);
    const Scalar negative = binary(Op::less, a, zero);
    if (!(a.known() && a.value >= 0)) {
      const Scalar signed_magnitude = select(even, magnitude, unary(Op::neg, magnitude));
      result = select(negative, signed_magnitude, magnitude);
    }
  }
  result = select(binary(Op::equal, a, zero), select(binary(Op::equal, b, zero), one, zero), result);
  if (!result.known()) {
    const std::string text =
        nodes_[static_cast<size_t>(node_of(a))].text + "_power_" + nodes_[static_cast<size_t>(node_of(b))].text;
    if (text.size() <= kLongestName) nodes_[static_cast<size_t>(result.node)].text = text;
  }
  return result;
}

const std::string& ScalarGraph::output_name(int32_t index) {
  const auto known = outputs_.find(index);
  if (known != outputs_.end()) return known->second;
  const Node& node = nodes_[static_cast<size_t>(index)];
  std::string name = node.op == Op::parameter ? node.name : "hyper." + node.text;
  if (output_names_.count(name) > 0) name = fmt::format("{}_{}", name, index);
  output_names_[name] = index;
  return outputs_[index] = name;
}

ir::Func ScalarGraph::emit(const std::string& name, const std::vector<std::string>& settings,
                           ir::SourceLocation location) const {
  ir::Func func;
  func.name = name;
  func.location = location;
  ir::Builder builder(func);
  builder.at(location);
  const ir::Type number{ir::DType::f64, {}};
  std::map<std::string, ir::ValueId> arguments;
  arguments["t"] = builder.parameter("t", number, ir::Role::hyper);
  for (const std::string& setting : settings) arguments[setting] = builder.parameter(setting, number, ir::Role::hyper);

  std::vector<bool> needed(nodes_.size(), false);
  for (const auto& [node, output] : outputs_) needed[static_cast<size_t>(node)] = true;
  for (size_t i = nodes_.size(); i-- > 0;) {
    if (!needed[i]) continue;
    for (int32_t operand : nodes_[i].operands) needed[static_cast<size_t>(operand)] = true;
  }
  std::vector<ir::ValueId> values(nodes_.size());
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!needed[i]) continue;
    const Node& node = nodes_[i];
    builder.at(node.location);
    if (node.op == Op::constant) {
      const ir::DType dtype = node.kind == Scalar::Kind::boolean ? ir::DType::boolean : ir::DType::f64;
      values[i] = builder.constant(node.number, {dtype, {}});
    } else if (node.op == Op::parameter) {
      values[i] = arguments.at(node.name);
    } else if (node.op == Op::cast) {  // rounds towards zero
      const ir::ValueId operand = values[static_cast<size_t>(node.operands[0])];
      values[i] = builder.cast(builder.cast(operand, ir::DType::i32), ir::DType::f64);
    } else {
      std::vector<ir::ValueId> operands;
      for (int32_t operand : node.operands) operands.push_back(values[static_cast<size_t>(operand)]);
      values[i] = builder.create(node.op, std::move(operands));
    }
  }
  for (const auto& [node, output] : outputs_) {
    builder.at(nodes_[static_cast<size_t>(node)].location);
    builder.result(output, builder.cast(values[static_cast<size_t>(node)], ir::DType::f32));
  }
  return func;
}

}  // namespace gradc::frontend
