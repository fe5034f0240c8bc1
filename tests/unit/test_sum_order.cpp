// The order of sums: which one the shapes choose, and that the interpreter adds in it. 2^24 + 1 is not a float32, so
// the order shows in the result.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>

#include "ir/print.h"
#include "passes/passes.h"
#include "tests/support/ir_text.h"

using namespace gradc;

namespace {

// The attributes of the one sum, after the pass `order`.
std::string ordered(const std::string& x, const std::string& w, const std::string& attr, const std::string& result) {
  const bool contract = !w.empty();
  const std::string text =
      fmt::format("func @f(%x: f32[{}] data{}) -> (y: f32[{}]) {{\n  %y = {} %x{} {{{}}} : f32[{}]\n  return %y\n}}\n",
                  x, contract ? fmt::format(", %w: f32[{}] data", w) : "", result, contract ? "contract" : "reduce",
                  contract ? ", %w" : "", attr, result);
  const ir::Module module = tests::module_from_text(text);
  const std::string after = ir::print(passes::order(std::get<ir::Func>(module.items[0])), {});
  const size_t begin = after.find("order = "), end = after.find('}', begin);
  return after.substr(begin, end - begin);
}

std::string dense(const std::vector<double>& values) {
  return fmt::format("%x = constant {{[{}]}} : f32[{}]\n", fmt::join(values, ", "), values.size());
}
double sum(const std::vector<double>& values, const std::string& order) {
  return tests::values_of("func @f() -> (y: f32[]) {\n" + dense(values) + "%y = reduce %x {sum, axes = [0]" + order +
                          "} : f32[]\nreturn %y\n}\n")[0];
}

}  // namespace

TEST_CASE("shapes alone choose the order") {
  CHECK(ordered("32,2", "5,2", "\"bi,oi->bo\"", "32,5") == "order = seq");           // K = 2
  CHECK(ordered("1,5", "1,5", "\"bi,oi->bo\"", "1,1") == "order = lanes(16, i)");    // a tree of five
  CHECK(ordered("4,5", "4,5", "\"bi,oi->bo\"", "4,4") == "order = lanes(16, i)");    // P = 16
  CHECK(ordered("4,5", "5,5", "\"bi,oi->bo\"", "4,5") == "order = seq");             // P = 20, K = 5
  CHECK(ordered("32,5", "32,2", "\"bo,bi->oi\"", "5,2") == "order = lanes(16, b)");  // a small weight gradient
  CHECK(ordered("64,784", "128,784", "\"bi,oi->bo\"", "64,128") == "order = seq");   // P >= 256
  CHECK(ordered("2000,5", "2000,2", "\"bo,bi->oi\"", "5,2") == "order = lanes(16, b), block = 1024");
  CHECK(ordered("3,2000", "3,2000", "\"ab,ab->\"", "") == "order = lanes(16, b), block = 1");
  CHECK(ordered("2,3", "2,3", "\"ab,ab->\"", "") == "order = seq");                    // six terms on two axes
  CHECK(ordered("1000,16", "", "sum, axes = [1]", "1000") == "order = lanes(16, 1)");  // a row
  CHECK(ordered("16,1000", "", "sum, axes = [0]", "1000") == "order = seq");           // a column
  CHECK(ordered("32", "", "sum, axes = [0]", "") == "order = lanes(16, 0)");
  // The samples fill the lanes, the 28 columns of an image do not; many outputs are rows each.
  CHECK(ordered("64,6,28,28", "", "sum, axes = [0, 2, 3]", "6") == "order = lanes(16, 0), block = 16");
  CHECK(ordered("64,6,28,28", "", "sum, axes = [2, 3]", "64,6") == "order = lanes(16, 3)");
  CHECK(ordered("32", "", "max, axes = [0]", "") == "order = seq");
}

TEST_CASE("the interpreter adds in the order that stands there") {
  const double big = 16777216;  // 2^24
  // Ascending: every 1 is lost to 2^24.
  CHECK(sum({big, 1, 1, 1}, ", order = seq") == big);
  // A tree of four: (2^24 + 1) + (1 + 1) keeps two of them.
  CHECK(sum({big, 1, 1, 1}, ", order = lanes(16, 0)") == big + 2);
  // Five lanes: l0 += l4, then l0 += l2, l1 += l3, then l0 += l1.
  CHECK(sum({1, 1, big, 1, 1}, ", order = lanes(16, 0)") == big + 4);
  // Index 16 goes to lane 0 and is added there before the lanes combine.
  std::vector<double> values(17, 0);
  values[0] = 1;
  values[8] = big;
  values[16] = 1;
  CHECK(sum(values, ", order = lanes(16, 0)") == big + 2);
  CHECK(sum(values, ", order = seq") == big + 0);
  // Blocks: (1 + 1) + (2^24 + 0), where one ascending sum would lose the second 1 of {2^24, 1, 1}.
  CHECK(sum({big, 0, 1, 1}, ", order = seq, block = 2") == big + 2);
  // Without an order the canonical one holds: four terms, one result, a tree.
  CHECK(sum({big, 1, 1, 1}, "") == big + 2);
}

TEST_CASE("a lane that has no term takes no part") {
  // -0 + +0 would be +0: one term in one lane keeps its sign only because acc starts at +0; so the sum is +0 here.
  const double one_term = sum({-0.0}, ", order = lanes(16, 0)");
  CHECK(one_term == 0);
  CHECK_FALSE(std::signbit(one_term));
}

TEST_CASE("init stands first") {
  // 2^24 first, then ascending: 1 is lost; a later add of the bias would give 2^24 + 2.
  const double found = tests::values_of(
      "func @f() -> (y: f32[]) {\n%x = constant {[1, 1]} : f32[2]\n%b = constant {16777216} : f32[]\n"
      "%y = contract %x, %x, %b {\"i,i->\", order = seq} : f32[]\nreturn %y\n}\n")[0];
  CHECK(found == 16777216);
}

TEST_CASE("order makes sum seeds and fused multiply-adds explicit") {
  const ir::Module module = tests::module_from_text(
      R"(func @f(%x: f32[4,3] data, %w: f32[5,3] parameter, %b: f32[4,5] parameter, %lr: f32[4,5] hyper) -> (y: f32[4,5], z: f32[4,5]) {
  %0 = contract %x, %w {"bi,oi->bo"} : f32[4,5]
  %1 = add %b, %0 : f32[4,5]
  %2 = mul %lr, %1 : f32[4,5]
  %3 = sub %b, %2 : f32[4,5]
  %4 = mul %lr, %b : f32[4,5]
  %5 = add %4, %4 : f32[4,5]
  return %3, %5
}
)");
  CHECK(
      ir::print(passes::order(std::get<ir::Func>(module.items[0])), {}) ==
      R"(func @f(%x: f32[4,3] data, %w: f32[5,3] parameter, %b: f32[4,5] parameter, %lr: f32[4,5] hyper) -> (y: f32[4,5], z: f32[4,5]) {
  %0 = contract %x, %w, %b {"bi,oi->bo", order = seq} : f32[4,5]
  %1 = neg %lr : f32[4,5]
  %2 = fma %1, %0, %b : f32[4,5]
  %3 = mul %lr, %b : f32[4,5]
  %4 = add %3, %3 : f32[4,5]
  return %2, %4
}
)");
}
