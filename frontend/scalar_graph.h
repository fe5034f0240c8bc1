// Arithmetic on scalar hyper-parameters (Rule 6): done in double, rounded once. What depends on settings or on the step
// number is a node here; every node that a tensor meets becomes a result of `func @RUN.hyper`.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "frontend/value.h"
#include "ir/graph.h"
#include "ir/op.h"

namespace gradc::frontend {

class ScalarGraph {
 public:
  Scalar setting(const std::string& name, double value);  // a run-time number with a default
  Scalar step();                                          // `t`: 1, 2, ...

  // Elementwise operations of ir/ops.def on scalars; what is known stays known. Integers stay integers where the
  // mathematics does.
  Scalar unary(ir::Op op, const Scalar& x);
  Scalar binary(ir::Op op, const Scalar& a, const Scalar& b);
  Scalar select(const Scalar& condition, const Scalar& a, const Scalar& b);
  // a^b. Known integers: repeated multiplication, squaring from the lowest bit of the exponent. Else
  // exp(b log|a|), exact at a = 0 and with the sign that an integer-valued exponent gives.
  Scalar power(const Scalar& a, const Scalar& b);

  // The name under which a node leaves @RUN.hyper and enters the functions that use it.
  const std::string& output_name(int32_t node);

  // @RUN.hyper(t, settings) -> one f32[] per node that was asked for.
  ir::Func emit(const std::string& name, const std::vector<std::string>& settings, ir::SourceLocation location) const;

  void at(ir::SourceLocation location) { location_ = location; }

 private:
  struct Node {
    ir::Op op = ir::Op::constant;
    std::vector<int32_t> operands;
    double number = 0;  // of a constant
    std::string name;   // of a setting, `t`
    std::string text;   // readable, of legal characters
    Scalar::Kind kind = Scalar::Kind::real;
    ir::SourceLocation location;
  };
  int32_t add(Node node);
  int32_t node_of(const Scalar& scalar);
  Scalar with_node(Scalar result, ir::Op op, const std::vector<const Scalar*>& operands);

  std::vector<Node> nodes_;
  std::map<std::string, int32_t> known_;    // equal nodes are one
  std::map<int32_t, std::string> outputs_;  // ascending: in the order of creation
  std::map<std::string, int32_t> output_names_;
  ir::SourceLocation location_;
};

}  // namespace gradc::frontend
