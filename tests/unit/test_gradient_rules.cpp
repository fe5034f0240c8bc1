// Every differentiable operation against central differences, with seeds other than 1; ties and edges by explicit
// expectation; and a check that is shown to fail.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <map>

#include "ir/builder.h"
#include "ir/eval.h"
#include "ir/print.h"
#include "ir/rewrite.h"
#include "passes/differentiate.h"
#include "passes/gradient_check.h"

using namespace gradc;
using ir::Op;
using ir::ValueId;

namespace {

// y from the arguments a, b, c: f32[3,4].
using Make = std::function<ValueId(ir::Builder&, const std::vector<ValueId>&)>;

struct Graph {
  ir::Func func;
  std::vector<std::string> wrt = {"a", "b", "c"};
  std::vector<ir::Tensor> arguments;
};

// loss = sum of y_i w_i, with w_i = 0.3, 1.0, 1.7, ...: no two elements get the same seed.
Graph weighted_sum(const Make& make) {
  Graph graph;
  graph.func.name = "f";
  ir::Builder b(graph.func);
  std::vector<ValueId> x;
  for (size_t i = 0; i < 3; ++i) {
    x.push_back(b.parameter(graph.wrt[i], {ir::DType::f32, {3, 4}}, ir::Role::parameter));
    ir::Tensor tensor(b.type(x.back()));
    for (int64_t k = 0; k < 12; ++k)
      tensor.set(k, 0.4 + 0.35 * std::sin(1.7 * static_cast<double>(k) + 2.1 * static_cast<double>(i)));
    graph.arguments.push_back(tensor);
  }
  const ValueId y = make(b, x);
  const ValueId flat = b.reshape(y, {b.type(y).elements()});
  ir::ConstantAttr weights;
  for (int64_t i = 0; i < b.type(flat).elements(); ++i)
    weights.values.push_back(ir::round_to_dtype(0.3 + 0.7 * static_cast<double>(i), ir::DType::f32));
  const ValueId w = b.create(Op::constant, {}, weights, b.type(flat));
  b.result("loss", b.contract(flat, w, "i,i->"));
  return graph;
}

Make unary(Op op) {
  return [op](ir::Builder& b, const std::vector<ValueId>& x) { return b.unary(op, x[0]); };
}
Make binary(Op op) {
  return [op](ir::Builder& b, const std::vector<ValueId>& x) { return b.binary(op, x[0], x[1]); };
}
Make reduce(ir::ReduceKind kind, std::vector<int64_t> axes) {
  return [=](ir::Builder& b, const std::vector<ValueId>& x) { return b.reduce(kind, x[0], axes); };
}
Make contract(const char* subscripts) {
  return [=](ir::Builder& b, const std::vector<ValueId>& x) { return b.contract(x[0], x[1], subscripts); };
}

Make window(const ir::WindowAttr& attr) {
  return [=](ir::Builder& b, const std::vector<ValueId>& x) { return b.create(Op::window, {x[0]}, attr); };
}
Make fold(const ir::FoldAttr& attr, const ir::Shape& shape) {
  return
      [=](ir::Builder& b, const std::vector<ValueId>& x) { return b.create(Op::fold, {b.reshape(x[0], shape)}, attr); };
}
Make contract_fold(const char* subscripts, const ir::FoldAttr& attr, const ir::Shape& lhs, const ir::Shape& rhs) {
  return [=](ir::Builder& b, const std::vector<ValueId>& x) {
    const auto first = [&](ValueId from, const ir::Shape& shape) {
      int64_t count = 1;
      for (int64_t extent : shape) count *= extent;
      const ValueId flat = b.reshape(from, {b.type(from).elements()});
      return b.reshape(b.create(Op::slice, {flat}, ir::SliceAttr{{0}, {count}}), shape);
    };
    return b.create(Op::contract_fold, {first(x[0], lhs), first(x[1], rhs)}, ir::ContractFoldAttr{subscripts, attr});
  };
}
ValueId integers(ir::Builder& b, const ir::Shape& shape, const std::vector<double>& values) {
  return b.create(Op::constant, {}, ir::ConstantAttr{values}, {ir::DType::i32, shape});
}
Make gather(const ir::Shape& shape, const ir::Shape& indices, const std::vector<double>& values, int64_t axis,
            int64_t batch) {
  return [=](ir::Builder& b, const std::vector<ValueId>& x) {
    const std::vector<ValueId> operands = {b.reshape(x[0], shape), integers(b, indices, values)};
    return b.create(Op::gather, operands, ir::GatherAttr{axis, batch});
  };
}
Make scatter(const ir::Shape& shape, const ir::Shape& indices, const std::vector<double>& values,
             const ir::ScatterAttr& attr) {
  return [=](ir::Builder& b, const std::vector<ValueId>& x) {
    return b.create(Op::scatter_add, {b.reshape(x[0], shape), integers(b, indices, values)}, attr);
  };
}

// Through y = 1 there is no gradient: the operation stops it or gives no real number.
const std::map<Op, const char*> kWithoutGradient = {
    {Op::parameter, "a leaf"},
    {Op::constant, "a leaf"},
    {Op::iota, "a leaf"},
    {Op::random, "a leaf"},
    {Op::less, "gives bool"},
    {Op::less_equal, "gives bool"},
    {Op::equal, "gives bool"},
    {Op::logical_and, "bool"},
    {Op::logical_or, "bool"},
    {Op::logical_not, "bool"},
    {Op::stop_gradient, "by definition"},
    {Op::floor, "flat between its steps"},
    {Op::gradient, "written out before"},
};

const std::multimap<Op, Make>& differentiable() {
  static const std::multimap<Op, Make> cases = {
      {Op::neg, unary(Op::neg)},
      {Op::abs, [](auto& b, auto& x) { return b.unary(Op::abs, b.sub(x[0], b.constant_like(0.4, x[0]))); }},
      {Op::exp, unary(Op::exp)},
      {Op::log, unary(Op::log)},
      {Op::sqrt, unary(Op::sqrt)},
      {Op::tanh, unary(Op::tanh)},
      // Saturated: 1 - y^2 loses its digits, (1 + y)(1 - y) keeps them.
      {Op::tanh, [](auto& b, auto& x) { return b.unary(Op::tanh, b.mul(x[0], b.constant_like(9, x[0]))); }},
      {Op::erf, unary(Op::erf)},
      {Op::erf, [](auto& b, auto& x) { return b.unary(Op::erf, b.mul(x[0], b.constant_like(-4, x[0]))); }},
      {Op::sin, [](auto& b, auto& x) { return b.unary(Op::sin, b.mul(x[0], b.constant_like(9, x[0]))); }},
      {Op::cos, [](auto& b, auto& x) { return b.unary(Op::cos, b.mul(x[0], b.constant_like(9, x[0]))); }},
      {Op::pow, binary(Op::pow)},
      {Op::pow, [](auto& b, auto& x) { return b.binary(Op::pow, x[0], b.constant_like(-1.5, x[0])); }},
      {Op::pow, [](auto& b, auto& x) { return b.binary(Op::pow, b.neg(x[0]), b.constant_like(3, x[0])); }},
      {Op::add, binary(Op::add)},
      {Op::sub, binary(Op::sub)},
      {Op::mul, binary(Op::mul)},
      {Op::mul, [](auto& b, auto& x) { return b.mul(x[0], x[0]); }},
      {Op::div, binary(Op::div)},
      {Op::max, binary(Op::max)},
      {Op::min, binary(Op::min)},
      {Op::fma, [](auto& b, auto& x) { return b.create(Op::fma, {x[0], x[1], x[2]}); }},
      {Op::select, [](auto& b, auto& x) { return b.select(b.binary(Op::less, x[0], x[1]), b.mul(x[0], x[2]), x[1]); }},
      {Op::cast, [](auto& b, auto& x) { return b.cast(b.cast(x[0], ir::DType::f64), ir::DType::f32); }},
      {Op::broadcast, [](auto& b, auto& x) { return b.broadcast(x[0], {1, 3}, {2, 3, 5, 4}); }},
      {Op::permute, [](auto& b, auto& x) { return b.permute(x[0], {1, 0}); }},
      {Op::reshape, [](auto& b, auto& x) { return b.reshape(x[0], {2, 6}); }},
      {Op::slice, [](auto& b, auto& x) { return b.create(Op::slice, {x[0]}, ir::SliceAttr{{1, 0}, {3, 3}}); }},
      {Op::pad, [](auto& b, auto& x) { return b.create(Op::pad, {x[0]}, ir::PadAttr{{1, 0}, {0, 2}, 0.5}); }},
      {Op::concat, [](auto& b, auto& x) { return b.create(Op::concat, {x[0], x[1], x[0]}, ir::AxisAttr{1}); }},
      {Op::window, window({{0, 1}, {2, 3}, {1, 1}, {1, 1}})},
      {Op::window, window({{1}, {2}, {2}, {1}})},
      {Op::window, window({{0, 1}, {2, 2}, {1, 2}, {2, 1}})},
      {Op::fold, fold({{0}, {3}, {1}, {1}, {6}}, {4, 3})},
      {Op::fold, fold({{0}, {3}, {2}, {1}, {9}}, {4, 3})},
      {Op::fold, fold({{0}, {3}, {3}, {2}, {15}}, {4, 3})},
      // A convolution's two gradients: the weight is b, one column of it for each of the two channels.
      {Op::window,
       [](auto& b, auto& x) {
         const ValueId windows = b.create(Op::window, {x[0]}, ir::WindowAttr{{1}, {2}, {1}, {1}});  // [3,3,2]
         return b.contract(windows, b.reshape(x[1], {3, 2, 2}), "cxu,cou->ox");
       }},
      {Op::contract_fold, contract_fold("ox,ocu->cxu", {{1}, {2}, {1}, {1}, {4}}, {4, 3}, {4, 1, 2})},
      {Op::contract_fold, contract_fold("ox,ocu->cxu", {{1}, {2}, {3}, {2}, {9}}, {4, 3}, {4, 1, 2})},
      {Op::gather, gather({3, 4}, {2}, {2, 0}, 0, 0)},
      {Op::gather, gather({3, 4}, {2, 3}, {2, 0, 1, 1, 0, 3}, 1, 0)},
      {Op::gather, gather({3, 4}, {3}, {1, 3, 1}, 1, 1)},
      {Op::gather, gather({2, 3, 2}, {2, 2}, {7, 0, -1, 1}, 2, 1)},  // brought into bounds
      {Op::scatter_add, scatter({12}, {12}, {3, 0, 1, 3, 3, 0, 2, 9, -2, 1, 1, 3}, {0, 0, 5})},
      {Op::scatter_add, scatter({3, 4}, {3}, {1, 0, 1}, {0, 0, 2})},
      {Op::scatter_add, scatter({3, 2, 2}, {3, 2}, {1, 0, 1, 1, 0, 0}, {2, 1, 3})},
      {Op::reduce, reduce(ir::ReduceKind::sum, {0})},
      {Op::reduce, reduce(ir::ReduceKind::sum, {0, 1})},
      {Op::reduce, reduce(ir::ReduceKind::max, {1})},
      {Op::reduce, reduce(ir::ReduceKind::min, {0})},
      {Op::reduce, reduce(ir::ReduceKind::prod, {1})},
      {Op::contract, contract("bi,oi->bo")},
      {Op::contract, contract("bi,bi->")},
      {Op::contract, contract("ab,cd->acbd")},
      {Op::contract, contract("ab,cb->c")},  // a is summed in the first operand alone
      {Op::contract,
       [](auto& b, auto& x) {
         const ValueId init = b.reduce(ir::ReduceKind::sum, x[2], {1});
         const ValueId start = b.broadcast(init, {0}, {3, 3});
         return b.create(Op::contract, {x[0], x[1], start}, ir::ContractAttr{"bi,oi->bo", {}});
       }},
  };
  return cases;
}

std::vector<double> gradient_of(const Make& make, std::vector<double> a, std::vector<double> b_values = {}) {
  ir::Func func;
  func.name = "f";
  ir::Builder b(func);
  const int64_t n = static_cast<int64_t>(a.size());
  std::vector<ir::Tensor> arguments;
  std::vector<ValueId> x;
  for (const auto& values : {a, b_values}) {
    if (values.empty()) continue;
    x.push_back(b.parameter(x.empty() ? "a" : "b", {ir::DType::f32, {n}}, ir::Role::parameter));
    arguments.emplace_back(b.type(x.back()));
    for (int64_t i = 0; i < n; ++i) arguments.back().set(i, values[static_cast<size_t>(i)]);
  }
  const ValueId y = make(b, x);
  b.result("loss", b.type(y).is_scalar() ? y : b.reduce(ir::ReduceKind::sum, y, {0}));
  const ir::Func gradient = passes::differentiate(func, "g", {"a"});
  const ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(gradient, arguments);
  REQUIRE(results.ok());
  std::vector<double> out;
  for (int64_t i = 0; i < n; ++i) out.push_back((*results)[1].at(i));
  return out;
}

}  // namespace

TEST_CASE("every operation has a gradient check or a reason to have none") {
  for (size_t i = 0; i < ir::kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    CHECK_MESSAGE((differentiable().count(op) > 0) != (kWithoutGradient.count(op) > 0), "operation ", ir::op_name(op));
  }
}

TEST_CASE("derived gradients are the central differences") {
  for (const auto& [op, make] : differentiable()) {
    CAPTURE(ir::op_name(op));
    const Graph graph = weighted_sum(make);
    const ir::Func gradient = passes::differentiate(graph.func, "g", graph.wrt);
    const auto rows = passes::check_gradients(graph.func, gradient, graph.wrt, graph.arguments);
    REQUIRE(rows.ok());
    CHECK((*rows)[0].checked + (*rows)[0].kinks == 12);
    CHECK((*rows)[0].kinks <= 1);
    for (const passes::GradientCheckRow& row : *rows) {
      CHECK_MESSAGE(row.passed, row.name, "[", row.index, "]: derived ", row.derived, ", difference ", row.difference,
                    "\n", ir::print(gradient, {}));
    }
  }
}

TEST_CASE("a gradient can be differentiated again") {
  // d2/da2 of sum w tanh(a)^2 b, as the gradient of the sum of the first gradient.
  Graph graph = weighted_sum([](ir::Builder& b, const std::vector<ValueId>& x) {
    const ValueId t = b.unary(Op::tanh, x[0]);
    return b.mul(b.mul(t, t), x[1]);
  });
  ir::Func first = passes::differentiate(graph.func, "first", {"a"});
  ir::Builder b(first);
  const ValueId g = first.results[1].value;
  const ValueId total = b.reduce(ir::ReduceKind::sum, b.mul(g, g), {0, 1});
  first.results = {{"loss", total}};
  const ir::Func second = passes::differentiate(first, "second", graph.wrt);
  const auto rows = passes::check_gradients(first, second, graph.wrt, graph.arguments);
  REQUIRE(rows.ok());
  for (const passes::GradientCheckRow& row : *rows) CHECK_MESSAGE(row.passed, row.name, " error ", row.error);
}

TEST_CASE("a wrong gradient rule is caught") {
  const Graph graph = weighted_sum(unary(Op::tanh));
  const ir::Func right = passes::differentiate(graph.func, "g", graph.wrt);
  // As if the rule of tanh said (g + g y)(1 + y).
  const ir::Func wrong = ir::rewrite(right, [](ir::Builder& b, const ir::Value& value, const std::vector<ValueId>& x) {
    return value.op == Op::sub ? b.add(x[0], x[1]) : ir::copy_value(b, value, x);
  });
  CHECK((*passes::check_gradients(graph.func, right, graph.wrt, graph.arguments))[0].passed);
  const passes::GradientCheckRow row = (*passes::check_gradients(graph.func, wrong, graph.wrt, graph.arguments))[0];
  CHECK_FALSE(row.passed);
  CHECK(row.error > 0.1);
}

TEST_CASE("kinks and ties send the gradient where the language says") {
  using Numbers = std::vector<double>;
  const Numbers zeros = {0, 0};
  // relu'(0) = 0: at a tie max and min send it to the second operand.
  CHECK(gradient_of(binary(Op::max), {-1, 0, 2}, {0, 0, 0}) == Numbers{0, 0, 1});
  CHECK(gradient_of(binary(Op::min), {-1, 0, 2}, {0, 0, 0}) == Numbers{1, 0, 0});
  CHECK(gradient_of(unary(Op::abs), {-2, 0, 3}) == Numbers{-1, 0, 1});
  CHECK(gradient_of(reduce(ir::ReduceKind::max, {0}), {1, 5, 2, 5}) == Numbers{0, 1, 0, 0});
  CHECK(gradient_of(reduce(ir::ReduceKind::min, {0}), {1, 5, 1, 5}) == Numbers{1, 0, 0, 0});
  CHECK(gradient_of(reduce(ir::ReduceKind::prod, {0}), {2, 0, 3}) == Numbers{0, 6, 0});
  CHECK(gradient_of(reduce(ir::ReduceKind::prod, {0}), {0, 0, 3}) == Numbers{0, 0, 0});
  // The branch that is not taken gives exactly 0, whatever its value.
  const Make guarded_root = [](ir::Builder& b, const std::vector<ValueId>& x) {
    const ValueId zero = b.constant_like(0, x[0]);
    return b.select(b.binary(Op::less, zero, x[0]), b.unary(Op::sqrt, x[0]), zero);
  };
  CHECK(gradient_of(guarded_root, {0.25, 4, -1, 0}) == Numbers{1, 0.25, 0, 0});
  // Through several operations, and under a second condition.
  const Make nested = [&](ir::Builder& b, const std::vector<ValueId>& x) {
    const ValueId zero = b.constant_like(0, x[0]), one = b.constant_like(1, x[0]);
    const ValueId ratio = b.div(one, b.unary(Op::log, b.sub(x[0], one)));
    const ValueId inner = b.select(b.binary(Op::less, zero, x[0]), ratio, zero);
    return b.select(b.binary(Op::less, one, x[0]), inner, x[0]);
  };
  CHECK(gradient_of(nested, {1, 0, -3}) == Numbers{1, 1, 1});
  CHECK(gradient_of(unary(Op::stop_gradient), {1, 2}) == zeros);
}

TEST_CASE("an argument that the loss does not depend on has the gradient 0") {
  const Make constant = [](ir::Builder& b, const std::vector<ValueId>& x) { return b.constant_like(3, x[0]); };
  CHECK(gradient_of(constant, {1, 2}) == std::vector<double>{0, 0});
}
