#include "ir/parse.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "ir/builder.h"
#include "ir/lex.h"
#include "ir/shape_rules.h"

namespace gradc::ir {

namespace {

std::string describe(const Token& token) {
  if (token.kind == TokenKind::end) return "the end of the file";
  if (token.kind == TokenKind::value) return fmt::format("`%{}`", token.text);
  if (token.kind == TokenKind::func) return fmt::format("`@{}`", token.text);
  if (token.kind == TokenKind::string) return fmt::format("\"{}\"", token.text);
  return fmt::format("`{}`", token.text);
}

// After the first error in an item everything returns at once (`failed_`); the parser goes on at the next item.
class Parser {
 public:
  Parser(const Sources& sources, int32_t file, Diagnostics& diagnostics)
      : diagnostics_(diagnostics), tokens_(lex(sources.file(file), file, diagnostics)) {}

  Module run() {
    Module module;
    files_ = &module.files;
    while (peek().kind != TokenKind::end) {
      failed_ = false;
      value_places_.clear();
      const Token start = peek();
      std::optional<Item> item = parse_item();
      if (failed_) {
        synchronize();
        continue;
      }
      for (const Item& other : module.items) {
        if (item_name(other) == item_name(*item)) {
          diagnostics_.error(start.location, fmt::format("`@{}` is defined twice", item_name(*item)));
        }
      }
      module.items.push_back(std::move(*item));
      places_.items.push_back(start.location);
      places_.values.push_back(std::move(value_places_));
    }
    return module;
  }

  TextPlaces take_places() { return std::move(places_); }

 private:
  // --- tokens ---
  const Token& peek() {
    while (tokens_[at_].kind == TokenKind::comment) ++at_;
    return tokens_[at_];
  }
  Token take() {
    Token token = peek();
    if (token.kind != TokenKind::end) ++at_;
    return token;
  }
  bool is(std::string_view text) {
    const Token& token = peek();
    return (token.kind == TokenKind::punctuation || token.kind == TokenKind::word || token.kind == TokenKind::arrow) &&
           token.text == text;
  }
  bool accept(std::string_view text) {
    if (!is(text)) return false;
    ++at_;
    return true;
  }
  void fail(SourceLocation location, std::string message) {
    if (!failed_) diagnostics_.error(location, std::move(message));
    failed_ = true;
  }
  void expected(std::string_view what) {
    fail(peek().location, fmt::format("expected {}, found {}", what, describe(peek())));
  }
  void expect(std::string_view text) {
    if (!accept(text)) expected(fmt::format("`{}`", text));
  }
  Token expect_kind(TokenKind kind, std::string_view what) {
    if (peek().kind != kind) {
      expected(what);
      return peek();
    }
    return take();
  }
  void synchronize() {
    if (peek().kind != TokenKind::end && !is_item_start()) ++at_;
    while (peek().kind != TokenKind::end && !is_item_start()) ++at_;
  }
  bool is_item_start() { return peek().location.column == 1 && (is("func") || is("grad") || is("step")); }

  // `# file:line:column+length` behind a statement, on its line.
  SourceLocation take_location() {
    size_t comment = at_;  // looking for optional words has moved past comments
    while (comment > 0 && tokens_[comment - 1].kind == TokenKind::comment) --comment;
    if (comment == 0 || tokens_[comment].kind != TokenKind::comment) return {};
    if (tokens_[comment].location.line != tokens_[comment - 1].location.line) return {};
    std::string_view text = tokens_[comment].text;
    if (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    SourceLocation location;
    if (const size_t plus = text.rfind('+'); plus != std::string_view::npos && plus > text.rfind(':')) {
      if (!parse_unsigned(text.substr(plus + 1), location.length)) return {};
      text = text.substr(0, plus);
    }
    const size_t second = text.rfind(':');
    if (second == std::string_view::npos || second == 0) return {};
    const size_t first = text.rfind(':', second - 1);
    if (first == std::string_view::npos || first == 0) return {};
    if (!parse_unsigned(text.substr(first + 1, second - first - 1), location.line)) return {};
    if (!parse_unsigned(text.substr(second + 1), location.column)) return {};
    const std::string name(text.substr(0, first));
    for (location.file = 0; location.file < static_cast<int32_t>(files_->size()); ++location.file) {
      if ((*files_)[static_cast<size_t>(location.file)] == name) return location;
    }
    files_->push_back(name);
    return location;
  }
  static bool parse_unsigned(std::string_view text, uint32_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
  }

  // --- numbers and types ---
  int64_t parse_integer(std::string_view what) {
    const Token token = peek();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
    if (token.kind != TokenKind::number || error != std::errc() || end != token.text.data() + token.text.size()) {
      expected(what);
      return 0;
    }
    take();
    return value;
  }
  double parse_real() {
    const Token token = peek();
    std::string_view text = token.text;
    if (token.kind == TokenKind::word || token.kind == TokenKind::number) {
      double value = 0;
      std::string_view digits = text;
      if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (end == digits.data() + digits.size() && error == std::errc()) {
        take();
        return value;
      }
      if (error == std::errc::result_out_of_range) {
        fail(token.location, fmt::format("the number `{}` is outside the range of f64", text));
        return 0;
      }
    }
    expected("a number");
    return 0;
  }
  std::vector<int64_t> parse_integer_list() {
    std::vector<int64_t> values;
    expect("[");
    while (!failed_ && !is("]")) {
      values.push_back(parse_integer("an integer"));
      if (!accept(",")) break;
    }
    expect("]");
    return values;
  }
  Type parse_type() {
    const Token name = expect_kind(TokenKind::word, "a type");
    Type type;
    const std::optional<DType> dtype = dtype_from_name(name.text);
    if (!failed_ && !dtype)
      fail(name.location, fmt::format("`{}` is not an element type: f32, f64, i32 or bool", name.text));
    if (failed_) return type;
    type.dtype = *dtype;
    const SourceLocation place = peek().location;
    type.shape = parse_integer_list();
    if (!failed_ && !checked_element_count(type.shape)) {
      fail(place, "extents must be at least 1, and a tensor may have 16 axes and 2^32 elements at most");
    }
    return type;
  }

  // --- attributes: the counterpart of FieldPrinter in print.cpp; fields may be left out at the end only in order ---
  struct FieldParser {
    Parser& parser;
    DType dtype;
    bool first = true;

    // True where the next field is `name`; takes the comma and the name.
    bool begin(std::string_view name) {
      if (parser.failed_ || parser.is("}")) return false;
      const size_t start = parser.at_;
      if (!first && !parser.accept(",")) return false;
      if (!name.empty()) {
        if (!parser.accept(name) || !parser.accept("=")) {
          parser.at_ = start;
          return false;
        }
      }
      first = false;
      return true;
    }
    void need(std::string_view name, bool found) {
      if (!found) parser.expected(fmt::format("the attribute `{}`", name));
    }
    void operator()(std::string_view name, std::vector<double>& values) {
      if (!begin(name)) return need("value", false);
      if (!parser.accept("[")) {
        values.push_back(round_to_dtype(parser.parse_real(), dtype));
        return;
      }
      while (!parser.failed_ && !parser.is("]")) {
        values.push_back(round_to_dtype(parser.parse_real(), dtype));
        if (!parser.accept(",")) break;
      }
      parser.expect("]");
    }
    void operator()(std::string_view name, std::vector<int64_t>& values) {
      if (!begin(name)) return need(name, false);
      values = parser.parse_integer_list();
    }
    void operator()(std::string_view name, int64_t& value) {
      if (!begin(name)) return need(name, false);
      value = parser.parse_integer("an integer");
    }
    void operator()(std::string_view name, double& value) {
      if (!begin(name)) return need(name, false);
      value = round_to_dtype(parser.parse_real(), dtype);
    }
    void operator()(std::string_view name, bool& value) {
      const size_t start = parser.at_;
      if (!parser.failed_ && (first || parser.accept(",")) && parser.accept(name)) {
        value = true;
        first = false;
      } else {
        parser.at_ = start;
      }
    }
    void operator()(std::string_view name, std::string& value) {
      if (!begin(name)) return need("subscripts", false);
      value = std::string(parser.expect_kind(TokenKind::string, "a string").text);
    }
    void operator()(std::string_view name, ReduceKind& kind) {
      if (!begin(name)) return need("kind", false);
      const Token token = parser.take();
      if (token.text == "sum")
        kind = ReduceKind::sum;
      else if (token.text == "max")
        kind = ReduceKind::max;
      else if (token.text == "min")
        kind = ReduceKind::min;
      else if (token.text == "prod")
        kind = ReduceKind::prod;
      else
        parser.fail(token.location, fmt::format("expected sum, max, min or prod, found {}", describe(token)));
    }
    void order(SumOrder& order, bool letters) {
      if (!begin("order")) return;
      if (parser.accept("seq")) {
        order.kind = SumOrder::Kind::sequential;
      } else {
        parser.expect("lanes");
        parser.expect("(");
        order.kind = SumOrder::Kind::lanes;
        const SourceLocation place = parser.peek().location;
        if (parser.parse_integer("the number of lanes") != kLanes) parser.fail(place, "sums have 16 lanes");
        parser.expect(",");
        if (letters) {
          const Token letter = parser.expect_kind(TokenKind::word, "the letter of an axis");
          if (!parser.failed_ && letter.text.size() != 1)
            parser.fail(letter.location, "expected the letter of an axis");
          if (!parser.failed_) order.axis = letter.text[0];
        } else {
          order.axis = parser.parse_integer("the number of an axis");
        }
        parser.expect(")");
      }
      if (begin("block")) order.block = parser.parse_integer("an integer");
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

  // --- functions ---
  ValueId find_value(const Token& token) {
    const auto found = names_.find(token.text);
    if (found != names_.end()) return found->second;
    fail(token.location, fmt::format("`%{}` is not defined before this use", token.text));
    return {};
  }
  void define(const Token& token, ValueId id) {
    value_places_.push_back(token.location);
    if (!names_.emplace(token.text, id).second) fail(token.location, fmt::format("`%{}` is defined twice", token.text));
  }
  Storage parse_storage() {
    Storage storage;
    if (!accept("at")) return storage;
    const Token name = expect_kind(TokenKind::word, "a memory space");
    const std::optional<Space> space = space_from_name(name.text);
    if (!failed_ && (!space || *space == Space::none)) {
      fail(name.location, fmt::format("`{}` is not a memory space: state, data, hyper, arena or result", name.text));
    }
    if (failed_) return storage;
    storage.space = *space;
    // `arena+64` reads as a name and a signed number.
    accept("+");
    storage.offset = parse_offset();
    return storage;
  }
  int64_t parse_offset() {
    Token token = peek();
    std::string_view digits = token.text;
    if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (token.kind != TokenKind::number || error != std::errc() || end != digits.data() + digits.size() || value < 0) {
      expected("a byte offset");
      return 0;
    }
    take();
    return value;
  }

  void parse_value(Func& func) {
    const Token name = take();
    expect("=");
    const Token op_token = expect_kind(TokenKind::word, "an operation");
    if (failed_) return;
    const std::optional<Op> op = op_from_name(op_token.text);
    if (!op || *op == Op::parameter) {
      return fail(op_token.location, fmt::format("there is no operation `{}`", op_token.text));
    }
    Value value;
    value.op = *op;
    value.attr = default_attr(*op);
    std::vector<Type> types;
    while (!failed_ && peek().kind == TokenKind::value) {
      const ValueId operand = find_value(take());
      if (failed_) return;
      value.operands.push_back(operand);
      types.push_back(func[operand].type);
      if (!accept(",")) break;
    }
    const size_t attr_start = at_;
    if (is("{")) skip_braces();
    expect(":");
    const SourceLocation type_place = peek().location;
    value.type = parse_type();
    if (failed_) return;
    parse_attr(value, attr_start);
    if (failed_) return;
    const Result<Type> inferred = infer_type(*op, types, value.attr, value.type);
    if (!inferred) return fail(op_token.location, fmt::format("{}: {}", op_token.text, inferred.error()));
    if (*inferred != value.type) {
      return fail(type_place,
                  fmt::format("{} gives {}, not {}", op_token.text, to_string(*inferred), to_string(value.type)));
    }
    if (accept("kernel")) {
      const SourceLocation place = peek().location;
      const int64_t kernel = parse_integer("the number of a kernel");
      if (kernel < 0 || kernel > INT32_MAX) return fail(place, "the number of a kernel is out of range");
      value.kernel = static_cast<int32_t>(kernel);
    }
    value.storage = parse_storage();
    if (failed_) return;
    value.location = take_location();
    define(name, func.add(std::move(value)));
  }
  void skip_braces() {
    while (peek().kind != TokenKind::end && !is("}")) ++at_;
    expect("}");
  }
  // The attributes stand before the type but their numbers depend on its dtype: they are read second.
  void parse_attr(Value& value, size_t start) {
    const size_t after = at_;
    at_ = start;
    const bool braces = accept("{");
    FieldParser fields{*this, value.type.dtype};
    std::visit([&](auto& attr) { attr.fields(fields); }, value.attr);
    if (braces) expect("}");
    if (!failed_) at_ = after;
  }

  Func parse_func() {
    Func func;
    names_.clear();
    func.name = std::string(expect_kind(TokenKind::func, "the name of a function").text);
    expect("(");
    while (!failed_ && !is(")")) {
      const Token name = expect_kind(TokenKind::value, "an argument");
      expect(":");
      Value value;
      value.name = std::string(name.text);
      value.type = parse_type();
      const Token role_token = failed_ ? Token{} : expect_kind(TokenKind::word, "the role of the argument");
      if (failed_) break;
      const std::optional<Role> role = role_from_name(role_token.text);
      if (!role) {
        fail(role_token.location,
             fmt::format("`{}` is not a role: input, parameter, state, data, hyper or key", role_token.text));
        break;
      }
      value.role = *role;
      value.storage = parse_storage();
      if (failed_) break;
      ++func.parameter_count;
      define(name, func.add(std::move(value)));
      if (!accept(",")) break;
    }
    expect(")");
    expect("->");
    expect("(");
    std::vector<std::pair<Token, Type>> declared;
    while (!failed_ && !is(")")) {
      const Token name = expect_kind(TokenKind::word, "the name of a result");
      expect(":");
      declared.emplace_back(name, failed_ ? Type{} : parse_type());
      if (!accept(",")) break;
    }
    expect(")");
    if (accept("arena")) func.arena_bytes = parse_offset();
    expect("{");
    if (failed_) return func;
    func.location = take_location();
    while (!failed_ && peek().kind == TokenKind::value) parse_value(func);
    expect("return");
    for (size_t i = 0; !failed_ && i < declared.size(); ++i) {
      if (i > 0) expect(",");
      const Token token = expect_kind(TokenKind::value, "a value");
      if (failed_) break;
      const ValueId value = find_value(token);
      if (failed_) break;
      if (func[value].type != declared[i].second) {
        fail(token.location, fmt::format("the result `{}` is declared {}, not {}", declared[i].first.text,
                                         to_string(declared[i].second), to_string(func[value].type)));
      }
      func.results.push_back({std::string(declared[i].first.text), value});
    }
    expect("}");
    return func;
  }

  std::optional<Item> parse_item() {
    if (accept("func")) return parse_func();
    if (accept("grad")) {
      GradientRequest request;
      request.name = std::string(expect_kind(TokenKind::func, "a name").text);
      expect("=");
      request.of = std::string(expect_kind(TokenKind::func, "the name of a function").text);
      expect("wrt");
      do {
        request.wrt.emplace_back(expect_kind(TokenKind::value, "an argument").text);
      } while (!failed_ && accept(","));
      request.location = take_location();
      return request;
    }
    if (accept("step")) {
      StepRequest request;
      request.name = std::string(expect_kind(TokenKind::func, "a name").text);
      expect("=");
      request.first = std::string(expect_kind(TokenKind::func, "the name of a function").text);
      expect("then");
      request.second = std::string(expect_kind(TokenKind::func, "the name of a function").text);
      request.location = take_location();
      return request;
    }
    expected("`func`, `grad` or `step`");
    return std::nullopt;
  }

  Diagnostics& diagnostics_;
  std::vector<Token> tokens_;
  std::vector<std::string>* files_ = nullptr;
  TextPlaces places_;
  std::vector<SourceLocation> value_places_;  // of the item at hand
  std::unordered_map<std::string_view, ValueId> names_;
  size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace

std::optional<Module> parse(const Sources& sources, int32_t file, Diagnostics& diagnostics, TextPlaces* places) {
  const size_t before = diagnostics.error_count();
  Parser parser(sources, file, diagnostics);
  Module module = parser.run();
  if (diagnostics.error_count() > before) return std::nullopt;
  if (places != nullptr) *places = parser.take_places();
  return module;
}

}  // namespace gradc::ir
