// Files that the user names: read whole with a size limit, written so that a failure leaves the old file as it was.
// Every error is one sentence that names the path as the user wrote it. Tests: tests/unit/test_file.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/result.h"

namespace gradc::runtime {

inline constexpr int64_t kMaxTextBytes = int64_t{16} << 20;

// An open regular file; closes itself.
class InputFile {
 public:
  static ir::Result<InputFile> open(const std::string& path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }
  // Fills all of `into` from the byte `offset` on; an error when the file ends before.
  ir::Status read(int64_t offset, std::span<std::byte> into) const;

 private:
  InputFile(std::string path, int descriptor, int64_t size)
      : path_(std::move(path)), descriptor_(descriptor), size_(size) {}
  std::string path_;
  int descriptor_ = -1;
  int64_t size_ = 0;
};

// The text of a file (or of standard input for "-"), which must be UTF-8 without NUL and at most `limit` bytes.
ir::Result<std::string> read_text_file(const std::string& path, int64_t limit = kMaxTextBytes);

// Whether a text that was read from `name` is UTF-8 without NUL.
ir::Status check_text(const std::string& name, std::string_view text);

// Writes the pieces one after the other into a new file beside `path`, brings it to the disk, then renames it to
// `path`.
ir::Status write_file(const std::string& path, std::span<const std::span<const std::byte>> pieces);
ir::Status write_text_file(const std::string& path, std::string_view text);

// Whether write_file could write there, without doing so: asked before hours of work depend on it.
ir::Status check_writable(const std::string& path);

// The byte at which `text` stops being UTF-8, or npos.
size_t find_invalid_utf8(std::string_view text);

// `name` in backquotes for a message: at most 80 bytes, control and non-ASCII bytes as \xNN, so that a hostile file
// cannot write to the terminal.
std::string quote_name(std::string_view name);

}  // namespace gradc::runtime
