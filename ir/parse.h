// The IR's text back into a module. The text is untrusted: every fault becomes a diagnostic with its place.
#pragma once
#include <optional>

#include "ir/diag.h"
#include "ir/graph.h"

namespace gradc::ir {

// Where the text defines what: each item of the module, and of functions each value (arguments first).
struct TextPlaces {
  std::vector<SourceLocation> items;
  std::vector<std::vector<SourceLocation>> values;
};

// nullopt after at least one error. Types and attributes are checked by the shape rules; what spans several values is
// left to verify().
std::optional<Module> parse(const Sources& sources, int32_t file, Diagnostics& diagnostics,
                            TextPlaces* places = nullptr);

}  // namespace gradc::ir
