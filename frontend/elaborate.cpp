// The driver: messages, limits, overrides, and the order in which a run is elaborated.
#include "frontend/elaborate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "frontend/check_names.h"
#include "frontend/elaborator.h"

namespace gradc::frontend {

namespace {

// A number of the command line: 8, 0.5, true.
std::optional<Scalar> read_number(const std::string& text) {
  if (text == "true" || text == "false") return boolean_scalar(text == "true");
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  const bool whole = text.find_first_of(".eE") == std::string::npos && std::fabs(value) <= 9007199254740992.0;
  return whole ? integer_scalar(value) : real_scalar(value);
}

}  // namespace

bool is_override(const std::string& text) { return read_number(text).has_value(); }

Elaborator::Elaborator(const Spec& spec, const Overrides& overrides, ir::Diagnostics& diagnostics,
                       const ElaborateLimits& limits)
    : spec_(spec), overrides_(overrides), diagnostics_(diagnostics), limits_(limits) {}

bool Elaborator::is_library(ir::SourceLocation location) const {
  return location.valid() && spec_.files[static_cast<size_t>(location.file)].library;
}

// One that shows inside the library is the fault of the call that led there: the headline stands at the call.
ir::Diagnostic Elaborator::diagnostic_at(ir::SourceLocation location, std::string message) const {
  ir::Diagnostic diagnostic{ir::Severity::error, std::move(message), location, {}, {}, {}};
  if (is_library(location)) {
    for (auto call = calls_.rbegin(); call != calls_.rend(); ++call) {
      if (is_library(call->site)) continue;
      diagnostic.location = call->site;
      return diagnostic.label(call->site, fmt::format("in this use of `{}`", call->definition->name.text));
    }
  }
  if (!calls_.empty() && calls_.back().site.valid() && calls_.back().site != location) {
    const Call& call = calls_.back();
    diagnostic.note(fmt::format("in the use of `{}` at {}:{}:{}", call.definition->name.text,
                                spec_.sources.file(call.site.file).name, call.site.line, call.site.column));
  }
  return diagnostic;
}

// A mistake.
ir::Diagnostic& Elaborator::error(ir::SourceLocation location, std::string message) {
  if (exhausted_) {
    unheard_ = {};
    return unheard_;
  }
  return diagnostics_.add(diagnostic_at(location, std::move(message)));
}

// Counts one step of work; false when the limit is reached, which is reported once.
bool Elaborator::spend(ir::SourceLocation location) {
  if (exhausted_) return false;
  ++evaluations_;
  size_t values = 0;
  for (const Target& target : targets_) values += target.func().size();
  if (evaluations_ <= limits_.evaluations && values <= limits_.values) return true;
  error(location, evaluations_ > limits_.evaluations
                      ? fmt::format("the spec takes more than {} steps to elaborate", limits_.evaluations)
                      : fmt::format("the program has more than {} values", limits_.values))
      .help("is a `repeat` too long?");
  exhausted_ = true;
  return false;
}

// Whether a tensor of this shape is within the limits.
bool Elaborator::fits(const ir::Shape& shape, ir::SourceLocation location, std::string_view what) {
  if (ir::checked_element_count(shape)) return true;
  if (shape.size() > ir::kMaxRank) {
    error(location, fmt::format("{} has {} axes; at most {} are possible", what, shape.size(), ir::kMaxRank));
  } else {
    error(location, fmt::format("{} is too large: {} has more than {} elements", what,
                                ir::to_string({ir::DType::f32, shape}), ir::kMaxElements));
  }
  return false;
}

// Parameters and states live together: their sum is limited as one tensor is.
void Elaborator::count_state(const ir::Type& type, ir::SourceLocation location) {
  const double before = state_elements_;
  state_elements_ += static_cast<double>(type.elements());
  const auto limit = static_cast<double>(ir::kMaxElements);
  if (before <= limit && state_elements_ > limit) {
    error(location, fmt::format("the parameters and states together have more than {} elements", ir::kMaxElements));
  }
}

Target& Elaborator::make_target(Target::Kind kind, int64_t batch) {
  targets_.emplace_back(kind, batch);
  return targets_.back();
}

void Elaborator::read_overrides() {
  // Those of the file, and of the files that it imports where it has none of the name.
  std::multimap<std::string, const Definition*> constants;
  std::vector<std::string> names;
  const auto add = [&](const SpecFile& file) {
    for (const auto& [key, definition] : file.own) {
      if (definition->kind == DefinitionKind::constant) constants.emplace(key.second, definition);
    }
  };
  const SpecFile& main = spec_.files[static_cast<size_t>(spec_.main)];
  add(main);
  const std::multimap<std::string, const Definition*> own = constants;
  for (const SpecFile& file : spec_.files) {
    if (&file != &main && !file.library) add(file);
  }
  for (const auto& [name, definition] : constants) names.push_back(name);
  for (const auto& [name, text] : overrides_.constants) {
    const std::optional<Scalar> value = read_number(text);
    if (!value) {
      diagnostics_.error({}, fmt::format("-D {}={}: `{}` is not a number", name, text, text));
    } else if (constants.count(name) == 0) {
      auto& message = diagnostics_.error({}, fmt::format("-D {}: the spec has no const `{}`", name, name));
      const std::string nearest = ir::nearest_name(name, names);
      if (!nearest.empty()) message.help(fmt::format("did you mean `{}`?", nearest));
    } else {
      const auto [first, last] = own.count(name) > 0 ? own.equal_range(name) : constants.equal_range(name);
      for (auto at = first; at != last; ++at) defined_[at->second] = *value;
    }
  }
  for (const auto& [name, text] : overrides_.settings) {
    const std::optional<Scalar> value = read_number(text);
    if (!value || value->is_boolean()) {
      diagnostics_.error({}, fmt::format("--set {}={}: `{}` is not a number", name, text, text));
    } else {
      set_[name] = value->value;
    }
  }
}

std::optional<double> Elaborator::override_of(const std::string& setting) {
  const auto found = set_.find(setting);
  if (found == set_.end()) return std::nullopt;
  set_used_.insert(setting);
  return found->second;
}

std::optional<Program> Elaborator::run(const std::string& run_name) {
  const auto& definitions = spec_.files[static_cast<size_t>(spec_.main)].ast.definitions;
  for (const Definition* definition : definitions) {
    if (definition->kind != DefinitionKind::train) continue;
    if (run_name.empty() || definition->name.text == run_name) {
      train_ = definition;
      break;
    }
  }
  if (!train_) {
    const std::string& file = spec_.sources.file(spec_.main).name;
    if (run_name.empty()) {
      diagnostics_.error({}, fmt::format("{} has no `train` block", file))
          .help("write `train NAME: MODEL on DATA { loss ...; optimizer ...; batch ...; steps ... }`");
    } else {
      auto& message = diagnostics_.error({}, fmt::format("{} has no `train` block named `{}`", file, run_name));
      const std::vector<std::string> names = run_names(spec_);
      const std::string nearest = ir::nearest_name(run_name, names);
      if (!nearest.empty()) {
        message.help(fmt::format("did you mean `{}`?", nearest));
      } else if (!names.empty()) {
        message.help(fmt::format("it has `{}`", fmt::join(names, "`, `")));
      }
    }
    return std::nullopt;
  }
  read_overrides();
  program_.run = train_->name.text;

  // Whatever is elaborated needs a function; constants are evaluated in this one, which is thrown away.
  Scope file_scope;
  file_scope.file = spec_.main;
  Frame file_frame;
  file_frame.kind = Frame::Kind::train;
  initial_ = &make_target(Target::Kind::initial, 1);
  context_.scope = &file_scope;
  context_.frame = &file_frame;
  context_.target = &make_target(Target::Kind::step, 1);
  for (const Definition* definition : definitions) {
    if (definition->kind == DefinitionKind::constant) constant_value(definition);
  }
  // A mistake in one part does not hide those of the others: what is unknown then is silent where it is used.
  read_train_items(*train_);
  model_ = spec_.find(spec_.main, NameSpace::value, train_->model.text);
  if (!model_ || model_->kind != DefinitionKind::model) {
    auto& message = error(train_->model.location, model_ ? fmt::format("`{}` is a {}, not a model", train_->model.text,
                                                                       definition_word(model_->kind))
                                                         : fmt::format("unknown model `{}`", train_->model.text));
    suggest(message, train_->model.text, model_names(spec_));
    model_ = nullptr;
  }
  data_ = spec_.find(spec_.main, NameSpace::data, train_->data.text);
  if (!data_) {
    auto& message = error(train_->data.location, fmt::format("unknown data `{}`", train_->data.text));
    suggest(message, train_->data.text, spec_.names(spec_.main, NameSpace::data));
  }
  if (model_) program_.model = model_->name.text;
  const size_t before_data = diagnostics_.error_count();
  if (!data_) {
    data_broken_ = true;
  } else if (!data_->source.text.empty()) {
    elaborate_files(*data_);
  } else if (data_->literal_rows) {
    elaborate_rows(*data_);
  } else {
    elaborate_data(*data_);
  }
  data_broken_ = data_broken_ || diagnostics_.error_count() != before_data;
  read_schedule(*train_);
  elaborate_loss(*train_);
  if (!data_broken_ && !model_broken_ && !loss_broken_ && !overrides_.batch) elaborate_other_sides();
  elaborate_optimizer();
  elaborate_metrics(*train_);
  elaborate_examples(*train_);
  for (const auto& [name, value] : set_) {
    if (set_used_.count(name) > 0 || diagnostics_.has_errors()) continue;
    std::vector<std::string> names;
    for (const Setting& setting : program_.settings) names.push_back(setting.name);
    auto& message = diagnostics_.error({}, fmt::format("--set {}: the run has no such setting", name));
    const std::string nearest = ir::nearest_name(name, names);
    if (!nearest.empty()) {
      message.help(fmt::format("did you mean `{}`?", nearest));
    } else if (!names.empty()) {
      message.help(fmt::format("it has `{}`", fmt::join(names, "`, `")));
    }
  }
  if (diagnostics_.has_errors() || exhausted_) return std::nullopt;
  finish();
  return std::move(program_);
}

std::optional<Program> elaborate(const Spec& spec, const std::string& run, const Overrides& overrides,
                                 ir::Diagnostics& diagnostics, const ElaborateLimits& limits) {
  if (spec.main < 0) {
    diagnostics.error({}, "there is no spec");
    return std::nullopt;
  }
  std::optional<Program> program = Elaborator(spec, overrides, diagnostics, limits).run(run);
  if (program) check_names(spec, diagnostics);
  return diagnostics.has_errors() ? std::nullopt : std::move(program);
}

}  // namespace gradc::frontend
