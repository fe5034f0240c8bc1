// A model that answers: its prediction program for one row, with weights. Used for the examples of a train block and by
// `predict`, so that both say the same.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/load.h"
#include "frontend/program.h"
#include "ir/result.h"
#include "runtime/predict.h"

namespace gradc::cli {

class Predictor {
 public:
  // `program` was elaborated for a batch of 1. Its weights are the initial ones.
  static ir::Result<Predictor> make(frontend::Program program);
  ir::Status load_weights(const std::string& path);
  // Takes over every tensor of `other` that this model has by name.
  void copy_weights(const runtime::State& other);

  const frontend::Program& program() const { return program_; }
  size_t input_count() const;  // numbers in a row
  // A row as one list of numbers, input after input.
  ir::Result<std::vector<runtime::NamedRow>> answer(std::span<const float> row) const;
  ir::Result<std::vector<runtime::NamedRow>> answer(const std::vector<runtime::NamedRow>& inputs) const;

 private:
  Predictor(frontend::Program program, runtime::State state, runtime::NamedNumbers scalars)
      : program_(std::move(program)), state_(std::move(state)), scalars_(std::move(scalars)) {}
  frontend::Program program_;
  runtime::State state_;
  runtime::NamedNumbers scalars_;
};

// 8.00, or with several outputs: sum 8.00, difference 2.00. At most `most` numbers of an output are shown.
std::string describe(const std::vector<runtime::NamedRow>& outputs, size_t most = 16);

}  // namespace gradc::cli
