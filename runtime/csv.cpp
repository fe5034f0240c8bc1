// Numbers in columns: comma-separated values with a header line.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <set>

#include "runtime/file.h"
#include "runtime/read_table.h"

namespace gradc::runtime {
namespace {

constexpr size_t kMaxColumns = 10'000;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// The cells of a line. A quoted cell may hold commas, and "" for a quote; it ends on its line.
bool split_cells(std::string_view line, std::vector<std::string>& cells) {
  cells.clear();
  while (true) {
    std::string cell;
    line = trimmed(line);
    if (line.starts_with('"')) {
      size_t k = 1;
      for (; k < line.size(); ++k) {
        if (line[k] != '"') {
          cell += line[k];
        } else if (k + 1 < line.size() && line[k + 1] == '"') {
          cell += '"';
          ++k;
        } else {
          break;
        }
      }
      if (k >= line.size()) return false;
      line = trimmed(line.substr(k + 1));
      if (!line.empty() && line.front() != ',') return false;
      cells.push_back(std::move(cell));
      if (line.empty()) return true;
      line.remove_prefix(1);
      if (cells.size() > kMaxColumns) return true;
      continue;
    }
    const size_t comma = line.find(',');
    cells.emplace_back(trimmed(line.substr(0, comma)));
    if (comma == std::string_view::npos || cells.size() > kMaxColumns) return true;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

ir::Result<ir::Table> parse_csv(const std::string& name, std::string_view text) {
  if (ir::Status status = check_text(name, text); !status) return status.take_error();
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  ir::Table table;
  table.name = name;
  table.first_line = 2;
  std::vector<std::string> cells;
  int64_t line_number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    const bool blank_rest = trimmed(line).empty() && text.find_first_not_of(" \t\r\n") == std::string_view::npos;
    if (blank_rest) break;
    if (!split_cells(line, cells)) {
      return ir::Error{fmt::format("{}:{}: a quote is not closed, or something stands behind it", name, line_number)};
    }
    if (line_number == 1) {
      if (cells.size() > kMaxColumns) return ir::Error{fmt::format("{} has more than {} columns", name, kMaxColumns)};
      std::set<std::string> seen;
      for (std::string& cell : cells) {
        double number = 0;
        const auto [stop, problem] = std::from_chars(cell.data(), cell.data() + cell.size(), number);
        if (cell.empty() || (problem == std::errc() && stop == cell.data() + cell.size())) {
          return ir::Error{
              fmt::format("{}:1: the first line holds the names of the columns; {} is none", name, quote_name(cell))};
        }
        if (!seen.insert(cell).second) {
          return ir::Error{fmt::format("{}:1: two columns are named {}", name, quote_name(cell))};
        }
        table.columns.push_back({std::move(cell), {ir::DType::f32, {}}, {}, {}});
      }
      continue;
    }
    if (cells.size() != table.columns.size()) {
      return ir::Error{fmt::format("{}:{}: {} cells in the row, the header names {} columns", name, line_number,
                                   cells.size(), table.columns.size())};
    }
    for (size_t k = 0; k < cells.size(); ++k) {
      ir::TableColumn& column = table.columns[k];
      if (!column.problem.empty()) continue;
      const char* last = cells[k].data() + cells[k].size();
      double number = 0;
      const char* first = cells[k].data() + (cells[k].starts_with('+') ? 1 : 0);
      const auto [stop, problem] = std::from_chars(first, last, number);
      const bool is_number = problem == std::errc() && stop == last && std::isfinite(static_cast<float>(number));
      if (!is_number) {
        column.problem =
            fmt::format("{}:{}: column {}: {}", name, line_number, quote_name(column.name),
                        cells[k].empty() ? "the cell is empty" : quote_name(cells[k]) + " is not a number of float32");
        column.values = {};
        continue;
      }
      column.values.push_back(static_cast<float>(number));
    }
    ++table.rows;
  }
  if (table.columns.empty()) return ir::Error{fmt::format("{} is empty", name)};
  if (table.rows == 0) return ir::Error{fmt::format("{} has a header and no rows", name)};
  return table;
}

}  // namespace gradc::runtime
