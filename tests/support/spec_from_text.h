// A spec that a test writes, elaborated, and its functions run by the interpreter.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "frontend/elaborate.h"
#include "ir/tensor.h"

namespace gradc::tests {

using Values = std::vector<double>;
using Results = std::map<std::string, Values>;

struct Elaborated {
  std::optional<frontend::Program> program;
  std::string messages;

  const ir::Func& func(const std::string& name) const;
  // The results of @RUN.name by name; arguments that are not given are zeros.
  Results run(const std::string& name, const std::map<std::string, Values>& given = {}) const;
  bool has_result(const std::string& name, const std::string& result) const;
  const ir::Type* parameter(const std::string& name) const;
};

// A value for each argument by its name; those that are not given are zeros.
std::vector<ir::Tensor> arguments_of(const ir::Func& func, const std::map<std::string, Values>& given);
// The results by name.
Results evaluate(const ir::Func& func, const std::map<std::string, Values>& given);

Elaborated elaborate_text(const std::string& text, const frontend::Overrides& overrides = {},
                          const std::string& run = "");

// The same of a spec without mistakes.
Elaborated elaborate_good(const std::string& text);

// A spec around a layer body: `x: type` in, `result` out.
std::string layer_spec(const std::string& type, const std::string& row, const std::string& result,
                       const std::string& body);

// What the body gives for the values of x.
Values apply(const std::string& type, const std::string& row, const std::string& result, const std::string& body,
             const Values& x);

inline const std::string kVector = "f32[3]", kVectorRow = "[0, 0, 0]";
inline const std::string kMatrix = "f32[2, 3]", kMatrixRow = "[[0, 0, 0], [0, 0, 0]]";
inline const Values kOneToSix = {1, 2, 3, 4, 5, 6};

Values vector(const std::string& result, const std::string& body, const Values& x = {1, 2, 3});  // x: f32[3]
Values matrix(const std::string& result, const std::string& body);                               // x: kOneToSix

}  // namespace gradc::tests
