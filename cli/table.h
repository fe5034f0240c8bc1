// Columns of text, as wide as their widest cell and two spaces apart.
#pragma once
#include <string>
#include <vector>

namespace gradc::cli {

class Table {
 public:
  // A column for each title; those of `right` stand at the right.
  Table(std::vector<std::string> titles, std::vector<bool> right);
  void row(std::vector<std::string> cells);
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> right_;
};

// 84 B, 1.5 KB, 2.0 MB
std::string human_bytes(long long bytes);

}  // namespace gradc::cli
