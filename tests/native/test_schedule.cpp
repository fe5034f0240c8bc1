// Which schedules are chosen, and that each means the same.
#include <doctest/doctest.h>

#include "codegen/codegen.h"
#include "run_compiled.h"

namespace gradc {

namespace {

std::string kernels(const std::string& text, int width, bool unroll) {
  codegen::Options options;
  options.vector_width = width;
  options.unroll = unroll;
  ir::Result<codegen::KernelProgram> program = codegen::lower(planned(func_of(text)), {}, options);
  REQUIRE(program.ok());
  return codegen::print(*program);
}

bool contains(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("schedule: neighbours in memory are one axis") {
  const std::string text = kernels(R"(func @f(%a: f32[6,10] data, %b: f32[6,10] data) -> (y: f32[6,10]) {
  %0 = mul %a, %b : f32[6,10]
  return %0
}
)",
                                   8, false);
  CHECK(contains(text, "parallel i1 in 60, vector 8 {"));
}

TEST_CASE("schedule: an axis that runs through all operands fills the vectors, wherever it stands") {
  const std::string text = kernels(R"(func @f(%a: f32[40,30] data, %b: f32[40] data) -> (y: f32[30,40]) {
  %0 = permute %a {axes = [1, 0]} : f32[30,40]
  %1 = broadcast %b {axes = [1]} : f32[30,40]
  %2 = mul %0, %1 : f32[30,40]
  return %2
}
)",
                                   4, false);
  CHECK(contains(text, "vector 4"));
}

TEST_CASE("schedule: what does not depend on the inner axis is computed outside it") {
  const std::string text =
      kernels(R"(func @f(%a: f32[20,30] data, %b: f32[20] data, %c: f32[] hyper) -> (y: f32[20,30]) {
  %0 = exp %b : f32[20]
  %1 = broadcast %0 {axes = [0]} : f32[20,30]
  %2 = neg %c : f32[]
  %3 = broadcast %2 {axes = []} : f32[20,30]
  %4 = mul %a, %1 : f32[20,30]
  %5 = mul %4, %3 : f32[20,30]
  return %5
}
)",
              8, false);
  // One number for all comes before the loops, one for each row before the columns.
  const size_t negated = text.find("neg"), rows = text.find("parallel i0 in 20 {"), row = text.find("load v0[i0]"),
               columns = text.find("parallel i1 in 30, vector 8");
  INFO(text);
  CHECK(negated < rows);
  CHECK(rows < row);
  CHECK(row < columns);
  CHECK(columns != std::string::npos);
}

TEST_CASE("schedule: a tensor in the arena gets the axis innermost that fills vectors") {
  const std::string text =
      kernels(R"(func @f(%x: f32[32,2] data, %w: f32[5,2] data, %g: f32[32] data) -> (y: f32[5], h: f32[32,5]) {
  %0 = contract %x, %w {"bi,oi->bo"} : f32[32,5]
  %1 = exp %0 : f32[32,5]
  %2 = contract %g, %1 {"b,bo->o", order = lanes(16, b)} : f32[5]
  %3 = neg %1 : f32[32,5]
  return %2, %3
}
)",
              16, false);
  CHECK(contains(text, "= arena + 0 : f32[32,5], strides [1, 32]"));
  // The host reads a result: row-major.
  CHECK(contains(text, "= result + 64 : f32[32,5]\n"));
}

TEST_CASE("schedule: a tiny program is one straight line, unless that is not wanted") {
  const char* text = R"(func @f(%w: f32[3] parameter, %x: f32[3] data) -> (w: f32[3]) {
  %0 = mul %w, %x : f32[3]
  return %0
}
)";
  CHECK(contains(kernels(text, 0, true), ", resident {"));
  CHECK_FALSE(contains(kernels(text, 0, false), ", resident {"));
  CHECK_FALSE(contains(kernels(text, 4, true), ", resident {"));
}

}  // namespace gradc
