#include "codegen/emit_kernel.h"

#include <llvm/IR/Intrinsics.h>

#include <algorithm>

#include "codegen/schedule.h"
#include "ir/ensure.h"

namespace gradc::codegen {

namespace {

using llvm::Value;
using Values = std::vector<Value*>;

size_t at(int32_t id) { return static_cast<size_t>(id); }

class KernelEmitter {
 public:
  KernelEmitter(EmitContext& context, const KernelProgram& program, const Kernel& kernel)
      : context_(context),
        builder_(context.builder),
        program_(program),
        kernel_(kernel),
        values_(kernel.nodes.size(), nullptr),
        axes_(kernel.axes.size(), nullptr) {}

  void run() { emit(kernel_.body); }

 private:
  // --- values and widths ---

  int width_of(const Value* value) const {
    const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
    return vector == nullptr ? 1 : static_cast<int>(vector->getNumElements());
  }

  // The first `width` elements.
  Value* narrowed(Value* value, int width) {
    if (width_of(value) <= width) return value;
    if (width == 1) return builder_.CreateExtractElement(value, uint64_t{0});
    return builder_.CreateShuffleVector(value, first_elements(width));
  }

  Value* spread(Value* value, int width) {
    return width == 1 || width_of(value) > 1 ? value : builder_.CreateVectorSplat(static_cast<unsigned>(width), value);
  }

  static llvm::SmallVector<int, 16> first_elements(int width) {
    llvm::SmallVector<int, 16> elements;
    for (int i = 0; i < width; ++i) elements.push_back(i);
    return elements;
  }

  Value* value(NodeId id) { return narrowed(values_[at(id)], width_); }
  Value* wide(NodeId id) { return spread(value(id), width_); }

  // --- indices ---

  // Constant 0 and the stride in bytes apart, so that addresses are base + register + immediate.
  Value* varying_part(const Affine& index, int64_t scale) {
    Value* total = nullptr;
    for (const Affine::Term& term : index.terms) {
      Value* axis = axis_value(term.axis);
      if (width_of(axis) > 1) continue;  // see scattered_part
      Value* part = builder_.CreateMul(axis, builder_.getInt64(static_cast<uint64_t>(term.stride * scale)));
      total = total == nullptr ? part : builder_.CreateAdd(total, part);
    }
    return total == nullptr ? builder_.getInt64(0) : total;
  }

  // The index on an axis, as i64; a vector of the current width where it is dynamic and varies.
  Value* axis_value(int32_t axis) {
    const NodeId node = kernel_.axes[at(axis)].node;
    if (node == kNoNode) return axes_[at(axis)];
    Value* index = value(node);
    llvm::Type* type = builder_.getInt64Ty();
    if (width_of(index) > 1) type = llvm::FixedVectorType::get(type, lanes());
    return builder_.CreateSExt(index, type);
  }

  // What dynamic axes add to the index of each element of a vector; null where they add the same to all.
  Value* scattered_part(const Affine& index) {
    Value* total = nullptr;
    for (const Affine::Term& term : index.terms) {
      if (kernel_.axes[at(term.axis)].node == kNoNode) continue;
      Value* axis = axis_value(term.axis);
      if (width_of(axis) == 1) continue;
      Value* stride = spread(builder_.getInt64(static_cast<uint64_t>(term.stride)), width_);
      Value* part = builder_.CreateMul(axis, stride);
      total = total == nullptr ? part : builder_.CreateAdd(total, part);
    }
    return total;
  }

  bool scattered(const Affine& index) const {
    return width_ > 1 && std::any_of(index.terms.begin(), index.terms.end(), [&](const Affine::Term& term) {
             const NodeId node = kernel_.axes[at(term.axis)].node;
             return node != kNoNode && width_of(values_[at(node)]) > 1;
           });
  }

  // The index of the first element of a vector, or of the only one.
  Value* first_index(const Affine& index) {
    return builder_.CreateAdd(varying_part(index, 1), builder_.getInt64(static_cast<uint64_t>(index.constant)));
  }

  int64_t vector_stride(const Affine& index) const { return width_ == 1 ? 0 : index.stride(vector_axis_); }

  // The index of every element, as a vector of `type` where it varies.
  Value* indices(const Affine& index, llvm::IntegerType* type) {
    Value* first = builder_.CreateTrunc(first_index(index), type);
    const int64_t stride = vector_stride(index);
    if (stride != 0) {
      llvm::SmallVector<llvm::Constant*, 16> steps;
      for (int lane = 0; lane < width_; ++lane)
        steps.push_back(llvm::ConstantInt::get(type, static_cast<uint64_t>(lane * stride)));
      first = builder_.CreateAdd(spread(first, width_), llvm::ConstantVector::get(steps));
    }
    if (!scattered(index)) return first;
    Value* rest = builder_.CreateTrunc(scattered_part(index), llvm::FixedVectorType::get(type, lanes()));
    return builder_.CreateAdd(spread(first, width_), rest);
  }

  // --- memory ---

  const Buffer& buffer(const Node& node) const { return program_.buffers[at(node.buffer)]; }

  // The address of the first element of a vector, or of the only one.
  Value* element_pointer(const Node& node) {
    const Buffer& memory = buffer(node);
    const int64_t size = ir::dtype_bytes(memory.dtype);
    Value* pointer = context_.pointers[static_cast<size_t>(memory.storage.space)];
    Value* varying = varying_part(node.index, size);
    const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(varying);
    int64_t offset = memory.storage.offset + node.index.constant * size;
    if (constant != nullptr) {
      offset += constant->getSExtValue();
    } else {
      pointer = builder_.CreateGEP(builder_.getInt8Ty(), pointer, varying);
    }
    return byte_pointer(builder_, pointer, offset);
  }

  llvm::Align alignment(const Node& node) const {
    return llvm::Align(static_cast<uint64_t>(ir::dtype_bytes(buffer(node).dtype)));
  }

  // In a resident program every index is a number.
  int64_t constant_offset(const Node& node) {
    const Buffer& memory = buffer(node);
    const auto* index = llvm::dyn_cast<llvm::ConstantInt>(first_index(node.index));
    ENSURE(index != nullptr, "a resident program has an index that varies");
    return memory.storage.offset + index->getSExtValue() * ir::dtype_bytes(memory.dtype);
  }

  Value* load(const Node& node) {
    llvm::Type* type = memory_type(builder_.getContext(), node.dtype);
    const Value* condition = node.predicate == kNoNode ? nullptr : value(node.predicate);
    if (const auto* known = llvm::dyn_cast_or_null<llvm::Constant>(condition)) {
      if (known->isNullValue()) return context_.scalar.constant(0, node.dtype);
      if (known->isAllOnesValue()) condition = nullptr;
    }
    if (condition != nullptr) return from_memory(builder_, node.dtype, load_where(node, type));
    const ir::Space space = buffer(node).storage.space;
    if (context_.registers != nullptr && RegisterMemory::holds(space))
      return context_.registers->load(space, constant_offset(node), node.dtype);
    if (scattered(node.index)) return from_memory(builder_, node.dtype, load_scattered(node, type));
    const int64_t stride = vector_stride(node.index);
    Value* first = element_pointer(node);
    if (stride == 0) return from_memory(builder_, node.dtype, load_at(node, first, type));
    if (stride == 1)
      return from_memory(builder_, node.dtype, load_at(node, first, llvm::FixedVectorType::get(type, lanes())));
    Value* result = llvm::PoisonValue::get(llvm::FixedVectorType::get(type, lanes()));
    for (int lane = 0; lane < width_; ++lane)
      result = builder_.CreateInsertElement(result, load_at(node, element_after(node, first, lane * stride), type),
                                            static_cast<uint64_t>(lane));
    return from_memory(builder_, node.dtype, result);
  }

  // One by one, each at an address of its own.
  Value* load_scattered(const Node& node, llvm::Type* type) {
    Value* all = indices(node.index, builder_.getInt64Ty());
    Value* result = llvm::PoisonValue::get(llvm::FixedVectorType::get(type, lanes()));
    for (int lane = 0; lane < width_; ++lane) {
      Value* element = builder_.CreateExtractElement(all, static_cast<uint64_t>(lane));
      result = builder_.CreateInsertElement(result, load_at(node, pointer_to(node, element), type),
                                            static_cast<uint64_t>(lane));
    }
    return result;
  }

  Value* pointer_to(const Node& node, Value* element) {
    const Buffer& memory = buffer(node);
    Value* base =
        byte_pointer(builder_, context_.pointers[static_cast<size_t>(memory.storage.space)], memory.storage.offset);
    Value* size = builder_.getInt64(static_cast<uint64_t>(ir::dtype_bytes(memory.dtype)));
    return builder_.CreateGEP(builder_.getInt8Ty(), base, builder_.CreateMul(element, size));
  }

  Value* element_after(const Node& node, Value* first, int64_t distance) {
    return byte_pointer(builder_, first, distance * ir::dtype_bytes(node.dtype));
  }

  Value* load_at(const Node& node, Value* pointer, llvm::Type* type) {
    return builder_.CreateAlignedLoad(type, pointer, alignment(node));
  }

  // Memory is touched only where the predicate holds: neighbours by a masked load, others one by one, reading the first
  // element of the buffer where it does not hold.
  Value* load_where(const Node& node, llvm::Type* type) {
    ENSURE(context_.registers == nullptr || !RegisterMemory::holds(buffer(node).storage.space),
           "a resident program has a predicate that varies");
    Value* condition = value(node.predicate);
    const int64_t stride = vector_stride(node.index);
    const bool apart = scattered(node.index);
    if (stride == 1 && !apart) {
      llvm::Type* vector = llvm::FixedVectorType::get(type, lanes());
      return builder_.CreateMaskedLoad(vector, element_pointer(node), alignment(node), spread(condition, width_),
                                       llvm::Constant::getNullValue(vector));
    }
    const auto one = [&](Value* holds, Value* element) {
      Value* safe = builder_.CreateSelect(holds, element, builder_.getInt64(0));
      Value* loaded = load_at(node, pointer_to(node, safe), type);
      return builder_.CreateSelect(holds, loaded, llvm::Constant::getNullValue(type));
    };
    const bool per_lane = stride != 0 || apart || width_of(condition) > 1;
    if (!per_lane) return one(condition, first_index(node.index));
    Value* all = apart ? indices(node.index, builder_.getInt64Ty()) : nullptr;
    Value* result = llvm::PoisonValue::get(llvm::FixedVectorType::get(type, lanes()));
    for (int lane = 0; lane < width_; ++lane) {
      Value* holds =
          width_of(condition) > 1 ? builder_.CreateExtractElement(condition, static_cast<uint64_t>(lane)) : condition;
      Value* element = apart ? builder_.CreateExtractElement(all, static_cast<uint64_t>(lane))
                             : first_index(shifted(node.index, lane * stride));
      result = builder_.CreateInsertElement(result, one(holds, element), static_cast<uint64_t>(lane));
    }
    return result;
  }

  void store(const Node& node) {
    const ir::Space space = buffer(node).storage.space;
    if (context_.registers != nullptr && RegisterMemory::holds(space)) {
      context_.registers->store(space, constant_offset(node), node.dtype, value(node.operands[0]));
      return;
    }
    const int64_t stride = vector_stride(node.index);
    Value* first = element_pointer(node);
    if (stride == 0) {
      store_at(node, first, to_memory(builder_, node.dtype, value(node.operands[0])));
      return;
    }
    Value* stored = to_memory(builder_, node.dtype, wide(node.operands[0]));
    if (stride == 1) {
      store_at(node, first, stored);
      return;
    }
    for (int lane = 0; lane < width_; ++lane)
      store_at(node, element_after(node, first, lane * stride),
               builder_.CreateExtractElement(stored, static_cast<uint64_t>(lane)));
  }

  void store_at(const Node& node, Value* pointer, Value* stored) {
    builder_.CreateAlignedStore(stored, pointer, alignment(node));
  }

  unsigned lanes() const { return static_cast<unsigned>(width_); }

  // --- nodes ---

  void emit(const Node& node, NodeId id) {
    switch (node.kind) {
      case NodeKind::constant:
        values_[at(id)] = context_.scalar.constant(node.number, node.dtype);
        return;
      case NodeKind::index:
        values_[at(id)] = indices(node.index, builder_.getInt32Ty());
        return;
      case NodeKind::in_range: {
        Value* index = indices(node.index, builder_.getInt64Ty());
        const auto bound = [&](int64_t number) {
          return llvm::ConstantInt::get(index->getType(), static_cast<uint64_t>(number));
        };
        values_[at(id)] = builder_.CreateAnd(builder_.CreateICmpSGE(index, bound(node.low)),
                                             builder_.CreateICmpSLT(index, bound(node.high)));
        return;
      }
      case NodeKind::load:
        values_[at(id)] = load(node);
        return;
      case NodeKind::store:
        store(node);
        return;
      case NodeKind::apply: {
        const ir::DType operand = kernel_.nodes[at(node.operands.back())].dtype;
        const Values operands = together(node.operands, 1);
        values_[at(id)] = context_.scalar.apply(node.op, node.dtype, operand, operands);
        return;
      }
      case NodeKind::random: {
        Value* sample = indices(node.sample, builder_.getInt32Ty());
        Value* element = indices(node.index, builder_.getInt32Ty());
        const int width = std::max(width_of(sample), width_of(element));
        const Values key = together(node.operands, width);
        const int all = std::max(width, width_of(key[0]));
        values_[at(id)] =
            context_.scalar.random(key, static_cast<uint32_t>(node.place), spread(sample, all), spread(element, all));
        return;
      }
      case NodeKind::carried:
        break;
    }
    ENSURE(false, "a carried value stands alone");
  }

  // The operands at one width: vectors as soon as one of them is, or `least` asks for it.
  Values together(const std::vector<NodeId>& ids, int least) {
    Values operands;
    for (NodeId id : ids) operands.push_back(value(id));
    int width = least;
    for (const Value* operand : operands) width = std::max(width, width_of(operand));
    for (Value*& operand : operands) operand = spread(operand, width);
    return operands;
  }

  void emit(const Block& block) {
    for (const Statement& statement : block) {
      if (statement.is_loop) {
        emit(kernel_.loops[at(statement.id)]);
        continue;
      }
      const Node& node = kernel_.nodes[at(statement.id)];
      if (context_.debug_location && node.location.valid())
        builder_.SetCurrentDebugLocation(context_.debug_location(node.location));
      emit(node, statement.id);
    }
  }

  // --- loops ---

  // for (i = 0; i < count; ++i) carried = body(i, carried); at least one round. In SSA form, tested at its end.
  Values counted_loop(int64_t count, const Values& inits, const std::function<Values(Value*, const Values&)>& body) {
    if (count == 1) return body(builder_.getInt64(0), inits);
    llvm::Function* function = builder_.GetInsertBlock()->getParent();
    llvm::BasicBlock* before = builder_.GetInsertBlock();
    llvm::BasicBlock* head = llvm::BasicBlock::Create(builder_.getContext(), "loop", function);
    builder_.CreateBr(head);
    builder_.SetInsertPoint(head);
    llvm::PHINode* counter = builder_.CreatePHI(builder_.getInt64Ty(), 2, "i");
    counter->addIncoming(builder_.getInt64(0), before);
    std::vector<llvm::PHINode*> phis;
    for (Value* init : inits) {
      phis.push_back(builder_.CreatePHI(init->getType(), 2));
      phis.back()->addIncoming(init, before);
    }
    Values next = body(counter, Values(phis.begin(), phis.end()));
    Value* following = builder_.CreateAdd(counter, builder_.getInt64(1), "", true, true);
    counter->addIncoming(following, builder_.GetInsertBlock());
    for (size_t i = 0; i < phis.size(); ++i) phis[i]->addIncoming(next[i], builder_.GetInsertBlock());
    llvm::BasicBlock* after = llvm::BasicBlock::Create(builder_.getContext(), "done", function);
    builder_.CreateCondBr(builder_.CreateICmpULT(following, builder_.getInt64(static_cast<uint64_t>(count))), head,
                          after);
    builder_.SetInsertPoint(after);
    return next;
  }

  void emit(const Loop& loop) {
    switch (loop.kind) {
      case LoopKind::parallel:
        return parallel(loop);
      case LoopKind::reduce:
        return reduce(loop);
      case LoopKind::lanes:
        return lanes(loop);
      case LoopKind::where:
        return where(loop);
    }
  }

  void parallel(const Loop& loop) {
    Value*& axis = axes_[at(loop.axis)];
    const int64_t vector = loop.schedule.vector;
    if (loop.schedule.unroll && vector == 1) {
      for (int64_t i = 0; i < loop.extent; ++i) {
        axis = builder_.getInt64(static_cast<uint64_t>(i));
        emit(loop.body);
      }
      return;
    }
    const int64_t rounds = loop.extent / vector, rest = loop.extent % vector;
    if (rounds > 0) {
      const auto step = [&] {
        counted_loop(rounds, {}, [&](Value* round, const Values&) {
          axis = builder_.CreateMul(round, builder_.getInt64(static_cast<uint64_t>(vector)));
          emit(loop.body);
          return Values{};
        });
      };
      vector == 1 ? step() : filling_vectors(loop, static_cast<int>(vector), step);
    }
    if (rest == 0) return;
    axis = builder_.getInt64(static_cast<uint64_t>(rounds * vector));
    filling_vectors(loop, static_cast<int>(rest), [&] { emit(loop.body); });
  }

  void filling_vectors(const Loop& loop, int width, const std::function<void()>& body) {
    ENSURE(width_ == 1, "two axes fill vectors");
    width_ = width;
    vector_axis_ = loop.axis;
    find_varying(loop);
    body();
    width_ = 1;
    vector_axis_ = -1;
  }

  void reduce(const Loop& loop) {
    Value*& axis = axes_[at(loop.axis)];
    Values carried;
    for (size_t i = 0; i < loop.inits.size(); ++i) {
      const bool vector = width_ > 1 && varies_[at(loop.results[i])];
      carried.push_back(vector ? wide(loop.inits[i]) : value(loop.inits[i]));
    }
    const auto round = [&](Value* index, const Values& now) {
      axis = index;
      for (size_t i = 0; i < now.size(); ++i) values_[at(loop.carried[i])] = now[i];
      emit(loop.body);
      Values next;
      for (size_t i = 0; i < now.size(); ++i)
        next.push_back(width_of(now[i]) > 1 ? wide(loop.yields[i]) : value(loop.yields[i]));
      return next;
    };
    if (loop.schedule.unroll) {
      for (int64_t i = 0; i < loop.extent; ++i) carried = round(builder_.getInt64(static_cast<uint64_t>(i)), carried);
    } else {
      carried = counted_loop(loop.extent, carried, round);
    }
    for (size_t i = 0; i < carried.size(); ++i) values_[at(loop.results[i])] = carried[i];
  }

  // The lanes side by side in one vector, or one after the other; then the halving tree, which is the same additions.
  void lanes(const Loop& loop) {
    Value*& axis = axes_[at(loop.axis)];
    const ir::DType dtype = kernel_.nodes[at(loop.yields[0])].dtype;
    if (loop.schedule.vector > 1) {
      axis = builder_.getInt64(0);
      Values yields;
      filling_vectors(loop, static_cast<int>(loop.extent), [&] {
        emit(loop.body);
        for (NodeId yield : loop.yields) yields.push_back(wide(yield));
      });
      for (size_t i = 0; i < yields.size(); ++i) values_[at(loop.results[i])] = add_halves(yields[i], dtype);
      return;
    }
    std::vector<Values> yields(loop.yields.size());
    for (int64_t lane = 0; lane < loop.extent; ++lane) {
      axis = builder_.getInt64(static_cast<uint64_t>(lane));
      emit(loop.body);
      for (size_t i = 0; i < yields.size(); ++i) yields[i].push_back(wide(loop.yields[i]));
    }
    for (size_t i = 0; i < yields.size(); ++i) {
      Values& all = yields[i];
      for (size_t half = ir::kLanes / 2; half >= 1; half /= 2)
        for (size_t lane = 0; lane < half && lane + half < all.size(); ++lane)
          all[lane] = context_.scalar.apply(ir::Op::add, dtype, dtype, Values{all[lane], all[lane + half]});
      values_[at(loop.results[i])] = all[0];
    }
  }

  Value* add_halves(Value* all, ir::DType dtype) {
    int live = width_of(all);
    for (int half = ir::kLanes / 2; half >= 1; half /= 2) {
      if (live <= half) continue;
      // Lanes half ... live-1 come down onto 0 ...; the lanes of the lower half that nothing is added to stay.
      const int added = live - half;
      llvm::SmallVector<int, 16> upper, lower;
      for (int lane = 0; lane < added; ++lane) upper.push_back(half + lane), lower.push_back(lane);
      Value* sum = context_.scalar.apply(
          ir::Op::add, dtype, dtype,
          Values{builder_.CreateShuffleVector(all, lower), builder_.CreateShuffleVector(all, upper)});
      all = added == half ? sum : replaced_front(builder_.CreateShuffleVector(all, first_elements(half)), sum);
      live = half;
    }
    return builder_.CreateExtractElement(all, uint64_t{0});
  }

  // `all` with its first elements replaced by those of `front`.
  Value* replaced_front(Value* all, Value* front) {
    const int width = width_of(all), count = width_of(front);
    if (count == width) return front;
    if (count == 1) {
      if (front->getType()->isVectorTy()) front = builder_.CreateExtractElement(front, uint64_t{0});
      return builder_.CreateInsertElement(all, front, uint64_t{0});
    }
    llvm::SmallVector<int, 16> widen, choose;
    for (int lane = 0; lane < width; ++lane) {
      widen.push_back(lane < count ? lane : llvm::PoisonMaskElem);
      choose.push_back(lane < count ? width + lane : lane);
    }
    return builder_.CreateShuffleVector(all, builder_.CreateShuffleVector(front, widen), choose);
  }

  void where(const Loop& loop) {
    if (vector_axis_ != loop.axis || width_ == 1) {
      const auto* lane = llvm::dyn_cast<llvm::ConstantInt>(axes_[at(loop.axis)]);
      ENSURE(lane != nullptr, "where outside lanes that are side by side or copied out");
      const bool takes_part = lane->getSExtValue() < loop.extent;
      if (takes_part) emit(loop.body);
      for (size_t i = 0; i < loop.results.size(); ++i)
        values_[at(loop.results[i])] = takes_part ? wide(loop.yields[i]) : wide(loop.inits[i]);
      return;
    }
    const int outer = width_;
    Values others;
    for (NodeId init : loop.inits) others.push_back(wide(init));
    width_ = static_cast<int>(loop.extent);
    if (width_ == 1) vector_axis_ = -1;
    emit(loop.body);
    Values yields;
    for (NodeId yield : loop.yields) yields.push_back(wide(yield));
    width_ = outer;
    vector_axis_ = loop.axis;
    for (size_t i = 0; i < yields.size(); ++i) values_[at(loop.results[i])] = replaced_front(others[i], yields[i]);
  }

  // Which values inside the loop are vectors: those that depend on its axis. Carried values feed back, so to a
  // fixpoint.
  void find_varying(const Loop& vector_loop) {
    varies_.assign(kernel_.nodes.size(), false);
    bool changed = true;
    const auto mark = [&](NodeId id, bool varies) {
      if (!varies || varies_[at(id)]) return;
      varies_[at(id)] = true;
      changed = true;
    };
    while (changed) {
      changed = false;
      walk(
          kernel_, vector_loop.body,
          [&](NodeId id) {
            const Node& node = kernel_.nodes[at(id)];
            bool varies = varies_along(node.index) || varies_along(node.sample);
            for (NodeId operand : node.operands) varies = varies || varies_[at(operand)];
            mark(id, varies || (node.predicate != kNoNode && varies_[at(node.predicate)]));
          },
          [&](int32_t id) {
            const Loop& loop = kernel_.loops[at(id)];
            for (size_t i = 0; i < loop.yields.size(); ++i) {
              bool varies = varies_[at(loop.yields[i])];
              if (!loop.inits.empty()) varies = varies || varies_[at(loop.inits[i])];
              varies = varies || (loop.kind == LoopKind::where && loop.axis == vector_axis_);
              mark(loop.results[i], varies);
              if (!loop.carried.empty()) mark(loop.carried[i], varies);
            }
          });
    }
  }

  bool varies_along(const Affine& index) const {
    return index.stride(vector_axis_) != 0 ||
           std::any_of(index.terms.begin(), index.terms.end(), [&](const Affine::Term& term) {
             const NodeId node = kernel_.axes[at(term.axis)].node;
             return node != kNoNode && varies_[at(node)];
           });
  }

  EmitContext& context_;
  IrBuilder& builder_;
  const KernelProgram& program_;
  const Kernel& kernel_;
  Values values_;
  Values axes_;  // i64; of the axis that fills vectors, its first element's
  std::vector<bool> varies_;
  int32_t vector_axis_ = -1;
  int width_ = 1;
};

}  // namespace

void emit_kernel(EmitContext& context, const KernelProgram& program, const Kernel& kernel) {
  KernelEmitter(context, program, kernel).run();
}

}  // namespace gradc::codegen
