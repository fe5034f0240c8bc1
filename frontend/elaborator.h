// The state behind elaborate(), shared by the elaborate_*.cpp files: one file a subject.
//
// Expressions are evaluated in a Context: the names in scope, the function being built, and, inside an index equation,
// the indices. The same code elaborates a plain expression on whole tensors (axes are positions) and the inside of an
// index equation (axes are indices); only the rules about what may meet differ.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "frontend/elaborate.h"
#include "frontend/scalar_graph.h"
#include "frontend/target.h"
#include "frontend/value.h"

namespace gradc::frontend {

// A name of a body. `what` says how it came to be: "let", "argument", "dimension", "param", "state", ...
struct Binding {
  Value value;
  ir::SourceLocation location;
  std::string what;
  bool used = false;
  std::string state{};  // full name, where it is a state of a layer or a loss
};

// A function of the language itself: exp, reshape, ...
bool is_builtin(const std::string& name);

struct Scope {
  Scope* parent = nullptr;
  int32_t file = 0;    // where names of the file are looked up
  bool local = false;  // of `when training`: carries no names
  std::map<std::string, Binding> names;
};

// The indices that an equation or a reduction introduces.
struct IndexBinding {
  Index index;
  std::vector<int> axes;  // one; of a pack as many as it has dimensions
  std::vector<int64_t> sizes;
  bool broken = false;
};
struct IndexScope {
  const IndexScope* parent = nullptr;
  std::vector<IndexBinding> bindings;
};

// One body being elaborated.
struct Frame {
  enum class Kind : uint8_t { layer, function, loss, optimizer, data, train, constant, initializer };
  Kind kind = Kind::layer;
  std::string path;                      // "" or "block_0."
  std::string suffix;                    // of the rounds of `repeat`: "_3"
  std::map<const Expr*, int> anonymous;  // how often a use of a layer without a name was met
  size_t instance = SIZE_MAX;
};

// An application being evaluated, for messages and against recursion.
struct Call {
  const Definition* definition = nullptr;
  ir::SourceLocation site;
};

// A branch of an `if` that is decided at run time: what goes wrong there counts only where it is taken.
struct Branch {
  const Branch* outer = nullptr;
  Value condition;
  const Expr* at = nullptr;
  bool taken = true;  // where the condition holds
};

struct Context {
  Scope* scope = nullptr;
  Target* target = nullptr;
  Frame* frame = nullptr;
  const IndexScope* indices = nullptr;
  bool indexed = false;  // inside an index equation or a reduction
  const Branch* branch = nullptr;
  const Branch* layer_branch = nullptr;  // where the layer that is being applied stands; its axes are other ones
};

// A body of its own kind, elaborated from an empty context; the one before is there again at the end.
class BodyContext {
 public:
  BodyContext(Context& context, int32_t file, Frame::Kind kind, Target* target) : context_(context), saved_(context) {
    scope.file = file;
    frame.kind = kind;
    context_ = {};
    context_.scope = &scope;
    context_.frame = &frame;
    context_.target = target;
  }
  ~BodyContext() { context_ = saved_; }
  BodyContext(const BodyContext&) = delete;
  BodyContext& operator=(const BodyContext&) = delete;

  Scope scope;
  Frame frame;

 private:
  Context& context_;
  Context saved_;
};

struct Instance {
  const Definition* layer = nullptr;
  std::string path;  // hidden, block_0.linear_1
  std::string text;  // linear(5)
  std::map<std::string, Value> statics;
  std::vector<Name> static_names;
  ir::SourceLocation location;
  const void* identity = nullptr;  // the node that made it
  bool anonymous = false;
  bool applied = false;
  ir::SourceLocation first_use;
  int64_t parameters = 0;
};

struct ParameterInfo {
  std::string name;
  ir::Type type;
  ir::SourceLocation location;
  const void* identity = nullptr;
};

// A subscript expression as a sum of indices: c + k1 * i1 + k2 * i2.
struct Affine {
  int64_t offset = 0;
  std::map<int, int64_t> factors;  // by axis
};

// Two indices on one axis, c + stride * outer + dilation * inner, until all subscripts of the access are known.
struct PendingWindow {
  int placeholder = 0, outer = 0, inner = 0;  // axes
  int64_t count = 1, size = 1;                // ranges of outer and inner
  int64_t stride = 1, dilation = 1;
};

// A subscript that is computed: the tensor's axis with the placeholder is looked up by `indices`.
struct PendingGather {
  int placeholder = 0;
  Tensor indices;
};

// What the sides of a `when training` gave, "" where that is not known: of the run that does not train, of that which
// does. A function takes one of them.
struct WhenSides {
  bool seen[2] = {};
  std::string types[2];
};

bool is_builtin(const std::string& name);
// mean[rows] e, std[rows] e, ..., and whether one stands in the expression or block.
bool is_rows_reduction(const Expr* expr);
bool reduces_rows(const Expr* expr);
bool reduces_rows(const Block& block);
// The names that stand in an expression.
void collect_names(const Expr* expr, std::set<std::string>& names);

// The arguments of a call, put in the order of the formals; null where the default holds.
using BoundArguments = std::vector<const Expr*>;

class Elaborator {
 public:
  Elaborator(const Spec& spec, const Overrides& overrides, ir::Diagnostics& diagnostics, const ElaborateLimits& limits);
  std::optional<Program> run(const std::string& run_name);

 private:
  // Messages and limits (elaborate.cpp)
  ir::Diagnostic& error(ir::SourceLocation location, std::string message);
  ir::Diagnostic diagnostic_at(ir::SourceLocation location, std::string message) const;
  bool spend(ir::SourceLocation location);
  bool fits(const ir::Shape& shape, ir::SourceLocation location, std::string_view what);
  void count_state(const ir::Type& type, ir::SourceLocation location);
  bool is_library(ir::SourceLocation location) const;
  void read_overrides();
  std::optional<double> override_of(const std::string& setting);
  Target& make_target(Target::Kind kind, int64_t batch);

  // Names (elaborate_names.cpp)
  Binding* find_binding(const std::string& name);
  const IndexBinding* find_index(const std::string& name, bool pack) const;
  Value look_up(const Expr* expr);
  Value file_value(const Definition* definition, const Expr* expr);
  Value constant_value(const Definition* definition);
  bool define(const Name& name, Value value, std::string what);
  bool check_new_name(const Name& name);
  bool check_run_name(const Name& name, std::string_view what);
  std::vector<std::string> visible_names() const;
  void suggest(ir::Diagnostic& message, const std::string& word, const std::vector<std::string>& names,
               bool list = true) const;

  // Expressions (elaborate_expression.cpp)
  Value evaluate(const Expr* expr);
  Value evaluate_kind(const Expr* expr);
  Value conditional(const Expr* expr);
  Value convert(const Expr* expr);
  Value list(const Expr* expr);
  Value stack(const Expr* expr, const std::vector<Value>& parts, const std::vector<const Expr*>& places);
  Value plain_subscript(const Expr* expr);
  Value look_up_element(const Expr* expr);
  std::string inside() const;
  std::string with_numbers(const Expr* expr);
  std::optional<int64_t> evaluate_integer(const Expr* expr, std::string_view what, int64_t lowest);
  std::optional<Scalar> evaluate_scalar(const Expr* expr, std::string_view what);

  // Arithmetic (elaborate_arithmetic.cpp)
  Value unary(ir::Op op, const Value& x, const Expr* at);
  Value binary(const std::string& symbol, const Value& a, const Value& b, const Expr* at);
  Value floor_division(const Value& a, const Value& b, const Expr* at);
  Value apply_binary(ir::Op op, Value a, Value b, const Expr* at);
  Value power(const Value& base, const Value& exponent, const Expr* at);
  Value choose(const Value& condition, const Value& a, const Value& b, const Expr* at);
  std::optional<Tensor> to_tensor(const Value& value, const Expr* at, bool keep_integer = false);
  Tensor cast(const Tensor& tensor, ir::DType dtype);
  bool align(std::vector<Tensor*> tensors, const Expr* at);
  bool check_same_shape(const Tensor& a, const Tensor& b, const Expr* at);
  bool usable(const Value& value, const Expr* at);
  std::optional<Tensor> spread(const Tensor& tensor, const std::vector<int>& axes, const ir::Shape& sizes,
                               ir::SourceLocation location);
  std::string describe(const Value& value) const;
  std::string shape_text(const Tensor& tensor) const;
  std::string type_text(const ir::Shape& shape, int64_t limit, ir::DType dtype = ir::DType::f32) const;
  ir::Shape sample_shape(const Tensor& tensor) const;

  // Index equations (elaborate_index.cpp, elaborate_range.cpp, elaborate_access.cpp)
  Value index_equation(const Statement& statement, const Expr* value);
  bool introduce(const std::vector<Index>& indices, const std::vector<const Expr*>& bodies, int first_axis,
                 IndexScope& scope);
  void unknown_pack(const Name& name);
  bool introduce_batch(const Index& index, int first_axis, IndexBinding& binding);
  void find_range(IndexBinding& binding, const std::vector<const Expr*>& bodies, int& next_axis);
  Value reduction(const Expr* expr);
  Value reduce_scalar(const Expr* expr, const Scalar& body, double count);
  std::optional<Tensor> over(const Tensor& tensor, const std::vector<int>& reduced, const ir::Shape& sizes,
                             ir::SourceLocation location);
  bool check_numbers(const Tensor& tensor, const Expr* expr);

  // softmax, logsumexp, argmax (elaborate_softmax.cpp)
  Value softmax(const Expr* expr);
  Tensor reduce_axes(ir::ReduceKind kind, const Tensor& tensor, const std::vector<int>& reduced);
  std::optional<Tensor> logsumexp(const Tensor& tensor, const std::vector<int>& reduced, const Expr* expr);
  std::optional<Tensor> argmax(const Tensor& tensor, const std::vector<int>& reduced, const Expr* expr);
  std::optional<Tensor> contraction(const Tensor& a, const Tensor& b, const std::vector<int>& reduced, const Expr* at);
  Value access(const Expr* expr);
  void wrong_subscript_count(const Expr* expr);
  std::optional<Tensor> access_axis(const Expr* expr, size_t position, Tensor tensor, size_t axis, const Affine& affine,
                                    std::vector<PendingWindow>& windows, std::vector<PendingGather>& gathers);
  std::optional<Affine> affine_of(const Expr* expr, bool& foreign);
  std::optional<Tensor> gather_indices(const Expr* element, int64_t size, const std::string& of);
  std::optional<Tensor> resolve_windows(Tensor tensor, std::vector<PendingWindow> windows, const Expr* expr);
  std::optional<Tensor> resolve_gather(Tensor tensor, const PendingGather& gather, const Expr* expr);
  std::optional<Tensor> resolve_diagonals(Tensor tensor, const Expr* expr);

  // Calls (elaborate_call.cpp, elaborate_builtin.cpp)
  Value call(const Expr* expr);
  Value call_instance(InstanceRef instance, const Expr* expr, const std::vector<Value>& arguments);
  Value pipe(const Expr* expr);
  Value apply_function(const Callable& function, std::vector<std::pair<Name, Value>> arguments, const Expr* at);
  Value apply_definition(const Definition& function, const std::vector<std::pair<Name, Value>>& arguments,
                         const Expr* at);
  Value apply_builtin(const std::string& name, const std::vector<Value>& arguments, const Expr* at);
  Value whole_tensor_builtin(const Expr* expr, const std::string& name);
  Value reshape(const Expr* expr, const std::vector<const Expr*>& arguments);
  Value concat(const Expr* expr, const std::vector<const Expr*>& parts, const Expr* axis_expr);
  Value pad(const Expr* expr, const std::vector<const Expr*>& arguments, const Expr* value_expr);
  Value random(const Expr* at);
  bool enter(const Definition& definition, ir::SourceLocation site);
  bool bind_arguments(const std::vector<Formal>& formals, const std::vector<Argument>& arguments,
                      const std::string& what, ir::SourceLocation name_location, const Expr* at, BoundArguments& bound);

  // grad(e, x) (elaborate_gradient.cpp)
  Value gradient(const Expr* expr);
  bool depends(ir::ValueId value, ir::ValueId on) const;
  std::optional<Tensor> copy_for_each_sample(const Tensor& parameter, ir::SourceLocation location);

  // Layers (elaborate_layer.cpp, elaborate_body.cpp, elaborate_parameter.cpp, elaborate_require.cpp)
  Value make_instance(const Definition& layer, const Expr* call_expr);
  Value apply_instance(InstanceRef instance, const std::vector<Value>& arguments, const Expr* at);
  std::optional<Value> static_argument(const Formal& formal, const Expr* value, const std::string& setting_prefix,
                                       Scope& defaults);
  Scalar make_setting(const std::string& name, Scalar value, ir::SourceLocation location);
  Value body(const Block& block, std::string_view of);
  void statement(const Statement& statement);
  void repeat(const Statement& statement);
  bool requirement(const Statement& statement);
  std::optional<std::string> requirement_text(const Name& text);
  void declare_parameters(const Statement& statement);
  bool check_full_name(const std::string& full, const Name& name, std::string_view what);
  std::optional<Tensor> initial_value(const Expr* expr, const ir::Shape& shape, const std::string& draw_name,
                                      std::string_view what);

  // State, samples, training (elaborate_state.cpp)
  bool is_training() const;
  void declare_states(const Statement& statement);
  void assign_state(const Statement& statement);
  void finish_states(Target& target);
  Value when_training(const Expr* expr);
  bool check_when_sides(const Expr* expr, const WhenSides& sides);
  void elaborate_other_sides();
  void sample(const Statement& statement);
  Value categorical(const Expr* expr);
  void report(const Statement& statement);

  // The samples of a batch that are rows of the data (elaborate_batch.cpp)
  bool has_dead_samples() const;
  Tensor live_count();
  std::optional<Tensor> select_live(const Tensor& tensor, double dead, ir::SourceLocation location);
  ir::ValueId batch_mean(const Tensor& tensor);
  std::optional<double> number_of_batch(ir::ValueId value, bool& looks_at_batch) const;
  bool divides_by_zero(const Tensor& divisor) const;

  // What can be wrong at run time (elaborate_fault.cpp)
  std::optional<Tensor> checked_index(const Tensor& value, int64_t limit, const Expr* expr);
  bool check_softmax(const Tensor& most, const Expr* expr);
  std::optional<Tensor> where_taken(Tensor wrong, const Expr* expr);
  void add_fault(Tensor wrong, ir::SourceLocation location, const Expr* expr, std::string message, bool shows_value);

  // Shapes (elaborate_shape.cpp)
  bool bind_shape(const TypeExpr& type, const ir::Shape& shape, int64_t limit, const std::string& of,
                  ir::SourceLocation at);
  bool bind_limit(const TypeExpr& type, int64_t limit, const std::string& of, ir::SourceLocation at);
  bool dimensions_known(const TypeExpr& type);
  std::optional<ir::Shape> evaluate_shape(const TypeExpr& type, int64_t* limit = nullptr,
                                          std::string_view what = "a dimension");
  bool check_result(const TypeExpr& type, const Value& value, const Definition& of);

  // The run (elaborate_train.cpp, elaborate_data.cpp, elaborate_optimizer.cpp)
  void read_train_items(const Definition& train);
  void elaborate_data(const Definition& data);
  void draw(const Statement& item, const Definition& data, std::vector<ir::TableColumn>* drawn);
  void formula_column(const Statement& item);
  void elaborate_rows(const Definition& data);
  // Rows that stay (elaborate_files.cpp)
  std::optional<int64_t> fixed_rows(const Definition& data);
  bool split_rows(const Definition& data, int64_t rows, int64_t test_rows, int64_t window);
  void elaborate_files(const Definition& data);
  bool open_table(const Definition& data);
  void window_columns(const Definition& data);
  // Columns that are made of those of a table (elaborate_columns.cpp)
  void elaborate_table(const Definition& data);
  void elaborate_columns(const Definition& data, Target& target, bool statistics);
  bool bind_table_columns(const Definition& data, Target& target, Scope& scope);
  std::optional<std::vector<const ir::TableColumn*>> column_range(const Expr* range);
  bool check_new_column(const Name& name);
  std::optional<Tensor> column_value(const Value& value, const Expr* expr, ir::SourceLocation location);
  // mean[rows] e (elaborate_rows.cpp)
  Value rows_reduction(const Expr* expr);
  Value rows_statistic(const Expr* expr);
  // Epochs, metrics (elaborate_metric.cpp)
  void read_schedule(const Definition& train);
  std::optional<int64_t> interval(const TrainItem& item);
  void elaborate_metrics(const Definition& train);
  void elaborate_metric(const TrainItem& item);
  std::optional<Tensor> loss_value(Target& target, Scope& columns, const std::optional<Tensor>& out);
  void elaborate_examples(const Definition& train);
  std::optional<std::pair<ir::Shape, std::vector<float>>> literal(const Expr* expr);
  std::optional<Tensor> elaborate_model(Scope& columns, Target*& target);
  std::optional<Tensor> elaborate_model(const Definition& model, Target& target, Scope& columns);
  std::optional<Tensor> stand_in(const TypeExpr& type, const std::string& name, Target& target);
  std::optional<Tensor> stand_in_for_model(Target& target);
  bool is_unknown_column(const std::string& name) const;
  std::optional<Tensor> column_tensor(const std::string& name, Target& target, const TypeExpr* type);
  void elaborate_loss(const Definition& train);
  void elaborate_optimizer();
  void optimizer_statement(const Statement& statement, const Definition& optimizer, std::vector<Scope>& scopes,
                           std::map<std::string, std::map<std::string, Tensor>>& states);
  Value total(const Expr* expr);
  Tensor initial_parameter(const std::string& parameter);
  const TrainItem* find_item(std::string_view word) const;
  void finish();

  const Spec& spec_;
  const Overrides& overrides_;
  ir::Diagnostics& diagnostics_;
  ElaborateLimits limits_;
  Context context_;
  Program program_;
  const Definition* train_ = nullptr;
  const Definition* model_ = nullptr;  // null: unknown, as what follows; their uses bring no more messages
  const Definition* data_ = nullptr;
  bool data_broken_ = false, model_broken_ = false, loss_broken_ = false;
  std::map<std::string, const TrainItem*> items_;

  std::map<const Definition*, Scalar> defined_;  // -D
  // Of uses of layers without a name, by body, place and round: the number that each got when it was met first, which
  // may have been in another function of the program (`when training`), and how many a layer has in a body.
  std::map<std::tuple<std::string, const Expr*, int>, int> anonymous_numbers_;
  std::map<std::string, int> anonymous_counts_;
  std::map<std::string, double> set_;  // --set
  std::set<std::string> set_used_;
  ScalarGraph scalars_;
  std::map<std::string, size_t> setting_index_;
  std::deque<Target> targets_;
  Target* initial_ = nullptr;
  std::map<const Definition*, Value> constants_;
  std::set<const Definition*> constants_open_;
  std::vector<Call> calls_;
  std::deque<Instance> instances_;
  std::map<std::string, size_t> instance_by_path_;
  std::map<std::string, ParameterInfo> parameters_;
  std::vector<std::string> parameter_order_;
  std::set<std::string> dropped_states_;

  bool training_ = false;                              // @RUN.loss is elaborated
  std::map<std::string, ParameterInfo> layer_states_;  // of layers and of the loss
  std::map<std::pair<const Target*, std::string>, Tensor> state_values_;
  std::map<std::pair<const Target*, std::string>, int> sample_uses_;
  std::set<std::string> changed_states_;
  // Each `when training`, by its instance and the calls that led there, and how often each function has come to it.
  using WhenKey = std::pair<const Expr*, std::string>;
  std::map<std::pair<WhenKey, int>, WhenSides> when_sides_;
  int when_round_ = -1;  // >= 0: functions are elaborated for the sides that no other takes
  int when_depth_ = 0;
  std::map<std::pair<const Target*, WhenKey>, int> when_uses_;
  std::vector<std::pair<Name, ir::ValueId>> reports_;
  std::map<std::pair<const Expr*, ir::SourceLocation>, size_t> fault_numbers_;  // by the use of the body that it is in
  // Parameters that a `grad` wants a gradient of for each sample, by their full names; where the model is elaborated
  // with a copy for each sample, what was copied. `once_more_`: such a parameter was found when it was too late.
  std::set<std::string> for_each_sample_;
  std::map<std::pair<const Target*, uint32_t>, Tensor> copied_;
  bool once_more_ = false;
  Name pending_name_;       // `let NAME = linear(5)` names the instance
  bool first_pass_ = true;  // the model is elaborated twice: rows of the table only once

  // The current draw of `random()`.
  std::string draw_name_;
  ir::Shape draw_shape_;
  bool draw_sample_ = false;
  int draws_ = -1;  // -1: not allowed here

  std::map<std::string, std::pair<ir::Type, ir::SourceLocation>> columns_;  // of the data, types of one sample
  std::map<std::string, int64_t> column_limits_;                            // of columns of indices
  std::map<std::string, Tensor> column_values_;                             // formula data
  std::set<std::string> columns_used_;
  Target* data_target_ = nullptr;
  int64_t data_batch_ = 1;  // samples that @RUN.data draws
  Target* columns_target_ = nullptr;
  Target* statistics_target_ = nullptr;
  Target* predict_target_ = nullptr;
  Target* loss_target_ = nullptr;
  Target* update_ = nullptr;
  std::vector<Scope>* optimizer_scopes_ = nullptr;   // one a parameter, while a line of the optimizer is elaborated
  std::map<const Expr*, Value> totals_;              // of that line
  std::shared_ptr<const ir::Table> table_;           // what the columns of the data are made of
  bool in_columns_ = false, in_statistics_ = false;  // which of the two the data block is elaborated for
  bool in_draws_ = false;                            // or for what it draws alone
  size_t statistic_count_ = 0;
  int64_t last_batch_rows_ = 0;  // of an epoch, where that batch is not full; 0: all are

  // The metric being elaborated: its values for each sample, and how they are reduced over the rows.
  Metric* metric_ = nullptr;
  Context metric_samples_;
  Target* metric_total_ = nullptr;
  std::vector<std::pair<Target*, std::string>> metric_targets_;  // with the names of their functions

  int64_t evaluations_ = 0;
  double state_elements_ = 0;  // of all parameters and states
  int depth_ = 0;
  int next_reduction_axis_ = kFirstReductionAxis;
  bool exhausted_ = false;
  ir::Diagnostic unheard_;
};

}  // namespace gradc::frontend
