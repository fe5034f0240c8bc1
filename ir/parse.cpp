#include "ir/parse.h"

#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>

#include "ir/lex.h"
#include "ir/parse_attr.h"
#include "ir/shape_rules.h"
#include "ir/token_cursor.h"

namespace gradc::ir {

namespace {

// After the first error in an item everything returns at once; the parser goes on at the next item.
class Parser {
 public:
  Parser(const Sources& sources, int32_t file, Diagnostics& diagnostics)
      : diagnostics_(diagnostics), cursor_(lex(sources.file(file), file, diagnostics), diagnostics) {}

  Module run() {
    Module module;
    files_ = &module.files;
    std::unordered_set<std::string> names;
    while (cursor_.peek().kind != TokenKind::end) {
      cursor_.clear_failure();
      value_places_.clear();
      const Token start = cursor_.peek();
      std::optional<Item> item = parse_item();
      if (cursor_.failed()) {
        synchronize();
        continue;
      }
      if (!names.insert(item_name(*item)).second) {
        diagnostics_.error(start.location, fmt::format("`@{}` is defined twice", item_name(*item)));
      }
      module.items.push_back(std::move(*item));
      places_.items.push_back(start.location);
      places_.values.push_back(std::move(value_places_));
    }
    return module;
  }

  TextPlaces take_places() { return std::move(places_); }

 private:
  void synchronize() {
    if (cursor_.peek().kind != TokenKind::end && !is_item_start()) cursor_.skip_token();
    while (cursor_.peek().kind != TokenKind::end && !is_item_start()) cursor_.skip_token();
  }
  bool is_item_start() {
    return cursor_.peek().location.column == 1 && (cursor_.is("func") || cursor_.is("grad") || cursor_.is("step"));
  }

  // --- functions ---
  ValueId find_value(const Token& token) {
    const auto found = names_.find(token.text);
    if (found != names_.end()) return found->second;
    cursor_.fail(token.location, fmt::format("`%{}` is not defined before this use", token.text));
    return {};
  }
  void define(const Token& token, ValueId id) {
    value_places_.push_back(token.location);
    if (!names_.emplace(token.text, id).second)
      cursor_.fail(token.location, fmt::format("`%{}` is defined twice", token.text));
  }
  Storage parse_storage() {
    Storage storage;
    if (!cursor_.accept("at")) return storage;
    const Token name = cursor_.expect_kind(TokenKind::word, "a memory space");
    const std::optional<Space> space = space_from_name(name.text);
    if (!cursor_.failed() && (!space || *space == Space::none)) {
      cursor_.fail(name.location,
                   fmt::format("`{}` is not a memory space: state, data, hyper, arena or result", name.text));
    }
    if (cursor_.failed()) return storage;
    storage.space = *space;
    // `arena+64` reads as a name and a signed number.
    cursor_.accept("+");
    storage.offset = cursor_.parse_offset();
    return storage;
  }
  void parse_value(Func& func) {
    const Token name = cursor_.take();
    cursor_.expect("=");
    const Token op_token = cursor_.expect_kind(TokenKind::word, "an operation");
    if (cursor_.failed()) return;
    const std::optional<Op> op = op_from_name(op_token.text);
    if (!op || *op == Op::parameter) {
      return cursor_.fail(op_token.location, fmt::format("there is no operation `{}`", op_token.text));
    }
    Value value;
    value.op = *op;
    std::vector<Type> types;
    while (!cursor_.failed() && cursor_.peek().kind == TokenKind::value) {
      const ValueId operand = find_value(cursor_.take());
      if (cursor_.failed()) return;
      value.operands.push_back(operand);
      types.push_back(func[operand].type);
      if (!cursor_.accept(",")) break;
    }
    const size_t attributes = cursor_.position();
    skip_attributes();
    cursor_.expect(":");
    const SourceLocation type_place = cursor_.peek().location;
    value.type = cursor_.parse_type();
    if (cursor_.failed()) return;
    const size_t after = cursor_.position();
    cursor_.go_to(attributes);
    value.attr = parse_attr(cursor_, *op, value.type.dtype);
    if (cursor_.failed()) return;
    cursor_.go_to(after);
    const Result<Type> inferred = infer_type(*op, types, value.attr, value.type);
    if (!inferred) return cursor_.fail(op_token.location, fmt::format("{}: {}", op_token.text, inferred.error()));
    if (*inferred != value.type) {
      return cursor_.fail(
          type_place, fmt::format("{} gives {}, not {}", op_token.text, to_string(*inferred), to_string(value.type)));
    }
    if (cursor_.accept("kernel")) {
      const SourceLocation place = cursor_.peek().location;
      const int64_t kernel = cursor_.parse_integer("the number of a kernel");
      if (kernel < 0 || kernel > INT32_MAX) return cursor_.fail(place, "the number of a kernel is out of range");
      value.kernel = static_cast<int32_t>(kernel);
    }
    value.storage = parse_storage();
    if (cursor_.failed()) return;
    value.location = cursor_.take_location(*files_);
    define(name, func.add(std::move(value)));
  }
  // The attributes stand before the type but their numbers depend on its dtype: they are read second.
  void skip_attributes() {
    if (!cursor_.is("{")) return;
    while (cursor_.peek().kind != TokenKind::end && !cursor_.is("}")) cursor_.skip_token();
    cursor_.expect("}");
  }

  Func parse_func() {
    Func func;
    names_.clear();
    func.name = std::string(cursor_.expect_kind(TokenKind::func, "the name of a function").text);
    cursor_.expect("(");
    while (!cursor_.failed() && !cursor_.is(")")) {
      const Token name = cursor_.expect_kind(TokenKind::value, "an argument");
      cursor_.expect(":");
      Value value;
      value.name = std::string(name.text);
      value.type = cursor_.parse_type();
      const Token role_token =
          cursor_.failed() ? Token{} : cursor_.expect_kind(TokenKind::word, "the role of the argument");
      if (cursor_.failed()) break;
      const std::optional<Role> role = role_from_name(role_token.text);
      if (!role) {
        cursor_.fail(role_token.location,
                     fmt::format("`{}` is not a role: input, parameter, state, data, hyper or key", role_token.text));
        break;
      }
      value.role = *role;
      value.storage = parse_storage();
      if (cursor_.failed()) break;
      ++func.parameter_count;
      define(name, func.add(std::move(value)));
      if (!cursor_.accept(",")) break;
    }
    cursor_.expect(")");
    cursor_.expect("->");
    cursor_.expect("(");
    std::vector<std::pair<Token, Type>> declared;
    while (!cursor_.failed() && !cursor_.is(")")) {
      const Token name = cursor_.expect_kind(TokenKind::word, "the name of a result");
      cursor_.expect(":");
      declared.emplace_back(name, cursor_.failed() ? Type{} : cursor_.parse_type());
      if (!cursor_.accept(",")) break;
    }
    cursor_.expect(")");
    if (cursor_.accept("arena")) func.arena_bytes = cursor_.parse_offset();
    cursor_.expect("{");
    if (cursor_.failed()) return func;
    func.location = cursor_.take_location(*files_);
    while (!cursor_.failed() && cursor_.peek().kind == TokenKind::value) parse_value(func);
    cursor_.expect("return");
    for (size_t i = 0; !cursor_.failed() && i < declared.size(); ++i) {
      if (i > 0) cursor_.expect(",");
      const Token token = cursor_.expect_kind(TokenKind::value, "a value");
      if (cursor_.failed()) break;
      const ValueId value = find_value(token);
      if (cursor_.failed()) break;
      if (func[value].type != declared[i].second) {
        cursor_.fail(token.location, fmt::format("the result `{}` is declared {}, not {}", declared[i].first.text,
                                                 to_string(declared[i].second), to_string(func[value].type)));
      }
      func.results.push_back({std::string(declared[i].first.text), value});
    }
    cursor_.expect("}");
    return func;
  }

  std::optional<Item> parse_item() {
    if (cursor_.accept("func")) return parse_func();
    if (cursor_.accept("grad")) {
      GradientRequest request;
      request.name = std::string(cursor_.expect_kind(TokenKind::func, "a name").text);
      cursor_.expect("=");
      request.of = std::string(cursor_.expect_kind(TokenKind::func, "the name of a function").text);
      cursor_.expect("wrt");
      do {
        request.wrt.emplace_back(cursor_.expect_kind(TokenKind::value, "an argument").text);
      } while (!cursor_.failed() && cursor_.accept(","));
      request.location = cursor_.take_location(*files_);
      return request;
    }
    if (cursor_.accept("step")) {
      StepRequest request;
      request.name = std::string(cursor_.expect_kind(TokenKind::func, "a name").text);
      cursor_.expect("=");
      request.first = std::string(cursor_.expect_kind(TokenKind::func, "the name of a function").text);
      cursor_.expect("then");
      request.second = std::string(cursor_.expect_kind(TokenKind::func, "the name of a function").text);
      request.location = cursor_.take_location(*files_);
      return request;
    }
    cursor_.expected("`func`, `grad` or `step`");
    return std::nullopt;
  }

  Diagnostics& diagnostics_;
  TokenCursor cursor_;
  std::vector<std::string>* files_ = nullptr;
  TextPlaces places_;
  std::vector<SourceLocation> value_places_;  // of the item at hand
  std::unordered_map<std::string_view, ValueId> names_;
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
