// A pass is a name, a sentence and a function from function to function (passes.def). Each stands in a file of its
// name.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace gradc::passes {

#define GRADC_PASS(name, exactness, sentence) ir::Func name(const ir::Func& func);
#include "passes/passes.def"
#undef GRADC_PASS

enum class Exactness { exact, rounds };

struct PassInfo {
  std::string_view name;
  Exactness exactness;
  std::string_view sentence;
  ir::Func (*run)(const ir::Func&);
};

const std::vector<PassInfo>& all_passes();
const PassInfo* find_pass(std::string_view name);

}  // namespace gradc::passes
