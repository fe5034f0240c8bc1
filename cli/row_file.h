// What the weights of a run say about its data, and rows of a file as the inputs of its model, made by the same data
// block with the same statistics.
#pragma once
#include <string>
#include <vector>

#include "frontend/program.h"
#include "ir/result.h"
#include "runtime/predict.h"
#include "runtime/safetensors.h"
#include "runtime/table_columns.h"

namespace gradc::cli {

// gradc.statistics: {"statistic.0": [...]} in the order of the data block; gradc.vocabulary: the characters of a text.
runtime::Metadata data_metadata(const frontend::Program& program, const runtime::NamedTensors& statistics);

// The rows of the csv file `path`, which has the columns that the model's inputs are made of.
ir::Result<std::vector<std::vector<runtime::NamedRow>>> read_rows(const frontend::Program& program,
                                                                  const std::string& path, const std::string& weights);

}  // namespace gradc::cli
