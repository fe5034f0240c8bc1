// Where a run saves its weights: a file of the command line, or the one that the spec names, or one called as the run.
#pragma once
#include <optional>
#include <string>

#include "cli/load.h"

namespace gradc::cli {

// Nothing where it cannot be written, which has been printed, at its place in the spec where the spec says `save`.
std::optional<std::string> save_path(const Loaded& loaded, const frontend::Program& program,
                                     const std::optional<std::string>& given);

}  // namespace gradc::cli
