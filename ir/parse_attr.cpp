#include "ir/parse_attr.h"

#include <fmt/format.h>

#include "ir/builder.h"

namespace gradc::ir {

namespace {

// Takes the fields in their order; those at the end that have a default may be left out.
struct FieldParser {
  TokenCursor& cursor;
  DType dtype;
  bool first = true;

  // True where the next field is `name`; takes the comma and the name.
  bool begin(std::string_view name) {
    if (cursor.failed() || cursor.is("}")) return false;
    const size_t start = cursor.position();
    if (!first && !cursor.accept(",")) return false;
    if (!name.empty()) {
      if (!cursor.accept(name) || !cursor.accept("=")) {
        cursor.go_to(start);
        return false;
      }
    }
    first = false;
    return true;
  }
  void need(std::string_view name, bool found) {
    if (!found) cursor.expected(fmt::format("the attribute `{}`", name));
  }
  void operator()(std::string_view name, std::vector<double>& values) {
    if (!begin(name)) return need("value", false);
    if (!cursor.accept("[")) {
      values.push_back(round_to_dtype(cursor.parse_real(), dtype));
      return;
    }
    while (!cursor.failed() && !cursor.is("]")) {
      values.push_back(round_to_dtype(cursor.parse_real(), dtype));
      if (!cursor.accept(",")) break;
    }
    cursor.expect("]");
  }
  void operator()(std::string_view name, std::vector<int64_t>& values) {
    if (!begin(name)) return need(name, false);
    values = cursor.parse_integer_list();
  }
  void operator()(std::string_view name, int64_t& value) {
    if (!begin(name)) return need(name, false);
    value = cursor.parse_integer("an integer");
  }
  void operator()(std::string_view name, double& value) {
    if (!begin(name)) return need(name, false);
    value = round_to_dtype(cursor.parse_real(), dtype);
  }
  void operator()(std::string_view name, bool& value) {
    const size_t start = cursor.position();
    if (!cursor.failed() && (first || cursor.accept(",")) && cursor.accept(name)) {
      value = true;
      first = false;
    } else {
      cursor.go_to(start);
    }
  }
  void operator()(std::string_view name, std::string& value) {
    if (!begin(name)) return need("subscripts", false);
    value = std::string(cursor.expect_kind(TokenKind::string, "a string").text);
  }
  void operator()(std::string_view name, ReduceKind& kind) {
    if (!begin(name)) return need("kind", false);
    const Token token = cursor.take();
    if (token.text == "sum")
      kind = ReduceKind::sum;
    else if (token.text == "max")
      kind = ReduceKind::max;
    else if (token.text == "min")
      kind = ReduceKind::min;
    else if (token.text == "prod")
      kind = ReduceKind::prod;
    else
      cursor.fail(token.location, fmt::format("expected sum, max, min or prod, found `{}`", token.text));
  }
  void order(SumOrder& order, bool letters) {
    if (!begin("order")) return;
    if (cursor.accept("seq")) {
      order.kind = SumOrder::Kind::sequential;
    } else {
      cursor.expect("lanes");
      cursor.expect("(");
      order.kind = SumOrder::Kind::lanes;
      const SourceLocation place = cursor.peek().location;
      if (cursor.parse_integer("the number of lanes") != kLanes) cursor.fail(place, "sums have 16 lanes");
      cursor.expect(",");
      if (letters) {
        const Token letter = cursor.expect_kind(TokenKind::word, "the letter of an axis");
        if (!cursor.failed() && letter.text.size() != 1) cursor.fail(letter.location, "expected the letter of an axis");
        if (!cursor.failed()) order.axis = letter.text[0];
      } else {
        order.axis = cursor.parse_integer("the number of an axis");
      }
      cursor.expect(")");
    }
    if (begin("block")) order.block = cursor.parse_integer("an integer");
  }
};

Attr default_attr(Op op) {
  switch (op) {
#define GRADC_OP(name, operands, AttrType, traits) \
  case Op::name:                                   \
    return AttrType{};
#include "ir/ops.def"
#undef GRADC_OP
  }
  return NoAttr{};
}

}  // namespace

Attr parse_attr(TokenCursor& cursor, Op op, DType dtype) {
  Attr parsed = default_attr(op);
  const bool braces = cursor.accept("{");
  FieldParser fields{cursor, dtype};
  std::visit([&](auto& attr) { attr.fields(fields); }, parsed);
  if (braces) cursor.expect("}");
  return parsed;
}

}  // namespace gradc::ir
