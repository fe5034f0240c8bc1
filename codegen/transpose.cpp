#include "codegen/transpose.h"

#include <algorithm>

namespace gradc::codegen {

namespace {

using Values = std::vector<llvm::Value*>;

// Stretches of `unit` elements that change places with those of other vectors, inside each `group` of elements.
struct Grain {
  int width, group, unit;
};

// The stretches of the lower or upper half of each group, by turns from a first and a second vector.
llvm::SmallVector<int, 16> zip(const Grain& grain, bool upper) {
  llvm::SmallVector<int, 16> elements;
  for (int i = 0; i < grain.width; ++i) {
    const int place = i % grain.group / grain.unit;
    const int from = i - i % grain.group + (upper ? grain.group / 2 : 0) + place / 2 * grain.unit + i % grain.unit;
    elements.push_back(place % 2 == 0 ? from : from + grain.width);
  }
  return elements;
}

// As many vectors as there are stretches in a group.
Values turned(llvm::IRBuilderBase& builder, Values now, const Grain& grain) {
  const auto lower = zip(grain, false), upper = zip(grain, true);
  for (size_t round = 1; round < now.size(); round *= 2) {
    Values next;
    for (size_t i = 0; i < now.size() / 2; ++i) {
      next.push_back(builder.CreateShuffleVector(now[i], now[i + now.size() / 2], lower));
      next.push_back(builder.CreateShuffleVector(now[i], now[i + now.size() / 2], upper));
    }
    now = std::move(next);
  }
  return now;
}

}  // namespace

// First the squares of 4 x 4 elements, each in its 128 bits, then these among each other: so each shuffle is one
// instruction also where registers are longer.
Values transposed(llvm::IRBuilderBase& builder, Values rows) {
  constexpr int kSquare = 4;
  const int width = static_cast<int>(rows.size());
  for (int i = 0; i < width; i += kSquare) {
    const Values square = turned(builder, {rows.begin() + i, rows.begin() + i + kSquare}, {width, kSquare, 1});
    std::copy(square.begin(), square.end(), rows.begin() + i);
  }
  Values columns(rows.size());
  for (int i = 0; i < kSquare; ++i) {
    Values same;  // the i-th of each square
    for (int k = i; k < width; k += kSquare) same.push_back(rows[static_cast<size_t>(k)]);
    const Values own = turned(builder, std::move(same), {width, width, kSquare});
    for (size_t k = 0; k < own.size(); ++k) columns[k * kSquare + static_cast<size_t>(i)] = own[k];
  }
  return columns;
}

}  // namespace gradc::codegen
