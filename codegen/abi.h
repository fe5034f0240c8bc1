/* How the host calls compiled code. Plain C, so that generated object files can be called from anything.

   One call runs `steps` steps. Step s reads data + s * data_stride and hyper + s * hyper_stride, and writes
   results + s * result_stride; a stride of 0 means the same bytes every step. Bytes, not elements. `state` is updated
   in place. state, data and arena are aligned to 64 bytes and overlap nothing; arena starts with the program's tables
   (KernelProgram::initial), the rest is scratch. Returns 0. */
#ifndef GRADC_CODEGEN_ABI_H
#define GRADC_CODEGEN_ABI_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gradc_context {
  void* arena;
  void* results;
  int64_t data_stride;
  int64_t hyper_stride;
  int64_t result_stride;
  /* Calls body(environment, i) for 0 <= i < count, in any order, possibly at the same time, and returns when all are
     done; `pool` is handed back to it. Null: everything runs on the calling thread. */
  void (*parallel_for)(void* pool, void (*body)(void* environment, int64_t index), void* environment, int64_t count);
  void* pool;
} gradc_context;

typedef int32_t (*gradc_step_function)(void* state, const void* data, const void* hyper, int64_t steps,
                                       gradc_context* context);

#ifdef __cplusplus
}
#endif
#endif
