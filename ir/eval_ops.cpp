#include "ir/eval_ops.h"

#include "ir/ensure.h"
#include "ir/eval_rules.h"

namespace gradc::ir {

namespace rules {

void rule_parameter(const EvalCall&) {}
void rule_gradient(const EvalCall&) { ENSURE(false, "a request is no operation"); }  // evaluate_all refuses it

}  // namespace rules

namespace {

using Rule = void (*)(const EvalCall&);
constexpr Rule kRules[] = {
#define GRADC_OP(name, operands, Attr, traits) &rules::rule_##name,
#include "ir/ops.def"
#undef GRADC_OP
};

}  // namespace

void evaluate_op(const EvalCall& call) { kRules[static_cast<size_t>(call.value.op)](call); }

}  // namespace gradc::ir
