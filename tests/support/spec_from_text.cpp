#include "tests/support/spec_from_text.h"

#include <doctest/doctest.h>

#include "ir/eval.h"
#include "ir/verify.h"

namespace gradc::tests {

const ir::Func& Elaborated::func(const std::string& name) const {
  const ir::Func* found = program->module.find(program->run + "." + name);
  REQUIRE(found != nullptr);
  return *found;
}

std::vector<ir::Tensor> arguments_of(const ir::Func& func, const std::map<std::string, Values>& given) {
  std::vector<ir::Tensor> arguments;
  for (size_t i = 0; i < func.parameter_count; ++i) {
    ir::Tensor tensor(func.values[i].type);
    if (const auto values = given.find(func.values[i].name); values != given.end()) {
      REQUIRE(static_cast<int64_t>(values->second.size()) == tensor.elements());
      for (size_t k = 0; k < values->second.size(); ++k) tensor.set(static_cast<int64_t>(k), values->second[k]);
    }
    arguments.push_back(std::move(tensor));
  }
  return arguments;
}

Results evaluate(const ir::Func& func, const std::map<std::string, Values>& given) {
  ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(func, arguments_of(func, given));
  REQUIRE(results.ok());
  Results named;
  for (size_t k = 0; k < results->size(); ++k) {
    Values& values = named[func.results[k].name];
    for (int64_t i = 0; i < (*results)[k].elements(); ++i) values.push_back((*results)[k].at(i));
  }
  return named;
}

Results Elaborated::run(const std::string& name, const std::map<std::string, Values>& given) const {
  return evaluate(func(name), given);
}

bool Elaborated::has_result(const std::string& name, const std::string& result) const {
  return func(name).find_result(result) != nullptr;
}

const ir::Type* Elaborated::parameter(const std::string& name) const {
  for (const frontend::Port& port : program->parameters) {
    if (port.name == name) return &port.type;
  }
  return nullptr;
}

Elaborated elaborate_text(const std::string& text, const frontend::Overrides& overrides, const std::string& run) {
  frontend::Spec spec;
  ir::Diagnostics diagnostics(spec.sources);
  frontend::load_spec_text("test.grad", text, spec, diagnostics);
  Elaborated result;
  if (!diagnostics.has_errors()) result.program = frontend::elaborate(spec, run, overrides, diagnostics);
  result.messages = diagnostics.render();
  CHECK(result.program.has_value() == !diagnostics.has_errors());
  if (result.program) {
    for (const ir::VerifyError& error : ir::verify(result.program->module)) FAIL_CHECK(ir::to_string(error));
  }
  return result;
}

Elaborated elaborate_good(const std::string& text) {
  Elaborated spec = elaborate_text(text);
  INFO(spec.messages);
  REQUIRE(spec.program.has_value());
  return spec;
}

std::string layer_spec(const std::string& type, const std::string& row, const std::string& result,
                       const std::string& body) {
  return "language 1\nlayer f()(x: " + type + ") -> " + result + " {\n" + body + "\n}\n" + "model m(x: " + type +
         ") -> " + result + " {\n  param one: f32[] = 1\n  let y = f()(x)\n  y * one\n}\n" +
         "loss total_of(y: f32[..s]) { sum[..s] y[..s] }\n" + "data d = rows { x = " + row + " }\n" +
         "train r: m on d {\n  loss total_of(out)\n  optimizer sgd(lr = 0.1)\n  batch 1; steps 1\n}\n";
}

Values apply(const std::string& type, const std::string& row, const std::string& result, const std::string& body,
             const Values& x) {
  return elaborate_good(layer_spec(type, row, result, body)).run("predict", {{"one", {1}}, {"x", x}}).at("out");
}

Values vector(const std::string& result, const std::string& body, const Values& x) {
  return apply(kVector, kVectorRow, result, body, x);
}

Values matrix(const std::string& result, const std::string& body) {
  return apply(kMatrix, kMatrixRow, result, body, kOneToSix);
}

}  // namespace gradc::tests
