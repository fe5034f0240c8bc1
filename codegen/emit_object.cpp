// The way from kernel IR to text or machine code: emit, optimize, generate code, check that nothing is missing from it.
#include <llvm/ADT/SmallString.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/PassTimingInfo.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Pass.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <set>

#include "codegen/codegen.h"
#include "codegen/emit_module.h"
#include "codegen/llvm_error.h"
#include "codegen/optimize.h"
#include "codegen/sanitize_threads.h"
#include "codegen/target.h"
#include "ir/ensure.h"
#include "ir/thread_pool.h"

namespace gradc::codegen {

namespace {

// What makes machine code, of one module after the other.
using Generator = std::unique_ptr<llvm::TargetMachine>;

std::unique_ptr<llvm::Module> module_for(const Generator& generator, llvm::LLVMContext& context,
                                         const KernelProgram& program, const std::vector<KernelGroup>& groups,
                                         const Options& options, const Share& share) {
  std::unique_ptr<llvm::Module> module = emit_module(program, groups, options, context, share);
  module->setDataLayout(generator->createDataLayout());
  module->setTargetTriple(generator->getTargetTriple().str());
  return module;
}

ir::Result<llvm::SmallString<0>> machine_code(const Generator& generator, llvm::Module& module,
                                              llvm::CodeGenFileType type) {
  llvm::SmallString<0> code;
  llvm::raw_svector_ostream stream(code);
  llvm::legacy::PassManager passes;
  if (generator->addPassesToEmitFile(passes, stream, nullptr, type))
    return ir::Error{"LLVM cannot write this kind of file for the host"};
  passes.run(module);
  return code;
}

// Generated code calls nothing but itself: no C library, no helper of the compiler.
ir::Status check_symbols(const std::vector<std::vector<char>>& files) {
  std::set<std::string> defined, undefined;
  for (const std::vector<char>& file : files) {
    const llvm::StringRef code(file.data(), file.size());
    auto object = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(code, "generated code"));
    if (!object) return to_error(object.takeError());
    for (const llvm::object::SymbolRef& symbol : (*object)->symbols()) {
      llvm::Expected<uint32_t> flags = symbol.getFlags();
      if (!flags) return to_error(flags.takeError());
      llvm::Expected<llvm::StringRef> name = symbol.getName();
      if (!name) return to_error(name.takeError());
      // The first entry of an ELF symbol table is nobody.
      if (name->empty()) continue;
      ((*flags & llvm::object::SymbolRef::SF_Undefined) == 0 ? defined : undefined).insert(name->str());
    }
  }
  for (const std::string& name : undefined) {
    if (kSanitizeThreads && name.rfind("__tsan_", 0) == 0) continue;
    ENSURE(defined.count(name) != 0, "generated code calls " + name);
  }
  return ir::success();
}

class Clock {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double milliseconds = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return milliseconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace

ir::Result<std::string> emit_text(const KernelProgram& program, Stage stage, const Options& options) {
  ir::Result<Generator> generator = make_target_machine(options);
  if (!generator) return generator.take_error();
  llvm::LLVMContext context;
  const std::unique_ptr<llvm::Module> module =
      module_for(*generator, context, program, group_kernels(program, options.debug_info), options, {});
  if (stage != Stage::llvm) optimize(*module, **generator, program, options);
  if (stage == Stage::assembly) {
    ir::Result<llvm::SmallString<0>> code = machine_code(*generator, *module, llvm::CodeGenFileType::AssemblyFile);
    if (!code) return code.take_error();
    return code->str().str();
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, nullptr);
  return text;
}

namespace {

// The object file of one share, and what each phase took.
struct ShareCode {
  std::vector<char> file;
  double emit = 0, optimize = 0, machine_code = 0;
};

ir::Result<ShareCode> compile_share(const Generator& generator, const KernelProgram& program,
                                    const std::vector<KernelGroup>& groups, const Options& options,
                                    const Share& share) {
  ShareCode result;
  Clock clock;
  llvm::LLVMContext context;
  const std::unique_ptr<llvm::Module> module = module_for(generator, context, program, groups, options, share);
  result.emit = clock.lap();
  optimize(*module, *generator, program, options);
  if (kSanitizeThreads) sanitize_threads(*module);
  result.optimize = clock.lap();
  ir::Result<llvm::SmallString<0>> code = machine_code(generator, *module, llvm::CodeGenFileType::ObjectFile);
  if (!code) return code.take_error();
  result.machine_code = clock.lap();
  result.file.assign(code->begin(), code->end());
  return result;
}

}  // namespace

ir::Result<ObjectCode> emit_object(const KernelProgram& program, const Options& options) {
  Clock clock;
  const std::vector<KernelGroup> groups = group_kernels(program, options.debug_info);
  ir::ThreadPool threads(options.time_llvm ? 1 : options.compile_threads);  // LLVM's timers are not made for more
  const size_t count = share_count(program, groups, threads.threads());
  const double grouping = clock.lap();
  if (options.time_llvm) llvm::TimePassesIsEnabled = true;
  std::vector<std::optional<ir::Result<ShareCode>>> shares(count);
  std::atomic<size_t> next = 0;
  threads.for_each(std::min(count, static_cast<size_t>(threads.threads())), [&](size_t) {
    std::optional<ir::Result<Generator>> generator;
    for (size_t i = next++; i < count; i = next++) {
      if (!generator) generator = make_target_machine(options);
      shares[i] = *generator ? compile_share(**generator, program, groups, options, {i, count})
                             : ir::Result<ShareCode>(generator->failure());
    }
  });

  ObjectCode object;
  object.symbol = symbol_name(program);
  object.arena_bytes = program.arena_bytes;
  object.initial = program.initial;
  ShareCode total;
  total.emit = grouping;
  for (std::optional<ir::Result<ShareCode>>& share : shares) {
    if (!*share) return share->take_error();
    ShareCode& code = **share;
    total.emit += code.emit, total.optimize += code.optimize, total.machine_code += code.machine_code;
    object.files.push_back(std::move(code.file));
  }
  if (options.time_llvm) {
    llvm::raw_string_ostream times(object.llvm_times);
    llvm::reportAndResetTimings(&times);
    llvm::TimePassesIsEnabled = false;
  }
  clock.lap();
  if (ir::Status status = check_symbols(object.files); !status) return status.take_error();
  total.machine_code += clock.lap();
  object.milliseconds = {{"emit", total.emit}, {"optimize", total.optimize}, {"machine code", total.machine_code}};
  return object;
}

}  // namespace gradc::codegen
