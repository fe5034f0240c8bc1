#include "runtime/jit.h"

#include <llvm/ExecutionEngine/Orc/Core.h>
#include <llvm/ExecutionEngine/Orc/EPCDynamicLibrarySearchGenerator.h>
#include <llvm/ExecutionEngine/Orc/ExecutorProcessControl.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/Support/MemoryBuffer.h>

#include <chrono>

#include "codegen/llvm_error.h"
#include "codegen/sanitize_threads.h"

namespace gradc::runtime {

// No LLJIT: it makes target machines, for modules that nobody gives it, and their tables of the processor are most of
// what linking a small step takes.
struct CompiledStep::Library {
  explicit Library(std::unique_ptr<llvm::orc::ExecutorProcessControl> process)
      : session(std::move(process)), layer(session) {}
  ~Library() {
    if (llvm::Error error = session.endSession()) session.reportError(std::move(error));
  }

  llvm::orc::ExecutionSession session;
  llvm::orc::ObjectLinkingLayer layer;
};

CompiledStep::CompiledStep(std::unique_ptr<Library> library, gradc_step_function function,
                           std::vector<std::pair<std::string, double>> milliseconds)
    : library_(std::move(library)), function_(function), milliseconds_(std::move(milliseconds)) {}
CompiledStep::CompiledStep(CompiledStep&&) noexcept = default;
CompiledStep& CompiledStep::operator=(CompiledStep&&) noexcept = default;
CompiledStep::~CompiledStep() = default;

double CompiledStep::total_milliseconds() const {
  double total = 0;
  for (const auto& [phase, milliseconds] : milliseconds_) total += milliseconds;
  return total;
}

ir::Result<CompiledStep> link(codegen::ObjectCode object) {
  const auto start = std::chrono::steady_clock::now();
  auto process = llvm::orc::SelfExecutorProcessControl::Create();
  if (!process) return codegen::to_error(process.takeError());
  auto library = std::make_unique<CompiledStep::Library>(std::move(*process));
  llvm::orc::ExecutionSession& session = library->session;
  llvm::orc::JITDylib& code = session.createBareJITDylib(object.symbol);
  // Generated code refers to nothing outside itself, so the process's symbols are not offered to it, but for those of
  // the thread sanitizer.
  if (codegen::kSanitizeThreads) {
    auto symbols = llvm::orc::EPCDynamicLibrarySearchGenerator::GetForTargetProcess(session);
    if (!symbols) return codegen::to_error(symbols.takeError());
    code.addGenerator(std::move(*symbols));
  }
  for (size_t i = 0; i < object.files.size(); ++i) {
    const llvm::StringRef file(object.files[i].data(), object.files[i].size());
    auto buffer = llvm::MemoryBuffer::getMemBufferCopy(file, object.symbol + "." + std::to_string(i));
    if (llvm::Error error = library->layer.add(code, std::move(buffer))) return codegen::to_error(std::move(error));
  }
  auto symbol = session.lookup({&code}, object.symbol);
  if (!symbol) return codegen::to_error(symbol.takeError());
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
  object.milliseconds.emplace_back("link", elapsed.count());
  CompiledStep step(std::move(library), symbol->getAddress().toPtr<gradc_step_function>(),
                    std::move(object.milliseconds));
  step.llvm_times_ = std::move(object.llvm_times);
  return step;
}

ir::Result<CompiledStep> compile(const codegen::KernelProgram& program, const codegen::Options& options) {
  ir::Result<codegen::ObjectCode> object = codegen::emit_object(program, options);
  if (!object) return object.take_error();
  return link(std::move(*object));
}

}  // namespace gradc::runtime
