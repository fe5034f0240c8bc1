#include "cli/build_run.h"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <system_error>

#include "cli/run_passes.h"
#include "cli/table.h"
#include "ir/ensure.h"
#include "ir/eval.h"
#include "ir/fault.h"
#include "runtime/jit_executor.h"

namespace gradc::cli {
namespace {

ir::Result<runtime::Dataset> make_dataset(const frontend::Program& program, const ResidentData& resident,
                                          const ir::Module& module, const runtime::Layout& step,
                                          const Compiler& compiler) {
  if (program.data.formula) {
    const ir::Func* draw = module.find(program.run + ".data");
    ENSURE(draw != nullptr, "formula data without @" + program.run + ".data");
    ir::Result<runtime::Executor> executor = make_executor(*draw, compiler);
    if (!executor) return executor.take_error();
    return runtime::Dataset::drawn(std::move(*executor), runtime::layout_of(*draw), step, program.seed);
  }
  runtime::ResidentRows rows = rows_of(program, resident, program.part);
  rows.shuffle = program.shuffle;
  return runtime::Dataset::resident(std::move(rows), step, program.seed);
}

ir::Result<runtime::Metric> make_metric(const frontend::Program& program, const frontend::Metric& metric,
                                        const ResidentData& resident, const ir::Module& module,
                                        const Compiler& compiler) {
  const ir::Func* func = module.find(metric.func);
  ENSURE(func != nullptr, "no @" + metric.func);
  // Training goes ahead meanwhile: the first measurement is an epoch or hundreds of steps away.
  ir::Result<runtime::Executor> executor = make_executor(*func, compiler, runtime::When::later);
  if (!executor) return executor.take_error();
  const runtime::Layout layout = runtime::layout_of(*func);
  ir::Result<runtime::Dataset> rows =
      runtime::Dataset::resident(rows_of(program, resident, metric.part), layout, program.seed, true);
  if (!rows) return rows.take_error();
  ir::Result<runtime::HyperTable> hyper = runtime::HyperTable::make(program.module.find(program.run + ".hyper"),
                                                                    settings_of(program), layout, program.seed);
  if (!hyper) return hyper.take_error();
  std::optional<ir::Func> total;
  if (metric.combined) total = *program.module.find(metric.func + ".total");
  return runtime::Metric(std::move(*executor), layout, std::move(*rows), std::move(*hyper), metric.reductions,
                         std::move(total));
}

// Does the work on a thread of its own, or, where there is none to be had or it is not wanted, when it is asked for.
template <typename Work>
auto beside(bool wanted, Work work) -> std::future<decltype(work())> {
  try {
    if (wanted) return std::async(std::launch::async, work);
  } catch (const std::system_error&) {
  }
  return std::async(std::launch::deferred, std::move(work));
}

}  // namespace

ir::Result<runtime::Host> make_host(const TrainWords& words) {
  runtime::Host host;
  if (words.interpret) return host;
  host.pool = std::make_shared<ir::ThreadPool>(static_cast<int>(words.threads));
  if (words.no_cache) return host;
  ir::Result<std::optional<runtime::JitCache>> cache = runtime::JitCache::from_environment();
  if (!cache) return cache.take_error();
  host.cache = std::move(*cache);
  return host;
}

namespace {

// In bytes; 0 where the system does not say.
int64_t physical_memory() {
  return std::max(int64_t{0}, int64_t{::sysconf(_SC_PHYS_PAGES)}) * ::sysconf(_SC_PAGE_SIZE);
}

}  // namespace

// Asked before anything large is allocated.
ir::Status check_memory(const ir::Func& planned) {
  const runtime::Layout layout = runtime::layout_of(planned);
  const int64_t scratch_bytes = planned.arena_bytes;
  const int64_t needed = layout.state_bytes + layout.data_bytes + layout.result_bytes + scratch_bytes;
  const int64_t there = physical_memory();
  if (there <= 0 || needed <= there) return ir::success();
  return ir::Error{fmt::format(
      "{} needs {} (parameters and states {}, its rows {}, scratch {}), and this machine has {}; a "
      "smaller batch needs less",
      planned.name.ends_with(".step") ? "a step" : "@" + planned.name, human_bytes(needed),
      human_bytes(layout.state_bytes), human_bytes(layout.data_bytes), human_bytes(scratch_bytes), human_bytes(there))};
}

ir::Result<runtime::Executor> make_executor(const ir::Func& planned, const Compiler& compiler, runtime::When when) {
  const TrainWords& words = compiler.words;
  if (ir::Status status = check_memory(planned); !status) return status.take_error();
  if (words.interpret) return runtime::interpret(planned);
  codegen::Options options = code_options(words.code);
  options.debug_info = false;  // nobody debugs into a step that lives for one run: 1.5 ms saved
  options.time_llvm = words.passes.time_passes;
  options.compile_threads = static_cast<int>(words.threads);
  if (words.passes.time_passes || compiler.later == nullptr) when = runtime::When::now;
  ir::Result<runtime::CompiledExecutor> compiled =
      runtime::compile_executor(planned, compiler.files, options, compiler.host, when);
  if (!compiled) return compiled.take_error();
  if (words.passes.time_passes) {
    for (const auto& [phase, milliseconds] : compiled->milliseconds) {
      fmt::print(stderr, "{:9.3f} ms  {} @{}\n", milliseconds, phase, planned.name);
    }
    fmt::print(stderr, "{}", compiled->llvm_times);
  }
  if (when == runtime::When::later) compiler.later->push_back(std::move(compiled->begin));
  return std::move(compiled->run);
}

std::vector<std::string> layer_states(const frontend::Program& program) {
  const ir::Func* init = program.module.find(program.run + ".init");
  ENSURE(init != nullptr, "no @" + program.run + ".init");
  std::vector<std::string> names;
  for (const ir::FuncResult& result : init->results) {
    if (runtime::is_layer_state(result.name) && !ir::is_fault(result.name)) names.push_back(result.name);
  }
  return names;
}

runtime::NamedNumbers settings_of(const frontend::Program& program) {
  runtime::NamedNumbers numbers;
  for (const frontend::Setting& setting : program.settings) numbers.emplace_back(setting.name, setting.value);
  return numbers;
}

ir::Result<runtime::NamedNumbers> predict_scalars(const frontend::Program& program) {
  const ir::Func* hyper = program.module.find(program.run + ".hyper");
  if (hyper == nullptr) return runtime::NamedNumbers{};
  std::vector<ir::Tensor> arguments;
  for (size_t k = 0; k < hyper->parameter_count; ++k) {
    double value = 1;  // t
    for (const frontend::Setting& setting : program.settings) {
      if (setting.name == hyper->values[k].name) value = setting.value;
    }
    arguments.push_back(ir::Tensor::scalar(value, hyper->values[k].type.dtype));
  }
  ir::Result<std::vector<ir::Tensor>> results = ir::evaluate(*hyper, arguments);
  if (!results) return results.take_error();
  runtime::NamedNumbers numbers;
  for (size_t k = 0; k < results->size(); ++k) numbers.emplace_back(hyper->results[k].name, (*results)[k].at(0));
  return numbers;
}

// What formula data with `rows N` draws, as a table of which the columns are made.
ir::Result<std::shared_ptr<const ir::Table>> draw_table(const frontend::Program& program) {
  const ir::Func* draw = program.module.find(program.run + ".data");
  ENSURE(draw != nullptr, "no @" + program.run + ".data");
  const std::vector<ir::Tensor> arguments(draw->parameter_count, runtime::random_key(program.seed, 0));
  const ir::Result<std::vector<ir::Tensor>> drawn = ir::evaluate(*draw, arguments);
  if (!drawn) return drawn.failure();
  auto table = std::make_shared<ir::Table>();
  table->name = fmt::format("data `{}`", program.data.name);
  table->rows = program.data.rows;
  if (ir::Status status = ir::check_faults(*draw, *drawn, "in the rows of " + table->name); !status) {
    return status.take_error();
  }
  for (size_t k = 0; k < drawn->size(); ++k) {
    const ir::Tensor& tensor = (*drawn)[k];
    if (ir::is_fault(draw->results[k].name)) continue;
    const ir::Shape& shape = tensor.type().shape;
    table->columns.push_back({draw->results[k].name,
                              {ir::DType::f32, {shape.begin() + 1, shape.end()}},
                              {tensor.data<float>(), tensor.data<float>() + tensor.elements()},
                              {}});
  }
  return std::shared_ptr<const ir::Table>(std::move(table));
}

ir::Result<ResidentData> load_rows(const frontend::Program& program) {
  ResidentData resident;
  const frontend::DataSource& data = program.data;
  if (data.formula) return resident;
  const auto shared = [](std::vector<float> values) {
    return std::make_shared<const std::vector<float>>(std::move(values));
  };
  if (data.table && data.table->window > 0) {
    const auto text = shared(data.table->columns[0].values);
    for (const frontend::Column& column : data.columns) {
      resident.columns.push_back({column.name, column.type, text, 1, column.window_begin});
    }
    return resident;
  }
  const std::vector<int64_t> order = runtime::split_order(data.rows, data.shuffled);
  std::shared_ptr<const ir::Table> table = data.table;
  if (!table && program.module.find(program.run + ".columns") != nullptr) {
    ir::Result<std::shared_ptr<const ir::Table>> drawn = draw_table(program);
    if (!drawn) return drawn.take_error();
    table = *drawn;
  }
  if (table) {
    const ir::Func* columns = program.module.find(program.run + ".columns");
    ENSURE(columns != nullptr, "data from files without @" + program.run + ".columns");
    if (const ir::Func* statistics = program.module.find(program.run + ".statistics")) {
      const frontend::DataPart& train = data.parts.front();
      const std::vector<int64_t> rows(order.begin() + train.first, order.begin() + train.first + train.rows);
      ir::Result<runtime::NamedTensors> computed = runtime::table_statistics(*table, *statistics, rows);
      if (!computed) return computed.take_error();
      resident.statistics = std::move(*computed);
    }
    std::vector<runtime::ColumnLimit> limits;
    for (const frontend::Column& column : data.columns) limits.push_back({column.name, column.limit});
    ir::Result<std::vector<runtime::ResidentColumn>> made =
        runtime::table_columns(table, *columns, data.chunk, resident.statistics, limits, order);
    if (!made) return made.take_error();
    resident.columns = std::move(*made);
    return resident;
  }
  // Literal rows, or those that @RUN.data makes once.
  std::vector<std::vector<float>> values;
  if (const ir::Func* draw = program.module.find(program.run + ".data")) {
    ir::Result<std::vector<ir::Tensor>> drawn =
        ir::evaluate(*draw, {draw->parameter_count, runtime::random_key(program.seed, 0)});
    if (!drawn) return drawn.take_error();
    if (ir::Status status = ir::check_faults(*draw, *drawn, fmt::format("in the rows of data `{}`", data.name));
        !status) {
      return status.take_error();
    }
    for (const frontend::Column& column : data.columns) {
      const ir::Tensor& tensor = (*drawn)[static_cast<size_t>(draw->find_result(column.name) - draw->results.data())];
      values.emplace_back(tensor.data<float>(), tensor.data<float>() + tensor.elements());
    }
  } else {
    for (const frontend::Column& column : data.columns) values.push_back(column.values);
  }
  for (size_t c = 0; c < data.columns.size(); ++c) {
    const frontend::Column& column = data.columns[c];
    const auto elements = static_cast<size_t>(column.type.elements());
    std::vector<float> ordered;
    ordered.reserve(values[c].size());
    for (const int64_t row : order) {
      const auto from = values[c].begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(row) * elements);
      ordered.insert(ordered.end(), from, from + static_cast<std::ptrdiff_t>(elements));
    }
    resident.columns.push_back({column.name, column.type, shared(std::move(ordered)), 0, 0});
  }
  return resident;
}

runtime::ResidentRows rows_of(const frontend::Program& program, const ResidentData& data, const std::string& part) {
  const frontend::DataPart* found = program.data.part(part);
  ENSURE(found != nullptr, "no part " + part);
  return {program.data.name, found->rows, data.columns, false, found->first, found->step};
}

namespace {

// Whether rows and initial values take so little that they may be made before the memory of a step is checked.
bool begins_small(const frontend::DataSource& data, const ir::Func& init) {
  double bytes = 0;
  for (const ir::FuncResult& result : init.results) bytes += static_cast<double>(init[result.value].type.bytes());
  for (const frontend::Column& column : data.columns)
    bytes += static_cast<double>(data.rows) * static_cast<double>(column.type.bytes());
  return bytes <= static_cast<double>(physical_memory()) / 8;
}

// What a run begins with.
struct Beginning {
  ir::Result<ResidentData> rows;
  ir::Result<std::vector<ir::Tensor>> values;  // of @RUN.init
};

}  // namespace

ir::Result<BuiltRun> build_run(const frontend::Program& program, const TrainWords& words) {
  const auto start = std::chrono::steady_clock::now();
  ir::Result<passes::RunnerOptions> options = runner_options(words.passes);
  if (!options) return options.take_error();
  // Every pass is verified; that its text reads back is checked by `compile`, `opt` and the tests, not before a run.
  options->read_back = false;
  passes::Runner runner(*options);
  // What the run begins with is read and drawn while the passes run, which take one thread.
  const ir::Func* init = program.module.find(program.run + ".init");
  ENSURE(init != nullptr, "no @" + program.run + ".init");
  const bool early = !words.passes.time_passes && begins_small(program.data, *init);
  std::future<Beginning> beginning =
      beside(early, [&] { return Beginning{load_rows(program), runtime::initial_values(*init, program.seed)}; });
  const std::string step_name = program.run + ".step";
  std::vector<std::string> compiled = {step_name};
  if (program.data.formula) compiled.push_back(program.run + ".data");
  for (const frontend::Metric& metric : program.metrics) compiled.push_back(metric.func);
  const ir::Module module = runner.run(program.module, passes::Stage::memory, compiled);
  print_times(words.passes, runner);
  const ir::Func* step = module.find(step_name);
  ENSURE(step != nullptr, "the pipeline made no @" + step_name);
  const runtime::Layout layout = runtime::layout_of(*step);
  if (ir::Status status = check_memory(*step); !status) return status.take_error();
  ir::Result<runtime::Host> host = make_host(words);
  if (!host) return host.take_error();
  std::vector<std::function<void()>> later;
  const Compiler compiler{words, module.files, std::move(*host), &later};
  const std::chrono::duration<double, std::milli> passes_took = std::chrono::steady_clock::now() - start;
  double compile_took = 0;
  std::future<ir::Result<runtime::Executor>> executor = beside(!words.passes.time_passes, [&] {
    const auto begin = std::chrono::steady_clock::now();
    ir::Result<runtime::Executor> made = make_executor(*step, compiler);
    compile_took = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    return made;
  });

  Beginning begun = beginning.get();
  const ir::Result<ResidentData>& resident = begun.rows;
  if (!resident) return resident.failure();
  ir::Result<runtime::Dataset> data = make_dataset(program, *resident, module, layout, compiler);
  if (!data) return data.take_error();
  std::vector<runtime::Metric> metrics;
  for (const frontend::Metric& metric : program.metrics) {
    ir::Result<runtime::Metric> made = make_metric(program, metric, *resident, module, compiler);
    if (!made) return made.take_error();
    metrics.push_back(std::move(*made));
  }
  ir::Result<runtime::HyperTable> hyper = runtime::HyperTable::make(program.module.find(program.run + ".hyper"),
                                                                    settings_of(program), layout, program.seed);
  if (!hyper) return hyper.take_error();

  runtime::State state(layout.state, layout.state_bytes, program.seed);
  if (!begun.values) return begun.values.failure();
  runtime::initialize(state, *init, *begun.values);
  *begun.values = {};
  ir::Result<runtime::Executor> run = executor.get();
  if (!run) return run.take_error();
  for (const std::function<void()>& begin : later) begin();
  return BuiltRun{{std::move(*run), layout, std::move(state), std::move(*data), std::move(*hyper)},
                  std::move(metrics),
                  resident->statistics,
                  passes_took.count() + compile_took};
}

}  // namespace gradc::cli
