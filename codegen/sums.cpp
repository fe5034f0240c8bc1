// The loops of `reduce` and `contract`: every SumOrder of ir/attr.h as a nest that adds the terms in exactly that
// order.
#include <algorithm>
#include <limits>

#include "codegen/element_rules.h"
#include "ir/ensure.h"
#include "ir/sum_order.h"

namespace gradc::codegen {

namespace {

using ir::DType;
using ir::Op;

// One sum: which axes run, where each accumulator starts, and what a term does to it.
struct Sum {
  std::vector<int64_t> extents;  // the reduced axes in their written order
  int32_t lane = -1;             // position of the lane axis, -1: sequential
  int64_t block = 0;             // indices of axis 0 in a block, 0: one block
  NodeId init = kNoNode;
  NodeId start = kNoNode;  // of lanes past the first and of blocks past the first
  int32_t blocks = -1;     // the buffer that holds the lanes of all blocks, where another kernel has added these up
  Indices result;          // the element of it
  std::function<NodeId(const Indices&, NodeId)> term;
};

// acc after the terms of `first` <= index of axis 0 < first + count and all indices of the other axes. `first` is a
// multiple of 16 where axis 0 is the lane axis.
class SumLoops {
 public:
  SumLoops(ElementBuilder& builder, const Sum& sum) : builder_(builder), sum_(sum), index_(sum.extents.size()) {}

  NodeId run() {
    if (sum_.lane < 0) return all_blocks(sum_.init);
    const int64_t live = std::min(ir::kLanes, sum_.extents[static_cast<size_t>(sum_.lane)]);
    return builder_.lanes(live, [&](const Affine& lane) {
      lane_ = lane;
      NodeId init = sum_.init;
      if (init != sum_.start) init = builder_.choose(builder_.in_range(lane, 0, 1), init, sum_.start);
      return all_blocks(init);
    });
  }

  NodeId block(const Affine& first, int64_t count, const Affine& lane) {
    lane_ = lane;
    return axis(0, first, count, sum_.start);
  }

 private:
  NodeId stored_block(const Affine& number) {
    Indices position{number};
    position.insert(position.end(), sum_.result.begin(), sum_.result.end());
    position.push_back(lane_);
    return builder_.load(sum_.blocks, position);
  }

  NodeId all_blocks(NodeId init) {
    if (sum_.blocks >= 0) {
      const int64_t count = (sum_.extents[0] + sum_.block - 1) / sum_.block;
      return builder_.reduce("k", count - 1, stored_block({}), [&](const Affine& number, NodeId acc) {
        return builder_.apply(Op::add, builder_.dtype(acc), {acc, stored_block(shifted(number, 1))});
      });
    }
    if (sum_.extents.empty()) return sum_.term({}, init);
    const int64_t extent = sum_.extents[0], block = sum_.block;
    if (block <= 0 || block >= extent) return axis(0, Affine{}, extent, init);
    NodeId total = axis(0, Affine{}, block, init);
    const auto add_block = [&](const Affine& first, int64_t count, NodeId acc) {
      return builder_.apply(Op::add, builder_.dtype(acc), {acc, axis(0, first, count, sum_.start)});
    };
    const int64_t full = extent / block;
    if (full > 1) {
      total = builder_.reduce("k", full - 1, total, [&](const Affine& number, NodeId acc) {
        return add_block(shifted(scaled(number, block), block), block, acc);
      });
    }
    if (extent % block != 0) total = add_block(Affine{full * block, {}}, extent % block, total);
    return total;
  }

  NodeId next(size_t position, NodeId acc) {
    if (position == sum_.extents.size()) return sum_.term(index_, acc);
    return axis(position, Affine{}, sum_.extents[position], acc);
  }

  NodeId axis(size_t position, const Affine& first, int64_t count, NodeId init) {
    if (static_cast<int32_t>(position) != sum_.lane) {
      return builder_.reduce("r", count, init, [&](const Affine& index, NodeId acc) {
        index_[position] = codegen::sum(first, index);
        return next(position + 1, acc);
      });
    }
    const int64_t rounds = count / ir::kLanes, rest = count % ir::kLanes;
    NodeId acc = init;
    if (rounds > 0) {
      acc = builder_.reduce("q", rounds, acc, [&](const Affine& round, NodeId inner) {
        index_[position] = codegen::sum(codegen::sum(first, scaled(round, ir::kLanes)), lane_);
        return next(position + 1, inner);
      });
    }
    if (rest == 0) return acc;
    const auto last = [&] {
      index_[position] = codegen::sum(shifted(first, rounds * ir::kLanes), lane_);
      return next(position + 1, acc);
    };
    // An axis shorter than 16 has no other lanes than these.
    if (sum_.extents[position] < ir::kLanes) return last();
    return builder_.where(lane_, rest, acc, last);
  }

  ElementBuilder& builder_;
  const Sum& sum_;
  Indices index_;
  Affine lane_;
};

Sum start_sum(const ElementBuilder& builder, const ir::Value& value) {
  Sum sum;
  const ir::SumShape shape = ir::sum_shape(builder.func(), value);
  const ir::SumOrder order = ir::order_of(builder.func(), value);
  for (size_t i = 0; i < shape.reduced.size(); ++i) {
    sum.extents.push_back(shape.reduced[i].extent);
    if (order.kind == ir::SumOrder::Kind::lanes && shape.reduced[i].id == order.axis)
      sum.lane = static_cast<int32_t>(i);
  }
  sum.block = order.block;
  return sum;
}

NodeId run(ElementBuilder& builder, const Sum& sum) {
  if (sum.lane == 0 && sum.block % ir::kLanes != 0 && sum.block < sum.extents[0])
    return builder.fail("a block of a sum is not a multiple of the 16 lanes on its axis");
  return SumLoops(builder, sum).run();
}

struct ReduceKindRow {
  Op op;
  double real, integer;  // what the accumulator starts with
};

ReduceKindRow reduce_kind(ir::ReduceKind kind) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  switch (kind) {
    case ir::ReduceKind::max:
      return {Op::max, -kInfinity, INT32_MIN};
    case ir::ReduceKind::min:
      return {Op::min, kInfinity, INT32_MAX};
    case ir::ReduceKind::prod:
      return {Op::mul, 1, 1};
    case ir::ReduceKind::sum:
      break;
  }
  return {Op::add, 0, 0};
}

// acc = acc op x. max(acc, x) is `x > acc ? x : acc`, as ops.def defines it.
NodeId reduce_loops(ElementBuilder& builder, const ir::Value& value, const Indices& index) {
  const ir::ReduceAttr& attr = std::get<ir::ReduceAttr>(value.attr);
  const DType dtype = value.type.dtype;
  const ReduceKindRow row = reduce_kind(attr.kind);
  const ir::ValueId operand = value.operands[0];
  Sum sum = start_sum(builder, value);
  sum.init = sum.start = builder.number(ir::is_float(dtype) ? row.real : row.integer, dtype);
  sum.term = [&](const Indices& reduced, NodeId acc) {
    Indices element;
    size_t kept = 0, gone = 0;
    for (size_t axis = 0; axis < builder.type(operand).rank(); ++axis) {
      const bool is_reduced = gone < attr.axes.size() && attr.axes[gone] == static_cast<int64_t>(axis);
      element.push_back(is_reduced ? reduced[gone++] : index[kept++]);
    }
    return builder.apply(row.op, dtype, {acc, builder.at(operand, element)});
  };
  return run(builder, sum);
}

// acc = fma(a, b, acc); for integers acc + a * b. `parts` and `index` must outlive the sum.
Sum contract_sum(ElementBuilder& builder, const ir::Value& value, const ir::Subscripts& parts, const Indices& index) {
  const DType dtype = value.type.dtype;
  Sum sum = start_sum(builder, value);
  sum.start = builder.number(0, dtype);
  sum.init = value.operands.size() == 3 ? builder.at(value.operands[2], index) : sum.start;
  sum.term = [&builder, &value, &parts, &index, dtype](const Indices& reduced, NodeId acc) {
    const auto element = [&](ir::ValueId operand, const std::string& letters) {
      Indices at;
      for (char letter : letters) {
        const size_t place = parts.result.find(letter);
        at.push_back(place != std::string::npos ? index[place] : reduced[parts.reduced.find(letter)]);
      }
      return builder.at(operand, at);
    };
    const NodeId a = element(value.operands[0], parts.lhs), b = element(value.operands[1], parts.rhs);
    if (ir::is_float(dtype)) return builder.apply(Op::fma, dtype, {a, b, acc});
    return builder.apply(Op::add, dtype, {acc, builder.apply(Op::mul, dtype, {a, b})});
  };
  return sum;
}

ir::Subscripts subscripts_of(const ir::Value& value) {
  return ir::parse_subscripts(std::get<ir::ContractAttr>(value.attr).subscripts);
}

NodeId contract_loops(ElementBuilder& builder, const ir::Value& value, const Indices& index) {
  const ir::Subscripts parts = subscripts_of(value);
  Sum sum = contract_sum(builder, value, parts, index);
  sum.blocks = builder.blocks_of(value);
  sum.result = index;
  return run(builder, sum);
}

}  // namespace

NodeId sum_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index) {
  return value.op == Op::reduce ? reduce_loops(builder, value, index) : contract_loops(builder, value, index);
}

std::optional<SumBlocks> blocks_of(const ir::Func& func, const ir::Value& value) {
  constexpr int64_t kManyTerms = int64_t{1} << 20;  // of all elements
  if (value.op != Op::contract || value.operands.size() == 3 || !ir::is_float(value.type.dtype)) return std::nullopt;
  const ir::SumShape shape = ir::sum_shape(func, value);
  const ir::SumOrder order = ir::order_of(func, value);
  if (order.kind != ir::SumOrder::Kind::lanes || order.block <= 0) return std::nullopt;
  const int64_t extent = shape.reduced[0].extent;
  const auto lane = std::find_if(shape.reduced.begin(), shape.reduced.end(),
                                 [&](const ir::ReducedAxis& axis) { return axis.id == order.axis; });
  // Every lane then has as many terms as the others.
  const bool whole = lane->extent % ir::kLanes == 0 && (lane != shape.reduced.begin() || order.block % ir::kLanes == 0);
  if (order.block >= extent || !whole || shape.outputs * shape.terms() < kManyTerms) return std::nullopt;
  const int64_t count = (extent + order.block - 1) / order.block;
  return SumBlocks{count, order.block, extent - (count - 1) * order.block};
}

NodeId block_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index, const Affine& first,
                  int64_t count, const Affine& lane) {
  const ir::Subscripts parts = subscripts_of(value);
  const Sum sum = contract_sum(builder, value, parts, index);
  return SumLoops(builder, sum).block(first, count, lane);
}

}  // namespace gradc::codegen
