// Kernel IR as text; the form is shown in kernel.h.
#include <fmt/format.h>

#include "codegen/codegen.h"
#include "ir/op.h"
#include "ir/print.h"

namespace gradc::codegen {

namespace {

class Printer {
 public:
  explicit Printer(const KernelProgram& program) : program_(program) {}

  std::string run() {
    line("kernels @{}, arena {} bytes{} {{", program_.name, program_.arena_bytes,
         program_.resident ? ", resident" : "");
    ++depth_;
    for (const std::string& reason : program_.reasons) line("# {}", reason);
    for (const Buffer& buffer : program_.buffers) {
      line("buffer {} = {} + {} : {}{}", buffer.name, ir::space_name(buffer.storage.space), buffer.storage.offset,
           ir::to_string(ir::Type{buffer.dtype, buffer.shape}), layout(buffer));
    }
    for (const InitialBytes& initial : program_.initial)
      line("table at arena + {}: {} bytes", initial.offset, initial.bytes.size());
    for (size_t i = 0; i < program_.kernels.size(); ++i) {
      kernel_ = &program_.kernels[i];
      number_.assign(kernel_->nodes.size(), -1);
      next_ = 0;
      line("kernel {} {{{}", i, place(kernel_->location));
      ++depth_;
      for (const std::string& reason : kernel_->reasons) line("# {}", reason);
      print(kernel_->body);
      --depth_;
      line("}}");
    }
    --depth_;
    line("}}");
    return std::move(text_);
  }

 private:
  static std::string layout(const Buffer& buffer) {
    const auto& [axis, place, block] = buffer.layout;
    if (axis < 0) return {};
    if (block == buffer.shape[static_cast<size_t>(axis)]) return fmt::format(", axis {} innermost", axis);
    return fmt::format(", axis {} in blocks of {} before axis {}", axis, block, place);
  }

  template <class... Args>
  void line(fmt::format_string<Args...> form, Args&&... args) {
    text_.append(static_cast<size_t>(depth_) * 2, ' ');
    fmt::format_to(std::back_inserter(text_), form, std::forward<Args>(args)...);
    text_ += '\n';
  }

  std::string place(const ir::SourceLocation& location) const {
    if (!location.valid() || static_cast<size_t>(location.file) >= program_.files.size()) return {};
    return fmt::format("  # {}:{}:{}", program_.files[static_cast<size_t>(location.file)], location.line,
                       location.column);
  }

  std::string define(NodeId id) {
    number_[static_cast<size_t>(id)] = next_++;
    return use(id);
  }
  std::string use(NodeId id) const {
    if (id < 0 || static_cast<size_t>(id) >= number_.size()) return "%?";
    const int32_t number = number_[static_cast<size_t>(id)];
    return number < 0 ? "%?" : fmt::format("%{}", number);
  }
  std::string uses(const std::vector<NodeId>& ids) const {
    std::string text;
    for (NodeId id : ids) text += (text.empty() ? "" : ", ") + use(id);
    return text;
  }

  std::string axis_name(int32_t id) const {
    const Axis& axis = kernel_->axes[static_cast<size_t>(id)];
    return axis.node == kNoNode ? axis.name : use(axis.node);
  }

  std::string affine(const Affine& index) const {
    std::string text;
    for (const Affine::Term& term : index.terms) {
      const int64_t size = term.stride < 0 ? -term.stride : term.stride;
      if (term.stride < 0) text += text.empty() ? "-" : " - ";
      if (term.stride > 0 && !text.empty()) text += " + ";
      if (size != 1) text += fmt::format("{}*", size);
      text += axis_name(term.axis);
    }
    if (text.empty()) return fmt::format("{}", index.constant);
    if (index.constant != 0) text += fmt::format(" {} {}", index.constant < 0 ? '-' : '+', std::abs(index.constant));
    return text;
  }

  std::string element(const Node& node) const {
    return fmt::format("{}[{}]", program_.buffers[static_cast<size_t>(node.buffer)].name, affine(node.index));
  }

  std::string expression(const Node& node) const {
    switch (node.kind) {
      case NodeKind::constant:
        return "constant " + ir::print_number(node.number, node.dtype);
      case NodeKind::index:
        return fmt::format("index {}", affine(node.index));
      case NodeKind::in_range:
        return fmt::format("in_range {} <= {} < {}", node.low, affine(node.index), node.high);
      case NodeKind::load:
        return "load " + element(node) + (node.predicate == kNoNode ? "" : " if " + use(node.predicate));
      case NodeKind::apply:
        return fmt::format("{} {}", ir::op_name(node.op), uses(node.operands));
      case NodeKind::random:
        return fmt::format("random {}, place {}, sample {}, element {}", uses(node.operands), node.place,
                           affine(node.sample), affine(node.index));
      case NodeKind::store:
      case NodeKind::carried:
        break;
    }
    return {};
  }

  void print(const Block& block) {
    for (const Statement& statement : block) {
      if (statement.is_loop) {
        print(kernel_->loops[static_cast<size_t>(statement.id)]);
        continue;
      }
      const Node& node = kernel_->nodes[static_cast<size_t>(statement.id)];
      if (node.kind == NodeKind::store) {
        line("store {}, {}{}", element(node), uses(node.operands), place(node.location));
        continue;
      }
      const std::string text = expression(node);
      line("{} = {} : {}{}", define(statement.id), text, ir::dtype_name(node.dtype), place(node.location));
    }
  }

  void print(const Loop& loop) {
    std::string schedule;
    if (loop.schedule.vector > 1) schedule += fmt::format(", vector {}", loop.schedule.vector);
    if (loop.schedule.tile > 1) schedule += fmt::format(", tile {}", loop.schedule.tile);
    if (loop.schedule.unroll) schedule += ", unroll";
    if (loop.schedule.turn > 1) schedule += fmt::format(", turn {}", loop.schedule.turn);
    if (loop.schedule.parts > 1) schedule += fmt::format(", parts {}", loop.schedule.parts);
    if (loop.schedule.joined > 0) schedule += fmt::format(" with {} inside", loop.schedule.joined);
    std::string carried;
    for (size_t i = 0; i < loop.carried.size(); ++i)
      carried += (i == 0 ? " with " : ", ") + use(loop.inits[i]) + " as " + define(loop.carried[i]);
    std::string head;
    switch (loop.kind) {
      case LoopKind::parallel:
        head = fmt::format("parallel {} in {}", axis_name(loop.axis), loop.extent);
        break;
      case LoopKind::reduce:
        head = fmt::format("reduce {} in {}{}", axis_name(loop.axis), loop.extent, carried);
        break;
      case LoopKind::lanes:
        head = fmt::format("lanes {} in {}", axis_name(loop.axis), loop.extent);
        break;
      case LoopKind::where:
        head = fmt::format("where {} < {} else {}", axis_name(loop.axis), loop.extent, uses(loop.inits));
        break;
    }
    line("{}{} {{{}", head, schedule, place(loop.location));
    ++depth_;
    print(loop.body);
    if (!loop.yields.empty()) line("yield {}", uses(loop.yields));
    --depth_;
    std::string results;
    for (NodeId result : loop.results) results += (results.empty() ? " -> " : ", ") + define(result);
    line("}}{}", results);
  }

  const KernelProgram& program_;
  const Kernel* kernel_ = nullptr;
  std::vector<int32_t> number_;
  int32_t next_ = 0;
  int depth_ = 0;
  std::string text_;
};

}  // namespace

std::string print(const KernelProgram& program) { return Printer(program).run(); }

}  // namespace gradc::codegen
