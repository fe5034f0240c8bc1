// idx files, gzip or plain: 0, 0, the type of the elements, the number of axes, their extents as big-endian 32-bit
// numbers, the elements.
#include <fmt/format.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "runtime/read_table.h"

namespace gradc::runtime {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 30;
constexpr size_t kBlock = size_t{1} << 20;
constexpr unsigned kUnsignedByte = 8;

struct Close {
  void operator()(gzFile_s* file) const { gzclose(file); }
};

// As many bytes as the file has, at most `count`; nothing where the compressed data is damaged.
bool read_some(gzFile_s* file, std::byte* into, size_t count, size_t& got) {
  got = 0;
  while (got < count) {
    const int read = gzread(file, into + got, static_cast<unsigned>(std::min(count - got, kBlock)));
    if (read < 0) return false;
    if (read == 0) break;
    got += static_cast<size_t>(read);
  }
  int code = Z_OK;
  gzerror(file, &code);
  return code == Z_OK;
}

uint32_t big_endian(const std::byte* bytes) {
  uint32_t number = 0;
  for (int k = 0; k < 4; ++k) number = number << 8 | std::to_integer<uint32_t>(bytes[k]);
  return number;
}

}  // namespace

ir::Result<ByteArray> read_idx(const std::string& path, const std::string& name) {
  const std::unique_ptr<gzFile_s, Close> file(gzopen(path.c_str(), "rb"));
  if (!file) return ir::Error{fmt::format("{}: {}", name, std::strerror(errno))};
  const auto damaged = [&] { return ir::Error{fmt::format("{}: the compressed data is damaged or cut off", name)}; };
  std::byte head[4];
  size_t got = 0;
  if (!read_some(file.get(), head, sizeof(head), got)) return damaged();
  const uint32_t magic = got == 4 ? big_endian(head) : 0;
  const auto rank = static_cast<size_t>(magic & 0xff);
  if (got < 4 || magic >> 8 != kUnsignedByte || rank < 1 || rank > 4) {
    return ir::Error{
        fmt::format("{} is no idx file of bytes: it begins with the magic number {}, expected 2049 to 2052", name,
                    got < 4 ? "none" : std::to_string(magic))};
  }
  ByteArray array;
  int64_t count = 1;
  for (size_t axis = 0; axis < rank; ++axis) {
    std::byte extent[4];
    if (!read_some(file.get(), extent, sizeof(extent), got)) return damaged();
    if (got < 4) return ir::Error{fmt::format("{} ends inside its head", name)};
    array.shape.push_back(big_endian(extent));
    if (array.shape.back() < 1) return ir::Error{fmt::format("{}: axis {} is empty", name, axis)};
    if (array.shape.back() > kMaxBytes / count) {
      return ir::Error{fmt::format("{} claims more than {} elements", name, kMaxBytes)};
    }
    count *= array.shape.back();
  }
  // Grown as the data comes: a head can claim what the file does not hold.
  while (static_cast<int64_t>(array.bytes.size()) < count) {
    const size_t before = array.bytes.size();
    const size_t wanted = std::min(static_cast<size_t>(count) - before, std::max(kBlock, before));
    array.bytes.resize(before + wanted);
    if (!read_some(file.get(), array.bytes.data() + before, wanted, got)) return damaged();
    if (got < wanted) {
      return ir::Error{
          fmt::format("{} ends after {} of the {} elements that its head claims", name, before + got, count)};
    }
  }
  std::byte rest;
  if (!read_some(file.get(), &rest, 1, got)) return damaged();
  if (got > 0) return ir::Error{fmt::format("{} goes on behind the {} elements that its head claims", name, count)};
  return array;
}

}  // namespace gradc::runtime
