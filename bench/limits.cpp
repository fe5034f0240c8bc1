// What this processor can do at most, one thread: {"gflops":..., "copy_gb_s":..., "fma_ns":...}.
//   gflops     fused multiply-adds in registers, two operations each, 12 independent vectors
//   copy_gb_s  memcpy of 64 MiB, bytes read and written
//   fma_ns     one fused multiply-add that waits for the one before
// Start values come from memory that the compiler cannot see through, and all results are used.
// clang++ -O3 -march=native bench/limits.cpp
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#if defined(__AVX512F__)
typedef float Vector __attribute__((vector_size(64)));
#elif defined(__AVX__)
typedef float Vector __attribute__((vector_size(32)));
#else
typedef float Vector __attribute__((vector_size(16)));
#endif
constexpr int kWidth = sizeof(Vector) / sizeof(float);

template <class T>
void opaque(T& value) {
  asm volatile("" : "+m"(value) : : "memory");
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <int kChains, class T>
double fma_seconds(long rounds) {
  T sum[kChains], factor = T{} + 0.999f, term = T{} + 1e-3f;
  for (T& chain : sum) chain = T{} + 1.0f;
  opaque(sum);
  opaque(factor);
  opaque(term);
  const double start = seconds();
  for (long k = 0; k < rounds; ++k) {
    for (T& chain : sum) chain = chain * factor + term;
  }
  opaque(sum);
  return (seconds() - start) / static_cast<double>(rounds);
}

int main() {
  double gflops = 0, copy = 0, latency = 1e9;
  std::vector<char> from(64 << 20, 1), to(64 << 20, 2);
  for (int k = 0; k < 7; ++k) {
    gflops = std::max(gflops, 2e-9 * 12 * kWidth / fma_seconds<12, Vector>(5'000'000));
    latency = std::min(latency, 1e9 * fma_seconds<1, float>(20'000'000));
    const double start = seconds();
    std::memcpy(to.data(), from.data(), to.size());
    opaque(to[0]);
    copy = std::max(copy, 2e-9 * static_cast<double>(to.size()) / (seconds() - start));
  }
  std::printf("{\"gflops\":%.2f,\"copy_gb_s\":%.2f,\"fma_ns\":%.3f}\n", gflops, copy, latency);
}
