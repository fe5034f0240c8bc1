// Kernels that are the same loops on other addresses are one function, and mean what they meant apart.
#include <doctest/doctest.h>

#include "codegen/kernel_groups.h"
#include "run_compiled.h"

namespace gradc {

namespace {

codegen::KernelProgram program_of(const std::string& text, const codegen::Options& options = {}) {
  ir::Result<codegen::KernelProgram> program = codegen::lower(planned_apart(func_of(text)), {}, options);
  REQUIRE(program.ok());
  return std::move(*program);
}

// A stack of layers with weights of their own.
std::string layers(int count) {
  std::string head = "func @f(", body, x = "%x";
  for (int k = 0; k < count; ++k) head += "%w" + std::to_string(k) + ": f32[40,40] parameter, ";
  for (int k = 0; k < count; ++k) {
    const std::string value = "%" + std::to_string(2 * k), result = "%" + std::to_string(2 * k + 1);
    body += "  " + value + " = contract " + x + ", %w" + std::to_string(k) +
            " {\"bi,oi->bo\", order = seq} : f32[32,40]\n  " + result + " = tanh " + value + " : f32[32,40]\n";
    x = result;
  }
  return head + "%x: f32[32,40] data) -> (y: f32[32,40]) {\n" + body + "  return " + x + "\n}\n";
}

}  // namespace

TEST_CASE("kernel groups: code does not grow with the number of equal layers") {
  size_t groups = 0;
  for (const int count : {4, 16}) {
    const codegen::KernelProgram program = program_of(layers(count));
    const size_t now = codegen::group_kernels(program, false).size();
    CHECK(program.kernels.size() >= static_cast<size_t>(2 * count));
    if (groups != 0) CHECK(now == groups);
    groups = now;
    check_compiled(func_of(layers(count)), static_cast<uint32_t>(count));
  }
}

TEST_CASE("kernel groups: random numbers of other places are the same code") {
  const std::string text =
      R"(func @f(%key: i32[3] hyper) -> (p: f32[600], q: f32[600], r: f32[600], s: f32[600]) {
  %0 = random %key {place = 5} : f32[600]
  %1 = random %key {place = 4000000000} : f32[600]
  %2 = random %key {place = 7} : f32[600]
  %3 = random %key {place = 8} : f32[600]
  %4 = sub %2, %3 : f32[600]
  %5 = random %key {place = 7} : f32[600]
  %6 = sub %2, %5 : f32[600]
  return %0, %1, %4, %6
}
)";
  const codegen::KernelProgram program = program_of(text);
  const std::vector<codegen::KernelGroup> groups = codegen::group_kernels(program, false);
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].uses.size() == 2);
  CHECK(groups[0].places == std::vector<int64_t>{5});
  CHECK(groups[0].uses[1].numbers.back() == 4000000000);
  check_compiled(func_of(text), 1);
}

TEST_CASE("kernel groups: other strides, extents, constants and spaces stay apart") {
  const codegen::KernelProgram program = program_of(
      R"(func @f(%a: f32[600] data, %b: f32[600] data, %c: f32[500] data, %s: f32[600] state) -> (p: f32[600], q: f32[600], r: f32[500], t: f32[600], u: f32[600]) {
  %0 = neg %a : f32[600]
  %1 = neg %b : f32[600]
  %2 = neg %c : f32[500]
  %3 = neg %s : f32[600]
  %4 = exp %a : f32[600]
  return %0, %1, %2, %3, %4
}
)");
  REQUIRE(program.kernels.size() == 5);
  const std::vector<codegen::KernelGroup> groups = codegen::group_kernels(program, false);
  REQUIRE(groups.size() == 4);
  CHECK(groups[0].uses.size() == 2);
  CHECK(groups[0].buffers.size() == 2);
  CHECK(groups[0].uses[1].kernel == 1);
  CHECK(groups[1].arguments() == 0);
}

}  // namespace gradc
