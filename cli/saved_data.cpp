#include "cli/saved_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/file.h"
#include "runtime/read_table.h"

namespace gradc::cli {
namespace {

constexpr const char* kStatistics = "gradc.statistics";
constexpr const char* kTable = "gradc.table";
constexpr const char* kVocabulary = "gradc.vocabulary";
// Rows that a text which is not there is taken to have: enough for every split.
constexpr int64_t kStandInRows = int64_t{1} << 30;
// The first row of a csv file stands below the names.
constexpr int64_t kFirstCsvLine = 2;
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

std::string table_text(const frontend::DataSource& data) {
  nlohmann::ordered_json columns = nlohmann::ordered_json::object();
  for (const ir::TableColumn& column : data.table->columns) columns[column.name] = column.type.shape;
  return nlohmann::ordered_json{
      {"kind", data.request.kind}, {"files", data.request.files},        {"test_files", data.request.test_files},
      {"rows", data.table->rows},  {"test_rows", data.table->test_rows}, {"columns", columns}}
      .dump();
}

// The table without rows; null where the text does not describe what the request asks for.
std::shared_ptr<const ir::Table> read_table_text(const std::string& text, const ir::TableRequest& request) {
  const auto stored = nlohmann::ordered_json::parse(text, nullptr, false);
  const auto count = [&](const char* name) {
    const bool good = stored.contains(name) && stored[name].is_number_integer();
    return good ? stored[name].get<int64_t>() : int64_t{-1};
  };
  const auto is = [&](const char* name, const nlohmann::ordered_json& expected) {
    return stored.contains(name) && stored[name] == expected;
  };
  if (!stored.is_object() || !is("kind", request.kind) || !is("files", request.files) ||
      !is("test_files", request.test_files) || !stored.contains("columns") || !stored["columns"].is_object()) {
    return nullptr;
  }
  auto table = std::make_shared<ir::Table>();
  table->name = request.files[0];
  if (!request.test_files.empty()) table->test_name = request.test_files[0];
  table->rows = count("rows");
  table->test_rows = count("test_rows");
  if (table->rows < 1 || table->rows > ir::kMaxElements || table->test_rows < 0 || table->test_rows >= table->rows) {
    return nullptr;
  }
  if (request.kind == "csv") table->first_line = kFirstCsvLine;
  for (const auto& [name, extents] : stored["columns"].items()) {
    if (!extents.is_array() || extents.size() > ir::kMaxRank) return nullptr;
    ir::Shape shape;
    for (const auto& extent : extents) {
      if (!extent.is_number_integer()) return nullptr;
      shape.push_back(extent.get<int64_t>());
      if (shape.back() < 1) return nullptr;
    }
    if (!ir::checked_element_count(shape)) return nullptr;
    table->columns.push_back({name, {ir::DType::f32, shape}, {}, {}});
  }
  return table;
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
  if (program.data.table && program.data.table->window == 0) metadata[kTable] = table_text(program.data);
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

ir::TableReader predicting_reader(ir::TableReader read, const std::string& weights) {
  runtime::Metadata metadata;
  std::vector<std::string> vocabulary;
  // What is wrong with the weights is said where they are loaded.
  if (const auto reader = runtime::SafetensorsReader::open(weights)) metadata = reader->metadata();
  if (auto saved = read_vocabulary(weights)) vocabulary = std::move(*saved);
  return [read = std::move(read), metadata, vocabulary](const ir::TableRequest& request) {
    if (const auto text = metadata.find(kTable); text != metadata.end()) {
      if (auto table = read_table_text(text->second, request)) {
        return ir::Result<std::shared_ptr<const ir::Table>>(std::move(table));
      }
    }
    ir::Result<std::shared_ptr<const ir::Table>> table = read(request);
    const bool known = request.kind == "bytes" || (request.kind == "chars" && !vocabulary.empty());
    if (table || !known || !request.test_files.empty()) return table;
    ir::Table stand_in;
    stand_in.name = request.files[0];
    stand_in.rows = kStandInRows;
    stand_in.window = request.window;
    stand_in.columns.push_back({"w", {ir::DType::f32, {request.window}}, {}, {}});
    if (request.kind == "chars") stand_in.vocabulary = vocabulary;
    return ir::Result<std::shared_ptr<const ir::Table>>(std::make_shared<const ir::Table>(std::move(stand_in)));
  };
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
