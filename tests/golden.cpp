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
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

struct Section {
  std::string header;  // "file bad.grad", "run", "exit 1", "stdout", "stderr"
  std::string body;
};

struct Case {
  std::string comment;
  std::vector<Section> sections;
};

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

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

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// Where an output does not end with a line end the case shows it, because its text can't.
std::string shown(std::string output, const std::string& source) {
  replace_all(output, source, "$SOURCE");
  if (!output.empty() && output.back() != '\n') output += "\n(no line end)\n";
  return output;
}

struct Outcome {
  int exit = 0;
  std::string out, err;
};

Outcome run_script(const std::string& script, const fs::path& folder, const std::string& gradc,
                   const std::string& source) {
  const fs::path side = folder.string() + ".side";
  write_file(side / "script.sh", script);
  const std::string command = fmt::format(
      "cd '{}' && SOURCE='{}' PATH='{}':\"$PATH\" NO_COLOR=1 timeout 120 sh '{}/script.sh' >'{}/out' 2>'{}/err' "
      "</dev/null",
      folder.string(), source, fs::path(gradc).parent_path().string(), side.string(), side.string(), side.string());
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), shown(read_file(side / "out"), source),
          shown(read_file(side / "err"), source)};
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

std::string difference(const std::string& expected, const std::string& found, const fs::path& scratch) {
  write_file(scratch / "expected", expected);
  write_file(scratch / "found", found);
  const std::string command = fmt::format("cd '{0}' && diff -u expected found > diff; true", scratch.string());
  if (std::system(command.c_str()) != 0) return found;
  return read_file(scratch / "diff");
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
  std::string pattern = (fs::temp_directory_path() / "gradc_golden.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    fmt::print(stderr, "gradc_golden: cannot make a folder in {}\n", fs::temp_directory_path().string());
    return 1;
  }
  int failed = 0, accepted = 0;
  for (const fs::path& path : cases) {
    const std::string text = read_file(path);
    const std::string found = print_case(run_case(parse_case(text), fs::path(pattern) / "case", gradc, source));
    if (found == text) continue;
    if (accept) {
      write_file(path, found);
      ++accepted;
      continue;
    }
    ++failed;
    fmt::print("FAILED {}\n{}", path.string(), difference(text, found, fs::path(pattern) / "diff"));
    fmt::print("to accept: GRADC_ACCEPT=1 {} {} {} {}\n\n", gradc.empty() ? "" : argv[0], argv[1], argv[2],
               path.string());
  }
  fs::remove_all(pattern);
  if (accepted > 0) fmt::print("{} cases rewritten\n", accepted);
  fmt::print("{} passed, {} failed\n", cases.size() - static_cast<size_t>(failed), failed);
  return failed == 0 && !cases.empty() ? 0 : 1;
}
