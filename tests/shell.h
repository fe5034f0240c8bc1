// Running shell scripts in folders of their own, for the programs that test whole outputs.
#pragma once
#include <filesystem>
#include <string>

#include "tests/support/read_file.h"

namespace gradc::tests {

void write_file(const std::filesystem::path& path, const std::string& text);  // makes its folder

// A new folder below the system's temporary one; empty, with a message printed, where there can be none.
std::filesystem::path make_scratch_folder();

struct Outcome {
  int exit = 0;
  std::string out, err;
};
// Runs the script in `folder`, with `gradc`'s folder first on the PATH and $SOURCE the project's root. In the outputs
// the root reads $SOURCE, and one that lacks its last line end says so.
Outcome run_script(const std::string& script, const std::filesystem::path& folder, const std::string& gradc,
                   const std::string& source);

// The unified difference of two texts.
std::string difference(const std::string& expected, const std::string& found, const std::filesystem::path& scratch);

}  // namespace gradc::tests
