// The loops of a kernel that carry values: sums one term after the other, and in lanes.
#include "codegen/kernel_emitter.h"
#include "codegen/lane_sums.h"

namespace gradc::codegen {

using llvm::Value;
using Values = std::vector<Value*>;

void KernelEmitter::reduce(const Loop& loop) {
  Value*& axis = axes_[at(loop.axis)];
  Values carried;
  for (size_t i = 0; i < loop.inits.size(); ++i) {
    const bool vector = width_ > 1 && varies_[at(loop.results[i])];
    at_own_points(loop.results[i], [&] { carried.push_back(vector ? wide(loop.inits[i]) : value(loop.inits[i])); });
  }
  const auto define_all = [&](const std::vector<NodeId>& ids, const Values& now) {
    auto next = now.begin();
    for (NodeId id : ids) define(id, [&] { return *next++; });
  };
  const Guarded guarded = guarded_parts(loop);
  const auto round = [&](const Values& now) {
    define_all(loop.carried, now);
    const auto gathered = [&](const auto& node_of) {
      Values next;
      for (size_t i = 0; i < loop.yields.size(); ++i)
        at_own_points(loop.results[i], [&] {
          const bool vector = width_of(now[next.size()]) > 1;
          next.push_back(vector ? wide(node_of(i)) : value(node_of(i)));
        });
      return next;
    };
    if (guarded.condition == kNoNode) {
      emit(loop.body);
      return gathered([&](size_t i) { return loop.yields[i]; });
    }
    return only_where(guarded, now, [&] {
      return gathered([&](size_t i) { return kernel_.nodes[at(loop.yields[i])].operands[1]; });
    });
  };
  if (loop.schedule.turn > 1 && width_ % loop.schedule.turn == 0) {
    carried = turned_rounds(loop, std::move(carried), round);
  } else if (loop.schedule.unroll) {
    for (int64_t i = 0; i < loop.extent; ++i) {
      axis = builder_.getInt64(static_cast<uint64_t>(i));
      carried = round(carried);
    }
  } else {
    carried = counted_loop(loop, 1, loop.extent, carried, round);
  }
  define_all(loop.results, carried);
}

Values KernelEmitter::turned_rounds(const Loop& loop, Values carried,
                                    const std::function<Values(const Values&)>& round) {
  const int64_t group = loop.schedule.turn;
  carried = counted_loop(loop, group, loop.extent / group, carried, [&](const Values& before) {
    turned_axis_ = loop.axis;
    turned_round_ = 0;
    for (const Statement& statement : loop.body) {
      const Node& node = kernel_.nodes[at(statement.id)];
      if (is_turned(kernel_, node, loop.axis, vector_axis_)) load_turned(node, statement.id);
    }
    Values now = before;
    for (; turned_round_ < static_cast<size_t>(group); ++turned_round_) now = round(now);
    turned_axis_ = -1;
    turned_.clear();
    return now;
  });
  for (int64_t i = loop.extent - loop.extent % group; i < loop.extent; ++i) {
    axes_[at(loop.axis)] = builder_.getInt64(static_cast<uint64_t>(i));
    carried = round(carried);
  }
  return carried;
}

KernelEmitter::Guarded KernelEmitter::guarded_parts(const Loop& loop) const {
  Guarded guarded{condition_of(kernel_, loop), {}, {}};
  if (guarded.condition == kNoNode || context_.registers != nullptr) return {};
  if (width_ > 1 && varies_[at(guarded.condition)]) return {};
  for (const Tile& tile : tiles_)
    if (tile.varies[at(guarded.condition)]) return {};

  std::vector<bool> needed(kernel_.nodes.size(), false);
  needed[at(guarded.condition)] = true;
  for (size_t i = loop.body.size(); i-- > 0;) {
    const Statement& statement = loop.body[i];
    if (statement.is_loop) {
      for (NodeId result : kernel_.loops[at(statement.id)].results)
        if (needed[at(result)]) return {};
      guarded.rest.push_back(statement);
      continue;
    }
    if (std::count(loop.yields.begin(), loop.yields.end(), statement.id) > 0) continue;
    if (needed[at(statement.id)])
      visit_operands(kernel_, kernel_.nodes[at(statement.id)], [&](NodeId id) { needed[at(id)] = true; });
    (needed[at(statement.id)] ? guarded.before : guarded.rest).push_back(statement);
  }
  std::reverse(guarded.before.begin(), guarded.before.end());
  std::reverse(guarded.rest.begin(), guarded.rest.end());
  return guarded;
}

Values KernelEmitter::only_where(const Guarded& guarded, const Values& now,
                                 const std::function<Values()>& next_values) {
  emit(guarded.before);
  llvm::Function* function = builder_.GetInsertBlock()->getParent();
  llvm::BasicBlock* from = builder_.GetInsertBlock();
  llvm::BasicBlock* body = llvm::BasicBlock::Create(builder_.getContext(), "term", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(builder_.getContext(), "next", function);
  builder_.CreateCondBr(value(guarded.condition), body, after);
  builder_.SetInsertPoint(body);
  const NodeId outer = std::exchange(given_, guarded.condition);
  emit(guarded.rest);
  given_ = outer;
  const Values next = next_values();
  llvm::BasicBlock* last = builder_.GetInsertBlock();
  builder_.CreateBr(after);
  builder_.SetInsertPoint(after);
  Values merged;
  for (size_t i = 0; i < now.size(); ++i) {
    llvm::PHINode* phi = builder_.CreatePHI(now[i]->getType(), 2);
    phi->addIncoming(now[i], from);
    phi->addIncoming(next[i], last);
    merged.push_back(phi);
  }
  return merged;
}

Values KernelEmitter::side_by_side_lanes(const Loop& loop, int64_t first) {
  Values yields;
  axes_[at(loop.axis)] = builder_.getInt64(static_cast<uint64_t>(first));
  const int64_t count = std::min<int64_t>(loop.schedule.vector, loop.extent - first);
  filling_vectors(loop, static_cast<int>(count), [&] {
    emit(loop.body);
    for (size_t i = 0; i < loop.yields.size(); ++i)
      at_own_points(loop.results[i], [&] { yields.push_back(wide(loop.yields[i])); });
  });
  return yields;
}

void KernelEmitter::lanes(const Loop& loop) {
  Value*& axis = axes_[at(loop.axis)];
  const auto dtype = [&](size_t i) { return kernel_.nodes[at(loop.yields[i])].dtype; };
  if (loop.schedule.vector > 1) {
    Values yields = side_by_side_lanes(loop, 0);
    for (int64_t first = loop.schedule.vector; first < loop.extent; first += loop.schedule.vector) {
      const Values more = side_by_side_lanes(loop, first);
      for (size_t i = 0; i < yields.size(); ++i) yields[i] = joined(builder_, yields[i], more[i]);
    }
    // Neighbours of one type together: the halving turns several at once.
    Values sums;
    for (size_t i = 0, first = 0; i < loop.yields.size();) {
      const ir::DType type = dtype(i);
      size_t end = first;
      for (; i < loop.yields.size() && dtype(i) == type; ++i) at_own_points(loop.results[i], [&] { ++end; });
      for (Value* sum : add_lanes(builder_, context_.scalar, type, std::span(yields).subspan(first, end - first)))
        sums.push_back(sum);
      first = end;
    }
    auto next = sums.begin();
    for (NodeId result : loop.results) define(result, [&] { return *next++; });
    return;
  }
  std::vector<Values> lanes(static_cast<size_t>(loop.extent));
  const auto yields = [&] {
    Values all;
    for (size_t i = 0; i < loop.yields.size(); ++i)
      at_own_points(loop.results[i], [&] { all.push_back(wide(loop.yields[i])); });
    return all;
  };
  if (loop.schedule.unroll || context_.registers != nullptr) {
    for (size_t lane = 0; lane < lanes.size(); ++lane) {
      axis = builder_.getInt64(static_cast<uint64_t>(lane));
      emit(loop.body);
      lanes[lane] = yields();
    }
  } else {
    Values places;  // of what all lanes yield
    counted_loop(loop, 1, loop.extent, {}, [&](const Values&) {
      emit(loop.body);
      const Values all = yields();
      for (size_t k = 0; k < all.size(); ++k) {
        llvm::Type* type = all[k]->getType();
        places.push_back(on_stack(type, loop.extent));
        builder_.CreateStore(all[k], builder_.CreateGEP(type, places[k], axis));
      }
      return Values{};
    });
    for (size_t lane = 0; lane < lanes.size(); ++lane) {
      for (Value* place : places) {
        llvm::Type* type = llvm::cast<llvm::AllocaInst>(place)->getAllocatedType();
        lanes[lane].push_back(builder_.CreateLoad(type, builder_.CreateConstGEP1_64(type, place, lane)));
      }
    }
  }
  size_t next = 0;
  for (size_t i = 0; i < loop.yields.size(); ++i) {
    define(loop.results[i], [&] {
      Values all;
      for (const Values& lane : lanes) all.push_back(lane[next]);
      ++next;
      for (size_t half = ir::kLanes / 2; half >= 1; half /= 2)
        for (size_t lane = 0; lane < half && lane + half < all.size(); ++lane)
          all[lane] = context_.scalar.apply(ir::Op::add, dtype(i), dtype(i), Values{all[lane], all[lane + half]});
      return all[0];
    });
  }
}

llvm::AllocaInst* KernelEmitter::on_stack(llvm::Type* type, int64_t count) {
  llvm::BasicBlock& entry = builder_.GetInsertBlock()->getParent()->getEntryBlock();
  const llvm::IRBuilderBase::InsertPointGuard guard(builder_);
  builder_.SetInsertPoint(&entry, entry.getFirstInsertionPt());
  return builder_.CreateAlloca(type, builder_.getInt64(static_cast<uint64_t>(count)));
}

void KernelEmitter::where_of_counted_lanes(const Loop& loop) {
  const auto points_of = [&](const std::vector<NodeId>& nodes) {
    Values all;
    for (size_t i = 0; i < nodes.size(); ++i) at_own_points(loop.results[i], [&] { all.push_back(wide(nodes[i])); });
    return all;
  };
  const Values others = points_of(loop.inits);
  llvm::BasicBlock *before = builder_.GetInsertBlock(), *last = nullptr;
  Values yields;
  only_if(builder_.CreateICmpULT(axes_[at(loop.axis)], builder_.getInt64(static_cast<uint64_t>(loop.extent))), [&] {
    emit(loop.body);
    yields = points_of(loop.yields);
    last = builder_.GetInsertBlock();
  });
  size_t next = 0;
  for (NodeId result : loop.results) {
    define(result, [&] {
      llvm::PHINode* phi = builder_.CreatePHI(others[next]->getType(), 2);
      phi->addIncoming(others[next], before);
      phi->addIncoming(yields[next++], last);
      return phi;
    });
  }
}

void KernelEmitter::where(const Loop& loop) {
  if (vector_axis_ != loop.axis || width_ == 1) {
    const auto* lane = llvm::dyn_cast<llvm::ConstantInt>(axes_[at(loop.axis)]);
    if (lane == nullptr) return where_of_counted_lanes(loop);
    const bool takes_part = lane->getSExtValue() < loop.extent;
    if (takes_part) emit(loop.body);
    for (size_t i = 0; i < loop.results.size(); ++i)
      define(loop.results[i], [&] { return takes_part ? wide(loop.yields[i]) : wide(loop.inits[i]); });
    return;
  }
  // Of the lanes side by side those below the extent.
  const int outer = width_;
  const int64_t first = llvm::cast<llvm::ConstantInt>(axes_[at(loop.axis)])->getSExtValue();
  const int live = static_cast<int>(std::clamp<int64_t>(loop.extent - first, 0, outer));
  Values others, yields;
  for (size_t i = 0; i < loop.results.size(); ++i)
    at_own_points(loop.results[i], [&] { others.push_back(wide(loop.inits[i])); });
  if (live > 0) {
    width_ = live;
    if (width_ == 1) vector_axis_ = -1;
    emit(loop.body);
    for (size_t i = 0; i < loop.results.size(); ++i)
      at_own_points(loop.results[i], [&] { yields.push_back(wide(loop.yields[i])); });
    width_ = outer;
    vector_axis_ = loop.axis;
  }
  size_t next = 0;
  for (NodeId result : loop.results)
    define(result, [&] {
      ++next;
      return live > 0 ? replaced_front(builder_, others[next - 1], yields[next - 1]) : others[next - 1];
    });
}

}  // namespace gradc::codegen
