// Compiled code equals the interpreter bit for bit: windows, what folds them, and lookups.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "codegen/codegen.h"
#include "run_compiled.h"

namespace gradc {

namespace {

void check(const std::string& text) {
  const ir::Func func = func_of(text);
  check_compiled(func, 1, false);
  check_compiled(func, 2, true);
}

int64_t windows(int64_t extent, int64_t size, int64_t stride, int64_t dilation) {
  return (extent - (size - 1) * dilation - 1) / stride + 1;
}

}  // namespace

TEST_CASE("compiled: windows and folds of every stride and dilation") {
  for (int size : {1, 2, 3})
    for (int stride : {1, 2, 3, 5})
      for (int dilation : {1, 2}) {
        const std::string attr =
            fmt::format("axes = [1], size = [{}], stride = [{}], dilation = [{}]", size, stride, dilation);
        const std::string type = fmt::format("[3,{},5,{}]", windows(19, size, stride, dilation), size);
        check(
            fmt::format("func @f(%a: f32[3,19,5] data, %n: i32[3,19,5] data) -> (y: f32{1}, z: f32[3,19,5], w: "
                        "i32[3,19,5]) {{\n  %0 = window %a {{{0}}} : f32{1}\n  %1 = mul %0, %0 : f32{1}\n  %2 = fold "
                        "%1 {{{0}, extents = [19]}} : f32[3,19,5]\n  %3 = window %n {{{0}}} : i32{1}\n  %4 = fold %3 "
                        "{{{0}, extents = [19]}} : i32[3,19,5]\n  return %1, %2, %4\n}}\n",
                        attr, type));
      }
}

TEST_CASE("compiled: convolution, its gradients and pooling") {
  for (int stride : {1, 2}) {
    const int64_t count = windows(9, 3, stride, 1);
    const std::string attr =
        fmt::format("axes = [2, 3], size = [3, 3], stride = [{0}, {0}], dilation = [1, 1]", stride);
    check(fmt::format(
        R"(func @f(%x: f32[4,2,7,9] data, %w: f32[5,2,3,3] data, %g: f32[4,5,{0},{1}] data) -> (y: f32[4,5,{0},{1}], dw: f32[5,2,3,3], dx: f32[4,2,7,9], dx2: f32[4,2,7,9]) {{
  %0 = window %x {{{2}}} : f32[4,2,{0},{1},3,3]
  %1 = contract %0, %w {{"ncijuv,ocuv->noij", order = seq}} : f32[4,5,{0},{1}]
  %2 = contract %g, %0 {{"noij,ncijuv->ocuv", order = lanes(16, j)}} : f32[5,2,3,3]
  %3 = contract %g, %w {{"noij,ocuv->ncijuv", order = seq}} : f32[4,2,{0},{1},3,3]
  %4 = fold %3 {{{2}, extents = [7, 9]}} : f32[4,2,7,9]
  %5 = exp %4 : f32[4,2,7,9]
  %6 = contract_fold %g, %w {{"noij,ocuv->ncijuv", {2}, extents = [7, 9]}} : f32[4,2,7,9]
  return %1, %2, %5, %6
}}
)",
        windows(7, 3, stride, 1), count, attr));
  }
  check(R"(func @f(%x: f32[3,6,7] data) -> (y: f32[3,3,3], z: f32[3,6,7]) {
  %0 = window %x {axes = [1, 2], size = [2, 2], stride = [2, 2], dilation = [1, 1]} : f32[3,3,3,2,2]
  %1 = reduce %0 {max, axes = [3, 4], order = seq} : f32[3,3,3]
  %2 = broadcast %1 {axes = [0, 1, 2]} : f32[3,3,3,2,2]
  %3 = equal %0, %2 : bool[3,3,3,2,2]
  %4 = constant {0} : f32[3,3,3,2,2]
  %5 = select %3, %2, %4 : f32[3,3,3,2,2]
  %6 = fold %5 {axes = [1, 2], size = [2, 2], stride = [2, 2], dilation = [1, 1], extents = [6, 7]} : f32[3,6,7]
  return %1, %6
}
)");
}

// The windows of a convolution never exist in memory, and the terms of its transpose neither.
TEST_CASE("fuse: a convolution stores no windows") {
  const ir::Func plan = planned(func_of(
      R"(func @f(%x: f32[2,7] data, %w: f32[5,2,3] data, %g: f32[5,5] data) -> (y: f32[5,5], dx: f32[2,7]) {
  %0 = window %x {axes = [1], size = [3], stride = [1], dilation = [1]} : f32[2,5,3]
  %1 = contract %0, %w {"cxu,ocu->ox"} : f32[5,5]
  %2 = contract %g, %w {"ox,ocu->cxu"} : f32[2,5,3]
  %3 = fold %2 {axes = [1], size = [3], stride = [1], dilation = [1], extents = [7]} : f32[2,7]
  return %1, %3
}
)"));
  CHECK(plan.arena_bytes == 0);
  codegen::Options options;
  options.vector_width = 8;
  const auto program = codegen::lower(plan, {}, options);
  REQUIRE(program.ok());
  CHECK(program->kernels.size() == 2);
}

TEST_CASE("compiled: as many lanes as there are terms, of elements that are apart") {
  for (int terms : {3, 5, 6, 7, 9, 12, 13, 15})
    for (int apart : {2, 3, 4})
      check(fmt::format(R"(func @f(%x: f32[{0},{1}] data) -> (y: f32[{1}], z: f32[]) {{
  %0 = reduce %x {{sum, axes = [0]}} : f32[{1}]
  %1 = slice %x {{begin = [0, 1], end = [{0}, 2]}} : f32[{0},1]
  %2 = reduce %1 {{sum, axes = [0, 1]}} : f32[]
  return %0, %2
}}
)",
                        terms, apart));
}

TEST_CASE("compiled: gather and scatter_add") {
  check(
      R"(func @f(%t: f32[11,6] data, %i: i32[5,7] data, %u: f32[5,7,6] data) -> (y: f32[5,7,6], z: f32[11,6], w: f32[6,5,7], v: f32[6,9]) {
  %0 = gather %t, %i {axis = 0, batch = 0} : f32[5,7,6]
  %1 = scatter_add %u, %i {axis = 0, batch = 0, extent = 11} : f32[11,6]
  %2 = permute %0 {axes = [2, 0, 1]} : f32[6,5,7]
  %3 = neg %2 : f32[6,5,7]
  %4 = scatter_add %u, %i {axis = 1, batch = 0, extent = 9} : f32[6,9]
  return %0, %1, %3, %4
}
)");
  check(
      R"(func @f(%t: f32[37,6,3] data, %i: i32[37] data, %j: i32[37,4] data, %u: f32[37,3] data) -> (y: f32[37,3], z: f32[37,6,3], w: f32[37,4,3], v: f32[37,6]) {
  %0 = gather %t, %i {axis = 1, batch = 1} : f32[37,3]
  %1 = exp %0 : f32[37,3]
  %2 = scatter_add %u, %i {axis = 1, batch = 1, extent = 6} : f32[37,6,3]
  %3 = gather %t, %j {axis = 1, batch = 1} : f32[37,4,3]
  %4 = neg %3 : f32[37,4,3]
  %5 = gather %t, %i {axis = 2, batch = 1} : f32[37,6]
  return %1, %2, %4, %5
}
)");
  check(
      R"(func @f(%t: f32[5] data, %b: bool[4,6] data, %i: i32[37] data, %j: i32[] data) -> (y: f32[37], z: bool[37,4], w: i32[5], v: bool[6], u: f32[]) {
  %0 = gather %t, %i {axis = 0, batch = 0} : f32[37]
  %1 = gather %b, %i {axis = 1, batch = 0} : bool[37,4]
  %2 = scatter_add %i, %i {axis = 0, batch = 0, extent = 5} : i32[5]
  %3 = gather %b, %j {axis = 0, batch = 0} : bool[6]
  %4 = gather %t, %j {axis = 0, batch = 0} : f32[]
  return %0, %1, %2, %3, %4
}
)");
}

TEST_CASE("compiled: where many are looked up they are added up in memory, in the same order") {
  const auto has_sums = [](const ir::Func& func) {
    const ir::Result<codegen::KernelProgram> program = codegen::lower(planned(func), {}, {});
    REQUIRE(program);
    return std::any_of(program->buffers.begin(), program->buffers.end(),
                       [](const codegen::Buffer& buffer) { return buffer.name.ends_with(".sums"); });
  };
  // Alone, behind other work, with a sum that begins with it, and with axes before, behind and around it.
  for (const char* updates : {"%u", "%0"}) {
    const std::string text = fmt::format(
        R"(func @f(%i: i32[9,31] data, %u: f32[9,31,24] data, %a: f32[40,24] data, %b: f32[24,24] data) -> (y: f32[40,24], z: f32[24,40], w: f32[24,50], v: f32[40,24]) {{
  %0 = tanh %u : f32[9,31,24]
  %1 = scatter_add {0}, %i {{axis = 0, batch = 0, extent = 40}} : f32[40,24]
  %2 = sqrt %a : f32[40,24]
  %3 = mul %1, %2 : f32[40,24]
  %4 = permute %1 {{axes = [1, 0]}} : f32[24,40]
  %5 = neg %4 : f32[24,40]
  %6 = scatter_add {0}, %i {{axis = 1, batch = 0, extent = 50}} : f32[24,50]
  %7 = contract %a, %b, %1 {{"ij,jk->ik"}} : f32[40,24]
  return %3, %5, %6, %7
}}
)",
        updates);
    CHECK(has_sums(func_of(text)));
    check(text);
  }
  // Numbers without further axes, integers, one index for all, and indices that do not vary where the updates do.
  const std::string text =
      R"(func @f(%i: i32[700] data, %u: f32[700] data, %k: i32[700] data, %j: i32[3,1] data, %v: f32[3,1,21,33] data) -> (y: f32[99], z: i32[99], w: f32[21,64,33], short: f32[6]) {
  %0 = scatter_add %u, %i {axis = 0, batch = 0, extent = 99} : f32[99]
  %1 = scatter_add %k, %i {axis = 0, batch = 0, extent = 99} : i32[99]
  %2 = scatter_add %v, %j {axis = 1, batch = 0, extent = 64} : f32[21,64,33]
  %3 = scatter_add %u, %i {axis = 0, batch = 0, extent = 6} : f32[6]
  return %0, %1, %2, %3
}
)";
  CHECK(has_sums(func_of(text)));
  check(text);
  const std::string constant =
      R"(func @f(%a: f32[300] data) -> (y: f32[17,300]) {
  %i = constant {3} : i32[20,4]
  %0 = broadcast %a {axes = [2]} : f32[20,4,300]
  %1 = scatter_add %0, %i {axis = 0, batch = 0, extent = 17} : f32[17,300]
  return %1
}
)";
  CHECK(has_sums(func_of(constant)));
  check(constant);
  // Little work takes no longer where every element looks through all.
  CHECK_FALSE(has_sums(func_of(
      R"(func @f(%i: i32[11] data, %u: f32[11,24] data) -> (y: f32[15,24]) {
  %0 = scatter_add %u, %i {axis = 0, batch = 0, extent = 15} : f32[15,24]
  return %0
}
)")));
}

TEST_CASE("compiled: what is looked up may be computed, padded or random") {
  check(
      R"(func @f(%t: f32[5,9] data, %i: i32[21] data, %k: i32[3] key) -> (y: f32[21,9], z: f32[21], w: i32[21,5], v: f32[9], u: f32[4,21,9]) {
  %0 = exp %t : f32[5,9]
  %1 = gather %0, %i {axis = 0, batch = 0} : f32[21,9]
  %2 = random %k {place = 3, sample} : f32[30]
  %3 = gather %2, %i {axis = 0, batch = 0} : f32[21]
  %4 = iota {axis = 1} : i32[5,9]
  %5 = gather %4, %i {axis = 1, batch = 0} : i32[21,5]
  %6 = pad %0 {before = [2, 0], after = [3, 0], value = -1} : f32[10,9]
  %7 = gather %6, %i {axis = 0, batch = 0} : f32[21,9]
  %8 = reduce %7 {sum, axes = [0], order = lanes(16, 0)} : f32[9]
  %9 = pad %1 {before = [0, 0], after = [0, 0], value = 0} : f32[21,9]
  %10 = broadcast %9 {axes = [1, 2]} : f32[4,21,9]
  %11 = neg %10 : f32[4,21,9]
  return %1, %3, %5, %8, %11
}
)");
  check(R"(func @f(%t: f32[5,9] data, %i: i32[21] data) -> (y: f32[25,9], z: f32[12]) {
  %0 = gather %t, %i {axis = 0, batch = 0} : f32[21,9]
  %1 = pad %0 {before = [1, 0], after = [3, 0], value = 2} : f32[25,9]
  %2 = window %t {axes = [1], size = [3], stride = [2], dilation = [1]} : f32[5,4,3]
  %3 = slice %i {begin = [2], end = [14]} : i32[12]
  %4 = reshape %2 : f32[60]
  %5 = gather %4, %3 {axis = 0, batch = 0} : f32[12]
  return %1, %5
}
)");
}

}  // namespace gradc
