// One training step of a small GPT with AdamW and clipped gradients by hand, the network of bench/specs/gpt.grad.
//
//   clang++ -std=c++20 -O3 -march=native -ffp-contract=fast -fno-math-errno -DBATCH=12 [-DLENGTH=64 -DWIDTH=128
//   -DHEADS=4 -DLAYERS=4 -DCHARACTERS=65] gpt_step.cpp
//
// usage: by_hand.h
#include "by_hand.h"

#ifndef LENGTH
#define LENGTH 64
#define WIDTH 128
#define HEADS 4
#define LAYERS 4
#define CHARACTERS 65
#endif
constexpr int kBatch = BATCH, kLength = LENGTH, kModel = WIDTH, kHeads = HEADS, kLayers = LAYERS;
constexpr int kCharacters = CHARACTERS, kHead = kModel / kHeads, kInner = 4 * kModel, kPlaces = kBatch * kLength;
static_assert(kModel % kWidth == 0 && kLength % kWidth == 0, "rows are whole vectors");

Floats places(int width) { return Floats(static_cast<size_t>(kPlaces) * width); }

// y = weight * x / sqrt(mean(x^2) + epsilon)
struct Norm {
  Parameter weight{kModel};
  Floats scale = Floats(kPlaces), output = places(kModel);

  void forward(const Floats& x) {
    for (int place = 0; place < kPlaces; ++place) {
      const float* from = &x[place * kModel];
      Vector squares = {};
      for (int k = 0; k < kModel; k += kWidth) squares += vector_at(from + k) * vector_at(from + k);
      scale[place] = 1 / std::sqrt(sum_of(squares) / kModel + 1.1920929e-7f);
      for (int k = 0; k < kModel; ++k) output[place * kModel + k] = weight.value[k] * (from[k] * scale[place]);
    }
  }
  // Adds to the gradient of x; `change` is that of the output.
  void backward(const Floats& x, const Floats& change, Floats& x_change) {
    std::fill(weight.gradient.begin(), weight.gradient.end(), 0.0f);
    for (int place = 0; place < kPlaces; ++place) {
      const float *from = &x[place * kModel], *by = &change[place * kModel];
      float* to = &x_change[place * kModel];
      Vector products = {};
      for (int k = 0; k < kModel; k += kWidth) {
        const Vector term = vector_at(by + k) * vector_at(from + k);
        vector_at(&weight.gradient[k]) += term * scale[place];
        products += term * vector_at(&weight.value[k]);
      }
      const float along = sum_of(products) * scale[place] * scale[place] / kModel;
      for (int k = 0; k < kModel; k += kWidth)
        vector_at(to + k) +=
            scale[place] * (vector_at(by + k) * vector_at(&weight.value[k]) - along * vector_at(from + k));
    }
  }
};

// x * P(normal < x) and its derivative, both from one exp: the error function by 7.1.26 of Abramowitz and Stegun.
void gelu(Vector x, Vector& value, Vector& derivative) {
  const Vector magnitude = (x < 0.0f ? -x : x) * 0.70710678f;
  const Vector bell = exp_of(-magnitude * magnitude), t = 1.0f / (1.0f + 0.3275911f * magnitude);
  Vector p = 1.061405429f * t - 1.453152027f;
  for (float c : {1.421413741f, -0.284496736f, 0.254829592f}) p = p * t + c;
  const Vector tail = 0.5f * p * t * bell, below = x < 0.0f ? tail : 1.0f - tail;
  value = x * below;
  derivative = below + 0.39894228f * x * bell;
}

// out becomes or is increased by x * weight^T; weight is [outputs][inputs].
void linear(const Floats& x, const Parameter& weight, int inputs, int outputs, Floats& out, bool add = false) {
  product(kPlaces, outputs, inputs, rows_of(x.data(), inputs), turned(weight.value.data(), inputs), out.data(), outputs,
          add);
}
// The gradients of linear's weight and, where it is wanted, of its x.
void linear_backward(const Floats& x, Parameter& weight, int inputs, int outputs, const Floats& change,
                     Floats& x_change) {
  product(outputs, inputs, kPlaces, turned(change.data(), outputs), rows_of(x.data(), inputs), weight.gradient.data(),
          inputs);
  product(kPlaces, inputs, outputs, rows_of(change.data(), outputs), rows_of(weight.value.data(), inputs),
          x_change.data(), inputs);
}
void bias_backward(const Floats& change, Parameter& bias) {
  std::fill(bias.gradient.begin(), bias.gradient.end(), 0.0f);
  const int size = static_cast<int>(bias.value.size());
  for (int place = 0; place < kPlaces; ++place) {
    for (int k = 0; k < size; ++k) bias.gradient[k] += change[place * size + k];
  }
}

struct Block {
  Norm before_attention, before_layers;
  Parameter qkv{3 * kModel * kModel}, out{kModel * kModel};
  Parameter weight1{kInner * kModel}, bias1{kInner}, weight2{kModel * kInner}, bias2{kModel};
  Floats x = places(kModel), middle = places(kModel);  // before the attention, behind it
  Floats heads = places(3 * kModel), mixed = places(kModel), shares = places(kHeads * kLength);
  Floats inner = places(kInner), slope = places(kInner);  // gelu's value and derivative

  std::vector<Parameter*> parameters() {
    return {&before_attention.weight, &before_layers.weight, &qkv, &out, &weight1, &bias1, &weight2, &bias2};
  }

  void attend(const float* q, float* share, float* to) {
    const float *key = q + kModel, *value = q + 2 * kModel, scale = 1 / std::sqrt(static_cast<float>(kHead));
    product(kLength, kLength, kHead, rows_of(q, 3 * kModel), turned(key, 3 * kModel), share, kLength);
    for (int t = 0; t < kLength; ++t) {
      float* row = share + t * kLength;
      std::fill(row + t + 1, row + kLength, -1e30f);
      Vector most = vector_at(row), sum = {};
      for (int k = kWidth; k < kLength; k += kWidth) most = largest(most, vector_at(row + k));
      float highest = most[0];
      for (int k = 1; k < kWidth; ++k) highest = std::max(highest, most[k]);
      for (int k = 0; k <= t; k += kWidth) sum += vector_at(row + k) = exp_of((vector_at(row + k) - highest) * scale);
      const float factor = 1 / sum_of(sum);
      for (int k = 0; k <= t; k += kWidth) vector_at(row + k) *= factor;
      std::fill(row + t + 1, row + kLength, 0.0f);
    }
    product(kLength, kHead, kLength, rows_of(share, kLength), rows_of(value, 3 * kModel), to, kModel);
  }

  void attend_backward(const float* q, const float* share, const float* change, float* q_change) {
    static Floats scores(kLength * kLength);
    const float *key = q + kModel, *value = q + 2 * kModel, scale = 1 / std::sqrt(static_cast<float>(kHead));
    product(kLength, kLength, kHead, rows_of(change, kModel), turned(value, 3 * kModel), scores.data(), kLength);
    product(kLength, kHead, kLength, turned(share, kLength), rows_of(change, kModel), q_change + 2 * kModel,
            3 * kModel);
    for (int t = 0; t < kLength; ++t) {
      const float* row = share + t * kLength;
      float* score = &scores[t * kLength];
      Vector sum = {};
      for (int k = 0; k < kLength; k += kWidth) sum += vector_at(row + k) * vector_at(score + k);
      const float mean = sum_of(sum);
      for (int k = 0; k < kLength; ++k) score[k] = row[k] * (score[k] - mean) * scale;
    }
    product(kLength, kHead, kLength, rows_of(scores.data(), kLength), rows_of(key, 3 * kModel), q_change, 3 * kModel);
    product(kLength, kHead, kLength, turned(scores.data(), kLength), rows_of(q, 3 * kModel), q_change + kModel,
            3 * kModel);
  }

  template <class Body>
  static void each_head(const Body& body) {
    for (int row = 0; row < kBatch; ++row) {
      for (int head = 0; head < kHeads; ++head)
        body(row * kLength * 3 * kModel + head * kHead, (row * kHeads + head) * kLength * kLength,
             row * kLength * kModel + head * kHead);
    }
  }

  void forward(Floats& result) {
    before_attention.forward(x);
    linear(before_attention.output, qkv, kModel, 3 * kModel, heads);
    each_head([&](int q, int share, int to) { attend(&heads[q], &shares[share], &mixed[to]); });
    middle = x;
    linear(mixed, out, kModel, kModel, middle, true);
    before_layers.forward(middle);
    linear(before_layers.output, weight1, kModel, kInner, inner);
    for (int place = 0; place < kPlaces; ++place) {
      for (int k = 0; k < kInner; k += kWidth) {
        float* at = &inner[place * kInner + k];
        gelu(vector_at(at) + vector_at(&bias1.value[k]), vector_at(at), vector_at(&slope[place * kInner + k]));
      }
      for (int k = 0; k < kModel; ++k) result[place * kModel + k] = middle[place * kModel + k] + bias2.value[k];
    }
    linear(inner, weight2, kInner, kModel, result, true);
  }

  // `change` is the gradient of the result, then of x.
  void backward(Floats& change) {
    static Floats wide = places(kInner), narrow = places(kModel), of_heads = places(3 * kModel);
    bias_backward(change, bias2);
    linear_backward(inner, weight2, kInner, kModel, change, wide);
    for (size_t k = 0; k < wide.size(); ++k) wide[k] *= slope[k];
    bias_backward(wide, bias1);
    linear_backward(before_layers.output, weight1, kModel, kInner, wide, narrow);
    before_layers.backward(middle, narrow, change);
    linear_backward(mixed, out, kModel, kModel, change, narrow);
    each_head(
        [&](int q, int share, int from) { attend_backward(&heads[q], &shares[share], &narrow[from], &of_heads[q]); });
    linear_backward(before_attention.output, qkv, kModel, 3 * kModel, of_heads, narrow);
    before_attention.backward(x, narrow, change);
  }
};

int main(int count, char** words) {
  Parameter place{kLength * kModel}, token{kCharacters * kModel};
  std::vector<Block> blocks(kLayers);
  Norm norm;
  std::vector<Parameter*> parameters = {&place, &token};
  for (Block& block : blocks) {
    for (Parameter* p : block.parameters()) parameters.push_back(p);
  }
  parameters.push_back(&norm.weight);
  Source source(count, words);
  for (Parameter* p : parameters) source.fill(p->value, 0.05f, p->value.size() == kModel ? 1 : 0);
  std::vector<int> ids(kPlaces), targets(kPlaces);
  source.fill(ids, kCharacters);
  source.fill(targets, kCharacters);

  Floats last = places(kModel), logits = places(kCharacters), change = places(kModel), narrow = places(kModel);
  long step = 0;
  return run(count, words, [&] {
    ++step;
    for (int at = 0; at < kPlaces; ++at) {
      const float *row = &token.value[ids[at] * kModel], *own = &place.value[at % kLength * kModel];
      for (int k = 0; k < kModel; ++k) blocks[0].x[at * kModel + k] = row[k] + own[k];
    }
    for (int l = 0; l < kLayers; ++l) blocks[l].forward(l + 1 < kLayers ? blocks[l + 1].x : last);
    norm.forward(last);
    linear(norm.output, token, kModel, kCharacters, logits);
    const float loss = cross_entropy(logits.data(), kPlaces, kCharacters, kCharacters, 1, targets);

    linear_backward(norm.output, token, kModel, kCharacters, logits, narrow);
    std::fill(change.begin(), change.end(), 0.0f);
    norm.backward(last, narrow, change);
    for (int l = kLayers - 1; l >= 0; --l) blocks[l].backward(change);
    std::fill(place.gradient.begin(), place.gradient.end(), 0.0f);
    for (int at = 0; at < kPlaces; ++at) {
      float *row = &token.gradient[ids[at] * kModel], *own = &place.gradient[at % kLength * kModel];
      for (int k = 0; k < kModel; k += kWidth) {
        vector_at(row + k) += vector_at(&change[at * kModel + k]);
        vector_at(own + k) += vector_at(&change[at * kModel + k]);
      }
    }
    double squares = 0;
    for (Parameter* p : parameters) {
      Vector sum = {};
      for (size_t k = 0; k < p->gradient.size(); k += kWidth)
        sum += vector_at(&p->gradient[k]) * vector_at(&p->gradient[k]);
      squares += static_cast<double>(sum_of(sum));
    }
    const float factor = std::min(1.0f, 1 / (static_cast<float>(std::sqrt(squares)) + 1e-6f));
    for (Parameter* p : parameters) adam(*p, step, 0.1f, factor);
    return loss;
  });
}
