// One function of tensor IR while it is being elaborated. Arguments are made when they are first needed and move to the
// front at the end.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "frontend/value.h"
#include "ir/builder.h"
#include "ir/graph.h"

namespace gradc::frontend {

class Target {
 public:
  // What `random()` may do here, and whether scalars are computed at run time.
  enum class Kind : uint8_t { step, initial, data };
  Target(Kind kind, int64_t batch) : kind_(kind), batch_(batch), builder_(func_) {}
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  Kind kind() const { return kind_; }
  int64_t batch() const { return batch_; }
  ir::Builder& builder() { return builder_; }
  const ir::Func& func() const { return func_; }
  const ir::Type& type(const Tensor& tensor) const { return func_[tensor.id].type; }

  // The argument of that name, made at its first use.
  ir::ValueId argument(const std::string& name, const ir::Type& type, ir::Role role, ir::SourceLocation location);
  void result(const std::string& name, ir::ValueId value) { func_.results.push_back({name, value}); }
  // `wrong` is `fault.number` (ir/fault.h), or part of it where the number has come before.
  void fault(size_t number, ir::ValueId wrong);
  // The value holds whole numbers from 0 to limit - 1, whatever it is computed from.
  void set_limit(ir::ValueId value, int64_t limit) { limits_[value.index] = limit; }
  const std::map<uint32_t, int64_t>& limits() const { return limits_; }

  // The function with its arguments in front: parameters, inputs, states, data, hyper-parameters, keys, each in the
  // order in which they were made; faults are the last results. `dropped` arguments, which nothing uses, are left out
  // together with their results; so are values that no result depends on.
  ir::Func finish(std::string name, ir::SourceLocation location, const std::set<std::string>& dropped = {}) const;

 private:
  Kind kind_;
  int64_t batch_;
  ir::Func func_;
  ir::Builder builder_;
  std::map<std::string, ir::ValueId> arguments_;
  std::map<size_t, ir::ValueId> faults_;
  std::map<uint32_t, int64_t> limits_;
};

}  // namespace gradc::frontend
