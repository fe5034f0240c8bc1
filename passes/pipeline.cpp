#include "passes/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "ir/diag.h"
#include "ir/ensure.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "passes/apply_optimizer.h"
#include "passes/differentiate.h"
#include "passes/passes.h"

namespace gradc::passes {

namespace {

// The pipeline, in order, and when a pass is part of it.
enum class When : uint8_t { always, optimize, fold_rate };
struct PipelineRow {
  std::string_view pass;
  Stage stage;  // the stage that this pass belongs to
  When when;
};
constexpr PipelineRow kPipeline[] = {
    {"differentiate", Stage::grad, When::always}, {"apply_optimizer", Stage::step, When::always},
    {"simplify", Stage::opt, When::optimize},     {"fold", Stage::opt, When::optimize},
    {"cse", Stage::opt, When::optimize},          {"simplify", Stage::opt, When::optimize},
    {"fold", Stage::opt, When::optimize},         {"ignore_zero_sign", Stage::opt, When::optimize},
    {"simplify", Stage::opt, When::optimize},     {"cse", Stage::opt, When::optimize},
    {"fold_rate", Stage::opt, When::fold_rate},   {"dce", Stage::opt, When::optimize},
    {"order", Stage::ordered, When::always},      {"fuse", Stage::fused, When::always},
    {"plan_memory", Stage::memory, When::always},
};

constexpr std::array<std::string_view, 7> kStages = {"ir", "grad", "step", "opt", "ordered", "fused", "memory"};

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}
bool lists(const std::vector<std::string>& list, std::string_view name) {
  return contains(list, name) || contains(list, "all");
}

std::string describe_module(const void* module) { return ir::print(*static_cast<const ir::Module*>(module)); }

}  // namespace

std::optional<Stage> stage_from_name(std::string_view name) {
  for (size_t i = 0; i < kStages.size(); ++i) {
    if (kStages[i] == name) return static_cast<Stage>(i);
  }
  return std::nullopt;
}

std::vector<std::string_view> pass_names() {
  std::vector<std::string_view> names = {"differentiate", "apply_optimizer"};
  for (const PassInfo& pass : all_passes()) names.push_back(pass.name);
  return names;
}

void check_module(const ir::Module& module, std::string_view after, bool read_back,
                  const std::vector<std::string>& changed) {
  std::vector<ir::VerifyError> errors;
  if (changed.empty()) errors = ir::verify(module);
  for (const std::string& name : changed) {
    if (!errors.empty()) break;
    if (const ir::Func* func = module.find(name)) errors = ir::verify(*func);
  }
  ENSURE(errors.empty(), fmt::format("after {}: {}\n{}", after, to_string(errors.front()), ir::print(module)));
  if (!read_back) return;
  const std::string text = ir::print(module);
  ir::Sources sources;
  ir::Diagnostics diagnostics(sources);
  const int32_t file = sources.add("printed.ir", text);
  const std::optional<ir::Module> again = ir::parse(sources, file, diagnostics);
  ENSURE(again.has_value(), fmt::format("after {}: the printed text does not parse:\n{}", after, diagnostics.render()));
  const std::string second = ir::print(*again);
  ENSURE(second == text,
         fmt::format("after {}: the printed text changes when it is read back:\n{}\n{}", after, text, second));
}

bool Runner::run_pass(std::string_view name, ir::Module& module, const std::vector<std::string>& compiled) {
  const PassInfo* pass = find_pass(name);
  const bool on_module = name == "differentiate" || name == "apply_optimizer";
  if (pass == nullptr && !on_module) return false;
  if (lists(options_.print_before, name)) options_.print(fmt::format("# before {}\n{}\n", name, ir::print(module)));

  const std::string doing = fmt::format("pass {}", name);
  const auto start = std::chrono::steady_clock::now();
  ir::Module given;  // what the pass worked on
  if (on_module) {
    given = std::move(module);
    const ir::EnsureContext context(doing, describe_module, &given);
    module = name == "differentiate" ? differentiate(given) : apply_optimizer(given);
  } else {
    const ir::EnsureContext context(doing, describe_module, &module);
    given.files = module.files;
    for (ir::Item& item : module.items) {
      ir::Func* func = std::get_if<ir::Func>(&item);
      if (func == nullptr || (!compiled.empty() && !contains(compiled, func->name))) continue;
      ir::Func after = pass->run(*func);
      given.items.push_back(std::exchange(*func, std::move(after)));
    }
  }
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  times_.push_back({std::string(name), spent.count()});
  if (options_.check) {
    const ir::EnsureContext context(doing, describe_module, &given);
    check_module(module, name, options_.read_back, on_module ? std::vector<std::string>{} : compiled);
  }
  if (lists(options_.print_after, name)) options_.print(fmt::format("# after {}\n{}\n", name, ir::print(module)));
  return true;
}

ir::Module Runner::run(ir::Module module, Stage last, const std::vector<std::string>& compiled) {
  if (options_.check) check_module(module, "elaboration", options_.read_back);
  for (const PipelineRow& row : kPipeline) {
    const bool left_out =
        (row.when == When::optimize && !options_.optimize) || (row.when == When::fold_rate && !options_.fold_rate);
    if (row.stage > last || left_out) continue;
    if (options_.stop_after >= 0 && passes_run_ >= options_.stop_after) break;
    ++passes_run_;
    ENSURE(run_pass(row.pass, module, compiled), fmt::format("no pass {}", row.pass));
  }
  return module;
}

ir::Result<std::vector<std::string>> parse_pass_list(std::string_view list) {
  std::vector<std::string> passes;
  const std::vector<std::string_view> known = pass_names();
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string name(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return ir::Error{fmt::format("there is no pass `{}`; there are: {}", name, fmt::join(known, ", "))};
    }
    passes.push_back(name);
  }
  if (passes.empty()) return ir::Error{fmt::format("no pass is named; there are: {}", fmt::join(known, ", "))};
  return passes;
}

}  // namespace gradc::passes
