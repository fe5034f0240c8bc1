#include "codegen/machine_schedule.h"

#include <llvm/CodeGen/MachineScheduler.h>
#include <llvm/CodeGen/MacroFusion.h>
#include <llvm/CodeGen/TargetPassConfig.h>
#include <llvm/CodeGen/TargetSubtargetInfo.h>
#include <llvm/Target/TargetMachine.h>

#include <memory>

namespace gradc::codegen {

namespace {

constexpr unsigned kLongChain = 40;  // cycles

// LLVM orders a block from its end and takes what frees a register first: the chains of tanh for twelve vectors come
// out one behind the other. A processor sees some sixty of its instructions ahead, not three hundred, and waits for
// each chain. From the beginning of the block, what is ready first comes first, and the chains run side by side. Where
// no chain is long there is nothing to wait for, and the order that needs fewer registers stays.
class SideBySide : public llvm::GenericScheduler {
 public:
  using GenericScheduler::GenericScheduler;

  void registerRoots() override {
    GenericScheduler::registerRoots();
    if (Rem.CriticalPath <= kLongChain) return;
    RegionPolicy.OnlyTopDown = true;
    RegionPolicy.OnlyBottomUp = false;
  }
};

// The comparison and the branch that ends a loop are one instruction to the processor where they stand together.
bool is_compare_and_branch(const llvm::TargetInstrInfo&, const llvm::TargetSubtargetInfo&,
                           const llvm::MachineInstr* first, const llvm::MachineInstr& second) {
  return second.isConditionalBranch() && (first == nullptr || first->isCompare());
}

llvm::ScheduleDAGInstrs* make_scheduler(llvm::MachineSchedContext* context) {
  // Measured on x86 only; other targets keep their own.
  if (!context->MF->getTarget().getTargetTriple().isX86()) {
    llvm::ScheduleDAGInstrs* own = context->PassConfig->createMachineScheduler(context);
    return own != nullptr ? own : llvm::createGenericSchedLive(context);
  }
  auto* graph = new llvm::ScheduleDAGMILive(context, std::make_unique<SideBySide>(context));
  graph->addMutation(llvm::createCopyConstrainDAGMutation(graph->TII, graph->TRI));
  graph->addMutation(llvm::createMacroFusionDAGMutation({is_compare_and_branch}));
  return graph;
}

}  // namespace

void register_machine_scheduler() {
  static llvm::MachineSchedRegistry entry(kMachineScheduler, "chains side by side", make_scheduler);
}

}  // namespace gradc::codegen
