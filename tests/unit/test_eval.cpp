// What each operation means, by hand-computed values. The interpreter is the reference for everything else, so nothing
// here was copied from its output.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <set>

#include "ir/eval.h"
#include "ir/op.h"
#include "tests/support/ir_text.h"

using namespace gradc;
using Values = std::vector<double>;

namespace {

const double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::numeric_limits<double>::quiet_NaN();

// The values of `%y`, given the lines that make it and its type; {X} etc. are constants.
Values y(const std::string& type, const std::string& lines) {
  return tests::values_of(fmt::format("func @f() -> (y: {}) {{\n{}\n  return %y\n}}\n", type, lines));
}

bool same(const Values& a, const Values& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) != std::isnan(b[i])) return false;
    if (!std::isnan(a[i]) && (a[i] != b[i] || std::signbit(a[i]) != std::signbit(b[i]))) return false;
  }
  return true;
}

Values unary(const std::string& op, const std::string& x, int count) {
  return y(fmt::format("f32[{}]", count),
           fmt::format("%x = constant {{[{}]}} : f32[{}]\n%y = {} %x : f32[{}]", x, count, op, count));
}
Values binary(const std::string& op, const std::string& a, const std::string& b, int count,
              const std::string& result = "f32") {
  return y(fmt::format("{}[{}]", result, count),
           fmt::format("%a = constant {{[{}]}} : f32[{}]\n%b = constant {{[{}]}} : f32[{}]\n%y = {} %a, %b : {}[{}]", a,
                       count, b, count, op, result, count));
}
const std::string kTwoByThree = "%x = constant {[1, 2, 3, 4, 5, 6]} : f32[2,3]\n";

}  // namespace

TEST_CASE("elementwise operations") {
  CHECK(same(unary("neg", "1, -2, 0, -inf", 4), {-1, 2, -0.0, kInf}));
  CHECK(same(unary("abs", "1, -2, -0, nan", 4), {1, 2, 0, kNan}));
  CHECK(same(unary("sqrt", "4, 2.25, -1, -0", 4), {2, 1.5, kNan, -0.0}));
  CHECK(same(unary("exp", "0, -inf, inf, 1000", 4), {1, 0, kInf, kInf}));
  CHECK(same(unary("log", "1, 0, -1, inf", 4), {0, -kInf, kNan, kInf}));
  CHECK(same(unary("tanh", "0, -0, inf, -inf", 4), {0, -0.0, 1, -1}));
  CHECK(same(binary("add", "1, -0, inf", "2, -0, -inf", 3), {3, -0.0, kNan}));
  CHECK(same(binary("sub", "1, 0, 5", "2, 0, 7", 3), {-1, 0, -2}));
  CHECK(same(binary("mul", "3, -1, 0", "2, 0, inf", 3), {6, -0.0, kNan}));
  CHECK(same(binary("div", "1, -1, 0", "4, 0, 0", 3), {0.25, -kInf, kNan}));
  // b > a ? b : a: a NaN in a passes, one in b does not; at a tie the result is a.
  CHECK(same(binary("max", "1, 2, nan, 1, -0", "2, 1, 0, nan, 0", 5), {2, 2, kNan, 1, -0.0}));
  CHECK(same(binary("min", "1, 2, nan, 1, 0", "2, 1, 0, nan, -0", 5), {1, 1, kNan, 1, 0}));
  CHECK(same(binary("less", "1, 1, nan", "2, 1, 0", 3, "bool"), {1, 0, 0}));
  CHECK(same(binary("less_equal", "1, 1, nan", "2, 1, 0", 3, "bool"), {1, 1, 0}));
  CHECK(same(binary("equal", "1, 0, nan", "2, -0, nan", 3, "bool"), {0, 1, 0}));
}

TEST_CASE("fma is rounded once") {
  // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24: the product alone would round to 1 + 2^-11.
  const Values found = y("f32[]",
                         "%a = constant {1.000244140625} : f32[]\n%c = constant {-1.00048828125} : f32[]\n"
                         "%y = fma %a, %a, %c : f32[]");
  CHECK(same(found, {std::ldexp(1.0, -24)}));
}

TEST_CASE("truth values, selection and conversion") {
  const std::string head = "%p = constant {[1, 1, 0, 0]} : bool[4]\n%q = constant {[1, 0, 1, 0]} : bool[4]\n";
  CHECK(same(y("bool[4]", head + "%y = logical_and %p, %q : bool[4]"), {1, 0, 0, 0}));
  CHECK(same(y("bool[4]", head + "%y = logical_or %p, %q : bool[4]"), {1, 1, 1, 0}));
  CHECK(same(y("bool[4]", head + "%y = logical_not %p : bool[4]"), {0, 0, 1, 1}));
  CHECK(same(y("f32[4]", head + "%a = constant {[1, 2, 3, 4]} : f32[4]\n%b = constant {nan} : f32[4]\n"
                                "%y = select %p, %a, %b : f32[4]"),
             {1, 2, kNan, kNan}));
  CHECK(same(y("i32[5]", "%a = constant {[1.9, -1.9, 1e20, -inf, nan]} : f32[5]\n%y = cast %a : i32[5]"),
             {1, -1, 2147483647, -2147483648.0, 0}));
  CHECK(same(y("bool[3]", "%a = constant {[0.5, -0, nan]} : f32[3]\n%y = cast %a : bool[3]"), {1, 0, 1}));
  CHECK(same(y("f32[2]", "%a = constant {[16777217, -3]} : i32[2]\n%y = cast %a : f32[2]"), {16777216, -3}));
  CHECK(same(y("f32[1]", "%a = constant {[0.1]} : f64[1]\n%y = cast %a : f32[1]"), {static_cast<double>(0.1f)}));
  CHECK(same(y("f32[]", "%a = constant {2} : f32[]\n%y = stop_gradient %a : f32[]"), {2}));
}

TEST_CASE("integers wrap around") {
  const std::string head = "%a = constant {2147483647} : i32[]\n%b = constant {2} : i32[]\n";
  CHECK(same(y("i32[]", head + "%y = add %a, %b : i32[]"), {-2147483647}));
  CHECK(same(y("i32[]", head + "%y = mul %a, %b : i32[]"), {-2}));
  CHECK(same(y("i32[]", "%a = constant {-2147483648} : i32[]\n%y = neg %a : i32[]"), {-2147483648.0}));
}

TEST_CASE("leaves") {
  CHECK(same(y("f32[3]", "%y = constant {0.5} : f32[3]"), {0.5, 0.5, 0.5}));
  CHECK(same(y("i32[2,3]", "%y = iota {axis = 1} : i32[2,3]"), {0, 1, 2, 0, 1, 2}));
  CHECK(same(y("i32[2,3]", "%y = iota {axis = 0} : i32[2,3]"), {0, 0, 0, 1, 1, 1}));
}

TEST_CASE("random depends on key, place, sample and element alone") {
  const std::string key = "%k = constant {[7, 0, 3]} : i32[3]\n";
  const Values wide = y("f32[4,3]", key + "%y = random %k {place = 5, sample} : f32[4,3]");
  const Values narrow = y("f32[2,3]", key + "%y = random %k {place = 5, sample} : f32[2,3]");
  for (size_t i = 0; i < narrow.size(); ++i) CHECK(narrow[i] == wide[i]);
  const Values other = y("f32[4,3]", key + "%y = random %k {place = 6, sample} : f32[4,3]");
  const std::set<double> all(wide.begin(), wide.end()), others(other.begin(), other.end());
  CHECK(all.size() == 12);
  for (double each : others) {
    CHECK(all.count(each) == 0);
    CHECK((each > 0 && each < 1));
  }
}

TEST_CASE("movement") {
  CHECK(same(y("f32[3,2]", kTwoByThree + "%y = permute %x {axes = [1, 0]} : f32[3,2]"), {1, 4, 2, 5, 3, 6}));
  CHECK(same(y("f32[2,2,3]", kTwoByThree + "%y = broadcast %x {axes = [0, 2]} : f32[2,2,3]"),
             {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6}));
  CHECK(same(y("f32[3,2]", kTwoByThree + "%y = reshape %x : f32[3,2]"), {1, 2, 3, 4, 5, 6}));
  CHECK(same(y("f32[1,2]", kTwoByThree + "%y = slice %x {begin = [1, 0], end = [2, 2]} : f32[1,2]"), {4, 5}));
  CHECK(same(y("f32[3,4]", kTwoByThree + "%y = pad %x {before = [1, 0], after = [0, 1], value = 9} : f32[3,4]"),
             {9, 9, 9, 9, 1, 2, 3, 9, 4, 5, 6, 9}));
  CHECK(same(y("f32[2,5]", kTwoByThree + "%s = slice %x {begin = [0, 0], end = [2, 2]} : f32[2,2]\n"
                                         "%y = concat %x, %s {axis = 1} : f32[2,5]"),
             {1, 2, 3, 1, 2, 4, 5, 6, 4, 5}));
}

TEST_CASE("floor and the division of integers round down") {
  CHECK(same(unary("floor", "1.5, -1.5, -0, -0.25, 8388609, -inf, nan", 7), {1, -2, -0.0, -1, 8388609, -kInf, kNan}));
  CHECK(same(unary("floor", "3, 0.9999999, -8388607.5, 1e30", 4), {3, 0, -8388608, static_cast<double>(1e30f)}));
  CHECK(same(y("f64[2]", "%x = constant {[-0.1, 7.9]} : f64[2]\n%y = floor %x : f64[2]"), {-1, 7}));
  CHECK(same(y("i32[9]",
               "%a = constant {[7, -7, 7, -7, 6, 5, 0, -2147483648, -2147483648]} : i32[9]\n"
               "%b = constant {[2, 2, -2, -2, -3, 0, 5, -1, 2]} : i32[9]\n%y = div %a, %b : i32[9]"),
             {3, -4, -4, 3, -2, 0, 0, -2147483648.0, -1073741824}));
}

TEST_CASE("erf, sin, cos and pow") {
  // Rounded from tables (Abramowitz and Stegun, 7.1 and 4.6); 14 ulp would show.
  const auto near = [](double found, double expected) {
    return std::fabs(found - expected) <= 1e-6 * std::fabs(expected);
  };
  CHECK(same(unary("erf", "0, -0, inf, -inf, nan, 5", 6), {0, -0.0, 1, -1, kNan, 1}));
  CHECK(near(unary("erf", "0.5", 1)[0], 0.5204998778));
  CHECK(near(unary("erf", "-1.5", 1)[0], -0.9661051465));
  CHECK(same(unary("sin", "0, -0, inf, nan", 4), {0, -0.0, kNan, kNan}));
  CHECK(same(unary("cos", "0, -0, -inf, nan", 4), {1, 1, kNan, kNan}));
  CHECK(near(unary("sin", "1", 1)[0], 0.8414709848));
  CHECK(near(unary("cos", "2", 1)[0], -0.4161468365));
  CHECK(near(y("f64[]", "%x = constant {4} : f64[]\n%y = sin %x : f64[]")[0], -0.7568024953));
  CHECK(same(binary("pow", "2, -2, -2, 9, 0, -0, 0", "10, 3, 0.5, 0.5, 2, 3, -1", 7),
             {1024, -8, kNan, 3, 0, -0.0, kInf}));
  CHECK(same(binary("pow", "nan, 1, 2, 0.5, -1, -inf, inf", "0, nan, inf, inf, inf, 3, -1", 7),
             {1, 1, kInf, 0, 1, -kInf, 0}));
  CHECK(
      same(y("f64[2]", "%a = constant {[2, 4]} : f64[2]\n%b = constant {[-1, 1.5]} : f64[2]\n%y = pow %a, %b : f64[2]"),
           {0.5, 8}));
}

TEST_CASE("window") {
  const std::string row = "%x = constant {[1, 2, 3, 4, 5]} : f32[5]\n";
  CHECK(same(y("f32[3,3]", row + "%y = window %x {axes = [0], size = [3], stride = [1], dilation = [1]} : f32[3,3]"),
             {1, 2, 3, 2, 3, 4, 3, 4, 5}));
  // The last element belongs to no whole window of stride 2 and size 2.
  CHECK(same(y("f32[2,2]", row + "%y = window %x {axes = [0], size = [2], stride = [2], dilation = [1]} : f32[2,2]"),
             {1, 2, 3, 4}));
  CHECK(same(y("f32[1,3]", row + "%y = window %x {axes = [0], size = [3], stride = [1], dilation = [2]} : f32[1,3]"),
             {1, 3, 5}));
  CHECK(same(y("f32[1,2,2,2]",
               kTwoByThree + "%y = window %x {axes = [0, 1], size = [2, 2], stride = [1, 1], dilation = [1, 1]} : "
                             "f32[1,2,2,2]"),
             {1, 2, 4, 5, 2, 3, 5, 6}));
  CHECK(same(y("f32[2,2,2]", kTwoByThree + "%y = window %x {axes = [1], size = [2], stride = [1], dilation = [1]} : "
                                           "f32[2,2,2]"),
             {1, 2, 2, 3, 4, 5, 5, 6}));
}

TEST_CASE("fold") {
  const std::string windows = "%x = constant {[1, 2, 3, 4, 5, 6]} : f32[3,2]\n";
  CHECK(same(y("f32[4]",
               windows + "%y = fold %x {axes = [0], size = [2], stride = [1], dilation = [1], extents = [4]} : f32[4]"),
             {1, 5, 9, 6}));
  CHECK(same(y("f32[7]",
               windows + "%y = fold %x {axes = [0], size = [2], stride = [2], dilation = [1], extents = [7]} : f32[7]"),
             {1, 2, 3, 4, 5, 6, 0}));
  CHECK(same(y("f32[5]",
               windows + "%y = fold %x {axes = [0], size = [2], stride = [1], dilation = [2], extents = [5]} : f32[5]"),
             {1, 3, 7, 4, 6}));
  // Element 2 takes offset 0 of window 2 first, then offset 1 of window 1, then offset 2 of window 0: 2^24 + 1 is lost
  // before -2^24 comes.
  CHECK(same(y("f32[5]",
               "%x = constant {[0, 0, -16777216, 0, 1, 0, 16777216, 0, 0]} : f32[3,3]\n%y = fold %x {axes = "
               "[0], size = [3], stride = [1], dilation = [1], extents = [5]} : f32[5]"),
             {0, 0, 0, 0, 0}));
  CHECK(same(y("f32[2,3]",
               "%x = constant {[1, 2, 3, 4, 5, 6, 7, 8]} : f32[1,2,2,2]\n%y = fold %x {axes = [0, 1], size = "
               "[2, 2], stride = [1, 1], dilation = [1, 1], extents = [2, 3]} : f32[2,3]"),
             {1, 7, 6, 3, 11, 8}));
}

TEST_CASE("contract_fold") {
  // Two channels at three places, times 1 and 10 at offset 0, 100 and 1000 at offset 1.
  const std::string operands =
      "%g = constant {[1, 2, 3, 4, 5, 6]} : f32[2,3]\n%w = constant {[1, 100, 10, 1000]} : f32[2,2]\n";
  const auto folded = [&](int stride, int dilation, int extent) {
    return fmt::format(
        "%y = contract_fold %g, %w {{\"ox,ou->xu\", axes = [0], size = [2], stride = [{}], dilation = [{}], extents = "
        "[{}]}} : f32[{}]",
        stride, dilation, extent, extent);
  };
  CHECK(same(y("f32[4]", operands + folded(1, 1, 4)), {41, 4152, 5263, 6300}));
  CHECK(same(y("f32[7]", operands + folded(2, 1, 7)), {41, 4100, 52, 5200, 63, 6300, 0}));
  CHECK(same(y("f32[5]", operands + folded(1, 2, 5)), {41, 52, 4163, 5200, 6300}));
  // One sum: 2^24 stands when the 1 of the next offset comes, which is lost, and then goes. Added up for each offset
  // first, 1 - 2^24 would not lose it.
  CHECK(same(
      y("f32[3]",
        "%g = constant {[1, 1, 1, 1]} : f32[2,2]\n%w = constant {[16777216, 1, 0, -16777216]} : f32[2,2]\n%y = "
        "contract_fold %g, %w {\"ox,ou->xu\", axes = [0], size = [2], stride = [1], dilation = [1], extents = [3]} "
        ": f32[3]"),
      {16777216, 0, -16777215}));
}

TEST_CASE("gather") {
  // Out of bounds: the nearest index inside.
  const std::string index = "%i = constant {[2, 0, 5, -1]} : i32[4]\n";
  CHECK(same(y("f32[4,2]", kTwoByThree + index + "%y = gather %x, %i {axis = 1, batch = 0} : f32[4,2]"),
             {3, 6, 1, 4, 3, 6, 1, 4}));
  CHECK(same(y("f32[4,3]", kTwoByThree + index + "%y = gather %x, %i {axis = 0, batch = 0} : f32[4,3]"),
             {4, 5, 6, 1, 2, 3, 4, 5, 6, 1, 2, 3}));
  CHECK(same(
      y("f32[2]", kTwoByThree + "%i = constant {[2, 0]} : i32[2]\n%y = gather %x, %i {axis = 1, batch = 1} : f32[2]"),
      {3, 4}));
  CHECK(same(y("f32[3]", kTwoByThree + "%i = constant {1} : i32[]\n%y = gather %x, %i {axis = 0, batch = 0} : f32[3]"),
             {4, 5, 6}));
  const std::string cube = "%x = constant {[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]} : f32[2,3,2]\n";
  CHECK(
      same(y("f32[2,2,3]", cube + "%i = constant {[1, 0, 0, 0]} : i32[2,2]\n%y = gather %x, %i {axis = 2, batch = 1} : "
                                  "f32[2,2,3]"),
           {2, 4, 6, 1, 3, 5, 7, 9, 11, 7, 9, 11}));
}

TEST_CASE("scatter_add") {
  const std::string index = "%i = constant {[1, 0, 5, 1]} : i32[4]\n";
  CHECK(
      same(y("f32[3]", index + "%u = constant {[10, 20, 30, 40]} : f32[4]\n%y = scatter_add %u, %i {axis = 0, batch = "
                               "0, extent = 3} : f32[3]"),
           {20, 50, 30}));
  CHECK(
      same(y("f32[2,3]", index + "%u = constant {[1, 2, 3, 4, 5, 6, 7, 8]} : f32[4,2]\n%y = scatter_add %u, %i {axis = "
                                 "1, batch = 0, extent = 3} : f32[2,3]"),
           {3, 8, 5, 4, 10, 6}));
  CHECK(same(y("f32[2,3]",
               "%i = constant {[2, 0]} : i32[2]\n%u = constant {[-0, 5]} : f32[2]\n%y = scatter_add %u, %i "
               "{axis = 1, batch = 1, extent = 3} : f32[2,3]"),
             {0, 0, 0, 5, 0, 0}));
  // In order: 2^24 + 1 is lost before -2^24 comes.
  CHECK(same(y("f32[1]",
               "%i = constant {0} : i32[3]\n%u = constant {[16777216, 1, -16777216]} : f32[3]\n%y = "
               "scatter_add %u, %i {axis = 0, batch = 0, extent = 1} : f32[1]"),
             {0}));
}

TEST_CASE("reductions") {
  CHECK(same(y("f32[2]", kTwoByThree + "%y = reduce %x {sum, axes = [1]} : f32[2]"), {6, 15}));
  CHECK(same(y("f32[3]", kTwoByThree + "%y = reduce %x {max, axes = [0]} : f32[3]"), {4, 5, 6}));
  CHECK(same(y("f32[]", kTwoByThree + "%y = reduce %x {min, axes = [0, 1]} : f32[]"), {1}));
  CHECK(same(y("f32[2]", kTwoByThree + "%y = reduce %x {prod, axes = [1]} : f32[2]"), {6, 120}));
  CHECK(same(y("i32[]", "%x = constant {[3, -5]} : i32[2]\n%y = reduce %x {max, axes = [0]} : i32[]"), {3}));
}

TEST_CASE("contract") {
  const std::string w = kTwoByThree + "%w = constant {[1, 0, -1, 2, 2, 2]} : f32[2,3]\n";
  CHECK(same(y("f32[2,2]", w + "%y = contract %x, %w {\"bi,oi->bo\"} : f32[2,2]"), {-2, 12, -2, 30}));
  CHECK(same(y("f32[]", w + "%y = contract %x, %w {\"bi,bi->\"} : f32[]"), {28}));
  CHECK(same(y("f32[2]", w + "%y = contract %x, %w {\"bi,oj->b\"} : f32[2]"), {36, 90}));
  CHECK(same(y("f32[2,2]", w + "%i = constant {[100, 200, 300, 400]} : f32[2,2]\n"
                               "%y = contract %x, %w, %i {\"bi,oi->bo\"} : f32[2,2]"),
             {98, 212, 298, 430}));
}

TEST_CASE("what is too large is refused before it starts") {
  const ir::Module module = tests::module_from_text(
      "func @f() -> (y: f32[60000,60000]) {\n  %y = constant {1} : f32[60000,60000]\n  return %y\n}\n");
  const auto results = ir::evaluate(std::get<ir::Func>(module.items[0]), {});
  REQUIRE_FALSE(results.ok());
  CHECK(results.error() == "@f needs more than the 4096 MB that the interpreter may use");
  const ir::Module work = tests::module_from_text(
      "func @f() -> (y: f32[4000,4000]) {\n  %x = constant {1} : f32[4000,4000]\n"
      "  %y = contract %x, %x {\"ij,jk->ik\"} : f32[4000,4000]\n  return %y\n}\n");
  const auto slow = ir::evaluate(std::get<ir::Func>(work.items[0]), {});
  REQUIRE_FALSE(slow.ok());
  CHECK(slow.error() == "@f takes more than the 4000000000 operations that the interpreter may spend");
}
