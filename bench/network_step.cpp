// One training step of a dense network by hand, with vector types: what a careful programmer reaches without a library.
// Sizes are compile-time constants; linear layers with a map between them, cross entropy or mean squared error, SGD or
// Adam.
//
//   clang++ -std=c++20 -O3 -march=native -ffp-contract=fast -DSIZES=784,128,10 -DBATCH=64 [-DTANH] [-DMSE] [-DADAM]
//   network_step.cpp
//
// usage: network_step SECONDS    prints {"ns_per_step":...,"loss":...}
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#if defined(__AVX512F__)
typedef float Vector __attribute__((vector_size(64), aligned(4)));
#elif defined(__AVX__)
typedef float Vector __attribute__((vector_size(32), aligned(4)));
#else
typedef float Vector __attribute__((vector_size(16), aligned(4)));
#endif
constexpr int kWidth = sizeof(Vector) / sizeof(float);
constexpr int kSizes[] = {SIZES};
constexpr int kLayers = sizeof(kSizes) / sizeof(int) - 1;
constexpr int kBatch = BATCH;
constexpr int kWidest = [] {
  int most = 0;
  for (int size : kSizes) most = std::max(most, size);
  return most;
}();

Vector& vector_at(float* p) { return *reinterpret_cast<Vector*>(p); }
const Vector& vector_at(const float* p) { return *reinterpret_cast<const Vector*>(p); }

// out[m][n] = start[n] (or 0) + sum over k of a[m * a_row + k * a_column] * b[k][n], a tile of kRows x kColumns vectors
// in registers.
template <int kRows, int kColumns>
void tile(int m, int n, int width, int depth, const float* a, int a_row, int a_column, const float* b,
          const float* start, float* out) {
  Vector sum[kRows][kColumns];
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) sum[r][c] = start ? vector_at(start + n + c * kWidth) : Vector{};
  }
  for (int k = 0; k < depth; ++k) {
    Vector column[kColumns];
    for (int c = 0; c < kColumns; ++c) column[c] = vector_at(b + k * width + n + c * kWidth);
    for (int r = 0; r < kRows; ++r) {
      const float factor = a[(m + r) * a_row + k * a_column];
      for (int c = 0; c < kColumns; ++c) sum[r][c] += factor * column[c];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) vector_at(out + (m + r) * width + n + c * kWidth) = sum[r][c];
  }
}

void product(int rows, int width, int depth, const float* a, int a_row, int a_column, const float* b,
             const float* start, float* out) {
  constexpr int kRows = 6, kColumns = 2;
  int n = 0;
  for (; n + kColumns * kWidth <= width; n += kColumns * kWidth) {
    int m = 0;
    for (; m + kRows <= rows; m += kRows) tile<kRows, kColumns>(m, n, width, depth, a, a_row, a_column, b, start, out);
    for (; m < rows; ++m) tile<1, kColumns>(m, n, width, depth, a, a_row, a_column, b, start, out);
  }
  for (; n + kWidth <= width; n += kWidth) {
    int m = 0;
    for (; m + kRows <= rows; m += kRows) tile<kRows, 1>(m, n, width, depth, a, a_row, a_column, b, start, out);
    for (; m < rows; ++m) tile<1, 1>(m, n, width, depth, a, a_row, a_column, b, start, out);
  }
  for (; n < width; ++n) {
    for (int m = 0; m < rows; ++m) {
      float sum = start ? start[n] : 0;
      for (int k = 0; k < depth; ++k) sum += a[m * a_row + k * a_column] * b[k * width + n];
      out[m * width + n] = sum;
    }
  }
}

using Floats = std::vector<float>;

struct Parameter {
  Floats value, gradient, first, second;
};

struct Layer {
  Parameter weight, bias;
  Floats turned;          // weight with the inputs outermost: what `product` reads along its vectors
  Floats output, change;  // kBatch x outputs; change: of the loss by the output
};

void update(Parameter& p, long step) {
  const size_t size = p.value.size();
#ifdef ADAM
  const float lr = 0.001f, keep1 = 0.9f, keep2 = 0.999f, epsilon = 1e-8f;
  const auto time = static_cast<float>(step);
  const float scale1 = 1 / (1 - std::pow(keep1, time)), scale2 = 1 / (1 - std::pow(keep2, time));
  for (size_t k = 0; k < size; ++k) {
    const float g = p.gradient[k];
    p.first[k] = keep1 * p.first[k] + (1 - keep1) * g;
    p.second[k] = keep2 * p.second[k] + (1 - keep2) * g * g;
    p.value[k] -= lr * p.first[k] * scale1 / (std::sqrt(p.second[k] * scale2) + epsilon);
  }
#else
  (void)step;
  for (size_t k = 0; k < size; ++k) p.value[k] -= 0.0001f * p.gradient[k];
#endif
}

float loss_and_change(const Layer& last, const Floats& targets, const std::vector<int>& labels, Floats& change) {
  constexpr int kOutputs = kSizes[kLayers];
  float loss = 0;
#ifdef MSE
  (void)labels;
  for (int k = 0; k < kBatch * kOutputs; ++k) {
    const float e = last.output[k] - targets[k];
    loss += e * e;
    change[k] = 2 * e / (kBatch * kOutputs);
  }
  return loss / (kBatch * kOutputs);
#else
  (void)targets;
  for (int b = 0; b < kBatch; ++b) {
    const float* y = &last.output[b * kOutputs];
    float most = y[0], sum = 0;
    for (int o = 1; o < kOutputs; ++o) most = std::max(most, y[o]);
    for (int o = 0; o < kOutputs; ++o) sum += change[b * kOutputs + o] = std::exp(y[o] - most);
    for (int o = 0; o < kOutputs; ++o) change[b * kOutputs + o] *= 1 / (sum * kBatch);
    change[b * kOutputs + labels[b]] -= 1.0f / kBatch;
    loss += std::log(sum) + most - y[labels[b]];
  }
  return loss / kBatch;
#endif
}

int main(int, char** words) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<Layer> layers(kLayers);
  for (int l = 0; l < kLayers; ++l) {
    const int inputs = kSizes[l], outputs = kSizes[l + 1];
    Layer& layer = layers[l];
    for (auto [p, size] : {std::pair{&layer.weight, inputs * outputs}, std::pair{&layer.bias, outputs}}) {
      for (Floats* part : {&p->value, &p->gradient, &p->first, &p->second}) part->assign(size, 0);
      for (float& value : p->value) value = uniform(random) / std::sqrt(static_cast<float>(inputs));
    }
    layer.turned.assign(inputs * outputs, 0);
    layer.output.assign(kBatch * outputs, 0);
    layer.change.assign(kBatch * outputs, 0);
  }
  Floats rows(kBatch * kSizes[0]), targets(kBatch * kSizes[kLayers]);
  for (float& value : rows) value = uniform(random);
  for (float& value : targets) value = uniform(random);
  std::vector<int> labels(kBatch);
  for (int& label : labels) label = static_cast<int>(random() % kSizes[kLayers]);

  const auto now = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  const double limit = std::atof(words[1]);
  float loss = 0;
  long step = 0;
  const auto train_once = [&] {
    ++step;
    for (int l = 0; l < kLayers; ++l) {
      const int inputs = kSizes[l], outputs = kSizes[l + 1];
      Layer& layer = layers[l];
      for (int o = 0; o < outputs; ++o) {
        for (int i = 0; i < inputs; ++i) layer.turned[i * outputs + o] = layer.weight.value[o * inputs + i];
      }
      const float* in = l == 0 ? rows.data() : layers[l - 1].output.data();
      product(kBatch, outputs, inputs, in, inputs, 1, layer.turned.data(), layer.bias.value.data(),
              layer.output.data());
      if (l + 1 == kLayers) continue;
      for (float& y : layer.output) {
#ifdef TANH
        y = std::tanh(y);
#else
        y = y > 0 ? y : 0;
#endif
      }
    }
    loss = loss_and_change(layers.back(), targets, labels, layers.back().change);
    for (int l = kLayers - 1; l >= 0; --l) {
      const int inputs = kSizes[l], outputs = kSizes[l + 1];
      Layer& layer = layers[l];
      const float* in = l == 0 ? rows.data() : layers[l - 1].output.data();
      if (l > 0) {
        Layer& before = layers[l - 1];
        product(kBatch, inputs, outputs, layer.change.data(), outputs, 1, layer.weight.value.data(), nullptr,
                before.change.data());
        for (int k = 0; k < kBatch * inputs; ++k) {
          const float y = before.output[k];
#ifdef TANH
          before.change[k] *= 1 - y * y;
#else
          before.change[k] = y > 0 ? before.change[k] : 0;
#endif
        }
      }
      product(outputs, inputs, kBatch, layer.change.data(), 1, outputs, in, nullptr, layer.weight.gradient.data());
      for (int o = 0; o < outputs; ++o) layer.bias.gradient[o] = 0;
      for (int b = 0; b < kBatch; ++b) {
        for (int o = 0; o < outputs; ++o) layer.bias.gradient[o] += layer.change[b * outputs + o];
      }
      update(layer.weight, step);
      update(layer.bias, step);
    }
  };
  train_once();
  long counted = 0, round = 1;
  const double start = now();
  double took = 0;
  while (took < limit) {
    for (long k = 0; k < round; ++k) train_once();
    counted += round;
    round *= 2;
    took = now() - start;
  }
  std::printf("{\"ns_per_step\":%.3f,\"loss\":%g}\n", 1e9 * took / static_cast<double>(counted),
              static_cast<double>(loss));
}
