// Lexer, parser, printer, imports, `show`.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "frontend/parse.h"
#include "frontend/print_ast.h"
#include "frontend/spec.h"
#include "tests/support/read_file.h"

using namespace gradc;

namespace {

struct Parsed {
  std::string text;  // printed again
  std::string messages;
};

Parsed parse_text(const std::string& text) {
  ir::Sources sources;
  const int32_t file = sources.add("test.grad", text);
  ir::Diagnostics diagnostics(sources);
  const frontend::Ast ast = frontend::parse(sources, file, diagnostics);
  return {diagnostics.has_errors() ? "" : frontend::print_ast(ast), diagnostics.render()};
}

// The expression as it is printed after parsing.
std::string expression(const std::string& text) {
  const Parsed parsed = parse_text("language 1\nconst N = " + text + "\n");
  INFO(parsed.messages);
  const std::string head = "language 1\n\nconst N = ";
  REQUIRE(parsed.text.starts_with(head));
  return parsed.text.substr(head.size(), parsed.text.size() - head.size() - 1);
}

// The shape of the tree: every operator in parentheses.
std::string shape(const frontend::Expr& expr) {
  switch (expr.kind) {
    case frontend::ExprKind::binary:
      return "(" + shape(*expr.operands[0]) + " " + expr.text + " " + shape(*expr.operands[1]) + ")";
    case frontend::ExprKind::unary:
      return "(" + expr.text + " " + shape(*expr.operands[0]) + ")";
    case frontend::ExprKind::reduction:
      return "(" + expr.text + " " + shape(*expr.operands[0]) + ")";
    case frontend::ExprKind::pipe:
      return "(" + shape(*expr.operands[0]) + " |> " + shape(*expr.operands[1]) + ")";
    case frontend::ExprKind::conditional:
      return "(if " + shape(*expr.operands[0]) + " " + shape(*expr.operands[1]) + " " + shape(*expr.operands[2]) + ")";
    default:
      return frontend::print_expression(expr);
  }
}

std::string tree(const std::string& text) {
  ir::Sources sources;
  const int32_t file = sources.add("test.grad", "language 1\nconst N = " + text + "\n");
  ir::Diagnostics diagnostics(sources);
  const frontend::Ast ast = frontend::parse(sources, file, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(!diagnostics.has_errors());
  return shape(*ast.definitions[0]->value);
}

}  // namespace

TEST_CASE("precedence, from loose to tight") {
  CHECK(tree("a + b * c") == "(a + (b * c))");
  CHECK(tree("a - b - c") == "((a - b) - c)");
  CHECK(tree("-a^2") == "(- (a ^ 2))");
  CHECK(tree("a^b^c") == "(a ^ (b ^ c))");
  CHECK(tree("2^-1") == "(2 ^ (- 1))");
  CHECK(tree("a // b / c") == "((a // b) / c)");
  CHECK(tree("a < b + 1 and not c or d") == "(((a < (b + 1)) and (not c)) or d)");
  CHECK(tree("if a < b then c else d + 1") == "(if (a < b) c (d + 1))");
  CHECK(tree("if a then b else c |> f") == "((if a b c) |> f)");
  CHECK(tree("a |> f |> g") == "((a |> f) |> g)");
}

TEST_CASE("sum and mean reach over a product") {
  CHECK(tree("b + sum[i] w[i] * x[i] + c") == "((b + (sum (w[i] * x[i]))) + c)");
  CHECK(tree("sum[i] w[i] / 2 - 1") == "((sum (w[i] / 2)) - 1)");
  CHECK(tree("a * sum[i] b[i] * c[i]") == "(a * (sum (b[i] * c[i])))");
  CHECK(tree("max[i] x[i] + 1") == "((max x[i]) + 1)");
  CHECK(tree("max[i] x[i]^2 + 1") == "((max (x[i] ^ 2)) + 1)");
  CHECK(tree("sum[i] -x[i]") == "(sum (- x[i]))");
}

TEST_CASE("lines end statements, except inside brackets and after operators") {
  CHECK(expression("1 +\n 2") == "1 + 2");
  CHECK(expression("(1\n + 2)") == "(1 + 2)");
  CHECK(expression("f(1,\n 2\n)") == "f(1, 2)");
  CHECK(expression("x\n  |> f\n  |> g") == "x |> f |> g");
  CHECK(expression("if a\n then b\n else c") == "if a then b else c");
  CHECK(expression("1 + # a comment\n 2") == "1 + 2");
  CHECK(parse_text("language 1\nconst A = 1; const B = 2\n").text == "language 1\n\nconst A = 1\n\nconst B = 2\n");
  CHECK(parse_text("language 1\r\nconst A = 1\r\n").text == "language 1\n\nconst A = 1\n");
}

TEST_CASE("printing what was parsed and parsing that changes nothing") {
  for (const char* folder : {"examples", "frontend/std"}) {
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(GRADC_SOURCE_DIR) / folder)) {
      if (entry.path().extension() != ".grad") continue;
      INFO(entry.path().string());
      const Parsed once = parse_text(tests::read_file(entry.path()));
      CHECK(once.messages == "");
      const Parsed twice = parse_text(once.text);
      CHECK(twice.messages == "");
      CHECK(once.text == twice.text);
    }
  }
  // Constructs that are not elaborated yet are parsed and printed all the same.
  const std::string later =
      tests::read_file(std::filesystem::path(GRADC_SOURCE_DIR) / "tests/unit/later_constructs.grad");
  const Parsed once = parse_text(later);
  CHECK(once.messages == "");
  CHECK(parse_text(once.text).text == once.text);
}

TEST_CASE("several mistakes are reported in one run") {
  const std::string messages =
      parse_text("language 1\nconst A = \nfn f(x) = x +\nlayer g(x: f64[2]) -> f32[1] { x }\nmodle m\ntrain t: {\n}\n")
          .messages;
  CHECK(messages.find("f64") != std::string::npos);
  CHECK(messages.find("modle") != std::string::npos);
}

TEST_CASE("a missing language line is a warning, an empty file no crash") {
  CHECK(parse_text("const A = 1\n").messages.find("warning") != std::string::npos);
  CHECK(parse_text("").messages.find("warning") != std::string::npos);
  CHECK(parse_text(std::string("\0\xff\x80", 3)).messages.find("unexpected") != std::string::npos);
}

TEST_CASE("show finds the text of a definition with its comments") {
  frontend::Spec spec;
  ir::Diagnostics diagnostics(spec.sources);
  frontend::load_library(spec, diagnostics);
  CHECK(diagnostics.render() == "");
  const std::string linear = frontend::find_source(spec, "linear").value_or("");
  CHECK(linear.starts_with("# "));
  CHECK(linear.ends_with("  y\n}"));
  CHECK(frontend::find_source(spec, "relu").value_or("").find("fn relu(x) = max(x, 0)") != std::string::npos);
  CHECK(!frontend::find_source(spec, "nothing"));
  const std::vector<std::string> names = frontend::library_names(spec);
  for (const char* name : {"linear", "mse", "sgd", "adam", "relu", "sigmoid", "uniform", "normal", "he", "glorot"}) {
    CHECK(std::find(names.begin(), names.end(), name) != names.end());
  }
}

TEST_CASE("imports") {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "gradc_test_imports";
  std::filesystem::create_directories(folder / "parts");
  const auto write = [&](const char* name, const std::string& text) { std::ofstream(folder / name) << text; };
  const auto load = [&](const std::string& text) {
    write("main.grad", text);
    frontend::Spec spec;
    ir::Diagnostics diagnostics(spec.sources);
    CHECK(frontend::load_spec((folder / "main.grad").string(), spec, diagnostics).ok());
    return diagnostics.render();
  };
  write("parts/a.grad", "language 1\nimport \"b.grad\"\nconst A = B + 1\n");
  write("parts/b.grad", "language 1\nconst B = 1\n");
  write("parts/up.grad", "language 1\nimport \"../parts/b.grad\"\nconst U = B\n");
  write("parts/circle.grad", "language 1\nimport \"circle.grad\"\n");
  write("parts/c.grad", "language 1\nconst A = 3\n");
  CHECK(load("language 1\nimport \"parts/a.grad\"\nimport \"parts/up.grad\"\n") == "");
  CHECK(load("language 1\nimport \"parts/circle.grad\"\n").find("closes a circle") != std::string::npos);
  CHECK(load("language 1\nimport \"parts/a.grad\"\nimport \"parts/c.grad\"\n").find("two imports define `A`") !=
        std::string::npos);
  CHECK(load("language 1\nimport \"../x.grad\"\n").find("leaves the folder") != std::string::npos);
  CHECK(load("language 1\nimport \"/x.grad\"\n").find("absolute") != std::string::npos);
  CHECK(load("language 1\nimport \"nowhere.grad\"\n").find("there is no such file") != std::string::npos);
  CHECK(load("language 1\nimport \"parts\"\n").find("it is a folder") != std::string::npos);
  std::filesystem::remove_all(folder);
}
