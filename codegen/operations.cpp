// What a kernel computes, counted; and a kernel that does nothing but compute.
#include "codegen/codegen.h"

namespace gradc::codegen {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

// Additions and multiplications in ir/math.h and ir/philox.h; a fused one is two.
int64_t operations_of(const Node& node) {
  if (node.kind == NodeKind::random) return 60;
  if (node.kind != NodeKind::apply || node.dtype != ir::DType::f32) return 0;
  switch (node.op) {
    case ir::Op::fma:
      return 2;
    case ir::Op::exp:
      return 20;
    case ir::Op::log:
      return 24;
    case ir::Op::tanh:
      return 36;
    case ir::Op::select:
    case ir::Op::cast:
    case ir::Op::stop_gradient:
      return 0;
    default:
      return 1;
  }
}

int64_t operations_of(const Kernel& kernel, const Block& block) {
  int64_t total = 0;
  for (const Statement& statement : block) {
    if (!statement.is_loop) {
      total += operations_of(kernel.nodes[at(statement.id)]);
      continue;
    }
    const Loop& loop = kernel.loops[at(statement.id)];
    total += operations_of(kernel, loop.body) * (loop.kind == LoopKind::where ? 1 : loop.extent);
  }
  return total;
}

}  // namespace

int64_t operations_of(const Kernel& kernel) { return operations_of(kernel, kernel.body); }

KernelProgram peak_probe(const TargetInfo& target) {
  constexpr int64_t kRounds = 4096;
  const int32_t tile = target.vector_registers / 2;
  const int64_t width = target.vector_floats;
  KernelProgram program;
  program.name = "peak";
  program.arena_bytes = 2 * 4 * width * tile;
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
