// Rows of a file as the inputs of a run's model, made by its data block with the statistics that the weights hold.
#pragma once
#include <string>
#include <vector>

#include "frontend/program.h"
#include "ir/result.h"
#include "runtime/predict.h"

namespace gradc::cli {

// The rows of the csv file `path`, which has the columns that the model's inputs are made of.
ir::Result<std::vector<std::vector<runtime::NamedRow>>> read_rows(const frontend::Program& program,
                                                                  const std::string& path, const std::string& weights);

}  // namespace gradc::cli
