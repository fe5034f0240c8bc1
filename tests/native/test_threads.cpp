// Kernels in parts: which have them, and that the number of threads changes no bit.
#include <doctest/doctest.h>

#include "codegen/parts.h"
#include "run_compiled.h"

namespace gradc {

namespace {

std::string product(const std::string& rows, const std::string& columns) {
  std::string text =
      R"(func @f(%x: f32[ROWS,64] data, %w: f32[64,COLUMNS] parameter, %b: f32[COLUMNS] parameter) -> (y: f32[ROWS,COLUMNS], w: f32[64,COLUMNS], s: f32[]) {
  %0 = broadcast %b {axes = [1]} : f32[ROWS,COLUMNS]
  %1 = contract %x, %w, %0 {"bi,io->bo", order = seq} : f32[ROWS,COLUMNS]
  %2 = contract %x, %1 {"bi,bo->io", order = seq} : f32[64,COLUMNS]
  %3 = sub %w, %2 : f32[64,COLUMNS]
  %4 = reduce %1 {sum, axes = [0, 1]} : f32[]
  return %1, %3, %4
}
)";
  for (const auto& [word, number] : {std::pair{std::string("ROWS"), rows}, {std::string("COLUMNS"), columns}})
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word))
      text.replace(at, word.size(), number);
  return text;
}

}  // namespace

TEST_CASE("threads: 1, 2, 3 and 8 give the same bits, with rounds that do not fill vectors, tiles or parts") {
  for (const auto& [rows, columns] :
       {std::pair{"128", "256"}, {"97", "131"}, {"33", "70"}, {"256", "1"}, {"1", "300"}}) {
    const ir::Func plan = planned(func_of(product(rows, columns)));
    const std::vector<ir::Tensor> arguments = some_arguments(plan, 7);
    for (const int threads : {1, 2, 3, 8}) {
      for (const int64_t parallel_ns : {0, 1000, 8000}) {
        codegen::Options options;
        options.parallel_ns = parallel_ns;
        check_compiled(plan, arguments, options, 3, threads);
      }
    }
  }
}

TEST_CASE("threads: parts are chosen where the work repays them, and printed") {
  const auto kernels = [](const char* rows, const char* columns) {
    ir::Result<codegen::KernelProgram> program =
        codegen::lower(planned(func_of(product(rows, columns))), {}, codegen::Options{});
    REQUIRE(program.ok());
    return codegen::print(*program);
  };
  CHECK(kernels("256", "512").find(", parts ") != std::string::npos);
  CHECK(kernels("8", "8").find(", parts ") == std::string::npos);
}

TEST_CASE("threads: faulty parts are found") {
  ir::Result<codegen::KernelProgram> program =
      codegen::lower(planned(func_of(product("256", "512"))), {}, codegen::Options{});
  REQUIRE(program.ok());
  codegen::KernelProgram faulty = *program;
  codegen::Kernel* kernel = nullptr;
  codegen::Loop* loop = nullptr;
  for (codegen::Kernel& candidate : faulty.kernels)
    for (codegen::Loop& inner : candidate.loops)
      if (inner.schedule.parts > 1) kernel = &candidate, loop = &inner;
  REQUIRE(loop != nullptr);
  loop->schedule.parts = static_cast<int32_t>(codegen::joint_rounds(codegen::loops_in_parts(*kernel))) + 1;
  CHECK(codegen::verify(faulty).find("cannot be in parts") != std::string::npos);
  loop->schedule.parts = 0;
  CHECK(codegen::verify(faulty).find("0 parts") != std::string::npos);
  for (codegen::Loop& other : kernel->loops) other.schedule.parts = 2;
  CHECK_FALSE(codegen::verify(faulty).empty());
}

}  // namespace gradc
