#include "codegen/lane_sums.h"

#include "ir/attr.h"

namespace gradc::codegen {

namespace {

using llvm::Value;

constexpr int kTurned = 8;  // lanes of the vectors that are turned

int width_of(const Value* value) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  return vector == nullptr ? 1 : static_cast<int>(vector->getNumElements());
}

llvm::SmallVector<int, 16> elements(int first, int count) {
  llvm::SmallVector<int, 16> result;
  for (int i = 0; i < count; ++i) result.push_back(first + i);
  return result;
}

// The first `count`, and behind them as many as it takes to be `all` of which it does not matter what they are.
llvm::SmallVector<int, 16> elements_or_poison(int count, int all) {
  llvm::SmallVector<int, 16> result = elements(0, count);
  result.resize(static_cast<size_t>(all), llvm::PoisonMaskElem);
  return result;
}

class LaneSums {
 public:
  LaneSums(IrBuilder& builder, ScalarEmitter& scalar, ir::DType dtype)
      : builder_(builder), scalar_(scalar), dtype_(dtype) {}

  Value* one(Value* all) {
    int live = width_of(all);
    for (int half = ir::kLanes / 2; half >= 1; half /= 2) {
      if (live <= half) continue;
      // Lanes half ... live-1 come down onto 0 ...; the lanes of the lower half that nothing is added to stay.
      const int added = live - half;
      Value* sum = add(builder_.CreateShuffleVector(all, elements(0, added)),
                       builder_.CreateShuffleVector(all, elements(half, added)));
      all = added == half ? sum : replaced_front(builder_, builder_.CreateShuffleVector(all, elements(0, half)), sum);
      live = half;
    }
    return builder_.CreateExtractElement(all, uint64_t{0});
  }

  // Of at most 8 vectors of 16 lanes.
  std::vector<Value*> turned(std::span<Value* const> sums) {
    std::vector<Part> parts;
    for (Value* sum : sums) {
      Value* half = add(builder_.CreateShuffleVector(sum, elements(0, kTurned)),
                        builder_.CreateShuffleVector(sum, elements(kTurned, kTurned)));
      parts.push_back({half, {parts.size()}});
    }
    for (int half = kTurned / 2; half >= 1; half /= 2) {
      std::vector<Part> next;
      for (size_t i = 0; i < parts.size(); i += 2)
        next.push_back(halved(parts[i], i + 1 < parts.size() ? &parts[i + 1] : nullptr, half));
      parts = std::move(next);
    }
    std::vector<Value*> results(sums.size());
    for (const Part& part : parts)
      for (size_t place = 0; place < part.sums.size(); ++place)
        if (part.sums[place] != kNone) results[part.sums[place]] = builder_.CreateExtractElement(part.value, place);
    return results;
  }

 private:
  static constexpr size_t kNone = ~size_t{0};

  // A vector of 8: 2 * half lanes of one sum, then as many of the next.
  struct Part {
    Value* value;
    std::vector<size_t> sums;
  };

  Value* add(Value* a, Value* b) { return scalar_.apply(ir::Op::add, dtype_, dtype_, std::vector<Value*>{a, b}); }

  // The sums of `a` and `b` take turns, so that below 128 bits the shuffles stay inside a half of a 256-bit register.
  Part halved(const Part& a, const Part* b, int half) {
    llvm::SmallVector<int, 16> lower, upper;
    Part result{nullptr, {}};
    for (size_t place = 0; place < a.sums.size(); ++place) {
      for (const Part* part : {&a, b}) {
        const int first = static_cast<int>(place) * 2 * half + (part == &a ? 0 : kTurned);
        for (int lane = 0; lane < half; ++lane) {
          lower.push_back(part == nullptr ? llvm::PoisonMaskElem : first + lane);
          upper.push_back(part == nullptr ? llvm::PoisonMaskElem : first + half + lane);
        }
        result.sums.push_back(part == nullptr ? kNone : part->sums[place]);
      }
    }
    Value* other = b == nullptr ? llvm::PoisonValue::get(a.value->getType()) : b->value;
    result.value =
        add(builder_.CreateShuffleVector(a.value, other, lower), builder_.CreateShuffleVector(a.value, other, upper));
    return result;
  }

  IrBuilder& builder_;
  ScalarEmitter& scalar_;
  ir::DType dtype_;
};

}  // namespace

Value* replaced_front(IrBuilder& builder, Value* all, Value* front) {
  const int width = width_of(all), count = width_of(front);
  if (count == width) return front;
  if (count == 1) {
    if (front->getType()->isVectorTy()) front = builder.CreateExtractElement(front, uint64_t{0});
    return builder.CreateInsertElement(all, front, uint64_t{0});
  }
  llvm::SmallVector<int, 16> widen, choose;
  for (int lane = 0; lane < width; ++lane) {
    widen.push_back(lane < count ? lane : llvm::PoisonMaskElem);
    choose.push_back(lane < count ? width + lane : lane);
  }
  return builder.CreateShuffleVector(all, builder.CreateShuffleVector(front, widen), choose);
}

Value* joined(IrBuilder& builder, Value* front, Value* back) {
  const int width = width_of(front), count = width_of(back);
  if (count == 1)
    return builder.CreateInsertElement(builder.CreateShuffleVector(front, elements_or_poison(width, width + 1)), back,
                                       uint64_t(width));
  if (count < width) back = builder.CreateShuffleVector(back, elements_or_poison(count, width));
  return builder.CreateShuffleVector(front, back, elements(0, width + count));
}

std::vector<Value*> add_lanes(IrBuilder& builder, ScalarEmitter& scalar, ir::DType dtype,
                              std::span<Value* const> sums) {
  LaneSums lanes(builder, scalar, dtype);
  std::vector<Value*> results;
  while (!sums.empty()) {
    const size_t count = std::min(sums.size(), static_cast<size_t>(kTurned));
    if (count == 1 || width_of(sums[0]) < 2 * kTurned) {
      results.push_back(lanes.one(sums[0]));
      sums = sums.subspan(1);
      continue;
    }
    for (Value* sum : lanes.turned(sums.first(count))) results.push_back(sum);
    sums = sums.subspan(count);
  }
  return results;
}

}  // namespace gradc::codegen
