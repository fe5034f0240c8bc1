// Kernel IR: what it looks like, and what its verifier refuses.
#include <doctest/doctest.h>

#include "codegen/codegen.h"
#include "run_compiled.h"

namespace gradc {

namespace {

using codegen::Affine;
using codegen::Kernel;
using codegen::KernelProgram;
using codegen::Loop;
using codegen::LoopKind;
using codegen::Node;
using codegen::NodeId;
using codegen::NodeKind;

// c[i] = sum over j of a[4*i + j], started at b[i]
KernelProgram row_sums() {
  KernelProgram program;
  program.name = "rows";
  program.arena_bytes = 128;
  program.buffers = {{"a", {ir::Space::data, 0}, ir::DType::f32, {12}, {}},
                     {"b", {ir::Space::state, 0}, ir::DType::f32, {3}, {}},
                     {"c", {ir::Space::arena, 64}, ir::DType::f32, {3}, {}}};
  Kernel kernel;
  const int32_t i = kernel.add_axis("i", 3), j = kernel.add_axis("j", 4);
  kernel.add_node({.kind = NodeKind::load, .buffer = 1, .index = codegen::axis_index(i)});
  kernel.add_node({.kind = NodeKind::carried});
  kernel.add_node({.kind = NodeKind::load,
                   .buffer = 0,
                   .index = codegen::sum(codegen::scaled(codegen::axis_index(i), 4), codegen::axis_index(j))});
  kernel.add_node({.kind = NodeKind::apply, .op = ir::Op::add, .operands = {1, 2}});
  kernel.add_node({.kind = NodeKind::carried});
  kernel.add_node({.kind = NodeKind::store, .operands = {4}, .buffer = 2, .index = codegen::axis_index(i)});
  kernel.loops.push_back(
      {.kind = LoopKind::parallel, .axis = i, .extent = 3, .body = {{false, 0}, {true, 1}, {false, 5}}});
  kernel.loops.push_back({.kind = LoopKind::reduce,
                          .axis = j,
                          .extent = 4,
                          .inits = {0},
                          .carried = {1},
                          .body = {{false, 2}, {false, 3}},
                          .yields = {3},
                          .results = {4}});
  kernel.body = {{true, 0}};
  program.kernels.push_back(std::move(kernel));
  return program;
}

std::string lowered(const std::string& text, const codegen::Options& options) {
  ir::Result<KernelProgram> program = codegen::lower(planned(func_of(text)), {"mean.grad"}, options);
  REQUIRE(program.ok());
  return codegen::print(*program);
}

}  // namespace

TEST_CASE("kernel: print") {
  const KernelProgram program = row_sums();
  CHECK(codegen::verify(program) == "");
  CHECK(codegen::print(program) == R"(kernels @rows, arena 128 bytes {
  buffer a = data + 0 : f32[12]
  buffer b = state + 0 : f32[3]
  buffer c = arena + 64 : f32[3]
  kernel 0 {
    parallel i in 3 {
      %0 = load b[i] : f32
      reduce j in 4 with %0 as %1 {
        %2 = load a[4*i + j] : f32
        %3 = add %1, %2 : f32
        yield %3
      } -> %4
      store c[i], %4
    }
  }
}
)");
}

TEST_CASE("kernel: a sum in lanes with a part of a round at its end") {
  codegen::Options options;
  options.vector_width = 8;
  CHECK(lowered(R"(func @mean(%x: f32[37] data, %n: f32[] hyper) -> (mean: f32[]) {
  %0 = reduce %x {sum, axes = [0]} : f32[]  # mean.grad:3:5
  %1 = div %0, %n : f32[]  # mean.grad:4:7
  return %1
}
)",
                options) == R"(kernels @mean, arena 0 bytes, resident {
  buffer x = data + 0 : f32[37]
  buffer n = hyper + 0 : f32[]
  buffer v1 = result + 0 : f32[]
  kernel 0 {  # mean.grad:4:7
    %0 = constant 0 : f32  # mean.grad:3:5
    lanes l0 in 16, vector 16 {  # mean.grad:3:5
      reduce q1 in 2 with %0 as %1, unroll {  # mean.grad:3:5
        %2 = load x[l0 + 16*q1] : f32  # mean.grad:3:5
        %3 = add %1, %2 : f32  # mean.grad:3:5
        yield %3
      } -> %4
      where l0 < 5 else %4 {  # mean.grad:3:5
        %5 = load x[l0 + 32] : f32  # mean.grad:3:5
        %6 = add %4, %5 : f32  # mean.grad:3:5
        yield %6
      } -> %7
      yield %7
    } -> %8
    %9 = load n[0] : f32  # mean.grad:4:7
    %10 = div %8, %9 : f32  # mean.grad:4:7
    store v1[0], %10  # mean.grad:4:7
  }
}
)");
}

TEST_CASE("kernel: an index that is looked up is brought into bounds") {
  codegen::Options options;
  options.vector_width = 8;
  CHECK(lowered(R"(func @look(%t: f32[11,32] data, %i: i32[5] data) -> (y: f32[5,32]) {
  %0 = gather %t, %i {axis = 0, batch = 0} : f32[5,32]
  return %0
}
)",
                options) == R"(kernels @look, arena 0 bytes {
  buffer t = data + 0 : f32[11,32]
  buffer i = data + 1408 : i32[5]
  buffer v0 = result + 0 : f32[5,32]
  kernel 0 {
    %0 = constant 10 : i32
    %1 = constant 0 : i32
    parallel i0 in 5 {
      %2 = load i[i0] : i32
      %3 = min %2, %0 : i32
      %4 = max %3, %1 : i32
      parallel i1 in 32, vector 8, tile 3 {
        %5 = load t[i1 + 32*%4] : f32
        store v0[32*i0 + i1], %5
      }
    }
  }
}
)");
}

TEST_CASE("kernel: what runs at the same time may not store at the same computed index") {
  ir::Result<KernelProgram> program =
      codegen::lower(planned(func_of(
                         R"(func @f(%i: i32[700] data, %u: f32[700,24] data) -> (y: f32[40,24]) {
  %0 = scatter_add %u, %i {axis = 0, batch = 0, extent = 40} : f32[40,24]
  return %0
}
)")),
                     {}, {});
  REQUIRE(program);
  CHECK(codegen::verify(*program) == "");
  Kernel& kernel = program->kernels[1];
  const std::vector<codegen::Node> nodes = kernel.nodes;
  for (codegen::Node& node : kernel.nodes) {
    if (!kernel.is_dynamic(node.index)) continue;
    for (auto& term : node.index.terms)
      if (kernel.axes[static_cast<size_t>(term.axis)].node >= 0) term.stride = 8;  // the loop has 24 rounds
  }
  CHECK(codegen::verify(*program) ==
        "kernel 1: v0.sums is stored at a computed index that other rounds may store at too");
  kernel.nodes = nodes;
  for (codegen::Node& node : kernel.nodes) {
    if (!kernel.is_dynamic(node.index)) continue;
    std::erase_if(node.index.terms,
                  [&](const auto& term) { return kernel.axes[static_cast<size_t>(term.axis)].node < 0; });
  }
  CHECK(codegen::verify(*program) == "kernel 1: v0.sums is stored at the same computed index by all rounds of i0");
}

TEST_CASE("kernel: the verifier holds indices that are looked up to their bounds") {
  KernelProgram program = row_sums();
  Kernel& kernel = program.kernels[0];
  program.buffers.push_back({"n", {ir::Space::data, 64}, ir::DType::i32, {3}});
  const NodeId entry =
      kernel.add_node({.kind = NodeKind::load, .dtype = ir::DType::i32, .buffer = 3, .index = codegen::axis_index(0)});
  const NodeId last = kernel.add_node({.kind = NodeKind::constant, .dtype = ir::DType::i32, .number = 2});
  const NodeId zero = kernel.add_node({.kind = NodeKind::constant, .dtype = ir::DType::i32, .number = 0});
  const NodeId low =
      kernel.add_node({.kind = NodeKind::apply, .dtype = ir::DType::i32, .op = ir::Op::min, .operands = {entry, last}});
  const NodeId index =
      kernel.add_node({.kind = NodeKind::apply, .dtype = ir::DType::i32, .op = ir::Op::max, .operands = {low, zero}});
  codegen::Block& body = kernel.loops[0].body;
  body.insert(body.begin(), {{false, entry}, {false, last}, {false, zero}, {false, low}, {false, index}});
  const int32_t axis = kernel.add_axis("", 3, index);
  SUBCASE("inside") {
    kernel.nodes[0].index = codegen::axis_index(axis);
    CHECK(codegen::verify(program) == "");
  }
  SUBCASE("the buffer is shorter than the axis") {
    kernel.nodes[0].index = codegen::axis_index(axis);
    program.buffers[1].shape = {2};
    CHECK(codegen::verify(program) == "kernel 0: b[0 ... 2] is outside its 2 elements");
  }
  SUBCASE("not known to be inside") {
    kernel.axes[2].node = low;
    kernel.nodes[0].index = codegen::axis_index(axis);
    CHECK(codegen::verify(program) == "kernel 0: node 9 may leave the axis whose index it is");
  }
  SUBCASE("before it is defined") {
    body.push_back(body[4]);
    body.erase(body.begin() + 4);
    kernel.nodes[0].index = codegen::axis_index(axis);
    CHECK(codegen::verify(program) == "kernel 0: an index uses node 10 before it is defined");
  }
  SUBCASE("a store") {
    kernel.nodes[5].index = codegen::axis_index(axis);
    CHECK(codegen::verify(program) == "kernel 0: c is stored at the same computed index by all rounds of i");
  }
  SUBCASE("a loop") {
    kernel.loops[0].axis = axis;
    CHECK(codegen::verify(program) == "kernel 0: a loop runs an axis whose index is node 10");
  }
}

TEST_CASE("kernel: the verifier names what is wrong") {
  KernelProgram program = row_sums();
  Kernel& kernel = program.kernels[0];
  SUBCASE("an index outside the buffer") {
    program.buffers[0].shape = {11};
    CHECK(codegen::verify(program) == "kernel 0: a[0 ... 11] is outside its 11 elements");
  }
  SUBCASE("a buffer outside the arena") {
    program.arena_bytes = 70;
    CHECK(codegen::verify(program) == "buffer c ends outside the arena");
  }
  SUBCASE("a buffer that is not aligned to its elements") {
    program.buffers[1].storage.offset = 2;
    CHECK(codegen::verify(program) == "buffer b has no proper place");
  }
  SUBCASE("a buffer of doubles") {
    program.buffers[0].dtype = ir::DType::f64;
    CHECK(codegen::verify(program) == "buffer a is f64");
  }
  SUBCASE("use before definition") {
    std::swap(kernel.loops[1].body[0], kernel.loops[1].body[1]);
    CHECK(codegen::verify(program) == "kernel 0: node 3 uses 2 before it is defined");
  }
  SUBCASE("use outside the loop that defines") {
    kernel.nodes[5].operands = {3};
    CHECK(codegen::verify(program) == "kernel 0: node 5 uses 3 before it is defined");
  }
  SUBCASE("an axis of a loop that is not around") {
    kernel.nodes[0].index = codegen::axis_index(1);
    CHECK(codegen::verify(program) == "kernel 0: an index uses an axis that is not around it");
  }
  SUBCASE("two places") {
    kernel.loops[0].body.push_back({false, 0});
    CHECK(codegen::verify(program) == "kernel 0: node 0 stands in two places");
  }
  SUBCASE("types") {
    kernel.nodes[3].op = ir::Op::logical_and;
    CHECK(codegen::verify(program) == "kernel 0: logical_and gets or gives the wrong types");
  }
  SUBCASE("operands") {
    kernel.nodes[3].op = ir::Op::neg;
    CHECK(codegen::verify(program) == "kernel 0: neg does not take 2 operands");
  }
  SUBCASE("a load of another type") {
    kernel.nodes[2].dtype = ir::DType::i32;
    CHECK(codegen::verify(program) == "kernel 0: a is accessed as another type");
  }
  SUBCASE("a write to what the host owns") {
    program.buffers[2] = {"c", {ir::Space::hyper, 0}, ir::DType::f32, {3}, {}};
    CHECK(codegen::verify(program) == "kernel 0: c is written but lies in a space that is read only");
  }
  SUBCASE("a store that others read at another index") {
    program.buffers[2] = {"c", {ir::Space::state, 4}, ir::DType::f32, {3}, {}};
    CHECK(codegen::verify(program) == "kernel 0: c is stored while b is read at another index");
  }
  SUBCASE("another extent") {
    kernel.loops[1].extent = 3;
    CHECK(codegen::verify(program) == "kernel 0: a loop over j has another extent");
  }
  SUBCASE("a loop inside itself") {
    kernel.loops[1].body.push_back({true, 1});
    CHECK(codegen::verify(program) == "kernel 0: loop 1 stands in two places");
  }
  SUBCASE("a sum may not fill vectors") {
    kernel.loops[1].schedule.vector = 4;
    CHECK(codegen::verify(program) == "kernel 0: axis j cannot fill vectors");
  }
  SUBCASE("rounds that are turned are four, of a sum that has as many") {
    kernel.loops[1].schedule.turn = 8;
    CHECK(codegen::verify(program) == "kernel 0: turn 8 over j");
    kernel.loops[1].schedule.turn = 1;
    kernel.loops[0].schedule.turn = 4;
    CHECK(codegen::verify(program) == "kernel 0: turn 4 over i");
  }
  SUBCASE("where outside lanes") {
    kernel.loops[1].kind = LoopKind::where;
    CHECK(codegen::verify(program) == "kernel 0: axis j is opened twice or never");
  }
  SUBCASE("too many lanes") {
    kernel.axes[0].extent = kernel.loops[0].extent = 17;
    kernel.loops[0].kind = LoopKind::lanes;
    CHECK(codegen::verify(program) == "kernel 0: more than 16 lanes");
  }
  SUBCASE("what is carried") {
    kernel.loops[1].inits = {};
    CHECK(codegen::verify(program) == "kernel 0: a loop over j carries not as much as it yields");
  }
}

TEST_CASE("kernel: what cannot be compiled is refused in a sentence") {
  const auto error = [](const ir::Func& func) {
    ir::Result<KernelProgram> program = codegen::lower(func, {}, {});
    REQUIRE_FALSE(program.ok());
    return program.error();
  };
  CHECK(
      error(planned(func_of("func @f(%x: f64[3] data) -> (y: f64[3]) {\n  %0 = exp %x : f64[3]\n  return %0\n}\n"))) ==
      "cannot compile @f: %x is f64; only the interpreter evaluates that");
  const ir::Func func = func_of("func @f(%x: f32[3] data) -> (y: f32[3]) {\n  %0 = exp %x : f32[3]\n  return %0\n}\n");
  CHECK(error(func) == "cannot compile @f: the result y has no storage");
  ir::Func half = planned(func);
  half.values[0].storage = {};
  CHECK(error(half) == "cannot compile @f: the argument %x has no storage");
  codegen::Options options;
  options.cpu = "z80";
  ir::Result<KernelProgram> program = codegen::lower(planned(func), {}, options);
  REQUIRE_FALSE(program.ok());
  CHECK(program.error().find("LLVM knows no processor `z80` for ") == 0);
}

}  // namespace gradc
