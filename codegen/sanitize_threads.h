// Generated code under the thread sanitizer: where gradc is built with it (cmake --preset tsan), the code that it makes
// tells the sanitizer what it reads and writes, too. Internal to codegen and runtime/jit.cpp (LLVM types).
#pragma once
#include <llvm/IR/Module.h>

namespace gradc::codegen {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GRADC_SANITIZE_THREADS 1
#endif
#endif
#ifdef GRADC_SANITIZE_THREADS
constexpr bool kSanitizeThreads = true;
#else
constexpr bool kSanitizeThreads = false;
#endif

void sanitize_threads(llvm::Module& module);

}  // namespace gradc::codegen
