// Copies of operands that are not worth it any more (schedule.h). Arena tensors got their layouts before anybody
// thought of copying them, and what is outside was copied before its readers knew the layouts of the rest. So a copy
// may be needless, in the arena with another layout of its source: then it goes, and what read it reads the source.
#include <algorithm>
#include <numeric>
#include <optional>

#include "codegen/layout.h"

namespace gradc::codegen {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

class Unpacking {
 public:
  Unpacking(KernelProgram& program, KernelCosts& costs, std::vector<OperandCopy>& copies)
      : program_(program), costs_(costs), copies_(copies) {}

  void run() {
    for (size_t i = 0; i < copies_.size();)
      if (!do_without(copies_[i])) ++i;
  }

 private:
  // A load or store of the source or of the copy, but for the copying itself.
  struct Access {
    size_t kernel;
    NodeId node;
    Place place;
  };
  struct Users {
    std::vector<Access> accesses;
    std::vector<size_t> kernels;  // of the accesses
    size_t copying = 0;           // the kernel that makes the copy
    size_t last_reader = 0;       // of the copy
  };
  struct Choice {
    Layout layout;  // of the source
    std::vector<Affine> elements;
    std::vector<const double*> costs;  // of the kernels
    double cost() const {
      return std::accumulate(costs.begin(), costs.end(), 0.0,
                             [](double total, const double* cost) { return total + *cost; });
    }
  };

  bool do_without(OperandCopy copy) {
    Buffer& source = program_.buffers[at(copy.source)];
    const bool is_table =
        std::any_of(program_.initial.begin(), program_.initial.end(),
                    [&](const InitialBytes& initial) { return initial.offset == source.storage.offset; });
    if (is_table) return false;
    const std::optional<Users> users = users_of(copy);
    if (!users || is_overwritten(copy, *users)) return false;
    const std::optional<Choice> best = best_without(source, *users);
    if (!best) return false;
    put(*users, best->elements);
    source.layout = best->layout;
    for (const Access& access : users->accesses) node_of(access).buffer = copy.source;
    program_.kernels.erase(program_.kernels.begin() + static_cast<std::ptrdiff_t>(users->copying));
    for (OperandCopy& other : copies_)
      if (other.source == copy.packed) other.source = copy.source;
    drop_buffer(copy.packed);
    return true;
  }

  Node& node_of(const Access& access) { return program_.kernels[access.kernel].nodes[at(access.node)]; }

  // None where an access is at a place that is not known any more.
  std::optional<Users> users_of(const OperandCopy& copy) const {
    Users users;
    for (size_t k = 0; k < program_.kernels.size(); ++k) {
      const Kernel& kernel = program_.kernels[k];
      const bool copies = std::any_of(kernel.nodes.begin(), kernel.nodes.end(), [&](const Node& node) {
        return node.kind == NodeKind::store && node.buffer == copy.packed;
      });
      if (copies) users.copying = k;
      for (size_t n = 0; n < kernel.nodes.size(); ++n) {
        const Node& node = kernel.nodes[n];
        if (copies || (node.buffer != copy.source && node.buffer != copy.packed)) continue;
        if (node.position.empty() && program_.buffers[at(node.buffer)].layout.axis >= 0) return std::nullopt;
        users.accesses.push_back({k, static_cast<NodeId>(n), place_of(node)});
        if (users.kernels.empty() || users.kernels.back() != k) users.kernels.push_back(k);
        if (node.buffer == copy.packed) users.last_reader = k;
      }
    }
    return users;
  }

  // Whether somebody stores to the source while its copy is still read.
  bool is_overwritten(const OperandCopy& copy, const Users& users) const {
    const Buffer& source = program_.buffers[at(copy.source)];
    for (size_t k = users.copying; k <= users.last_reader; ++k) {
      for (const Node& node : program_.kernels[k].nodes) {
        const bool stores = node.kind == NodeKind::store && node.buffer != copy.packed;
        if (stores && overlap(program_.buffers[at(node.buffer)], source)) return true;
      }
    }
    return false;
  }

  void put(const Users& users, const std::vector<Affine>& elements) {
    for (size_t i = 0; i < users.accesses.size(); ++i) node_of(users.accesses[i]).index = elements[i];
  }

  // The cheapest layout of the source, where the kernels that read it cost less than now with the copying. Leaves the
  // program as it was.
  std::optional<Choice> best_without(const Buffer& source, const Users& users) {
    std::vector<Affine> before;
    for (const Access& access : users.accesses) before.push_back(node_of(access).index);
    std::vector<Choice> choices;
    const auto ask = [&](const Layout& layout, std::vector<Affine> elements) {
      put(users, elements);
      choices.push_back({layout, std::move(elements), {}});
      for (size_t k : users.kernels) choices.back().costs.push_back(costs_.ask(program_.kernels[k]));
    };
    ask(source.layout, before);
    const double* copying_cost = costs_.ask(program_.kernels[users.copying]);
    std::vector<Layout> layouts{{}};
    if (source.storage.space == ir::Space::arena) layouts = other_layouts(source.shape), layouts.push_back({});
    for (const Layout& layout : layouts) {
      if (std::optional<std::vector<Affine>> elements = elements_in(layout, source.shape, users))
        ask(layout, std::move(*elements));
    }
    put(users, before);
    costs_.answer();
    double least = choices[0].cost() + *copying_cost;
    std::optional<Choice> best;
    for (size_t i = 1; i < choices.size(); ++i) {
      const double cost = choices[i].cost();
      if (cost < least) least = cost, best = choices[i];
    }
    return best;
  }

  // Where the accesses are in another layout of the source; none where one of them cannot be said.
  std::optional<std::vector<Affine>> elements_in(const Layout& layout, const ir::Shape& shape,
                                                 const Users& users) const {
    std::vector<Affine> elements;
    for (const Access& access : users.accesses) {
      std::optional<Affine> element = element_at(layout, shape, access.place, program_.kernels[access.kernel]);
      if (!element) return std::nullopt;
      elements.push_back(std::move(*element));
    }
    return elements;
  }

  void drop_buffer(int32_t dropped) {
    program_.buffers.erase(program_.buffers.begin() + dropped);
    for (Kernel& kernel : program_.kernels)
      for (Node& node : kernel.nodes)
        if (node.buffer > dropped) --node.buffer;
    std::erase(program_.scratch, dropped);
    for (int32_t& buffer : program_.scratch)
      if (buffer > dropped) --buffer;
    std::erase_if(copies_, [&](const OperandCopy& copy) { return copy.packed == dropped; });
    for (OperandCopy& copy : copies_) {
      if (copy.packed > dropped) --copy.packed;
      if (copy.source > dropped) --copy.source;
    }
  }

  KernelProgram& program_;
  KernelCosts& costs_;
  std::vector<OperandCopy>& copies_;
};

}  // namespace

void drop_copies(KernelProgram& program, KernelCosts& costs, std::vector<OperandCopy>& copies) {
  Unpacking(program, costs, copies).run();
}

}  // namespace gradc::codegen
