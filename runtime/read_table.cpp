#include "runtime/read_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "runtime/file.h"
#include "runtime/safetensors.h"

namespace gradc::runtime {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 30;

ir::Result<std::string> read_whole(const std::string& path) {
  ir::Result<InputFile> file = InputFile::open(path);
  if (!file) return file.take_error();
  if (file->size() > kMaxFileBytes) return ir::Error{fmt::format("{} is larger than {} bytes", path, kMaxFileBytes)};
  std::string text(static_cast<size_t>(file->size()), '\0');
  ir::Status status = file->read(0, std::as_writable_bytes(std::span(text.data(), text.size())));
  if (!status) return status.take_error();
  return text;
}

// The rows of `more` behind those of `table`; both from csv files.
ir::Status add_rows(ir::Table& table, const ir::Table& more) {
  if (more.columns.size() != table.columns.size()) {
    return ir::Error{
        fmt::format("{} has {} columns, {} has {}", more.name, more.columns.size(), table.name, table.columns.size())};
  }
  for (size_t k = 0; k < table.columns.size(); ++k) {
    ir::TableColumn& column = table.columns[k];
    if (more.columns[k].name != column.name) {
      return ir::Error{fmt::format("column {} of {} is {}, of {} it is {}", k + 1, more.name,
                                   quote_name(more.columns[k].name), table.name, quote_name(column.name))};
    }
    if (column.problem.empty()) column.problem = more.columns[k].problem;
    column.values.insert(column.values.end(), more.columns[k].values.begin(), more.columns[k].values.end());
  }
  table.rows += more.rows;
  return ir::success();
}

struct NamedArray {
  std::string name;   // of the column
  std::string place;  // for messages
  NumberArray array;
};

bool is_name(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

ir::Status read_arrays(const std::string& kind, const std::string& file, const DataFolders& folders,
                       std::vector<NamedArray>& arrays) {
  const ir::Result<std::string> path = find_data_file(file, folders);
  if (!path) return path.failure();
  std::error_code code;
  if (std::filesystem::file_size(*path, code) > static_cast<uintmax_t>(kMaxFileBytes) && !code) {
    return ir::Error{fmt::format("{} is larger than {} bytes", file, kMaxFileBytes)};
  }
  if (kind == "npy") {
    const std::string name = std::filesystem::path(file).stem().string();
    if (!is_name(name)) {
      return ir::Error{fmt::format("{}: an array is called as its file, and {} is no name; rename the file", file,
                                   quote_name(name))};
    }
    ir::Result<NumberArray> array = read_npy(*path, file);
    if (!array) return array.take_error();
    arrays.push_back({name, file, std::move(*array)});
    return ir::success();
  }
  const ir::Result<SafetensorsReader> reader = SafetensorsReader::open(*path);
  if (!reader) return reader.failure();
  for (const StoredTensor& tensor : reader->tensors()) {
    const std::string place = fmt::format("{}: tensor {}", file, quote_name(tensor.name));
    ir::Result<NumberArray> array = reader->read_array(tensor, place);
    if (!array) return array.take_error();
    arrays.push_back({tensor.name, place, std::move(*array)});
  }
  if (arrays.empty()) return ir::Error{fmt::format("{} holds no tensors", file)};
  return ir::success();
}

// Adds the rows of the arrays in these files: as columns, or behind those of the columns that are there. Those of npy
// files are then told by their order, those of safetensors by their names.
ir::Status add_arrays(ir::Table& table, const ir::TableRequest& request, const std::vector<std::string>& files,
                      const DataFolders& folders) {
  std::vector<NamedArray> arrays;
  for (const std::string& file : files) {
    if (ir::Status status = read_arrays(request.kind, file, folders, arrays); !status) return status;
  }
  for (const NamedArray& array : arrays) {
    const ir::Shape& shape = array.array.shape;
    if (shape.empty()) return ir::Error{fmt::format("{} is a single number; rows lie along axis 0", array.place)};
    if (shape[0] != arrays[0].array.shape[0]) {
      return ir::Error{fmt::format("{} has {} rows, {} has {}: rows lie along axis 0, the same number in each",
                                   arrays[0].place, arrays[0].array.shape[0], array.place, shape[0])};
    }
  }
  const bool first = table.columns.empty();
  if (!first && arrays.size() != table.columns.size()) {
    return ir::Error{fmt::format("{} has {} arrays, {} has {}", fmt::join(files, " and "), arrays.size(), table.name,
                                 table.columns.size())};
  }
  for (size_t k = 0; k < arrays.size(); ++k) {
    NumberArray& array = arrays[k].array;
    const ir::Type type{ir::DType::f32, {array.shape.begin() + 1, array.shape.end()}};
    auto column = table.columns.end();
    if (first || request.kind != "npy") {
      column = std::find_if(table.columns.begin(), table.columns.end(),
                            [&](const ir::TableColumn& other) { return other.name == arrays[k].name; });
    } else {
      column = table.columns.begin() + static_cast<std::ptrdiff_t>(k);
    }
    if (first) {
      if (column != table.columns.end()) {
        return ir::Error{fmt::format("{}: two arrays are called {}", arrays[k].place, quote_name(arrays[k].name))};
      }
      table.columns.push_back({arrays[k].name, type, std::move(array.values), {}});
      continue;
    }
    if (column == table.columns.end()) {
      return ir::Error{fmt::format("{} is not in {}", arrays[k].place, table.name)};
    }
    if (column->type != type) {
      return ir::Error{fmt::format("{}: its rows are {}, those of the training file {}", arrays[k].place,
                                   ir::to_string(type), ir::to_string(column->type))};
    }
    column->values.insert(column->values.end(), array.values.begin(), array.values.end());
  }
  table.rows += arrays[0].array.shape[0];
  if (first) table.name = fmt::format("{}", fmt::join(files, " and "));
  return ir::success();
}

ir::Result<std::string> read_named(const std::string& name, const DataFolders& folders) {
  const ir::Result<std::string> path = find_data_file(name, folders);
  if (!path) return path.failure();
  return read_whole(*path);
}

}  // namespace

ir::Result<std::string> find_data_file(const std::string& name, const DataFolders& folders) {
  const std::filesystem::path path(name);
  bool leaves = name.empty() || path.is_absolute();
  for (const std::filesystem::path& part : path) leaves |= part == "..";
  if (leaves) {
    return ir::Error{
        fmt::format("{} is not the name of a file in the folder of the spec or of the data", quote_name(name))};
  }
  std::string looked;
  for (const std::string* folder : {&folders.spec, &folders.data}) {
    if (folder == &folders.data && folder->empty()) continue;
    const std::filesystem::path candidate = std::filesystem::path(*folder) / path;
    std::error_code code;
    if (std::filesystem::exists(candidate, code)) return candidate.string();
    looked += fmt::format("{}{}", looked.empty() ? "" : " and ", folder->empty() ? "the current folder" : *folder);
  }
  return ir::Error{fmt::format("there is no file {}; looked in {}{}", quote_name(name), looked,
                               folders.data.empty() ? "; --data-dir or GRADC_DATA names a further folder" : "")};
}

ir::Result<std::shared_ptr<const ir::Table>> read_table(const ir::TableRequest& request, const DataFolders& folders) {
  ir::Table table;
  if (request.kind == "idx") {
    ir::Result<ir::Table> images = read_images(request, folders);
    if (!images) return images.take_error();
    return std::make_shared<const ir::Table>(std::move(*images));
  }
  for (const std::vector<std::string>* files : {&request.files, &request.test_files}) {
    if (files->empty()) continue;
    const int64_t before = table.rows;
    if (request.kind == "npy" || request.kind == "safetensors") {
      if (ir::Status status = add_arrays(table, request, *files, folders); !status) return status.take_error();
    } else {
      ir::Result<std::string> text = read_named((*files)[0], folders);
      if (!text) return text.take_error();
      ir::Result<ir::Table> part = request.kind == "csv"
                                       ? parse_csv((*files)[0], *text)
                                       : parse_text((*files)[0], *text, request.kind == "chars", request.window);
      if (!part) return part.take_error();
      if (table.name.empty()) {
        table = std::move(*part);
      } else if (request.kind != "csv") {
        return ir::Error{fmt::format("{}: text has no `test` files; `split` gives it parts", (*files)[0])};
      } else if (ir::Status status = add_rows(table, *part); !status) {
        return status.take_error();
      }
    }
    if (files == &request.test_files) {
      table.test_rows = table.rows - before;
      table.test_name = request.kind == "npy" ? fmt::format("{}", fmt::join(*files, " and ")) : files->back();
    }
  }
  return std::make_shared<const ir::Table>(std::move(table));
}

}  // namespace gradc::runtime
