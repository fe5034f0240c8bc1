#include "codegen/emit_module.h"

#include <llvm/IR/DIBuilder.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>

#include <algorithm>

#include "codegen/emit_kernel.h"
#include "codegen/emit_parts.h"
#include "codegen/emit_rows.h"
#include "codegen/kernel_groups.h"
#include "codegen/parts.h"
#include "codegen/shares.h"
#include "ir/ensure.h"

namespace gradc::codegen {

namespace {

using llvm::Value;

// Debug locations: the spec's files and lines, one subprogram a function.
class DebugInfo {
 public:
  DebugInfo(llvm::Module& module, const KernelProgram& program) : builder_(module) {
    for (const std::string& file : program.files) files_.push_back(builder_.createFile(file, "."));
    if (files_.empty()) files_.push_back(builder_.createFile(program.name, "."));
    unit_ = builder_.createCompileUnit(llvm::dwarf::DW_LANG_C, files_[0], "gradc", true, "", 0, "",
                                       llvm::DICompileUnit::LineTablesOnly);
    module.addModuleFlag(llvm::Module::Warning, "Debug Info Version", llvm::DEBUG_METADATA_VERSION);
    module.addModuleFlag(llvm::Module::Max, "Dwarf Version", 5);
  }

  void enter(llvm::Function* function, const ir::SourceLocation& location) {
    foreign_.clear();
    scope_ = builder_.createFunction(files_[file(location)], function->getName(), function->getName(),
                                     files_[file(location)], location.line,
                                     builder_.createSubroutineType(builder_.getOrCreateTypeArray({})), location.line,
                                     llvm::DINode::FlagZero, llvm::DISubprogram::SPFlagDefinition);
    function->setSubprogram(scope_);
  }

  llvm::DebugLoc at(const ir::SourceLocation& location) {
    // A kernel may hold code from a file that the spec imports.
    llvm::DIFile* origin = files_[file(location)];
    llvm::DIScope* scope = scope_;
    if (origin != scope_->getFile()) {
      llvm::DIScope*& other = foreign_[origin];
      if (other == nullptr) other = builder_.createLexicalBlockFile(scope_, origin);
      scope = other;
    }
    return llvm::DILocation::get(scope_->getContext(), location.line, location.column, scope);
  }
  llvm::DebugLoc unknown() const { return llvm::DILocation::get(scope_->getContext(), 0, 0, scope_); }

  void finish() { builder_.finalize(); }

 private:
  size_t file(const ir::SourceLocation& location) const {
    return location.valid() && static_cast<size_t>(location.file) < files_.size() ? static_cast<size_t>(location.file)
                                                                                  : 0;
  }

  llvm::DIBuilder builder_;
  std::vector<llvm::DIFile*> files_;
  llvm::DICompileUnit* unit_ = nullptr;
  llvm::DISubprogram* scope_ = nullptr;
  std::map<llvm::DIFile*, llvm::DIScope*> foreign_;  // of this function
};

// The spaces that functions take pointers to, in this order.
constexpr unsigned kPointers = 5;
constexpr ir::Space kOrder[kPointers] = {ir::Space::state, ir::Space::data, ir::Space::hyper, ir::Space::arena,
                                         ir::Space::result};

constexpr size_t index_of(ir::Space space) { return static_cast<size_t>(space); }

class ModuleEmitter {
 public:
  ModuleEmitter(const KernelProgram& program, const std::vector<KernelGroup>& groups, const Options& options,
                llvm::LLVMContext& context, const Share& share)
      : program_(program),
        groups_(groups),
        share_(share),
        context_(context),
        module_(std::make_unique<llvm::Module>(program.name, context)),
        builder_(context),
        emit_{builder_, ScalarEmitter(builder_, program.software_fma)},
        name_(symbol_name(program)) {
    if (!options.debug_info) return;
    debug_.emplace(*module_, program);
    emit_.debug_location = [this](const ir::SourceLocation& location) { return debug_->at(location); };
  }

  std::unique_ptr<llvm::Module> run() {
    if (!program_.resident) {
      const std::vector<size_t> shares = shares_of(program_, groups_, share_.count);
      for (size_t i = 0; i < groups_.size(); ++i) {
        const bool own = shares[i] == share_.index;
        if (!own && share_.index != 0) continue;
        functions_.push_back(declare_kernel(groups_[i]));
        if (own) define_kernel(functions_.back());
      }
    }
    if (share_.index == 0) {
      define_run_functions();
      entry_function(steps_function());
    }
    if (debug_) debug_->finish();
    std::string fault;
    llvm::raw_string_ostream sink(fault);
    ENSURE(!llvm::verifyModule(*module_, &sink), fault);
    return std::move(module_);
  }

 private:
  llvm::PointerType* pointer() { return builder_.getPtrTy(); }

  // Pointers `noalias`: no space overlaps another.
  llvm::Function* declare_function(const std::string& name, llvm::Type* result,
                                   const std::vector<llvm::Type*>& arguments, llvm::GlobalValue::LinkageTypes linkage) {
    llvm::Function* function =
        llvm::Function::Create(llvm::FunctionType::get(result, arguments, false), linkage, name, *module_);
    function->addFnAttr(llvm::Attribute::NoUnwind);
    function->addFnAttr("no-builtins");
    for (llvm::Argument& argument : function->args())
      if (argument.getType()->isPointerTy()) argument.addAttr(llvm::Attribute::NoAlias);
    return function;
  }

  void begin_function(llvm::Function* function, const ir::SourceLocation& location) {
    builder_.SetInsertPoint(llvm::BasicBlock::Create(context_, "entry", function));
    builder_.SetCurrentDebugLocation(llvm::DebugLoc());
    if (debug_) {
      debug_->enter(function, location);
      builder_.SetCurrentDebugLocation(debug_->unknown());
    }
  }

  llvm::Function* make_function(const std::string& name, llvm::Type* result, const std::vector<llvm::Type*>& arguments,
                                llvm::GlobalValue::LinkageTypes linkage, const ir::SourceLocation& location) {
    llvm::Function* function = declare_function(name, result, arguments, linkage);
    begin_function(function, location);
    return function;
  }

  // The arguments from the first on.
  void take_pointers(llvm::Function* function) {
    for (unsigned i = 0; i < kPointers; ++i) {
      llvm::Argument* argument = function->getArg(i);
      argument->setName(std::string(ir::space_name(kOrder[i])));
      emit_.pointers[index_of(kOrder[i])] = argument;
    }
    function->getArg(1)->addAttr(llvm::Attribute::ReadOnly);
    function->getArg(2)->addAttr(llvm::Attribute::ReadOnly);
  }

  // The code of a group of kernels: state, data, hyper, arena, results, the numbers of the group, and, where its loop
  // is in parts, the first round and the end of those to run.
  struct KernelFunction {
    const KernelGroup& group;
    llvm::Function* whole = nullptr;
    int64_t parts = 1, rounds = 1;
  };

  const Kernel& kernel_of(const KernelFunction& code) const { return program_.kernels[code.group.uses[0].kernel]; }

  KernelFunction declare_kernel(const KernelGroup& group) {
    KernelFunction code{group};
    const Kernel& kernel = kernel_of(code);
    if (const std::vector<const Loop*> loops = loops_in_parts(kernel); !loops.empty())
      code.parts = loops[0]->schedule.parts, code.rounds = joint_rounds(loops);
    const std::string name = name_ + ".kernel." + std::to_string(code.group.uses[0].kernel);
    std::vector<llvm::Type*> arguments(kPointers, pointer());
    arguments.insert(arguments.end(), code.group.arguments() + (code.parts > 1 ? 2 : 0), builder_.getInt64Ty());
    // Other shares call it, and nobody else.
    const auto linkage = share_.count > 1 ? llvm::Function::ExternalLinkage : llvm::Function::InternalLinkage;
    code.whole = declare_function(name, builder_.getVoidTy(), arguments, linkage);
    return code;
  }

  void define_kernel(const KernelFunction& code) {
    const Kernel& kernel = kernel_of(code);
    begin_function(code.whole, kernel.location);
    take_pointers(code.whole);
    emit_.offsets.assign(program_.buffers.size(), nullptr);
    unsigned next = kPointers;
    for (int32_t buffer : code.group.buffers) emit_.offsets[static_cast<size_t>(buffer)] = code.whole->getArg(next++);
    for (int64_t place : code.group.places)
      emit_.places[place] = builder_.CreateTrunc(code.whole->getArg(next++), builder_.getInt32Ty());
    if (code.parts > 1) {
      emit_.first_round = code.whole->getArg(next);
      emit_.end_round = code.whole->getArg(next + 1);
    }
    emit_kernel(emit_, program_, kernel);
    builder_.CreateRetVoid();
    emit_.offsets.clear();
    emit_.places.clear();
    emit_.first_round = emit_.end_round = nullptr;
  }

  void define_run_functions() {
    const auto make = [&](const std::string& name, const std::vector<llvm::Type*>& arguments) {
      return make_function(name_ + "." + name, builder_.getVoidTy(), arguments, llvm::Function::InternalLinkage,
                           place_of_steps());
    };
    for (const KernelFunction& code : functions_) {
      const size_t numbers = code.group.arguments();
      if (code.parts > 1 && !run_.contains(numbers)) run_[numbers] = run_function(builder_, make, kPointers, numbers);
    }
  }

  void run_kernel(const KernelFunction& code, const std::vector<Value*>& numbers, Value* context) {
    std::vector<Value*> arguments;
    const auto number = [&](int64_t value) { return builder_.getInt64(static_cast<uint64_t>(value)); };
    if (code.parts > 1) {
      arguments = {context, code.whole, number(code.rounds), number(code.parts)};
    } else {
      for (ir::Space space : kOrder) arguments.push_back(emit_.pointers[index_of(space)]);
    }
    arguments.insert(arguments.end(), numbers.begin(), numbers.end());
    builder_.CreateCall(code.parts > 1 ? run_.at(numbers.size()) : code.whole, arguments);
  }

  // Each kernel of the program, in its order: call after call, or, where many are the same code, by a table.
  void run_kernels(Value* parallel_for, Value* pool, Value* context) {
    if (!run_.empty()) {
      unsigned next = 0;
      const auto put = [&](Value* value) { builder_.CreateStore(value, word_at(builder_, context, next++)); };
      for (ir::Space space : kOrder) put(emit_.pointers[index_of(space)]);
      put(parallel_for), put(pool);
    }
    std::vector<Row> uses(program_.kernels.size());
    for (size_t i = 0; i < functions_.size(); ++i)
      for (const KernelUse& use : functions_[i].group.uses) uses[use.kernel] = {i, use.numbers};
    const auto call = [&](size_t function, const std::vector<Value*>& numbers) {
      run_kernel(functions_[function], numbers, context);
    };
    if (calls_by_table(program_, functions_.size())) return for_each_row(builder_, uses, functions_.size(), call);
    for (const Row& use : uses) {
      std::vector<Value*> numbers;
      for (int64_t one : use.numbers) numbers.push_back(builder_.getInt64(static_cast<uint64_t>(one)));
      call(use.kind, numbers);
    }
  }

  ir::SourceLocation place_of_steps() const {
    return program_.kernels.empty() ? ir::SourceLocation{} : program_.kernels[0].location;
  }

  // if (steps > 0) do { ... } while (++step < steps)
  llvm::Function* steps_function() {
    std::vector<llvm::Type*> arguments(kPointers, pointer());
    arguments.insert(arguments.end(), 4, builder_.getInt64Ty());
    arguments.insert(arguments.end(), 2, pointer());
    llvm::Function* function = make_function(name_ + ".steps", builder_.getVoidTy(), arguments,
                                             llvm::Function::InternalLinkage, place_of_steps());
    take_pointers(function);
    const SpacePointers start = emit_.pointers;
    for (unsigned i : {9U, 10U}) function->getArg(i)->removeAttr(llvm::Attribute::NoAlias);  // the host's own
    Value* steps = function->getArg(5);
    Value* context =
        run_.empty() ? nullptr : builder_.CreateAlloca(builder_.getInt64Ty(), builder_.getInt64(kPointers + 2));
    llvm::BasicBlock* before = llvm::BasicBlock::Create(context_, "before", function);
    llvm::BasicBlock* step = llvm::BasicBlock::Create(context_, "step", function);
    llvm::BasicBlock* after = llvm::BasicBlock::Create(context_, "after", function);
    llvm::BasicBlock* done = llvm::BasicBlock::Create(context_, "done", function);
    builder_.CreateCondBr(builder_.CreateICmpSGT(steps, builder_.getInt64(0)), before, done);
    builder_.SetInsertPoint(before);
    builder_.CreateBr(step);
    builder_.SetInsertPoint(after);
    builder_.CreateBr(done);
    builder_.SetInsertPoint(done);
    builder_.CreateRetVoid();

    builder_.SetInsertPoint(step);
    llvm::PHINode* number = builder_.CreatePHI(builder_.getInt64Ty(), 2, "number");
    number->addIncoming(builder_.getInt64(0), before);
    // The pointers of this step move on by their strides.
    std::vector<std::pair<llvm::PHINode*, Value*>> moving;
    constexpr std::pair<ir::Space, unsigned> kMoving[] = {
        {ir::Space::data, 6}, {ir::Space::hyper, 7}, {ir::Space::result, 8}};
    for (const auto& [space, stride] : kMoving) {
      llvm::PHINode* phi = builder_.CreatePHI(pointer(), 2);
      phi->addIncoming(start[index_of(space)], before);
      emit_.pointers[index_of(space)] = phi;
      moving.emplace_back(phi, function->getArg(stride));
    }
    RegisterMemory registers(builder_, emit_.pointers, before, step);
    if (program_.resident) {
      emit_.registers = &registers;
      for (const Kernel& kernel : program_.kernels) emit_kernel(emit_, program_, kernel);
      emit_.registers = nullptr;
    } else {
      run_kernels(function->getArg(9), function->getArg(10), context);
    }
    if (debug_) builder_.SetCurrentDebugLocation(debug_->unknown());
    llvm::BasicBlock* latch = builder_.GetInsertBlock();
    for (const auto& [phi, stride] : moving)
      phi->addIncoming(builder_.CreateGEP(builder_.getInt8Ty(), phi, stride), latch);
    Value* next = builder_.CreateAdd(number, builder_.getInt64(1), "", true, true);
    number->addIncoming(next, latch);
    builder_.CreateCondBr(builder_.CreateICmpSLT(next, steps), step, after);
    if (program_.resident) registers.finish(latch, after);
    return function;
  }

  void entry_function(llvm::Function* steps) {
    llvm::Type* word = builder_.getInt64Ty();
    llvm::Function* function =
        make_function(name_, builder_.getInt32Ty(), {pointer(), pointer(), pointer(), word, pointer()},
                      llvm::Function::ExternalLinkage, {});
    // struct gradc_context of codegen/abi.h
    llvm::StructType* layout =
        llvm::StructType::get(context_, {pointer(), pointer(), word, word, word, pointer(), pointer()});
    const auto field = [&](unsigned index) {
      Value* place = builder_.CreateStructGEP(layout, function->getArg(4), index);
      return builder_.CreateLoad(layout->getElementType(index), place);
    };
    Value* arena = field(0);
    Value* results = field(1);
    Value* data_stride = field(2);
    Value* hyper_stride = field(3);
    Value* result_stride = field(4);
    Value* parallel_for = field(5);
    Value* pool = field(6);
    builder_.CreateCall(steps, {function->getArg(0), function->getArg(1), function->getArg(2), arena, results,
                                function->getArg(3), data_stride, hyper_stride, result_stride, parallel_for, pool});
    builder_.CreateRet(builder_.getInt32(0));
  }

  const KernelProgram& program_;
  const std::vector<KernelGroup>& groups_;
  Share share_;
  llvm::LLVMContext& context_;
  std::unique_ptr<llvm::Module> module_;
  IrBuilder builder_;
  EmitContext emit_;
  std::string name_;
  std::vector<KernelFunction> functions_;
  std::map<size_t, llvm::Function*> run_;  // by how many numbers they pass on
  std::optional<DebugInfo> debug_;
};

}  // namespace

std::string symbol_name(const KernelProgram& program) {
  std::string name;
  for (char letter : program.name) {
    const bool plain =
        (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9');
    name += plain ? letter : '_';
  }
  return name.empty() || (name[0] >= '0' && name[0] <= '9') ? "_" + name : name;
}

std::unique_ptr<llvm::Module> emit_module(const KernelProgram& program, const std::vector<KernelGroup>& groups,
                                          const Options& options, llvm::LLVMContext& context, const Share& share) {
  return ModuleEmitter(program, groups, options, context, share).run();
}

}  // namespace gradc::codegen
