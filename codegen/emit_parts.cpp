#include "codegen/emit_parts.h"

namespace gradc::codegen {

namespace {

using llvm::Value;
using Values = std::vector<Value*>;

// What run() takes, and the words that a part finds in its environment: these, and behind them the numbers.
constexpr unsigned kContext = 0, kCode = 1, kRounds = 2, kParts = 3, kNumbers = 4;

class PartEmitter {
 public:
  PartEmitter(IrBuilder& builder, const MakeFunction& make, unsigned pointers, size_t numbers)
      : builder_(builder), make_(make), suffix_("." + std::to_string(numbers)), pointers_(pointers) {
    llvm::Type *pointer = builder.getPtrTy(), *word = builder.getInt64Ty();
    types_ = {pointer, pointer, word, word};
    types_.insert(types_.end(), numbers, word);
  }

  llvm::Function* run() {
    llvm::Function* part = part_function();
    const auto count = static_cast<unsigned>(types_.size());
    llvm::Function* function = make_("run" + suffix_, types_);
    for (unsigned i : {kContext, kCode}) function->getArg(i)->removeAttr(llvm::Attribute::NoAlias);
    Values arguments;
    for (unsigned i = 0; i < count; ++i) arguments.push_back(function->getArg(i));
    llvm::Type* pointer = builder_.getPtrTy();
    Value* parallel_for = loaded(pointer, arguments[kContext], pointers_);
    Value* environment = builder_.CreateAlloca(builder_.getInt64Ty(), builder_.getInt64(count));
    llvm::BasicBlock* alone = llvm::BasicBlock::Create(builder_.getContext(), "alone", function);
    llvm::BasicBlock* together = llvm::BasicBlock::Create(builder_.getContext(), "together", function);
    builder_.CreateCondBr(builder_.CreateIsNull(parallel_for), alone, together);
    builder_.SetInsertPoint(together);
    for (unsigned i = 0; i < count; ++i) builder_.CreateStore(arguments[i], word_at(builder_, environment, i));
    llvm::FunctionType* type =
        llvm::FunctionType::get(builder_.getVoidTy(), {pointer, pointer, pointer, builder_.getInt64Ty()}, false);
    Value* pool = loaded(pointer, arguments[kContext], pointers_ + 1);
    builder_.CreateCall(type, parallel_for, {pool, part, environment, arguments[kParts]});
    builder_.CreateRetVoid();
    builder_.SetInsertPoint(alone);
    call_kernel(arguments, builder_.getInt64(0), arguments[kRounds]);
    builder_.CreateRetVoid();
    return function;
  }

 private:
  // void part(environment, i): rounds from i * rounds / parts to before (i + 1) * rounds / parts.
  llvm::Function* part_function() {
    llvm::Function* function = make_("part" + suffix_, {builder_.getPtrTy(), builder_.getInt64Ty()});
    Values arguments;
    for (unsigned i = 0; i < types_.size(); ++i) arguments.push_back(loaded(types_[i], function->getArg(0), i));
    const auto bound = [&](Value* part) {
      return builder_.CreateUDiv(builder_.CreateMul(part, arguments[kRounds]), arguments[kParts]);
    };
    Value* index = function->getArg(1);
    Value* first = bound(index);
    call_kernel(arguments, first, bound(builder_.CreateAdd(index, builder_.getInt64(1))));
    builder_.CreateRetVoid();
    return function;
  }

  Value* loaded(llvm::Type* type, Value* words, unsigned index) {
    return builder_.CreateLoad(type, word_at(builder_, words, index));
  }

  // The rounds from `first` to before `end`.
  void call_kernel(const Values& environment, Value* first, Value* end) {
    Values arguments;
    for (unsigned i = 0; i < pointers_; ++i) arguments.push_back(loaded(builder_.getPtrTy(), environment[kContext], i));
    arguments.insert(arguments.end(), environment.begin() + kNumbers, environment.end());
    arguments.insert(arguments.end(), {first, end});
    std::vector<llvm::Type*> types;
    for (Value* argument : arguments) types.push_back(argument->getType());
    builder_.CreateCall(llvm::FunctionType::get(builder_.getVoidTy(), types, false), environment[kCode], arguments);
  }

  IrBuilder& builder_;
  const MakeFunction& make_;
  std::string suffix_;
  unsigned pointers_;
  std::vector<llvm::Type*> types_;  // of the environment
};

}  // namespace

llvm::Function* run_function(IrBuilder& builder, const MakeFunction& make, unsigned pointers, size_t numbers) {
  return PartEmitter(builder, make, pointers, numbers).run();
}

llvm::Value* word_at(IrBuilder& builder, llvm::Value* words, unsigned index) {
  return builder.CreateConstGEP1_64(builder.getInt64Ty(), words, index);
}

}  // namespace gradc::codegen
