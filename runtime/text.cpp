// Text as numbers: the rank of each character among the sorted distinct ones, or the bytes.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "runtime/file.h"
#include "runtime/read_table.h"

namespace gradc::runtime {
namespace {

constexpr size_t kMaxVocabulary = 1 << 16;

// Bytes of the UTF-8 character that begins with this one; the text has been checked.
size_t character_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

}  // namespace

ir::Result<ir::Table> parse_text(const std::string& name, std::string_view text, bool characters, int64_t window) {
  ir::Table table;
  table.name = name;
  table.window = window;
  ir::TableColumn column{"w", {ir::DType::f32, {window}}, {}, {}};
  if (!characters) {
    column.values.reserve(text.size());
    for (const char c : text) column.values.push_back(static_cast<float>(static_cast<unsigned char>(c)));
  } else {
    if (ir::Status status = check_text(name, text); !status) return status.take_error();
    // UTF-8 sorts as the codes do.
    std::set<std::string_view> distinct;
    for (size_t k = 0; k < text.size(); k += character_bytes(text[k])) {
      distinct.insert(text.substr(k, character_bytes(text[k])));
      if (distinct.size() > kMaxVocabulary) {
        return ir::Error{fmt::format("{} has more than {} distinct characters", name, kMaxVocabulary)};
      }
    }
    for (const std::string_view character : distinct) table.vocabulary.emplace_back(character);
    for (size_t k = 0; k < text.size(); k += character_bytes(text[k])) {
      const auto rank =
          std::lower_bound(table.vocabulary.begin(), table.vocabulary.end(), text.substr(k, character_bytes(text[k]))) -
          table.vocabulary.begin();
      column.values.push_back(static_cast<float>(rank));
    }
  }
  const auto length = static_cast<int64_t>(column.values.size());
  if (length < window) {
    return ir::Error{fmt::format("{} has {} characters, fewer than a window of {}", name, length, window)};
  }
  table.rows = length - window + 1;
  table.columns.push_back(std::move(column));
  return table;
}

}  // namespace gradc::runtime
