// What the weights of a run say about its data, as metadata of their file:
//   gradc.statistics  {"statistic.0": [...], ...}  in the order of the data block
//   gradc.table       {"kind": "csv", "files": [...], "test_files": [...], "rows": 1030, "columns": {"cement": [],
//   ...}}
//                     what a spec can ask of the files before their rows are read; columns in their order, with shapes
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

// Reads the files of a data block for a program that only predicts. Of a table it needs the names and types, which the
// weights tell where the spec asks for the files that they were trained on; a text may be missing where its characters
// are known. Else the files are read.
ir::TableReader predicting_reader(ir::TableReader read, const std::string& weights);

// The characters, sorted; none where the file says nothing of them.
ir::Result<std::vector<std::string>> read_vocabulary(const std::string& weights);

// An error where the file says that it was trained on other characters than those of the program's text: its numbers
// would mean others.
ir::Status check_vocabulary(const frontend::Program& program, const std::string& weights);

}  // namespace gradc::cli
