#include "codegen/emit_parts.h"

namespace gradc::codegen {

namespace {

using llvm::Value;
using Values = std::vector<Value*>;

// What a part finds in its environment, a word each, is what run() takes but for the host's own: the arguments of the
// kernel, and behind them these, counted from the end.
constexpr unsigned kCode = 3, kRounds = 2, kParts = 1;

class PartEmitter {
 public:
  PartEmitter(IrBuilder& builder, const MakeFunction& make, unsigned pointers, size_t offsets)
      : builder_(builder), make_(make), suffix_("." + std::to_string(offsets)), types_(pointers, builder.getPtrTy()) {
    llvm::Type* word = builder.getInt64Ty();
    types_.insert(types_.end(), offsets, word);
    types_.insert(types_.end(), {builder.getPtrTy(), word, word});
  }

  llvm::Function* run() {
    llvm::Function* part = part_function();
    const auto count = static_cast<unsigned>(types_.size());
    std::vector<llvm::Type*> types = types_;
    types.insert(types.end(), 2, builder_.getPtrTy());
    llvm::Function* function = make_("run" + suffix_, types);
    Values arguments;
    for (unsigned i = 0; i < count; ++i) arguments.push_back(function->getArg(i));
    Value* parallel_for = function->getArg(count);
    Value* pool = function->getArg(count + 1);
    // Code, and what is the host's own.
    for (unsigned i : {count - kCode, count, count + 1}) function->getArg(i)->removeAttr(llvm::Attribute::NoAlias);
    Value* environment = builder_.CreateAlloca(builder_.getInt64Ty(), builder_.getInt64(count));
    llvm::BasicBlock* alone = llvm::BasicBlock::Create(builder_.getContext(), "alone", function);
    llvm::BasicBlock* together = llvm::BasicBlock::Create(builder_.getContext(), "together", function);
    builder_.CreateCondBr(builder_.CreateIsNull(parallel_for), alone, together);
    builder_.SetInsertPoint(together);
    for (unsigned i = 0; i < count; ++i) builder_.CreateStore(arguments[i], word(environment, i));
    llvm::Type* pointer = builder_.getPtrTy();
    llvm::FunctionType* type =
        llvm::FunctionType::get(builder_.getVoidTy(), {pointer, pointer, pointer, builder_.getInt64Ty()}, false);
    builder_.CreateCall(type, parallel_for, {pool, part, environment, arguments[count - kParts]});
    builder_.CreateRetVoid();
    builder_.SetInsertPoint(alone);
    call_kernel(arguments, builder_.getInt64(0), arguments[count - kRounds]);
    builder_.CreateRetVoid();
    return function;
  }

 private:
  // void part(environment, i): rounds from i * rounds / parts to before (i + 1) * rounds / parts.
  llvm::Function* part_function() {
    llvm::Function* function = make_("part" + suffix_, {builder_.getPtrTy(), builder_.getInt64Ty()});
    const auto count = static_cast<unsigned>(types_.size());
    Values arguments;
    for (unsigned i = 0; i < count; ++i)
      arguments.push_back(builder_.CreateLoad(types_[i], word(function->getArg(0), i)));
    const auto bound = [&](Value* part) {
      return builder_.CreateUDiv(builder_.CreateMul(part, arguments[count - kRounds]), arguments[count - kParts]);
    };
    Value* index = function->getArg(1);
    Value* first = bound(index);
    call_kernel(arguments, first, bound(builder_.CreateAdd(index, builder_.getInt64(1))));
    builder_.CreateRetVoid();
    return function;
  }

  Value* word(Value* environment, unsigned index) {
    return builder_.CreateConstGEP1_64(builder_.getInt64Ty(), environment, index);
  }

  // The rounds from `first` to before `end`.
  void call_kernel(Values arguments, Value* first, Value* end) {
    Value* code = arguments[arguments.size() - kCode];
    arguments.resize(arguments.size() - kCode);
    arguments.insert(arguments.end(), {first, end});
    std::vector<llvm::Type*> types;
    for (Value* argument : arguments) types.push_back(argument->getType());
    builder_.CreateCall(llvm::FunctionType::get(builder_.getVoidTy(), types, false), code, arguments);
  }

  IrBuilder& builder_;
  const MakeFunction& make_;
  std::string suffix_;
  std::vector<llvm::Type*> types_;  // of the environment
};

}  // namespace

llvm::Function* run_function(IrBuilder& builder, const MakeFunction& make, unsigned pointers, size_t offsets) {
  return PartEmitter(builder, make, pointers, offsets).run();
}

}  // namespace gradc::codegen
