#include "passes/passes.h"

namespace gradc::passes {

const std::vector<PassInfo>& all_passes() {
  static const std::vector<PassInfo> passes = {
#define GRADC_PASS(name, exactness, sentence) {#name, Exactness::exactness, sentence, &name},
#include "passes/passes.def"
#undef GRADC_PASS
  };
  return passes;
}

const PassInfo* find_pass(std::string_view name) {
  for (const PassInfo& pass : all_passes()) {
    if (pass.name == name) return &pass;
  }
  return nullptr;
}

}  // namespace gradc::passes
