// Compiled code equals the interpreter bit for bit: whole small functions.
#include <doctest/doctest.h>

#include "run_compiled.h"

namespace gradc {

TEST_CASE("compiled: a layer and its update in place") {
  check_compiled(func_of(
      R"(func @step(%w: f32[5,2] parameter, %b: f32[5] parameter, %x: f32[7,2] data, %lr: f32[] hyper) -> (w: f32[5,2], b: f32[5], loss: f32[]) {
  %0 = contract %x, %w {"bi,oi->bo"} : f32[7,5]
  %1 = broadcast %b {axes = [1]} : f32[7,5]
  %2 = add %0, %1 : f32[7,5]
  %3 = constant {[0]} : f32[7,5]
  %4 = max %2, %3 : f32[7,5]
  %5 = contract %4, %x {"bo,bi->oi"} : f32[5,2]
  %6 = broadcast %lr {axes = []} : f32[5,2]
  %7 = mul %6, %5 : f32[5,2]
  %8 = sub %w, %7 : f32[5,2]
  %9 = reduce %4 {sum, axes = [0]} : f32[5]
  %10 = sub %b, %9 : f32[5]
  %11 = reduce %2 {sum, axes = [0, 1]} : f32[]
  return %8, %10, %11
}
)"));
}

}  // namespace gradc
