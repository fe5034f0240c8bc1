// Every message of the front end stands in a golden test. The messages are read from the front end's own source: the
// first string of each call of error(), warning(), misfit() and the like, its `{}` standing for anything.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/support/read_file.h"

namespace {

// The text between the bracket before `begin` and its partner.
std::string argument_text(const std::string& source, size_t begin) {
  int depth = 1;
  bool in_string = false;
  for (size_t k = begin; k < source.size(); ++k) {
    const char c = source[k];
    if (in_string) {
      if (c == '\\') ++k;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (depth == 0) return source.substr(begin, k - begin);
  }
  return source.substr(begin);
}

// The first string of a call, adjacent ones joined; strings of a few characters are words for a message, not messages.
std::string first_message(const std::string& arguments) {
  static const std::regex kAdjacent("\"\\s*\"");
  const std::string joined = std::regex_replace(arguments, kAdjacent, "");
  std::string message;
  for (size_t k = 0; k < joined.size(); ++k) {
    if (joined[k] != '"') continue;
    message.clear();
    for (++k; k < joined.size() && joined[k] != '"'; ++k) {
      if (joined[k] == '\\') ++k;
      message += joined[k];
    }
    if (message.size() > 8) return message;
  }
  return {};
}

// What stands between the places that are filled in.
std::vector<std::string> fixed_parts(const std::string& message) {
  std::vector<std::string> parts = {""};
  for (size_t k = 0; k < message.size(); ++k) {
    const bool doubled = k + 1 < message.size() && message[k + 1] == message[k];
    if ((message[k] == '{' || message[k] == '}') && doubled) {
      parts.back() += message[k++];
    } else if (message[k] == '{') {
      k = message.find('}', k);
      parts.emplace_back();
    } else {
      parts.back() += message[k];
    }
  }
  return parts;
}

bool contains(const std::string& line, const std::vector<std::string>& parts) {
  size_t at = 0;
  for (const std::string& part : parts) {
    at = line.find(part, at);
    if (at == std::string::npos) return false;
    at += part.size();
  }
  return true;
}

// Messages that no spec of a golden test can bring about, and why.
const std::map<std::string, std::string> kNotInGoldens = {
    {"there is no spec", "the command line always has one"},
    {"data from files cannot be read here", "only of programs that embed the front end without a reader"},
    {"more than {} files are imported", "takes so many files"},
    {"{}: the file is larger than {} bytes", "takes such a file"},
    {"-D {}={}: `{}` is not a number", "the command line says it first"},
    {"--set {}={}: `{}` is not a number", "the command line says it first"},
    {"the batch must be from 1 to {}, found {}", "the command line says it first"},
    {"a row holds columns `x = [...]`", "the parser says it first"},
    {"a range stands only among subscripts", "the parser says it first"},
    {"the pack `..{}` stands only among subscripts or dimensions", "the parser says it first"},
    {"blocks are nested more than {} levels deep", "the lexer says it first"},
    {"a power of a reduction needs parentheses around the reduction", "what is reduced takes the power"},
    {"`..{}` has other dimensions than the axes of `{}`", "the ranges of the pack say it first"},
    {"`state` stands in a layer, a loss or an optimizer", "the other bodies say it first"},
    {"{} has no rows", "the reader of the file says it first"},
};

}  // namespace

TEST_CASE("every message of the front end stands in a golden test") {
  const std::filesystem::path root = GRADC_SOURCE_DIR;
  std::vector<std::string> lines;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "tests/golden")) {
    if (entry.path().extension() != ".test") continue;
    std::istringstream text(gradc::tests::read_file(entry.path()));
    for (std::string line; std::getline(text, line);) lines.push_back(line);
  }
  const std::regex call("\\b(error|warning|misfit|mismatch)\\(");
  std::set<std::string> messages;
  for (const auto& entry : std::filesystem::directory_iterator(root / "frontend")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string source = gradc::tests::read_file(entry.path());
    for (auto at = std::sregex_iterator(source.begin(), source.end(), call); at != std::sregex_iterator(); ++at) {
      const std::string message =
          first_message(argument_text(source, static_cast<size_t>(at->position() + at->length())));
      if (!message.empty()) messages.insert(message);
    }
  }
  CHECK(messages.size() > 200);
  for (const std::string& message : messages) {
    const std::vector<std::string> parts = fixed_parts(message);
    bool found = false;
    for (size_t k = 0; k < lines.size() && !found; ++k) found = contains(lines[k], parts);
    const bool exempt = kNotInGoldens.count(message) > 0;
    INFO(message);
    CHECK(found != exempt);
  }
}
