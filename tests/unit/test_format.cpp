// The canonical layout: what it looks like, and its properties on every spec of the project.
#include "frontend/format.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "frontend/parse.h"
#include "frontend/print_ast.h"
#include "tests/support/read_file.h"

using namespace gradc;
namespace fs = std::filesystem;

namespace {

std::optional<std::string> format_text(const std::string& text) {
  ir::Sources sources;
  const int32_t file = sources.add("test.grad", text);
  ir::Diagnostics diagnostics(sources);
  return frontend::format_source(sources, file, diagnostics);
}

std::string tree_of(const std::string& text) {
  ir::Sources sources;
  const int32_t file = sources.add("test.grad", text);
  ir::Diagnostics diagnostics(sources);
  return frontend::print_ast(frontend::parse(sources, file, diagnostics));
}

// Every spec that the project holds: files, the files of golden cases, the snippets of documents.
std::vector<std::string> all_specs() {
  const fs::path root = GRADC_SOURCE_DIR;
  std::vector<std::string> specs;
  for (const char* folder : {"examples", "frontend/std", "tests", "docs", "README.md"}) {
    std::vector<fs::path> files;
    if (fs::is_directory(root / folder)) {
      for (const auto& entry : fs::recursive_directory_iterator(root / folder)) files.push_back(entry.path());
    } else {
      files.push_back(root / folder);
    }
    for (const fs::path& path : files) {
      if (path.extension() == ".grad") specs.push_back(tests::read_file(path));
      if (path.extension() != ".test" && path.extension() != ".md") continue;
      std::istringstream lines(tests::read_file(path));
      bool inside = false;
      for (std::string line; std::getline(lines, line);) {
        const bool starts = path.extension() == ".md" ? line.rfind("```grad", 0) == 0
                                                      : line.rfind("--- file", 0) == 0 && line.size() > 5 &&
                                                            line.substr(line.size() - 5) == ".grad";
        if (starts) specs.emplace_back();
        if (starts || line.rfind(path.extension() == ".md" ? "```" : "--- ", 0) == 0) {
          inside = starts;
        } else if (inside) {
          specs.back() += line + "\n";
        }
      }
    }
  }
  return specs;
}

}  // namespace

TEST_CASE("format: every spec of the project keeps its meaning, and formatting again changes nothing") {
  size_t formatted = 0;
  const std::vector<std::string> specs = all_specs();
  CHECK(specs.size() > 400);
  for (const std::string& text : specs) {
    const std::optional<std::string> once = format_text(text);
    if (!once) continue;
    INFO(text);
    ++formatted;
    CHECK(tree_of(*once) == tree_of(text));
    CHECK(format_text(*once) == *once);
    // However it was spaced before: without indents, and with all spaces doubled outside of strings and comments.
    if (text.find_first_of("\"#") != std::string::npos) continue;
    std::string flat, wide;
    for (const char c : text) {
      if (c != ' ' || flat.empty() || (flat.back() != '\n' && flat.back() != ' ')) flat += c;
      wide += c == ' ' ? "  " : std::string(1, c);
    }
    CHECK(format_text(flat) == *once);
    CHECK(format_text(wide) == *once);
  }
  CHECK(formatted > 300);
}

TEST_CASE("format: shipped specs have the canonical layout") {
  for (const char* folder : {"examples", "frontend/std"}) {
    for (const auto& entry : fs::directory_iterator(fs::path(GRADC_SOURCE_DIR) / folder)) {
      if (entry.path().extension() != ".grad") continue;
      INFO(entry.path().string());
      const std::string text = tests::read_file(entry.path());
      CHECK(format_text(text) == text);
    }
  }
}

TEST_CASE("format: a text that does not parse has no layout") {
  CHECK_FALSE(format_text("language 1\nmodel m(x: f32[2] -> f32[1] { x }\n"));
  CHECK(format_text("") == "");
  CHECK(format_text("\n\n# only this\n\n") == "# only this\n");
}

TEST_CASE("format: spaces") {
  const auto line = [](const std::string& text) {
    const std::optional<std::string> all = format_text("language 1\nfn f(x, y)=" + text + "\n");
    REQUIRE(all);
    return all->substr(std::string("language 1\nfn f(x, y) = ").size());
  };
  CHECK(line("x+y*2-1/x") == "x + y * 2 - 1 / x\n");
  CHECK(line("- x^-2^y") == "-x^-2^y\n");
  CHECK(line("--x - -y") == "--x - -y\n");
  CHECK(line("if x<=y then(x)else  - y") == "if x <= y then (x) else -y\n");
  CHECK(line("max ( x,y )//2") == "max(x, y) // 2\n");
  CHECK(line("not(x>y)or x==y and  true") == "not (x > y) or x == y and true\n");
  CHECK(line("stop (x)*idx <5>(y)") == "stop(x) * idx<5>(y)\n");
  CHECK(line("x[ i*2+1,.. s ]+sum [u<k*2,..s](x)") == "x[i*2 + 1, ..s] + sum[u < k*2, ..s] (x)\n");
  CHECK(line("sum[i]-x[i]") == "sum[i] -x[i]\n");
  CHECK(line("max[i][1,2][i]") == "max[i] [1, 2][i]\n");
  CHECK(line("x[0..3, 1 ..n]") == "x[0 .. 3, 1 .. n]\n");
  CHECK(line("f(2,rate=-0.1e-3)(x)") == "f(2, rate = -0.1e-3)(x)\n");
  CHECK(line("[x*y,[x/2]]+g([x*y])") == "[x * y, [x / 2]] + g([x*y])\n");
  CHECK(line("x|>f|>g(y=1)") == "x |> f |> g(y = 1)\n");
  CHECK(line("idx< -1>(x)< -y") == "idx< -1>(x) < -y\n");
}

TEST_CASE("format: blocks, lines that go on, comments") {
  const std::optional<std::string> found = format_text(R"(language 1
  # above


const A=1;const B=2   # two
layer f ( k:int=2 )(x:f32[..s,n])
->f32[..s,n] { # body

    param w:f32[n]=0;param b:f32[n]=0 ;

    # in front
    let y[..s,i]=
    w[i]*x[..s,i]+
        b[i]      # long
    let longer=y     # aligned
    when training {
    y } else {
      # nothing
      x
    }


    # at the end
}
data d=rows {x=[1,2],
target=[3]}
 { x=[ 1,2 ];target=[3]} split train 0.5,valid 0.5
train t:m on d.train{
loss f(out,target);seed(1)
optimizer g(lr=f(t,
0.1,
[1,
2]
))
log every(N) steps
}
model m(x:f32[1])->f32[1] {
x
|> f
      |> g}
)");
  REQUIRE(found);
  CHECK(*found == R"(language 1
# above

const A = 1; const B = 2  # two
layer f(k: int = 2)(x: f32[..s, n])
    -> f32[..s, n] {  # body

  param w: f32[n] = 0; param b: f32[n] = 0

  # in front
  let y[..s, i] =
      w[i] * x[..s, i] +
      b[i]        # long
  let longer = y  # aligned
  when training {
    y
  } else {
    # nothing
    x
  }

  # at the end
}
data d = rows {
  x = [1, 2],
  target = [3]
}
  { x = [1, 2]; target = [3] } split train 0.5, valid 0.5
train t: m on d.train {
  loss f(out, target); seed (1)
  optimizer g(lr = f(t,
    0.1,
    [1,
      2]
  ))
  log every (N) steps
}
model m(x: f32[1]) -> f32[1] {
  x
    |> f
    |> g
}
)");
}
