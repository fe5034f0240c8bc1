// The compile cache: what is stored is found, what was tampered with is not run, what is not ours is not read, the
// limit holds, and writers at the same time do not disturb each other.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "run_compiled.h"
#include "runtime/jit_cache.h"
#include "runtime/jit_executor.h"
#include "tests/support/read_file.h"

namespace gradc {

namespace {

namespace fs = std::filesystem;

class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "gradc_cache.XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
  }
  ~Scratch() { fs::remove_all(root_); }
  std::string folder() const { return root_ / "gradc"; }
  fs::path root() const { return root_; }

 private:
  fs::path root_;
};

std::string key_of(const std::string& text) { return codegen::digest(text); }

codegen::ObjectCode some_code(const std::string& text) {
  codegen::ObjectCode code;
  code.symbol = "step";
  code.files = {{text.begin(), text.end()}, {'x'}};
  return code;
}

void write_all(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

fs::path only_entry(const std::string& folder) {
  fs::path found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) found = entry.path();
  return found;
}

ir::Func func_from(const char* body) {
  return planned(func_of(std::string("func @f(%a: f32[7] data) -> (y: f32[7]) {\n") + body + "  return %0\n}\n"));
}

bool from_cache(const runtime::CompiledExecutor& executor) { return executor.milliseconds.front().first == "cache"; }

}  // namespace

TEST_CASE("jit cache: stored code is found under its key, in files and a folder for this user alone") {
  const Scratch scratch;
  const runtime::JitCache cache(scratch.folder());
  const std::string key = key_of("a");
  CHECK_FALSE(cache.find(key).has_value());
  cache.store(key, some_code(std::string("object\n\0code", 12)));
  const std::optional<codegen::ObjectCode> found = cache.find(key);
  REQUIRE(found.has_value());
  CHECK(found->symbol == "step");
  CHECK(found->files == some_code(std::string("object\n\0code", 12)).files);
  CHECK_FALSE(cache.find(key_of("b")).has_value());
  CHECK((fs::status(scratch.folder()).permissions() & fs::perms::all) == fs::perms::owner_all);
  CHECK((fs::status(only_entry(scratch.folder())).permissions() & fs::perms::all) ==
        (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(cache.summary().entries == 1);
  CHECK(cache.clear().entries == 1);
  CHECK(cache.summary().bytes == 0);
}

TEST_CASE("jit cache: an entry with any byte changed, cut short or under another name is dropped") {
  const Scratch scratch;
  const runtime::JitCache cache(scratch.folder());
  const std::string key = key_of("a");
  cache.store(key, some_code("object code"));
  const fs::path path = only_entry(scratch.folder());
  const std::string whole = tests::read_file(path);
  const auto refused = [&](const std::string& text) {
    write_all(path, text);
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    const bool gone = !cache.find(key).has_value() && !fs::exists(path);
    return gone;
  };
  for (size_t at = 0; at < whole.size(); at += 7) {
    std::string text = whole;
    text[at] = static_cast<char>(text[at] ^ 1);
    CHECK(refused(text));
  }
  for (const size_t length : {size_t{0}, size_t{5}, whole.size() / 2, whole.size() - 1})
    CHECK(refused(whole.substr(0, length)));
  CHECK(refused(whole + "x"));
  // Another program's entry, whole, under this name.
  cache.store(key_of("b"), some_code("other code"));
  const std::string other = tests::read_file(scratch.folder() + "/" + key_of("b") + ".code");
  CHECK(refused(other));
}

TEST_CASE("jit cache: files and folders that others could write are not read") {
  const Scratch scratch;
  const runtime::JitCache cache(scratch.folder());
  const std::string key = key_of("a");
  cache.store(key, some_code("object code"));
  const fs::path path = only_entry(scratch.folder());
  fs::permissions(path, fs::perms::group_read, fs::perm_options::add);
  CHECK_FALSE(cache.find(key).has_value());
  fs::permissions(path, fs::perms::group_read, fs::perm_options::remove);
  CHECK(cache.find(key).has_value());
  fs::permissions(scratch.folder(), fs::perms::others_write, fs::perm_options::add);
  CHECK_FALSE(cache.find(key).has_value());
  fs::permissions(scratch.folder(), fs::perms::others_write, fs::perm_options::remove);
  // A link is not followed.
  fs::rename(path, scratch.root() / "elsewhere");
  fs::create_symlink(scratch.root() / "elsewhere", path);
  CHECK_FALSE(cache.find(key).has_value());
}

TEST_CASE("jit cache: a folder that cannot be made is no error") {
  const Scratch scratch;
  write_all(scratch.root() / "file", "");
  const runtime::JitCache cache((scratch.root() / "file" / "gradc").string());
  cache.store(key_of("a"), some_code("object code"));
  CHECK_FALSE(cache.find(key_of("a")).has_value());
  CHECK(cache.summary().entries == 0);
}

TEST_CASE("jit cache: what was not used for the longest time goes first, and nothing else in the folder") {
  const Scratch scratch;
  const runtime::JitCache cache(scratch.folder(), 4000);
  const auto code = some_code(std::string(1000, 'x'));
  cache.store(key_of("0"), code);
  write_all(scratch.folder() + "/notes.txt", std::string(9000, 'x'));
  cache.store(key_of("1"), code);
  cache.store(key_of("2"), code);
  const auto age = [&](const char* name, int minutes) {
    const fs::path path = scratch.folder() + "/" + key_of(name) + ".code";
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::minutes(minutes));
  };
  age("0", 30), age("1", 20), age("2", 10);
  CHECK(cache.find(key_of("0")).has_value());  // used again
  cache.store(key_of("3"), code);
  CHECK(cache.find(key_of("0")).has_value());
  CHECK_FALSE(cache.find(key_of("1")).has_value());
  CHECK(cache.find(key_of("2")).has_value());
  CHECK(cache.summary().bytes <= 4000);
  CHECK(fs::exists(scratch.folder() + "/notes.txt"));
  // Larger than everything together.
  cache.store(key_of("4"), some_code(std::string(5000, 'x')));
  CHECK_FALSE(cache.find(key_of("4")).has_value());
  CHECK(cache.clear().entries == 3);
  CHECK(fs::exists(scratch.folder() + "/notes.txt"));
}

TEST_CASE("jit cache: writers and readers at the same time") {
  const Scratch scratch;
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const runtime::JitCache cache(scratch.folder(), 100000);
      for (int round = 0; round < 100; ++round) {
        const std::string name = std::to_string(round % 5);
        cache.store(key_of(name), some_code(name + std::string(3000, 'x')));
        const std::optional<codegen::ObjectCode> found = cache.find(key_of(name));
        if (found && found->files[0][0] != name[0]) ++wrong[static_cast<size_t>(t)];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) CHECK(count == 0);
  const runtime::JitCache cache(scratch.folder());
  CHECK(cache.summary().entries == 5);
}

TEST_CASE("jit cache: a program that was compiled before is not compiled again; another program or option is") {
  const Scratch scratch;
  const runtime::Host host{nullptr, runtime::JitCache(scratch.folder())};
  const ir::Func exponential = func_from("  %0 = exp %a : f32[7]\n");
  codegen::Options options;
  const auto compiled = [&](const ir::Func& func) {
    ir::Result<runtime::CompiledExecutor> executor = runtime::compile_executor(func, {}, options, host);
    REQUIRE(executor.ok());
    return std::move(*executor);
  };
  alignas(64) float data[16] = {0, 1, 2, 3, 4, 5, 6};
  const auto results_of = [&](const runtime::CompiledExecutor& executor) {
    alignas(64) float results[16] = {}, state[16] = {};
    runtime::StepBuffers buffers;
    buffers.state = reinterpret_cast<std::byte*>(state);
    buffers.data = buffers.hyper = reinterpret_cast<const std::byte*>(data);
    buffers.results = reinterpret_cast<std::byte*>(results);
    REQUIRE(executor.run(buffers, 1).ok());
    return std::vector<float>(results, results + 7);
  };
  const runtime::CompiledExecutor first = compiled(exponential);
  CHECK_FALSE(from_cache(first));
  const runtime::CompiledExecutor again = compiled(exponential);
  CHECK(from_cache(again));
  CHECK(results_of(again) == results_of(first));
  CHECK_FALSE(from_cache(compiled(func_from("  %0 = log %a : f32[7]\n"))));
  options.software_fma = true;
  CHECK_FALSE(from_cache(compiled(exponential)));
  CHECK(host.cache->summary().entries == 3);
  // A damaged entry is compiled anew and replaced.
  options.software_fma = false;
  for (const fs::directory_entry& entry : fs::directory_iterator(scratch.folder())) {
    std::string text = tests::read_file(entry.path());
    text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 64);
    write_all(entry.path(), text);
  }
  CHECK_FALSE(from_cache(compiled(exponential)));
  CHECK(from_cache(compiled(exponential)));
}

TEST_CASE("jit cache: tables that the code reads come back with it") {
  const Scratch scratch;
  const runtime::JitCache cache(scratch.folder());
  codegen::ObjectCode code = some_code("object");
  code.arena_bytes = 192;
  code.initial = {{64, {1, 2, 3}}, {128, {4}}};
  cache.store(key_of("a"), code);
  const std::optional<codegen::ObjectCode> found = cache.find(key_of("a"));
  REQUIRE(found.has_value());
  CHECK(found->arena_bytes == 192);
  REQUIRE(found->initial.size() == 2);
  CHECK(found->initial[1].offset == 128);
  CHECK(found->initial[0].bytes == code.initial[0].bytes);
  code.initial[1].offset = 192;  // behind the end
  cache.store(key_of("b"), code);
  CHECK_FALSE(cache.find(key_of("b")).has_value());
}

TEST_CASE("code that a thread makes later is waited for") {
  const ir::Func func = func_from("  %0 = exp %a : f32[7]\n");
  ir::Result<runtime::CompiledExecutor> executor = runtime::compile_executor(func, {}, {}, {}, runtime::When::later);
  REQUIRE(executor.ok());
  alignas(64) float data[16] = {0, 1}, results[16] = {}, state[16] = {};
  runtime::StepBuffers buffers;
  buffers.state = reinterpret_cast<std::byte*>(state);
  buffers.data = buffers.hyper = reinterpret_cast<const std::byte*>(data);
  buffers.results = reinterpret_cast<std::byte*>(results);
  REQUIRE(executor->run(buffers, 1).ok());
  CHECK(results[0] == 1.0f);
}

}  // namespace gradc
