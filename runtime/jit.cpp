#include "runtime/jit.h"

#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Support/MemoryBuffer.h>

#include <chrono>

#include "codegen/llvm_error.h"
#include "codegen/sanitize_threads.h"

namespace gradc::runtime {

struct CompiledStep::Library {
  std::unique_ptr<llvm::orc::LLJIT> jit;
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
  auto library = std::make_unique<CompiledStep::Library>();
  // Generated code refers to nothing outside itself, so the process's symbols are not offered to it, but for those of
  // the thread sanitizer.
  auto jit = llvm::orc::LLJITBuilder()
                 .setLinkProcessSymbolsByDefault(codegen::kSanitizeThreads)
                 .setPlatformSetUp(llvm::orc::setUpInactivePlatform)
                 .create();
  if (!jit) return codegen::to_error(jit.takeError());
  library->jit = std::move(*jit);
  for (size_t i = 0; i < object.files.size(); ++i) {
    const llvm::StringRef file(object.files[i].data(), object.files[i].size());
    auto buffer = llvm::MemoryBuffer::getMemBufferCopy(file, object.symbol + "." + std::to_string(i));
    if (llvm::Error error = library->jit->addObjectFile(std::move(buffer))) return codegen::to_error(std::move(error));
  }
  auto address = library->jit->lookup(object.symbol);
  if (!address) return codegen::to_error(address.takeError());
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
  object.milliseconds.emplace_back("link", elapsed.count());
  CompiledStep step(std::move(library), address->toPtr<gradc_step_function>(), std::move(object.milliseconds));
  step.llvm_times_ = std::move(object.llvm_times);
  return step;
}

ir::Result<CompiledStep> compile(const codegen::KernelProgram& program, const codegen::Options& options) {
  ir::Result<codegen::ObjectCode> object = codegen::emit_object(program, options);
  if (!object) return object.take_error();
  return link(std::move(*object));
}

}  // namespace gradc::runtime
