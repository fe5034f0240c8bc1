// The step function: several steps in a call, strides, in-place updates, what the object file holds, processors without
// fused multiply-add.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "ir/eval.h"
#include "run_compiled.h"
#include "runtime/jit.h"

namespace gradc {

namespace {

constexpr const char* kMomentum =
    R"(func @sgd.step(%w: f32[SIZE] parameter, %v: f32[SIZE] state, %x: f32[SIZE] data, %lr: f32[] hyper) -> (w: f32[SIZE], v: f32[SIZE], loss: f32[]) {
  %0 = sub %w, %x : f32[SIZE]  # spec.grad:2:3
  %1 = constant {0.9} : f32[SIZE]
  %2 = mul %1, %v : f32[SIZE]
  %3 = add %2, %0 : f32[SIZE]
  %4 = broadcast %lr {axes = []} : f32[SIZE]
  %5 = mul %4, %3 : f32[SIZE]
  %6 = sub %w, %5 : f32[SIZE]
  %7 = mul %0, %0 : f32[SIZE]
  %8 = reduce %7 {sum, axes = [0]} : f32[]
  return %6, %3, %8
}
)";

std::string momentum(const std::string& size) {
  std::string text = kMomentum;
  for (size_t at = text.find("SIZE"); at != std::string::npos; at = text.find("SIZE")) text.replace(at, 4, size);
  return text;
}

runtime::CompiledStep compiled(const ir::Func& plan, const codegen::Options& options) {
  ir::Result<codegen::KernelProgram> program = codegen::lower(plan, {"spec.grad"}, options);
  REQUIRE(program.ok());
  ir::Result<runtime::CompiledStep> step = runtime::compile(*program, options);
  REQUIRE(step.ok());
  return std::move(*step);
}

}  // namespace

TEST_CASE("step: many steps in one call, each with its own rows, rate and loss") {
  constexpr int64_t kSteps = 7;
  for (const char* size : {"3", "100"}) {
    const ir::Func plan = planned(func_of(momentum(size)));
    const int64_t elements = plan.values[0].type.elements();
    for (bool unroll : {false, true}) {
      codegen::Options options;
      options.unroll = unroll;
      const runtime::CompiledStep step = compiled(plan, options);
      alignas(64) float state[256] = {}, data[kSteps * 128] = {}, hyper[kSteps * 16] = {}, results[kSteps * 16] = {};
      alignas(64) float arena[1024] = {};
      REQUIRE(plan.arena_bytes <= static_cast<int64_t>(sizeof(arena)));
      for (int64_t s = 0; s < kSteps; ++s) {
        hyper[s * 16] = 0.1f / static_cast<float>(s + 1);
        for (int64_t i = 0; i < elements; ++i) data[s * 128 + i] = static_cast<float>(s * 3 - i) * 0.25f;
      }
      std::vector<ir::Tensor> arguments;
      for (size_t i = 0; i < 4; ++i) arguments.emplace_back(plan.values[i].type);
      gradc_context context{arena, results, 128 * 4, 16 * 4, 16 * 4, nullptr};
      REQUIRE(step(state, data, hyper, 0, context) == 0);
      REQUIRE(state[0] == 0);
      REQUIRE(step(state, data, hyper, kSteps, context) == 0);
      for (int64_t s = 0; s < kSteps; ++s) {
        std::memcpy(arguments[2].bytes(), data + s * 128, arguments[2].byte_count());
        arguments[3].set(0, hyper[s * 16]);
        ir::Result<std::vector<ir::Tensor>> expected = ir::evaluate(plan, arguments);
        REQUIRE(expected.ok());
        CHECK(static_cast<float>((*expected)[2].at(0)) == results[s * 16]);
        arguments[0] = (*expected)[0];
        arguments[1] = (*expected)[1];
      }
      const auto equal = [&](size_t argument) {
        const int64_t offset = plan.values[argument].storage.offset / 4;
        return std::memcmp(state + offset, arguments[argument].bytes(), arguments[argument].byte_count()) == 0;
      };
      CHECK(equal(0));
      CHECK(equal(1));
    }
  }
}

TEST_CASE("step: a processor without fused multiply-add, and one forced to do without, give the same bits") {
  const ir::Func func =
      func_of(R"(func @f(%a: f32[3000] data, %b: f32[3000] data, %c: f32[3000] data) -> (y: f32[3000], z: f32[3000]) {
  %0 = fma %a, %b, %c : f32[3000]
  %1 = tanh %0 : f32[3000]
  return %0, %1
}
)");
  const ir::Func plan = planned(func);
  std::vector<codegen::Options> all(3);
  all[0].software_fma = true;
  all[1].software_fma = true;
  all[1].vector_width = 1;
#if defined(__x86_64__)
  all[2].cpu = "x86-64";
#endif
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    std::vector<ir::Tensor> arguments = some_arguments(func, seed, seed % 2 == 0);
    // Sums near a tie of float32, near cancellation and among the subnormals, where rounding twice would show.
    for (int64_t i = 0; i < 3000 && seed > 2; ++i) {
      const float a = static_cast<float>(arguments[0].at(i)), b = static_cast<float>(arguments[1].at(i));
      const int kind = static_cast<int>(i % 4);
      const float product = a * b;
      if (kind == 0) arguments[2].set(i, std::ldexp(product, 24 + static_cast<int>(i % 3)));
      if (kind == 1) arguments[2].set(i, -product);
      if (kind == 2) arguments[0].set(i, std::ldexp(a, -130)), arguments[2].set(i, std::ldexp(1.0f, -149));
      if (kind == 3) arguments[2].set(i, std::ldexp(std::nextafterf(product, 0), -25));
    }
    for (const codegen::Options& options : all) check_compiled(plan, arguments, options, 1);
  }
}

TEST_CASE("step: the baseline processor compiles a layer without any call") {
#if defined(__x86_64__)
  codegen::Options options;
  options.cpu = "x86-64";
  for (const char* size : {"3", "100"}) {
    const ir::Func func = func_of(momentum(size));
    check_compiled(planned(func), some_arguments(func, 3), options, 2);
  }
#endif
}

TEST_CASE("step: stages as text") {
  const ir::Func plan = planned(func_of(momentum("40")));
  const codegen::Options options;
  ir::Result<codegen::KernelProgram> program = codegen::lower(plan, {"spec.grad"}, options);
  REQUIRE(program.ok());
  const auto text = [&](codegen::Stage stage) {
    ir::Result<std::string> result = codegen::emit_text(*program, stage, options);
    REQUIRE(result.ok());
    return *result;
  };
  const std::string llvm = text(codegen::Stage::llvm);
  CHECK(llvm.find("define i32 @sgd_step(") != std::string::npos);
  CHECK(llvm.find("!DIFile(filename: \"spec.grad\"") != std::string::npos);
  CHECK(llvm.find("!DILocation(line: 2, column: 3") != std::string::npos);
  CHECK(llvm.find(" fast ") == std::string::npos);
  CHECK(text(codegen::Stage::llvm_opt).find("define i32 @sgd_step(") != std::string::npos);
  CHECK(text(codegen::Stage::assembly).find("sgd_step:") != std::string::npos);
  ir::Result<codegen::ObjectCode> object = codegen::emit_object(*program, options);
  REQUIRE(object.ok());
  CHECK(object->symbol == "sgd_step");
  CHECK(object->milliseconds.size() == 3);
}

}  // namespace gradc
