// Runs golden cases: text files that hold input files, shell commands, and the whole output and exit code these must
// give.
//
//   --- file bad.grad            a file in the case's own empty folder
//   --- run                      a shell script there; `gradc` is on the PATH, $SOURCE is the project's root
//   --- exit 1                   optional, 0 without it
//   --- stdout                   optional, empty without it
//   --- stderr
//
// `run` and what follows it may be repeated. Lines before the first `---` are a comment. In outputs the project's root
// reads $SOURCE. With GRADC_ACCEPT=1 the outputs found replace those expected: read the difference before you commit
// it.
//
// usage: gradc_golden GRADC SOURCE_DIRECTORY CASE_OR_FOLDER...
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <vector>

#include "tests/shell.h"

namespace fs = std::filesystem;
using namespace gradc::tests;

namespace {

struct Section {
  std::string header;  // "file bad.grad", "run", "exit 1", "stdout", "stderr"
  std::string body;
};

struct Case {
  std::string comment;
  std::vector<Section> sections;
};

Case parse_case(const std::string& text) {
  Case parsed;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("--- ", 0) == 0) {
      parsed.sections.push_back({line.substr(4), ""});
    } else {
      (parsed.sections.empty() ? parsed.comment : parsed.sections.back().body) += line + "\n";
    }
  }
  return parsed;
}

std::string print_case(const Case& parsed) {
  std::string text = parsed.comment;
  for (const Section& section : parsed.sections) text += "--- " + section.header + "\n" + section.body;
  return text;
}

// The case with what running it gives in place of what it expects.
Case run_case(const Case& expected, const fs::path& folder, const std::string& gradc, const std::string& source) {
  Case found{expected.comment, {}};
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const Section& section : expected.sections) {
    if (section.header.rfind("file ", 0) == 0) {
      write_file(folder / section.header.substr(5), section.body);
      found.sections.push_back(section);
    } else if (section.header == "run") {
      const Outcome outcome = run_script(section.body, folder, gradc, source);
      found.sections.push_back(section);
      if (outcome.exit != 0) found.sections.push_back({fmt::format("exit {}", outcome.exit), ""});
      if (!outcome.out.empty()) found.sections.push_back({"stdout", outcome.out});
      if (!outcome.err.empty()) found.sections.push_back({"stderr", outcome.err});
    }
  }
  fs::remove_all(folder);
  fs::remove_all(folder.string() + ".side");
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: gradc_golden GRADC SOURCE_DIRECTORY CASE_OR_FOLDER...\n");
    return 2;
  }
  const std::string gradc = fs::absolute(argv[1]).string(), source = fs::canonical(argv[2]).string();
  const bool accept = std::getenv("GRADC_ACCEPT") != nullptr;
  std::vector<fs::path> cases;
  for (int i = 3; i < argc; ++i) {
    if (fs::is_directory(argv[i])) {
      for (const auto& entry : fs::recursive_directory_iterator(argv[i])) {
        if (entry.path().extension() == ".test") cases.push_back(entry.path());
      }
    } else {
      cases.emplace_back(argv[i]);
    }
  }
  std::sort(cases.begin(), cases.end());
  const fs::path scratch = make_scratch_folder();
  if (scratch.empty()) return 1;
  int failed = 0, accepted = 0;
  for (const fs::path& path : cases) {
    const std::string text = read_file(path);
    const Case expected = parse_case(text);
    if (std::none_of(expected.sections.begin(), expected.sections.end(),
                     [](const Section& s) { return s.header == "run"; })) {
      ++failed;
      fmt::print("FAILED {}: it runs nothing\n", path.string());
      continue;
    }
    const std::string found = print_case(run_case(expected, scratch / "case", gradc, source));
    if (found == text) continue;
    if (accept) {
      write_file(path, found);
      ++accepted;
      continue;
    }
    ++failed;
    fmt::print("FAILED {}\n{}", path.string(), difference(text, found, scratch / "diff"));
    fmt::print("to accept: GRADC_ACCEPT=1 {} {} {} {}\n\n", gradc.empty() ? "" : argv[0], argv[1], argv[2],
               path.string());
  }
  fs::remove_all(scratch);
  if (accepted > 0) fmt::print("{} cases rewritten\n", accepted);
  fmt::print("{} passed, {} failed\n", cases.size() - static_cast<size_t>(failed), failed);
  return failed == 0 && !cases.empty() ? 0 : 1;
}
