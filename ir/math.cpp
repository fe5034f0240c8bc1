#include "ir/math.h"

#include "ir/math_power.h"
#include "ir/math_sine.h"

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

float erf_f32(float x) {
  FloatBuilder builder;
  return erf_f32(builder, x);
}

float sin_f32(float x) {
  FloatBuilder builder;
  return sin_f32(builder, x);
}

float cos_f32(float x) {
  FloatBuilder builder;
  return cos_f32(builder, x);
}

float pow_f32(float a, float b) {
  FloatBuilder builder;
  return pow_f32(builder, a, b);
}

}  // namespace gradc::ir
