#include "cli/saved_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/file.h"
#include "runtime/read_table.h"

namespace gradc::cli {
namespace {

constexpr const char* kStatistics = "gradc.statistics";
constexpr const char* kVocabulary = "gradc.vocabulary";
constexpr size_t kMostShown = 20;

// Those of `some` that are not among `others`; both sorted.
std::string only_among(const std::vector<std::string>& some, const std::vector<std::string>& others) {
  std::vector<std::string> only;
  std::set_difference(some.begin(), some.end(), others.begin(), others.end(), std::back_inserter(only));
  std::string text;
  for (size_t k = 0; k < std::min(only.size(), kMostShown); ++k) {
    text += (k > 0 ? " " : "") + runtime::quote_name(only[k]);
  }
  if (only.size() > kMostShown) text += fmt::format(" and {} more", only.size() - kMostShown);
  return text.empty() ? "nothing" : text;
}

}  // namespace

runtime::Metadata data_metadata(const frontend::Program& program, const runtime::NamedTensors& statistics) {
  runtime::Metadata metadata;
  if (!statistics.empty()) {
    std::string text;
    for (const auto& [name, tensor] : statistics) {
      text += fmt::format("{}\"{}\":[", text.empty() ? "{" : ",", name);
      for (int64_t k = 0; k < tensor.elements(); ++k) {
        text += fmt::format("{}{}", k > 0 ? "," : "", static_cast<float>(tensor.at(k)));
      }
      text += "]";
    }
    metadata[kStatistics] = text + "}";
  }
  if (program.data.table && !program.data.table->vocabulary.empty()) {
    metadata[kVocabulary] = nlohmann::json(program.data.table->vocabulary).dump();
  }
  return metadata;
}

ir::Result<runtime::NamedTensors> read_statistics(const frontend::Program& program, const std::string& weights) {
  runtime::NamedTensors statistics;
  if (program.data.statistics.empty()) return statistics;
  const ir::Result<runtime::SafetensorsReader> reader = runtime::SafetensorsReader::open(weights);
  if (!reader) return reader.failure();
  const auto text = reader->metadata().find(kStatistics);
  const nlohmann::json stored =
      text == reader->metadata().end() ? nlohmann::json() : nlohmann::json::parse(text->second, nullptr, false);
  for (const frontend::Port& port : program.data.statistics) {
    const bool found = stored.is_object() && stored.contains(port.name) && stored[port.name].is_array() &&
                       std::ssize(stored[port.name]) == port.type.elements();
    ir::Tensor tensor(port.type);
    bool numbers = found;
    for (int64_t k = 0; numbers && k < tensor.elements(); ++k) {
      const nlohmann::json& number = stored[port.name][static_cast<size_t>(k)];
      numbers = number.is_number();
      if (numbers) tensor.set(k, number.get<double>());
    }
    if (!numbers) {
      return ir::Error{
          fmt::format("{} does not hold the statistics of data `{}`, which `gradc train` saves with the "
                      "weights",
                      weights, program.data.name)};
    }
    statistics.emplace_back(port.name, std::move(tensor));
  }
  return statistics;
}

ir::Result<std::vector<std::string>> read_vocabulary(const std::string& weights) {
  const ir::Result<runtime::SafetensorsReader> reader = runtime::SafetensorsReader::open(weights);
  if (!reader) return reader.failure();
  std::vector<std::string> vocabulary;
  const auto text = reader->metadata().find(kVocabulary);
  if (text == reader->metadata().end()) return vocabulary;
  const nlohmann::json stored = nlohmann::json::parse(text->second, nullptr, false);
  bool good = stored.is_array();
  for (size_t k = 0; good && k < stored.size(); ++k) {
    good = stored[k].is_string();
    if (good) vocabulary.push_back(stored[k].get<std::string>());
    good = good && runtime::is_character(vocabulary.back()) && (k == 0 || vocabulary[k - 1] < vocabulary[k]);
  }
  if (!good || vocabulary.empty()) {
    return ir::Error{fmt::format("{}: its {} is not a sorted list of characters", weights, kVocabulary)};
  }
  return vocabulary;
}

ir::Status check_vocabulary(const frontend::Program& program, const std::string& weights) {
  if (!program.data.table || program.data.table->vocabulary.empty()) return ir::success();
  const ir::Result<std::vector<std::string>> saved = read_vocabulary(weights);
  if (!saved) return saved.failure();
  const std::vector<std::string>& own = program.data.table->vocabulary;
  if (saved->empty() || *saved == own) return ir::success();
  return ir::Error{fmt::format(
      "{} was trained on {} characters, {} has {}\n  only in the weights: {}\n  only in the text: {}", weights,
      saved->size(), program.data.table->name, own.size(), only_among(*saved, own), only_among(own, *saved))};
}

}  // namespace gradc::cli
