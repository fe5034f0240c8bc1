// What the weights of a run say about its data, as metadata of their file:
//   gradc.statistics  {"statistic.0": [...], ...}  in the order of the data block
//   gradc.vocabulary  ["\n", " ", ...]  the character that each number of a text stands for
// Tests: tests/golden/cli/generate.test, data.test.
#pragma once
#include <string>
#include <vector>

#include "frontend/program.h"
#include "ir/result.h"
#include "runtime/safetensors.h"
#include "runtime/table_columns.h"

namespace gradc::cli {

runtime::Metadata data_metadata(const frontend::Program& program, const runtime::NamedTensors& statistics);

// The statistics of the program's data that the file `weights` holds.
ir::Result<runtime::NamedTensors> read_statistics(const frontend::Program& program, const std::string& weights);

// The characters, sorted; none where the file says nothing of them.
ir::Result<std::vector<std::string>> read_vocabulary(const std::string& weights);

// An error where the file says that it was trained on other characters than those of the program's text: its numbers
// would mean others.
ir::Status check_vocabulary(const frontend::Program& program, const std::string& weights);

}  // namespace gradc::cli
