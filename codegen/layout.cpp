// The order of axes of the tensors that only kernels see (schedule.h). Row-major order is what the program's host reads
// and writes; in the arena nobody else looks, and the axis that fills the vectors of those who read and write a tensor
// is best the innermost, in blocks where all that a sum reads at once shall lie close together.
#include "codegen/layout.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include <llvm/ADT/SmallVector.h>
#include "codegen/cost.h"
#include "codegen/element_builder.h"
#include "ir/ensure.h"

namespace gradc::codegen {

namespace {

constexpr int kSweeps = 2;

size_t at(int32_t id) { return static_cast<size_t>(id); }

int64_t product(const ir::Shape& shape, size_t first, size_t last) {
  int64_t result = 1;
  for (size_t i = first; i < last; ++i) result *= shape[i];
  return result;
}

// index / block and index % block, where the remainder stays in one block whatever the axes are.
bool divide(const Affine& index, int64_t block, const Kernel& kernel, Affine& quotient, Affine& rest) {
  rest.constant = (index.constant % block + block) % block;
  quotient.constant = (index.constant - rest.constant) / block;
  for (const Affine::Term& term : index.terms) {
    const bool whole = term.stride % block == 0;
    (whole ? quotient : rest).terms.push_back({term.axis, whole ? term.stride / block : term.stride});
  }
  const Interval reach = interval_of(rest, kernel.axes);
  return reach.low >= 0 && reach.high < block;
}

}  // namespace

std::vector<Layout> other_layouts(const ir::Shape& shape) {
  std::vector<Layout> layouts;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int32_t axis = static_cast<int32_t>(i);
    const int64_t behind = product(shape, i + 1, shape.size());
    if (shape[i] < 2) continue;
    if (behind > 1) layouts.push_back({axis, axis, shape[i]});
    if (shape[i] % kBlock != 0 || shape[i] == kBlock) continue;
    for (int32_t place = axis; place >= 0; --place) {
      // Axes of extent 1 make no difference, nor does a block in its place at the end.
      if (place < axis && shape[at(place)] == 1) continue;
      if (place == axis && behind == 1) continue;
      if (place == axis || place == axis - 1 || place == 0) layouts.push_back({axis, place, kBlock});
    }
  }
  return layouts;
}

Place place_of(const Node& node) { return {node.index, node.position, node.predicate != kNoNode}; }

std::optional<Affine> element_at(const Layout& layout, const ir::Shape& shape, const Place& place,
                                 const Kernel& kernel) {
  if (layout.axis < 0) return place.position.size() == shape.size() ? linear_index(shape, place.position) : place.index;
  const size_t axis = at(layout.axis), cut = at(layout.place), rank = shape.size();
  // The axes before the block's number, those between it and the cut axis, the cut axis, the axes behind it.
  const ir::Shape parts{product(shape, 0, cut), product(shape, cut, axis), shape[axis], product(shape, axis + 1, rank)};
  Indices index;
  if (place.position.size() == rank) {
    const auto linear = [&](size_t first, size_t last) {
      const ir::Shape extents(shape.begin() + static_cast<std::ptrdiff_t>(first),
                              shape.begin() + static_cast<std::ptrdiff_t>(last));
      const Indices own(place.position.begin() + static_cast<std::ptrdiff_t>(first),
                        place.position.begin() + static_cast<std::ptrdiff_t>(last));
      return linear_index(extents, own);
    };
    index = {linear(0, cut), linear(cut, axis), place.position[axis], linear(axis + 1, rank)};
  } else {
    // Under a predicate the parts of a number that is outside the tensor would be others.
    if (!place.predicate) index = split_index(parts, place.index, kernel);
    if (index.empty()) return std::nullopt;
  }
  Affine block, inside;
  if (!divide(index[2], layout.block, kernel, block, inside)) {
    if (layout.block != shape[axis]) return std::nullopt;
    block = {}, inside = index[2];
  }
  const int64_t behind = parts[3] * layout.block, between = parts[1] * behind;
  Affine result = sum(inside, scaled(index[3], layout.block));
  result = sum(result, scaled(index[1], behind));
  result = sum(result, scaled(block, between));
  return sum(result, scaled(index[0], between * (parts[2] / layout.block)));
}

namespace {

// All that the cost depends on, as bytes. Made for each kernel and layout that is looked at, so it is written in one
// go.
class Description {
 public:
  explicit Description(const Kernel& kernel) : bytes_(sizeof(int64_t) * words_of(kernel), 0), next_(bytes_.data()) {
    for (const Axis& axis : kernel.axes) add(axis.extent), add(axis.node);
    llvm::SmallVector<int32_t, 16> buffers;  // numbered as they are met: it matters which accesses are of the same
    for (const Node& node : kernel.nodes) {
      const auto known = std::find(buffers.begin(), buffers.end(), node.buffer);
      add(known - buffers.begin());
      if (known == buffers.end()) buffers.push_back(node.buffer);
      add(static_cast<int64_t>(node.kind) << 16 | static_cast<int64_t>(node.dtype) << 8 |
          static_cast<int64_t>(node.op));
      add(node.operands);
      add(node.predicate);
      add(node.index);
      add(node.sample);
    }
    for (const Loop& loop : kernel.loops) {
      add(static_cast<int64_t>(loop.kind) << 32 | loop.axis);
      add(loop.extent);
      for (const std::vector<NodeId>* ids : ids_of(loop)) add(*ids);
      add(loop.body);
    }
    add(kernel.body);
    ENSURE(next_ == bytes_.data() + bytes_.size(), "the description of a kernel has another length");
  }
  std::string take() { return std::move(bytes_); }

 private:
  static std::array<const std::vector<NodeId>*, 4> ids_of(const Loop& loop) {
    return {&loop.inits, &loop.carried, &loop.yields, &loop.results};
  }
  static size_t words_of(const Kernel& kernel) {
    size_t words = 2 * kernel.axes.size() + 1 + kernel.body.size();
    for (const Node& node : kernel.nodes)
      words += 8 + node.operands.size() + 2 * (node.index.terms.size() + node.sample.terms.size());
    for (const Loop& loop : kernel.loops) {
      words += 3 + loop.body.size();
      for (const std::vector<NodeId>* ids : ids_of(loop)) words += 1 + ids->size();
    }
    return words;
  }

  void add(int64_t number) {
    std::memcpy(next_, &number, sizeof number);
    next_ += sizeof number;
  }
  void add(const std::vector<NodeId>& ids) {
    add(static_cast<int64_t>(ids.size()));
    for (NodeId id : ids) add(id);
  }
  void add(const Affine& index) {
    add(static_cast<int64_t>(index.terms.size()));
    add(index.constant);
    for (const Affine::Term& term : index.terms) add(term.axis), add(term.stride);
  }
  void add(const Block& block) {
    add(static_cast<int64_t>(block.size()));
    for (const Statement& statement : block) add(int64_t{statement.is_loop} << 32 | statement.id);
  }

  std::string bytes_;
  char* next_;
};

}  // namespace

const double* KernelCosts::ask(const Kernel& kernel) {
  const auto [found, inserted] = known_.try_emplace(Description(kernel).take(), 0);
  if (inserted) questions_.push_back({kernel, &found->second});
  return &found->second;
}

void KernelCosts::answer() {
  threads_.for_each(questions_.size(), [&](size_t i) {
    Question& question = questions_[i];
    std::vector<Nest> nests = take_nests(question.kernel);
    for (Nest& nest : nests) {
      merge_axes(question.kernel, nest);
      *question.cost += best_plan(question.kernel, nest, limits_).cost;
    }
  });
  questions_.clear();
}

double KernelCosts::of(const Kernel& kernel) {
  const double* cost = ask(kernel);
  answer();
  return *cost;
}

namespace {

class Layouts {
 public:
  Layouts(KernelProgram& program, KernelCosts& kernel_costs) : program_(program), kernel_costs_(kernel_costs) {}

  // Tensors are improved one by one, which finds no change that pays only for several at once. So it is tried from two
  // starts: row-major, and with the first axis, that of the samples, in blocks.
  void run() {
    find_buffers();
    const double rows = improve();
    std::vector<size_t> kept;
    for (const Free& free : free_) kept.push_back(free.now);
    for (Free& free : free_)
      if (program_.buffers[free.buffer].shape[0] % kBlock != 0 || !apply(free, choice_of(free, {0, 0, kBlock})))
        apply(free, choice_of(free, {}));
    if (improve() < rows) return;
    for (size_t i = 0; i < free_.size(); ++i) apply(free_[i], kept[i]);
  }

 private:
  struct Access {
    size_t kernel;
    NodeId node;
    Place place;
  };
  // A layout, and the index that each access of its buffer has with it; none where one of them has none.
  struct Choice {
    Layout layout;
    std::optional<std::vector<Affine>> elements;
  };
  // A buffer whose layout is ours.
  struct Free {
    size_t buffer;
    std::vector<Access> accesses;  // kernels ascending
    std::vector<size_t> kernels;   // each of these once
    std::vector<Choice> choices;   // row-major last
    size_t now;
  };

  void find_buffers() {
    std::vector<size_t> place(program_.buffers.size(), free_.size());
    for (size_t i = 0; i < program_.buffers.size(); ++i) {
      place[i] = free_.size();
      if (is_free(program_.buffers[i])) free_.push_back({i, {}, {}, {}, 0});
    }
    free_of_.resize(program_.kernels.size());
    for (size_t k = 0; k < program_.kernels.size(); ++k) {
      const Kernel& kernel = program_.kernels[k];
      for (size_t n = 0; n < kernel.nodes.size(); ++n) {
        const Node& node = kernel.nodes[n];
        if (node.kind != NodeKind::load && node.kind != NodeKind::store) continue;
        const size_t own = place[at(node.buffer)];
        if (own == free_.size() || free_[own].buffer != static_cast<size_t>(node.buffer)) continue;
        Free& free = free_[own];
        free.accesses.push_back({k, static_cast<NodeId>(n), place_of(node)});
        if (!free.kernels.empty() && free.kernels.back() == k) continue;
        free.kernels.push_back(k);
        free_of_[k].push_back(own);
      }
    }
    for (Free& free : free_) {
      for (const Layout& layout : other_layouts(program_.buffers[free.buffer].shape)) choice_of(free, layout);
      free.now = choice_of(free, {});
    }
    known_.resize(program_.kernels.size());
  }

  bool is_free(const Buffer& buffer) const {
    const auto is_table = [&](const InitialBytes& initial) { return initial.offset == buffer.storage.offset; };
    const auto wide =
        std::count_if(buffer.shape.begin(), buffer.shape.end(), [](int64_t extent) { return extent > 1; });
    return buffer.storage.space == ir::Space::arena && buffer.layout.axis < 0 && wide > 1 &&
           std::none_of(program_.initial.begin(), program_.initial.end(), is_table);
  }

  size_t choice_of(Free& free, const Layout& layout) {
    for (size_t i = 0; i < free.choices.size(); ++i)
      if (free.choices[i].layout == layout) return i;
    Choice choice{layout, std::vector<Affine>()};
    for (const Access& access : free.accesses) {
      std::optional<Affine> element =
          element_at(layout, program_.buffers[free.buffer].shape, access.place, program_.kernels[access.kernel]);
      if (!element) {
        choice.elements.reset();
        break;
      }
      choice.elements->push_back(std::move(*element));
    }
    free.choices.push_back(std::move(choice));
    return free.choices.size() - 1;
  }

  double improve() {
    std::vector<const double*> costs;
    for (size_t k = 0; k < program_.kernels.size(); ++k) costs.push_back(cost(k));
    kernel_costs_.answer();
    costs_.clear();
    for (const double* cost : costs) costs_.push_back(*cost);
    for (int sweep = 0; sweep < kSweeps; ++sweep)
      for (Free& free : free_) choose(free);
    return std::accumulate(costs_.begin(), costs_.end(), 0.0);
  }

  bool apply(Free& free, size_t choice) {
    const std::optional<std::vector<Affine>>& elements = free.choices[choice].elements;
    if (!elements) return false;
    for (size_t i = 0; i < elements->size(); ++i) {
      const Access& access = free.accesses[i];
      program_.kernels[access.kernel].nodes[at(access.node)].index = (*elements)[i];
    }
    program_.buffers[free.buffer].layout = free.choices[choice].layout;
    free.now = choice;
    return true;
  }

  // As things stand. The layouts of the free buffers say all that changes of a kernel.
  const double* cost(size_t kernel) {
    std::string layouts;
    for (size_t free : free_of_[kernel]) layouts.push_back(static_cast<char>(free_[free].now));
    const auto [found, inserted] = known_[kernel].try_emplace(std::move(layouts), nullptr);
    if (inserted) found->second = kernel_costs_.ask(program_.kernels[kernel]);
    return found->second;
  }

  void choose(Free& free) {
    const size_t old = free.now;
    std::vector<std::vector<const double*>> costs(free.choices.size());  // of each choice that can be had, by kernel
    for (size_t choice = 0; choice < free.choices.size(); ++choice) {
      if (choice == old || !apply(free, choice)) continue;
      for (size_t kernel : free.kernels) costs[choice].push_back(cost(kernel));
    }
    kernel_costs_.answer();
    size_t best = old;
    double least = 0;
    for (size_t kernel : free.kernels) least += costs_[kernel];
    for (size_t choice = 0; choice < free.choices.size(); ++choice) {
      if (costs[choice].empty()) continue;
      double now = 0;
      for (const double* cost : costs[choice]) now += *cost;
      if (now < least) least = now, best = choice;
    }
    apply(free, best);
    for (size_t i = 0; best != old && i < free.kernels.size(); ++i) costs_[free.kernels[i]] = *costs[best][i];
  }

  KernelProgram& program_;
  KernelCosts& kernel_costs_;
  std::vector<Free> free_;
  std::vector<std::vector<size_t>> free_of_;  // by kernel
  // By kernel, and the choices of its free buffers.
  std::vector<std::unordered_map<std::string, const double*>> known_;
  std::vector<double> costs_;  // by kernel, as things stand
};

}  // namespace

void choose_layouts(KernelProgram& program, KernelCosts& costs) { Layouts(program, costs).run(); }

}  // namespace gradc::codegen
