// NumPy's format for one array (numpy.lib.format, versions 1 to 3): "\x93NUMPY", the version, the length of a header,
// the header (a Python dictionary), the elements.
#include <fmt/format.h>

#include <cstring>
#include <optional>

#include "runtime/file.h"
#include "runtime/numbers.h"
#include "runtime/read_table.h"

namespace gradc::runtime {
namespace {

constexpr int64_t kMaxHeader = 1 << 16;
constexpr std::string_view kMagic("\x93NUMPY", 6);

// What the header says.
struct Header {
  std::string descr;
  bool fortran_order = false;
  ir::Shape shape;
};

// Reads the one form of dictionary that writers make: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderText {
 public:
  explicit HeaderText(std::string_view text) : text_(text) {}

  std::optional<Header> read() {
    Header header;
    bool descr = false, order = false, shape = false;
    if (!accept("{")) return std::nullopt;
    while (!accept("}")) {
      std::string key;
      if (!string(key) || !accept(":")) return std::nullopt;
      if (key == "descr" && !descr) {
        descr = string(header.descr);
        if (!descr) return std::nullopt;
      } else if (key == "fortran_order" && !order) {
        order = true;
        header.fortran_order = accept("True");
        if (!header.fortran_order && !accept("False")) return std::nullopt;
      } else if (key == "shape" && !shape) {
        shape = extents(header.shape);
        if (!shape) return std::nullopt;
      } else {
        return std::nullopt;
      }
      if (!accept(",") && peek() != '}') return std::nullopt;
    }
    skip_blanks();
    if (!text_.empty() || !descr || !order || !shape) return std::nullopt;
    return header;
  }

 private:
  void skip_blanks() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\n')) text_.remove_prefix(1);
  }
  char peek() {
    skip_blanks();
    return text_.empty() ? '\0' : text_[0];
  }
  bool accept(std::string_view word) {
    skip_blanks();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  bool string(std::string& into) {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return false;
    const size_t end = text_.find(quote, 1);
    if (end == std::string_view::npos) return false;
    into = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return true;
  }
  // (3, 4), (3,) or ()
  bool extents(ir::Shape& shape) {
    if (!accept("(")) return false;
    while (!accept(")")) {
      int64_t extent = 0;
      size_t digits = 0;
      skip_blanks();
      for (; !text_.empty() && text_[0] >= '0' && text_[0] <= '9'; text_.remove_prefix(1), ++digits) {
        if (digits == 18) return false;
        extent = extent * 10 + (text_[0] - '0');
      }
      if (digits == 0) return false;
      shape.push_back(extent);
      if (!accept(",") && peek() != ')') return false;
    }
    return true;
  }

  std::string_view text_;
};

// NumPy's word for a little-endian type; `|` where there is no order of bytes.
std::optional<NumberType> number_type(std::string_view descr) {
  if (descr.size() != 3 || (descr[0] != '<' && descr[0] != '|')) return std::nullopt;
  static constexpr std::pair<std::string_view, NumberType> kTypes[] = {
      {"f4", NumberType::f32}, {"f8", NumberType::f64}, {"f2", NumberType::f16}, {"b1", NumberType::boolean},
      {"i1", NumberType::i8},  {"i2", NumberType::i16}, {"i4", NumberType::i32}, {"i8", NumberType::i64},
      {"u1", NumberType::u8},  {"u2", NumberType::u16}, {"u4", NumberType::u32}, {"u8", NumberType::u64}};
  for (const auto& [word, type] : kTypes) {
    if (descr.substr(1) == word) return type;
  }
  return std::nullopt;
}

}  // namespace

ir::Result<NumberArray> read_npy(const std::string& path, const std::string& name) {
  const ir::Result<InputFile> file = InputFile::open(path);
  if (!file) return file.failure();
  std::array<std::byte, 12> head = {};
  const auto head_bytes = static_cast<size_t>(std::min<int64_t>(file->size(), std::ssize(head)));
  if (ir::Status status = file->read(0, std::span(head).first(head_bytes)); !status) return status.take_error();
  if (head_bytes < 10 || std::memcmp(head.data(), kMagic.data(), kMagic.size()) != 0) {
    return ir::Error{fmt::format("{} is no npy file: it does not begin with `\\x93NUMPY`", name)};
  }
  const int version = std::to_integer<int>(head[6]);
  if (version < 1 || version > 3) {
    return ir::Error{fmt::format("{}: version {} of the npy format is unknown; 1 to 3 can be read", name, version)};
  }
  // Version 1 has two bytes of length, later ones four.
  int64_t header_bytes = std::to_integer<int64_t>(head[8]) | std::to_integer<int64_t>(head[9]) << 8;
  if (version > 1) header_bytes |= std::to_integer<int64_t>(head[10]) << 16 | std::to_integer<int64_t>(head[11]) << 24;
  const int64_t begin = version == 1 ? 10 : 12;
  if (header_bytes > kMaxHeader || header_bytes > file->size() - begin) {
    return ir::Error{fmt::format("{} ends inside its header of {} bytes", name, header_bytes)};
  }
  std::string text(static_cast<size_t>(header_bytes), '\0');
  if (ir::Status status = file->read(begin, std::as_writable_bytes(std::span(text))); !status) {
    return status.take_error();
  }
  const std::optional<Header> header = HeaderText(text).read();
  if (!header) return ir::Error{fmt::format("{}: its header is not that of an array of numbers", name)};
  const std::optional<NumberType> type = number_type(header->descr);
  if (!type) {
    return ir::Error{
        fmt::format("{}: its elements are of type {}; real, whole and truth values in little-endian order "
                    "can be read",
                    name, quote_name(header->descr))};
  }
  if (header->fortran_order && header->shape.size() > 1) {
    return ir::Error{
        fmt::format("{} is in Fortran order; save it with `numpy.ascontiguousarray`, rows one after the other", name)};
  }
  return read_numbers(*file, name, begin + header_bytes, *type, header->shape, true);
}

}  // namespace gradc::runtime
