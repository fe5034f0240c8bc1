#include "codegen/optimize.h"

#include <llvm/Passes/PassBuilder.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/LICM.h>

namespace gradc::codegen {

void run_on_functions(llvm::Module& module, llvm::TargetMachine& machine, llvm::FunctionPassManager passes) {
  llvm::PassBuilder builder(&machine);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::ModulePassManager pipeline;
  pipeline.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(passes)));
  pipeline.run(module, modules);
}

void optimize(llvm::Module& module, llvm::TargetMachine& machine, const KernelProgram& program,
              const Options& options) {
  if (options.opt_level == 0 || program.resident) return;
  llvm::FunctionPassManager passes;
  // Points of a tile have parts of their addresses in common. Found here, they are not selected again and again, and
  // loops carry one pointer for all of them.
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), true));
  run_on_functions(module, machine, std::move(passes));
}

}  // namespace gradc::codegen
