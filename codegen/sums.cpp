// The loops of `reduce` and `contract`: every SumOrder of ir/attr.h as a nest that adds the terms in exactly that
// order.
#include <algorithm>
#include <limits>
#include <span>

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
  ir::SourceLocation location;
  std::function<NodeId(const Indices&, NodeId)> term;
};

// accs after the terms of `first` <= index of axis 0 < first + count and all indices of the other axes. `first` is a
// multiple of 16 where axis 0 is the lane axis. Several sums over the same rounds (same_rounds) share the loops.
class SumLoops {
 public:
  SumLoops(ElementBuilder& builder, std::span<const Sum> sums)
      : builder_(builder), sums_(sums), sum_(sums[0]), index_(sums[0].extents.size()) {}

  Nodes run() {
    Nodes inits;
    for (const Sum& sum : sums_) inits.push_back(sum.init);
    if (sum_.lane < 0) return all_blocks(inits);
    const int64_t live = std::min(ir::kLanes, sum_.extents[static_cast<size_t>(sum_.lane)]);
    return builder_.lanes(live, [&](const Affine& lane) {
      lane_ = lane;
      for (size_t i = 0; i < inits.size(); ++i)
        if (inits[i] != sums_[i].start)
          inits[i] = builder_.choose(builder_.in_range(lane, 0, 1), inits[i], sums_[i].start);
      return all_blocks(inits);
    });
  }

  Nodes block(const Affine& first, int64_t count, const Affine& lane) {
    lane_ = lane;
    return axis(0, first, count, starts());
  }

 private:
  Nodes starts() const {
    Nodes starts;
    for (const Sum& sum : sums_) starts.push_back(sum.start);
    return starts;
  }

  NodeId stored_block(const Affine& number) {
    Indices position{number};
    position.insert(position.end(), sum_.result.begin(), sum_.result.end());
    position.push_back(lane_);
    return builder_.load(sum_.blocks, position);
  }

  Nodes added(const Nodes& a, const Nodes& b) {
    Nodes sums;
    for (size_t i = 0; i < a.size(); ++i) sums.push_back(builder_.apply(Op::add, builder_.dtype(a[i]), {a[i], b[i]}));
    return sums;
  }

  Nodes all_blocks(const Nodes& inits) {
    if (sum_.blocks >= 0) {
      const int64_t count = (sum_.extents[0] + sum_.block - 1) / sum_.block;
      return builder_.reduce("k", count - 1, Nodes{stored_block({})}, [&](const Affine& number, const Nodes& accs) {
        return added(accs, {stored_block(shifted(number, 1))});
      });
    }
    if (sum_.extents.empty()) return next(0, inits);
    const int64_t extent = sum_.extents[0], block = sum_.block;
    if (block <= 0 || block >= extent) return axis(0, Affine{}, extent, inits);
    Nodes totals = axis(0, Affine{}, block, inits);
    const auto add_block = [&](const Affine& first, int64_t count, const Nodes& accs) {
      return added(accs, axis(0, first, count, starts()));
    };
    const int64_t full = extent / block;
    if (full > 1) {
      totals = builder_.reduce("k", full - 1, totals, [&](const Affine& number, const Nodes& accs) {
        return add_block(shifted(scaled(number, block), block), block, accs);
      });
    }
    if (extent % block != 0) totals = add_block(Affine{full * block, {}}, extent % block, totals);
    return totals;
  }

  Nodes next(size_t position, const Nodes& accs) {
    if (position < sum_.extents.size()) return axis(position, Affine{}, sum_.extents[position], accs);
    Nodes sums;
    for (size_t i = 0; i < accs.size(); ++i) {
      builder_.locate(sums_[i].location);
      sums.push_back(sums_[i].term(index_, accs[i]));
    }
    builder_.locate(sum_.location);
    return sums;
  }

  Nodes axis(size_t position, const Affine& first, int64_t count, const Nodes& inits) {
    if (static_cast<int32_t>(position) != sum_.lane) {
      return builder_.reduce("r", count, inits, [&](const Affine& index, const Nodes& accs) {
        index_[position] = codegen::sum(first, index);
        return next(position + 1, accs);
      });
    }
    const int64_t rounds = count / ir::kLanes, rest = count % ir::kLanes;
    Nodes accs = inits;
    if (rounds > 0) {
      accs = builder_.reduce("q", rounds, accs, [&](const Affine& round, const Nodes& inner) {
        index_[position] = codegen::sum(codegen::sum(first, scaled(round, ir::kLanes)), lane_);
        return next(position + 1, inner);
      });
    }
    if (rest == 0) return accs;
    const auto last = [&] {
      index_[position] = codegen::sum(shifted(first, rounds * ir::kLanes), lane_);
      return next(position + 1, accs);
    };
    // An axis shorter than 16 has no other lanes than these.
    if (sum_.extents[position] < ir::kLanes) return last();
    return builder_.where(lane_, rest, accs, last);
  }

  ElementBuilder& builder_;
  std::span<const Sum> sums_;
  const Sum& sum_;  // the first, for what all have in common
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
  sum.location = value.location;
  return sum;
}

NodeId run(ElementBuilder& builder, const Sum& sum) {
  if (sum.lane == 0 && sum.block % ir::kLanes != 0 && sum.block < sum.extents[0])
    return builder.fail("a block of a sum is not a multiple of the 16 lanes on its axis");
  return SumLoops(builder, {&sum, 1}).run()[0];
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

// acc = acc op x. max(acc, x) is `x > acc ? x : acc`, as ops.def defines it. `value` and `index` must outlive the sum.
Sum reduce_sum(ElementBuilder& builder, const ir::Value& value, const Indices& index) {
  const ir::ReduceAttr& attr = std::get<ir::ReduceAttr>(value.attr);
  const DType dtype = value.type.dtype;
  const ReduceKindRow row = reduce_kind(attr.kind);
  Sum sum = start_sum(builder, value);
  sum.init = sum.start = builder.number(ir::is_float(dtype) ? row.real : row.integer, dtype);
  sum.term = [&builder, &value, &attr, &index, dtype, op = row.op](const Indices& reduced, NodeId acc) {
    Indices element;
    size_t kept = 0, gone = 0;
    for (size_t axis = 0; axis < builder.type(value.operands[0]).rank(); ++axis) {
      const bool is_reduced = gone < attr.axes.size() && attr.axes[gone] == static_cast<int64_t>(axis);
      element.push_back(is_reduced ? reduced[gone++] : index[kept++]);
    }
    return builder.apply(op, dtype, {acc, builder.at(value.operands[0], element)});
  };
  return sum;
}

// acc = fma(a, b, acc); for integers acc + a * b.
NodeId product_term(ElementBuilder& builder, const ir::Value& value, const ir::Subscripts& parts, const Indices& index,
                    const Indices& reduced, NodeId acc) {
  const DType dtype = value.type.dtype;
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
}

// `value`, `parts` and `index` must outlive the sum.
Sum contract_sum(ElementBuilder& builder, const ir::Value& value, const ir::Subscripts& parts, const Indices& index) {
  const DType dtype = value.type.dtype;
  Sum sum = start_sum(builder, value);
  sum.start = builder.number(0, dtype);
  sum.init = value.operands.size() == 3 ? builder.at(value.operands[2], index) : sum.start;
  sum.term = [&builder, &value, &parts, &index](const Indices& reduced, NodeId acc) {
    return product_term(builder, value, parts, index, reduced, acc);
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
  if (value.op == Op::reduce) return run(builder, reduce_sum(builder, value, index));
  return contract_loops(builder, value, index);
}

NodeId contract_terms(ElementBuilder& builder, const ir::Value& value, const Indices& index, NodeId acc) {
  const ir::Subscripts parts = ir::parse_subscripts(std::get<ir::ContractFoldAttr>(value.attr).subscripts);
  Sum sum;
  for (const ir::ReducedAxis& axis : ir::sum_shape(builder.func(), value).reduced) sum.extents.push_back(axis.extent);
  sum.location = value.location;
  sum.init = acc;
  sum.term = [&](const Indices& reduced, NodeId before) {
    return product_term(builder, value, parts, index, reduced, before);
  };
  return run(builder, sum);
}

void joint_sums(ElementBuilder& builder, std::span<const Element> elements) {
  std::vector<ir::Subscripts> parts;
  for (const auto& [id, index] : elements) {
    const ir::Value& value = builder.func()[id];
    parts.push_back(value.op == Op::contract ? subscripts_of(value) : ir::Subscripts{});
  }
  std::vector<Sum> sums;
  for (size_t i = 0; i < elements.size(); ++i) {
    const auto& [id, index] = elements[i];
    const ir::Value& value = builder.func()[id];
    builder.locate(value.location);
    sums.push_back(value.op == Op::reduce ? reduce_sum(builder, value, index)
                                          : contract_sum(builder, value, parts[i], index));
  }
  builder.locate(sums[0].location);
  const Nodes results = SumLoops(builder, sums).run();
  for (size_t i = 0; i < elements.size(); ++i) builder.remember(elements[i].first, elements[i].second, results[i]);
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
  return SumLoops(builder, {&sum, 1}).block(first, count, lane)[0];
}

}  // namespace gradc::codegen
