#include "tests/support/random_graph.h"

#include <algorithm>
#include <random>

#include "ir/builder.h"

namespace gradc::tests {

namespace {

using ir::DType;
using ir::Op;
using ir::Shape;
using ir::ValueId;

class Generator {
 public:
  Generator(uint64_t seed, const RandomGraphOptions& options)
      : random_(seed), options_(options), builder_(graph_.func) {}

  RandomGraph run() {
    graph_.func.name = "random";
    const int arguments = 1 + below(3);
    for (int i = 0; i < arguments; ++i) argument("p" + std::to_string(i), random_shape(), ir::Role::parameter);
    argument("x", random_shape(), ir::Role::data);
    argument("h", {}, ir::Role::hyper);
    const ValueId key = builder_.parameter("key", {DType::i32, {3}}, ir::Role::key);
    ir::Tensor key_value(builder_.type(key));
    for (int i = 0; i < 3; ++i) key_value.set(i, below(1000));
    graph_.arguments.push_back(key_value);
    key_ = key;

    const int count = 4 + below(options_.most_values - 3);
    for (int tries = 0, made = 0; made < count && tries < count * 10; ++tries) made += step() ? 1 : 0;
    finish();
    return std::move(graph_);
  }

 private:
  int below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }
  bool chance(int percent) { return below(100) < percent; }
  double real() { return std::uniform_real_distribution<double>(-2, 2)(random_); }

  int64_t extent() {
    static constexpr int64_t kExtents[] = {1, 2, 3, 5, 8, 15, 16, 17, 20};
    return kExtents[below(9)];
  }
  Shape random_shape() {
    if (chance(4)) return {chance(50) ? 300 : 1500};
    Shape shape;
    for (int rank = below(4); rank > 0; --rank) shape.push_back(extent());
    while (elements(shape) > 800) shape.pop_back();
    return shape;
  }
  static int64_t elements(const Shape& shape) { return ir::Type{DType::f32, shape}.elements(); }

  void argument(std::string name, Shape shape, ir::Role role) {
    const ValueId id = builder_.parameter(name, {DType::f32, std::move(shape)}, role);
    ir::Tensor value(builder_.type(id));
    for (int64_t i = 0; i < value.elements(); ++i) value.set(i, real());
    graph_.arguments.push_back(std::move(value));
    graph_.wrt.push_back(std::move(name));
    reals_.push_back(id);
  }

  ValueId any_real() { return reals_[static_cast<size_t>(below(static_cast<int>(reals_.size())))]; }
  const Shape& shape(ValueId id) { return builder_.type(id).shape; }

  // A real value of this shape: an existing one, or an existing one broadcast, or a constant.
  ValueId like(const Shape& wanted) {
    for (int tries = 0; tries < 6; ++tries) {
      const ValueId id = any_real();
      if (shape(id) == wanted) return id;
      if (const std::vector<int64_t> axes = fitting_axes(shape(id), wanted);
          axes.size() == shape(id).size() && chance(60)) {
        return builder_.broadcast(id, axes, wanted);
      }
    }
    return builder_.constant(real(), {DType::f32, wanted});
  }
  // Ascending axes of `to` whose extents are those of `from`, greedily; shorter where there are none.
  static std::vector<int64_t> fitting_axes(const Shape& from, const Shape& to) {
    std::vector<int64_t> axes;
    for (size_t i = 0; i < to.size() && axes.size() < from.size(); ++i) {
      if (to[i] == from[axes.size()]) axes.push_back(static_cast<int64_t>(i));
    }
    return axes;
  }

  bool keep(ValueId id) {
    const DType dtype = builder_.type(id).dtype;
    (dtype == DType::boolean ? conditions_ : dtype == DType::i32 ? integers_ : reals_).push_back(id);
    return true;
  }
  ValueId constant_like(double value, ValueId id) { return builder_.constant_like(value, id); }
  // x kept away from 0 and from large numbers
  ValueId positive(ValueId x) {
    if (!options_.smooth) return x;
    return builder_.add(builder_.unary(Op::exp, builder_.unary(Op::tanh, x)), constant_like(0.1, x));
  }
  ValueId bounded(ValueId x) { return options_.smooth ? builder_.unary(Op::tanh, x) : x; }

  bool step() {
    switch (below(20)) {
      case 0:
      case 1:
        return unary();
      case 2:
      case 3:
      case 4:
        return binary();
      case 5:
        return compare();
      case 6:
        return select();
      case 7:
        return broadcast();
      case 8:
        return permute();
      case 9:
        return reshape();
      case 10:
        return slice_or_pad();
      case 11:
        return concat();
      case 12:
        return reduce();
      case 13:
      case 14:
        return contract();
      case 15:
        return window();
      case 16:
        return convolution();
      case 17:
        return gather();
      case 18:
        return scatter_add();
      default:
        return leaf();
    }
  }

  bool unary() {
    const ValueId x = any_real();
    switch (below(12)) {
      case 8:
        return keep(builder_.unary(Op::floor, x));
      case 9:
        return keep(builder_.unary(Op::erf, x));
      case 10:
        return keep(builder_.unary(chance(50) ? Op::sin : Op::cos, bounded(x)));
      case 0:
        return keep(builder_.neg(x));
      case 1:
        return keep(builder_.unary(Op::abs, x));
      case 2:
        return keep(builder_.unary(Op::exp, bounded(x)));
      case 3:
        return keep(builder_.unary(Op::log, positive(x)));
      case 4:
        return keep(builder_.unary(Op::sqrt, positive(x)));
      case 5:
        return keep(builder_.unary(Op::stop_gradient, x));
      default:
        return keep(builder_.unary(Op::tanh, x));
    }
  }

  bool binary() {
    const ValueId a = any_real(), b = like(shape(a));
    switch (below(9)) {
      case 8:
        return keep(builder_.binary(Op::pow, positive(a), bounded(b)));
      case 0:
        return keep(builder_.sub(a, b));
      case 1:
        return keep(builder_.mul(bounded(a), bounded(b)));
      case 2:
        return keep(builder_.div(a, positive(b)));
      case 3:
        return keep(builder_.binary(Op::max, a, b));
      case 4:
        return keep(builder_.binary(Op::min, a, b));
      case 5:
        return keep(builder_.create(Op::fma, {bounded(a), bounded(b), like(shape(a))}));
      case 6:
        return keep(builder_.sub(a, builder_.mul(bounded(b), bounded(like(shape(a))))));
      default:
        return keep(builder_.add(a, b));
    }
  }

  bool compare() {
    if (!integers_.empty() && chance(40)) {
      const ValueId a = integers_.back();
      return keep(builder_.binary(Op::less_equal, a, builder_.constant(below(4), builder_.type(a))));
    }
    if (!conditions_.empty() && chance(30)) {
      const ValueId a = conditions_.back();
      const ValueId b = chance(50) ? builder_.unary(Op::logical_not, a) : a;
      return keep(builder_.binary(chance(50) ? Op::logical_and : Op::logical_or, a, b));
    }
    const ValueId a = any_real();
    static constexpr Op kCompare[] = {Op::less, Op::less_equal, Op::equal};
    return keep(builder_.binary(kCompare[below(3)], a, like(shape(a))));
  }

  bool select() {
    if (conditions_.empty()) return false;
    const ValueId condition = conditions_[static_cast<size_t>(below(static_cast<int>(conditions_.size())))];
    const Shape at = shape(condition);
    return keep(builder_.select(condition, like(at), like(at)));
  }

  bool broadcast() {
    const ValueId x = any_real();
    Shape to = shape(x);
    const size_t at = static_cast<size_t>(below(static_cast<int>(to.size()) + 1));
    to.insert(to.begin() + static_cast<std::ptrdiff_t>(at), extent());
    if (elements(to) > 2000) return false;
    std::vector<int64_t> axes;
    for (size_t i = 0; i < to.size(); ++i) {
      if (i != at) axes.push_back(static_cast<int64_t>(i));
    }
    return keep(builder_.broadcast(x, axes, to));
  }

  bool permute() {
    const ValueId x = any_real();
    std::vector<int64_t> axes(shape(x).size());
    for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i);
    std::shuffle(axes.begin(), axes.end(), random_);
    return keep(builder_.permute(x, axes));
  }

  bool reshape() {
    const ValueId x = any_real();
    Shape to = shape(x);
    if (to.size() >= 2 && chance(50)) {
      to[0] *= to[1];
      to.erase(to.begin() + 1);
    } else if (!to.empty() && to[0] % 2 == 0 && chance(60)) {
      to[0] /= 2;
      to.insert(to.begin() + 1, 2);
    } else {
      to.insert(to.begin() + below(static_cast<int>(to.size()) + 1), 1);
    }
    return keep(builder_.reshape(x, to));
  }

  bool slice_or_pad() {
    const ValueId x = any_real();
    const Shape from = shape(x);
    if (from.empty()) return false;
    if (chance(50)) {
      ir::SliceAttr attr;
      for (int64_t each : from) {
        attr.begin.push_back(below(static_cast<int>(each)));
        attr.end.push_back(attr.begin.back() + 1 + below(static_cast<int>(each - attr.begin.back())));
      }
      return keep(builder_.create(Op::slice, {x}, attr));
    }
    ir::PadAttr attr;
    for (size_t i = 0; i < from.size(); ++i) {
      attr.before.push_back(below(3));
      attr.after.push_back(below(3));
    }
    attr.value = chance(50) ? 0 : 0.5;
    return keep(builder_.create(Op::pad, {x}, attr));
  }

  bool concat() {
    const ValueId x = any_real();
    if (shape(x).empty()) return false;
    const int axis = below(static_cast<int>(shape(x).size()));
    std::vector<ValueId> parts = {x, like(shape(x))};
    if (chance(30)) parts.push_back(x);
    if (elements(shape(x)) > 1500) return false;
    return keep(builder_.create(Op::concat, parts, ir::AxisAttr{axis}));
  }

  bool reduce() {
    const ValueId x = any_real();
    std::vector<int64_t> axes;
    for (int64_t i = 0; i < static_cast<int64_t>(shape(x).size()); ++i) {
      if (chance(60)) axes.push_back(i);
    }
    if (axes.empty()) return false;
    static constexpr ir::ReduceKind kKinds[] = {ir::ReduceKind::sum, ir::ReduceKind::sum, ir::ReduceKind::max,
                                                ir::ReduceKind::min, ir::ReduceKind::prod};
    const ir::ReduceKind kind = kKinds[below(5)];
    if (kind == ir::ReduceKind::prod && elements(shape(x)) > 40) return false;
    return keep(builder_.reduce(kind, x, axes));
  }

  // Letters for the axes of two operands: equal extents may share one; each letter is kept or summed.
  bool contract() {
    const ValueId a = bounded(any_real()), b = bounded(any_real());
    const Shape left = shape(a), right = shape(b);
    std::string lhs, rhs, result;
    std::vector<int64_t> extents;
    for (int64_t each : left) {
      lhs += static_cast<char>('a' + extents.size());
      extents.push_back(each);
    }
    for (int64_t each : right) {
      char letter = 0;
      for (size_t i = 0; i < left.size() && letter == 0; ++i) {
        if (left[i] == each && rhs.find(lhs[i]) == std::string::npos && chance(75)) letter = lhs[i];
      }
      if (letter == 0) {
        letter = static_cast<char>('a' + extents.size());
        extents.push_back(each);
      }
      rhs += letter;
    }
    int64_t outputs = 1, terms = 1;
    for (size_t i = 0; i < extents.size(); ++i) {
      if (chance(50)) {
        result += static_cast<char>('a' + i);
        outputs *= extents[i];
      } else {
        terms *= extents[i];
      }
    }
    if (outputs > 2000 || outputs * terms > 200'000) return false;
    std::shuffle(result.begin(), result.end(), random_);
    const ValueId sum = builder_.contract(a, b, lhs + "," + rhs + "->" + result);
    if (chance(30)) return keep(builder_.add(sum, like(shape(sum))));
    return keep(sum);
  }

  // Windows along one or two axes; where they were made by hand, folded again.
  bool window() {
    const ValueId x = any_real();
    const Shape from = shape(x);
    ir::WindowAttr attr;
    int64_t total = 1;
    for (size_t i = 0; i < from.size() && attr.axes.size() < 2; ++i) {
      if (!chance(70)) continue;
      attr.axes.push_back(static_cast<int64_t>(i));
      attr.size.push_back(1 + below(static_cast<int>(std::min<int64_t>(from[i], 4))));
      const int64_t gaps = attr.size.back() - 1;
      attr.dilation.push_back(gaps > 0 ? 1 + below(static_cast<int>(std::min<int64_t>((from[i] - 1) / gaps, 3))) : 1);
      attr.stride.push_back(1 + below(3));
      total *= attr.size.back();
    }
    if (attr.axes.empty() || elements(from) * total > 2500) return false;
    const ValueId windows = keep_last(builder_.create(Op::window, {x}, attr));
    if (chance(50)) return true;
    ir::FoldAttr fold{attr.axes, attr.size, attr.stride, attr.dilation, {}};
    for (int64_t axis : attr.axes) fold.extents.push_back(from[static_cast<size_t>(axis)]);
    const ValueId weighted = builder_.mul(bounded(windows), like(shape(windows)));
    return keep(builder_.create(Op::fold, {chance(50) ? weighted : windows}, fold));
  }
  ValueId keep_last(ValueId id) {
    keep(id);
    return id;
  }

  // A contract over windows, whose gradient is the fold of a contract, as two operations or as one.
  bool convolution() {
    const ValueId x = bounded(any_real());
    const Shape from = shape(x);
    if (from.empty() || from.size() > 2 || from.back() < 3 || elements(from) > 300) return false;
    const int64_t axis = static_cast<int64_t>(from.size()) - 1, size = 2 + below(2), channels = 1 + below(5);
    const int64_t stride = chance(70) ? 1 : 2, count = (from.back() - size) / stride + 1;
    const ValueId windows = builder_.create(Op::window, {x}, ir::WindowAttr{{axis}, {size}, {stride}, {1}});
    if (from.size() == 1) return keep(builder_.contract(windows, like({channels, size}), "xu,ou->ox"));
    if (chance(50)) return keep(builder_.contract(windows, like({channels, from[0], size}), "cxu,ocu->ox"));
    const ir::FoldAttr fold{{1}, {size}, {stride}, {1}, {from.back()}};
    const ValueId change = like({channels, count}), weight = like({channels, from[0], size});
    if (chance(50))
      return keep(builder_.create(Op::contract_fold, {change, weight}, ir::ContractFoldAttr{"ox,ocu->cxu", fold}));
    return keep(builder_.create(Op::fold, {builder_.contract(change, weight, "ox,ocu->cxu")}, fold));
  }

  // i32 of this shape, many of them in 0 ... extent-1: an existing one, one made from the index, or a table.
  ValueId indices(const Shape& wanted, int64_t extent) {
    const ir::Type type{DType::i32, wanted};
    for (ValueId id : integers_) {
      if (shape(id) == wanted && chance(50)) return id;
    }
    if (!wanted.empty() && chance(50)) {
      const ValueId count = builder_.iota(below(static_cast<int>(wanted.size())), wanted);
      const ValueId scaled = builder_.mul(count, builder_.constant(below(7) - 2, type));
      return keep_last(builder_.div(scaled, builder_.constant(below(5) - 1, type)));
    }
    if (elements(wanted) > 60) return builder_.constant(below(static_cast<int>(extent)), type);
    ir::ConstantAttr table;
    for (int64_t i = 0; i < elements(wanted); ++i) table.values.push_back(below(static_cast<int>(extent) + 2) - 1);
    return keep_last(builder_.create(Op::constant, {}, table, type));
  }

  bool gather() {
    const ValueId x = any_real();
    const Shape from = shape(x);
    if (from.empty()) return false;
    const int axis = below(static_cast<int>(from.size())), batch = below(axis + 1);
    Shape index(from.begin(), from.begin() + batch);
    for (int more = below(3); more > 0; --more) index.push_back(extent());
    if (elements(from) * elements(index) > 4000) return false;
    const ValueId entries = indices(index, from[static_cast<size_t>(axis)]);
    return keep(builder_.create(Op::gather, {x, entries}, ir::GatherAttr{axis, batch}));
  }

  bool scatter_add() {
    const ValueId x = any_real();
    const Shape from = shape(x);
    const int index_rank = below(static_cast<int>(from.size()) + 1), batch = below(index_rank + 1);
    const int axis = batch + below(static_cast<int>(from.size()) - index_rank + 1);
    const ir::ScatterAttr attr{axis, batch, extent()};
    if (elements(from) * attr.extent > 6000) return false;
    const Shape index(from.begin(), from.begin() + index_rank);
    return keep(builder_.create(Op::scatter_add, {x, indices(index, attr.extent)}, attr));
  }

  bool leaf() {
    const Shape to = random_shape();
    if (chance(40) && !to.empty()) return keep(builder_.iota(below(static_cast<int>(to.size())), to));
    if (!integers_.empty() && chance(50)) return keep(builder_.cast(integers_.back(), DType::f32));
    if (!conditions_.empty() && chance(30)) return keep(builder_.cast(conditions_.back(), DType::f32));
    if (chance(30) && elements(to) <= 40 && !to.empty()) {
      ir::ConstantAttr table;
      for (int64_t i = 0; i < elements(to); ++i) table.values.push_back(ir::round_to_dtype(real(), DType::f32));
      return keep(builder_.create(Op::constant, {}, table, {DType::f32, to}));
    }
    const bool sample = !to.empty() && chance(50);
    return keep(builder_.create(Op::random, {key_}, ir::RandomAttr{below(1000), sample}, {DType::f32, to}));
  }

  void finish() {
    ValueId loss = builder_.constant(0, {DType::f32, {}});
    // The gradient of each value arrives with a seed of its own, never 1 alone.
    const size_t first = reals_.size() > 5 ? reals_.size() - 5 : 0;
    for (size_t i = first; i < reals_.size(); ++i) {
      const ValueId x = bounded(reals_[i]);
      std::vector<int64_t> axes;
      for (size_t k = 0; k < shape(x).size(); ++k) axes.push_back(static_cast<int64_t>(k));
      const ValueId weighted = builder_.mul(x, constant_like(real(), x));
      loss = builder_.add(loss, builder_.reduce(ir::ReduceKind::sum, weighted, axes));
    }
    builder_.result("loss", loss);
    builder_.result("last", reals_.back());
    if (chance(30)) builder_.result("again", reals_.back());
    if (chance(30)) builder_.result("argument", reals_.front());
    if (!conditions_.empty() && chance(40)) builder_.result("condition", conditions_.back());
    if (!integers_.empty() && chance(40)) builder_.result("integer", integers_.back());
    // New values of arguments, in place where that is possible.
    for (const std::string& name : graph_.wrt) {
      const ValueId argument = *graph_.func.find_parameter(name);
      if (graph_.func[argument].role != ir::Role::parameter || chance(40)) continue;
      for (ValueId id : reals_) {
        if (id != argument && shape(id) == shape(argument)) {
          builder_.result(name, builder_.sub(argument, builder_.mul(constant_like(0.1, id), id)));
          break;
        }
      }
    }
  }

  std::mt19937_64 random_;
  RandomGraphOptions options_;
  RandomGraph graph_;
  ir::Builder builder_;
  ValueId key_;
  std::vector<ValueId> reals_, integers_, conditions_;
};

}  // namespace

RandomGraph random_graph(uint64_t seed, const RandomGraphOptions& options) { return Generator(seed, options).run(); }

}  // namespace gradc::tests
