// Rows that stay: how many there are, how they are split, and the files that they come from.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "frontend/elaborator.h"

namespace gradc::frontend {

namespace {

constexpr int64_t kMaxFixedRows = 1 << 20;
constexpr int64_t kMaxWindow = 1 << 16;

}  // namespace

// `rows 1000` behind formula data.
std::optional<int64_t> Elaborator::fixed_rows(const Definition& data) {
  if (!data.row_count) {
    if (!data.split.empty()) {
      error(data.split.front().part.location, "rows that are drawn afresh each step cannot be split")
          .help("fix them: `rows 1000` before `split`");
    }
    return std::nullopt;
  }
  const std::optional<int64_t> count = evaluate_integer(data.row_count, "`rows`", 1);
  if (!count || *count <= kMaxFixedRows) return count;
  error(data.row_count->span, fmt::format("`rows` is at most {}", kMaxFixedRows));
  return std::nullopt;
}

// The parts of `rows` resident rows, of which the last `test_rows` are the part `test`. Text, where a row is a window
// of so many characters, is cut in contiguous stretches, tables by a fixed shuffle.
bool Elaborator::split_rows(const Definition& data, int64_t rows, int64_t test_rows, int64_t window) {
  DataSource& source = program_.data;
  source.rows = rows;
  const int64_t own = rows - test_rows;
  if (data.split.empty()) {
    source.parts.push_back({"train", 0, own});
  } else {
    static constexpr const char* kParts[] = {"train", "valid", "test"};
    // Of text, characters are split: a window lies in one part.
    const int64_t units = window > 0 ? own + window - 1 : own;
    double shared = 0;
    int64_t begin = 0;
    for (const SplitShare& share : data.split) {
      const std::optional<Scalar> value = evaluate_scalar(share.share, "the share of a part");
      if (!value) return false;
      const std::string& name = share.part.text;
      if (std::find(std::begin(kParts), std::end(kParts), name) == std::end(kParts)) {
        error(share.part.location, fmt::format("a part is `train`, `valid` or `test`, not `{}`", name));
        return false;
      }
      if (source.part(name) || (name == "test" && test_rows > 0)) {
        error(share.part.location, fmt::format("the part `{}` is named twice", name));
        return false;
      }
      if (!(value->value > 0) || value->value > 1) {
        error(share.share->span,
              fmt::format("the share of a part lies above 0 and is at most 1, found {}", value->value));
        return false;
      }
      shared += value->value;
      if (shared > 1 + 1e-9) {
        error(share.share->span, fmt::format("the parts add up to {}, more than all rows", shared));
        return false;
      }
      const auto end = std::min(units, static_cast<int64_t>(std::floor(shared * static_cast<double>(units) + 1e-6)));
      const int64_t count = window > 0 ? end - begin - window + 1 : end - begin;
      if (count < 1) {
        error(share.part.location, fmt::format("the part `{}` of the {} {} of `{}` is empty", name, units,
                                               window > 0 ? "characters" : "rows", data.name.text));
        return false;
      }
      source.parts.push_back({name, begin, count});
      begin = end;
    }
    const auto train = std::find_if(source.parts.begin(), source.parts.end(),
                                    [](const DataPart& part) { return part.name == "train"; });
    if (train != source.parts.end()) {
      std::rotate(source.parts.begin(), train, train + 1);
    } else {
      error(data.split.front().part.location, fmt::format("the split of `{}` has no part `train`", data.name.text));
      return false;
    }
    if (window == 0) source.shuffled = own;
  }
  if (test_rows > 0) source.parts.push_back({"test", own, test_rows});
  // What is only looked at is read window after window, so that every character but the first is predicted once.
  for (DataPart& part : source.parts) {
    if (window > 1 && part.name != "train") {
      part.step = window - 1;
      part.rows = (part.rows - 1) / part.step + 1;
    }
  }
  return true;
}

// Reads the files that the block names.
bool Elaborator::open_table(const Definition& data) {
  ir::TableRequest request;
  request.kind = data.source.text;
  for (const Name& file : data.files) request.files.push_back(file.text);
  for (const Name& file : data.test_files) request.test_files.push_back(file.text);
  const bool text = request.kind == "chars" || request.kind == "bytes";
  if (text != (data.windows != nullptr)) {
    error(data.source.location, text ? fmt::format("`{}` needs the length of its windows", request.kind)
                                     : fmt::format("`{}` has rows, not windows", request.kind))
        .help(fmt::format(
            "text is cut in windows: `chars(\"f.txt\") windows(T + 1) {{ ids = w[0 .. T]; target = w[1 .. T + "
            "1] }}`"));
    return false;
  }
  if (text) {
    const std::optional<int64_t> window = evaluate_integer(data.windows, "the length of the windows", 1);
    if (!window) return false;
    if (*window > kMaxWindow) {
      error(data.windows->span, fmt::format("the length of the windows is at most {}", kMaxWindow));
      return false;
    }
    request.window = *window;
  }
  for (const std::vector<Name>* files : {&data.files, &data.test_files}) {
    const size_t wanted = request.kind == "idx" ? 2 : 1;
    if (files->empty() || files->size() == wanted || request.kind == "npy") continue;
    error((*files)[0].location, fmt::format("`{}` takes {}, found {}", request.kind,
                                            wanted == 1 ? "one file" : "two files, images and labels", files->size()));
    return false;
  }
  if (!overrides_.read_table) {
    error(data.source.location, "data from files cannot be read here");
    return false;
  }
  ir::Result<std::shared_ptr<const ir::Table>> table = overrides_.read_table(request);
  if (!table) {
    auto& message = error(data.files[0].location, table.error());
    // What stands above the block may say where the file is published.
    const ir::SourceFile& file = spec_.sources.file(data.location.file);
    std::string_view lead = std::string_view(file.text).substr(data.begin, data.end - data.begin);
    while (lead.starts_with("#")) {
      const size_t end = std::min(lead.find('\n'), lead.size());
      const size_t words = std::min(lead.find_first_not_of("# "), end);
      message.help(std::string(lead.substr(words, end - words)));
      lead.remove_prefix(std::min(end + 1, lead.size()));
    }
    return false;
  }
  program_.data.table = *table;
  program_.data.request = request;
  return true;
}

void Elaborator::elaborate_files(const Definition& data) {
  program_.data.name = data.name.text;
  if (data.row_count) {
    error(data.row_count->span, "`rows N` fixes the rows of formula data; a file has its own");
    return;
  }
  if (!open_table(data)) return;
  const ir::Table& table = *program_.data.table;
  if (table.rows - table.test_rows < 1) {
    error(data.files[0].location, fmt::format("{} has no rows", table.name));
    return;
  }
  if (!split_rows(data, table.rows, table.test_rows, table.window)) return;
  if (table.window > 0) return window_columns(data);

  table_ = program_.data.table;
  elaborate_table(data);
}

// ids = w[0 .. T]: a part of the window, which stays in the text.
void Elaborator::window_columns(const Definition& data) {
  const ir::Table& table = *program_.data.table;
  const auto limit = static_cast<int64_t>(table.vocabulary.empty() ? 256 : table.vocabulary.size());
  const size_t errors = diagnostics_.error_count();
  for (const Statement* item : data.body->statements) {
    if (!spend(item->location)) break;
    const Expr* value = item->value;
    const bool part = item->kind == StatementKind::rebind && value->kind == ExprKind::subscript &&
                      value->operands.size() == 2 && value->operands[0]->text == "w";
    if (!part) {
      error(item->location, "a column of windows is a part of the window `w`")
          .help("write `ids = w[0 .. T]; target = w[1 .. T + 1]`");
      continue;
    }
    const Expr* subscript = value->operands[1];
    const bool range = subscript->kind == ExprKind::range;
    const std::optional<int64_t> begin = evaluate_integer(range ? subscript->operands[0] : subscript, "a subscript", 0);
    const std::optional<int64_t> end =
        range ? evaluate_integer(subscript->operands[1], "the end of a range", 0) : begin;
    if (!begin || !end) continue;
    const int64_t stop = range ? *end : *end + 1;
    if (*begin >= stop || stop > table.window) {
      error(subscript->span,
            range ? fmt::format("the range {} .. {} does not lie in a window of {}", *begin, *end, table.window)
                  : fmt::format("subscript {} is outside a window of {}", *begin, table.window))
          .label(data.windows->span, fmt::format("the length of the windows: {}", table.window))
          .label(subscript->span);
      continue;
    }
    const Name& name = item->names[0];
    if (!check_new_column(name)) continue;
    const ir::Type type{ir::DType::f32, range ? ir::Shape{stop - *begin} : ir::Shape{}};
    columns_[name.text] = {type, name.location};
    column_limits_[name.text] = limit;
    program_.data.columns.push_back({name.text, type, {}, limit, *begin, name.location});
  }
  if (columns_.empty() && diagnostics_.error_count() == errors) {
    error(data.name.location, fmt::format("data `{}` has no columns", data.name.text))
        .help("write `ids = w[0 .. T]; target = w[1 .. T + 1]`");
  }
}

}  // namespace gradc::frontend
