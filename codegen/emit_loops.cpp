// The parallel loops of a kernel, and what all loops are made of.
#include "codegen/kernel_emitter.h"
#include "ir/ensure.h"

namespace gradc::codegen {

using llvm::Value;
using Values = std::vector<Value*>;

bool KernelEmitter::has_loop(const Block& block) const {
  return std::any_of(block.begin(), block.end(), [&](const Statement& statement) {
    if (!statement.is_loop) return false;
    const Loop& loop = kernel_.loops[at(statement.id)];
    const bool once = loop.kind == LoopKind::lanes || loop.kind == LoopKind::where || loop.schedule.unroll;
    return !once || has_loop(loop.body);
  });
}

Values KernelEmitter::counted_loop(const Loop& loop, int64_t step, int64_t count, const Values& inits,
                                   const std::function<Values(const Values&)>& body) {
  if (count == 1) {
    axes_[at(loop.axis)] = builder_.getInt64(0);
    return body(inits);
  }
  return counted_loop(loop, step, builder_.getInt64(0), builder_.getInt64(static_cast<uint64_t>(count)), inits, body);
}

Values KernelEmitter::counted_loop(const Loop& loop, int64_t step, Value* first, Value* end, const Values& inits,
                                   const std::function<Values(const Values&)>& body) {
  llvm::Function* function = builder_.GetInsertBlock()->getParent();
  llvm::BasicBlock* before = builder_.GetInsertBlock();
  llvm::BasicBlock* head = llvm::BasicBlock::Create(builder_.getContext(), "loop", function);
  builder_.CreateBr(head);
  builder_.SetInsertPoint(head);
  llvm::PHINode* counter = builder_.CreatePHI(builder_.getInt64Ty(), 2, "i");
  counter->addIncoming(first, before);
  std::vector<llvm::PHINode*> phis;
  for (Value* init : inits) {
    phis.push_back(builder_.CreatePHI(init->getType(), 2));
    phis.back()->addIncoming(init, before);
  }
  axes_[at(loop.axis)] = builder_.CreateMul(counter, builder_.getInt64(static_cast<uint64_t>(step)));
  open_.push_back({loop.axis, step, !has_loop(loop.body), before, head, first, {}});
  Values next = body(Values(phis.begin(), phis.end()));
  llvm::BasicBlock* last = builder_.GetInsertBlock();
  const auto count_on = [&](llvm::PHINode* phi, int64_t distance) {
    Value* following = builder_.CreateAdd(phi, builder_.getInt64(static_cast<uint64_t>(distance)), "", false, true);
    phi->addIncoming(following, last);
    return following;
  };
  Value* following = count_on(counter, 1);
  for (const auto& [factor, phi] : open_.back().multiples) count_on(phi, factor * step);
  open_.pop_back();
  for (size_t i = 0; i < phis.size(); ++i) phis[i]->addIncoming(next[i], last);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(builder_.getContext(), "done", function);
  builder_.CreateCondBr(builder_.CreateICmpULT(following, end), head, after);
  builder_.SetInsertPoint(after);
  return next;
}

void KernelEmitter::emit(const Loop& loop) {
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

void KernelEmitter::parallel(const Loop& loop) {
  Value*& axis = axes_[at(loop.axis)];
  const int64_t vector = loop.schedule.vector, tile = loop.schedule.tile;
  if (loop.schedule.unroll && tile == 1) {
    for (int64_t i = 0; i < loop.extent; i += vector) {
      axis = builder_.getInt64(static_cast<uint64_t>(i));
      body_of(loop, std::min(vector, loop.extent - i), 1);
    }
    return;
  }
  if (!in_parts_.empty() && in_parts_[0] == &loop)
    return in_parts_.size() == 1 ? some_rounds(loop) : joint_rounds_of(loop);
  const int64_t block = vector * tile, rounds = loop.extent / block;
  if (rounds > 0) {
    counted_loop(loop, block, rounds, {}, [&](const Values&) {
      body_of(loop, vector, tile);
      return Values{};
    });
  }
  what_is_left(loop);
}

void KernelEmitter::what_is_left(const Loop& loop) {
  Value*& axis = axes_[at(loop.axis)];
  const int64_t vector = loop.schedule.vector, block = vector * loop.schedule.tile;
  const int64_t whole = loop.extent % block / vector, rest = loop.extent % vector;
  if (whole > 0) {
    axis = builder_.getInt64(static_cast<uint64_t>(loop.extent - loop.extent % block));
    body_of(loop, vector, whole);
  }
  if (rest == 0) return;
  axis = builder_.getInt64(static_cast<uint64_t>(loop.extent - rest));
  body_of(loop, rest, 1);
}

void KernelEmitter::some_rounds(const Loop& loop) {
  const int64_t block = int64_t{loop.schedule.vector} * loop.schedule.tile;
  Value* whole = builder_.getInt64(static_cast<uint64_t>(loop.extent / block));
  Value* first = context_.first_round;
  Value* end = builder_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, context_.end_round, whole);
  only_if(builder_.CreateICmpULT(first, end), [&] {
    counted_loop(loop, block, first, end, {}, [&](const Values&) {
      body_of(loop, loop.schedule.vector, loop.schedule.tile);
      return Values{};
    });
  });
  if (loop.extent % block == 0) return;
  only_if(builder_.CreateICmpUGT(context_.end_round, whole), [&] { what_is_left(loop); });
}

void KernelEmitter::joint_rounds_of(const Loop& loop) {
  const std::vector<const Loop*> all = in_parts_;
  in_parts_.erase(in_parts_.begin());
  Value* inside = builder_.getInt64(static_cast<uint64_t>(joint_rounds(in_parts_)));
  Value *first = context_.first_round, *end = context_.end_round;
  const int64_t block = int64_t{loop.schedule.vector} * loop.schedule.tile;
  only_if(builder_.CreateICmpULT(first, end), [&] {
    Value* one = builder_.getInt64(1);
    Value* behind = builder_.CreateAdd(builder_.CreateUDiv(builder_.CreateSub(end, one), inside), one);
    counted_loop(loop, block, builder_.CreateUDiv(first, inside), behind, {}, [&](const Values&) {
      Value* round = builder_.CreateExactUDiv(axes_[at(loop.axis)], builder_.getInt64(static_cast<uint64_t>(block)));
      Value* before = builder_.CreateMul(round, inside);
      context_.first_round = builder_.CreateBinaryIntrinsic(llvm::Intrinsic::usub_sat, first, before);
      context_.end_round =
          builder_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, builder_.CreateSub(end, before), inside);
      body_of(loop, loop.schedule.vector, loop.schedule.tile);
      return Values{};
    });
  });
  context_.first_round = first;
  context_.end_round = end;
  in_parts_ = all;
}

void KernelEmitter::only_if(Value* condition, const std::function<void()>& body) {
  llvm::Function* function = builder_.GetInsertBlock()->getParent();
  llvm::BasicBlock* then = llvm::BasicBlock::Create(builder_.getContext(), "then", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(builder_.getContext(), "after", function);
  builder_.CreateCondBr(condition, then, after);
  builder_.SetInsertPoint(then);
  body();
  builder_.CreateBr(after);
  builder_.SetInsertPoint(after);
}

void KernelEmitter::body_of(const Loop& loop, int64_t width, int64_t tile) {
  if (tile > 1) {
    for (Tile& outer : tiles_) outer.stride *= static_cast<size_t>(tile);
    points_ *= static_cast<size_t>(tile);
    tiles_.push_back({loop.axis, width, static_cast<size_t>(tile), 1, varying(loop)});
  }
  if (width > 1) {
    filling_vectors(loop, static_cast<int>(width), [&] { emit(loop.body); });
  } else {
    emit(loop.body);
  }
  if (tile == 1) return;
  tiles_.pop_back();
  points_ /= static_cast<size_t>(tile);
  for (Tile& outer : tiles_) outer.stride /= static_cast<size_t>(tile);
}

void KernelEmitter::filling_vectors(const Loop& loop, int width, const std::function<void()>& body) {
  ENSURE(width_ == 1, "two axes fill vectors");
  width_ = width;
  vector_axis_ = loop.axis;
  varies_ = varying(loop);
  body();
  width_ = 1;
  vector_axis_ = -1;
}

std::vector<bool> KernelEmitter::varying(const Loop& outer) const {
  std::vector<bool> varies(kernel_.nodes.size(), false);
  bool changed = true;
  const auto mark = [&](NodeId id, bool does) {
    if (!does || varies[at(id)]) return;
    varies[at(id)] = true;
    changed = true;
  };
  const auto varies_along = [&](const Affine& index) {
    return std::any_of(index.terms.begin(), index.terms.end(), [&](const Affine::Term& term) {
      const NodeId node = kernel_.axes[at(term.axis)].node;
      return term.axis == outer.axis || (node != kNoNode && varies[at(node)]);
    });
  };
  while (changed) {
    changed = false;
    walk(
        kernel_, outer.body,
        [&](NodeId id) {
          const Node& node = kernel_.nodes[at(id)];
          bool does = varies_along(node.index) || varies_along(node.sample);
          for (NodeId operand : node.operands) does = does || varies[at(operand)];
          mark(id, does || (node.predicate != kNoNode && varies[at(node.predicate)]));
        },
        [&](int32_t id) {
          const Loop& loop = kernel_.loops[at(id)];
          for (size_t i = 0; i < loop.yields.size(); ++i) {
            bool does = varies[at(loop.yields[i])];
            if (!loop.inits.empty()) does = does || varies[at(loop.inits[i])];
            does = does || (loop.kind == LoopKind::where && loop.axis == outer.axis);
            mark(loop.results[i], does);
            if (!loop.carried.empty()) mark(loop.carried[i], does);
          }
        });
  }
  return varies;
}

}  // namespace gradc::codegen
