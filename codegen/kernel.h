// Kernel IR: the loops that compute one planned function. A kernel is a tree of loops over named axes; its leaves are
// scalar SSA nodes: loads and stores, constants, and the elementwise operations of ir/ops.def. Indices are affine in
// the axes. An axis may also be dynamic: no loop runs it, an i32 node between 0 and extent-1 is its index, and it is
// printed as that node: `load table[16*%3 + i1]`.
//
//   kernel 0 {
//     parallel i0 in 32, vector 8 {
//       parallel i1 in 5 {
//         %0 = load hidden.bias[i1] : f32
//         reduce r2 in 2 with %0 as %1 {
//           %2 = load x[2*i0 + r2] : f32
//           %3 = load hidden.weight[2*i1 + r2] : f32
//           %4 = fma %2, %3, %1 : f32
//           yield %4
//         } -> %5
//         store v7[5*i0 + i1], %5
//       }
//     }
//   }
//
// Meaning: a loop runs its axis from 0 to extent-1, ascending; iterations of `parallel` may run in any order or at the
// same time. `reduce` carries values: at first the inits, then what the body yields; its results are the last ones. It
// may carry none and run for what it stores, where a node says (scatter_add).
// `lanes` runs its body once for each lane (at most 16) and adds what the lanes yield by halving: l += l+8, l+4, l+2,
// l+1, lanes that do not exist skipped. `where` stands inside `lanes`: lanes below its extent take what the body
// yields, the others keep the init. Schedules (vector, tile, unroll, turn) never change a bit. Made by lower.h,
// scheduled by schedule.h, checked by kernel_verify.h. Tests: tests/native/test_kernel.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace gradc::codegen {

// constant + sum of stride * axis.
struct Affine {
  struct Term {
    int32_t axis;
    int64_t stride;
    auto operator<=>(const Term&) const = default;
  };
  int64_t constant = 0;
  std::vector<Term> terms;  // ascending axes, no stride is 0
  auto operator<=>(const Affine&) const = default;
  int64_t stride(int32_t axis) const;
};
Affine axis_index(int32_t axis);
Affine sum(const Affine& a, const Affine& b);
Affine scaled(const Affine& a, int64_t factor);
Affine shifted(const Affine& a, int64_t distance);

using NodeId = int32_t;  // into Kernel::nodes
inline constexpr NodeId kNoNode = -1;

enum class NodeKind : uint8_t {
  constant,  // `number`
  index,     // `index` as i32
  in_range,  // bool: low <= index < high
  load,      // buffer[index]; with `predicate`: 0 where that is false, and memory is not touched
  apply,     // an elementwise operation of the operands
  random,    // f32 in (0, 1) from three key words (operands), `place`, `sample` and `index`
  carried,   // a value that a loop defines: a carried argument or a result
  store,     // buffer[index] = operand
};

struct Node {
  NodeKind kind = NodeKind::constant;
  ir::DType dtype = ir::DType::f32;
  ir::Op op = ir::Op::add;
  std::vector<NodeId> operands;
  NodeId predicate = kNoNode;
  int32_t buffer = -1;
  Affine index;
  std::vector<Affine> position;  // of a load or store: the index on each axis of the buffer, where it is known
  Affine sample;
  int64_t low = 0, high = 0;
  int64_t place = 0;
  double number = 0;
  ir::SourceLocation location;
};

struct Statement {
  bool is_loop = false;
  int32_t id = 0;  // a node or a loop
};
using Block = std::vector<Statement>;

enum class LoopKind : uint8_t { parallel, reduce, lanes, where };

struct Schedule {
  int32_t vector = 1;   // parallel: iterations done at once; lanes: 16, or 1 for one after the other
  int32_t tile = 1;     // parallel: as many vectors (or iterations) side by side, sharing what is the same for all
  bool unroll = false;  // one copy of the body for each iteration
  int32_t turn = 1;     // reduce: so many rounds at once, for which scattered loads are turned in registers; 1 or 4
  int32_t parts = 1;    // parallel: its rounds are dealt out to threads in as many parts; at most one loop of a kernel
  int32_t joined = 0;   // of a loop in parts: so many loops right inside it are dealt out with it, round by round
  bool operator==(const Schedule&) const = default;
};

struct Loop {
  LoopKind kind = LoopKind::parallel;
  int32_t axis = 0;    // of `where`: the axis of the surrounding `lanes`
  int64_t extent = 1;  // of `where`: how many lanes take part
  Schedule schedule;
  std::vector<NodeId> inits;    // reduce, where
  std::vector<NodeId> carried;  // reduce: the inits' successors inside the body
  Block body;
  std::vector<NodeId> yields;   // reduce, where, lanes
  std::vector<NodeId> results;  // as many as yields
  ir::SourceLocation location;
};

struct Axis {
  std::string name;
  int64_t extent = 1;
  NodeId node = kNoNode;  // the index, where the axis is dynamic
};

struct Kernel {
  std::vector<Axis> axes;
  std::vector<Node> nodes;
  std::vector<Loop> loops;
  Block body;
  ir::SourceLocation location;
  double cost = 0;                   // instructions on one register, by the estimate of cost.h
  std::vector<std::string> reasons;  // of its schedule, a line each; with Options::explain

  int32_t add_axis(std::string name, int64_t extent, NodeId node = kNoNode);
  bool is_dynamic(const Affine& index) const;
  NodeId add_node(Node node);
};

// In which order the elements of a tensor lie: row-major, or with one axis cut into blocks that are innermost. The axes
// before `place`, the number of the block, the other axes, and the index inside the block: with axis 1 of [64,512] in
// blocks of 16 at place 0 an element lies at [i1/16][i0][i1%16]. A block as long as the axis: the axis is innermost.
struct Layout {
  int32_t axis = -1;  // -1: row-major
  int32_t place = 0;  // 0 ... axis
  int64_t block = 1;  // divides the axis
  bool operator==(const Layout&) const = default;
};

// A tensor in memory.
struct Buffer {
  std::string name;
  ir::Storage storage;
  ir::DType dtype = ir::DType::f32;
  ir::Shape shape;
  Layout layout;
  int64_t elements() const { return ir::Type{dtype, shape}.elements(); }
  int64_t bytes() const { return elements() * ir::dtype_bytes(dtype); }
};

// Whether the two have bytes in common.
bool overlap(const Buffer& a, const Buffer& b);

// Arena bytes that the host writes before the first step: the tables of the program.
struct InitialBytes {
  int64_t offset = 0;
  std::vector<uint8_t> bytes;
};

// All kernels of one function, in the order in which they run each step.
struct KernelProgram {
  std::string name;
  std::vector<std::string> files;  // for SourceLocation::file
  std::vector<Buffer> buffers;
  std::vector<Kernel> kernels;
  int64_t arena_bytes = 0;
  std::vector<int32_t> scratch;  // buffers in the arena that lowering and schedules add, placed when all are known
  std::vector<InitialBytes> initial;
  std::vector<std::string> reasons;  // of what holds for all kernels
  // The whole step is one straight line; state and arena live in registers across steps. Every loop is unrolled.
  bool resident = false;
  bool software_fma = false;  // fused multiply-adds are made of double arithmetic
};

// The condition that must hold for a round of a `reduce` to change what it carries; none where any round may.
NodeId condition_of(const Kernel& kernel, const Loop& loop);

// The smallest and largest value over all iterations.
struct Interval {
  int64_t low = 0, high = 0;
};
Interval interval_of(const Affine& index, const std::vector<Axis>& axes);
// The bounds of an i32 node, as far as constants, indices, max and min of these show them within `depth` operations.
Interval interval_of(const Kernel& kernel, NodeId node, const std::vector<Axis>& axes, int depth = 2);

}  // namespace gradc::codegen
