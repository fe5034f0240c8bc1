// What the networks written by hand (lenet_step.cpp, gpt_step.cpp) share: vectors, products of matrices, Adam, and the
// ways to run a step. For one thread.
//
// usage of the programs: PROGRAM SECONDS         prints {"ns_per_step":...,"loss":...}
//                        PROGRAM losses FILE     prints {"losses":[...]} of five steps; FILE as bench/same_work writes
//                        it
#pragma once
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#if defined(__AVX512F__)
constexpr int kWidth = 16, kRows = 12;
#elif defined(__AVX__)
constexpr int kWidth = 8, kRows = 6;
#else
constexpr int kWidth = 4, kRows = 6;
#endif
typedef float Vector __attribute__((vector_size(4 * kWidth), aligned(4)));
typedef int Integers __attribute__((vector_size(4 * kWidth), aligned(4)));
using Floats = std::vector<float>;

inline Vector& vector_at(float* p) { return *reinterpret_cast<Vector*>(p); }
inline const Vector& vector_at(const float* p) { return *reinterpret_cast<const Vector*>(p); }
inline float sum_of(Vector v) {
  float sum = 0;
  for (int k = 0; k < kWidth; ++k) sum += v[k];
  return sum;
}
inline Vector largest(Vector a, Vector b) { return a > b ? a : b; }

// 2^n e^r with |r| <= ln 2 / 2 and e^r by its series; exact to about two units in the last place from -87 to 87.
inline Vector exp_of(Vector x) {
  const Vector zero = {}, shift = zero + 12582912.0f;
  x = x < -87.0f ? zero - 87.0f : x;
  const Vector moved = x * 1.44269504f + shift;
  const Vector n = moved - shift;
  const Vector r = x - n * 0.693359375f + n * 2.12194440e-4f;
  Vector p = zero + 1.3888889e-3f;
  for (float c : {8.3333333e-3f, 4.1666668e-2f, 1.6666667e-1f, 0.5f, 1.0f, 1.0f}) p = p * r + c;
  const Integers power = (reinterpret_cast<Integers>(moved) - reinterpret_cast<Integers>(shift) + 127) << 23;
  return p * reinterpret_cast<Vector>(power);
}

// Element (r, c) is at[r * row + c * column]; one of the two is 1.
struct Matrix {
  const float* at;
  int row, column;
};
inline Matrix rows_of(const float* at, int row) { return {at, row, 1}; }
inline Matrix turned(const float* at, int row) { return {at, 1, row}; }

// `out` (kRows x two vectors) plus or becomes a (its rows packed side by side, or `row` apart) times b (packed).
template <bool kPacked>
void tile(int depth, const float* a, long row, const float* b, float* out, int out_row, bool add) {
  Vector sum[kRows][2] = {};
  if (add) {
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < 2; ++c) sum[r][c] = vector_at(out + r * out_row + c * kWidth);
    }
  }
  for (int k = 0; k < depth; ++k) {
    const Vector left = vector_at(b + k * 2 * kWidth), right = vector_at(b + k * 2 * kWidth + kWidth);
    for (int r = 0; r < kRows; ++r) {
      const float factor = kPacked ? a[k * kRows + r] : a[r * row + k];
      sum[r][0] += factor * left;
      sum[r][1] += factor * right;
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < 2; ++c) vector_at(out + r * out_row + c * kWidth) = sum[r][c];
  }
}

// out[m][n] becomes, or with `add` is increased by, the sum over k of a(m, k) * b(k, n). A block of b that the second
// cache holds is packed into panels of two vectors; a tile of `out` stays in registers.
inline void product(int rows, int width, int depth, Matrix a, Matrix b, float* out, int out_row, bool add = false) {
  constexpr int kDepth = 256, kPanel = 2 * kWidth, kColumns = 256;
  alignas(64) static float packed_b[kDepth * kColumns], packed_a[kDepth * kRows];
  for (int n0 = 0; n0 < width; n0 += kColumns) {
    const int columns = std::min(kColumns, width - n0);
    for (int k0 = 0; k0 < depth; k0 += kDepth) {
      const int terms = std::min(kDepth, depth - k0);
      for (int n = 0; n < columns; n += kPanel) {
        float* panel = packed_b + n * kDepth;
        const float* from = b.at + static_cast<long>(k0) * b.row + static_cast<long>(n0 + n) * b.column;
        const int there = std::min(kPanel, columns - n);
        if (there < kPanel) std::fill_n(panel, terms * kPanel, 0.0f);
        if (b.column == 1 && there == kPanel) {
          for (int k = 0; k < terms; ++k)
            std::memcpy(panel + k * kPanel, from + static_cast<long>(k) * b.row, 4 * kPanel);
        } else {
          for (int c = 0; c < there; ++c) {
            for (int k = 0; k < terms; ++k) panel[k * kPanel + c] = from[static_cast<long>(k) * b.row + c * b.column];
          }
        }
      }
      for (int m = 0; m < rows; m += kRows) {
        const int there = std::min(kRows, rows - m);
        const float* from = a.at + static_cast<long>(m) * a.row + static_cast<long>(k0) * a.column;
        const bool pack = a.row == 1 || there < kRows;
        if (pack && there == kRows) {
          for (int k = 0; k < terms; ++k)
            std::memcpy(packed_a + k * kRows, from + static_cast<long>(k) * a.column, 4 * kRows);
        } else if (pack) {
          for (int k = 0; k < terms; ++k) {
            for (int r = 0; r < kRows; ++r)
              packed_a[k * kRows + r] = r < there ? from[r * a.row + static_cast<long>(k) * a.column] : 0;
          }
        }
        for (int n = 0; n < columns; n += kPanel) {
          float* to = out + static_cast<long>(m) * out_row + n0 + n;
          const bool whole = there == kRows && n + kPanel <= columns, begun = add || k0 > 0;
          float spare[kRows * kPanel];
          const auto copy = [&](float* target, int target_row, const float* source, int source_row) {
            for (int r = 0; r < there; ++r)
              std::copy_n(source + r * source_row, std::min(kPanel, columns - n), target + r * target_row);
          };
          if (!whole && begun) copy(spare, kPanel, to, out_row);
          float* target = whole ? to : spare;
          const int target_row = whole ? out_row : kPanel;
          if (pack)
            tile<true>(terms, packed_a, 0, packed_b + n * kDepth, target, target_row, begun);
          else
            tile<false>(terms, from, a.row, packed_b + n * kDepth, target, target_row, begun);
          if (!whole) copy(to, out_row, spare, kPanel);
        }
      }
    }
  }
}

struct Parameter {
  Floats value, gradient, first, second;

  explicit Parameter(int size) : value(size), gradient(size), first(size), second(size) {}
};

// AdamW; with no decay Adam. `factor` scales the gradient, which clipping does.
inline void adam(Parameter& p, long step, float decay = 0, float factor = 1) {
  const float rate = 0.001f, keep1 = 0.9f, keep2 = 0.999f, epsilon = 1e-8f;
  const auto time = static_cast<float>(step);
  const float scale1 = rate / (1 - std::pow(keep1, time)), scale2 = 1 / std::sqrt(1 - std::pow(keep2, time));
  for (size_t k = 0; k < p.value.size(); ++k) {
    const float g = factor * p.gradient[k];
    p.first[k] = keep1 * p.first[k] + (1 - keep1) * g;
    p.second[k] = keep2 * p.second[k] + (1 - keep2) * g * g;
    p.value[k] = (1 - rate * decay) * p.value[k] - scale1 * p.first[k] / (std::sqrt(p.second[k]) * scale2 + epsilon);
  }
}

// The mean cross entropy of `rows` rows of logits, (row, class) at row * pitch + class * stride; they become the
// gradient.
inline float cross_entropy(float* logits, int rows, int classes, int pitch, int stride,
                           const std::vector<int>& labels) {
  float loss = 0;
  for (int row = 0; row < rows; ++row) {
    float* y = logits + static_cast<long>(row) * pitch;
    float most = y[0], sum = 0;
    for (int c = 1; c < classes; ++c) most = std::max(most, y[c * stride]);
    const float own = y[labels[row] * stride] - most;
    for (int c0 = 0; c0 < classes; c0 += kWidth) {
      Vector v = {};
      const int there = std::min(kWidth, classes - c0);
      for (int c = 0; c < there; ++c) v[c] = y[(c0 + c) * stride] - most;
      v = exp_of(v);
      for (int c = 0; c < there; ++c) sum += y[(c0 + c) * stride] = v[c];
    }
    const float scale = 1 / (sum * static_cast<float>(rows));
    for (int c = 0; c < classes; ++c) y[c * stride] *= scale;
    y[labels[row] * stride] -= 1.0f / static_cast<float>(rows);
    loss += std::log(sum) - own;
  }
  return loss / static_cast<float>(rows);
}

// Where initial values and rows come from: a file, or nowhere in particular.
class Source {
 public:
  Source(int count, char** words) : file_(count > 2 ? words[2] : "", std::ios::binary) {}

  void fill(Floats& values, float scale, float random_middle = 0) {
    if (file_.is_open()) {
      file_.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(4 * values.size()));
      return;
    }
    std::uniform_real_distribution<float> uniform(random_middle - scale, random_middle + scale);
    for (float& value : values) value = uniform(random_);
  }
  void fill(std::vector<int>& values, int below) {
    Floats numbers(values.size());
    fill(numbers, 0.5f, 0.5f);
    const float scale = file_.is_open() ? 1 : static_cast<float>(below);
    for (size_t k = 0; k < values.size(); ++k) values[k] = std::min(below - 1, static_cast<int>(numbers[k] * scale));
  }

 private:
  std::ifstream file_;
  std::mt19937 random_{1};
};

// step() does a training step and gives its loss.
template <class Step>
int run(int count, char** words, const Step& step) {
  if (count > 2) {
    for (int k = 0; k < 5; ++k) std::printf("%s%.7g", k == 0 ? "{\"losses\":[" : ",", static_cast<double>(step()));
    std::printf("]}\n");
    return 0;
  }
  const auto now = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  const double limit = std::atof(words[1]);
  float loss = step();
  long counted = 0;
  const double start = now();
  double took = 0;
  for (; took < limit; took = now() - start, ++counted) loss = step();
  std::printf("{\"ns_per_step\":%.3f,\"loss\":%g}\n", 1e9 * took / static_cast<double>(counted),
              static_cast<double>(loss));
  return 0;
}
