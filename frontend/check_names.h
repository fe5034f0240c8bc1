// Names in definitions that elaboration did not come to. Golden texts: tests/golden/errors/unused_*.test.
#pragma once
#include "frontend/spec.h"
#include "ir/diag.h"

namespace gradc::frontend {

// Called on a spec that was elaborated without a mistake: an error for each name that means nothing anywhere.
void check_names(const Spec& spec, ir::Diagnostics& diagnostics);

}  // namespace gradc::frontend
