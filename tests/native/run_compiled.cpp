#include "run_compiled.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>

#include "ir/eval.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/thread_pool.h"
#include "ir/verify.h"
#include "passes/passes.h"
#include "passes/reads.h"
#include "runtime/jit.h"

namespace gradc {

namespace {

// Bytes at a multiple of 64.
class Memory {
 public:
  explicit Memory(int64_t bytes) : bytes_(static_cast<size_t>(bytes) + 64, 0xAB) {}
  uint8_t* data() { return bytes_.data() + (64 - reinterpret_cast<uintptr_t>(bytes_.data()) % 64) % 64; }

 private:
  std::vector<uint8_t> bytes_;
};

struct Memories {
  Memory state, data, hyper, arena, results;
  uint8_t* of(ir::Space space) {
    switch (space) {
      case ir::Space::state:
        return state.data();
      case ir::Space::data:
        return data.data();
      case ir::Space::hyper:
        return hyper.data();
      case ir::Space::result:
        return results.data();
      case ir::Space::arena:
      case ir::Space::none:
        break;
    }
    return arena.data();
  }
};

int64_t bytes_in(const ir::Func& func, ir::Space space) {
  int64_t end = 0;
  for (const ir::Value& value : func.values)
    if (value.storage.space == space) end = std::max(end, value.storage.offset + value.type.bytes());
  return end;
}

ir::ThreadPool& pool_of(int threads) {
  static std::map<int, std::unique_ptr<ir::ThreadPool>> pools;
  std::unique_ptr<ir::ThreadPool>& pool = pools[threads];
  if (pool == nullptr) pool = std::make_unique<ir::ThreadPool>(threads);
  return *pool;
}

std::string describe(const codegen::Options& options) {
  return "O" + std::to_string(options.opt_level) + ", width " + std::to_string(options.vector_width) +
         (options.unroll ? ", unrolled" : "") + (options.software_fma ? ", software fma" : "") + ", " + options.cpu;
}

}  // namespace

ir::Func func_of(const std::string& text) {
  ir::Sources sources;
  const int32_t file = sources.add("test.ir", text);
  ir::Diagnostics diagnostics(sources);
  std::optional<ir::Module> module = ir::parse(sources, file, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module.has_value());
  REQUIRE(module->items.size() == 1);
  const ir::Func& func = std::get<ir::Func>(module->items.front());
  for (const ir::VerifyError& error : ir::verify(func)) FAIL(ir::to_string(error));
  return func;
}

ir::Func planned(const ir::Func& func) { return passes::plan_memory(passes::fuse(passes::order(func))); }

ir::Func planned_apart(const ir::Func& func) {
  ir::Func apart = passes::fuse(passes::order(func));
  int32_t next = 0;
  for (size_t i = apart.parameter_count; i < apart.size(); ++i) {
    ir::Value& value = apart.values[i];
    const bool kept = value.kernel >= 0 || (value.op != ir::Op::reshape && !passes::is_table(value));
    value.kernel = kept ? next++ : -1;
  }
  return passes::plan_memory(apart);
}

std::vector<ir::Tensor> run_compiled(const ir::Func& func, const std::vector<ir::Tensor>& arguments,
                                     const codegen::Options& options, int64_t steps, int threads) {
  ir::Result<codegen::KernelProgram> program = codegen::lower(func, {"test.ir"}, options);
  INFO(ir::print(func, {"test.ir"}));
  INFO(describe(options));
  if (!program.ok()) FAIL(program.error());
  INFO(codegen::print(*program));
  ir::Result<runtime::CompiledStep> step = runtime::compile(*program, options);
  if (!step.ok()) FAIL(step.error());

  Memories memory{Memory(bytes_in(func, ir::Space::state)), Memory(bytes_in(func, ir::Space::data)),
                  Memory(bytes_in(func, ir::Space::hyper)), Memory(program->arena_bytes),
                  Memory(bytes_in(func, ir::Space::result))};
  for (size_t i = 0; i < func.parameter_count; ++i) {
    const ir::Storage& storage = func.values[i].storage;
    std::memcpy(memory.of(storage.space) + storage.offset, arguments[i].bytes(), arguments[i].byte_count());
  }
  for (const codegen::InitialBytes& initial : program->initial)
    std::memcpy(memory.arena.data() + initial.offset, initial.bytes.data(), initial.bytes.size());
  gradc_context context{memory.arena.data(), memory.results.data(), 0, 0, 0, nullptr, nullptr};
  if (threads > 1) {
    context.parallel_for = ir::ThreadPool::parallel_for;
    context.pool = &pool_of(threads);
  }
  REQUIRE((*step)(memory.state.data(), memory.data.data(), memory.hyper.data(), steps, context) == 0);
  std::vector<ir::Tensor> results;
  for (const ir::FuncResult& result : func.results) {
    const ir::Value& value = func[result.value];
    results.emplace_back(value.type);
    std::memcpy(results.back().bytes(), memory.of(value.storage.space) + value.storage.offset,
                results.back().byte_count());
  }
  return results;
}

std::vector<ir::Tensor> some_arguments(const ir::Func& func, uint32_t seed, bool special) {
  std::vector<ir::Tensor> arguments;
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  const auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state >> 33);
  };
  const double kSpecial[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1e-42, -1e-42, 3e38, 1.0, -1.0};
  for (size_t i = 0; i < func.parameter_count; ++i) {
    ir::Tensor tensor(func.values[i].type);
    for (int64_t k = 0; k < tensor.elements(); ++k) {
      double number = (static_cast<double>(next()) / 2147483648.0 - 0.5) * 8;
      if (special && next() % 3 == 0) number = kSpecial[next() % std::size(kSpecial)];
      if (tensor.type().dtype == ir::DType::i32)
        number = special && next() % 4 == 0 ? (next() % 2 == 0 ? INT32_MIN : INT32_MAX)
                                            : static_cast<int>(next() % 201) - 100;
      if (tensor.type().dtype == ir::DType::boolean) number = next() % 2;
      tensor.set(k, number);
    }
    arguments.push_back(std::move(tensor));
  }
  return arguments;
}

std::vector<ir::Tensor> interpret_steps(const ir::Func& func, std::vector<ir::Tensor> arguments, int64_t steps) {
  std::vector<ir::Tensor> results;
  for (int64_t step = 0; step < steps; ++step) {
    ir::Result<std::vector<ir::Tensor>> values = ir::evaluate(func, arguments);
    if (!values.ok()) FAIL(values.error());
    results = *values;
    for (size_t i = 0; i < results.size(); ++i) {
      const std::optional<ir::ValueId> argument = func.find_parameter(func.results[i].name);
      if (argument) arguments[argument->index] = results[i];
    }
  }
  return results;
}

void check_compiled(const ir::Func& plan, const std::vector<ir::Tensor>& arguments, const codegen::Options& options,
                    int64_t steps, int threads) {
  const std::vector<ir::Tensor> expected = interpret_steps(plan, arguments, steps);
  const std::vector<ir::Tensor> results = run_compiled(plan, arguments, options, steps, threads);
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].same_bits(expected[i])) continue;
    std::string values;
    int shown = 0;
    for (int64_t k = 0; k < results[i].elements() && shown < 5; ++k) {
      if (results[i].at(k) == expected[i].at(k)) continue;
      ++shown;
      values += "\n  [" + std::to_string(k) + "] compiled " + std::to_string(results[i].at(k)) + ", interpreted " +
                std::to_string(expected[i].at(k));
    }
    const auto program = codegen::lower(plan, {"test.ir"}, options);
    FAIL("result " << plan.results[i].name << " differs (" << describe(options) << ", " << steps << " steps, "
                   << threads << " threads)" << values << "\n"
                   << ir::print(plan, {"test.ir"}) << codegen::print(*program));
  }
}

void check_compiled(const ir::Func& func, uint32_t seed, bool special) {
  const std::vector<ir::Tensor> arguments = some_arguments(func, seed, special);
  for (const ir::Func& plan : {planned(func), planned_apart(func)}) {
    const auto check = [&](int opt_level, int width, bool unroll, int threads) {
      codegen::Options options;
      if (unroll) options.parallel_ns = 0;
      options.opt_level = opt_level;
      options.vector_width = width;
      options.unroll = unroll;
      check_compiled(plan, arguments, options, opt_level == 2 && width <= 1 ? 3 : 1, threads);
    };
    for (const auto& [width, threads] : {std::pair{0, 3}, {1, 1}, {4, 2}, {8, 1}, {16, 1}}) {
      check(2, width, false, 1);
      check(2, width, true, threads);
    }
    for (int width : {1, 16}) check(0, width, width == 1, 1);
  }
}

}  // namespace gradc
