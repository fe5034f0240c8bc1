#include "runtime/jit_kernel_times.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <limits>
#include <set>

#include "runtime/aligned_buffer.h"
#include "runtime/jit.h"

namespace gradc::runtime {
namespace {

constexpr double kLeastNanoseconds = 4e6;  // of one run: the clock's steps and the call are nothing beside it
constexpr int kRuns = 7;

// Memory for a program's spaces, full of numbers around 1.
class Numbers {
 public:
  explicit Numbers(const codegen::KernelProgram& program) {
    std::array<int64_t, kSpaces> bytes{};
    bytes[index_of(ir::Space::arena)] = program.arena_bytes;
    for (const codegen::Buffer& buffer : program.buffers) {
      int64_t& end = bytes[index_of(buffer.storage.space)];
      end = std::max(end, buffer.storage.offset + buffer.bytes());
    }
    for (size_t space = 0; space < kSpaces; ++space) memory_[space] = AlignedBuffer(bytes[space]);
  }

  // What the kernels of `program`, which may be some of those of the whole, load and store.
  void fill(const codegen::KernelProgram& program) {
    std::set<int32_t> used;
    for (const codegen::Kernel& kernel : program.kernels)
      for (const codegen::Node& node : kernel.nodes)
        if (node.buffer >= 0) used.insert(node.buffer);
    for (int32_t id : used) {
      const codegen::Buffer& buffer = program.buffers[static_cast<size_t>(id)];
      if (buffer.dtype != ir::DType::f32) continue;
      std::byte* place = of(buffer.storage.space) + buffer.storage.offset;
      const int64_t elements = buffer.elements();
      for (int64_t i = 0; i < elements; ++i) {
        const float number = 0.5F + static_cast<float>(i * 7919 % 1009) / 1009.0F;
        std::memcpy(place + i * 4, &number, 4);
      }
    }
    for (const codegen::InitialBytes& table : program.initial)
      std::memcpy(of(ir::Space::arena) + table.offset, table.bytes.data(), table.bytes.size());
  }

  std::byte* of(ir::Space space) { return memory_[index_of(space)].data(); }

 private:
  static constexpr size_t kSpaces = 6;
  static size_t index_of(ir::Space space) { return static_cast<size_t>(space); }
  std::array<AlignedBuffer, kSpaces> memory_;
};

ir::Result<double> nanoseconds_of(const codegen::KernelProgram& program, const codegen::Options& options,
                                  ir::ThreadPool& pool, Numbers& numbers) {
  ir::Result<CompiledStep> step = compile(program, options);
  if (!step) return step.take_error();
  numbers.fill(program);
  gradc_context context = {};
  context.arena = numbers.of(ir::Space::arena);
  context.results = numbers.of(ir::Space::result);
  if (pool.threads() > 1) context.parallel_for = ir::ThreadPool::parallel_for, context.pool = &pool;
  const auto run = [&](int64_t steps) {
    const auto start = std::chrono::steady_clock::now();
    (*step)(numbers.of(ir::Space::state), numbers.of(ir::Space::data), numbers.of(ir::Space::hyper), steps, context);
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  };
  int64_t steps = 1;
  while (run(steps) < kLeastNanoseconds && steps < int64_t{1} << 40) steps *= 2;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRuns; ++i) best = std::min(best, run(steps) / static_cast<double>(steps));
  return best;
}

}  // namespace

ir::Result<std::vector<KernelTime>> measure_kernels(const codegen::KernelProgram& program,
                                                    const codegen::Options& options, ir::ThreadPool& pool) {
  std::vector<KernelTime> times;
  Numbers numbers(program);
  for (const codegen::Kernel& kernel : program.kernels) {
    codegen::KernelProgram alone = program;
    alone.kernels = {kernel};
    ir::Result<double> nanoseconds = nanoseconds_of(alone, options, pool, numbers);
    if (!nanoseconds) return nanoseconds.take_error();
    times.push_back({static_cast<double>(codegen::operations_of(kernel)), *nanoseconds});
  }
  return times;
}

ir::Result<double> measure_step(const codegen::KernelProgram& program, const codegen::Options& options,
                                ir::ThreadPool& pool) {
  Numbers numbers(program);
  return nanoseconds_of(program, options, pool, numbers);
}

ir::Result<double> measure_peak(const codegen::Options& options) {
  ir::Result<codegen::TargetInfo> target = codegen::target_info(options);
  if (!target) return target.take_error();
  const codegen::KernelProgram probe = codegen::peak_probe(*target);
  ir::ThreadPool alone(1);
  Numbers numbers(probe);
  ir::Result<double> nanoseconds = nanoseconds_of(probe, options, alone, numbers);
  if (!nanoseconds) return nanoseconds.take_error();
  return static_cast<double>(codegen::operations_of(probe.kernels[0])) / *nanoseconds;
}

}  // namespace gradc::runtime
