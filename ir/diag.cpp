#include "ir/diag.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>

namespace gradc::ir {

Diagnostic& Diagnostic::label(SourceLocation place, std::string text) {
  labels.push_back({place, std::move(text)});
  return *this;
}
Diagnostic& Diagnostic::note(std::string text) {
  notes.push_back(std::move(text));
  return *this;
}
Diagnostic& Diagnostic::help(std::string text) {
  helps.push_back(std::move(text));
  return *this;
}

Diagnostic& Diagnostics::add(Diagnostic diagnostic) {
  if (diagnostic.severity == Severity::error) ++error_count_;
  all_.push_back(std::move(diagnostic));
  return all_.back();
}

Diagnostic& Diagnostics::error(SourceLocation location, std::string message) {
  return add({Severity::error, std::move(message), location, {}, {}, {}});
}

Diagnostic& Diagnostics::warning(SourceLocation location, std::string message) {
  return add({Severity::warning, std::move(message), location, {}, {}, {}});
}

namespace {

// Control characters would break the layout of the carets (and could drive the reader's terminal).
std::string printable(std::string_view line) {
  std::string out;
  for (char c : line) out += (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) ? ' ' : c;
  return out;
}

constexpr size_t kMaxShownColumns = 160;

void render_labels(const Diagnostic& diagnostic, const Sources& sources, std::string& out) {
  std::vector<Label> labels = diagnostic.labels;
  if (labels.empty()) labels.push_back({diagnostic.location, {}});
  size_t digits = 1;
  for (const Label& label : labels) digits = std::max(digits, std::to_string(label.location.line).size());
  const std::string margin(digits, ' ');
  SourceLocation shown;
  for (const Label& label : labels) {
    if (!label.location.valid()) continue;
    const SourceFile& file = sources.file(label.location.file);
    const std::string number = fmt::format("{:>{}}", label.location.line, digits);
    if (shown.file != label.location.file || shown.line != label.location.line) {
      if (label.location.file != diagnostic.location.file) out += fmt::format("  in {}:\n", file.name);
      out += fmt::format("  {} | {}\n", number, printable(file.line(label.location.line)).substr(0, kMaxShownColumns));
      shown = label.location;
    }
    if (label.location.column > kMaxShownColumns) {
      out += fmt::format("  {} | column {}{}{}\n", margin, label.location.column, label.text.empty() ? "" : ": ",
                         label.text);
      continue;
    }
    const size_t width =
        std::min<size_t>(std::max<uint32_t>(label.location.length, 1), kMaxShownColumns - label.location.column + 1);
    out += fmt::format("  {} | {}{}{}{}\n", margin, std::string(label.location.column - 1, ' '),
                       std::string(width, '^'), label.text.empty() ? "" : " ", label.text);
  }
}

std::string render_one(const Diagnostic& diagnostic, const Sources& sources) {
  std::string out;
  const char* severity = diagnostic.severity == Severity::error ? "error" : "warning";
  if (diagnostic.location.valid()) {
    out += fmt::format("{}:{}:{}: {}: {}\n", sources.file(diagnostic.location.file).name, diagnostic.location.line,
                       diagnostic.location.column, severity, diagnostic.message);
    render_labels(diagnostic, sources, out);
  } else {
    out += fmt::format("{}: {}\n", severity, diagnostic.message);
  }
  for (const std::string& note : diagnostic.notes) out += fmt::format("  note: {}\n", note);
  for (const std::string& help : diagnostic.helps) out += fmt::format("  help: {}\n", help);
  return out;
}

}  // namespace

std::string Diagnostics::render(size_t most) const {
  std::vector<const Diagnostic*> ordered;
  for (const Diagnostic& diagnostic : all_) ordered.push_back(&diagnostic);
  std::sort(ordered.begin(), ordered.end(), [](const Diagnostic* a, const Diagnostic* b) {
    return std::tie(a->location, a) < std::tie(b->location, b);  // elements of one vector: the older one first
  });
  std::string out;
  std::string previous;
  size_t shown = 0;
  for (const Diagnostic* diagnostic : ordered) {
    std::string text = render_one(*diagnostic, sources_);
    if (text == previous) continue;
    if (shown == most) {
      out += fmt::format("... and more: {} errors in all\n", error_count_);
      break;
    }
    out += text;
    previous = std::move(text);
    ++shown;
  }
  return out;
}

std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate == word || candidate.size() > 64 || word.size() > 64) continue;
    std::vector<size_t> row(candidate.size() + 1);
    for (size_t j = 0; j <= candidate.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= candidate.size(); ++j) {
        const size_t above = row[j];
        row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1)});
        diagonal = above;
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace gradc::ir
