// The derived gradient of every layer, loss and function of the library against central differences; and that a wrong
// rule is found, at its place in the spec.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <regex>
#include <set>

#include "frontend/library.h"
#include "ir/eval.h"
#include "passes/differentiate.h"
#include "passes/gradient_check.h"
#include "passes/pipeline.h"
#include "tests/support/spec_from_text.h"

using namespace gradc;

namespace {

struct Part {
  std::string input;   // type of x
  std::string result;  // of the model
  std::string body;    // y of x
  std::string loss = "square_sum(out)";
  std::string target = "f32[1]";
};

const std::map<std::string, Part> kLayers = {
    {"linear", {"f32[2, 3]", "f32[2, 4]", "linear(4)(x)"}},
    {"layer_norm", {"f32[2, 3]", "f32[2, 3]", "layer_norm()(x)"}},
    {"rms_norm", {"f32[2, 3]", "f32[2, 3]", "rms_norm()(x)"}},
    {"flatten", {"f32[2, 3]", "f32[6]", "flatten()(x)"}},
    {"avg_pool", {"f32[2, 5, 4]", "f32[2, 2, 2]", "avg_pool(2)(x)"}},
    {"max_pool", {"f32[2, 5, 4]", "f32[2, 2, 2]", "max_pool(2)(x)"}},
    {"embedding", {"f32[3]", "f32[2, 3]", "let ids[i < 2] = idx<4>(2 * i + 1)\n  embedding(4, 3)(ids) * [x, x]"}},
    {"conv2d", {"f32[2, 5, 4]", "f32[3, 3, 2]", "conv2d(3, 3, stride = 2, pad = 1)(x)"}},
    {"batch_norm", {"f32[2, 3]", "f32[2, 3]", "batch_norm()(x)"}},
    {"dropout", {"f32[2, 3]", "f32[2, 3]", "dropout(0.3)(x)"}},
    {"attention", {"f32[3, 4]", "f32[3, 4]", "attention(2)(30 * x)"}},
};
const std::map<std::string, Part> kLosses = {
    {"mse", {"f32[3]", "f32[3]", "x", "mse(out, target)", "f32[3]"}},
    {"mae", {"f32[3]", "f32[3]", "x", "mae(out, target)", "f32[3]"}},
    {"huber", {"f32[3]", "f32[3]", "x", "huber(out, target, delta = 0.5)", "f32[3]"}},
    {"cross_entropy", {"f32[3]", "f32[3]", "x", "cross_entropy(out, target)", "idx<3>[]"}},
    {"binary_cross_entropy_with_logits",
     {"f32[3]", "f32[3]", "x", "binary_cross_entropy_with_logits(out, target)", "f32[3]"}},
    {"reinforce", {"f32[3]", "f32[3]", "x", "reinforce(out, target)", "f32[3]"}},
};
const std::set<std::string> kFunctions = {"relu", "leaky_relu", "sigmoid", "softplus", "elu",
                                          "silu", "gelu",       "square",  "identity", "sign"};
const std::set<std::string> kNotOfTensors = {
    "constant", "step_decay", "half_turn_cosine", "cosine",    "warmup_cosine", "uniform",        "normal", "zeros",
    "ones",     "he",         "glorot",           "bernoulli", "integers",      "normal_quantile"};

std::string spec_text(const Part& part) {
  return fmt::format(
      "language 1\nloss square_sum(y: f32[..s]) {{ sum[..s] (y[..s] + 0.3)^2 }}\nmodel m(x: {0}) -> {1} {{\n"
      "  param shift: {0} = uniform(-1, 1)\n  param scale: f32[] = 1.5\n  let sum_of = (x + shift) * scale\n{2}\n}}\n"
      "data d {{\n  let r ~ uniform(0, 1)\n  x = {3}\n  target = {4}\n}}\n"
      "train r: m on d {{\n  loss {5}\n  optimizer sgd(lr = 0.1)\n  batch 3; steps 1\n}}\n",
      part.input, part.result, part.body, "COLUMN", "TARGET", part.loss);
}

struct Checked {
  std::vector<passes::GradientCheckRow> rows;
  ir::Func loss;
  std::vector<ir::Tensor> arguments;
  std::vector<std::string> wrt;
};

Checked check(const std::string& text, passes::GradientRule rule = passes::apply_gradient_rule) {
  const tests::Elaborated spec = tests::elaborate_text(text);
  INFO(spec.messages);
  REQUIRE(spec.program.has_value());
  Checked checked;
  checked.loss = passes::write_out_gradients(spec.func("loss"));
  const tests::Results hyper = spec.run("hyper");
  for (const frontend::Port& parameter : spec.program->parameters) checked.wrt.push_back(parameter.name);
  for (size_t i = 0; i < checked.loss.parameter_count; ++i) {
    const ir::Value& argument = checked.loss.values[i];
    ir::Tensor tensor(argument.type);
    for (int64_t k = 0; k < tensor.elements(); ++k) {
      double value = std::sin(static_cast<double>(i) * 13 + static_cast<double>(k) * 1.7);
      if (argument.role == ir::Role::key) value = static_cast<double>(k);
      if (argument.type.dtype == ir::DType::i32 && argument.role == ir::Role::data) value = static_cast<double>(k % 3);
      if (argument.role == ir::Role::hyper) value = hyper.at(argument.name)[0];
      if (argument.role == ir::Role::state) value = 1;
      tensor.set(k, value);
    }
    checked.arguments.push_back(std::move(tensor));
  }
  const ir::Func gradient = passes::differentiate(checked.loss, "g", checked.wrt, rule);
  auto rows = passes::check_gradients(checked.loss, gradient, checked.wrt, checked.arguments);
  REQUIRE(rows.ok());
  checked.rows = *rows;
  return checked;
}

std::string literal(const std::string& type) {  // zeros, as a data row has them
  const size_t open = type.find('[');
  std::vector<int64_t> sizes;
  for (size_t k = open + 1; type[k] != ']';) {
    size_t used = 0;
    sizes.push_back(std::stoll(type.substr(k), &used));
    k += used;
    while (type[k] == ',' || type[k] == ' ') ++k;
  }
  std::string text = "0";
  for (size_t k = sizes.size(); k-- > 0;) {
    std::string row = text;
    for (int64_t n = 1; n < sizes[k]; ++n) row += ", " + text;
    text = "[" + row + "]";
  }
  return text;
}

std::string whole(Part part) {
  // The layers read `x`; here it is a parameter shifted by the data, so that the input's gradient is looked at too.
  part.body = std::regex_replace("  let y0 = 0\n  " + part.body, std::regex("\\bx\\b"), "sum_of");
  part.body = part.body.substr(std::string("  let y0 = 0\n").size());
  std::string text = spec_text(part);
  text.replace(text.find("COLUMN"), 6, literal(part.input));
  text.replace(text.find("TARGET"), 6, literal(part.target));
  text.erase(text.find("  let r ~"), std::string("  let r ~ uniform(0, 1)\n").size());
  text.replace(text.find("data d {"), 8, "data d = rows {");
  return text;
}

void check_part(const std::string& name, const Part& part) {
  INFO(name);
  const std::string text = whole(part);
  INFO(text);
  const Checked checked = check(text);
  int64_t elements = 0;
  for (const passes::GradientCheckRow& row : checked.rows) {
    CHECK_MESSAGE(row.passed, row.name, "[", row.index, "]: derived ", row.derived, ", difference ", row.difference);
    elements += row.checked;
  }
  CHECK(elements > 0);
  const auto wrong = passes::find_wrong_rule(checked.loss, checked.wrt, checked.arguments);
  REQUIRE(wrong.ok());
  CHECK(!wrong->has_value());
}

// tanh: half of its derivative.
void wrong_tanh(const passes::GradientCall& call) {
  if (call.value().op != ir::Op::tanh) return passes::apply_gradient_rule(call);
  const std::function<void(size_t, ir::ValueId)> half = [&](size_t operand, ir::ValueId contribution) {
    call.contribute(operand, call.builder.mul(contribution, call.builder.constant_like(0.5, contribution)));
  };
  passes::apply_gradient_rule({call.builder, call.result, call.gradient, half, call.contribute_where, call.wanted});
}

}  // namespace

TEST_CASE("every layer, loss and function of the library has its gradient") {
  std::set<std::string> listed;
  for (const auto& [name, part] : kLayers) listed.insert(name);
  for (const auto& [name, part] : kLosses) listed.insert(name);
  listed.insert(kFunctions.begin(), kFunctions.end());
  listed.insert(kNotOfTensors.begin(), kNotOfTensors.end());
  const std::regex definition("(^|\n)(layer|loss|fn) ([a-z_0-9]+)");
  for (const frontend::LibraryFile& file : frontend::library_files()) {
    const std::string text(file.text);
    for (auto at = std::sregex_iterator(text.begin(), text.end(), definition); at != std::sregex_iterator(); ++at) {
      CHECK_MESSAGE(listed.count((*at)[3]) == 1, "no gradient check of ", (*at)[3].str());
    }
  }
  for (const auto& [name, part] : kLayers) check_part(name, part);
  for (const auto& [name, part] : kLosses) check_part(name, part);
  for (const std::string& name : kFunctions) check_part(name, {"f32[5]", "f32[5]", name + "(2 * x)"});
}

TEST_CASE("a wrong rule is found at the line of the spec that uses it") {
  const std::string text =
      "language 1\nmodel m(x: f32[2]) -> f32[1] {\n  let hidden = linear(3)\n  let first = tanh(hidden(x))\n"
      "  let second = tanh(2 * first)\n  second |> linear(1)\n}\ndata d = rows { x = [0, 0], target = [0] }\n"
      "train r: m on d {\n  loss mse(out, target)\n  optimizer sgd(lr = 0.1)\n  batch 2; steps 1\n}\n";
  const Checked checked = check(text, wrong_tanh);
  bool passed = true;
  for (const passes::GradientCheckRow& row : checked.rows) passed = passed && row.passed;
  CHECK(!passed);
  const auto wrong = passes::find_wrong_rule(checked.loss, checked.wrt, checked.arguments, wrong_tanh);
  REQUIRE(wrong.ok());
  REQUIRE(wrong->has_value());
  CHECK(checked.loss[(*wrong)->value].op == ir::Op::tanh);
  CHECK((*wrong)->derived == doctest::Approx((*wrong)->difference / 2));
  frontend::Spec spec;
  ir::Diagnostics loading(spec.sources);
  frontend::load_spec_text("test.grad", text, spec, loading);
  ir::Diagnostics diagnostics(spec.sources);
  passes::report_wrong_rule(**wrong, checked.loss, diagnostics);
  const std::string message = diagnostics.render();
  INFO(message);
  // From the loss backwards: the second one.
  CHECK(message.rfind("test.grad:5:16: error: the gradient of `tanh` with respect to operand 0 is wrong\n", 0) == 0);
  CHECK(message.find("  5 |   let second = tanh(2 * first)\n    |                ^") != std::string::npos);
}
