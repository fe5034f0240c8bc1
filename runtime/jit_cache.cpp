#include "runtime/jit_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include "runtime/file.h"

namespace gradc::runtime {
namespace {

namespace fs = std::filesystem;

// The file: this line, the digest of all that follows it, the key, the head (a line each), the bytes of the parts.
constexpr std::string_view kMagic = "gradc code 3\n";
constexpr std::string_view kEntry = ".code", kUnfinished = ".tmp";
constexpr size_t kDigestLength = 64;
// What one program compiles to is a few hundred KB at most.
constexpr int64_t kMostEntryBytes = int64_t{64} << 20;
// Left behind by a writer that died.
constexpr auto kStale = std::chrono::hours(1);

// Ours, and for us alone.
bool is_private(const struct stat& status, mode_t kind, mode_t others) {
  return (status.st_mode & S_IFMT) == kind && status.st_uid == ::geteuid() && (status.st_mode & others) == 0;
}

bool folder_is_safe(const std::string& folder) {
  struct stat status = {};
  return ::lstat(folder.c_str(), &status) == 0 && is_private(status, S_IFDIR, S_IWGRP | S_IWOTH);
}

// Makes the folder and those above it, for this user alone.
bool make_folder(const std::string& folder) {
  std::error_code error;
  const fs::path parent = fs::path(folder).parent_path();
  if (!fs::exists(parent, error)) fs::create_directories(parent, error);
  ::mkdir(folder.c_str(), 0700);
  return folder_is_safe(folder);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

bool read_whole(int descriptor, std::string& into) {
  for (size_t done = 0; done < into.size();) {
    const ssize_t count = ::read(descriptor, into.data() + done, into.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

bool write_whole(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

// Cuts the first line off; without a line end, nothing.
std::optional<std::string_view> take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

// The head of an entry says how long each part of the bytes behind it is.
nlohmann::json head_of(const codegen::ObjectCode& code) {
  nlohmann::json files = nlohmann::json::array(), tables = nlohmann::json::array();
  for (const std::vector<char>& file : code.files) files.push_back(file.size());
  for (const codegen::InitialBytes& table : code.initial) tables.push_back({table.offset, table.bytes.size()});
  return {{"symbol", code.symbol}, {"arena", code.arena_bytes}, {"files", files}, {"tables", tables}};
}

std::optional<codegen::ObjectCode> parse_code(const nlohmann::json& head, std::string_view bytes) {
  codegen::ObjectCode code;
  const auto take = [&](size_t count, auto& into) {
    if (count > bytes.size()) return false;
    into.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    bytes.remove_prefix(count);
    return true;
  };
  code.symbol = head.at("symbol").get<std::string>();
  code.arena_bytes = head.at("arena").get<int64_t>();
  for (const nlohmann::json& size : head.at("files"))
    if (!take(size.get<size_t>(), code.files.emplace_back())) return std::nullopt;
  for (const nlohmann::json& table : head.at("tables")) {
    codegen::InitialBytes& initial = code.initial.emplace_back();
    initial.offset = table.at(0).get<int64_t>();
    if (!take(table.at(1).get<size_t>(), initial.bytes)) return std::nullopt;
    if (initial.offset < 0 || initial.offset > code.arena_bytes - std::ssize(initial.bytes)) return std::nullopt;
  }
  if (code.files.empty() || !bytes.empty()) return std::nullopt;
  return code;
}

std::optional<codegen::ObjectCode> parse_entry(std::string_view text, const std::string& key) {
  if (text.substr(0, kMagic.size()) != kMagic) return std::nullopt;
  text.remove_prefix(kMagic.size());
  const std::optional<std::string_view> digest = take_line(text);
  if (!digest || *digest != codegen::digest(text)) return std::nullopt;
  const std::optional<std::string_view> stored_key = take_line(text);
  if (!stored_key || *stored_key != key) return std::nullopt;
  const std::optional<std::string_view> head = take_line(text);
  if (!head) return std::nullopt;
  try {
    return parse_code(nlohmann::json::parse(*head), text);
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

struct Entry {
  fs::path path;
  int64_t bytes = 0;
  fs::file_time_type used;
  bool finished = true;
};

// The cache's own files in the folder, and nothing else that may lie there.
std::vector<Entry> entries_of(const std::string& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    const size_t digits = std::min(name.find_first_not_of("0123456789abcdef"), name.size());
    const std::string_view rest = std::string_view(name).substr(digits);
    const bool unfinished = rest.size() > kEntry.size() && rest.starts_with(kEntry) && rest.ends_with(kUnfinished);
    if (digits != kDigestLength || (rest != kEntry && !unfinished)) continue;
    std::error_code gone;
    Entry entry{at->path(), static_cast<int64_t>(at->file_size(gone)), {}, !unfinished};
    if (!gone) entry.used = at->last_write_time(gone);
    if (!gone) entries.push_back(std::move(entry));
  }
  return entries;
}

ir::Result<int64_t> parse_size(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, number);
  const std::string_view unit = text.substr(static_cast<size_t>(stop - text.data()));
  const int shift = unit.empty() ? 0 : unit == "K" ? 10 : unit == "M" ? 20 : unit == "G" ? 30 : -1;
  if (problem != std::errc() || number < 0 || shift < 0 || number > (INT64_MAX >> shift))
    return ir::Error{fmt::format("GRADC_CACHE_SIZE is {}, which is no number of bytes such as 64M", quote_name(text))};
  return number << shift;
}

// The value of an absolute path; empty where it is not set, or not absolute as the XDG rules want it.
std::string absolute_path(const char* variable) {
  const char* text = std::getenv(variable);
  return text != nullptr && text[0] == '/' ? text : "";
}

}  // namespace

ir::Result<std::optional<JitCache>> JitCache::from_environment() {
  int64_t limit = kDefaultLimit;
  if (const char* size = std::getenv("GRADC_CACHE_SIZE"); size != nullptr && size[0] != '\0') {
    ir::Result<int64_t> parsed = parse_size(size);
    if (!parsed) return parsed.take_error();
    limit = *parsed;
  }
  std::string folder = absolute_path("GRADC_CACHE_DIR");
  if (const char* text = std::getenv("GRADC_CACHE_DIR"); folder.empty() && text != nullptr && text[0] != '\0')
    return ir::Error{fmt::format("GRADC_CACHE_DIR is {}, which is no absolute path", quote_name(text))};
  if (std::string home = absolute_path("XDG_CACHE_HOME"); folder.empty() && !home.empty()) folder = home + "/gradc";
  if (std::string home = absolute_path("HOME"); folder.empty() && !home.empty()) folder = home + "/.cache/gradc";
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  if (folder.empty() || limit == 0) return std::optional<JitCache>();
  return std::optional(JitCache(std::move(folder), limit));
}

std::string JitCache::path_of(const std::string& key) const { return fmt::format("{}/{}{}", folder_, key, kEntry); }

std::optional<codegen::ObjectCode> JitCache::find(const std::string& key) const {
  if (!folder_is_safe(folder_)) return std::nullopt;
  const std::string path = path_of(key);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status = {};
  if (file.number() < 0 || ::fstat(file.number(), &status) != 0) return std::nullopt;
  if (!is_private(status, S_IFREG, S_IRWXG | S_IRWXO) || status.st_size > kMostEntryBytes) return std::nullopt;
  std::string text(static_cast<size_t>(status.st_size), '\0');
  std::optional<codegen::ObjectCode> code;
  if (read_whole(file.number(), text)) code = parse_entry(text, key);
  if (!code) {
    drop(key);
    return std::nullopt;
  }
  ::futimens(file.number(), nullptr);  // used now
  return code;
}

void JitCache::store(const std::string& key, const codegen::ObjectCode& code) const {
  if (!make_folder(folder_)) return;
  std::string text = fmt::format("{}\n{}\n", key, head_of(code).dump());
  for (const std::vector<char>& file : code.files) text.append(file.data(), file.size());
  for (const codegen::InitialBytes& table : code.initial) text.append(table.bytes.begin(), table.bytes.end());
  const std::string head = fmt::format("{}{}\n", kMagic, codegen::digest(text));
  if (std::ssize(text) > std::min(limit_, kMostEntryBytes)) return;
  const std::string path = path_of(key);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::string name = fmt::format("{}.{}.{}{}", path, ::getpid(), attempt, kUnfinished);
    const Descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.number() < 0 && errno == EEXIST) continue;
    if (file.number() < 0) return;
    // Not brought to the disk: what a crash leaves does not match its digest.
    const bool written = write_whole(file.number(), head) && write_whole(file.number(), text);
    if (!written || ::rename(name.c_str(), path.c_str()) != 0) ::unlink(name.c_str());
    break;
  }
  keep_limit();
}

void JitCache::drop(const std::string& key) const { ::unlink(path_of(key).c_str()); }

void JitCache::keep_limit() const {
  std::vector<Entry> entries = entries_of(folder_);
  int64_t total = 0;
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  for (const Entry& entry : entries) {
    if (!entry.finished && now - entry.used > kStale) fs::remove(entry.path, error);
    total += entry.bytes;
  }
  if (total <= limit_) return;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    if (total <= limit_) return;
    if (!entry.finished) continue;
    fs::remove(entry.path, error);
    total -= entry.bytes;
  }
}

JitCacheSummary JitCache::summary() const {
  JitCacheSummary summary;
  for (const Entry& entry : entries_of(folder_)) {
    summary.entries += entry.finished ? 1 : 0;
    summary.bytes += entry.bytes;
  }
  return summary;
}

JitCacheSummary JitCache::clear() const {
  JitCacheSummary gone;
  for (const Entry& entry : entries_of(folder_)) {
    std::error_code error;
    if (!fs::remove(entry.path, error)) continue;
    gone.entries += entry.finished ? 1 : 0;
    gone.bytes += entry.bytes;
  }
  return gone;
}

}  // namespace gradc::runtime
