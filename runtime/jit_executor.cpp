#include "runtime/jit_executor.h"

#include <chrono>
#include <cstring>
#include <memory>

#include "ir/ensure.h"
#include "runtime/aligned_buffer.h"
#include "runtime/jit.h"

namespace gradc::runtime {
namespace {

// The code, and the scratch memory and tables that it expects to find.
struct LoadedCode {
  CompiledStep step;
  AlignedBuffer arena;
};

}  // namespace

ir::Result<CompiledExecutor> compile_executor(const ir::Func& planned, const std::vector<std::string>& files,
                                              const codegen::Options& options, const Host& host) {
  const auto start = std::chrono::steady_clock::now();
  ir::Result<codegen::KernelProgram> program = codegen::lower(planned, files, options);
  if (!program) return program.take_error();
  const std::string fault = codegen::verify(*program);
  ENSURE(fault.empty(), "kernels of @" + planned.name + ": " + fault + "\n" + codegen::print(*program));
  const std::chrono::duration<double, std::milli> lowering = std::chrono::steady_clock::now() - start;

  ir::Result<CompiledStep> step = compile(*program, options, host.cache ? &*host.cache : nullptr);
  if (!step) return step.take_error();
  CompiledExecutor executor;
  executor.milliseconds.emplace_back("lower", lowering.count());
  for (const auto& phase : step->milliseconds()) executor.milliseconds.push_back(phase);

  executor.llvm_times = step->llvm_times();

  auto code = std::make_shared<LoadedCode>(LoadedCode{std::move(*step), AlignedBuffer(program->arena_bytes)});
  for (const codegen::InitialBytes& table : program->initial) {
    std::memcpy(code->arena.data() + table.offset, table.bytes.data(), table.bytes.size());
  }
  executor.run = [code, pool = host.pool](const StepBuffers& buffers, int64_t steps) {
    gradc_context context = {};
    context.arena = code->arena.data();
    context.results = buffers.results;
    context.data_stride = buffers.data_stride;
    context.hyper_stride = buffers.hyper_stride;
    context.result_stride = buffers.result_stride;
    if (pool != nullptr && pool->threads() > 1) {
      context.parallel_for = ThreadPool::parallel_for;
      context.pool = pool.get();
    }
    const int32_t status = code->step(buffers.state, buffers.data, buffers.hyper, steps, context);
    ENSURE(status == 0, "compiled code returned " + std::to_string(status));
    return ir::success();
  };
  return executor;
}

}  // namespace gradc::runtime
