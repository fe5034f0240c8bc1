// Which schedules are chosen, and that each means the same.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <optional>
#include <tuple>

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

// A processor with eight floats in a register, whatever the host is; nothing where LLVM cannot compile for it here.
std::optional<codegen::Options> avx2() {
  codegen::Options options;
  options.vector_width = 8;
  options.cpu = "x86-64-v3";
  if (!codegen::target_info(options)) return std::nullopt;
  return options;
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

TEST_CASE("schedule: a kernel that is next to nothing of the step gets a small tile") {
  std::optional<codegen::Options> options = avx2();
  if (!options) return;
  options->explain = true;
  const auto lowered = [&](int rows) {
    const ir::Result<codegen::KernelProgram> program = codegen::lower(
        planned(func_of(fmt::format(
            R"(func @f(%a: f32[512,512] data, %b: f32[512,512] data, %c: f32[{0},32] data, %d: f32[32,32] data) -> (y: f32[512,512], z: f32[{0},32]) {{
  %0 = contract %a, %b {{"ij,jk->ik"}} : f32[512,512]
  %1 = contract %c, %d {{"ij,jk->ik"}} : f32[{0},32]
  return %0, %1
}}
)",
            rows))),
        {}, *options);
    REQUIRE(program.ok());
    // Rows times vectors of the tile of the kernel that stores the smaller product.
    int points = 1;
    const codegen::Kernel& kernel = program->kernels.back();
    for (const codegen::Loop& loop : kernel.loops) points *= loop.schedule.tile;
    const bool little = kernel.reasons[0] == "less than a thousandth of the step: a small tile, quick to compile";
    return std::pair(points, little);
  };
  const auto [small, is_little] = lowered(16);
  const auto [large, is_large_little] = lowered(1024);
  CHECK(is_little);
  CHECK_FALSE(is_large_little);
  CHECK(small <= 4);
  CHECK(large >= 8);
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
  CHECK(contains(text, "= arena + 0 : f32[32,5], axis 0 innermost\n"));
  // The host reads a result: row-major.
  CHECK(contains(text, "= result + 64 : f32[32,5]\n"));
}

TEST_CASE("schedule: a product keeps a tile of results in registers, and what a sum does not need comes after it") {
  codegen::Options options;
  options.vector_width = 8;
  options.cpu = "x86-64-v3";
  const ir::Result<codegen::TargetInfo> target = codegen::target_info(options);
  if (!target) return;  // not an x86
  const char* text = R"(func @f(%w: f32[64,48] parameter, %x: f32[32,64] data, %g: f32[32,48] data) -> (w: f32[64,48]) {
  %0 = contract %x, %g {"bi,bo->io", order = seq} : f32[64,48]
  %1 = sub %w, %0 : f32[64,48]
  return %1
}
)";
  ir::Result<codegen::KernelProgram> program = codegen::lower(planned(func_of(text)), {}, options);
  REQUIRE(program.ok());
  CHECK(codegen::print(*program) == R"(kernels @f, arena 0 bytes {
  buffer w = state + 0 : f32[64,48]
  buffer x = data + 0 : f32[32,64]
  buffer g = data + 8192 : f32[32,48]
  buffer v1 = state + 0 : f32[64,48]
  kernel 0 {
    %0 = constant 0 : f32
    parallel i1 in 48, vector 8, tile 2 {
      parallel i0 in 64, tile 6 {
        reduce r2 in 32 with %0 as %1 {
          %2 = load x[i0 + 64*r2] : f32
          %3 = load g[i1 + 48*r2] : f32
          %4 = fma %2, %3, %1 : f32
          yield %4
        } -> %5
        %6 = load w[48*i0 + i1] : f32
        %7 = sub %6, %5 : f32
        store v1[48*i0 + i1], %7
      }
    }
  }
}
)");
}

TEST_CASE("schedule: the weights or the rows of a layer are packed for its vectors, turned in registers on the way") {
  const std::string text =
      kernels(R"(func @f(%x: f32[512,40] data, %w: f32[96,40] parameter, %b: f32[96] parameter) -> (y: f32[512,96]) {
  %0 = broadcast %b {axes = [1]} : f32[512,96]
  %1 = contract %x, %w, %0 {"bi,oi->bo", order = seq} : f32[512,96]
  return %1
}
)",
              8, true);
  // Both vector axes would read scattered elements; the smaller operand is copied, along the rows of the source.
  CHECK(contains(text, ": f32[96,40], axis 0 innermost\n"));
  CHECK(contains(text, "vector 8 {\n      parallel i1 in 40, tile 8 {"));
  // The kernel that does not copy reads neighbours.
  CHECK(contains(text, "load w.packed[i1 + 96*r2]"));
  CHECK_FALSE(contains(kernels(R"(func @f(%x: f32[64,40] data, %w: f32[40,96] data) -> (y: f32[64,96]) {
  %0 = contract %x, %w {"bi,io->bo", order = seq} : f32[64,96]
  return %0
}
)",
                               8, true),
                       "packed"));
}

TEST_CASE("schedule: what a long sum reads at once lies close together") {
  const std::string text = kernels(R"(func @f(%x: f32[64,512] data, %w: f32[512,512] parameter) -> (y: f32[64,512]) {
  %0 = contract %x, %w {"bi,oi->bo", order = seq} : f32[64,512]
  return %0
}
)",
                                   8, true);
  // With the other axis innermost the rows of a panel would be 2048 bytes apart, and push each other out of the cache.
  CHECK(contains(text, "w.packed = arena + 0 : f32[512,512], axis 0 in blocks of 16 before axis 0\n"));
  CHECK(contains(text, "load w.packed[i1 + 16*r2 + 8192*i1o]"));
}

TEST_CASE("schedule: for few rows the weights are turned inside the sum instead of packed") {
  const auto text = [](int rows, int outputs, int terms) {
    return fmt::format(
        R"(func @f(%x: f32[{0},{2}] data, %w: f32[{1},{2}] parameter, %b: f32[{1}] parameter) -> (y: f32[{0},{1}]) {{
  %0 = broadcast %b {{axes = [1]}} : f32[{0},{1}]
  %1 = contract %x, %w, %0 {{"bi,oi->bo", order = seq}} : f32[{0},{1}]
  return %1
}}
)",
        rows, outputs, terms);
  };
  if (const std::optional<codegen::Options> options = avx2()) {
    const auto lowered = [&](int rows) {
      ir::Result<codegen::KernelProgram> program = codegen::lower(planned(func_of(text(rows, 128, 128))), {}, *options);
      REQUIRE(program.ok());
      return codegen::print(*program);
    };
    CHECK(contains(lowered(2), "turn 4"));
    CHECK_FALSE(contains(lowered(2), "packed"));
    CHECK_FALSE(contains(lowered(64), "turn 4"));
  }
  // Rounds and outputs that are left over.
  for (const auto& [rows, outputs, terms] : {std::tuple{2, 128, 128}, {3, 133, 67}, {2, 140, 5}, {4, 129, 18}})
    check_compiled(func_of(text(rows, outputs, terms)), 1, false);
}

TEST_CASE("schedule: results that lie the other way round are turned in registers, four rows at a time") {
  // Two results are long for all points of a tile: stored in a loop over the points.
  const auto text = [](int rows, int outputs, int terms, bool both) {
    return fmt::format(
        R"(func @f(%x: f32[{0},{2}] data, %w: f32[{2},{1}] parameter) -> (y: f32[{1},{0}]{4}) {{
  %0 = constant {{0}} : f32[{1},{0}]
  %1 = contract %x, %w, %0 {{"bi,io->ob", order = seq}} : f32[{1},{0}]
  %2 = tanh %1 : f32[{1},{0}]
  return {3}
}}
)",
        rows, outputs, terms, both ? "%2, %1" : "%2", both ? fmt::format(", z: f32[{},{}]", outputs, rows) : "");
  };
  if (const std::optional<codegen::Options> options = avx2()) {
    for (const bool both : {false, true}) {
      ir::Result<codegen::KernelProgram> program =
          codegen::lower(planned(func_of(text(1000, 16, 5, both))), {}, *options);
      REQUIRE(program.ok());
      INFO(codegen::print(*program));
      CHECK(contains(codegen::print(*program), "tile 4 {"));
      const ir::Result<std::string> emitted = codegen::emit_text(*program, codegen::Stage::llvm, *options);
      REQUIRE(emitted.ok());
      CHECK(contains(*emitted, "store <4 x float>"));
      CHECK_FALSE(contains(*emitted, "extractelement <8 x float>"));
      CHECK(contains(*emitted, "\npoint:") == both);
    }
  }
  // Rows and outputs that are left over.
  for (const auto& [rows, outputs, terms] :
       {std::tuple{1000, 16, 5}, {999, 16, 5}, {66, 37, 3}, {7, 16, 40}, {259, 8, 2}})
    for (const bool both : {false, true}) check_compiled(func_of(text(rows, outputs, terms, both)), 1, false);
}

TEST_CASE("schedule: the chains of a tile run side by side in machine code") {
  const std::optional<codegen::Options> options = avx2();
  if (!options) return;
  ir::Result<codegen::KernelProgram> program =
      codegen::lower(planned(func_of(R"(func @f(%x: f32[600,4] data, %w: f32[4,32] parameter) -> (y: f32[600,32]) {
  %0 = constant {0} : f32[600,32]
  %1 = contract %x, %w, %0 {"bi,io->bo", order = seq} : f32[600,32]
  %2 = tanh %1 : f32[600,32]
  return %2
}
)")),
                     {}, *options);
  REQUIRE(program.ok());
  const ir::Result<std::string> emitted = codegen::emit_text(*program, codegen::Stage::assembly, *options);
  REQUIRE(emitted.ok());
  // Each chain of tanh begins with its one minimum and has a polynomial behind it; the second chain begins before that
  // of the first is done.
  const size_t first = emitted->find("vminps"), second = emitted->find("vminps", first + 1);
  REQUIRE(second != std::string::npos);
  size_t steps = 0;
  for (size_t place = emitted->find("vfmadd", first); place < second; place = emitted->find("vfmadd", place + 1))
    ++steps;
  INFO(emitted->substr(first, second - first));
  CHECK(steps < 4);
}

TEST_CASE("schedule: rows that are padded are turned in registers, loaded under a mask") {
  const char* text = R"(func @f(%x: f32[37,20] data, %w: f32[2,2] data) -> (y: f32[37,26], z: f32[26,37]) {
  %0 = pad %x {before = [0, 2], after = [0, 4], value = 0} : f32[37,26]
  %1 = permute %0 {axes = [1, 0]} : f32[26,37]
  %2 = pad %x {before = [0, 2], after = [0, 4], value = 3} : f32[37,26]
  return %2, %1
}
)";
  if (const std::optional<codegen::Options> options = avx2()) {
    ir::Result<codegen::KernelProgram> program = codegen::lower(planned(func_of(text)), {}, *options);
    REQUIRE(program.ok());
    INFO(codegen::print(*program));
    const ir::Result<std::string> emitted = codegen::emit_text(*program, codegen::Stage::llvm, *options);
    REQUIRE(emitted.ok());
    // The load is 0 where it does not hold, so nothing is chosen behind it.
    CHECK(contains(codegen::print(*program), "tile 8 {"));
    CHECK(contains(*emitted, "@llvm.masked.load.v8f32"));
  }
  check_compiled(func_of(text), 1, false);
}

TEST_CASE("schedule: terms that need not exist are jumped over") {
  codegen::Options options;
  options.vector_width = 8;
  const char* text = R"(func @f(%g: f32[32,6,9] data, %w: f32[6,4,5] data) -> (y: f32[32,4,13]) {
  %0 = contract %g, %w {"bop,ocu->bcpu", order = seq} : f32[32,4,9,5]
  %1 = fold %0 {axes = [2], size = [5], stride = [1], dilation = [1], extents = [13]} : f32[32,4,13]
  return %1
}
)";
  ir::Result<codegen::KernelProgram> program = codegen::lower(planned(func_of(text)), {}, options);
  REQUIRE(program.ok());
  const ir::Result<std::string> emitted = codegen::emit_text(*program, codegen::Stage::llvm, options);
  REQUIRE(emitted.ok());
  INFO(codegen::print(*program));
  // A branch around each term, and in it no load under a mask.
  CHECK(contains(*emitted, "label %term, label %next"));
  CHECK_FALSE(contains(*emitted, "masked.load"));
}

TEST_CASE("schedule: a tiny program is one straight line, unless that is not wanted") {
  const char* text = R"(func @f(%w: f32[3] parameter, %x: f32[3] data) -> (w: f32[3]) {
  %0 = mul %w, %x : f32[3]
  return %0
}
)";
  CHECK(contains(kernels(text, 0, true), ", resident {"));
  CHECK_FALSE(contains(kernels(text, 0, false), ", resident {"));
}

TEST_CASE("schedule: the widest axis of a tiny program fills vectors, in sums too") {
  const std::string text = kernels(R"(func @f(%w: f32[2,5] parameter, %x: f32[1,5] data) -> (w: f32[2,5], y: f32[1,2]) {
  %0 = contract %x, %w {"bi,oi->bo", order = lanes(16, i)} : f32[1,2]
  %1 = neg %w : f32[2,5]
  return %1, %0
}
)",
                                   8, true);
  INFO(text);
  CHECK(contains(text, "lanes l1 in 5, vector 16 {"));
  CHECK(contains(text, "parallel i1 in 5, vector 5, unroll {"));
  CHECK(contains(text, "parallel i0 in 2, unroll {"));
}

TEST_CASE("schedule: the blocks of a long sum wait in memory") {
  // Lanes along the axis of the blocks; then along another one, with a last block that is shorter.
  for (const char* text : {
           R"(func @f(%x: f32[64,4,20,20] data, %g: f32[64,12,20,20] data) -> (y: f32[12,4]) {
  %0 = contract %g, %x {"boij,bcij->oc", order = lanes(16, b), block = 16} : f32[12,4]
  %1 = neg %0 : f32[12,4]
  return %1
}
)",
           R"(func @f(%x: f32[100,32,8] data, %g: f32[100,32,50] data) -> (y: f32[50,8], z: f32[50,8]) {
  %0 = contract %g, %x {"bto,bti->oi", order = lanes(16, t), block = 32} : f32[50,8]
  %1 = mul %0, %0 : f32[50,8]
  return %0, %1
}
)"}) {
    const ir::Func func = func_of(text);
    const std::string printed = kernels(text, 8, true);
    CHECK(contains(printed, "buffer v0.blocks = arena + 0 : f32[4,"));
    for (int width : {1, 4, 8, 16}) {
      codegen::Options options;
      options.vector_width = width;
      options.parallel_ns = 0;
      check_compiled(planned(func), some_arguments(func, 5), options, 2, 3);
    }
  }
}

TEST_CASE("schedule: a kernel runs over the axes on both sides of a reshape inside it") {
  const std::string text =
      R"(func @f(%a: f32[32,6,2,4] data, %b: f32[32,48] data, %c: f32[32,6,4] data) -> (y: f32[32,48]) {
  %0 = broadcast %c {axes = [0, 1, 3]} : f32[32,6,2,4]
  %1 = mul %a, %0 : f32[32,6,2,4]
  %2 = permute %1 {axes = [0, 1, 3, 2]} : f32[32,6,4,2]
  %3 = reshape %2 : f32[32,48]
  %4 = max %3, %b : f32[32,48]
  return %4
}
)";
  CHECK(!contains(kernels(text, 8, true), "kernel 1"));
  check_compiled(func_of(text), 1, true);
}

TEST_CASE("schedule: a copy in row-major order of a tensor that lies otherwise") {
  // What follows the convolution wants samples in blocks, the weight gradient its features as neighbours.
  const std::string text =
      R"(func @f(%x: f32[64,400] data, %w: f32[120,400] parameter, %g: f32[64,120] data) -> (h: f32[64,120], d: f32[120,400]) {
  %0 = exp %x : f32[64,400]
  %1 = contract %0, %w {"bi,oi->bo"} : f32[64,120]
  %2 = contract %g, %0 {"bo,bi->oi"} : f32[120,400]
  return %1, %2
}
)";
  const ir::Func func = func_of(text);
  for (int width : {4, 8, 16}) {
    codegen::Options options;
    options.vector_width = width;
    check_compiled(planned(func), some_arguments(func, 3), options, 1);
  }
}

TEST_CASE("schedule: sums over the same rounds share their loops, and what only they read is their term") {
  // The first layer of a small network: gradients of its weights and of its bias, and their updates.
  const auto text = [](int rows) {
    const std::string n = std::to_string(rows);
    return "func @f(%x: f32[" + n + ",2] data, %d: f32[" + n + ",1] data, %h: f32[5," + n +
           "] data, %v: f32[1,5] data, %w: f32[5,2] parameter, %b: f32[5] parameter, %lr: f32[] hyper) -> (w: "
           "f32[5,2], b: f32[5]) {\n  %0 = contract %d, %v {\"bk,ki->bi\"} : f32[" +
           n + ",5]\n  %1 = constant {0} : f32[" + n + ",5]\n  %2 = permute %h {axes = [1, 0]} : f32[" + n +
           ",5]\n  %3 = less %1, %2 : bool[" + n + ",5]\n  %4 = select %3, %0, %1 : f32[" + n +
           ",5]\n  %5 = contract %4, %x {\"bo,bi->oi\"} : f32[5,2]\n  %6 = broadcast %lr {axes = []} : f32[5,2]\n"
           "  %7 = mul %6, %5 : f32[5,2]\n  %8 = sub %w, %7 : f32[5,2]\n"
           "  %9 = reduce %4 {sum, axes = [0]} : f32[5]\n  %10 = broadcast %lr {axes = []} : f32[5]\n"
           "  %11 = mul %10, %9 : f32[5]\n  %12 = sub %b, %11 : f32[5]\n  return %8, %12\n}\n";
  };
  const std::string printed = kernels(text(1024), 8, true);
  CHECK(contains(printed, "reduce q2 in 64 with %0 as "));
  CHECK(contains(printed, ", %0 as "));
  CHECK(contains(printed, "lanes l1 in 16, vector 8 {"));  // three sums of eight lanes, tiled, not of sixteen
  CHECK(!contains(printed, "kernel 1"));
  for (int rows : {16, 37, 200, 1024, 2500}) check_compiled(func_of(text(rows)), 7, rows == 37);
}

TEST_CASE("schedule: lanes one after the other, where the elements of neighbouring results are neighbours") {
  // The gradient of a gain for each channel: sums over places, channels side by side in memory.
  const auto text = [](int places, int channels) {
    const std::string p = std::to_string(places), c = std::to_string(channels), shape = "f32[" + p + "," + c + "]";
    return "func @f(%x: " + shape + " data, %d: " + shape + " data) -> (g: f32[" + c + "], b: f32[" + c +
           "]) {\n  %0 = mul %x, %d : " + shape + "\n  %1 = reduce %0 {sum, axes = [0]} : f32[" + c +
           "]\n  %2 = neg %1 : f32[" + c + "]\n  %3 = reduce %x {sum, axes = [0]} : f32[" + c +
           "]\n  return %2, %3\n}\n";
  };
  const std::string printed = kernels(text(768, 128), 8, true);
  CHECK(contains(printed, "parallel i0 in 128, vector 8, tile"));
  CHECK(contains(printed, "lanes l1 in 16 {"));
  // Lanes with fewer terms than others, and channels that are no whole vectors.
  for (int places : {16, 37, 300, 2500}) {
    for (int channels : {1, 7, 16, 67}) check_compiled(func_of(text(places, channels)), 7, places == 37);
  }
}

TEST_CASE("schedule: a load behind the end of an axis keeps its condition, whatever lies there in memory") {
  // In row-major order the elements past the end of the second axis are others of the same tensor.
  const std::string text = R"(func @f(%x: f32[5,17] data) -> (y: f32[], z: f32[]) {
  %0 = permute %x {axes = [1, 0]} : f32[17,5]
  %1 = tanh %0 : f32[17,5]
  %2 = pad %1 {before = [0, 0], after = [0, 5], value = 0.5} : f32[17,10]
  %3 = reduce %2 {sum, axes = [0, 1], order = lanes(16, 0)} : f32[]
  %4 = mul %1, %1 : f32[17,5]
  %5 = reduce %4 {sum, axes = [0, 1], order = lanes(16, 0)} : f32[]
  return %3, %5
}
)";
  check_compiled(func_of(text), 3);
}

TEST_CASE("schedule: the probe of the peak has fused multiply-adds of the kind that programs have") {
  codegen::Options options;
  for (const char* cpu : {"native", "x86-64"}) {
    for (const bool software : {false, true}) {
      options.cpu = cpu;
      options.software_fma = software;
      const ir::Result<codegen::TargetInfo> target = codegen::target_info(options);
      if (!target) continue;  // another architecture
      const codegen::KernelProgram probe = codegen::peak_probe(*target);
      if (software || options.cpu == "x86-64") CHECK(probe.software_fma);
      CHECK(codegen::emit_object(probe, options).ok());
    }
  }
}

TEST_CASE("schedule: reasons are printed where they are asked for, and change nothing") {
  const ir::Func plan = planned(func_of(R"(func @f(%x: f32[64,96] data, %w: f32[96,128] parameter) -> (y: f32[64,128]) {
  %0 = contract %x, %w {"bi,io->bo", order = seq} : f32[64,128]
  return %0
}
)"));
  codegen::Options options;
  const ir::Result<codegen::KernelProgram> plain = codegen::lower(plan, {}, options);
  options.explain = true;
  ir::Result<codegen::KernelProgram> explained = codegen::lower(plan, {}, options);
  REQUIRE(plain.ok());
  REQUIRE(explained.ok());
  const std::string text = codegen::print(*explained);
  for (const char* part : {"# vectors along ", " instructions estimated, ", "# otherwise no vectors: at least ",
                           "us on one core", "# by the estimates of its kernels about "})
    CHECK(text.find(part) != std::string::npos);
  CHECK(codegen::print(*plain).find('#') == std::string::npos);
  explained->reasons.clear();
  for (codegen::Kernel& kernel : explained->kernels) kernel.reasons.clear();
  CHECK(codegen::print(*explained) == codegen::print(*plain));
}

}  // namespace gradc
