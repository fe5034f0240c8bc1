// Runs what documents show. In each Markdown file, in order, in one folder per file:
//
//   ```grad adder.grad     writes the block to that file
//   ```grad                a fragment: must parse (`gradc compile --emit ast`)
//   ```console             lines `$ COMMAND` are run; the lines up to the next one are its whole output, standard error
//                          behind standard output. `...` in a line stands for any text (times differ).
//
// usage: gradc_markdown GRADC SOURCE_DIRECTORY FILE.md...
#include <fmt/core.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "tests/shell.h"

namespace fs = std::filesystem;
using namespace gradc::tests;

namespace {

struct Block {
  std::string info, body;
  int line = 0;
};

std::vector<Block> blocks_of(const std::string& text) {
  std::vector<Block> blocks;
  std::istringstream lines(text);
  bool inside = false;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.rfind("```", 0) == 0) {
      if (!inside) blocks.push_back({line.substr(3), "", number});
      inside = !inside;
    } else if (inside) {
      blocks.back().body += line + "\n";
    }
  }
  return blocks;
}

// `...` in the pattern stands for any text.
bool matches(const std::string& pattern, const std::string& text) {
  size_t at = 0;
  for (size_t from = 0; from <= pattern.size();) {
    const size_t dots = std::min(pattern.find("...", from), pattern.size());
    const std::string piece = pattern.substr(from, dots - from);
    const bool last = dots == pattern.size();
    if (last && from > 0) return text.size() >= at + piece.size() && text.ends_with(piece);
    const size_t found = from == 0 ? (text.rfind(piece, 0) == 0 ? 0 : std::string::npos) : text.find(piece, at);
    if (found == std::string::npos) return false;
    at = found + piece.size();
    if (last) return at == text.size();
    from = dots + 3;
  }
  return true;
}

bool same_lines(const std::string& expected, const std::string& found) {
  std::istringstream a(expected), b(found);
  std::string left, right;
  while (std::getline(a, left)) {
    if (!std::getline(b, right) || !matches(left, right)) return false;
  }
  return !std::getline(b, right);
}

struct Command {
  std::string line, output;
};

std::vector<Command> commands_of(const std::string& body) {
  std::vector<Command> commands;
  std::istringstream lines(body);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("$ ", 0) == 0) {
      commands.push_back({line.substr(2), ""});
    } else if (!commands.empty()) {
      commands.back().output += line + "\n";
    }
  }
  return commands;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: gradc_markdown GRADC SOURCE_DIRECTORY FILE.md...\n");
    return 2;
  }
  const std::string gradc = fs::absolute(argv[1]).string(), source = fs::canonical(argv[2]).string();
  const fs::path scratch = make_scratch_folder();
  if (scratch.empty()) return 1;
  int passed = 0, failed = 0;
  for (int i = 3; i < argc; ++i) {
    const fs::path folder = scratch / std::to_string(i);
    fs::create_directories(folder);
    fs::create_directory_symlink(fs::path(source) / "examples", folder / "examples");
    for (const Block& block : blocks_of(read_file(argv[i]))) {
      auto check = [&](const std::string& command, const std::string& expected, bool whole) {
        const Outcome outcome = run_script(command + "\n", folder, gradc, source);
        const std::string found = outcome.out + outcome.err;
        const bool good = whole ? same_lines(expected, found) : outcome.exit == 0;
        ++(good ? passed : failed);
        if (!good) {
          fmt::print("FAILED {}:{}: {}\n{}", argv[i], block.line, command,
                     whole ? difference(expected, found, scratch / "diff") : found);
        }
      };
      if (block.info.rfind("grad ", 0) == 0) {
        write_file(folder / block.info.substr(5), block.body);
      } else if (block.info == "grad") {
        write_file(folder / "fragment.grad", block.body);
        check("gradc compile fragment.grad --emit ast", "", false);
      } else if (block.info == "console") {
        for (const Command& command : commands_of(block.body)) check(command.line, command.output, true);
      }
    }
  }
  fs::remove_all(scratch);
  fmt::print("{} passed, {} failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
