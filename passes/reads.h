// What a stored value reads once everything that is not stored is taken into it.
#pragma once
#include <vector>

#include "ir/graph.h"

namespace gradc::passes {

// `pointwise`: every path to the leaf is elementwise, so that element i reads the leaf's element i alone.
struct Read {
  ir::ValueId leaf;  // a parameter or a stored value
  bool pointwise = true;
};

// The leaves of `root`, each once, in the order in which they are met. `stored` says which values are leaves.
std::vector<Read> reads_of(const ir::Func& func, ir::ValueId root, const std::vector<bool>& stored);

// A constant with a value for each element: it lies in the arena from the start, no kernel stores it.
bool is_table(const ir::Value& value);

// A reshape that only adds or removes axes of extent 1.
bool is_unit_reshape(const ir::Type& from, const ir::Type& to);

}  // namespace gradc::passes
