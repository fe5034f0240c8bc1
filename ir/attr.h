// What an operation carries besides its operands. Each structure lists its fields once (`fields`), and printer, parser
// and comparison all go through that list. A field with an empty name is printed without one.
#pragma once
#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace gradc::ir {

// The order in which the terms of a sum are added (docs/architecture.md, "Order of sums").
//   unset       not fixed yet; means canonical_order() of the shapes (ir/sum_order.h)
//   sequential  one accumulator, terms ascending
//   lanes       16 accumulators over one axis: index j of that axis goes to lane j mod 16; combined by halving
struct SumOrder {
  enum class Kind : uint8_t { unset, sequential, lanes };
  Kind kind = Kind::unset;
  int64_t axis = 0;   // the lane axis: of reduce an operand axis, of contract the character code of its letter
  int64_t block = 0;  // >0: the outermost reduced axis is cut into blocks of this many indices
  bool operator==(const SumOrder&) const = default;
};
inline constexpr int64_t kLanes = 16;

enum class ReduceKind : uint8_t { sum, max, min, prod };

struct NoAttr {
  template <class Fields>
  void fields(Fields&&) {}
  bool operator==(const NoAttr&) const = default;
};

// One value for all elements, or as many as there are elements. Exact: every f32, f64, i32 and bool is a double.
struct ConstantAttr {
  std::vector<double> values;
  template <class Fields>
  void fields(Fields&& field) {
    field("", values);
  }
  bool operator==(const ConstantAttr& other) const;  // by bits: -0 differs from 0, NaN equals itself
};

struct AxisAttr {
  int64_t axis = 0;
  template <class Fields>
  void fields(Fields&& field) {
    field("axis", axis);
  }
  bool operator==(const AxisAttr&) const = default;
};

// `place` tells samples of one program apart. With `sample`, axis 0 counts samples: element [s, i...] is a function of
// (key, place, s, i...), so that row s draws the same whatever the number of rows.
struct RandomAttr {
  int64_t place = 0;  // 0 ... 2^32-1
  bool sample = false;
  template <class Fields>
  void fields(Fields&& field) {
    field("place", place);
    field("sample", sample);
  }
  bool operator==(const RandomAttr&) const = default;
};

struct AxesAttr {
  std::vector<int64_t> axes;
  template <class Fields>
  void fields(Fields&& field) {
    field("axes", axes);
  }
  bool operator==(const AxesAttr&) const = default;
};

struct SliceAttr {
  std::vector<int64_t> begin, end;
  template <class Fields>
  void fields(Fields&& field) {
    field("begin", begin);
    field("end", end);
  }
  bool operator==(const SliceAttr&) const = default;
};

struct PadAttr {
  std::vector<int64_t> before, after;
  double value = 0;
  template <class Fields>
  void fields(Fields&& field) {
    field("before", before);
    field("after", after);
    field("value", value);
  }
  bool operator==(const PadAttr& other) const;  // by bits
};

// For each of `axes` (ascending) its window: `size` elements, `dilation` apart; neighbours start `stride` apart.
struct WindowAttr {
  std::vector<int64_t> axes, size, stride, dilation;
  template <class Fields>
  void fields(Fields&& field) {
    field("axes", axes);
    field("size", size);
    field("stride", stride);
    field("dilation", dilation);
  }
  bool operator==(const WindowAttr&) const = default;
};

// The window that is undone, and what its axes had as extents.
struct FoldAttr {
  std::vector<int64_t> axes, size, stride, dilation, extents;
  template <class Fields>
  void fields(Fields&& field) {
    field("axes", axes);
    field("size", size);
    field("stride", stride);
    field("dilation", dilation);
    field("extents", extents);
  }
  WindowAttr window() const { return {axes, size, stride, dilation}; }
  bool operator==(const FoldAttr&) const = default;
};

struct GatherAttr {
  int64_t axis = 0;   // of x: what the indices number; at least `batch`
  int64_t batch = 0;  // leading axes that x and indices share
  template <class Fields>
  void fields(Fields&& field) {
    field("axis", axis);
    field("batch", batch);
  }
  bool operator==(const GatherAttr&) const = default;
};

// `axis` and `batch` as of gather, counted on the result; `extent` is that of the axis.
struct ScatterAttr {
  int64_t axis = 0, batch = 0, extent = 1;
  template <class Fields>
  void fields(Fields&& field) {
    field("axis", axis);
    field("batch", batch);
    field("extent", extent);
  }
  bool operator==(const ScatterAttr&) const = default;
};

struct ReduceAttr {
  ReduceKind kind = ReduceKind::sum;
  std::vector<int64_t> axes;  // ascending; they disappear from the result
  SumOrder order;
  template <class Fields>
  void fields(Fields&& field) {
    field("", kind);
    field("axes", axes);
    field.order(order, false);
  }
  bool operator==(const ReduceAttr&) const = default;
};

// Einsum subscripts "bi,oi->bo": one lower- or upper-case letter an axis, none twice in one operand; letters that the
// result lacks are summed over, in the order in which they first appear.
struct ContractAttr {
  std::string subscripts;
  SumOrder order;
  template <class Fields>
  void fields(Fields&& field) {
    field("", subscripts);
    field.order(order, true);
  }
  bool operator==(const ContractAttr&) const = default;
};

// The subscripts of the contraction, and how its result is folded.
struct ContractFoldAttr {
  std::string subscripts;
  FoldAttr fold;
  template <class Fields>
  void fields(Fields&& field) {
    field("", subscripts);
    fold.fields(field);
  }
  bool operator==(const ContractFoldAttr&) const = default;
};

using AttrVariant = std::variant<NoAttr, ConstantAttr, AxisAttr, RandomAttr, AxesAttr, SliceAttr, PadAttr, WindowAttr,
                                 FoldAttr, GatherAttr, ScatterAttr, ReduceAttr, ContractAttr, ContractFoldAttr>;

template <class T, class Variant = AttrVariant>
inline constexpr bool kIsAttrAlternative = false;
template <class T, class... Alternatives>
inline constexpr bool kIsAttrAlternative<T, std::variant<Alternatives...>> = (std::is_same_v<T, Alternatives> || ...);

// The variant with its copies and moves made in one file (ir/attr.cpp); made anew wherever a value is touched, they
// were a third of the build.
struct Attr : AttrVariant {
  Attr();
  template <class Alternative>
    requires kIsAttrAlternative<Alternative>
  Attr(Alternative alternative);
  ~Attr();
  Attr(const Attr& other);
  Attr(Attr&& other) noexcept;
  Attr& operator=(const Attr& other);
  Attr& operator=(Attr&& other) noexcept;
  bool operator==(const Attr& other) const;
};

// The subscripts taken apart; `valid` is false where the text is not of the form "ab,bc->ac".
struct Subscripts {
  bool valid = false;
  std::string lhs, rhs, result;
  std::string reduced;  // letters summed over, in the order in which they first appear
};
Subscripts parse_subscripts(const std::string& text);

}  // namespace gradc::ir
