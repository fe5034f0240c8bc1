#include "codegen/emit_rows.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Module.h>

#include <algorithm>

namespace gradc::codegen {

using llvm::Value;

namespace {

// The kind of each row and its numbers, all rows as long as the longest. Read only, and no address is in it.
llvm::GlobalVariable* table_of(llvm::Module& module, const std::vector<Row>& rows, size_t width) {
  std::vector<uint64_t> words;
  for (const Row& row : rows) {
    words.push_back(row.kind);
    for (int64_t number : row.numbers) words.push_back(static_cast<uint64_t>(number));
    words.resize((words.size() + width - 1) / width * width, 0);
  }
  llvm::Constant* content = llvm::ConstantDataArray::get(module.getContext(), words);
  return new llvm::GlobalVariable(module, content->getType(), true, llvm::GlobalValue::PrivateLinkage, content, "rows");
}

}  // namespace

void for_each_row(IrBuilder& builder, const std::vector<Row>& rows, size_t kinds,
                  const std::function<void(size_t kind, const std::vector<Value*>& numbers)>& emit) {
  std::vector<size_t> counts(kinds, 0);  // of numbers, by kind
  for (const Row& row : rows) counts[row.kind] = row.numbers.size();
  const size_t width = 1 + *std::max_element(counts.begin(), counts.end());
  llvm::BasicBlock* before = builder.GetInsertBlock();
  llvm::Function* function = before->getParent();
  llvm::GlobalVariable* table = table_of(*function->getParent(), rows, width);
  const auto block = [&](const char* name) { return llvm::BasicBlock::Create(builder.getContext(), name, function); };
  llvm::BasicBlock *head = block("row"), *next = block("next"), *nothing = block("nothing"), *after = block("after");
  llvm::IntegerType* word = builder.getInt64Ty();
  const auto number = [&](size_t value) { return builder.getInt64(static_cast<uint64_t>(value)); };

  builder.CreateBr(head);
  builder.SetInsertPoint(head);
  llvm::PHINode* place = builder.CreatePHI(word, 2, "place");
  place->addIncoming(number(0), before);
  Value* row = builder.CreateGEP(word, table, place);
  const auto loaded = [&](size_t i) { return builder.CreateLoad(word, builder.CreateConstGEP1_64(word, row, i)); };
  llvm::SwitchInst* choice = builder.CreateSwitch(loaded(0), nothing, static_cast<unsigned>(kinds));
  for (size_t kind = 0; kind < kinds; ++kind) {
    llvm::BasicBlock* own = block("kind");
    choice->addCase(number(kind), own);
    builder.SetInsertPoint(own);
    std::vector<Value*> numbers;
    for (size_t i = 0; i < counts[kind]; ++i) numbers.push_back(loaded(i + 1));
    emit(kind, numbers);
    builder.CreateBr(next);
  }
  builder.SetInsertPoint(nothing);
  builder.CreateUnreachable();
  builder.SetInsertPoint(next);
  Value* following = builder.CreateAdd(place, number(width), "", true, true);
  place->addIncoming(following, next);
  builder.CreateCondBr(builder.CreateICmpULT(following, number(rows.size() * width)), head, after);
  builder.SetInsertPoint(after);
}

}  // namespace gradc::codegen
