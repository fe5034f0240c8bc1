#include "codegen/emit_module.h"

#include <llvm/IR/DIBuilder.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>

#include "codegen/emit_kernel.h"
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

constexpr size_t index_of(ir::Space space) { return static_cast<size_t>(space); }

class ModuleEmitter {
 public:
  ModuleEmitter(const KernelProgram& program, const Options& options, bool software_fma, llvm::LLVMContext& context)
      : program_(program),
        context_(context),
        module_(std::make_unique<llvm::Module>(program.name, context)),
        builder_(context),
        emit_{builder_, ScalarEmitter(builder_, software_fma), {}, nullptr, nullptr},
        name_(symbol_name(program)) {
    if (!options.debug_info) return;
    debug_.emplace(*module_, program);
    emit_.debug_location = [this](const ir::SourceLocation& location) { return debug_->at(location); };
  }

  std::unique_ptr<llvm::Module> run() {
    std::vector<llvm::Function*> kernels;
    if (!program_.resident) {
      for (size_t i = 0; i < program_.kernels.size(); ++i) kernels.push_back(kernel_function(i));
    }
    entry_function(steps_function(kernels));
    if (debug_) debug_->finish();
    std::string fault;
    llvm::raw_string_ostream sink(fault);
    ENSURE(!llvm::verifyModule(*module_, &sink), fault);
    return std::move(module_);
  }

 private:
  llvm::PointerType* pointer() { return builder_.getPtrTy(); }

  // Pointers `noalias`: no space overlaps another.
  llvm::Function* make_function(const std::string& name, llvm::Type* result, const std::vector<llvm::Type*>& arguments,
                                llvm::GlobalValue::LinkageTypes linkage, const ir::SourceLocation& location) {
    llvm::Function* function =
        llvm::Function::Create(llvm::FunctionType::get(result, arguments, false), linkage, name, *module_);
    function->addFnAttr(llvm::Attribute::NoUnwind);
    function->addFnAttr("no-builtins");
    for (llvm::Argument& argument : function->args())
      if (argument.getType()->isPointerTy()) argument.addAttr(llvm::Attribute::NoAlias);
    builder_.SetInsertPoint(llvm::BasicBlock::Create(context_, "entry", function));
    builder_.SetCurrentDebugLocation(llvm::DebugLoc());
    if (debug_) {
      debug_->enter(function, location);
      builder_.SetCurrentDebugLocation(debug_->unknown());
    }
    return function;
  }

  // The arguments state, data, hyper, arena, results, in this order, from the first on.
  void take_pointers(llvm::Function* function) {
    constexpr ir::Space kOrder[] = {ir::Space::state, ir::Space::data, ir::Space::hyper, ir::Space::arena,
                                    ir::Space::result};
    for (unsigned i = 0; i < 5; ++i) {
      llvm::Argument* argument = function->getArg(i);
      argument->setName(std::string(ir::space_name(kOrder[i])));
      emit_.pointers[index_of(kOrder[i])] = argument;
    }
    function->getArg(1)->addAttr(llvm::Attribute::ReadOnly);
    function->getArg(2)->addAttr(llvm::Attribute::ReadOnly);
  }

  llvm::Function* kernel_function(size_t number) {
    const Kernel& kernel = program_.kernels[number];
    llvm::Function* function =
        make_function(name_ + ".kernel." + std::to_string(number), builder_.getVoidTy(),
                      std::vector<llvm::Type*>(5, pointer()), llvm::Function::InternalLinkage, kernel.location);
    take_pointers(function);
    emit_kernel(emit_, program_, kernel);
    builder_.CreateRetVoid();
    return function;
  }

  // if (steps > 0) do { ... } while (++step < steps)
  llvm::Function* steps_function(const std::vector<llvm::Function*>& kernels) {
    std::vector<llvm::Type*> arguments(5, pointer());
    arguments.insert(arguments.end(), 4, builder_.getInt64Ty());
    const ir::SourceLocation location = program_.kernels.empty() ? ir::SourceLocation{} : program_.kernels[0].location;
    llvm::Function* function =
        make_function(name_ + ".steps", builder_.getVoidTy(), arguments, llvm::Function::InternalLinkage, location);
    take_pointers(function);
    const SpacePointers start = emit_.pointers;
    Value* steps = function->getArg(5);
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
    RegisterMemory registers(builder_, emit_.pointers, before);
    if (program_.resident) {
      carry_state(registers);
      emit_.registers = &registers;
      for (const Kernel& kernel : program_.kernels) emit_kernel(emit_, program_, kernel);
      emit_.registers = nullptr;
    } else {
      for (llvm::Function* kernel : kernels) {
        builder_.CreateCall(kernel,
                            {emit_.pointers[index_of(ir::Space::state)], emit_.pointers[index_of(ir::Space::data)],
                             emit_.pointers[index_of(ir::Space::hyper)], emit_.pointers[index_of(ir::Space::arena)],
                             emit_.pointers[index_of(ir::Space::result)]});
      }
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

  // Every element of the state that some kernel stores.
  void carry_state(RegisterMemory& registers) {
    for (const Kernel& kernel : program_.kernels) {
      for (const Node& node : kernel.nodes) {
        if (node.kind != NodeKind::store) continue;
        const Buffer& buffer = program_.buffers[static_cast<size_t>(node.buffer)];
        if (buffer.storage.space != ir::Space::state) continue;
        for (int64_t i = 0; i < buffer.elements(); ++i)
          registers.carry(buffer.storage.offset + i * ir::dtype_bytes(buffer.dtype), buffer.dtype);
      }
    }
  }

  void entry_function(llvm::Function* steps) {
    llvm::Type* word = builder_.getInt64Ty();
    llvm::Function* function =
        make_function(name_, builder_.getInt32Ty(), {pointer(), pointer(), pointer(), word, pointer()},
                      llvm::Function::ExternalLinkage, {});
    // struct gradc_context of codegen/abi.h
    llvm::StructType* layout = llvm::StructType::get(context_, {pointer(), pointer(), word, word, word, pointer()});
    const auto field = [&](unsigned index) {
      Value* place = builder_.CreateStructGEP(layout, function->getArg(4), index);
      return builder_.CreateLoad(layout->getElementType(index), place);
    };
    Value* arena = field(0);
    Value* results = field(1);
    Value* data_stride = field(2);
    Value* hyper_stride = field(3);
    Value* result_stride = field(4);
    builder_.CreateCall(steps, {function->getArg(0), function->getArg(1), function->getArg(2), arena, results,
                                function->getArg(3), data_stride, hyper_stride, result_stride});
    builder_.CreateRet(builder_.getInt32(0));
  }

  const KernelProgram& program_;
  llvm::LLVMContext& context_;
  std::unique_ptr<llvm::Module> module_;
  IrBuilder builder_;
  EmitContext emit_;
  std::string name_;
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

std::unique_ptr<llvm::Module> emit_module(const KernelProgram& program, const Options& options, bool software_fma,
                                          llvm::LLVMContext& context) {
  return ModuleEmitter(program, options, software_fma, context).run();
}

}  // namespace gradc::codegen
