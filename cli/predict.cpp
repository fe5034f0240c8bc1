// gradc predict: numbers, or rows on standard input, through a trained model; one result line a row.
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>

#include "cli/load.h"
#include "cli/numbers.h"
#include "cli/predictor.h"
#include "cli/row_file.h"
#include "cli/saved_data.h"
#include "runtime/file.h"

namespace gradc::cli {
namespace {

// No row needs a longer line than this many bytes a number.
constexpr size_t kBytesANumber = 64;

std::string shape_of_inputs(const Predictor& predictor) {
  std::string text;
  for (const frontend::Port& port : predictor.program().inputs) {
    text += (text.empty() ? "" : ", ") + port.name + ": " + frontend::to_string(port);
  }
  return text;
}

ir::Result<std::vector<float>> parse_row(const Predictor& predictor, const std::vector<std::string>& words) {
  std::vector<float> row;
  for (const std::string& word : words) {
    const std::optional<float> number = parse_number(word);
    if (!number) return ir::Error{fmt::format("{} is not a number", runtime::quote_name(word))};
    row.push_back(*number);
  }
  if (row.size() != predictor.input_count()) {
    return ir::Error{fmt::format("model `{}` takes {} numbers ({}), found {}", predictor.program().model,
                                 predictor.input_count(), shape_of_inputs(predictor), row.size())};
  }
  size_t at = 0;
  for (const frontend::Port& port : predictor.program().inputs) {
    for (int64_t k = 0; k < port.type.elements(); ++k, ++at) {
      if (port.limit == 0) continue;
      const float number = row[at];
      if (std::trunc(number) == number && number >= 0 && number < static_cast<float>(port.limit)) continue;
      return ir::Error{fmt::format("{} is outside idx<{}>, the type of input `{}` of model `{}`", plain(number),
                                   port.limit, port.name, predictor.program().model)};
    }
  }
  return row;
}

int print_answer(const ir::Result<std::vector<runtime::NamedRow>>& outputs, const Loaded& loaded,
                 const Predictor& predictor, bool json) {
  if (!outputs) return fail(outputs.failure(), loaded, predictor.program());
  if (!json) {
    fmt::print("{}\n", describe(*outputs, SIZE_MAX));
    return kDone;
  }
  std::string text;
  for (const runtime::NamedRow& output : *outputs) {
    text += (text.empty() ? "" : ",") + json_string(output.name) + ":" + json_list(output.elements);
  }
  fmt::print("{{{}}}\n", text);
  return kDone;
}

// Numbers separated by spaces or commas.
std::vector<std::string> split_row(std::string_view line) {
  constexpr std::string_view kSeparators = " \t\r,;";
  std::vector<std::string> words;
  while (!line.empty()) {
    const size_t begin = line.find_first_not_of(kSeparators);
    if (begin == std::string_view::npos) break;
    const size_t end = std::min(line.find_first_of(kSeparators, begin), line.size());
    words.emplace_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
  return words;
}

// Row by row as they come; what was printed for the rows before a faulty one stays.
int predict_lines(const Loaded& loaded, const Predictor& predictor, bool json) {
  const size_t longest = kBytesANumber * (predictor.input_count() + 1);
  std::string pending;
  std::array<char, 65536> buffer;
  int64_t line_number = 0;
  bool at_end = false;
  while (!at_end) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail("standard input: cannot read");
    at_end = count == 0;
    pending.append(buffer.data(), static_cast<size_t>(count));
    if (at_end && !pending.empty() && pending.back() != '\n') pending += '\n';
    size_t begin = 0;
    for (size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n', begin)) {
      const std::string_view line = std::string_view(pending).substr(begin, end - begin);
      begin = end + 1;
      ++line_number;
      const std::vector<std::string> words = split_row(line.substr(0, longest));
      if (words.empty()) continue;
      ir::Result<std::vector<float>> row = line.size() > longest
                                               ? ir::Result<std::vector<float>>(ir::Error{"the row is too long"})
                                               : parse_row(predictor, words);
      if (!row) return fail(fmt::format("standard input:{}: {}", line_number, row.error()));
      if (const int code = print_answer(predictor.answer(*row), loaded, predictor, json); code != kDone) return code;
    }
    pending.erase(0, begin);
    if (pending.size() > longest) return fail(fmt::format("standard input:{}: the row is too long", line_number + 1));
    std::fflush(stdout);
  }
  return kDone;
}

}  // namespace

int predict(const PredictWords& words) {
  Loaded loaded = load(words.spec);
  if (loaded.exit_code != kDone) return loaded.exit_code;
  loaded.overrides.read_table = predicting_reader(loaded.overrides.read_table, words.weights);
  std::optional<frontend::Program> program = elaborate(loaded, words.spec.run, 1, false);
  if (!program) return kFailed;
  ir::Result<Predictor> predictor = Predictor::make(std::move(*program));
  if (!predictor) return fail(predictor.error());
  if (ir::Status status = predictor->load_weights(words.weights); !status) return fail(status.error());
  if (!words.rows.empty()) {
    if (!words.numbers.empty()) return fail_usage("numbers and --rows cannot be given together");
    const auto rows = read_rows(predictor->program(), words.rows, words.weights);
    if (!rows) return fail(rows.failure(), loaded, predictor->program());
    for (const std::vector<runtime::NamedRow>& inputs : *rows) {
      const int code = print_answer(predictor->answer(inputs), loaded, *predictor, words.json);
      if (code != kDone) return code;
    }
    return kDone;
  }
  if (words.numbers == std::vector<std::string>{"-"}) return predict_lines(loaded, *predictor, words.json);

  ir::Result<std::vector<float>> row = parse_row(*predictor, words.numbers);
  if (!row) return fail_usage(row.error());
  return print_answer(predictor->answer(*row), loaded, *predictor, words.json);
}

}  // namespace gradc::cli
