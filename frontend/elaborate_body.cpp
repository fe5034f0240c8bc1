// Bodies: their statements, `repeat`, and the value at their end.
#include <fmt/format.h>

#include "frontend/elaborator.h"

namespace gradc::frontend {

// A block's value is its last expression.
Value Elaborator::body(const Block& block, std::string_view of) {
  Value result = Broken{};
  if (block.statements.empty()) {
    error(block.location, fmt::format("the body of {} is empty", of)).help("its value is its last expression");
    return result;
  }
  for (const Statement* item : block.statements) {
    const bool last = item == block.statements.back();
    if (item->kind == StatementKind::require && !requirement(*item)) return result;
    if (item->kind != StatementKind::expression) {
      if (item->kind != StatementKind::require) statement(*item);
      if (last && !exhausted_) {
        error(item->location, fmt::format("the body of {} ends without a value", of))
            .help("its value is its last expression");
      }
      continue;
    }
    const Value value = evaluate(item->value);
    if (last) {
      result = value;
    } else if (!is_broken(value)) {
      error(item->value->span, "this value is not used").help("give it a name with `let`, or let it stand last");
    }
  }
  return result;
}

void Elaborator::statement(const Statement& item) {
  if (!spend(item.location)) return;
  const bool in_function = context_.frame->kind == Frame::Kind::function;
  switch (item.kind) {
    case StatementKind::let: {
      if (item.indexed) {
        const Value value = index_equation(item, item.value);
        define(item.names[0], value, "let");
        return;
      }
      // `let f = linear(5)` names the instance; only directly, not deeper in the expression.
      bool names_instance = false;
      if (item.value->kind == ExprKind::call && item.value->operands[0]->kind == ExprKind::name &&
          !find_binding(item.value->operands[0]->text)) {
        const Definition* called = spec_.find(context_.scope->file, NameSpace::value, item.value->operands[0]->text);
        names_instance = called && called->kind == DefinitionKind::layer;
      }
      if (names_instance && find_binding(item.names[0].text)) {  // no instance for a name that is taken
        check_new_name(item.names[0]);
        return;
      }
      pending_name_ = names_instance ? item.names[0] : Name{};
      const Value value = evaluate(item.value);
      pending_name_ = {};
      if (std::holds_alternative<Callable>(value) && std::get<Callable>(value).definition &&
          std::get<Callable>(value).definition->kind == DefinitionKind::layer) {
        error(item.value->span, fmt::format("`{}` is a layer, not an instance of one", item.value->text))
            .help(fmt::format("write `{}(...)` with its static arguments", item.value->text));
        define(item.names[0], Broken{}, "let");
        return;
      }
      define(item.names[0], value, "let");
      return;
    }
    case StatementKind::constant: {
      const std::optional<Scalar> value = evaluate_scalar(item.value, fmt::format("const `{}`", item.names[0].text));
      define(item.names[0], value ? Value(*value) : Value(Broken{}), "const");
      return;
    }
    case StatementKind::param:
      if (context_.frame->kind != Frame::Kind::layer) {
        error(item.location, "`param` stands in a layer or a model");
        return;
      }
      declare_parameters(item);
      return;
    case StatementKind::repeat:
      if (in_function) {
        error(item.location, "`repeat` stands in a layer or a model, not in a `fn`");
        return;
      }
      repeat(item);
      return;
    case StatementKind::rebind: {
      Binding* binding = find_binding(item.names[0].text);
      const bool own = context_.scope->names.count(item.names[0].text) > 0;
      if (context_.scope->parent && !context_.scope->local && binding && !own) {
        const bool argument = binding->what == "argument" || binding->what == "input";
        const bool carried = binding->what == "let" || binding->what == "sample" ||
                             (argument && std::holds_alternative<Tensor>(binding->value));
        if (!carried && !is_broken(binding->value)) {
          const std::string what = argument ? "static argument" : binding->what;
          auto& message = error(item.names[0].location,
                                fmt::format("`repeat` may not rebind the {} `{}`", what, item.names[0].text));
          message.label(binding->location, fmt::format("{} `{}`", what, item.names[0].text))
              .label(item.names[0].location, "again here");
          message.help(what == "state"
                           ? "`<-` sets a state"
                           : "`repeat` carries a name of a `let`, or a tensor argument, from round to round");
          return;
        }
        const Value value = evaluate(item.value);
        binding = find_binding(item.names[0].text);
        if (is_broken(value) || is_broken(binding->value)) {
          binding->value = Broken{};
          return;
        }
        const auto* before = std::get_if<Tensor>(&binding->value);
        const auto* after = std::get_if<Tensor>(&value);
        const bool same =
            before && after ? sample_shape(*before) == sample_shape(*after) : binding->value.index() == value.index();
        if (!same) {
          error(item.names[0].location, fmt::format("`repeat` may not change the type of `{}`", item.names[0].text))
              .label(binding->location, fmt::format("before: {}", describe(binding->value)))
              .label(item.value->span, fmt::format("after one round: {}", describe(value)));
          binding->value = Broken{};
          return;
        }
        binding->value = value;
        return;
      }
      auto& message = error(item.names[0].location, fmt::format("`{} = ...` without `let`", item.names[0].text));
      if (binding) {
        message.label(binding->location, fmt::format("`{}` is bound here", item.names[0].text))
            .label(item.names[0].location, "again here");
        message.help("names are bound once; only `repeat` carries a name from round to round");
      } else {
        message.help(fmt::format("write `let {} = ...`", item.names[0].text));
      }
      return;
    }
    case StatementKind::require:
      requirement(item);
      return;
    case StatementKind::sample:
      sample(item);
      return;
    case StatementKind::state:
      if (in_function) {
        error(item.location, "a `fn` has no state").help("make it a `layer`");
        for (const Name& name : item.names) define(name, Broken{}, "state");
        return;
      }
      declare_states(item);
      return;
    case StatementKind::assign:
      assign_state(item);
      return;
    case StatementKind::report:
      report(item);
      return;
    case StatementKind::expression: {
      const Value value = evaluate(item.value);
      if (!is_broken(value))
        error(item.value->span, "this value is not used").help("`name = e` carries a value to the next round");
      return;
    }
  }
}

void Elaborator::repeat(const Statement& item) {
  const std::optional<int64_t> count = evaluate_integer(item.value, "the count of `repeat`", 0);
  if (!count) return;
  Frame& frame = *context_.frame;
  const std::string suffix = frame.suffix;
  Scope* outer = context_.scope;
  for (int64_t round = 0; round < *count && !exhausted_; ++round) {
    const size_t errors = diagnostics_.error_count();
    if (!spend(item.location)) break;
    Scope scope;
    scope.parent = outer;
    scope.file = outer->file;
    context_.scope = &scope;
    frame.suffix = fmt::format("{}_{}", suffix, round);
    for (const Statement* inner : item.body->statements) statement(*inner);
    context_.scope = outer;
    if (diagnostics_.error_count() != errors) break;  // the next rounds would say the same
  }
  frame.suffix = suffix;
}

}  // namespace gradc::frontend
