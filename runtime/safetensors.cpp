#include "runtime/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>

namespace gradc::runtime {
namespace {

struct StoredDType {
  std::string_view name;
  int64_t bytes;
  std::optional<NumberType> numbers;  // none: they cannot be read
};
constexpr std::array kStoredDTypes = {
    StoredDType{"BOOL", 1, NumberType::boolean}, StoredDType{"U8", 1, NumberType::u8},
    StoredDType{"I8", 1, NumberType::i8},        StoredDType{"F8_E5M2", 1, std::nullopt},
    StoredDType{"F8_E4M3", 1, std::nullopt},     StoredDType{"I16", 2, NumberType::i16},
    StoredDType{"U16", 2, NumberType::u16},      StoredDType{"F16", 2, NumberType::f16},
    StoredDType{"BF16", 2, NumberType::bf16},    StoredDType{"I32", 4, NumberType::i32},
    StoredDType{"U32", 4, NumberType::u32},      StoredDType{"F32", 4, NumberType::f32},
    StoredDType{"F64", 8, NumberType::f64},      StoredDType{"I64", 8, NumberType::i64},
    StoredDType{"U64", 8, NumberType::u64},
};

const StoredDType* find_dtype(std::string_view dtype) {
  for (const StoredDType& row : kStoredDTypes) {
    if (row.name == dtype) return &row;
  }
  return nullptr;
}

std::optional<int64_t> stored_bytes(std::string_view dtype) {
  const StoredDType* found = find_dtype(dtype);
  return found == nullptr ? std::nullopt : std::optional(found->bytes);
}

// Reads the header's one possible form as a stream of events, so that memory stays within the header's own size and a
// name that occurs twice is seen. `problem` is the sentence that follows "header: ".
class HeaderReader : public nlohmann::json::json_sax_t {
 public:
  std::vector<StoredTensor> tensors;
  std::map<std::string, std::string> metadata;
  std::string problem;

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a truth value"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return unexpected("a number that is no small integer");
  }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (where_ != Where::extents && where_ != Where::offsets) return unexpected("a number");
    if (value > static_cast<uint64_t>(INT64_MAX)) return unexpected("a number above 2^63");
    numbers_.push_back(static_cast<int64_t>(value));
    return true;
  }

  bool string(string_t& value) override {
    if (where_ == Where::metadata) {
      metadata[field_] = value;
      return true;
    }
    if (where_ != Where::tensor || field_ != "dtype") return unexpected("a string");
    if (!stored_bytes(value))
      return fail(fmt::format("tensor {} has the unknown dtype {}", current(), quote_name(value)));
    tensors.back().dtype = value;
    return true;
  }

  bool start_object(size_t) override {
    if (where_ == Where::outside) {
      where_ = Where::top;
      return true;
    }
    if (where_ != Where::top) return unexpected("an object");
    if (field_ == "__metadata__") {
      where_ = Where::metadata;
    } else {
      tensors.push_back({.name = field_});
      fields_seen_.clear();
      where_ = Where::tensor;
    }
    return true;
  }

  bool key(string_t& value) override {
    if (where_ == Where::top && !names_.insert(value).second) {
      return fail(fmt::format("the name {} occurs twice", quote_name(value)));
    }
    if (where_ == Where::tensor) {
      if (value != "dtype" && value != "shape" && value != "data_offsets") {
        return fail(fmt::format("tensor {} has the unknown field {}", current(), quote_name(value)));
      }
      if (!fields_seen_.insert(value).second) {
        return fail(fmt::format("tensor {} has two fields {}", current(), quote_name(value)));
      }
    }
    field_ = value;
    return true;
  }

  bool end_object() override {
    if (where_ == Where::tensor) {
      for (const char* needed : {"dtype", "shape", "data_offsets"}) {
        if (!fields_seen_.contains(needed)) return fail(fmt::format("tensor {} has no field `{}`", current(), needed));
      }
    }
    where_ = where_ == Where::top ? Where::outside : Where::top;
    return true;
  }

  bool start_array(size_t) override {
    if (where_ != Where::tensor || field_ == "dtype") return unexpected("a list");
    where_ = field_ == "shape" ? Where::extents : Where::offsets;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    if (where_ == Where::extents) {
      tensors.back().shape = numbers_;
    } else {
      if (numbers_.size() != 2) {
        return fail(fmt::format("tensor {} has {} data offsets, not 2", current(), numbers_.size()));
      }
      tensors.back().begin = numbers_[0];
      tensors.back().end = numbers_[1];
    }
    where_ = Where::tensor;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    return fail(fmt::format("not JSON in UTF-8 at byte {}", position));
  }

 private:
  enum class Where { outside, top, metadata, tensor, extents, offsets };

  bool fail(std::string sentence) {
    problem = std::move(sentence);
    return false;
  }
  std::string current() const { return quote_name(tensors.back().name); }
  bool unexpected(std::string_view what) {
    switch (where_) {
      case Where::outside:
        return fail(fmt::format("it is {}, not an object", what));
      case Where::top:
        return fail(fmt::format("{} is {}, not an object", quote_name(field_), what));
      case Where::metadata:
        return fail(fmt::format("metadata {} is {}, not a string", quote_name(field_), what));
      default:
        return fail(fmt::format("tensor {}: field `{}` contains {}", current(), field_, what));
    }
  }

  Where where_ = Where::outside;
  std::string field_;
  std::vector<int64_t> numbers_;
  std::set<std::string, std::less<>> names_, fields_seen_;
};

// Bytes that a tensor of this dtype and shape takes; nullopt where that exceeds int64.
std::optional<int64_t> expected_bytes(const StoredTensor& tensor) {
  int64_t bytes = *stored_bytes(tensor.dtype);
  for (const int64_t extent : tensor.shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return bytes;
}

std::string count_of_bytes(int64_t count) { return fmt::format("{} byte{}", count, count == 1 ? "" : "s"); }

// The sentence that says what is wrong with the ranges; empty where they tile [0, data_bytes) exactly. Sorts by range.
std::string check_ranges(std::vector<StoredTensor>& tensors, int64_t data_bytes) {
  for (const StoredTensor& tensor : tensors) {
    const std::string name = quote_name(tensor.name);
    if (tensor.begin > tensor.end) {
      return fmt::format("tensor {} ends at byte {}, before its begin at {}", name, tensor.end, tensor.begin);
    }
    if (tensor.end > data_bytes) {
      return fmt::format("tensor {} ends at byte {} of the data, but the file holds {}: truncated?", name, tensor.end,
                         data_bytes);
    }
    const std::optional<int64_t> expected = expected_bytes(tensor);
    if (!expected) return fmt::format("tensor {} has the impossible shape [{}]", name, fmt::join(tensor.shape, ","));
    if (*expected != tensor.end - tensor.begin) {
      return fmt::format("tensor {} of {}[{}] takes {} bytes, but its range has {}", name, tensor.dtype,
                         fmt::join(tensor.shape, ","), *expected, tensor.end - tensor.begin);
    }
  }
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  int64_t covered = 0;
  for (size_t k = 0; k < tensors.size(); ++k) {
    if (tensors[k].begin < covered) {
      return fmt::format("tensors {} and {} overlap", quote_name(tensors[k - 1].name), quote_name(tensors[k].name));
    }
    if (tensors[k].begin > covered) {
      return fmt::format("{} of the data before tensor {} belong to no tensor",
                         count_of_bytes(tensors[k].begin - covered), quote_name(tensors[k].name));
    }
    covered = tensors[k].end;
  }
  if (covered < data_bytes) {
    return fmt::format("{} at the end of the data belong to no tensor", count_of_bytes(data_bytes - covered));
  }
  return {};
}

template <class Word>
Word little_endian_word(const std::byte* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof(Word));
  return word;
}

}  // namespace

std::string to_string(const StoredTensor& tensor) {
  const std::string name = quote_name(tensor.name);
  return fmt::format("{} {}[{}]", name.substr(1, name.size() - 2), tensor.dtype, fmt::join(tensor.shape, ","));
}

ir::Result<SafetensorsReader> SafetensorsReader::open(const std::string& path) {
  ir::Result<InputFile> file = InputFile::open(path);
  if (!file) return file.take_error();
  const int64_t size = file->size();
  const auto refuse = [&](const std::string& sentence) {
    return ir::Error{fmt::format("{}: not a usable safetensors file: {}", path, sentence)};
  };
  if (size < 8) return refuse(fmt::format("it has only {}", count_of_bytes(size)));
  std::array<std::byte, 8> length_bytes;
  if (ir::Status status = file->read(0, length_bytes); !status) return status.take_error();
  const auto length = little_endian_word<uint64_t>(length_bytes.data());
  if (length > static_cast<uint64_t>(kMaxHeaderBytes)) {
    return refuse(fmt::format("its header length is {}, more than {}", length, kMaxHeaderBytes));
  }
  const auto header_bytes = static_cast<int64_t>(length);
  if (header_bytes > size - 8) {
    return refuse(fmt::format("its header length is {}, but only {} bytes follow: truncated?", length, size - 8));
  }
  std::string header(static_cast<size_t>(header_bytes), '\0');
  if (ir::Status status = file->read(8, std::as_writable_bytes(std::span(header))); !status) return status.take_error();
  if (header.empty() || header.front() != '{') return refuse("its header does not begin with `{`");

  SafetensorsReader reader(std::move(*file));
  HeaderReader events;
  if (!nlohmann::json::sax_parse(header, &events)) return refuse("header: " + events.problem);
  reader.data_offset_ = 8 + header_bytes;
  reader.tensors_ = std::move(events.tensors);
  reader.metadata_ = std::move(events.metadata);
  if (std::string problem = check_ranges(reader.tensors_, size - reader.data_offset_); !problem.empty()) {
    return refuse(problem);
  }
  return reader;
}

const StoredTensor* SafetensorsReader::find(std::string_view name) const {
  for (const StoredTensor& tensor : tensors_) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

ir::Result<std::vector<float>> SafetensorsReader::read_f32(const StoredTensor& tensor) const {
  if (tensor.dtype != "F32" && tensor.dtype != "F16" && tensor.dtype != "BF16" && tensor.dtype != "F64") {
    return ir::Error{fmt::format("{}: tensor {} is {}; only F32, F16, BF16 and F64 can be used as weights", path(),
                                 quote_name(tensor.name), tensor.dtype)};
  }
  const NumberType type = *find_dtype(tensor.dtype)->numbers;
  std::vector<std::byte> bytes(static_cast<size_t>(tensor.end - tensor.begin));
  if (ir::Status status = file_.read(data_offset_ + tensor.begin, bytes); !status) return status.take_error();
  std::vector<float> elements;
  const size_t count = bytes.size() / static_cast<size_t>(bytes_of(type));
  elements.reserve(count);
  convert_numbers(bytes.data(), type, count, elements);
  return elements;
}

ir::Result<NumberArray> SafetensorsReader::read_array(const StoredTensor& tensor, const std::string& name) const {
  const std::optional<NumberType> type = find_dtype(tensor.dtype)->numbers;
  if (!type) {
    return ir::Error{
        fmt::format("{}: its elements are {}; real, whole and truth values can be read", name, tensor.dtype)};
  }
  return read_numbers(file_, name, data_offset_ + tensor.begin, *type, tensor.shape, false);
}

ir::Status write_safetensors(const std::string& path, std::vector<TensorToStore> tensors, const Metadata& metadata) {
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorToStore& a, const TensorToStore& b) { return a.name < b.name; });
  std::string header = R"({"__metadata__":{"format":"pt")";
  for (const auto& [key, text] : metadata) {
    header += fmt::format(",{}:{}", nlohmann::json(key).dump(), nlohmann::json(text).dump());
  }
  header += '}';
  std::vector<std::span<const std::byte>> pieces(1);
  int64_t offset = 0;
  for (const TensorToStore& tensor : tensors) {
    int64_t bytes = static_cast<int64_t>(sizeof(float));
    for (const int64_t extent : tensor.shape) bytes *= extent;
    header += fmt::format(R"(,{}:{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}})",
                          nlohmann::json(tensor.name).dump(), fmt::join(tensor.shape, ","), offset, offset + bytes);
    pieces.push_back(std::as_bytes(std::span(tensor.elements, static_cast<size_t>(bytes) / sizeof(float))));
    offset += bytes;
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  const auto length = static_cast<uint64_t>(header.size());
  std::string prefix(8, '\0');
  std::memcpy(prefix.data(), &length, 8);
  prefix += header;
  pieces[0] = std::as_bytes(std::span(prefix));
  return write_file(path, pieces);
}

}  // namespace gradc::runtime
