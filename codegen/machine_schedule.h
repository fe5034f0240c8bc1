// The order of machine instructions before registers are given out.
#pragma once

namespace gradc::codegen {

// The name under which LLVM's option `misched` knows this scheduler.
inline constexpr const char* kMachineScheduler = "gradc";

// Makes it known; once a process, before machine code is written.
void register_machine_scheduler();

}  // namespace gradc::codegen
