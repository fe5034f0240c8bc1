#include "codegen/target.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>

#include "codegen/machine_schedule.h"
#include "ir/ensure.h"

namespace gradc::codegen {

namespace {

struct Processor {
  std::string triple, name, features;
  const llvm::Target* target = nullptr;
};

// Sets one of LLVM's own options; gives whether there is one of that name.
bool set_option(const char* name, const char* value) {
  const auto option = llvm::cl::getRegisteredOptions().find(name);
  if (option == llvm::cl::getRegisteredOptions().end()) return false;
  option->second->addOccurrence(0, name, value);
  return true;
}

// Left out is what takes time and changes nothing in the code of our kernels.
void leave_out_passes() {
  // The multiples of a loop's index that addresses need are counted where the loop is emitted (emit_memory.cpp). LLVM's
  // own search for them takes half of the time of code generation and finds no better ones.
  ENSURE(set_option("disable-lsr", "true"), "LLVM does not know -disable-lsr");
  // Nothing is dead, no block is worth copying into its predecessors, and there are no chains of comparisons and no
  // calls of the C library.
  for (const char* name : {"disable-machine-dce", "disable-tail-duplicate", "disable-early-taildup",
                           "disable-mergeicmps", "disable-partial-libcall-inlining"})
    ENSURE(set_option(name, "true"), std::string("LLVM does not know -") + name);
  // Of x86: loads and moves of 8 and 16 bits, of which there are few.
  set_option("fixup-byte-word-insts", "false");
}

// What the processor is called, without LLVM's tables of it.
Processor describe_processor(const Options& options) {
  Processor processor;
  processor.triple = llvm::sys::getProcessTriple();
  processor.name = options.cpu;
  if (options.cpu == "native") {
    processor.name = llvm::sys::getHostCPUName().str();
    for (const auto& feature : llvm::sys::getHostCPUFeatures()) {
      if (!processor.features.empty()) processor.features += ',';
      processor.features += (feature.second ? "+" : "-") + feature.first().str();
    }
  }
  return processor;
}

ir::Result<Processor> find_processor(const Options& options) {
  // Once, because functions are compiled side by side: a target that another thread is just registering is not found.
  static const bool is_there = [] {
    leave_out_passes();
    register_machine_scheduler();
    ENSURE(set_option("misched", kMachineScheduler), "LLVM does not know -misched");
    return !llvm::InitializeNativeTarget() && !llvm::InitializeNativeTargetAsmPrinter();
  }();
  if (!is_there) return ir::Error{"this LLVM has no code generator for the host"};
  Processor processor = describe_processor(options);
  std::string error;
  processor.target = llvm::TargetRegistry::lookupTarget(processor.triple, error);
  if (processor.target == nullptr) return ir::Error{"LLVM has no code generator for " + processor.triple};
  return processor;
}

std::unique_ptr<llvm::MCSubtargetInfo> subtarget(const Processor& processor, const std::string& name) {
  return std::unique_ptr<llvm::MCSubtargetInfo>(
      processor.target->createMCSubtargetInfo(processor.triple, name, processor.features));
}

}  // namespace

ir::Result<TargetInfo> target_info(const Options& options) {
  ir::Result<Processor> processor = find_processor(options);
  if (!processor) return processor.take_error();
  // A subtarget of an unknown processor would print a warning, so its name is checked by one without a name.
  if (options.cpu != "native" && !subtarget(*processor, "")->isCPUStringValid(processor->name))
    return ir::Error{"LLVM knows no processor `" + processor->name + "` for " + processor->triple};
  const auto features = subtarget(*processor, processor->name);
  TargetInfo info;
  info.description = processor->triple + " " + processor->name;
  bool has_fma = false;
  const bool x86 = llvm::Triple(processor->triple).isX86();
  if (x86) {
    info.vector_floats = features->checkFeatures("+avx512f") ? 16 : features->checkFeatures("+avx") ? 8 : 4;
    info.vector_registers = info.vector_floats == 16 ? 32 : 16;
    info.masked_loads = info.vector_floats >= 8;
    has_fma = features->checkFeatures("+fma") || features->checkFeatures("+avx512f");
  } else {
    // AArch64 always has a fused multiply-add, RISC-V with the F extension that our floats need anyway.
    const llvm::Triple triple(processor->triple);
    info.vector_registers = 32;
    has_fma = triple.isAArch64() || triple.isRISCV();
  }
  info.software_fma = options.software_fma || !has_fma;
  return info;
}

std::string target_text(const Options& options) {
  const Processor processor = describe_processor(options);
  return processor.triple + " " + processor.name + " " + processor.features;
}

ir::Result<std::unique_ptr<llvm::TargetMachine>> make_target_machine(const Options& options) {
  ir::Result<Processor> processor = find_processor(options);
  if (!processor) return processor.take_error();
  llvm::TargetOptions target_options;
  // No fused multiply-add that the program does not ask for.
  target_options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  const llvm::CodeGenOptLevel level =
      options.opt_level == 0 ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Less;
  std::unique_ptr<llvm::TargetMachine> machine(
      processor->target->createTargetMachine(processor->triple, processor->name, processor->features, target_options,
                                             llvm::Reloc::PIC_, llvm::CodeModel::Small, level));
  if (machine == nullptr) return ir::Error{"LLVM cannot make code for " + processor->triple};
  return machine;
}

}  // namespace gradc::codegen
