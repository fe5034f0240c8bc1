// Definitions that a run does not use: their names must mean something too. What they mean, and everything about
// shapes, can only be said where they are used; that is elaboration's part.
#include "frontend/check_names.h"

#include <fmt/format.h>

#include <set>

#include "frontend/elaborator.h"

namespace gradc::frontend {

namespace {

class NameCheck {
 public:
  NameCheck(const Spec& spec, const Definition& definition, ir::Diagnostics& diagnostics)
      : spec_(spec), definition_(definition), diagnostics_(diagnostics) {}

  // First everything that is introduced anywhere in the definition, then everything that is used.
  void run() {
    for (const bool collect : {true, false}) {
      collecting_ = collect;
      for (const std::vector<Formal>* formals : {&definition_.statics, &definition_.tensors}) {
        for (const Formal& formal : *formals) {
          introduce(formal.name.text);
          if (formal.type) type(*formal.type, true);
          if (formal.default_value) expression(*formal.default_value);
        }
      }
      for (const Name& name : definition_.optimizer_names) introduce(name.text);
      if (definition_.result) type(*definition_.result, false);
      if (definition_.value) expression(*definition_.value);
      if (definition_.row_count) expression(*definition_.row_count);
      if (definition_.body) block(*definition_.body);
    }
  }

 private:
  void introduce(const std::string& name) {
    if (collecting_) introduced_.insert(name);
  }

  // The dimensions of an argument introduce names.
  void type(const TypeExpr& type, bool introduces) {
    for (const Expr* dimension : type.dimensions) {
      const bool word = dimension->kind == ExprKind::name || dimension->kind == ExprKind::pack;
      if (introduces && word) introduce(dimension->text);
      expression(*dimension);
    }
    if (type.range) {
      if (introduces && type.range->kind == ExprKind::name) introduce(type.range->text);
      expression(*type.range);
    }
  }

  void index(const Index& index) {
    introduce(index.name.text);
    if (index.limit) expression(*index.limit);
  }

  void block(const Block& block) {
    for (const Statement* statement : block.statements) {
      for (const Name& name : statement->names) introduce(name.text);
      for (const Index& own : statement->indices) index(own);
      if (statement->type) type(*statement->type, false);
      // A distribution is a word of the language.
      const bool sample = statement->kind == StatementKind::sample && statement->value->kind == ExprKind::call;
      if (sample) {
        for (const Argument& argument : statement->value->arguments) expression(*argument.value);
      } else if (statement->value) {
        expression(*statement->value);
      }
      if (statement->body) this->block(*statement->body);
    }
  }

  void expression(const Expr& expr) {
    if (expr.kind == ExprKind::name || expr.kind == ExprKind::pack) use(expr);
    for (const Index& own : expr.indices) index(own);
    for (const Expr* operand : expr.operands) expression(*operand);
    for (const Argument& argument : expr.arguments) expression(*argument.value);
    for (const Block* own : expr.blocks) block(*own);
  }

  void use(const Expr& expr) {
    if (collecting_ || introduced_.count(expr.text) != 0) return;
    const int32_t file = definition_.location.file;
    if (expr.kind == ExprKind::name &&
        (is_builtin(expr.text) || expr.text == "grad" || spec_.find(file, NameSpace::value, expr.text)))
      return;
    if (!reported_.insert(expr.text).second) return;
    ir::Diagnostic& message = diagnostics_.error(
        expr.location, fmt::format("unknown name `{}{}`", expr.kind == ExprKind::pack ? ".." : "", expr.text));
    std::vector<std::string> names(introduced_.begin(), introduced_.end());
    for (std::string& name : spec_.names(file, NameSpace::value)) names.push_back(std::move(name));
    const std::string nearest = expr.text.size() > 1 ? ir::nearest_name(expr.text, names) : std::string();
    if (!nearest.empty()) message.help(fmt::format("did you mean `{}`?", nearest));
    message.note(
        fmt::format("{} `{}` is not used by this run", definition_word(definition_.kind), definition_.name.text));
  }

  const Spec& spec_;
  const Definition& definition_;
  ir::Diagnostics& diagnostics_;
  bool collecting_ = true;
  std::set<std::string> introduced_, reported_;
};

}  // namespace

void check_names(const Spec& spec, ir::Diagnostics& diagnostics) {
  for (const SpecFile& file : spec.files) {
    if (file.library) continue;
    for (const auto& [key, definition] : file.own) {
      // The names of a train block have rules of their own; those of rows and files are columns.
      const bool columns = !definition->rows.empty() || definition->literal_rows || !definition->files.empty();
      if (definition->kind != DefinitionKind::train && !columns) NameCheck(spec, *definition, diagnostics).run();
    }
  }
}

}  // namespace gradc::frontend
