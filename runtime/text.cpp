// Text as numbers: the rank of each character among the sorted distinct ones, or the bytes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "runtime/file.h"
#include "runtime/read_table.h"

namespace gradc::runtime {
namespace {

constexpr size_t kMaxVocabulary = 1 << 16;

// Bytes of the UTF-8 character at the start of `text`; 1 where there is none.
size_t character_bytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0xc0) return 1;
  const size_t bytes = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return find_invalid_utf8(text.substr(0, bytes)) == std::string_view::npos ? bytes : 1;
}

// The numbers of the characters of a vocabulary; most texts are ASCII, which is looked up in a table.
class Ranks {
 public:
  explicit Ranks(const std::vector<std::string>& vocabulary) : vocabulary_(vocabulary) {
    ascii_.fill(-1);
    for (size_t k = 0; k < vocabulary.size(); ++k) {
      const auto first = static_cast<unsigned char>(vocabulary[k][0]);
      if (first < 0x80) ascii_[first] = static_cast<int64_t>(k);
    }
  }
  // -1: it has none.
  int64_t operator()(std::string_view character) const {
    const auto first = static_cast<unsigned char>(character[0]);
    if (first < 0x80) return ascii_[first];
    const auto found = std::lower_bound(vocabulary_.begin(), vocabulary_.end(), character);
    return found == vocabulary_.end() || *found != character ? -1 : found - vocabulary_.begin();
  }

 private:
  const std::vector<std::string>& vocabulary_;
  std::array<int64_t, 0x80> ascii_ = {};
};

// Sorted; UTF-8 sorts as the codes do. The text has been checked.
ir::Result<std::vector<std::string>> vocabulary_of(const std::string& name, std::string_view text) {
  std::array<bool, 0x80> ascii = {};
  std::set<std::string_view> others;
  for (size_t k = 0; k < text.size();) {
    const auto first = static_cast<unsigned char>(text[k]);
    const size_t bytes = first < 0x80 ? 1 : character_bytes(text.substr(k));
    if (first < 0x80) {
      ascii[first] = true;
    } else if (others.insert(text.substr(k, bytes)).second && others.size() > kMaxVocabulary) {
      return ir::Error{fmt::format("{} has more than {} distinct characters", name, kMaxVocabulary)};
    }
    k += bytes;
  }
  std::vector<std::string> vocabulary;
  for (size_t code = 0; code < ascii.size(); ++code) {
    if (ascii[code]) vocabulary.emplace_back(1, static_cast<char>(code));
  }
  vocabulary.insert(vocabulary.end(), others.begin(), others.end());
  return vocabulary;
}

// A character for a message about what the user wrote.
std::string show_character(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return quote_name(character);
  uint32_t code = first & (0x7fu >> character.size());
  for (size_t k = 1; k < character.size(); ++k) code = code << 6 | (static_cast<unsigned char>(character[k]) & 0x3f);
  return fmt::format("{} (U+{:04X})", code < 0xa0 ? quote_name(character) : fmt::format("`{}`", character), code);
}

}  // namespace

bool is_character(std::string_view text) {
  return !text.empty() && character_bytes(text) == text.size() && find_invalid_utf8(text) == std::string_view::npos;
}

ir::Result<std::vector<float>> encode_text(std::string_view text, const std::vector<std::string>& vocabulary) {
  std::vector<float> numbers;
  numbers.reserve(text.size());
  if (vocabulary.empty()) {
    for (const char c : text) numbers.push_back(static_cast<unsigned char>(c));
    return numbers;
  }
  const Ranks ranks(vocabulary);
  for (size_t k = 0; k < text.size();) {
    const std::string_view character = text.substr(k, character_bytes(text.substr(k)));
    numbers.push_back(static_cast<float>(ranks(character)));
    if (numbers.back() < 0) {
      return ir::Error{
          fmt::format("{} is not among the {} characters of the text", show_character(character), vocabulary.size())};
    }
    k += character.size();
  }
  return numbers;
}

ir::Result<ir::Table> parse_text(const std::string& name, std::string_view text, bool characters, int64_t window) {
  ir::Table table;
  table.name = name;
  table.window = window;
  ir::TableColumn column{"w", {ir::DType::f32, {window}}, {}, {}};
  if (characters) {
    if (ir::Status status = check_text(name, text); !status) return status.take_error();
    ir::Result<std::vector<std::string>> vocabulary = vocabulary_of(name, text);
    if (!vocabulary) return vocabulary.take_error();
    table.vocabulary = std::move(*vocabulary);
  }
  ir::Result<std::vector<float>> numbers = encode_text(text, table.vocabulary);
  if (!numbers) return numbers.take_error();
  column.values = std::move(*numbers);
  const auto length = static_cast<int64_t>(column.values.size());
  if (length < window) {
    return ir::Error{fmt::format("{} has {} characters, fewer than a window of {}", name, length, window)};
  }
  table.rows = length - window + 1;
  table.columns.push_back(std::move(column));
  return table;
}

}  // namespace gradc::runtime
