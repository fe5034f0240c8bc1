#include "ir/math.h"

namespace gradc::ir {

float floor_f32(float x) {
  FloatBuilder builder;
  return floor_f32(builder, x);
}

float exp_f32(float x) {
  FloatBuilder builder;
  return exp_f32(builder, x);
}

float log_f32(float x) {
  FloatBuilder builder;
  return log_f32(builder, x);
}

float tanh_f32(float x) {
  FloatBuilder builder;
  return tanh_f32(builder, x);
}

}  // namespace gradc::ir
