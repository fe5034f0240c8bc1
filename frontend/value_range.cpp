#include "frontend/value_range.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ir/builder.h"

namespace gradc::frontend {

namespace {

using ir::DType;
using ir::Op;
using Range = std::optional<ValueRange>;

constexpr size_t kMostValues = 256;  // looked through for one answer

ValueRange joined(const ValueRange& a, const ValueRange& b) {
  return {std::min(a.low, b.low), std::max(a.high, b.high), a.whole && b.whole};
}

// The bounds of all products, sums, ... of a number of each.
template <class F>
ValueRange of_corners(const ValueRange& a, const ValueRange& b, F f) {
  const double corners[] = {f(a.low, b.low), f(a.low, b.high), f(a.high, b.low), f(a.high, b.high)};
  return {*std::min_element(std::begin(corners), std::end(corners)),
          *std::max_element(std::begin(corners), std::end(corners)), a.whole && b.whole};
}

class Finder {
 public:
  Finder(const ir::Func& func, const std::map<uint32_t, int64_t>& limits) : func_(func), limits_(limits) {}

  Range find(ir::ValueId id) {
    if (const auto limit = limits_.find(id.index); limit != limits_.end()) {
      return ValueRange{0, static_cast<double>(limit->second - 1), true};
    }
    const auto [known, is_new] = found_.try_emplace(id.index);
    if (!is_new) return known->second;
    if (found_.size() > kMostValues) return std::nullopt;
    Range range = rule(func_[id]);
    if (range && !representable(*range, func_[id].type.dtype)) range.reset();
    return found_[id.index] = range;
  }

 private:
  // Rounds the bounds as the values are rounded; false where they would overflow.
  static bool representable(ValueRange& range, DType dtype) {
    if (dtype == DType::i32) {
      return range.low >= std::numeric_limits<int32_t>::min() && range.high <= std::numeric_limits<int32_t>::max();
    }
    range.low = ir::round_to_dtype(range.low, dtype);
    range.high = ir::round_to_dtype(range.high, dtype);
    return std::isfinite(range.low) && std::isfinite(range.high);
  }

  Range rule(const ir::Value& value) {
    const auto operand = [&](size_t k) { return find(value.operands[k]); };
    const auto both = [&](auto f) -> Range {
      const Range a = operand(0);
      const Range b = a ? operand(1) : std::nullopt;
      if (!a || !b) return std::nullopt;
      return f(*a, *b);
    };
    const bool whole_type = value.type.dtype != DType::f32 && value.type.dtype != DType::f64;
    switch (value.op) {
      case Op::constant: {
        const std::vector<double>& values = std::get<ir::ConstantAttr>(value.attr).values;
        const auto [low, high] = std::minmax_element(values.begin(), values.end());
        const bool finite = std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
        const bool whole = std::all_of(values.begin(), values.end(), [](double v) { return std::trunc(v) == v; });
        return finite ? Range(ValueRange{*low, *high, whole}) : std::nullopt;
      }
      case Op::iota: {
        const auto axis = static_cast<size_t>(std::get<ir::AxisAttr>(value.attr).axis);
        return ValueRange{0, static_cast<double>(value.type.shape[axis] - 1), true};
      }
      case Op::random:
        return ValueRange{0, 1, false};
      case Op::less:
      case Op::less_equal:
      case Op::equal:
      case Op::logical_and:
      case Op::logical_or:
      case Op::logical_not:
        return ValueRange{0, 1, true};
      case Op::add:
        return both([](auto& a, auto& b) { return ValueRange{a.low + b.low, a.high + b.high, a.whole && b.whole}; });
      case Op::sub:
        return both([](auto& a, auto& b) { return ValueRange{a.low - b.high, a.high - b.low, a.whole && b.whole}; });
      case Op::mul:
        return both([](auto& a, auto& b) { return of_corners(a, b, [](double x, double y) { return x * y; }); });
      case Op::div:
        return both([&](auto& a, auto& b) -> Range {
          if (b.low <= 0 && b.high >= 0) return std::nullopt;
          ValueRange range =
              of_corners(a, b, [&](double x, double y) { return whole_type ? std::floor(x / y) : x / y; });
          range.whole = whole_type;
          return range;
        });
      case Op::max:
        return both([](auto& a, auto& b) {
          return ValueRange{std::max(a.low, b.low), std::max(a.high, b.high), a.whole && b.whole};
        });
      case Op::min:
        return both([](auto& a, auto& b) {
          return ValueRange{std::min(a.low, b.low), std::min(a.high, b.high), a.whole && b.whole};
        });
      case Op::neg: {
        const Range x = operand(0);
        return x ? Range(ValueRange{-x->high, -x->low, x->whole}) : std::nullopt;
      }
      case Op::abs: {
        const Range x = operand(0);
        if (!x) return std::nullopt;
        const double most = std::max(std::fabs(x->low), std::fabs(x->high));
        const bool around_zero = x->low < 0 && x->high > 0;
        return ValueRange{around_zero ? 0 : std::min(std::fabs(x->low), std::fabs(x->high)), most, x->whole};
      }
      case Op::floor: {
        const Range x = operand(0);
        return x ? Range(ValueRange{std::floor(x->low), std::floor(x->high), true}) : std::nullopt;
      }
      case Op::cast: {
        const Range x = operand(0);
        if (!x || value.type.dtype == DType::boolean) return x ? Range(ValueRange{0, 1, true}) : std::nullopt;
        if (!whole_type) return x;
        return ValueRange{std::trunc(x->low), std::trunc(x->high), true};
      }
      case Op::select: {
        const Range a = operand(1);
        const Range b = a ? operand(2) : std::nullopt;
        return a && b ? Range(joined(*a, *b)) : std::nullopt;
      }
      case Op::pad: {
        const Range x = operand(0);
        const double fill = std::get<ir::PadAttr>(value.attr).value;
        if (!x || !std::isfinite(fill)) return std::nullopt;
        return joined(*x, {fill, fill, std::trunc(fill) == fill});
      }
      case Op::concat: {
        Range all = operand(0);
        for (size_t k = 1; all && k < value.operands.size(); ++k) {
          const Range next = operand(k);
          all = next ? Range(joined(*all, *next)) : std::nullopt;
        }
        return all;
      }
      case Op::reduce: {
        const ir::ReduceKind kind = std::get<ir::ReduceAttr>(value.attr).kind;
        return kind == ir::ReduceKind::max || kind == ir::ReduceKind::min ? operand(0) : std::nullopt;
      }
      case Op::stop_gradient:
      case Op::broadcast:
      case Op::permute:
      case Op::reshape:
      case Op::slice:
      case Op::window:
      case Op::gather:
        return operand(0);
      default:
        return std::nullopt;
    }
  }

  const ir::Func& func_;
  const std::map<uint32_t, int64_t>& limits_;
  std::map<uint32_t, Range> found_;
};

}  // namespace

std::optional<ValueRange> range_of(const ir::Func& func, ir::ValueId value, const std::map<uint32_t, int64_t>& limits) {
  return Finder(func, limits).find(value);
}

}  // namespace gradc::frontend
