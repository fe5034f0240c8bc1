// "Your value at index i?" for every operation of ir/ops.def: one function each, in element_rules.cpp.
#pragma once
#include <optional>
#include <span>
#include <utility>

#include "codegen/element_builder.h"

namespace gradc::codegen {

// The node for the element of `value` at `index`, one index for each axis of its result.
NodeId element_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index);

// The loops of `reduce` and `contract`, in the order that the attribute names (ir/attr.h, SumOrder).
NodeId sum_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index);
// Elements of sums over the same rounds (ir::same_rounds), none of which needs another: one nest of loops for all of
// them, so that what they have in common is loaded and computed once. The builder knows them from then on.
using Element = std::pair<ir::ValueId, Indices>;
void joint_sums(ElementBuilder& builder, std::span<const Element> elements);

// A sum in lanes and blocks that is long enough to be computed block by block, so that its operands are read once while
// the sums wait in memory: how many blocks there are and what is in each.
struct SumBlocks {
  int64_t count = 0;
  int64_t length = 0;  // of a block, along the first reduced axis
  int64_t last = 0;    // the length of the last block
};
// Nothing where the sum is to run in one. A function of shapes alone.
std::optional<SumBlocks> blocks_of(const ir::Func& func, const ir::Value& value);
// One lane of the terms whose index on the first reduced axis is among the `count` from `first` on, started at 0.
NodeId block_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index, const Affine& first,
                  int64_t count, const Affine& lane);

// acc after the terms of a `contract_fold` at `index` of its windows, one after the other.
NodeId contract_terms(ElementBuilder& builder, const ir::Value& value, const Indices& index, NodeId acc);

// The loops of `fold`, `contract_fold` and `scatter_add`, which pull: an element goes over the terms that may be its
// own.
NodeId fold_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index);
NodeId contract_fold_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index);
NodeId scatter_add_rule(ElementBuilder& builder, const ir::Value& value, const Indices& index);
// Whether it is less work to go over the indices once and to add in memory (a loop that stores; the order in which an
// element's terms are added is the same), and to make these sums before they are read.
bool adds_in_place(const ir::Func& func, const ir::Value& value);
// Adds all updates to `sums`, which holds zeros; `index` has the axes of the result but for the one that is looked up.
void add_in_place(ElementBuilder& builder, const ir::Value& value, Indices index, int32_t sums);

}  // namespace gradc::codegen
