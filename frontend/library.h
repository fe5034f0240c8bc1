// The standard library's source files, embedded by CMake (embed.cmake) from std/*.grad.
#pragma once
#include <string_view>
#include <vector>

namespace gradc::frontend {

struct LibraryFile {
  std::string_view name;  // std/layers.grad
  std::string_view text;
};

const std::vector<LibraryFile>& library_files();

}  // namespace gradc::frontend
