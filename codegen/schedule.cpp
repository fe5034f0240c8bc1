#include "codegen/schedule.h"

#include "codegen/layout.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include "codegen/parts.h"
#include "ir/thread_pool.h"

namespace gradc::codegen {

namespace {

// A loop is copied out when it has at most this many iterations, and so is the nest around it until the copies reach
// the second limit: below it a loop counter costs about as much as the body.
constexpr int64_t kMaxUnrolledIterations = 8;
constexpr int64_t kMaxUnrolledWork = 16;
constexpr int64_t kMaxUnrolledCopies = 64;
size_t at(int32_t id) { return static_cast<size_t>(id); }

// `points`: of the tiles around the block, each with a copy of its own.
void unroll(Kernel& kernel, const Block& block, int64_t points = 1) {
  for (const Statement& statement : block) {
    if (!statement.is_loop) continue;
    Loop& loop = kernel.loops[at(statement.id)];
    unroll(kernel, loop.body, points * loop.schedule.tile);
    if (loop.kind != LoopKind::reduce || loop.extent > kMaxUnrolledIterations) continue;
    const int64_t work = loop.extent * work_of(kernel, loop.body);
    loop.schedule.unroll = work <= kMaxUnrolledWork && work * points <= kMaxUnrolledCopies;
  }
}

int64_t saturating_multiply(int64_t a, int64_t b) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 4;
  return a > kMost / std::max<int64_t>(b, 1) ? kMost : a * b;
}

}  // namespace

int64_t work_of(const Kernel& kernel, const Block& block) {
  int64_t work = 0;
  for (const Statement& statement : block) {
    if (!statement.is_loop) {
      // Constants and indices are immediates; the functions of ir/math.h and Philox are about as long as this.
      const Node& node = kernel.nodes[at(statement.id)];
      const bool immediate = node.kind == NodeKind::constant || node.kind == NodeKind::index;
      const bool is_function = node.kind == NodeKind::apply && ir::op_info(node.op).has(ir::kFunction);
      if (!immediate) work += node.kind == NodeKind::random ? 80 : is_function ? 30 : 1;
      continue;
    }
    const Loop& loop = kernel.loops[at(statement.id)];
    work += saturating_multiply(work_of(kernel, loop.body), loop.extent);
    if (loop.kind == LoopKind::lanes) work += loop.extent;
  }
  return std::min(work, std::numeric_limits<int64_t>::max() / 4);
}

void widen_rounds(Kernel& kernel, const Nest& nest, const ScheduleLimits& limits) {
  constexpr int64_t kMostVectors = 4;
  if (nest.loops.empty() || limits.registers == 0) return;
  int64_t live = 0;
  for (const Statement& statement : nest.body) {
    if (statement.is_loop) return;
    live += work_of(kernel, {statement});
  }
  Loop& loop = kernel.loops[at(nest.loops.back())];
  const bool tiled = std::any_of(nest.loops.begin(), nest.loops.end(),
                                 [&](int32_t id) { return kernel.loops[at(id)].schedule.tile > 1; });
  if (tiled || loop.schedule.vector == 1) return;
  const int64_t vectors = std::min(
      {kMostVectors, limits.registers / std::max<int64_t>(live, 1), loop.extent / std::max(loop.schedule.vector, 1)});
  loop.schedule.tile = static_cast<int32_t>(std::max<int64_t>(vectors, 1));
}

std::vector<Nest> take_nests(Kernel& kernel) {
  std::vector<Nest> nests;
  Block rest;
  const auto flush = [&] {
    if (rest.empty()) return;
    nests.push_back({{}, std::move(rest)});
    rest = {};
  };
  for (const Statement& statement : kernel.body) {
    if (!statement.is_loop || kernel.loops[at(statement.id)].kind != LoopKind::parallel) {
      rest.push_back(statement);
      continue;
    }
    flush();
    Nest nest;
    int32_t loop = statement.id;
    while (true) {
      nest.loops.push_back(loop);
      Block body = std::move(kernel.loops[at(loop)].body);
      const bool perfect =
          body.size() == 1 && body[0].is_loop && kernel.loops[at(body[0].id)].kind == LoopKind::parallel;
      if (!perfect) {
        nest.body = std::move(body);
        break;
      }
      loop = body[0].id;
    }
    nests.push_back(std::move(nest));
  }
  flush();
  kernel.body.clear();
  return nests;
}

void put_nests(Kernel& kernel, std::vector<Nest> nests) {
  for (Nest& nest : nests) {
    Block body = std::move(nest.body);
    for (size_t i = nest.loops.size(); i-- > 0;) {
      kernel.loops[at(nest.loops[i])].body = std::move(body);
      body = {{true, nest.loops[i]}};
    }
    kernel.body.insert(kernel.body.end(), body.begin(), body.end());
  }
}

bool has_turnable_rounds(const Loop& loop) {
  return loop.kind == LoopKind::reduce && loop.extent >= kTurned &&
         std::none_of(loop.body.begin(), loop.body.end(), [](const Statement& statement) { return statement.is_loop; });
}

bool is_turned(const Kernel& kernel, const Node& node, int32_t axis, int32_t vector_axis) {
  if (node.kind != NodeKind::load || node.predicate != kNoNode || vector_axis < 0 || kernel.is_dynamic(node.index))
    return false;
  const int64_t stride = node.index.stride(vector_axis);
  return node.index.stride(axis) == 1 && stride != 0 && stride != 1 && !is_interleaved(stride, stride) &&
         ir::dtype_bytes(node.dtype) == 4;
}

bool is_mask(const Kernel& kernel, NodeId condition) {
  const Node& node = kernel.nodes[at(condition)];
  if (node.kind == NodeKind::in_range) return !kernel.is_dynamic(node.index);
  return node.kind == NodeKind::apply && node.op == ir::Op::logical_and &&
         std::all_of(node.operands.begin(), node.operands.end(), [&](NodeId id) { return is_mask(kernel, id); });
}

namespace {

constexpr int kFewRegisters = 6;

// Kernels that are next to nothing of the step: what a large tile of theirs takes to compile it never saves.
std::vector<bool> little_kernels(const KernelProgram& program, KernelCosts& costs) {
  constexpr double kLittle = 0.001;
  std::vector<const double*> answers;
  for (const Kernel& kernel : program.kernels) answers.push_back(costs.ask(kernel));
  costs.answer();
  const double all = std::accumulate(answers.begin(), answers.end(), 0.0,
                                     [](double total, const double* cost) { return total + *cost; });
  const auto share = [&](const double* cost) {  // of all kernels that are the same
    return *cost * static_cast<double>(std::count(answers.begin(), answers.end(), cost)) / all;
  };
  std::vector<bool> little;
  for (const double* cost : answers) little.push_back(share(cost) < kLittle);
  return little;
}

}  // namespace

void schedule(KernelProgram& program, const Options& options, const TargetInfo& target) {
  const ScheduleLimits limits{options.vector_width == 0 ? target.vector_floats : options.vector_width,
                              target.vector_floats, options.unroll ? target.vector_registers : 0, options.explain,
                              target.masked_loads};
  if (options.unroll && make_resident(program, limits)) {
    if (options.explain)
      program.reasons.push_back("the whole step is so short that it is one straight line, its state in registers");
    return;
  }
  ir::ThreadPool threads(options.compile_threads);
  std::vector<bool> is_little;
  if (limits.width > 1) {
    KernelCosts costs(limits, threads);
    for (Kernel& kernel : program.kernels) cut_axes(kernel);
    std::vector<OperandCopy> copies;
    if (limits.registers > 0) copies = pack_operands(program, costs, false);
    choose_layouts(program, costs);
    if (limits.registers > 0) pack_operands(program, costs, true, std::move(copies));
    if (limits.registers > 0) is_little = little_kernels(program, costs);
  }
  is_little.resize(program.kernels.size(), false);
  place_scratch(program);
  threads.for_each(program.kernels.size(), [&](size_t k) {
    Kernel& kernel = program.kernels[k];
    ScheduleLimits own = limits;
    if (is_little[k]) {
      own.registers = std::min(own.registers, kFewRegisters);
      if (own.explain) kernel.reasons.push_back("less than a thousandth of the step: a small tile, quick to compile");
    }
    std::vector<Nest> nests = take_nests(kernel);
    for (Nest& nest : nests) {
      merge_axes(kernel, nest);
      choose_vector_axis(kernel, nest, own);
      sums_first(kernel, nest);
      widen_rounds(kernel, nest, own);
    }
    put_nests(kernel, std::move(nests));
    hoist(kernel);
    if (options.unroll) unroll(kernel, kernel.body);
  });
  choose_parts(program, options);
}

}  // namespace gradc::codegen
