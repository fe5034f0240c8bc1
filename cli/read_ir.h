// Tensor IR text that the user names, parsed and verified; what is wrong with it has been printed on standard error.
#pragma once
#include <optional>
#include <string>

#include "ir/graph.h"

namespace gradc::cli {

// "-": standard input.
std::optional<ir::Module> read_ir(const std::string& path);

}  // namespace gradc::cli
