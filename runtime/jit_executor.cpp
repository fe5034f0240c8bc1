#include "runtime/jit_executor.h"

#include <chrono>
#include <cstring>
#include <future>
#include <memory>
#include <mutex>
#include <system_error>

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
using Loaded = ir::Result<std::shared_ptr<LoadedCode>>;

class Clock {
 public:
  double milliseconds() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Loaded load(codegen::ObjectCode object, AlignedBuffer arena) {
  for (const codegen::InitialBytes& table : object.initial) {
    std::memcpy(arena.data() + table.offset, table.bytes.data(), table.bytes.size());
  }
  ir::Result<CompiledStep> step = link(std::move(object));
  if (!step) return step.take_error();
  return std::make_shared<LoadedCode>(LoadedCode{std::move(*step), std::move(arena)});
}

// The code that is kept under the key; nothing where there is none that works.
std::shared_ptr<LoadedCode> find_kept(const JitCache& cache, const std::string& key) {
  std::optional<codegen::ObjectCode> stored = cache.find(key);
  if (!stored) return nullptr;
  AlignedBuffer arena(stored->arena_bytes);
  Loaded loaded = load(std::move(*stored), std::move(arena));
  if (loaded) return *loaded;
  cache.drop(key);
  return nullptr;
}

// On a thread of its own, or, where the system gives none, when it is asked for.
template <typename Work>
auto start(Work work) -> std::future<decltype(work())> {
  try {
    return std::async(std::launch::async, work);
  } catch (const std::system_error&) {
    return std::async(std::launch::deferred, std::move(work));
  }
}

Loaded make(const ir::Func& planned, const std::vector<std::string>& files, const codegen::Options& options,
            const std::optional<JitCache>& cache, const std::string& key) {
  const Clock clock;
  ir::Result<codegen::KernelProgram> lowered = codegen::lower(planned, files, options);
  if (!lowered) return lowered.take_error();
  const double lowering = clock.milliseconds();
  // Meanwhile: the system clears the pages one by one, and link would wait for it.
  std::future<AlignedBuffer> arena = start([bytes = lowered->arena_bytes] { return AlignedBuffer(bytes); });
  ir::Result<codegen::ObjectCode> object = codegen::emit_object(*lowered, options);
  if (!object) return object.take_error();
  object->milliseconds.emplace(object->milliseconds.begin(), "lower", lowering);
  if (cache && !key.empty()) cache->store(key, *object);
  return load(std::move(*object), arena.get());
}

// Work that is begun once, by whoever asks first.
class Later {
 public:
  explicit Later(std::function<Loaded()> work) : work_(std::move(work)) {}
  void begin() {
    std::call_once(begun_, [this] { loaded_ = start(work_).share(); });
  }
  const Loaded& get() {
    begin();
    return loaded_.get();
  }

 private:
  std::function<Loaded()> work_;
  std::once_flag begun_;
  std::shared_future<Loaded> loaded_;
};

ir::Status run_steps(LoadedCode& code, ir::ThreadPool* pool, const StepBuffers& buffers, int64_t steps) {
  gradc_context context = {};
  context.arena = code.arena.data();
  context.results = buffers.results;
  context.data_stride = buffers.data_stride;
  context.hyper_stride = buffers.hyper_stride;
  context.result_stride = buffers.result_stride;
  if (pool != nullptr && pool->threads() > 1) {
    context.parallel_for = ir::ThreadPool::parallel_for;
    context.pool = pool;
  }
  const int32_t status = code.step(buffers.state, buffers.data, buffers.hyper, steps, context);
  ENSURE(status == 0, "compiled code returned " + std::to_string(status));
  return ir::success();
}

Executor executor_of(std::shared_ptr<LoadedCode> code, std::shared_ptr<ir::ThreadPool> pool) {
  return [code = std::move(code), pool = std::move(pool)](const StepBuffers& buffers, int64_t steps) {
    return run_steps(*code, pool.get(), buffers, steps);
  };
}

}  // namespace

ir::Result<CompiledExecutor> compile_executor(const ir::Func& planned, const std::vector<std::string>& files,
                                              const codegen::Options& options, const Host& host, When when) {
  CompiledExecutor executor;
  std::string key;
  if (host.cache) {
    const Clock clock;
    key = codegen::cache_key(planned, files, options);
    std::shared_ptr<LoadedCode> kept = key.empty() ? nullptr : find_kept(*host.cache, key);
    if (kept != nullptr) {
      executor.milliseconds.emplace_back("cache", clock.milliseconds());
      executor.run = executor_of(std::move(kept), host.pool);
      return executor;
    }
  }
  if (when == When::later) {
    auto later = std::make_shared<Later>(
        [planned, files, options, cache = host.cache, key] { return make(planned, files, options, cache, key); });
    executor.begin = [later] { later->begin(); };
    executor.run = [later, pool = host.pool](const StepBuffers& buffers, int64_t steps) -> ir::Status {
      const Loaded& loaded = later->get();
      return loaded ? run_steps(**loaded, pool.get(), buffers, steps) : ir::Status(loaded.failure());
    };
    return executor;
  }
  Loaded loaded = make(planned, files, options, host.cache, key);
  if (!loaded) return loaded.take_error();
  for (const auto& phase : (*loaded)->step.milliseconds()) executor.milliseconds.push_back(phase);
  executor.llvm_times = (*loaded)->step.llvm_times();
  executor.run = executor_of(std::move(*loaded), host.pool);
  return executor;
}

}  // namespace gradc::runtime
