// require CONDITION, "text": what a body asks of the dimensions and static arguments of its use. Where it does not
// hold, the use is at fault: the headline stands there, the requirement is the second place.
#include <fmt/format.h>

#include "frontend/elaborator.h"

namespace gradc::frontend {

// The text with the values of the names in its braces.
std::optional<std::string> Elaborator::requirement_text(const Name& text) {
  const bool plain = text.location.length == text.text.size() + 2;  // no escapes: places in it are known
  const auto place = [&](size_t begin, size_t length) {
    ir::SourceLocation location = text.location;
    if (plain) location.column += static_cast<uint32_t>(begin + 1), location.length = static_cast<uint32_t>(length);
    return location;
  };
  std::string result;
  for (size_t at = 0; at < text.text.size();) {
    const size_t open = text.text.find_first_of("{}", at);
    result += text.text.substr(at, open - at);
    if (open == std::string::npos) break;
    const size_t close = text.text.find('}', open);
    if (text.text[open] == '}' || close == std::string::npos) {
      error(place(open, 1), "a brace in the text of `require` stands around a name: `{k}`");
      return std::nullopt;
    }
    Expr name;
    name.kind = ExprKind::name;
    name.text = text.text.substr(open + 1, close - open - 1);
    name.location = name.span = place(open + 1, name.text.size());
    const Value value = look_up(&name);
    if (is_broken(value)) return std::nullopt;
    const auto* scalar = std::get_if<Scalar>(&value);
    if (!scalar || !scalar->known()) {
      error(name.location, fmt::format("`{{{}}}` in the text of `require` is a number known while compiling, found {}",
                                       name.text, scalar ? "a run-time number" : describe(value)));
      return std::nullopt;
    }
    result += scalar->is_boolean() ? (scalar->value != 0 ? "true" : "false") : fmt::format("{}", scalar->value);
    at = close + 1;
  }
  return result;
}

// Whether it holds; what does not, or cannot be told, has been reported.
bool Elaborator::requirement(const Statement& item) {
  if (!spend(item.location)) return false;
  const Value value = evaluate(item.value);
  const std::optional<std::string> text = requirement_text(item.text);
  if (is_broken(value) || !text) return false;
  const auto* scalar = std::get_if<Scalar>(&value);
  if (!scalar || !scalar->known() || !scalar->is_boolean()) {
    error(item.value->span, fmt::format("`require` takes a truth value known while compiling, found {}",
                                        scalar && !scalar->known() ? "one of run-time numbers" : describe(value)))
        .help("dimensions and arguments of type `int` and `bool` are known while compiling");
    return false;
  }
  if (scalar->value != 0) return true;
  size_t use = calls_.size();
  while (use > 0 && is_library(calls_[use - 1].site)) --use;
  if (use == 0) {
    error(item.value->span, *text).label(item.value->span, "required here");
    return false;
  }
  const Call& call = calls_[use - 1];
  ir::Diagnostic diagnostic{ir::Severity::error, inside() + *text, call.site, {}, {}, {}};
  diagnostic.label(call.site, fmt::format("in this use of `{}`", call.definition->name.text))
      .label(item.value->span, "required here");
  if (use > 1) {
    const Call& outer = calls_[use - 2];
    diagnostic.note(fmt::format("in the use of `{}` at {}:{}:{}", outer.definition->name.text,
                                spec_.sources.file(outer.site.file).name, outer.site.line, outer.site.column));
  }
  if (!exhausted_) diagnostics_.add(std::move(diagnostic));
  return false;
}

}  // namespace gradc::frontend
