// The way from kernel IR to text or machine code: emit, optimize, generate code, check that nothing is missing from it.
#include <llvm/ADT/SmallString.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/PassTimingInfo.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Pass.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>

#include <chrono>

#include "codegen/codegen.h"
#include "codegen/emit_module.h"
#include "codegen/llvm_error.h"
#include "codegen/optimize.h"
#include "codegen/target.h"
#include "ir/ensure.h"

namespace gradc::codegen {

namespace {

struct Compilation {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::Module> module;
};

ir::Status start(Compilation& compilation, const KernelProgram& program, const Options& options) {
  ir::Result<TargetInfo> info = target_info(options);
  if (!info) return info.take_error();
  ir::Result<std::unique_ptr<llvm::TargetMachine>> machine = make_target_machine(options);
  if (!machine) return machine.take_error();
  compilation.machine = std::move(*machine);
  compilation.module = emit_module(program, options, options.software_fma || !info->has_fma, compilation.context);
  compilation.module->setDataLayout(compilation.machine->createDataLayout());
  compilation.module->setTargetTriple(compilation.machine->getTargetTriple().str());
  return ir::success();
}

ir::Result<llvm::SmallString<0>> machine_code(Compilation& compilation, llvm::CodeGenFileType type) {
  llvm::SmallString<0> code;
  llvm::raw_svector_ostream stream(code);
  llvm::legacy::PassManager passes;
  if (compilation.machine->addPassesToEmitFile(passes, stream, nullptr, type))
    return ir::Error{"LLVM cannot write this kind of file for the host"};
  passes.run(*compilation.module);
  return code;
}

// Generated code calls nothing: no C library, no helper of the compiler.
ir::Status check_symbols(llvm::StringRef code) {
  auto object = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(code, "generated code"));
  if (!object) return to_error(object.takeError());
  for (const llvm::object::SymbolRef& symbol : (*object)->symbols()) {
    llvm::Expected<uint32_t> flags = symbol.getFlags();
    if (!flags) return to_error(flags.takeError());
    if ((*flags & llvm::object::SymbolRef::SF_Undefined) == 0) continue;
    llvm::Expected<llvm::StringRef> name = symbol.getName();
    if (!name) return to_error(name.takeError());
    // The first entry of an ELF symbol table is nobody.
    ENSURE(name->empty(), "generated code calls " + name->str());
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
  Compilation compilation;
  if (ir::Status status = start(compilation, program, options); !status) return status.take_error();
  if (stage != Stage::llvm) optimize(*compilation.module, *compilation.machine, program, options);
  if (stage == Stage::assembly) {
    ir::Result<llvm::SmallString<0>> code = machine_code(compilation, llvm::CodeGenFileType::AssemblyFile);
    if (!code) return code.take_error();
    return code->str().str();
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  compilation.module->print(stream, nullptr);
  return text;
}

ir::Result<ObjectCode> emit_object(const KernelProgram& program, const Options& options) {
  ObjectCode object;
  Clock clock;
  Compilation compilation;
  if (ir::Status status = start(compilation, program, options); !status) return status.take_error();
  object.milliseconds.emplace_back("emit", clock.lap());
  optimize(*compilation.module, *compilation.machine, program, options);
  object.milliseconds.emplace_back("optimize", clock.lap());
  llvm::TimePassesIsEnabled = options.time_llvm;
  ir::Result<llvm::SmallString<0>> code = machine_code(compilation, llvm::CodeGenFileType::ObjectFile);
  if (!code) return code.take_error();
  if (options.time_llvm) {
    llvm::raw_string_ostream times(object.llvm_times);
    llvm::reportAndResetTimings(&times);
  }
  if (ir::Status status = check_symbols(code->str()); !status) return status.take_error();
  object.milliseconds.emplace_back("machine code", clock.lap());
  object.symbol = symbol_name(program);
  object.bytes.assign(code->begin(), code->end());
  return object;
}

}  // namespace gradc::codegen
