#pragma once
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace gradc::tests {

// All bytes of a file; nothing of one that is not there.
inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace gradc::tests
