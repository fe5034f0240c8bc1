// Where the last batch of an epoch is not full, its dead samples repeat a row of the data. What looks over the samples
// (`[batch]`, the mean of the loss, reports) counts the live ones: dead ones are selected away, never multiplied by 0
// (Rule 12), so that neither their values nor their gradients reach anything.
#include "frontend/elaborator.h"
#include "ir/eval.h"

namespace gradc::frontend {

using ir::Op;
using ir::ValueId;

namespace {
constexpr const char* kLiveRows = "batch.live";
// What is computed while compiling is at most so large.
constexpr size_t kMostValues = 64;
constexpr int64_t kMostElements = 1 << 16;
}  // namespace

// Whether the function being built sees such batches; @RUN.predict, which comes first, does not.
bool Elaborator::has_dead_samples() const { return last_batch_rows_ > 0 && !first_pass_; }

// How many samples of the batch are rows of the data: f32[].
Tensor Elaborator::live_count() {
  Target& target = *context_.target;
  const ir::Type number{ir::DType::f32, {}};
  if (has_dead_samples()) {
    return {&target, target.argument(kLiveRows, number, ir::Role::data, train_->location), {}};
  }
  return {&target, target.builder().constant(static_cast<double>(target.batch()), number), {}};
}

// The tensor with `dead` in the dead samples; itself where all batches are full.
std::optional<Tensor> Elaborator::select_live(const Tensor& tensor, double dead, ir::SourceLocation location) {
  if (!has_dead_samples() || !tensor.batched()) return tensor;
  ir::Builder& builder = context_.target->builder();
  const ir::Shape rows = {context_.target->batch()};
  const ValueId number = builder.cast(builder.iota(0, rows), ir::DType::f32);
  const ValueId live = builder.binary(Op::less, number, builder.broadcast_scalar(live_count().id, rows));
  const ir::Shape shape = context_.target->type(tensor).shape;
  const std::optional<Tensor> mask = spread({context_.target, live, {kBatchAxis}}, tensor.axes, shape, location);
  if (!mask) return std::nullopt;
  Tensor result = tensor;
  result.id = builder.select(mask->id, tensor.id, builder.constant_like(dead, tensor.id));
  return result;
}

// The mean over the samples of a batch, of a number that may differ among them.
ValueId Elaborator::batch_mean(const Tensor& tensor) {
  if (!tensor.batched()) return tensor.id;
  ir::Builder& builder = context_.target->builder();
  const std::optional<Tensor> live = select_live(tensor, 0, builder.location());
  return builder.div(builder.reduce(ir::ReduceKind::sum, live->id, {0}), live_count().id);
}

// A number that depends on nothing, or on nothing but the number of live samples: with that of the last batch.
std::optional<double> Elaborator::number_of_batch(ValueId value, bool& looks_at_batch) const {
  const ir::Func& func = context_.target->func();
  ir::Func part;
  std::map<uint32_t, ValueId> moved;
  std::vector<uint32_t> open = {value.index};
  std::set<uint32_t> needed;
  int64_t elements = 0;
  while (!open.empty()) {
    const uint32_t index = open.back();
    open.pop_back();
    if (!needed.insert(index).second) continue;
    const ir::Value& inner = func.values[index];
    elements += inner.type.elements();
    const bool other_argument = inner.op == Op::parameter && inner.name != kLiveRows;
    if (other_argument || inner.op == Op::random || ir::op_info(inner.op).has(ir::kRequest) ||
        needed.size() > kMostValues || elements > kMostElements)
      return std::nullopt;
    for (ValueId operand : inner.operands) open.push_back(operand.index);
  }
  std::vector<ir::Tensor> arguments;
  for (const bool parameters : {true, false}) {
    for (uint32_t index : needed) {
      if ((func.values[index].op == Op::parameter) != parameters) continue;
      ir::Value inner = func.values[index];
      for (ValueId& operand : inner.operands) operand = moved.at(operand.index);
      moved[index] = part.add(std::move(inner));
      if (!parameters) continue;
      ++part.parameter_count;
      arguments.emplace_back(ir::Type{ir::DType::f32, {}});
      arguments.back().set(0, static_cast<double>(last_batch_rows_));
    }
  }
  looks_at_batch = !arguments.empty();
  part.results.push_back({"number", moved.at(value.index)});
  const ir::Result<std::vector<ir::Tensor>> result = ir::evaluate(part, arguments);
  if (!result) return std::nullopt;
  return (*result)[0].at(0);
}

// Whether a divisor that depends on nothing but the number of live samples is 0 in the last batch.
bool Elaborator::divides_by_zero(const Tensor& divisor) const {
  if (!has_dead_samples() || divisor.rank() > 0 || divisor.batched()) return false;
  bool looks_at_batch = false;
  const std::optional<double> number = number_of_batch(divisor.id, looks_at_batch);
  return looks_at_batch && number == 0.0;
}

}  // namespace gradc::frontend
