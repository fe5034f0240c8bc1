// What a kernel computes, counted; and a kernel that does nothing but compute.
#include <cmath>

#include "codegen/codegen.h"
#include "codegen/schedule.h"
#include "ir/math.h"
#include "ir/math_power.h"
#include "ir/math_sine.h"

namespace gradc::codegen {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

// A builder of ir/math.h that counts: additions, multiplications and divisions are one, a fused one is two.
struct Counter {
  struct Nothing {};
  using F = Nothing;
  using I = Nothing;
  using M = Nothing;
  int64_t count = 0;

  F one() { return ++count, F{}; }
  F constant(float) { return {}; }
  I int_constant(uint32_t) { return {}; }
  F add(F, F) { return one(); }
  F sub(F, F) { return one(); }
  F mul(F, F) { return one(); }
  F div(F, F) { return one(); }
  F fma(F, F, F) { return one(), one(); }
  M less(F, F) { return {}; }
  M equal(F, F) { return {}; }
  F select(M, F, F) { return {}; }
  I bits(F) { return {}; }
  F from_bits(I) { return {}; }
  F to_float(I) { return {}; }
  I int_add(I, I) { return {}; }
  I int_sub(I, I) { return {}; }
  I int_mul(I, I) { return {}; }
  I int_mul_high(I, I) { return {}; }
  I int_and(I, I) { return {}; }
  I int_or(I, I) { return {}; }
  I int_xor(I, I) { return {}; }
  I int_shl(I, int) { return {}; }
  I int_lshr(I, int) { return {}; }
  I int_ashr(I, int) { return {}; }
};

template <class Function>
int64_t counted(const Function& function) {
  Counter counter;
  function(counter);
  return counter.count;
}

int64_t operations_of(const Node& node) {
  constexpr Counter::Nothing x;
  if (node.kind == NodeKind::random) return 60;  // of ir/philox.h, which are on integers
  if (node.kind != NodeKind::apply || node.dtype != ir::DType::f32) return 0;
  switch (node.op) {
    case ir::Op::fma:
      return 2;
    case ir::Op::exp:
      return counted([&](Counter& c) { ir::exp_f32(c, x); });
    case ir::Op::log:
      return counted([&](Counter& c) { ir::log_f32(c, x); });
    case ir::Op::tanh:
      return counted([&](Counter& c) { ir::tanh_f32(c, x); });
    case ir::Op::erf:
      return counted([&](Counter& c) { ir::erf_f32(c, x); });
    case ir::Op::sin:
      return counted([&](Counter& c) { ir::sin_f32(c, x); });
    case ir::Op::cos:
      return counted([&](Counter& c) { ir::cos_f32(c, x); });
    case ir::Op::pow:
      return counted([&](Counter& c) { ir::pow_f32(c, x, x); });
    case ir::Op::select:
    case ir::Op::cast:
    case ir::Op::stop_gradient:
      return 0;
    default:
      return 1;
  }
}

// The share of all indices at which a condition holds, where it is made of ranges over axes of their own.
double share_of(const Kernel& kernel, NodeId condition) {
  const Node& node = kernel.nodes[at(condition)];
  if (node.kind == NodeKind::apply && node.op == ir::Op::logical_and)
    return share_of(kernel, node.operands[0]) * share_of(kernel, node.operands[1]);
  if (node.kind != NodeKind::in_range || kernel.is_dynamic(node.index)) return 1;
  constexpr int64_t kMostIndices = 1 << 16;
  int64_t indices = 1, inside = 0;
  for (const Affine::Term& term : node.index.terms) {
    indices *= kernel.axes[at(term.axis)].extent;
    if (indices > kMostIndices) return 1;
  }
  for (int64_t i = 0; i < indices; ++i) {
    int64_t index = node.index.constant, rest = i;
    for (const Affine::Term& term : node.index.terms) {
      const int64_t extent = kernel.axes[at(term.axis)].extent;
      index += term.stride * (rest % extent);
      rest /= extent;
    }
    inside += node.low <= index && index < node.high ? 1 : 0;
  }
  return static_cast<double>(inside) / static_cast<double>(indices);
}

double operations_of(const Kernel& kernel, const Block& block) {
  double total = 0;
  for (const Statement& statement : block) {
    if (!statement.is_loop) {
      total += static_cast<double>(operations_of(kernel.nodes[at(statement.id)]));
      continue;
    }
    const Loop& loop = kernel.loops[at(statement.id)];
    const double rounds = loop.kind == LoopKind::where ? 1 : static_cast<double>(loop.extent);
    const NodeId condition = condition_of(kernel, loop);
    const double share = condition == kNoNode ? 1 : share_of(kernel, condition);
    total += operations_of(kernel, loop.body) * rounds * share;
  }
  return total;
}

}  // namespace

int64_t operations_of(const Kernel& kernel) {
  return static_cast<int64_t>(std::llround(operations_of(kernel, kernel.body)));
}

KernelProgram peak_probe(const TargetInfo& target) {
  constexpr int64_t kRounds = 4096;
  const int32_t tile = target.vector_registers / 2;
  const int64_t width = target.vector_floats;
  KernelProgram program;
  program.name = "peak";
  program.arena_bytes = 2 * 4 * width * tile;
  program.software_fma = target.software_fma;
  const ir::Shape shape{width * tile};
  program.buffers = {{"a", {ir::Space::arena, 0}, ir::DType::f32, shape, {}},
                     {"y", {ir::Space::arena, program.arena_bytes / 2}, ir::DType::f32, shape, {}}};
  Kernel kernel;
  const int32_t i = kernel.add_axis("i", width * tile), r = kernel.add_axis("r", kRounds);
  const NodeId zero = kernel.add_node({.kind = NodeKind::constant, .number = 0});
  const NodeId a = kernel.add_node({.kind = NodeKind::load, .buffer = 0, .index = {}});
  const NodeId carried = kernel.add_node({.kind = NodeKind::carried});
  const NodeId next = kernel.add_node({.kind = NodeKind::apply, .op = ir::Op::fma, .operands = {carried, a, a}});
  const NodeId result = kernel.add_node({.kind = NodeKind::carried});
  const NodeId start = kernel.add_node({.kind = NodeKind::load, .buffer = 0, .index = axis_index(i)});
  const NodeId stored =
      kernel.add_node({.kind = NodeKind::store, .operands = {result}, .buffer = 1, .index = axis_index(i)});
  kernel.loops.push_back({.kind = LoopKind::reduce,
                          .axis = r,
                          .extent = kRounds,
                          .inits = {start},
                          .carried = {carried},
                          .body = {{false, next}},
                          .yields = {next},
                          .results = {result}});
  kernel.loops.push_back({.kind = LoopKind::parallel,
                          .axis = i,
                          .extent = width * tile,
                          .schedule = {.vector = static_cast<int32_t>(width), .tile = tile},
                          .body = {{false, zero}, {false, a}, {false, start}, {true, 0}, {false, stored}}});
  kernel.body = {{true, 1}};
  program.kernels.push_back(std::move(kernel));
  return program;
}

}  // namespace gradc::codegen
