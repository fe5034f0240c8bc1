/* One training step of the 2-5-1 adder, written by hand: the yardstick for the compiled step.

   relu, mean squared error, plain SGD, batch 1 on the single row (5, 3) -> 8, parameters in local variables. The sums run
   in the order that gradc fixes for these shapes (docs/architecture.md, "Order of sums"): sequential fma from the bias for
   the hidden layer, a tree over the five terms of the output.

   usage: adder_step STEPS     prints nanoseconds per step and the last loss */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { kHidden = 5 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Not inlined, so that the compiler cannot see the row. */
__attribute__((noinline)) static float train(float w1[kHidden][2], float b1[kHidden], float w2[kHidden], float* b2,
                                             const float* row, float lr, long steps) {
  float u[kHidden][2], c[kHidden], v[kHidden], d = *b2, loss = 0;
  for (int i = 0; i < kHidden; ++i) {
    u[i][0] = w1[i][0];
    u[i][1] = w1[i][1];
    c[i] = b1[i];
    v[i] = w2[i];
  }
  for (long s = 0; s < steps; ++s) {
    float h[kHidden], t[kHidden];
    for (int i = 0; i < kHidden; ++i) {
      const float z = fmaf(u[i][1], row[1], fmaf(u[i][0], row[0], c[i]));
      h[i] = z > 0 ? z : 0;
      t[i] = fmaf(v[i], h[i], i == 0 ? d : 0.0f);
    }
    const float y = ((t[0] + t[4]) + t[2]) + (t[1] + t[3]);
    const float e = y - row[2];
    loss = e * e;
    const float g = e + e;
    for (int i = 0; i < kHidden; ++i) {
      const float dh = h[i] > 0 ? g * v[i] : 0;
      u[i][0] = fmaf(-(dh * row[0]), lr, u[i][0]);
      u[i][1] = fmaf(-(dh * row[1]), lr, u[i][1]);
      c[i] = fmaf(-dh, lr, c[i]);
      v[i] = fmaf(-(g * h[i]), lr, v[i]);
    }
    d = fmaf(-g, lr, d);
  }
  for (int i = 0; i < kHidden; ++i) {
    w1[i][0] = u[i][0];
    w1[i][1] = u[i][1];
    b1[i] = c[i];
    w2[i] = v[i];
  }
  *b2 = d;
  return loss;
}

int main(int argc, char** argv) {
  const long steps = argc > 1 ? atol(argv[1]) : 10000000;
  float w1[kHidden][2], b1[kHidden], w2[kHidden], b2 = 0.1f, row[3] = {5, 3, 8};
  for (int i = 0; i < kHidden; ++i) {
    w1[i][0] = 0.1f + 0.1f * (float)i;
    w1[i][1] = 0.5f - 0.1f * (float)i;
    b1[i] = 0.05f * (float)i;
    w2[i] = 0.4f - 0.15f * (float)i;
  }
  train(w1, b1, w2, &b2, row, 0.01f, steps / 10); /* warm */
  const double start = now();
  const float loss = train(w1, b1, w2, &b2, row, 0.01f, steps);
  const double seconds = now() - start;
  printf("{\"ns_per_step\": %.3f, \"loss\": %g}\n", 1e9 * seconds / (double)steps, (double)loss);
  return 0;
}
