// What an expression of a spec elaborates to.
//
// A Scalar is one number that does not come from a tensor. It is known while compiling (literals, constants,
// dimensions) or is computed at run time from settings and the step number `t` (a node of the ScalarGraph). A Tensor is
// a value of the function being built with named axes: the batch (kBatchAxis, always first), and in plain expressions
// the positions 0, 1, ... of a sample's axes, in an index equation the numbers of its indices.
#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "frontend/ast.h"
#include "ir/ids.h"
#include "ir/source.h"
#include "ir/type.h"

namespace gradc::frontend {

class Target;

struct Scalar {
  enum class Kind : uint8_t { integer, real, boolean };
  Kind kind = Kind::real;
  double value = 0;                  // with the settings as they are now; meaningless where `timed`
  int32_t node = -1;                 // in the ScalarGraph; -1: known while compiling
  bool timed = false;                // depends on `t`
  double dividend = 0, divisor = 0;  // divisor != 0: an integer division that left a rest,
  const Expr* division = nullptr;    // and where it stands

  bool known() const { return node < 0; }
  bool is_integer() const { return kind == Kind::integer; }
  bool is_boolean() const { return kind == Kind::boolean; }
  bool is_zero() const { return known() && !is_boolean() && value == 0; }
};

inline constexpr int kBatchAxis = -1;
inline constexpr int kFirstPlaceholder = -100;    // and downwards: axes that elaborate_gather.cpp will name
inline constexpr int kFirstReductionAxis = 1000;  // numbers below are positions of a sample's axes

struct Tensor {
  const Target* home = nullptr;  // the function it is a value of
  ir::ValueId id;
  std::vector<int> axes;  // one an axis of the value, distinct
  bool zero = false;      // came from a product with a literal 0: adding it changes nothing
  int64_t limit = 0;      // > 0: whole numbers below it, which may index an axis of that size (idx<limit>)
  bool batched() const { return !axes.empty() && axes.front() == kBatchAxis; }
  size_t rank() const { return axes.size() - (batched() ? 1 : 0); }  // of one sample
};

// An instance of a layer: its static arguments are bound, its parameters belong to it.
struct InstanceRef {
  size_t index = 0;
};

// A fn, a layer without its static arguments, or a built-in function.
struct Callable {
  const Definition* definition = nullptr;
  std::string builtin;
};

// The dimensions that a pack `..s` stands for.
struct Pack {
  std::vector<int64_t> sizes;
};

struct Broken {};  // its mistake has been reported

using Value = std::variant<Broken, Scalar, Tensor, InstanceRef, Callable, Pack>;

inline bool is_broken(const Value& value) { return std::holds_alternative<Broken>(value); }

Scalar integer_scalar(double value);
Scalar real_scalar(double value);
Scalar boolean_scalar(bool value);

}  // namespace gradc::frontend
