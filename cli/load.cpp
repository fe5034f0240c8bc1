#include "cli/load.h"

#include <fmt/core.h>

#include <cstdio>
#include <filesystem>

#include "cli/numbers.h"
#include "ir/ensure.h"
#include "ir/fault.h"
#include "runtime/file.h"

namespace gradc::cli {
namespace {

// "N=8" apart; false where there is no "=", no name or no number.
bool split_pairs(const std::vector<std::string>& words, const char* option,
                 std::vector<std::pair<std::string, std::string>>& pairs) {
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0 || !frontend::is_override(word.substr(equals + 1))) {
      fail_usage(fmt::format("{}: `{}` is not of the form NAME=NUMBER", option, word));
      return false;
    }
    pairs.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return true;
}

// Reads the files of data blocks, each once: a spec is elaborated for training and again for predicting.
ir::TableReader make_reader(const SpecWords& words) {
  using Cache = std::vector<std::pair<ir::TableRequest, std::shared_ptr<const ir::Table>>>;
  runtime::DataFolders folders{std::filesystem::path(words.spec).parent_path().string(), words.data_dir};
  return [folders, cache = std::make_shared<Cache>()](const ir::TableRequest& request) {
    for (const auto& [known, table] : *cache) {
      if (known == request) return ir::Result<std::shared_ptr<const ir::Table>>(table);
    }
    ir::Result<std::shared_ptr<const ir::Table>> table = runtime::read_table(request, folders);
    if (table) cache->emplace_back(request, *table);
    return table;
  };
}

void print_diagnostics(const ir::Diagnostics& diagnostics) {
  std::fflush(stdout);
  std::fputs(diagnostics.render().c_str(), stderr);
}

}  // namespace

int fail(const std::string& message) {
  std::fflush(stdout);
  fmt::print(stderr, "gradc: error: {}\n", message);
  return kFailed;
}

int fail_at(ir::SourceLocation place, const std::string& message, const Loaded& loaded) {
  ir::Diagnostics diagnostics(loaded.spec->sources);
  diagnostics.error(place, message);
  print_diagnostics(diagnostics);
  return kFailed;
}

int fail(const ir::Error& error, const Loaded& loaded, const frontend::Program& program) {
  if (!error.fault) return fail(error.message);
  ir::Diagnostic diagnostic;
  if (ir::is_fault(error.fault->result)) {
    const frontend::FaultPlace& place = program.faults[ir::fault_number(error.fault->result)];
    diagnostic = place.diagnostic;
    if (place.shows_value) diagnostic.message = fmt::format("{} is {}", plain(error.fault->value), diagnostic.message);
    if (!error.message.empty()) diagnostic.note(error.message);
  } else {  // of a column
    const std::vector<frontend::Column>& columns = program.data.columns;
    const auto column = std::find_if(columns.begin(), columns.end(), [&](const frontend::Column& candidate) {
      return candidate.name == error.fault->result;
    });
    ENSURE(column != columns.end(), "no column " + error.fault->result);
    diagnostic.message = error.message;
    diagnostic.location = column->values_location;
  }
  ir::Diagnostics diagnostics(loaded.spec->sources);
  diagnostics.add(std::move(diagnostic));
  print_diagnostics(diagnostics);
  return kFailed;
}

int fail_usage(const std::string& message) {
  std::fflush(stdout);
  fmt::print(stderr, "gradc: {}\n", message);
  return kUsage;
}

Loaded load(const SpecWords& words) {
  Loaded loaded;
  loaded.spec = std::make_unique<frontend::Spec>();
  if (!split_pairs(words.defines, "-D", loaded.overrides.constants) ||
      !split_pairs(words.settings, "--set", loaded.overrides.settings)) {
    loaded.exit_code = kUsage;
    return loaded;
  }
  loaded.overrides.steps = words.steps;
  loaded.overrides.seed = words.seed;
  loaded.overrides.read_table = make_reader(words);
  ir::Diagnostics diagnostics(loaded.spec->sources);
  if (ir::Status status = frontend::load_spec(words.spec, *loaded.spec, diagnostics); !status) {
    loaded.exit_code = fail(status.error());
    return loaded;
  }
  for (size_t k = 0; k < loaded.spec->sources.size(); ++k) {
    const ir::SourceFile& file = loaded.spec->sources.file(static_cast<int32_t>(k));
    const ir::Status text = runtime::check_text(file.name, file.text);
    if (!text) {
      loaded.exit_code = fail(text.error());
      return loaded;
    }
  }
  if (!diagnostics.empty()) print_diagnostics(diagnostics);
  if (diagnostics.has_errors()) loaded.exit_code = kFailed;
  return loaded;
}

std::optional<frontend::Program> elaborate(const Loaded& loaded, const std::string& run, std::optional<int64_t> batch,
                                           bool warnings) {
  frontend::Overrides overrides = loaded.overrides;
  overrides.batch = batch;
  overrides.interpreted = overrides.interpreted || batch.has_value();  // single predictions, gradient checks
  ir::Diagnostics diagnostics(loaded.spec->sources);
  std::optional<frontend::Program> program = frontend::elaborate(*loaded.spec, run, overrides, diagnostics);
  if (diagnostics.has_errors() || (warnings && !diagnostics.empty())) print_diagnostics(diagnostics);
  if (diagnostics.has_errors()) return std::nullopt;
  return program;
}

}  // namespace gradc::cli
