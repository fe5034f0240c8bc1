// Tensor IR: a module of functions in SSA form with static shapes and value semantics.
//
//   func @loss(%weight: f32[5,2] parameter, %x: f32[32,2] data) -> (y: f32[32,5]) {
//     %0 = contract %x, %weight {"bi,oi->bo"} : f32[32,5]  # adder.grad:4:7
//     return %0
//   }
//
// Values are created in order and never change places: creation order is print order is evaluation order, and an
// operand always stands before its user. Passes return a new function. Invariants: ir/verify.h.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "ir/attr.h"
#include "ir/ids.h"
#include "ir/op.h"
#include "ir/source.h"
#include "ir/type.h"

namespace gradc::ir {

// What a function argument is to the run time: decides where its bytes live. A result with the name of a `parameter` or
// `state` argument is that argument's new value.
enum class Role : uint8_t { input, parameter, state, data, hyper, key };
std::string_view role_name(Role role);
std::optional<Role> role_from_name(std::string_view name);

// Where a stored value lives; chosen by plan_memory. Offsets are in bytes from the start of the space.
enum class Space : uint8_t { none, state, data, hyper, arena, result };
std::string_view space_name(Space space);
std::optional<Space> space_from_name(std::string_view name);
struct Storage {
  Space space = Space::none;
  int64_t offset = 0;
  bool operator==(const Storage&) const = default;
};

struct Value {
  Op op = Op::parameter;
  Type type;
  std::vector<ValueId> operands;
  Attr attr;
  SourceLocation location;
  std::string name;         // parameters: always; other values: printed as %0, %1, ...
  Role role = Role::input;  // parameters only
  int32_t kernel =
      -1;           // >= 0: stored, by the kernel of this number; set by fuse, dense from 0, ascending in dependence
  Storage storage;  // set by plan_memory, on parameters and on stored values
};

struct FuncResult {
  std::string name;
  ValueId value;
};

struct Func {
  std::string name;
  SourceLocation location;
  std::vector<Value> values;  // the first `parameter_count` are the parameters
  size_t parameter_count = 0;
  std::vector<FuncResult> results;
  int64_t arena_bytes = 0;  // set by plan_memory

  const Value& operator[](ValueId id) const { return values[id.index]; }
  Value& operator[](ValueId id) { return values[id.index]; }
  size_t size() const { return values.size(); }
  ValueId add(Value value) {
    values.push_back(std::move(value));
    return {static_cast<uint32_t>(values.size() - 1)};
  }
  std::optional<ValueId> find_parameter(std::string_view parameter_name) const;
  const FuncResult* find_result(std::string_view result_name) const;
};

// `grad @g = @f wrt %a, %b`: @g has @f's parameters and results, and for each %a a further result `a.gradient`, the
// derivative of @f's first result (which is a scalar). Expanded by the pass `differentiate`.
struct GradientRequest {
  std::string name, of;
  std::vector<std::string> wrt;
  SourceLocation location;
};

// `step @s = @g then @u`: one function that runs @g and then @u. Arguments of @u that carry the name of a result of @g
// take it; the others join @g's by name. Results: those of @u, then those of @g that @u did not take.
// Expanded by the pass `apply_optimizer`.
struct StepRequest {
  std::string name, first, second;
  SourceLocation location;
};

using Item = std::variant<Func, GradientRequest, StepRequest>;

struct Module {
  std::vector<std::string> files;  // names for SourceLocation::file
  std::vector<Item> items;

  Func* find(std::string_view func_name);
  const Func* find(std::string_view func_name) const;
};

const std::string& item_name(const Item& item);
inline std::string gradient_name(std::string_view parameter) { return std::string(parameter) + ".gradient"; }

// For many look-ups: Func::find_parameter goes through the list each time. The names are the function's own.
std::unordered_map<std::string_view, ValueId> parameters_by_name(const Func& func);

// How many times each value is used as an operand or a result.
std::vector<uint32_t> count_uses(const Func& func);

}  // namespace gradc::ir
