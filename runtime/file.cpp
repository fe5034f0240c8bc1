#include "runtime/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace gradc::runtime {
namespace {

ir::Error cannot(std::string_view verb, const std::string& path, std::string_view reason) {
  return {fmt::format("cannot {} `{}`: {}", verb, path, reason)};
}

ir::Error cannot(std::string_view verb, const std::string& path, int error) {
  if (error == ENOENT) return cannot(verb, path, verb == "read" ? "there is no such file" : "there is no such folder");
  std::string reason = std::generic_category().message(error);
  reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
  return cannot(verb, path, reason);
}

ir::Status write_all(int descriptor, const std::string& path, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), std::min(bytes.size(), size_t{1} << 30));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot("write", path, errno);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return ir::success();
}

// Where a write to `path` really goes: through symbolic links, so that a link stays one.
ir::Result<std::string> writable_target(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return cannot("write", path, errno);
    return path;
  }
  if (S_ISDIR(status.st_mode)) return cannot("write", path, "it is a folder");
  if (!S_ISREG(status.st_mode)) return cannot("write", path, "it is not a regular file");
  if (::access(path.c_str(), W_OK) != 0) return cannot("write", path, errno);
  std::error_code error;
  const std::filesystem::path resolved = std::filesystem::canonical(path, error);
  if (error) return cannot("write", path, error.value());
  return resolved.string();
}

struct NewFile {
  std::string path;
  int descriptor;
};

// Its name does not hold the target's, which may be as long as the file system allows.
ir::Result<NewFile> create_beside(const std::string& target, const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(target).parent_path();
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::string name = (folder / fmt::format(".gradc.{}.{}.tmp", ::getpid(), attempt)).string();
    const int descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0) return NewFile{std::move(name), descriptor};
    if (errno != EEXIST) return cannot("write", path, errno);
  }
  return cannot("write", path, EEXIST);
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// The rename itself reaches the disk with its folder. Some file systems cannot do it; the file is whole either way.
void synchronize_folder_of(const std::string& target) {
  const int descriptor = ::open(folder_of(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

ir::Result<InputFile> InputFile::open(const std::string& path) {
  if (path.find('\0') != std::string::npos) return ir::Error{"a file name contains a NUL byte"};
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return cannot("read", path, errno);
  struct stat status = {};
  if (::fstat(descriptor, &status) != 0) {
    const int error = errno;
    ::close(descriptor);
    return cannot("read", path, error);
  }
  InputFile file(path, descriptor, status.st_size);
  if (S_ISDIR(status.st_mode)) return cannot("read", path, "it is a folder");
  if (!S_ISREG(status.st_mode)) return cannot("read", path, "it is not a regular file");
  return file;
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  return *this;
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ir::Status InputFile::read(int64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t count = ::pread(descriptor_, into.data(), std::min(into.size(), size_t{1} << 30), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot("read", path_, errno);
    if (count == 0) return cannot("read", path_, "the file ended early");
    into = into.subspan(static_cast<size_t>(count));
    offset += count;
  }
  return ir::success();
}

ir::Result<std::string> read_text_file(const std::string& path, int64_t limit) {
  const bool standard_input = path == "-";
  const std::string name = standard_input ? "standard input" : path;
  std::string text;
  if (standard_input) {
    std::array<char, 65536> buffer;
    for (;;) {
      const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return cannot("read", name, errno);
      if (count == 0) break;
      text.append(buffer.data(), static_cast<size_t>(count));
      if (std::ssize(text) > limit) break;
    }
  } else {
    ir::Result<InputFile> file = InputFile::open(path);
    if (!file) return file.take_error();
    if (file->size() <= limit) {
      text.resize(static_cast<size_t>(file->size()));
      if (ir::Status status = file->read(0, std::as_writable_bytes(std::span(text))); !status) {
        return status.take_error();
      }
    }
    if (file->size() > limit) {
      return cannot("read", name, fmt::format("its {} bytes are more than the {} of a text", file->size(), limit));
    }
  }
  if (std::ssize(text) > limit) {
    return cannot("read", name, fmt::format("it has more than the {} bytes of a text", limit));
  }
  if (ir::Status status = check_text(name, text); !status) return status.take_error();
  return text;
}

ir::Status check_text(const std::string& name, std::string_view text) {
  const size_t bad = find_invalid_utf8(text);
  if (bad == std::string_view::npos) return ir::success();
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bad), '\n');
  return ir::Error{fmt::format("{}: not a text in UTF-8: byte {:#04x} on line {}", name,
                               static_cast<unsigned char>(text[bad]), line)};
}

ir::Status write_file(const std::string& path, std::span<const std::span<const std::byte>> pieces) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return ir::Error{fmt::format("{} is no file name", quote_name(path))};
  }
  ir::Result<std::string> target = writable_target(path);
  if (!target) return target.take_error();
  ir::Result<NewFile> file = create_beside(*target, path);
  if (!file) return file.take_error();

  // A file that is replaced keeps its permissions.
  struct stat before = {};
  if (::stat(target->c_str(), &before) == 0) ::fchmod(file->descriptor, before.st_mode & 07777);
  ir::Status status = ir::success();
  for (const std::span<const std::byte>& piece : pieces) {
    if (status) status = write_all(file->descriptor, path, piece);
  }
  if (status && ::fsync(file->descriptor) != 0 && errno != EINVAL) status = cannot("write", path, errno);
  if (::close(file->descriptor) != 0 && status) status = cannot("write", path, errno);
  if (status && ::rename(file->path.c_str(), target->c_str()) != 0) status = cannot("write", path, errno);
  if (!status) {
    ::unlink(file->path.c_str());
  } else {
    synchronize_folder_of(*target);
  }
  return status;
}

ir::Status write_text_file(const std::string& path, std::string_view text) {
  const std::array<std::span<const std::byte>, 1> pieces = {std::as_bytes(std::span(text))};
  return write_file(path, pieces);
}

ir::Status check_writable(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return ir::Error{fmt::format("{} is no file name", quote_name(path))};
  }
  ir::Result<std::string> target = writable_target(path);
  if (!target) return target.take_error();
  const std::string folder = folder_of(*target);
  if (::access(folder.c_str(), W_OK | X_OK) != 0) return cannot("write", path, errno);
  return ir::success();
}

size_t find_invalid_utf8(std::string_view text) {
  size_t at = 0;
  const auto byte = [&](size_t index) { return static_cast<unsigned char>(text[index]); };
  while (at < text.size()) {
    const unsigned char lead = byte(at);
    if (lead == 0) return at;
    if (lead < 0x80) {
      ++at;
      continue;
    }
    // Lengths and the least second byte that is no overlong form, no surrogate and not above U+10FFFF (RFC 3629).
    const size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                          : (lead & 0xf0) == 0xe0        ? 3
                          : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                         : 0;
    if (length == 0 || text.size() - at < length) return at;
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (byte(at + 1) < low || byte(at + 1) > high) return at;
    for (size_t k = 2; k < length; ++k) {
      if ((byte(at + k) & 0xc0) != 0x80) return at;
    }
    at += length;
  }
  return std::string_view::npos;
}

std::string quote_name(std::string_view name) {
  std::string result = "`";
  for (const char c : name.substr(0, 80)) {
    const auto code = static_cast<unsigned char>(c);
    result += code < 0x20 || code >= 0x7f ? fmt::format("\\x{:02x}", code) : std::string(1, c);
  }
  return result + (name.size() > 80 ? "...`" : "`");
}

}  // namespace gradc::runtime
