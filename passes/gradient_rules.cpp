#include "passes/gradient_rules.h"

#include <algorithm>
#include <numbers>

namespace gradc::passes {

namespace {

using ir::Builder;
using ir::Op;
using ir::Type;
using ir::ValueId;
using Rule = void (*)(const GradientCall&);

ValueId zeros_like(const GradientCall& call, ValueId x) { return call.builder.constant_like(0, x); }

// --- without a gradient ---
void rule_parameter(const GradientCall&) {}
void rule_constant(const GradientCall&) {}
void rule_iota(const GradientCall&) {}
void rule_random(const GradientCall&) {}
void rule_less(const GradientCall&) {}
void rule_less_equal(const GradientCall&) {}
void rule_equal(const GradientCall&) {}
void rule_logical_and(const GradientCall&) {}
void rule_logical_or(const GradientCall&) {}
void rule_logical_not(const GradientCall&) {}
void rule_stop_gradient(const GradientCall&) {}

// --- elementwise; g is the gradient of y ---

// y = -x: dx = -g
void rule_neg(const GradientCall& c) { c.contribute(0, c.builder.neg(c.gradient)); }

// y = |x|: dx = g sign(x), 0 at 0
void rule_abs(const GradientCall& c) {
  Builder& b = c.builder;
  const ValueId x = c.operand(0), zero = zeros_like(c, x);
  const ValueId negative = b.select(b.binary(Op::less, x, zero), b.neg(c.gradient), zero);
  c.contribute(0, b.select(b.binary(Op::less, zero, x), c.gradient, negative));
}

// y = floor x: dx = 0, which nothing needs to be told
void rule_floor(const GradientCall&) {}

// y = e^x: dx = g y
void rule_exp(const GradientCall& c) { c.contribute(0, c.builder.mul(c.gradient, c.result)); }

// y = ln x: dx = g / x
void rule_log(const GradientCall& c) { c.contribute(0, c.builder.div(c.gradient, c.operand(0))); }

// y = sqrt x: dx = g / (2 y)
void rule_sqrt(const GradientCall& c) { c.contribute(0, c.builder.div(c.gradient, c.builder.add(c.result, c.result))); }

// y = tanh x: dx = g (1 - y^2), as (g + g y)(1 - y), which keeps its digits where y is near 1 or -1
void rule_tanh(const GradientCall& c) {
  Builder& b = c.builder;
  const ValueId rest = b.sub(b.constant_like(1, c.result), c.result);
  c.contribute(0, b.mul(b.add(c.gradient, b.mul(c.gradient, c.result)), rest));
}

// y = erf x: dx = g 2/sqrt(pi) exp(-x^2)
void rule_erf(const GradientCall& c) {
  Builder& b = c.builder;
  const ValueId x = c.operand(0);
  const ValueId slope = b.mul(b.constant_like(2 * std::numbers::inv_sqrtpi, x), b.unary(Op::exp, b.neg(b.mul(x, x))));
  c.contribute(0, b.mul(c.gradient, slope));
}

// y = sin x: dx = g cos x
void rule_sin(const GradientCall& c) {
  c.contribute(0, c.builder.mul(c.gradient, c.builder.unary(Op::cos, c.operand(0))));
}

// y = cos x: dx = -g sin x
void rule_cos(const GradientCall& c) {
  c.contribute(0, c.builder.neg(c.builder.mul(c.gradient, c.builder.unary(Op::sin, c.operand(0)))));
}

// y = a^b: da = g b a^(b-1), 0 where b = 0; db = g y ln a, 0 where a = 0 and b >= 0
void rule_pow(const GradientCall& c) {
  Builder& b = c.builder;
  const ValueId x = c.operand(0), exponent = c.operand(1), zero = zeros_like(c, x);
  if (c.wanted(0)) {
    const ValueId lower = b.binary(Op::pow, x, b.sub(exponent, b.constant_like(1, exponent)));
    const ValueId slope = b.select(b.binary(Op::equal, exponent, zero), zero, b.mul(exponent, lower));
    c.contribute(0, b.mul(c.gradient, slope));
  }
  if (c.wanted(1)) {
    const ValueId at_zero =
        b.binary(Op::logical_and, b.binary(Op::equal, x, zero), b.binary(Op::less_equal, zero, exponent));
    const ValueId slope = b.select(at_zero, zero, b.mul(c.result, b.unary(Op::log, x)));
    c.contribute(1, b.mul(c.gradient, slope));
  }
}

// y = a + b: da = g, db = g
void rule_add(const GradientCall& c) {
  c.contribute(0, c.gradient);
  c.contribute(1, c.gradient);
}

// y = a - b: da = g, db = -g
void rule_sub(const GradientCall& c) {
  c.contribute(0, c.gradient);
  if (c.wanted(1)) c.contribute(1, c.builder.neg(c.gradient));
}

// y = a b: da = g b, db = g a
void rule_mul(const GradientCall& c) {
  if (c.wanted(0)) c.contribute(0, c.builder.mul(c.gradient, c.operand(1)));
  if (c.wanted(1)) c.contribute(1, c.builder.mul(c.gradient, c.operand(0)));
}

// y = a / b: da = g / b, db = -(g / b) y
void rule_div(const GradientCall& c) {
  const ValueId quotient = c.builder.div(c.gradient, c.operand(1));
  c.contribute(0, quotient);
  if (c.wanted(1)) c.contribute(1, c.builder.neg(c.builder.mul(quotient, c.result)));
}

// y = max(a, b): da = g where a > b, else 0; db = g elsewhere, so b has it at a tie. a > b says the same as y > b.
void rule_max(const GradientCall& c) {
  Builder& b = c.builder;
  const ValueId first = b.binary(Op::less, c.operand(1), c.result), zero = zeros_like(c, c.gradient);
  if (c.wanted(0)) c.contribute(0, b.select(first, c.gradient, zero));
  if (c.wanted(1)) c.contribute(1, b.select(first, zero, c.gradient));
}

// y = min(a, b): da = g where a < b, else 0; db = g elsewhere. a < b says the same as y < b.
void rule_min(const GradientCall& c) {
  Builder& b = c.builder;
  const ValueId first = b.binary(Op::less, c.result, c.operand(1)), zero = zeros_like(c, c.gradient);
  if (c.wanted(0)) c.contribute(0, b.select(first, c.gradient, zero));
  if (c.wanted(1)) c.contribute(1, b.select(first, zero, c.gradient));
}

// y = a b + d: da = g b, db = g a, dd = g
void rule_fma(const GradientCall& c) {
  rule_mul(c);
  c.contribute(2, c.gradient);
}

// y = condition ? a : b: the branch not taken gets exactly 0
void rule_select(const GradientCall& c) {
  Builder& b = c.builder;
  const ValueId condition = c.operand(0), zero = zeros_like(c, c.gradient);
  if (c.wanted(1)) c.contribute_where(1, b.select(condition, c.gradient, zero), {condition, true});
  if (c.wanted(2)) c.contribute_where(2, b.select(condition, zero, c.gradient), {condition, false});
}

// y = x in another precision
void rule_cast(const GradientCall& c) {
  c.contribute(0, c.builder.cast(c.gradient, c.builder.type(c.operand(0)).dtype));
}

// --- movement: the gradient goes back the way the elements came ---

// Every copy of an element sends its gradient back: sum over the repeated axes.
void rule_broadcast(const GradientCall& c) {
  const std::vector<int64_t>& axes = std::get<ir::AxesAttr>(c.value().attr).axes;
  std::vector<int64_t> repeated;
  for (int64_t i = 0; i < static_cast<int64_t>(c.value().type.rank()); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) repeated.push_back(i);
  }
  c.contribute(0, c.builder.reduce(ir::ReduceKind::sum, c.gradient, repeated));
}

void rule_permute(const GradientCall& c) {
  const std::vector<int64_t>& axes = std::get<ir::AxesAttr>(c.value().attr).axes;
  std::vector<int64_t> inverse(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) inverse[static_cast<size_t>(axes[i])] = static_cast<int64_t>(i);
  c.contribute(0, c.builder.permute(c.gradient, inverse));
}

void rule_reshape(const GradientCall& c) {
  c.contribute(0, c.builder.reshape(c.gradient, c.builder.type(c.operand(0)).shape));
}

void rule_slice(const GradientCall& c) {
  const ir::SliceAttr attr = std::get<ir::SliceAttr>(c.value().attr);
  const ir::Shape& shape = c.builder.type(c.operand(0)).shape;
  ir::PadAttr pad{attr.begin, {}, 0};
  for (size_t i = 0; i < shape.size(); ++i) pad.after.push_back(shape[i] - attr.end[i]);
  c.contribute(0, c.builder.create(Op::pad, {c.gradient}, pad));
}

void rule_pad(const GradientCall& c) {
  const ir::PadAttr attr = std::get<ir::PadAttr>(c.value().attr);
  ir::SliceAttr slice{attr.before, {}};
  const ir::Shape& shape = c.builder.type(c.operand(0)).shape;
  for (size_t i = 0; i < shape.size(); ++i) slice.end.push_back(attr.before[i] + shape[i]);
  c.contribute(0, c.builder.create(Op::slice, {c.gradient}, slice));
}

void rule_concat(const GradientCall& c) {
  const size_t axis = static_cast<size_t>(std::get<ir::AxisAttr>(c.value().attr).axis);
  const ir::Shape shape = c.value().type.shape;
  const size_t count = c.value().operands.size();
  int64_t begin = 0;
  for (size_t i = 0; i < count; ++i) {
    ir::SliceAttr slice{std::vector<int64_t>(shape.size(), 0), shape};
    slice.begin[axis] = begin;
    begin += c.builder.type(c.operand(i)).shape[axis];
    slice.end[axis] = begin;
    if (c.wanted(i)) c.contribute(i, c.builder.create(Op::slice, {c.gradient}, slice));
  }
}

// y = every window of x: dx adds the windows up
void rule_window(const GradientCall& c) {
  const ir::WindowAttr attr = std::get<ir::WindowAttr>(c.value().attr);
  const ir::Shape& shape = c.builder.type(c.operand(0)).shape;
  ir::FoldAttr fold{attr.axes, attr.size, attr.stride, attr.dilation, {}};
  for (int64_t axis : attr.axes) fold.extents.push_back(shape[static_cast<size_t>(axis)]);
  c.contribute(0, c.builder.create(Op::fold, {c.gradient}, fold));
}

// y = the windows of x added up: dx = every window of g
void rule_fold(const GradientCall& c) {
  const ir::WindowAttr window = std::get<ir::FoldAttr>(c.value().attr).window();
  c.contribute(0, c.builder.create(Op::window, {c.gradient}, window));
}

// y = x[indices]: dx[p] = sum of g where the index is p
void rule_gather(const GradientCall& c) {
  const ir::GatherAttr attr = std::get<ir::GatherAttr>(c.value().attr);
  const int64_t extent = c.builder.type(c.operand(0)).shape[static_cast<size_t>(attr.axis)];
  const ir::ScatterAttr scatter{attr.axis, attr.batch, extent};
  c.contribute(0, c.builder.create(Op::scatter_add, {c.gradient, c.operand(1)}, scatter));
}

// y[p] = sum of updates where the index is p: d updates = g[indices]
void rule_scatter_add(const GradientCall& c) {
  const ir::ScatterAttr attr = std::get<ir::ScatterAttr>(c.value().attr);
  const ir::GatherAttr gather{attr.axis, attr.batch};
  c.contribute(0, c.builder.create(Op::gather, {c.gradient, c.operand(1)}, gather));
}

// --- sums ---

// A value of the result's type along the kept axes of the operand.
ValueId spread(const GradientCall& c, ValueId x) {
  const std::vector<int64_t>& reduced = std::get<ir::ReduceAttr>(c.value().attr).axes;
  const ir::Shape shape = c.builder.type(c.operand(0)).shape;
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) {
    if (std::find(reduced.begin(), reduced.end(), i) == reduced.end()) kept.push_back(i);
  }
  return c.builder.broadcast(x, kept, shape);
}

// y = max x (or min): the first element that equals y, in row-major order of the reduced axes, takes the gradient.
ValueId first_extreme(const GradientCall& c) {
  Builder& b = c.builder;
  const std::vector<int64_t> axes = std::get<ir::ReduceAttr>(c.value().attr).axes;
  const ir::Shape shape = b.type(c.operand(0)).shape;
  const Type index_type{ir::DType::i32, shape};
  ValueId position = b.constant(0, index_type);  // row-major within the reduced axes
  for (int64_t axis : axes) {
    const int64_t extent = shape[static_cast<size_t>(axis)];
    position = b.add(b.mul(position, b.constant(static_cast<double>(extent), index_type)), b.iota(axis, shape));
  }
  const ValueId equal = b.binary(Op::equal, c.operand(0), spread(c, c.result));
  const ValueId candidates = b.select(equal, position, b.constant(INT32_MAX, index_type));
  const ValueId first = b.reduce(ir::ReduceKind::min, candidates, axes);
  return b.binary(Op::equal, position, spread(c, first));
}

// y = x_1 x_2 ...: dx_i = g times the product of the others: y / x_i, and where x_i is 0 the product of the rest, which
// is 0 if a second one is 0.
ValueId product_gradient(const GradientCall& c) {
  Builder& b = c.builder;
  const std::vector<int64_t> axes = std::get<ir::ReduceAttr>(c.value().attr).axes;
  const ValueId x = c.operand(0), zero = zeros_like(c, x), one = b.constant_like(1, x);
  const ValueId is_zero = b.binary(Op::equal, x, zero);
  const ValueId rest = b.reduce(ir::ReduceKind::prod, b.select(is_zero, one, x), axes);
  const ValueId zero_count = spread(c, b.reduce(ir::ReduceKind::sum, b.select(is_zero, one, zero), axes));
  const ValueId at_zero = b.select(b.binary(Op::equal, zero_count, one), spread(c, rest), zero);
  const ValueId elsewhere =
      b.select(b.binary(Op::equal, zero_count, zero), b.div(spread(c, c.result), b.select(is_zero, one, x)), zero);
  return b.mul(spread(c, c.gradient), b.select(is_zero, at_zero, elsewhere));
}

void rule_reduce(const GradientCall& c) {
  Builder& b = c.builder;
  switch (std::get<ir::ReduceAttr>(c.value().attr).kind) {
    case ir::ReduceKind::sum:
      return c.contribute(0, spread(c, c.gradient));  // y = sum x: dx_i = g
    case ir::ReduceKind::max:
    case ir::ReduceKind::min: {
      const ValueId chosen = first_extreme(c);
      return c.contribute(0, b.select(chosen, spread(c, c.gradient), zeros_like(c, c.operand(0))));
    }
    case ir::ReduceKind::prod:
      return c.contribute(0, product_gradient(c));
  }
}

// y = sum a b: da = sum g b over the letters that a lacks; along letters that only a has, its gradient repeats.
void contract_operand(const GradientCall& c, ValueId g, size_t which, const std::string& own, const std::string& other,
                      const std::string& result) {
  if (!c.wanted(which)) return;
  Builder& b = c.builder;
  std::string present;
  std::vector<int64_t> axes;
  for (size_t i = 0; i < own.size(); ++i) {
    if (result.find(own[i]) == std::string::npos && other.find(own[i]) == std::string::npos) continue;
    present += own[i];
    axes.push_back(static_cast<int64_t>(i));
  }
  const ValueId sum = b.contract(g, c.operand(1 - which), result + "," + other + "->" + present);
  c.contribute(which, b.broadcast(sum, axes, b.type(c.operand(which)).shape));
}

void rule_contract(const GradientCall& c) {
  const ir::Subscripts parts = ir::parse_subscripts(std::get<ir::ContractAttr>(c.value().attr).subscripts);
  contract_operand(c, c.gradient, 0, parts.lhs, parts.rhs, parts.result);
  contract_operand(c, c.gradient, 1, parts.rhs, parts.lhs, parts.result);
  if (c.value().operands.size() == 3) c.contribute(2, c.gradient);
}

// y = the windows of sum a b added up: as of the sum, with every window of g
void rule_contract_fold(const GradientCall& c) {
  const ir::ContractFoldAttr attr = std::get<ir::ContractFoldAttr>(c.value().attr);
  const ir::Subscripts parts = ir::parse_subscripts(attr.subscripts);
  const ValueId windows = c.builder.create(Op::window, {c.gradient}, attr.fold.window());
  contract_operand(c, windows, 0, parts.lhs, parts.rhs, parts.result);
  contract_operand(c, windows, 1, parts.rhs, parts.lhs, parts.result);
}

void rule_gradient(const GradientCall&) {}  // written out before

constexpr Rule kRules[] = {
#define GRADC_OP(name, operands, Attr, traits) &rule_##name,
#include "ir/ops.def"
#undef GRADC_OP
};

}  // namespace

void apply_gradient_rule(const GradientCall& call) { kRules[static_cast<size_t>(call.value().op)](call); }

}  // namespace gradc::passes
