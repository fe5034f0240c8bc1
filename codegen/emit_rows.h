// A loop over a table of constants: the calls of a program whose layers repeat differ in a few numbers only, and each
// call that is written out takes its time to compile. Tests: tests/native/test_kernel_groups.cpp.
#pragma once
#include <functional>
#include <vector>

#include "codegen/emit_scalar.h"

namespace gradc::codegen {

struct Row {
  size_t kind;
  std::vector<int64_t> numbers;
};

// For each row, in its order: what `emit` makes of its kind and its numbers. It is called once for each kind.
void for_each_row(IrBuilder& builder, const std::vector<Row>& rows, size_t kinds,
                  const std::function<void(size_t kind, const std::vector<llvm::Value*>& numbers)>& emit);

}  // namespace gradc::codegen
