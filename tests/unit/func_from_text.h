// The only function of an IR text that a test writes; the test fails where the text is faulty.
#pragma once
#include <doctest/doctest.h>

#include <string>

#include "ir/parse.h"

namespace gradc {

inline ir::Func func_from_text(const std::string& text) {
  ir::Sources sources;
  const int32_t file = sources.add("test.ir", text);
  ir::Diagnostics diagnostics(sources);
  std::optional<ir::Module> module = ir::parse(sources, file, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module.has_value());
  REQUIRE(module->items.size() == 1);
  return std::get<ir::Func>(module->items.front());
}

}  // namespace gradc
