// Compiled code in this process: links an object file made by codegen and calls its step function.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "codegen/abi.h"
#include "codegen/codegen.h"
#include "ir/result.h"

namespace gradc::runtime {

// A step function and the memory its code lives in. Movable; calls are valid as long as it lives.
class CompiledStep {
 public:
  CompiledStep(CompiledStep&&) noexcept;
  CompiledStep& operator=(CompiledStep&&) noexcept;
  ~CompiledStep();

  // Runs `steps` steps; see codegen/abi.h.
  int32_t operator()(void* state, const void* data, const void* hyper, int64_t steps, gradc_context& context) const {
    return function_(state, data, hyper, steps, &context);
  }

  // What compiling took, by phase: emit, optimize, machine code, link.
  const std::vector<std::pair<std::string, double>>& milliseconds() const { return milliseconds_; }
  double total_milliseconds() const;
  const std::string& llvm_times() const { return llvm_times_; }

 private:
  friend ir::Result<CompiledStep> link(codegen::ObjectCode object);
  struct Library;
  CompiledStep(std::unique_ptr<Library> library, gradc_step_function function,
               std::vector<std::pair<std::string, double>> milliseconds);

  std::unique_ptr<Library> library_;
  gradc_step_function function_ = nullptr;
  std::vector<std::pair<std::string, double>> milliseconds_;
  std::string llvm_times_;
};

ir::Result<CompiledStep> compile(const codegen::KernelProgram& program, const codegen::Options& options);

// Machine code that was made before, from a cache for example.
ir::Result<CompiledStep> link(codegen::ObjectCode object);

}  // namespace gradc::runtime
