#include "frontend/print_ast.h"

#include <fmt/format.h>

#include <cmath>

namespace gradc::frontend {

namespace {

std::string print_number(const Expr& expr) {
  if (std::isinf(expr.number)) return "inf";
  if (expr.text == "integer") return fmt::format("{:.0f}", expr.number);
  std::string text = fmt::format("{}", expr.number);
  // A real stays one: `2.0` is not `2`.
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string print_index(const Index& index) {
  std::string text = (index.pack ? ".." : "") + index.name.text;
  if (index.limit) text += " < " + print_expression(*index.limit);
  return text;
}

template <class List, class Print>
std::string join(const List& list, Print print) {
  std::string text;
  for (const auto& item : list) {
    if (!text.empty()) text += ", ";
    text += print(item);
  }
  return text;
}

std::string print_indices(const std::vector<Index>& indices) { return "[" + join(indices, print_index) + "]"; }

std::string print_argument(const Argument& argument) {
  const std::string value = print_expression(*argument.value);
  return argument.name.text.empty() ? value : argument.name.text + " = " + value;
}

std::string print_formal(const Formal& formal) {
  std::string text = formal.name.text;
  if (formal.type) text += ": " + print_type(*formal.type);
  if (formal.default_value) text += " = " + print_expression(*formal.default_value);
  return text;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

std::string print_block(const Block& block, size_t indent);

std::string print_names(const std::vector<Name>& names) {
  return join(names, [](const Name& name) { return name.text; });
}

std::string print_statement(const Statement& statement, size_t indent) {
  const std::string value = statement.value ? print_expression(*statement.value) : "";
  const std::string names = print_names(statement.names);
  const std::string indices = statement.indexed ? print_indices(statement.indices) : "";
  switch (statement.kind) {
    case StatementKind::let:
      return fmt::format("let {}{} = {}", names, indices, value);
    case StatementKind::sample:
      return fmt::format("let {}{} ~ {}", names, indices, value);
    case StatementKind::param:
      return fmt::format("param {}: {} = {}", names, print_type(*statement.type), value);
    case StatementKind::state:
      return fmt::format("state {}: {} = {}", names, print_type(*statement.type), value);
    case StatementKind::assign:
      return fmt::format("{} <- {}", names, value);
    case StatementKind::rebind:
      return fmt::format("{} = {}", names, value);
    case StatementKind::repeat:
      return fmt::format("repeat {} {}", value, print_block(*statement.body, indent));
    case StatementKind::constant:
      return fmt::format("const {} = {}", names, value);
    case StatementKind::require:
      return fmt::format("require {}, {}", print_expression(*statement.value), quoted(statement.text.text));
    case StatementKind::report:
      return fmt::format("report {} = {}", names, value);
    case StatementKind::expression:
      return value;
  }
  return {};
}

std::string print_block(const Block& block, size_t indent) {
  std::string text = "{\n";
  for (const Statement* statement : block.statements) {
    text += std::string(indent + 2, ' ') + print_statement(*statement, indent + 2) + "\n";
  }
  return text + std::string(indent, ' ') + "}";
}

std::string print_bare(const Expr& expr) {
  const auto part = [&](size_t k) { return print_expression(*expr.operands[k]); };
  const auto print_operand = [](const Expr* operand) { return print_expression(*operand); };
  switch (expr.kind) {
    case ExprKind::number:
      return print_number(expr);
    case ExprKind::boolean:
      return expr.number != 0 ? "true" : "false";
    case ExprKind::string:
      return quoted(expr.text);
    case ExprKind::name:
      return expr.text;
    case ExprKind::old_name:
      return "old " + expr.text;
    case ExprKind::pack:
      return ".." + expr.text;
    case ExprKind::unary:
      return expr.text == "not" ? "not " + part(0) : expr.text + part(0);
    case ExprKind::binary:
      return expr.text == "^" ? part(0) + "^" + part(1) : fmt::format("{} {} {}", part(0), expr.text, part(1));
    case ExprKind::conditional:
      return fmt::format("if {} then {} else {}", part(0), part(1), part(2));
    case ExprKind::call:
      return fmt::format("{}({})", part(0), join(expr.arguments, print_argument));
    case ExprKind::subscript: {
      std::vector<const Expr*> subscripts(expr.operands.begin() + 1, expr.operands.end());
      return fmt::format("{}[{}]", part(0), join(subscripts, print_operand));
    }
    case ExprKind::range:
      return fmt::format("{} .. {}", part(0), part(1));
    case ExprKind::reduction:
      return fmt::format("{}{} {}", expr.text, print_indices(expr.indices), part(0));
    case ExprKind::list:
      return fmt::format("[{}]", join(expr.operands, print_operand));
    case ExprKind::pipe:
      return fmt::format("{} |> {}", part(0), part(1));
    case ExprKind::stop:
      return fmt::format("stop({})", part(0));
    case ExprKind::when:
      return fmt::format("when training {} else {}", print_block(*expr.blocks[0], 2), print_block(*expr.blocks[1], 2));
    case ExprKind::convert:
      return fmt::format("idx<{}>({})", part(0), part(1));
    case ExprKind::error:
      return "<error>";
  }
  return {};
}

std::string print_part(const Name& data, const Name& part) {
  return part.text.empty() ? data.text : data.text + "." + part.text;
}

std::string print_source(const Name& source, const std::vector<Name>& files) {
  return fmt::format("{}({})", source.text, join(files, [](const Name& file) { return quoted(file.text); }));
}

// What stands behind the rows of a data block.
std::string print_tail(const Definition& definition) {
  std::string text;
  if (definition.row_count) text += " rows " + print_expression(*definition.row_count);
  if (!definition.split.empty()) {
    text += " split " + join(definition.split, [](const SplitShare& share) {
              return share.part.text + " " + print_expression(*share.share);
            });
  }
  if (!definition.test_files.empty()) text += " test " + print_source(definition.source, definition.test_files);
  return text;
}

std::string print_items(const Definition& definition) {
  std::string text = "{\n";
  for (const TrainItem& item : definition.items) {
    text += "  " + item.word + " ";
    if (item.word == "example") {
      text += join(item.inputs, print_argument);
      if (!item.label.empty()) text += " as " + quoted(item.label);
    } else if (item.word == "log") {
      text += "every " + print_expression(*item.value) + " steps";
    } else if (item.word == "stop") {
      text += fmt::format("when mean(loss, {}) < {}", print_expression(*item.every), print_expression(*item.value));
    } else if (item.word == "metric") {
      text += fmt::format("{} = {}", item.name.text, print_expression(*item.value));
    } else if (item.word == "valid") {
      text += "loss";
    } else {
      text += print_expression(*item.value);
    }
    if (item.every && item.word != "stop") {
      text += fmt::format(" every {} {}", print_expression(*item.every), item.every_epochs ? "epochs" : "steps");
    }
    if (!item.data.text.empty()) text += " on " + print_part(item.data, item.part);
    text += "\n";
  }
  return text + "}";
}

}  // namespace

std::string print_expression(const Expr& expr) {
  return expr.parenthesised ? "(" + print_bare(expr) + ")" : print_bare(expr);
}

std::string print_type(const TypeExpr& type) {
  std::string text = type.word;
  if (type.word == "like") text += " " + type.like.text;
  if (type.range) text += "<" + print_expression(*type.range) + ">";
  if (type.has_shape) text += "[" + join(type.dimensions, [](const Expr* e) { return print_expression(*e); }) + "]";
  return text;
}

std::string print_definition(const Definition& definition) {
  const std::string head = fmt::format("{} {}", definition_word(definition.kind), definition.name.text);
  const std::string tensors = "(" + join(definition.tensors, print_formal) + ")";
  const std::string statics = "(" + join(definition.statics, print_formal) + ")";
  const std::string body = definition.body ? print_block(*definition.body, 0) : "";
  switch (definition.kind) {
    case DefinitionKind::constant:
      return fmt::format("{} = {}", head, print_expression(*definition.value));
    case DefinitionKind::function:
      return definition.value ? fmt::format("{}{} = {}", head, tensors, print_expression(*definition.value))
                              : fmt::format("{}{} {}", head, tensors, body);
    case DefinitionKind::layer:
      return fmt::format("{}{}{} -> {} {}", head, statics, tensors, print_type(*definition.result), body);
    case DefinitionKind::model:
      return fmt::format("{}{} -> {} {}", head, tensors, print_type(*definition.result), body);
    case DefinitionKind::loss:
      return fmt::format("{}{} {}", head, tensors, body);
    case DefinitionKind::optimizer:
      return fmt::format("{}{} on ({}) {}", head, statics, print_names(definition.optimizer_names), body);
    case DefinitionKind::data: {
      if (!definition.source.text.empty()) {
        const std::string windows =
            definition.windows ? fmt::format(" windows({})", print_expression(*definition.windows)) : "";
        return fmt::format("{} = {}{} {}{}", head, print_source(definition.source, definition.files), windows, body,
                           print_tail(definition));
      }
      if (!definition.literal_rows) return fmt::format("{} {}{}", head, body, print_tail(definition));
      std::string text = head + " = rows";
      for (const Block* row : definition.rows) text += " " + print_block(*row, 0);
      return text + print_tail(definition);
    }
    case DefinitionKind::train:
      return fmt::format("{}: {} on {} {}", head, definition.model.text, print_part(definition.data, definition.part),
                         print_items(definition));
  }
  return {};
}

std::string print_ast(const Ast& ast) {
  std::string text = "language 1\n";
  for (const Import& import : ast.imports) text += fmt::format("import {}\n", quoted(import.path));
  for (const Definition* definition : ast.definitions) text += "\n" + print_definition(*definition) + "\n";
  return text;
}

}  // namespace gradc::frontend
