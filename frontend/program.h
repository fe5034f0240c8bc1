// What the front end hands to the rest of the compiler for one `train` block: the tensor IR, and the facts about the
// run that are not tensors.
//
// The module of a run NAME = `train add: adder on sums`:
//   func @add.loss(parameters, states, %x: f32[B,..] data, %target: f32[B,..] data, hypers) -> (loss: f32[],
//   reports...) grad @add.gradient = @add.loss wrt every parameter func @add.update(parameters, %NAME.gradient input
//   ..., optimizer states, hypers) -> (parameters, optimizer states) step @add.step = @add.gradient then @add.update
//   func @add.hyper(%t: f64[] hyper, one f64[] per setting) -> (f32[] per scalar that loss or update take as
//   Role::hyper) func @add.data(%key: i32[3] key) -> (x: f32[B,..], target: ...)     for formula data only func
//   @add.init(%key: i32[3] key) -> (parameters)                    the initial values func @add.predict(parameters,
//   states, %x: f32[B,..] data) -> (out: f32[B,..])
// Where the last batch of an epoch is not full, @RUN.loss also takes %batch.live: f32[] data, the number of rows that
// count. Values that can be wrong while they run add results `fault.K` to the functions that compute them. Data from
// files adds @RUN.columns and @RUN.statistics, metrics add @RUN.metric.NAME (see DataSource, Metric). Names of results,
// arguments and tensors are equal where they mean the same thing; wiring is by name. key = (seed low word, seed high
// word, step number from 0); init uses step 0.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ir/diag.h"
#include "ir/graph.h"
#include "ir/table.h"

namespace gradc::frontend {

// A real number of the spec that can change without recompiling: `optimizer.lr`, `hidden.rate`, `loss.sigma`.
struct Setting {
  std::string name;
  double value = 0;
  ir::SourceLocation location;
  bool folded = false;  // 0, folded while compiling: another value needs a new elaboration; @RUN.hyper ignores it
};

// A named tensor of one sample.
struct Port {
  std::string name;
  ir::Type type;      // without the batch axis
  int64_t limit = 0;  // idx<limit>: whole numbers from 0 to limit-1
};

std::string to_string(const Port& port);  // its type: f32[2], idx<65>[64]

// One row of `gradc check`: an instance of a layer (or a function) in the order of evaluation.
struct LayerRow {
  std::string instance;  // hidden, linear_0, relu
  std::string layer;     // linear(5)
  ir::Type output;       // of one sample
  int64_t parameters = 0;
};

struct Column {
  std::string name;
  ir::Type type;              // of one sample
  std::vector<float> values;  // literal rows only: row after row
  int64_t limit = 0;          // idx<limit>: whole numbers from 0 to limit-1
  int64_t window_begin = 0;   // of windows: where in a window the column begins
  ir::SourceLocation location;
  ir::SourceLocation values_location{};  // of files: what they are computed by
};

// Rows first, first + step, ... of the resident ones.
struct DataPart {
  std::string name;  // train, valid, test
  int64_t first = 0;
  int64_t rows = 0;
  int64_t step = 1;
};

// The rows that a run trains on. Formula data draws a fresh batch each step (func @RUN.data). Everything else is
// resident: literal rows; `rows N` of formula data (@RUN.data makes them all, once); tables read from files, of which
// @RUN.columns makes `chunk` rows at a time and @RUN.statistics, from the training rows, what it takes as inputs.
struct DataSource {
  std::string name;
  bool formula = false;
  int64_t rows = 0;  // resident rows
  std::vector<Column> columns;
  std::vector<DataPart> parts;             // train first
  int64_t shuffled = 0;                    // the first so many rows are put into a fixed order before they are split
  std::shared_ptr<const ir::Table> table;  // of data from files,
  ir::TableRequest request;                // which the spec asks for so
  int64_t chunk = 0;
  std::vector<Port> statistics;  // results of @RUN.statistics, saved with the weights
  const DataPart* part(const std::string& part_name) const {
    for (const DataPart& candidate : parts) {
      if (candidate.name == part_name) return &candidate;
    }
    return nullptr;
  }
};

// `metric NAME = ...` and `valid loss`: @RUN.metric.NAME gives for each sample one number a reduction, `values.0`, ...;
// these are reduced over the rows of the part. Where the spec combines the reductions, @RUN.metric.NAME.total does it.
struct Metric {
  std::string name;
  std::string func;
  std::vector<std::string> reductions;  // mean sum min max std, of values.0, ...
  bool combined = false;
  std::string part;
  int64_t every = 1;  // steps
};

struct StopWhen {
  int64_t losses = 1;  // asked every so many steps
  double below = 0;    // of their mean
};

struct Example {
  std::vector<std::pair<std::string, std::vector<float>>> inputs;  // by the name of the model's input, in its order
  std::string label;  // what stands before the `=` of its line; empty: the call, adder(5, 3)
  ir::SourceLocation location;
};

// What the result `fault.K` of a function says (ir/fault.h). The headline is the message, or, with `shows_value`, the
// value and the message: "12 is" + " outside idx<10>".
struct FaultPlace {
  ir::Diagnostic diagnostic;
  bool shows_value = false;
};

struct Program {
  ir::Module module;
  std::vector<FaultPlace> faults;  // by K
  std::string run;                 // add
  std::string model;               // adder
  std::vector<Port> inputs;
  std::vector<Port> outputs;      // named `out` where the model has a single unnamed output
  std::vector<Setting> settings;  // defaults; `--set` replaces them
  std::vector<Port> parameters;   // in the order of declaration
  std::vector<LayerRow> layers;
  DataSource data;
  std::vector<Example> examples;
  int64_t batch = 1;
  int64_t steps = 0;
  int64_t steps_an_epoch = 0;  // 0: formula data, drawn afresh each step
  std::string part;            // of the data: train valid test
  std::vector<Metric> metrics;
  std::optional<StopWhen> stop_when;
  uint64_t seed = 0;
  std::optional<std::string> save;  // `save "f.safetensors"`
  ir::SourceLocation save_location;
  int64_t save_every = 0;  // also every so many steps
  int64_t log_every = 0;   // `log every 100 steps`: the loss is printed; 0: not
  bool shuffle = true;     // literal rows: a new order every epoch; `shuffle false` keeps the order of the file
};

}  // namespace gradc::frontend
