// Tensor IR with kernel numbers and storage -> kernel IR: finds the buffers, and lowers kernel after kernel
// (lower_kernel.h), long sums block by block.
#include <algorithm>
#include <cstring>
#include <set>

#include "codegen/codegen.h"
#include "codegen/element_builder.h"
#include "codegen/element_rules.h"
#include "codegen/lower_kernel.h"
#include "codegen/schedule.h"
#include "ir/ensure.h"

namespace gradc::codegen {

namespace {

using ir::Op;
using ir::ValueId;

std::string name_of(const ir::Func& func, size_t id) {
  const ir::Value& value = func.values[id];
  return id < func.parameter_count ? value.name : "v" + std::to_string(id - func.parameter_count);
}

std::vector<uint8_t> constant_bytes(const ir::Value& value) {
  const std::vector<double>& values = std::get<ir::ConstantAttr>(value.attr).values;
  std::vector<uint8_t> bytes(static_cast<size_t>(value.type.bytes()));
  const size_t size = static_cast<size_t>(ir::dtype_bytes(value.type.dtype));
  for (size_t i = 0; i < bytes.size() / size; ++i) {
    const double number = values[values.size() == 1 ? 0 : i];
    const float real = static_cast<float>(number);
    const int32_t integer = value.type.dtype == ir::DType::i32 ? static_cast<int32_t>(number) : 0;
    const uint8_t truth = number != 0;
    const void* source = &truth;
    if (value.type.dtype == ir::DType::f32) source = &real;
    if (value.type.dtype == ir::DType::i32) source = &integer;
    std::memcpy(bytes.data() + i * size, source, size);
  }
  return bytes;
}

class Lowering {
 public:
  Lowering(const ir::Func& func, KernelProgram& program)
      : func_(func),
        program_(program),
        buffer_of_(func.size(), -1),
        blocks_of_(func.size(), -1),
        added_in_(func.size(), -1),
        input_{func, program.buffers, buffer_of_, blocks_of_, added_in_} {}

  std::string run() {
    if (std::string error = check_types(); !error.empty()) return error;
    find_buffers();
    int32_t count = 0;
    for (const ir::Value& value : func_.values) count = std::max(count, value.kernel + 1);
    if (static_cast<size_t>(count) > func_.size()) return "kernel numbers are not dense";
    std::vector<std::vector<uint32_t>> stored(static_cast<size_t>(count));
    for (uint32_t id = 0; id < func_.size(); ++id) {
      if (func_.values[id].kernel < 0) continue;
      if (buffer_of_[id] < 0) return "%" + name_of(func_, id) + " is stored by a kernel but has no storage";
      stored[static_cast<size_t>(func_.values[id].kernel)].push_back(id);
    }
    for (const ir::FuncResult& result : func_.results)
      if (buffer_of_[result.value.index] < 0) return "the result " + result.name + " has no storage";
    for (const std::vector<uint32_t>& values : stored) {
      if (std::string error = lower_kernel(values); !error.empty()) return error;
    }
    return {};
  }

 private:
  std::string check_types() const {
    for (size_t id = 0; id < func_.size(); ++id) {
      if (func_.values[id].type.dtype == ir::DType::f64)
        return "%" + name_of(func_, id) + " is f64; only the interpreter evaluates that";
    }
    return {};
  }

  void find_buffers() {
    for (uint32_t id = 0; id < func_.size(); ++id) {
      const ir::Value& value = func_.values[id];
      // A reshape of something in memory is the same memory under another shape.
      if (value.op == Op::reshape && value.kernel < 0 && buffer_of_[value.operands[0].index] >= 0) {
        buffer_of_[id] = buffer_of_[value.operands[0].index];
        continue;
      }
      if (value.storage.space == ir::Space::none) continue;
      const bool table = value.op == Op::constant && value.kernel < 0;
      if (!table && value.kernel < 0 && id >= func_.parameter_count) continue;
      buffer_of_[id] = static_cast<int32_t>(program_.buffers.size());
      program_.buffers.push_back({name_of(func_, id), value.storage, value.type.dtype, value.type.shape, {}});
      if (table) program_.initial.push_back({value.storage.offset, constant_bytes(value)});
    }
  }

  // The values that `stored` is computed of in its kernel, itself the first; `visit` says whether to go on to the
  // operands.
  template <typename Visit>
  void visit_computed(uint32_t stored, const Visit& visit) const {
    std::set<uint32_t> seen{stored};
    std::vector<uint32_t> pending{stored};
    while (!pending.empty()) {
      const uint32_t id = pending.back();
      pending.pop_back();
      if (!visit(id)) continue;
      for (ValueId operand : func_.values[id].operands)
        if (buffer_of_[operand.index] < 0 && seen.insert(operand.index).second) pending.push_back(operand.index);
    }
  }

  // What `stored` is computed of and kernels before make: the lanes of the blocks of long sums, and scatter_adds that
  // are added up in memory.
  std::string lower_before(uint32_t stored) {
    std::string error;
    visit_computed(stored, [&](uint32_t id) {
      if (!error.empty() || !adds_in_place(func_, func_.values[id])) return error.empty();
      if (added_in_[id] < 0) error = lower_sums_in_place(id);
      return false;
    });
    visit_computed(stored, [&](uint32_t id) {
      const ir::Value& value = func_.values[id];
      const std::optional<SumBlocks> blocks = codegen::blocks_of(func_, value);
      if (error.empty() && blocks && blocks_of_[id] < 0) {
        error = lower_blocks(id, *blocks);
        return false;
      }
      return error.empty() && ir::op_info(value.op).has(ir::kElementwise);
    });
    return error;
  }

  std::string lower_blocks(uint32_t id, const SumBlocks& blocks) {
    const ir::Value& value = func_.values[id];
    ir::Shape shape{blocks.count};
    shape.insert(shape.end(), value.type.shape.begin(), value.type.shape.end());
    shape.push_back(ir::kLanes);
    const int32_t buffer = add_scratch(program_, {name_of(func_, id) + ".blocks", {}, value.type.dtype, shape, {}});

    Kernel kernel;
    kernel.location = value.location;
    const bool uneven = blocks.last != blocks.length;
    const auto lower_part = [&](int64_t first, int64_t count, int64_t length) -> std::string {
      ElementBuilder builder(input_, kernel);
      std::vector<int32_t> axes;
      Indices position;
      for (size_t i = 0; i < shape.size(); ++i) {
        const int64_t extent = i == 0 ? count : shape[i];
        if (extent > 1) axes.push_back(builder.parallel_axis(extent));
        position.push_back(extent > 1 ? axis_index(axes.back()) : Affine{});
      }
      position[0] = shifted(position[0], first);
      const Indices index(position.begin() + 1, position.end() - 1);
      const NodeId node =
          block_rule(builder, value, index, scaled(position[0], blocks.length), length, position.back());
      builder.store(buffer, position, node, value.location);
      if (!builder.error().empty()) return builder.error();
      put_nest(kernel, axes, builder.take_body(), value.location);
      return {};
    };
    std::string error = lower_part(0, blocks.count - (uneven ? 1 : 0), blocks.length);
    if (error.empty() && uneven) error = lower_part(blocks.count - 1, 1, blocks.last);
    if (!error.empty()) return error;
    program_.kernels.push_back(std::move(kernel));
    blocks_of_[id] = buffer;
    return {};
  }

  // Two kernels, of which the first stores zeros.
  std::string lower_sums_in_place(uint32_t id) {
    const ir::Value& value = func_.values[id];
    const ir::Shape& shape = value.type.shape;
    const int32_t buffer = add_scratch(program_, {name_of(func_, id) + ".sums", {}, value.type.dtype, shape, {}});
    const size_t looked_up = static_cast<size_t>(std::get<ir::ScatterAttr>(value.attr).axis);
    for (const bool zeros : {true, false}) {
      Kernel kernel;
      kernel.location = value.location;
      ElementBuilder builder(input_, kernel);
      builder.locate(value.location);
      std::vector<int32_t> axes;
      Indices index(shape.size());
      for (size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] == 1 || (!zeros && i == looked_up)) continue;
        axes.push_back(builder.parallel_axis(shape[i]));
        index[i] = axis_index(axes.back());
      }
      if (zeros) {
        builder.store(buffer, index, builder.number(0, value.type.dtype), value.location);
      } else {
        add_in_place(builder, value, index, buffer);
      }
      if (!builder.error().empty()) return builder.error();
      put_nest(kernel, axes, builder.take_body(), value.location);
      program_.kernels.push_back(std::move(kernel));
    }
    added_in_[id] = buffer;
    return {};
  }

  std::string lower_kernel(const std::vector<uint32_t>& values) {
    if (values.empty()) return "kernel numbers are not dense";
    for (uint32_t id : values) {
      if (std::string error = lower_before(id); !error.empty()) return error;
    }
    Kernel kernel;
    if (std::string error = codegen::lower_kernel(input_, values, kernel); !error.empty()) return error;
    program_.kernels.push_back(std::move(kernel));
    return {};
  }

  const ir::Func& func_;
  KernelProgram& program_;
  std::vector<int32_t> buffer_of_;
  std::vector<int32_t> blocks_of_;
  std::vector<int32_t> added_in_;
  LoweringInput input_;
};

}  // namespace

ir::Result<KernelProgram> lower(const ir::Func& func, const std::vector<std::string>& files, const Options& options) {
  ir::Result<TargetInfo> target = target_info(options);
  if (!target) return target.take_error();
  KernelProgram program;
  program.name = func.name;
  program.files = files;
  program.arena_bytes = func.arena_bytes;
  program.software_fma = target->software_fma;
  if (std::string error = Lowering(func, program).run(); !error.empty())
    return ir::Error{"cannot compile @" + func.name + ": " + error};
  const std::string lowered = verify(program);
  ENSURE(lowered.empty(), lowered + "\n" + print(program));
  schedule(program, options, *target);
  const std::string scheduled = verify(program);
  ENSURE(scheduled.empty(), scheduled + "\n" + print(program));
  return program;
}

}  // namespace gradc::codegen
