#include "tests/support/ir_text.h"

#include <doctest/doctest.h>

#include "ir/eval.h"
#include "ir/parse.h"
#include "ir/verify.h"

namespace gradc::tests {

ir::Module module_from_text(const std::string& text) {
  ir::Sources sources;
  ir::Diagnostics diagnostics(sources);
  const std::optional<ir::Module> module = ir::parse(sources, sources.add("test.ir", text), diagnostics);
  REQUIRE_MESSAGE(module.has_value(), diagnostics.render());
  return *module;
}

ir::Func func_from_text(const std::string& text) {
  const ir::Module module = module_from_text(text);
  REQUIRE(module.items.size() == 1);
  REQUIRE(std::holds_alternative<ir::Func>(module.items.front()));
  return std::get<ir::Func>(module.items.front());
}

std::string errors_of_text(const std::string& text) {
  ir::Sources sources;
  ir::Diagnostics diagnostics(sources);
  const std::optional<ir::Module> module = ir::parse(sources, sources.add("test.ir", text), diagnostics);
  std::string out = diagnostics.render();
  if (!module) return out;
  for (const ir::VerifyError& error : ir::verify(*module)) out += to_string(error) + "\n";
  return out;
}

std::vector<double> values_of(const std::string& text) {
  const ir::Func func = func_from_text(text);
  const std::vector<ir::VerifyError> errors = ir::verify(func);
  REQUIRE_MESSAGE(errors.empty(), (errors.empty() ? "" : to_string(errors.front())));
  const ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(func, {});
  REQUIRE(results.ok());
  std::vector<double> values;
  for (int64_t i = 0; i < results->front().elements(); ++i) values.push_back(results->front().at(i));
  return values;
}

}  // namespace gradc::tests
