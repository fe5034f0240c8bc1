// One training step of LeNet-5 with Adam by hand, the network of bench/specs/lenet.grad. Two vectors of samples lie
// innermost everywhere, so that convolutions and pooling need no shuffles and lose nothing at the borders.
//
//   clang++ -std=c++20 -O3 -march=native -ffp-contract=fast -fno-math-errno -DBATCH=64 lenet_step.cpp
//
// usage: by_hand.h
#include "by_hand.h"

constexpr int kBatch = BATCH, kLanes = 2 * kWidth, kBlocks = kBatch / kLanes, kKernel = 5;
static_assert(kBatch % kLanes == 0, "the batch is cut into blocks of two vectors");

// A block of samples: element (channel, y, x) of `size` x `size` images, as two vectors.
float* lanes(float* at, int size, int channel, int y, int x) { return at + ((channel * size + y) * size + x) * kLanes; }

template <int kInputs, int kOutputs, int kSize>
struct Convolution {
  static constexpr int kOut = kSize - kKernel + 1, kInBlock = kInputs * kSize * kSize * kLanes,
                       kOutBlock = kOutputs * kOut * kOut * kLanes;
  Parameter weight{kOutputs * kInputs * kKernel * kKernel}, bias{kOutputs};
  Floats output = Floats(kBlocks * kOutBlock);  // then its gradient

  static int place(int o, int c, int u) { return ((o * kInputs + c) * kKernel + u) * kKernel; }

  template <int kTile>
  void forward_tile(int first, float* in, float* out) {
    for (int y = 0; y < kOut; ++y) {
      for (int x = 0; x < kOut; ++x) {
        Vector sum[kTile][2];
        for (int o = 0; o < kTile; ++o) sum[o][0] = sum[o][1] = Vector{} + bias.value[first + o];
        for (int c = 0; c < kInputs; ++c) {
          for (int u = 0; u < kKernel; ++u) {
            const float* from = lanes(in, kSize, c, y + u, x);
            const float* factors = &weight.value[place(first, c, u)];
            for (int v = 0; v < kKernel; ++v) {
              const Vector left = vector_at(from + v * kLanes), right = vector_at(from + v * kLanes + kWidth);
              for (int o = 0; o < kTile; ++o) {
                const float factor = factors[place(o, 0, 0) + v];
                sum[o][0] += factor * left;
                sum[o][1] += factor * right;
              }
            }
          }
        }
        for (int o = 0; o < kTile; ++o) {
          float* to = lanes(out, kOut, first + o, y, x);
          vector_at(to) = sum[o][0];
          vector_at(to + kWidth) = sum[o][1];
        }
      }
    }
  }

  void forward(int block, float* in) {
    float* out = &output[block * kOutBlock];
    forward_tile<6>(0, in, out);
    if constexpr (kOutputs == 16) forward_tile<5>(6, in, out), forward_tile<5>(11, in, out);
  }

  void input_gradient(int block, float* to) {
    float* change = &output[block * kOutBlock];
    for (int y = 0; y < kSize; ++y) {
      for (int x = 0; x < kSize; ++x) {
        Vector sum[kInputs][2] = {};
        const int u_first = std::max(0, y - kOut + 1), u_last = std::min(kKernel - 1, y);
        const int v_first = std::max(0, x - kOut + 1), v_last = std::min(kKernel - 1, x);
        for (int o = 0; o < kOutputs; ++o) {
          for (int u = u_first; u <= u_last; ++u) {
            for (int v = v_first; v <= v_last; ++v) {
              const float* from = lanes(change, kOut, o, y - u, x - v);
              const Vector left = vector_at(from), right = vector_at(from + kWidth);
              for (int c = 0; c < kInputs; ++c) {
                const float factor = weight.value[place(o, c, u) + v];
                sum[c][0] += factor * left;
                sum[c][1] += factor * right;
              }
            }
          }
        }
        for (int c = 0; c < kInputs; ++c) {
          float* at = lanes(to, kSize, c, y, x);
          vector_at(at) = sum[c][0];
          vector_at(at + kWidth) = sum[c][1];
        }
      }
    }
  }

  // Two outputs by a row of the kernel at a time: their sums stay in registers over all places.
  void weight_gradient(int block, float* in) {
    float* change = &output[block * kOutBlock];
    for (int o = 0; o < kOutputs; o += 2) {
      for (int c = 0; c < kInputs; ++c) {
        for (int u = 0; u < kKernel; ++u) {
          Vector sum[2][kKernel] = {};
          for (int y = 0; y < kOut; ++y) {
            const float* from = lanes(in, kSize, c, y + u, 0);
            const float *upper = lanes(change, kOut, o, y, 0), *lower = lanes(change, kOut, o + 1, y, 0);
            for (int x = 0; x < kOut * kLanes; x += kWidth) {
              const Vector first = vector_at(upper + x), second = vector_at(lower + x);
              for (int v = 0; v < kKernel; ++v) {
                const Vector input = vector_at(from + x + v * kLanes);
                sum[0][v] += first * input;
                sum[1][v] += second * input;
              }
            }
          }
          for (int v = 0; v < kKernel; ++v) {
            weight.gradient[place(o, c, u) + v] += sum_of(sum[0][v]);
            weight.gradient[place(o + 1, c, u) + v] += sum_of(sum[1][v]);
          }
        }
      }
      for (int both = o; both < o + 2; ++both) {
        Vector sum[2] = {};
        const float* from = lanes(change, kOut, both, 0, 0);
        for (int k = 0; k < kOut * kOut * kLanes; k += kLanes) {
          sum[0] += vector_at(from + k);
          sum[1] += vector_at(from + k + kWidth);
        }
        bias.gradient[both] += sum_of(sum[0] + sum[1]);
      }
    }
  }

  // ReLU and max pooling by 2; result (channel, y, x) is two vectors at `to` + its number * pitch.
  static void pool(float* from, float* to, int pitch) {
    for (int o = 0; o < kOutputs; ++o) {
      for (int y = 0; y < kOut; y += 2) {
        for (int x = 0; x < kOut; x += 2, to += pitch) {
          const float *upper = lanes(from, kOut, o, y, x), *lower = lanes(from, kOut, o, y + 1, x);
          for (int k = 0; k < kLanes; k += kWidth) {
            const Vector most = largest(largest(vector_at(upper + k), vector_at(upper + kLanes + k)),
                                        largest(vector_at(lower + k), vector_at(lower + kLanes + k)));
            vector_at(to + k) = largest(most, Vector{});
          }
        }
      }
    }
  }
  // In place of the values before: their gradients. The first of equal values has it.
  static void unpool(float* at, const float* result, const float* change, int pitch) {
    for (int o = 0; o < kOutputs; ++o) {
      for (int y = 0; y < kOut; y += 2) {
        for (int x = 0; x < kOut; x += 2, result += pitch, change += pitch) {
          float *upper = lanes(at, kOut, o, y, x), *lower = lanes(at, kOut, o, y + 1, x);
          for (int k = 0; k < kLanes; k += kWidth) {
            const Vector most = vector_at(result + k);
            Vector left = most > 0.0f ? vector_at(change + k) : Vector{};
            for (float* one : {upper + k, upper + kLanes + k, lower + k, lower + kLanes + k}) {
              const Integers here = vector_at(one) == most;
              vector_at(one) = here ? left : Vector{};
              left = here ? Vector{} : left;
            }
          }
        }
      }
    }
  }
};

// Values and gradients lie as [feature][sample].
struct Dense {
  int inputs, outputs;
  Parameter weight{inputs * outputs}, bias{outputs};
  Floats output = Floats(outputs * kBatch), change = Floats(outputs * kBatch);

  Dense(int inputs_, int outputs_) : inputs(inputs_), outputs(outputs_) {}

  void forward(const Floats& in, bool relu) {
    product(outputs, kBatch, inputs, rows_of(weight.value.data(), inputs), rows_of(in.data(), kBatch), output.data(),
            kBatch);
    for (int o = 0; o < outputs; ++o) {
      for (int k = o * kBatch; k < (o + 1) * kBatch; ++k) {
        const float y = output[k] + bias.value[o];
        output[k] = relu && !(y > 0) ? 0 : y;
      }
    }
  }
  void backward(const Floats& in, Floats& in_change, bool relu) {
    for (int o = 0; o < outputs; ++o) {
      Vector sum = {};
      for (int k = o * kBatch; k < (o + 1) * kBatch; k += kWidth) {
        if (relu) vector_at(&change[k]) = vector_at(&output[k]) > 0.0f ? vector_at(&change[k]) : Vector{};
        sum += vector_at(&change[k]);
      }
      bias.gradient[o] = sum_of(sum);
    }
    product(outputs, inputs, kBatch, rows_of(change.data(), kBatch), turned(in.data(), kBatch), weight.gradient.data(),
            inputs);
    product(inputs, kBatch, outputs, turned(weight.value.data(), inputs), rows_of(change.data(), kBatch),
            in_change.data(), kBatch);
  }
};

constexpr int kImage = 28, kPadded = kImage + 4;

int main(int count, char** words) {
  Convolution<1, 6, kPadded> first;
  Convolution<6, 16, kImage / 2> second;
  Dense dense[] = {{400, 120}, {120, 84}, {84, 10}};
  std::vector<Parameter*> parameters = {&first.weight, &first.bias, &second.weight, &second.bias};
  for (Dense& layer : dense) parameters.insert(parameters.end(), {&layer.weight, &layer.bias});
  Source source(count, words);
  for (Parameter* p : parameters) source.fill(p->value, 0.1f);
  Floats images(kBatch * kImage * kImage);
  std::vector<int> labels(kBatch);
  source.fill(images, 1);
  source.fill(labels, 10);

  Floats padded(kBlocks * first.kInBlock), pooled(kBlocks * second.kInBlock), pooled_change(second.kInBlock);
  Floats features(400 * kBatch), features_change(400 * kBatch);
  long step = 0;
  return run(count, words, [&] {
    ++step;
    for (int block = 0; block < kBlocks; ++block) {
      float *in = &padded[block * first.kInBlock], *middle = &pooled[block * second.kInBlock];
      for (int y = 0; y < kImage; ++y) {
        for (int x = 0; x < kImage; ++x) {
          float* to = lanes(in, kPadded, 0, y + 2, x + 2);
          for (int lane = 0; lane < kLanes; ++lane)
            to[lane] = images[((block * kLanes + lane) * kImage + y) * kImage + x];
        }
      }
      first.forward(block, in);
      first.pool(&first.output[block * first.kOutBlock], middle, kLanes);
      second.forward(block, middle);
      second.pool(&second.output[block * second.kOutBlock], &features[block * kLanes], kBatch);
    }
    dense[0].forward(features, true);
    dense[1].forward(dense[0].output, true);
    dense[2].forward(dense[1].output, false);
    dense[2].change = dense[2].output;
    const float loss = cross_entropy(dense[2].change.data(), kBatch, 10, 1, kBatch, labels);
    dense[2].backward(dense[1].output, dense[1].change, false);
    dense[1].backward(dense[0].output, dense[0].change, true);
    dense[0].backward(features, features_change, true);
    for (Parameter* p : {&first.weight, &first.bias, &second.weight, &second.bias})
      std::fill(p->gradient.begin(), p->gradient.end(), 0.0f);
    for (int block = 0; block < kBlocks; ++block) {
      float *in = &padded[block * first.kInBlock], *middle = &pooled[block * second.kInBlock];
      second.unpool(&second.output[block * second.kOutBlock], &features[block * kLanes],
                    &features_change[block * kLanes], kBatch);
      second.weight_gradient(block, middle);
      second.input_gradient(block, pooled_change.data());
      first.unpool(&first.output[block * first.kOutBlock], middle, pooled_change.data(), kLanes);
      first.weight_gradient(block, in);
    }
    for (Parameter* p : parameters) adam(*p, step);
    return loss;
  });
}
