#include "codegen/transpose.h"

#include <algorithm>
#include <numeric>

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

// The vectors one behind the other.
llvm::Value* joined(llvm::IRBuilderBase& builder, Values parts) {
  for (; parts.size() > 1; parts.resize(parts.size() / 2)) {
    llvm::SmallVector<int, 16> all(2 * llvm::cast<llvm::FixedVectorType>(parts[0]->getType())->getNumElements());
    std::iota(all.begin(), all.end(), 0);
    for (size_t i = 0; i < parts.size() / 2; ++i)
      parts[i] = builder.CreateShuffleVector(parts[2 * i], parts[2 * i + 1], all);
  }
  return parts[0];
}

constexpr int kSquare = 4;  // elements in 128 bits

}  // namespace

// First the squares of 4 x 4 elements, each in its 128 bits, then these among each other: so each shuffle is one
// instruction also where registers are longer.
Values transposed(llvm::IRBuilderBase& builder, Values rows) {
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

// The groups are dealt out to four vectors, so that what becomes 4 neighbours of a result stands in the same 128 bits
// of each: what is left are shuffles inside of these.
Values columns_of_four(llvm::IRBuilderBase& builder, int width, const std::function<llvm::Value*(int64_t)>& four) {
  Values vectors;
  for (int k = 0; k < kSquare; ++k) {
    Values groups;
    for (int i = k; i < width; i += kSquare) groups.push_back(four(i));
    vectors.push_back(joined(builder, std::move(groups)));
  }
  return turned(builder, std::move(vectors), {width, kSquare, 1});
}

Values groups_of_four(llvm::IRBuilderBase& builder, const Values& vectors) {
  const int width = static_cast<int>(llvm::cast<llvm::FixedVectorType>(vectors[0]->getType())->getNumElements());
  const Values squares = turned(builder, vectors, {width, kSquare, 1});
  Values groups;
  for (int k = 0; k < width; ++k) {
    llvm::SmallVector<int, kSquare> own(kSquare);
    std::iota(own.begin(), own.end(), k - k % kSquare);
    groups.push_back(builder.CreateShuffleVector(squares[static_cast<size_t>(k % kSquare)], own));
  }
  return groups;
}

llvm::Value* picked(llvm::IRBuilderBase& builder, int width, int stride, int offset,
                    const std::function<llvm::Value*(int64_t)>& four) {
  if (stride == kSquare)
    return columns_of_four(builder, width, [&](int64_t i) { return four(kSquare * i); })[static_cast<size_t>(offset)];
  Values even, odd;  // pieces of two groups
  for (int i = 0; i < 2 * width; i += 2 * kSquare) {
    even.push_back(four(i));
    odd.push_back(four(i + kSquare));
  }
  llvm::SmallVector<int, 16> own;
  for (int i = 0; i < width; ++i) {
    const int place = i % kSquare, element = i - place + place % 2 * stride + offset;
    own.push_back(place < 2 ? element : element + width);
  }
  return builder.CreateShuffleVector(joined(builder, std::move(even)), joined(builder, std::move(odd)), own);
}

}  // namespace gradc::codegen
