// From a planned function to machine code: lower (tensor IR -> kernel IR, scheduled), print, verify, and emit (kernel
// IR
// -> LLVM IR -> assembly or an object file). No LLVM type appears here.
//
// Takes an ir::Func after the passes order, fuse and plan_memory. Gives the kernels as text, or code whose entry point
// is codegen/abi.h's StepFunction: compiled code equals ir/eval.h bit for bit, whatever the options. Tests:
// tests/native.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codegen/kernel.h"
#include "ir/graph.h"
#include "ir/result.h"

namespace gradc::codegen {

// None of these changes a result.
struct Options {
  int opt_level = 2;          // 0: no optimization at all; 2: what pays (optimize.cpp)
  int vector_width = 0;       // floats in a vector: 0 what the processor has, 1, 2, 4, 8 or 16
  bool unroll = true;         // tiles of sums in registers, copied bodies of short loops; tiny programs become one line
  bool software_fma = false;  // fma out of double additions and multiplications, even where the processor has it
  bool debug_info = true;     // source places in the machine code
  int64_t parallel_ns = 4000;  // a kernel that is estimated to take less is not dealt out to threads
  bool time_llvm = false;      // ask LLVM what each of its passes took (ObjectCode::llvm_times); no part of cache_key
  bool explain = false;        // keep the reasons of the schedules, for print
  int compile_threads = 0;     // that compiling may use; 0: ir::default_threads(). No part of cache_key
  std::string cpu = "native";  // a processor name of LLVM
};

// What the schedules need to know of the processor.
struct TargetInfo {
  int vector_floats = 4;      // floats in its widest register
  int vector_registers = 16;  // of that kind
  bool software_fma = true;   // it has no fused multiply-add, or the options want none
  bool masked_loads = false;  // one instruction loads those elements of a vector that a mask names
  std::string description;    // "x86_64-pc-linux-gnu znver3"
};
ir::Result<TargetInfo> target_info(const Options& options);

// Kernel IR of a planned function, scheduled. `files` are the names that source places refer to (Module::files).
// Errors: f64 (only the interpreter evaluates it), a value without storage, an expression too large for one kernel.
ir::Result<KernelProgram> lower(const ir::Func& func, const std::vector<std::string>& files, const Options& options);

std::string print(const KernelProgram& program);

// Empty where every invariant that kernel_verify.h lists holds, else the first violation.
std::string verify(const KernelProgram& program);

// Floating-point operations of one run: a fused multiply-add is two, functions are counted as what they are made of,
// terms that a condition keeps out of a sum not at all.
int64_t operations_of(const Kernel& kernel);

// A program of one kernel that fills the registers of the processor with fused multiply-adds.
KernelProgram peak_probe(const TargetInfo& target);

enum class Stage { llvm, llvm_opt, assembly };
ir::Result<std::string> emit_text(const KernelProgram& program, Stage stage, const Options& options);

// Machine code in the system's object format: files that name nothing outside themselves.
struct ObjectCode {
  std::string symbol;  // of the step function
  std::vector<std::vector<char>> files;
  int64_t arena_bytes = 0;                                   // that the host gives it (abi.h),
  std::vector<InitialBytes> initial;                         // and what stands there before the first step
  std::vector<std::pair<std::string, double>> milliseconds;  // spent in: emit, optimize, machine code
  std::string llvm_times;                                    // LLVM's own table, with Options::time_llvm
};
ir::Result<ObjectCode> emit_object(const KernelProgram& program, const Options& options);

// SHA-256 as 64 hexadecimal digits.
std::string digest(std::string_view text);
// The digest of everything that the code of lower and emit_object depends on: the function as text, the options, the
// processor and its features, and which build of this program it is. Empty where that is not known.
std::string cache_key(const ir::Func& func, const std::vector<std::string>& files, const Options& options);

}  // namespace gradc::codegen
