// The 2-5-1 adder with a batch, by hand with vector types: the rows lie in the lanes, the gradients are summed in
// vectors and folded once a step. SGD on mean squared error, the row values as three arrays.
//
//   clang++ -std=c++20 -O3 -march=native -ffp-contract=fast -DBATCH=32 adder_batch.cpp
//
// usage: adder_batch SECONDS    prints {"ns_per_step":...,"loss":...}
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__AVX512F__)
typedef float Vector __attribute__((vector_size(64)));
#elif defined(__AVX__)
typedef float Vector __attribute__((vector_size(32)));
#else
typedef float Vector __attribute__((vector_size(16)));
#endif
constexpr int kWidth = sizeof(Vector) / sizeof(float), kHidden = 5, kGroups = BATCH / kWidth;
static_assert(BATCH % kWidth == 0);

float fold(Vector v) {
  float lanes[kWidth];
  std::memcpy(lanes, &v, sizeof v);
  for (int half = kWidth / 2; half > 0; half /= 2) {
    for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  }
  return lanes[0];
}

struct Network {
  float u[kHidden], w[kHidden], c[kHidden], v[kHidden], d;
};

float step(Network& n, const Vector* a, const Vector* b, const Vector* t, float lr) {
  Vector gu[kHidden] = {}, gw[kHidden] = {}, gc[kHidden] = {}, gv[kHidden] = {}, gd = {}, loss = {};
  for (int k = 0; k < kGroups; ++k) {
    Vector h[kHidden], y = Vector{} + n.d;
    for (int i = 0; i < kHidden; ++i) {
      const Vector z = n.u[i] * a[k] + (n.w[i] * b[k] + n.c[i]);
      h[i] = z > 0 ? z : Vector{};
      y += n.v[i] * h[i];
    }
    const Vector e = y - t[k], g = e * (2.0f / BATCH);
    loss += e * e;
    gd += g;
    for (int i = 0; i < kHidden; ++i) {
      const Vector change = h[i] > 0 ? g * n.v[i] : Vector{};
      gv[i] += g * h[i];
      gc[i] += change;
      gu[i] += change * a[k];
      gw[i] += change * b[k];
    }
  }
  for (int i = 0; i < kHidden; ++i) {
    n.u[i] -= lr * fold(gu[i]);
    n.w[i] -= lr * fold(gw[i]);
    n.c[i] -= lr * fold(gc[i]);
    n.v[i] -= lr * fold(gv[i]);
  }
  n.d -= lr * fold(gd);
  return fold(loss) / BATCH;
}

int main(int, char** words) {
  static Vector a[kGroups], b[kGroups], t[kGroups];
  std::srand(1);
  const auto draw = [] { return 2.0f * static_cast<float>(std::rand()) / static_cast<float>(RAND_MAX) - 1; };
  for (int k = 0; k < kGroups; ++k) {
    for (int lane = 0; lane < kWidth; ++lane) {
      a[k][lane] = 10 * draw();
      b[k][lane] = 10 * draw();
      t[k][lane] = a[k][lane] + b[k][lane];
    }
  }
  Network network;
  float* values = reinterpret_cast<float*>(&network);
  for (size_t k = 0; k < sizeof network / sizeof(float); ++k) values[k] = 0.5f * draw();
  const auto now = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  const double limit = std::atof(words[1]);
  const double start = now();
  double took = 0;
  long counted = 0;
  float loss = 0;
  for (long round = 1; took < limit; round *= 2) {
    for (long k = 0; k < round; ++k) {
      loss = step(network, a, b, t, 0.0001f);
      asm volatile("" : : : "memory");  // the rows could have changed
    }
    counted += round;
    took = now() - start;
  }
  std::printf("{\"ns_per_step\":%.3f,\"loss\":%g}\n", 1e9 * took / static_cast<double>(counted),
              static_cast<double>(loss));
}
