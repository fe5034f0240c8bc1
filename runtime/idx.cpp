// idx files, gzip or plain: 0, 0, the type of the elements, the number of axes, their extents as big-endian 32-bit
// numbers, the elements. The head is read by zlib, which can stop behind it; what it claims is the room that the rest
// is unpacked into, by libdeflate, which takes half of zlib's time and unpacks only whole files.
#include <fmt/format.h>
#include <libdeflate.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include "runtime/file.h"
#include "runtime/read_table.h"

namespace gradc::runtime {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 30;
constexpr unsigned kUnsignedByte = 8;
// What one byte of deflate's can at most become (https://zlib.net/zlib_tech.html).
constexpr int64_t kMostPacked = 1032;

struct Close {
  void operator()(gzFile_s* file) const { gzclose(file); }
};
struct Release {
  void operator()(libdeflate_decompressor* decompressor) const { libdeflate_free_decompressor(decompressor); }
};

ir::Error damaged(const std::string& name) {
  return {fmt::format("{}: the compressed data is damaged or cut off", name)};
}

// At most `count` bytes more of the head.
ir::Status read_more(gzFile_s* file, const std::string& name, unsigned count, std::vector<uint8_t>& head) {
  const size_t before = head.size();
  head.resize(before + count);
  const int got = gzread(file, head.data() + before, count);
  int code = Z_OK;
  gzerror(file, &code);
  if (got < 0 || code != Z_OK) return damaged(name);
  head.resize(before + static_cast<size_t>(got));
  return ir::success();
}

uint32_t big_endian(const uint8_t* bytes) {
  uint32_t number = 0;
  for (int k = 0; k < 4; ++k) number = number << 8 | bytes[k];
  return number;
}

struct IdxHead {
  std::vector<int64_t> shape;
  int64_t bytes = 0;     // of the head
  int64_t elements = 0;  // at most kMaxBytes
  bool packed = false;
};

ir::Result<IdxHead> read_head(const std::string& path, const std::string& name) {
  const std::unique_ptr<gzFile_s, Close> file(gzopen(path.c_str(), "rb"));
  if (!file) return ir::Error{fmt::format("{}: {}", name, std::strerror(errno))};
  std::vector<uint8_t> bytes;
  if (ir::Status status = read_more(file.get(), name, 4, bytes); !status) return status.take_error();
  const uint32_t magic = bytes.size() == 4 ? big_endian(bytes.data()) : 0;
  const auto rank = static_cast<size_t>(magic & 0xff);
  if (bytes.size() < 4 || magic >> 8 != kUnsignedByte || rank < 1 || rank > 4) {
    return ir::Error{
        fmt::format("{} is no idx file of bytes: it begins with the magic number {}, expected 2049 to 2052", name,
                    bytes.size() < 4 ? "none" : std::to_string(magic))};
  }
  IdxHead head;
  head.packed = gzdirect(file.get()) == 0;
  head.bytes = 4;
  head.elements = 1;
  for (size_t axis = 0; axis < rank; ++axis) {
    if (ir::Status status = read_more(file.get(), name, 4, bytes); !status) return status.take_error();
    if (std::ssize(bytes) < head.bytes + 4) return ir::Error{fmt::format("{} ends inside its head", name)};
    const int64_t extent = big_endian(bytes.data() + head.bytes);
    if (extent < 1) return ir::Error{fmt::format("{}: axis {} is empty", name, axis)};
    if (extent > kMaxBytes / head.elements) {
      return ir::Error{fmt::format("{} claims more than {} elements", name, kMaxBytes)};
    }
    head.shape.push_back(extent);
    head.elements *= extent;
    head.bytes += 4;
  }
  return head;
}

// Unpacks the members of a gzip file, one behind the other, and ignores what follows them, as gzip does. How many bytes
// there are; one more than there is room for where they do not fit.
ir::Result<size_t> unpack(std::span<const std::byte> packed, const std::string& name, std::span<std::byte> into) {
  const std::unique_ptr<libdeflate_decompressor, Release> decompressor(libdeflate_alloc_decompressor());
  if (!decompressor) throw std::bad_alloc();
  size_t got = 0;
  while (packed.size() > 1 && packed[0] == std::byte{0x1f} && packed[1] == std::byte{0x8b}) {
    size_t read = 0;
    size_t written = 0;
    const libdeflate_result code = libdeflate_gzip_decompress_ex(decompressor.get(), packed.data(), packed.size(),
                                                                 into.data() + got, into.size() - got, &read, &written);
    if (code == LIBDEFLATE_INSUFFICIENT_SPACE) return into.size() + 1;
    if (code != LIBDEFLATE_SUCCESS) return damaged(name);
    packed = packed.subspan(read);
    got += written;
  }
  return got;
}

// Images and labels.
struct ImageFiles {
  std::string names[2];
  ByteArray arrays[2];
  int64_t rows() const { return arrays[0].shape[0]; }
};

ir::Result<ImageFiles> read_pair(const std::vector<std::string>& files, const std::string* paths,
                                 const ImageFiles* behind) {
  ImageFiles pair;
  for (size_t k = 0; k < 2; ++k) {
    pair.names[k] = files[k];
    ir::Result<ByteArray> array = read_idx(paths[k], files[k], behind ? behind->arrays[k].elements() : 0);
    if (!array) return array.take_error();
    pair.arrays[k] = std::move(*array);
  }
  if (pair.arrays[1].shape.size() != 1) {
    return ir::Error{fmt::format("{}: labels have one axis, these {}", files[1], pair.arrays[1].shape.size())};
  }
  if (pair.arrays[0].shape[0] != pair.arrays[1].shape[0]) {
    return ir::Error{
        fmt::format("{} has {} rows, {} has {}", files[0], pair.arrays[0].shape[0], files[1], pair.arrays[1].shape[0])};
  }
  return pair;
}

ir::Type row_type(const ImageFiles& pair) {
  return {ir::DType::f32, {pair.arrays[0].shape.begin() + 1, pair.arrays[0].shape.end()}};
}

}  // namespace

ir::Result<ByteArray> read_idx(const std::string& path, const std::string& name, int64_t spare) {
  // First, because it waits for nobody and refuses what is no regular file; zlib would wait for a pipe's other end.
  ir::Result<InputFile> file = InputFile::open(path);
  if (!file) return file.take_error();
  ir::Result<IdxHead> head = read_head(path, name);
  if (!head) return head.take_error();
  if (head->packed && file->size() > kMaxBytes)
    return ir::Error{fmt::format("{} is larger than {} bytes", name, kMaxBytes)};
  // A head can claim what the file does not hold.
  const int64_t claimed = head->bytes + head->elements;
  const int64_t most = head->packed ? file->size() * kMostPacked : file->size();
  ByteArray array;
  array.shape = std::move(head->shape);
  array.begin = head->bytes;
  array.bytes.reserve(static_cast<size_t>(std::min(claimed, most) + spare));
  array.bytes.resize(static_cast<size_t>(std::min(claimed, most)));
  auto got = static_cast<size_t>(file->size());
  if (head->packed) {
    std::vector<std::byte> packed(static_cast<size_t>(file->size()));
    if (ir::Status status = file->read(0, packed); !status) return status.take_error();
    ir::Result<size_t> unpacked = unpack(packed, name, array.bytes);
    if (!unpacked) return unpacked.take_error();
    got = *unpacked;
  } else if (ir::Status status = file->read(0, array.bytes); !status) {
    return status.take_error();
  }
  if (static_cast<int64_t>(got) < claimed) {
    return ir::Error{fmt::format("{} ends after {} of the {} elements that its head claims", name,
                                 static_cast<int64_t>(got) - head->bytes, head->elements)};
  }
  if (static_cast<int64_t>(got) > claimed) {
    return ir::Error{fmt::format("{} goes on behind the {} elements that its head claims", name, head->elements)};
  }
  return array;
}

ir::Result<ir::Table> read_images(const ir::TableRequest& request, const DataFolders& folders) {
  std::vector<std::string> paths;
  for (const std::vector<std::string>* files : {&request.files, &request.test_files}) {
    for (const std::string& file : *files) {
      ir::Result<std::string> path = find_data_file(file, folders);
      if (!path) return path.take_error();
      paths.push_back(std::move(*path));
    }
  }
  // Those of the test first: the others, by far the larger ones, are then unpacked where there is room for both.
  ImageFiles test;
  if (!request.test_files.empty()) {
    ir::Result<ImageFiles> pair = read_pair(request.test_files, &paths[2], nullptr);
    if (!pair) return pair.take_error();
    test = std::move(*pair);
  }
  ir::Result<ImageFiles> pair = read_pair(request.files, paths.data(), request.test_files.empty() ? nullptr : &test);
  if (!pair) return pair.take_error();
  ir::Table table;
  table.name = pair->names[0];
  table.label_name = pair->names[1];
  table.rows = pair->rows();
  const ir::Type types[] = {row_type(*pair), {ir::DType::f32, {}}};
  for (size_t k = 0; k < 2; ++k) {
    ByteArray& array = pair->arrays[k];
    table.columns.push_back({k == 0 ? "image" : "label", types[k], {}, {}, std::move(array.bytes), array.begin});
  }
  if (request.test_files.empty()) return table;
  if (row_type(test) != table.columns[0].type) {
    return ir::Error{fmt::format("{}: its rows are {}, those of the training file {}", test.names[0],
                                 ir::to_string(row_type(test)), ir::to_string(table.columns[0].type))};
  }
  for (size_t k = 0; k < 2; ++k) {
    const ByteArray& more = test.arrays[k];
    table.columns[k].bytes.insert(table.columns[k].bytes.end(), more.bytes.begin() + more.begin, more.bytes.end());
  }
  table.test_rows = test.rows();
  table.rows += test.rows();
  table.test_name = request.test_files.back();
  return table;
}

}  // namespace gradc::runtime
