// The orders in which the elements of a tensor may lie (kernel.h: Layout), and what an element's number is in each.
// Chosen by layout.cpp for tensors in the arena, by pack.cpp for copies.
#pragma once
#include <optional>
#include <unordered_map>

#include "codegen/schedule.h"
#include "ir/thread_pool.h"

namespace gradc::codegen {

// Blocks are as long as the longest sum of lanes: one register of 512 bits, two of 256, a cache line of floats.
inline constexpr int64_t kBlock = 16;

// All but row-major; the first is not the best.
std::vector<Layout> other_layouts(const ir::Shape& shape);

// Where a load or store is in its tensor.
struct Place {
  Affine index;                  // as the node has it; that of a row-major tensor where the position is not known
  std::vector<Affine> position;  // on each axis; empty where it is not known
  bool predicate = false;
};
Place place_of(const Node& node);

// The number of that element with this layout; nothing where the index on the axis that is cut cannot be told, or runs
// through more than one block other than block by block.
std::optional<Affine> element_at(const Layout& layout, const ir::Shape& shape, const Place& place,
                                 const Kernel& kernel);

// How many instructions one run of a kernel takes, by the estimate of cost.h. Kernels that differ in names and buffers
// only are estimated once: a repeated layer takes no time.
class KernelCosts {
 public:
  KernelCosts(const ScheduleLimits& limits, ir::ThreadPool& threads) : limits_(limits), threads_(threads) {}
  // Where its estimate stands after the next `answer`, from then on for good.
  const double* ask(const Kernel& kernel);
  // Makes all estimates that were asked for and are not known, on several threads.
  void answer();
  double of(const Kernel& kernel);

 private:
  struct Question {
    Kernel kernel;
    double* cost;
  };

  ScheduleLimits limits_;
  ir::ThreadPool& threads_;
  std::vector<Question> questions_;
  std::unordered_map<std::string, double> known_;
};

}  // namespace gradc::codegen
