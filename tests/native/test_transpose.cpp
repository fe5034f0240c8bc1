// Shuffles of constants are folded where they are built, so that nothing needs to run.
#include "codegen/transpose.h"

#include <doctest/doctest.h>
#include <llvm/IR/Constants.h>

using namespace gradc;

namespace {

// Element i of vector k is 100 k + i.
std::vector<llvm::Value*> numbered(llvm::LLVMContext& context, uint32_t count, uint32_t width) {
  std::vector<llvm::Value*> vectors;
  for (uint32_t k = 0; k < count; ++k) {
    std::vector<uint32_t> elements;
    for (uint32_t i = 0; i < width; ++i) elements.push_back(100 * k + i);
    vectors.push_back(llvm::ConstantDataVector::get(context, elements));
  }
  return vectors;
}

}  // namespace

TEST_CASE("picked: an element of each group of 2 or 4") {
  llvm::LLVMContext context;
  llvm::IRBuilder<> builder(context);
  for (const int width : {4, 8, 16})
    for (const int stride : {2, 4})
      for (int offset = 0; offset < stride; ++offset) {
        const auto* elements = llvm::cast<llvm::ConstantDataVector>(
            codegen::picked(builder, width, stride, offset, [&](int64_t first) -> llvm::Value* {
              std::vector<uint32_t> four;
              for (uint32_t i = 0; i < 4; ++i) four.push_back(static_cast<uint32_t>(first) + i);
              return llvm::ConstantDataVector::get(context, four);
            }));
        for (int i = 0; i < width; ++i)
          CHECK(elements->getElementAsInteger(static_cast<unsigned>(i)) == static_cast<uint64_t>(stride * i + offset));
      }
}

TEST_CASE("transpose: element i of vector k becomes element k of vector i") {
  llvm::LLVMContext context;
  llvm::IRBuilder<> builder(context);
  for (const uint32_t width : {4, 8, 16}) {
    const std::vector<llvm::Value*> columns = codegen::transposed(builder, numbered(context, width, width));
    REQUIRE(columns.size() == width);
    for (uint32_t i = 0; i < width; ++i) {
      const auto* column = llvm::cast<llvm::ConstantDataVector>(columns[i]);
      for (uint32_t k = 0; k < width; ++k) CHECK(column->getElementAsInteger(k) == 100 * k + i);
    }
  }
}

TEST_CASE("transpose: elements k of four vectors become neighbours") {
  llvm::LLVMContext context;
  llvm::IRBuilder<> builder(context);
  for (const uint32_t width : {4, 8, 16}) {
    const std::vector<llvm::Value*> groups = codegen::groups_of_four(builder, numbered(context, 4, width));
    REQUIRE(groups.size() == width);
    for (uint32_t i = 0; i < width; ++i) {
      const auto* group = llvm::cast<llvm::ConstantDataVector>(groups[i]);
      REQUIRE(group->getNumElements() == 4);
      for (uint32_t k = 0; k < 4; ++k) CHECK(group->getElementAsInteger(k) == 100 * k + i);
    }
  }
}
