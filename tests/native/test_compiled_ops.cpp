// Compiled code equals the interpreter bit for bit: every operation, on ordinary and special values.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <bit>

#include "ir/op.h"
#include "run_compiled.h"

namespace gradc {

namespace {

void check(const std::string& text) {
  const ir::Func func = func_of(text);
  check_compiled(func, 1, false);
  check_compiled(func, 2, true);
}

// One function a row, on f32[37] (37 leaves a tail at every width) and where allowed on i32.
std::string unary(const char* op, const char* type, const char* result) {
  return fmt::format("func @f(%a: {0}[37] data) -> (y: {1}[37]) {{\n  %0 = {2} %a : {1}[37]\n  return %0\n}}\n", type,
                     result, op);
}
std::string binary(const char* op, const char* type, const char* result) {
  return fmt::format(
      "func @f(%a: {0}[37] data, %b: {0}[37] data) -> (y: {1}[37]) {{\n  %0 = {2} %a, %b : {1}[37]\n  return %0\n}}\n",
      type, result, op);
}

}  // namespace

TEST_CASE("compiled: elementwise operations") {
  for (const char* op : {"neg", "abs"}) {
    check(unary(op, "f32", "f32"));
    check(unary(op, "i32", "i32"));
  }
  for (const char* op : {"floor", "exp", "log", "tanh", "erf", "sin", "cos", "sqrt", "stop_gradient"})
    check(unary(op, "f32", "f32"));
  check(unary("logical_not", "bool", "bool"));
  for (const char* op : {"add", "sub", "mul", "max", "min"}) {
    check(binary(op, "f32", "f32"));
    check(binary(op, "i32", "i32"));
  }
  check(binary("div", "f32", "f32"));
  check(binary("pow", "f32", "f32"));
  check(binary("div", "i32", "i32"));
  for (int divisor : {-2147483647 - 1, -7, -1, 0, 1, 2, 3, 10, 2147483647}) {
    check(fmt::format(
        "func @f(%a: i32[37] data) -> (y: i32[37], z: i32[37]) {{\n  %0 = constant {{{0}}} : i32[37]\n  %1 = "
        "div %a, %0 : i32[37]\n  %2 = div %0, %a : i32[37]\n  return %1, %2\n}}\n",
        divisor));
  }
  for (const char* op : {"less", "less_equal", "equal"}) {
    check(binary(op, "f32", "bool"));
    check(binary(op, "i32", "bool"));
  }
  for (const char* op : {"logical_and", "logical_or"}) check(binary(op, "bool", "bool"));
  check(
      R"(func @f(%a: f32[37] data, %b: f32[37] data, %c: f32[37] data, %d: bool[37] data) -> (y: f32[37], z: f32[37]) {
  %0 = fma %a, %b, %c : f32[37]
  %1 = select %d, %a, %0 : f32[37]
  return %0, %1
}
)");
}

TEST_CASE("compiled: functions over all of float32") {
  const ir::Func plan = planned(func_of(
      R"(func @f(%x: f32[65536] data) -> (e: f32[65536], l: f32[65536], t: f32[65536], s: f32[65536], n: i32[65536]) {
  %0 = exp %x : f32[65536]
  %1 = log %x : f32[65536]
  %2 = tanh %x : f32[65536]
  %3 = sqrt %x : f32[65536]
  %4 = cast %x : i32[65536]
  return %0, %1, %2, %3, %4
}
)"));
  for (uint32_t first : {0u, 12345u, 54321u}) {
    ir::Tensor x(plan.values[0].type);
    for (uint32_t i = 0; i < 65536; ++i) x.data<float>()[i] = std::bit_cast<float>(i * 65536u + first);
    for (int width : {0, 1, 4, 8}) {
      codegen::Options options;
      options.vector_width = width;
      options.software_fma = first == 12345 && width == 8;
      check_compiled(plan, {x}, options, 1);
    }
  }
}

TEST_CASE("compiled: casts") {
  for (const char* from : {"f32", "i32", "bool"})
    for (const char* to : {"f32", "i32", "bool"}) check(unary("cast", from, to));
}

TEST_CASE("compiled: leaves") {
  check(R"(func @f(%k: i32[3] key) -> (a: i32[5,7], b: f32[5,7], c: f32[5,7], d: f32[5,7], e: f32[]) {
  %0 = iota {axis = 1} : i32[5,7]
  %1 = random %k {place = 12} : f32[5,7]
  %2 = random %k {place = 4000000000, sample} : f32[5,7]
  %3 = constant {[1.5]} : f32[5,7]
  %4 = add %2, %3 : f32[5,7]
  %5 = random %k {place = 3} : f32[]
  return %0, %1, %2, %4, %5
}
)");
  check(R"(func @f(%a: f32[2,3] data) -> (y: f32[2,3], z: f32[3,2], n: i32[4]) {
  %0 = constant {[1, -2.5, 3e38, -0, inf, nan]} : f32[2,3]
  %1 = add %a, %0 : f32[2,3]
  %2 = reshape %0 : f32[3,2]
  %3 = constant {[1, 0, 1, 1, 0, 0]} : bool[3,2]
  %4 = neg %2 : f32[3,2]
  %5 = select %3, %2, %4 : f32[3,2]
  %6 = constant {[-2147483648, 2147483647, 0, 5]} : i32[4]
  %7 = neg %6 : i32[4]
  return %1, %5, %7
}
)");
}

TEST_CASE("compiled: movements") {
  check(
      R"(func @f(%a: f32[5,7] data, %b: f32[7] data, %s: f32[] hyper) -> (p: f32[7,5], q: f32[4,5,7], r: f32[35], t: f32[5,7], u: f32[3,2]) {
  %0 = permute %a {axes = [1, 0]} : f32[7,5]
  %1 = neg %0 : f32[7,5]
  %2 = broadcast %a {axes = [1, 2]} : f32[4,5,7]
  %3 = broadcast %b {axes = [2]} : f32[4,5,7]
  %4 = broadcast %s {axes = []} : f32[4,5,7]
  %5 = add %2, %3 : f32[4,5,7]
  %6 = mul %5, %4 : f32[4,5,7]
  %7 = exp %a : f32[5,7]
  %8 = reshape %7 : f32[35]
  %9 = neg %8 : f32[35]
  %10 = reshape %0 : f32[5,7]
  %11 = add %10, %a : f32[5,7]
  %12 = slice %a {begin = [1, 3], end = [4, 5]} : f32[3,2]
  %13 = neg %12 : f32[3,2]
  return %1, %6, %9, %11, %13
}
)");
}

TEST_CASE("compiled: pad and concat never read outside") {
  check(
      R"(func @f(%a: f32[5,7] data, %b: f32[5,20] data) -> (p: f32[8,10], q: f32[9,27], r: f32[5,27], s: f32[10,7], t: bool[7,18], u: f32[40,10]) {
  %0 = pad %a {before = [1, 2], after = [2, 1], value = -1.5} : f32[8,10]
  %1 = exp %a : f32[5,7]
  %2 = mul %1, %a : f32[5,7]
  %3 = pad %2 {before = [0, 20], after = [4, 0], value = 0} : f32[9,27]
  %4 = concat %a, %b {axis = 1} : f32[5,27]
  %5 = neg %a : f32[5,7]
  %6 = concat %5, %a {axis = 0} : f32[10,7]
  %7 = constant {[1]} : f32[5,7]
  %8 = less %a, %7 : bool[5,7]
  %9 = pad %8 {before = [1, 1], after = [1, 10], value = 1} : bool[7,18]
  %10 = permute %0 {axes = [1, 0]} : f32[10,8]
  %11 = concat %10, %10, %10, %10 {axis = 1} : f32[10,32]
  %12 = permute %11 {axes = [1, 0]} : f32[32,10]
  %13 = pad %12 {before = [4, 0], after = [4, 0], value = 7} : f32[40,10]
  return %0, %3, %4, %6, %9, %13
}
)");
}

TEST_CASE("compiled: a pad around a concat around pads, read where only the padding is") {
  check(R"(func @f(%a: f32[3] data, %b: f32[4] data) -> (y: f32[2,12], s: f32[5]) {
  %0 = pad %a {before = [1], after = [0], value = 2} : f32[4]
  %1 = concat %0, %b {axis = 0} : f32[8]
  %2 = pad %1 {before = [2], after = [2], value = 5} : f32[12]
  %3 = concat %2, %2 {axis = 0} : f32[24]
  %4 = slice %2 {begin = [0], end = [1]} : f32[1]
  %5 = broadcast %4 {axes = [0]} : f32[1]
  %6 = reduce %5 {sum, axes = [0], order = seq} : f32[]
  %7 = broadcast %6 {axes = []} : f32[5]
  %8 = broadcast %2 {axes = [1]} : f32[2,12]
  %9 = neg %8 : f32[2,12]
  return %9, %7
}
)");
}

TEST_CASE("compiled: sums in every order") {
  for (const char* order : {"order = seq", "order = seq, block = 3", "order = lanes(16, 0)", "order = lanes(16, 1)",
                            "order = lanes(16, 0), block = 16", "order = lanes(16, 1), block = 7"}) {
    check(
        fmt::format("func @f(%a: f32[37,21,2] data) -> (y: f32[2]) {{\n  %0 = reduce %a {{sum, axes = [0, 1], {}}} : "
                    "f32[2]\n  return %0\n}}\n",
                    order));
  }
  // Fewer indices than lanes.
  for (int extent : {2, 3, 5, 8, 11, 15, 16, 17, 31, 33}) {
    check(
        fmt::format("func @f(%a: f32[4,{0}] data, %b: i32[3,{0}] data) -> (y: f32[4], z: i32[3]) {{\n  %0 = reduce %a "
                    "{{sum, axes = [1], order = lanes(16, 1)}} : f32[4]\n  %1 = reduce %b {{sum, axes = [1], order = "
                    "lanes(16, 1)}} : i32[3]\n  return %0, %1\n}}\n",
                    extent));
  }
  for (const char* kind : {"max", "min", "prod", "sum"}) {
    check(fmt::format(
        "func @f(%a: f32[19,6] data, %b: i32[19,6] data) -> (y: f32[19], z: f32[6], w: i32[19]) {{\n  %0 = reduce %a "
        "{{{0}, axes = [1], order = seq}} : f32[19]\n  %1 = reduce %a {{{0}, axes = [0], order = seq}} : f32[6]\n  %2 "
        "= "
        "reduce %b {{{0}, axes = [1], order = seq}} : i32[19]\n  return %0, %1, %2\n}}\n",
        kind));
  }
}

TEST_CASE("compiled: contractions") {
  for (const char* order : {"order = seq", "order = lanes(16, b)", "order = lanes(16, c)",
                            "order = lanes(16, b), block = 16", "order = lanes(16, c), block = 5"}) {
    check(
        fmt::format("func @f(%x: f32[37,3,5] data, %y: f32[3,37,4] data, %i: f32[5,4] data) -> (p: f32[5,4], q: "
                    "f32[4,5]) {{\n  %0 = contract %x, %y, %i {{\"bco,cbi->oi\", {0}}} : f32[5,4]\n  %1 = contract %x, "
                    "%y {{\"bco,cbi->io\", {0}}} : f32[4,5]\n  return %0, %1\n}}\n",
                    order));
  }
  check(
      R"(func @f(%x: f32[5] data, %y: f32[9] data, %n: i32[4,3] data, %m: i32[3,18] data) -> (a: f32[5,9], b: i32[4,18], c: f32[], d: i32[]) {
  %0 = contract %x, %y {"i,j->ij", order = seq} : f32[5,9]
  %1 = contract %n, %m {"ik,kj->ij", order = seq} : i32[4,18]
  %2 = contract %x, %x {"i,i->", order = lanes(16, i)} : f32[]
  %3 = contract %n, %m {"ik,kj->", order = lanes(16, j)} : i32[]
  return %0, %1, %2, %3
}
)");
}

TEST_CASE("compiled: sums over a batch whose rows are short, several side by side") {
  for (int rows : {16, 33, 64}) {
    for (const auto& [inputs, units] : std::vector<std::pair<int, int>>{{2, 5}, {3, 3}, {4, 9}, {5, 2}}) {
      check(fmt::format(
          "func @f(%w: f32[{2},{1}] parameter, %x: f32[{0},{1}] data, %d: f32[{0},{2}] data) -> (w: f32[{2},{1}], b: "
          "f32[{2}], h: f32[{0},{2}]) {{\n"
          "  %0 = contract %x, %w {{\"bi,oi->bo\", order = seq}} : f32[{0},{2}]\n"
          "  %1 = mul %0, %d : f32[{0},{2}]\n"
          "  %2 = contract %1, %x {{\"bo,bi->oi\", order = lanes(16, b)}} : f32[{2},{1}]\n"
          "  %3 = sub %w, %2 : f32[{2},{1}]\n"
          "  %4 = reduce %1 {{sum, axes = [0], order = lanes(16, 0)}} : f32[{2}]\n"
          "  return %3, %4, %1\n}}\n",
          rows, inputs, units));
    }
  }
}

TEST_CASE("compiled: tiny steps whose kernels want other vectors than the ones before stored") {
  // Square and non-square weights read along both axes, an axis wider than a vector, state that is only written, state
  // that takes another state's place, and a boolean.
  for (const auto& [inputs, units] : std::vector<std::pair<int, int>>{{4, 4}, {3, 5}, {2, 18}, {9, 3}}) {
    check(fmt::format(
        "func @f(%w: f32[{1},{0}] parameter, %v: f32[{1}] state, %u: f32[{1}] state, %m: bool[{1}] state, %x: f32[{0}] "
        "data) -> (w: f32[{1},{0}], v: f32[{1}], u: f32[{1}], m: bool[{1}], y: f32[{0}]) {{\n"
        "  %0 = contract %x, %w {{\"i,oi->o\", order = seq}} : f32[{1}]\n"
        "  %1 = select %m, %0, %u : f32[{1}]\n"
        "  %2 = contract %1, %w {{\"o,oi->i\", order = seq}} : f32[{0}]\n"
        "  %3 = contract %1, %2 {{\"o,i->oi\", order = seq}} : f32[{1},{0}]\n"
        "  %4 = sub %w, %3 : f32[{1},{0}]\n"
        "  %5 = less %v, %1 : bool[{1}]\n"
        "  return %4, %1, %v, %5, %2\n}}\n",
        inputs, units));
  }
}

TEST_CASE("compiled: products around the edges of tiles") {
  constexpr int kShapes[][3] = {{7, 65, 3}, {8, 64, 2}, {9, 49, 1}, {17, 33, 19}, {23, 17, 5}, {25, 130, 2}};
  for (const auto& [rows, columns, terms] : kShapes) {
    check(fmt::format(
        "func @f(%x: f32[{0},{2}] data, %y: f32[{2},{1}] data, %z: f32[{1},{2}] data, %b: f32[{1}] data) -> "
        "(p: f32[{0},{1}], q: f32[{1},{0}], r: f32[{0},{1}]) {{\n"
        "  %0 = broadcast %b {{axes = [1]}} : f32[{0},{1}]\n"
        "  %1 = contract %x, %y, %0 {{\"ik,kj->ij\", order = seq}} : f32[{0},{1}]\n"
        "  %2 = contract %x, %z {{\"ik,jk->ji\", order = seq}} : f32[{1},{0}]\n"
        "  %3 = contract %x, %z, %1 {{\"ik,jk->ij\", order = lanes(16, k)}} : f32[{0},{1}]\n"
        "  %4 = tanh %3 : f32[{0},{1}]\n"
        "  return %1, %2, %4\n}}\n",
        rows, columns, terms));
  }
}

TEST_CASE("compiled: transposed copies and packed operands") {
  for (const auto& [rows, columns] : std::vector<std::pair<int, int>>{{16, 16}, {35, 18}, {21, 50}, {8, 33}}) {
    check(
        fmt::format("func @f(%a: f32[{0},{1}] data, %m: bool[{0},{1}] data, %n: i32[3,{0},{1}] data) -> (x: "
                    "f32[{1},{0}], y: bool[{1},{0}], z: i32[{1},3,{0}]) {{\n"
                    "  %0 = permute %a {{axes = [1, 0]}} : f32[{1},{0}]\n"
                    "  %1 = permute %m {{axes = [1, 0]}} : bool[{1},{0}]\n"
                    "  %2 = permute %n {{axes = [2, 0, 1]}} : i32[{1},3,{0}]\n"
                    "  %3 = neg %0 : f32[{1},{0}]\n"
                    "  return %3, %1, %2\n}}\n",
                    rows, columns));
  }
  check(
      R"(func @f(%x: f32[33,7,19] data, %w: f32[34,19] parameter, %v: f32[19,34] data) -> (w: f32[34,19], y: f32[7,33,34]) {
  %0 = contract %x, %w {"bti,oi->tbo", order = seq} : f32[7,33,34]
  %1 = contract %x, %0 {"bti,tbo->oi", order = seq} : f32[34,19]
  %2 = permute %v {axes = [1, 0]} : f32[34,19]
  %3 = fma %1, %2, %w : f32[34,19]
  return %3, %0
}
)");
}

TEST_CASE("compiled: sums inside expressions, under predicates and inside sums") {
  check(R"(func @f(%a: f32[6,20] data, %w: f32[6] data) -> (y: f32[6,20], z: f32[10], s: f32[]) {
  %0 = reduce %a {max, axes = [1], order = seq} : f32[6]
  %1 = broadcast %0 {axes = [0]} : f32[6,20]
  %2 = sub %a, %1 : f32[6,20]
  %3 = exp %2 : f32[6,20]
  %4 = reduce %3 {sum, axes = [1], order = lanes(16, 1)} : f32[6]
  %5 = broadcast %4 {axes = [0]} : f32[6,20]
  %6 = div %3, %5 : f32[6,20]
  %7 = log %4 : f32[6]
  %8 = mul %7, %w : f32[6]
  %9 = pad %8 {before = [3], after = [1], value = -inf} : f32[10]
  %10 = reduce %8 {sum, axes = [0], order = lanes(16, 0)} : f32[]
  return %6, %9, %10
}
)");
}

}  // namespace gradc
