#include "codegen/emit_scalar.h"

#include <llvm/IR/Intrinsics.h>

#include "ir/ensure.h"
#include "ir/math.h"
#include "ir/math_power.h"
#include "ir/math_sine.h"
#include "ir/philox.h"

namespace gradc::codegen {

namespace {

using ir::DType;
using ir::kAccumulation, ir::kCommutative, ir::kElementwise, ir::kFunction, ir::kLeaf, ir::kMovement, ir::kReduction,
    ir::kRequest;
using ir::Op;
using llvm::Value;

// `type` with the vector width of `like`.
llvm::Type* shaped(llvm::Type* type, const Value* like) {
  if (const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(like->getType()))
    return llvm::FixedVectorType::get(type, vector->getNumElements());
  return type;
}

// The builder of ir/math.h that emits instructions.
struct MathBuilder {
  using F = Value*;
  using I = Value*;
  using M = Value*;
  IrBuilder& builder;
  ScalarEmitter& emitter;
  llvm::Type* real;
  llvm::Type* integer;
  llvm::Type* wide;

  MathBuilder(IrBuilder& ir_builder, ScalarEmitter& scalar_emitter, const Value* like)
      : builder(ir_builder),
        emitter(scalar_emitter),
        real(shaped(ir_builder.getFloatTy(), like)),
        integer(shaped(ir_builder.getInt32Ty(), like)),
        wide(shaped(ir_builder.getInt64Ty(), like)) {}

  F constant(float value) { return llvm::ConstantFP::get(real, llvm::APFloat(value)); }
  I int_constant(uint32_t value) { return llvm::ConstantInt::get(integer, value); }
  F add(F x, F y) { return builder.CreateFAdd(x, y); }
  F sub(F x, F y) { return builder.CreateFSub(x, y); }
  F mul(F x, F y) { return builder.CreateFMul(x, y); }
  F div(F x, F y) { return builder.CreateFDiv(x, y); }
  F fma(F x, F y, F z) { return emitter.fma(x, y, z); }
  M less(F x, F y) { return builder.CreateFCmpOLT(x, y); }
  M equal(F x, F y) { return builder.CreateFCmpOEQ(x, y); }
  F select(M condition, F x, F y) { return builder.CreateSelect(condition, x, y); }
  I bits(F x) { return builder.CreateBitCast(x, integer); }
  F from_bits(I x) { return builder.CreateBitCast(x, real); }
  F to_float(I x) { return builder.CreateSIToFP(x, real); }
  I int_add(I x, I y) { return builder.CreateAdd(x, y); }
  I int_sub(I x, I y) { return builder.CreateSub(x, y); }
  I int_mul(I x, I y) { return builder.CreateMul(x, y); }
  I int_mul_high(I x, I y) {
    Value* product = builder.CreateMul(builder.CreateZExt(x, wide), builder.CreateZExt(y, wide));
    return builder.CreateTrunc(builder.CreateLShr(product, 32), integer);
  }
  I int_and(I x, I y) { return builder.CreateAnd(x, y); }
  I int_or(I x, I y) { return builder.CreateOr(x, y); }
  I int_xor(I x, I y) { return builder.CreateXor(x, y); }
  I int_shl(I x, int count) { return builder.CreateShl(x, static_cast<uint64_t>(count)); }
  I int_lshr(I x, int count) { return builder.CreateLShr(x, static_cast<uint64_t>(count)); }
  I int_ashr(I x, int count) { return builder.CreateAShr(x, static_cast<uint64_t>(count)); }
};

}  // namespace

llvm::Type* element_type(llvm::LLVMContext& context, DType dtype) {
  switch (dtype) {
    case DType::i32:
      return llvm::Type::getInt32Ty(context);
    case DType::boolean:
      return llvm::Type::getInt1Ty(context);
    case DType::f64:
      return llvm::Type::getDoubleTy(context);
    case DType::f32:
      break;
  }
  return llvm::Type::getFloatTy(context);
}

Value* ScalarEmitter::constant(double number, DType dtype) {
  llvm::Type* type = element_type(builder_.getContext(), dtype);
  if (dtype == DType::f32) return llvm::ConstantFP::get(type, llvm::APFloat(static_cast<float>(number)));
  if (dtype == DType::boolean) return llvm::ConstantInt::get(type, number != 0 ? 1 : 0);
  return llvm::ConstantInt::getSigned(type, static_cast<int64_t>(number));
}

Value* ScalarEmitter::fma(Value* a, Value* b, Value* c) {
  if (software_fma_) return fma_in_double(a, b, c);
  return builder_.CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, c});
}

// The product of two float32 is exact in float64. The sum s = p + c is made odd: where it is not exact, its last bit is
// set by moving it towards the error, which TwoSum (Knuth) gives exactly. Rounding an odd sum with at least two more
// bits than float32 has gives the sum rounded once (Boldo and Melquiond: Emulation of FMA and correctly rounded sums,
// 2008). Infinities and NaN have an error that is NaN, and stay.
Value* ScalarEmitter::fma_in_double(Value* a, Value* b, Value* c) {
  llvm::Type* wide = shaped(builder_.getDoubleTy(), a);
  llvm::Type* bits = shaped(builder_.getInt64Ty(), a);
  Value* product = builder_.CreateFMul(builder_.CreateFPExt(a, wide), builder_.CreateFPExt(b, wide));
  Value* addend = builder_.CreateFPExt(c, wide);
  Value* total = builder_.CreateFAdd(product, addend);
  Value* second = builder_.CreateFSub(total, product);
  Value* error = builder_.CreateFAdd(builder_.CreateFSub(product, builder_.CreateFSub(total, second)),
                                     builder_.CreateFSub(addend, second));
  Value* zero = llvm::ConstantFP::getZero(wide);
  Value* inexact = builder_.CreateFCmpONE(error, zero);
  Value* total_bits = builder_.CreateBitCast(total, bits);
  Value* even = builder_.CreateICmpEQ(builder_.CreateAnd(total_bits, llvm::ConstantInt::get(bits, 1)),
                                      llvm::ConstantInt::get(bits, 0));
  // One step away from zero where the error has the sign of the sum, else one towards it.
  Value* same_sign = builder_.CreateICmpEQ(builder_.CreateFCmpOGT(error, zero), builder_.CreateFCmpOGT(total, zero));
  Value* step =
      builder_.CreateSelect(same_sign, llvm::ConstantInt::get(bits, 1), llvm::ConstantInt::getSigned(bits, -1));
  Value* odd =
      builder_.CreateSelect(builder_.CreateAnd(inexact, even), builder_.CreateAdd(total_bits, step), total_bits);
  return builder_.CreateFPTrunc(builder_.CreateBitCast(odd, wide), a->getType());
}

namespace {

// What an elementwise operation is given: values of one width.
struct Call {
  ScalarEmitter& emitter;
  IrBuilder& builder;
  DType dtype;    // of the result
  DType operand;  // of the last operand
  std::span<Value* const> x;
  bool real() const { return operand == DType::f32; }
};

// One specialisation for each elementwise row of ops.def (which has the exact meanings); a missing one does not
// compile.
template <Op>
Value* emit(const Call&) = delete;

template <>
Value* emit<Op::neg>(const Call& c) {
  return c.real() ? c.builder.CreateFNeg(c.x[0]) : c.builder.CreateNeg(c.x[0]);
}
template <>
Value* emit<Op::abs>(const Call& c) {
  if (c.real()) return c.builder.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, c.x[0]);
  return c.builder.CreateBinaryIntrinsic(llvm::Intrinsic::abs, c.x[0], c.builder.getFalse());
}
template <>
Value* emit<Op::exp>(const Call& c) {
  MathBuilder math(c.builder, c.emitter, c.x[0]);
  return ir::exp_f32(math, c.x[0]);
}
template <>
Value* emit<Op::log>(const Call& c) {
  MathBuilder math(c.builder, c.emitter, c.x[0]);
  return ir::log_f32(math, c.x[0]);
}
template <>
Value* emit<Op::tanh>(const Call& c) {
  MathBuilder math(c.builder, c.emitter, c.x[0]);
  return ir::tanh_f32(math, c.x[0]);
}
template <>
Value* emit<Op::erf>(const Call& c) {
  MathBuilder math(c.builder, c.emitter, c.x[0]);
  return ir::erf_f32(math, c.x[0]);
}
template <>
Value* emit<Op::sin>(const Call& c) {
  MathBuilder math(c.builder, c.emitter, c.x[0]);
  return ir::sin_f32(math, c.x[0]);
}
template <>
Value* emit<Op::cos>(const Call& c) {
  MathBuilder math(c.builder, c.emitter, c.x[0]);
  return ir::cos_f32(math, c.x[0]);
}
template <>
Value* emit<Op::pow>(const Call& c) {
  MathBuilder math(c.builder, c.emitter, c.x[0]);
  return ir::pow_f32(math, c.x[0], c.x[1]);
}
template <>
Value* emit<Op::sqrt>(const Call& c) {
  return c.builder.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, c.x[0]);
}
template <>
Value* emit<Op::add>(const Call& c) {
  return c.real() ? c.builder.CreateFAdd(c.x[0], c.x[1]) : c.builder.CreateAdd(c.x[0], c.x[1]);
}
template <>
Value* emit<Op::sub>(const Call& c) {
  return c.real() ? c.builder.CreateFSub(c.x[0], c.x[1]) : c.builder.CreateSub(c.x[0], c.x[1]);
}
template <>
Value* emit<Op::mul>(const Call& c) {
  return c.real() ? c.builder.CreateFMul(c.x[0], c.x[1]) : c.builder.CreateMul(c.x[0], c.x[1]);
}
// Without undefined cases: x / 0 = 0, -2^31 / -1 wraps. The remainder has the sign of a; where it is not 0 and b has
// the other sign, the quotient was rounded up.
Value* floor_div(IrBuilder& builder, Value* a, Value* b) {
  const auto number = [&](int64_t value) { return llvm::ConstantInt::getSigned(a->getType(), value); };
  Value* by_zero = builder.CreateICmpEQ(b, number(0));
  Value* wraps = builder.CreateAnd(builder.CreateICmpEQ(a, number(INT32_MIN)), builder.CreateICmpEQ(b, number(-1)));
  Value* divisor = builder.CreateSelect(builder.CreateOr(by_zero, wraps), number(1), b);
  Value* quotient = builder.CreateSDiv(a, divisor);
  Value* remainder = builder.CreateSub(a, builder.CreateMul(quotient, divisor));
  Value* up = builder.CreateAnd(builder.CreateICmpNE(remainder, number(0)),
                                builder.CreateICmpSLT(builder.CreateXor(remainder, divisor), number(0)));
  Value* down = builder.CreateSelect(up, builder.CreateSub(quotient, number(1)), quotient);
  return builder.CreateSelect(by_zero, number(0), down);
}
template <>
Value* emit<Op::div>(const Call& c) {
  return c.real() ? c.builder.CreateFDiv(c.x[0], c.x[1]) : floor_div(c.builder, c.x[0], c.x[1]);
}
template <>
Value* emit<Op::floor>(const Call& c) {
  MathBuilder math(c.builder, c.emitter, c.x[0]);
  return ir::floor_f32(math, c.x[0]);
}

// Ordered comparison: false where one side is NaN.
Value* less(const Call& c, Value* a, Value* b) {
  if (c.real()) return c.builder.CreateFCmpOLT(a, b);
  return c.operand == DType::i32 ? c.builder.CreateICmpSLT(a, b) : c.builder.CreateICmpULT(a, b);
}
template <>
Value* emit<Op::max>(const Call& c) {
  return c.builder.CreateSelect(less(c, c.x[0], c.x[1]), c.x[1], c.x[0]);
}
template <>
Value* emit<Op::min>(const Call& c) {
  return c.builder.CreateSelect(less(c, c.x[1], c.x[0]), c.x[1], c.x[0]);
}
template <>
Value* emit<Op::fma>(const Call& c) {
  return c.emitter.fma(c.x[0], c.x[1], c.x[2]);
}
template <>
Value* emit<Op::less>(const Call& c) {
  return less(c, c.x[0], c.x[1]);
}
template <>
Value* emit<Op::less_equal>(const Call& c) {
  if (c.real()) return c.builder.CreateFCmpOLE(c.x[0], c.x[1]);
  return c.operand == DType::i32 ? c.builder.CreateICmpSLE(c.x[0], c.x[1]) : c.builder.CreateICmpULE(c.x[0], c.x[1]);
}
template <>
Value* emit<Op::equal>(const Call& c) {
  return c.real() ? c.builder.CreateFCmpOEQ(c.x[0], c.x[1]) : c.builder.CreateICmpEQ(c.x[0], c.x[1]);
}
template <>
Value* emit<Op::logical_and>(const Call& c) {
  return c.builder.CreateAnd(c.x[0], c.x[1]);
}
template <>
Value* emit<Op::logical_or>(const Call& c) {
  return c.builder.CreateOr(c.x[0], c.x[1]);
}
template <>
Value* emit<Op::logical_not>(const Call& c) {
  return c.builder.CreateNot(c.x[0]);
}
template <>
Value* emit<Op::select>(const Call& c) {
  return c.builder.CreateSelect(c.x[0], c.x[1], c.x[2]);
}
template <>
Value* emit<Op::stop_gradient>(const Call& c) {
  return c.x[0];
}
template <>
Value* emit<Op::cast>(const Call& c) {
  Value* x = c.x[0];
  if (c.dtype == c.operand) return x;
  llvm::Type* type = shaped(element_type(c.builder.getContext(), c.dtype), x);
  if (c.dtype == DType::boolean) {
    llvm::Constant* zero = llvm::Constant::getNullValue(x->getType());
    return c.real() ? c.builder.CreateFCmpUNE(x, zero) : c.builder.CreateICmpNE(x, zero);
  }
  if (c.dtype == DType::f32)
    return c.operand == DType::i32 ? c.builder.CreateSIToFP(x, type) : c.builder.CreateUIToFP(x, type);
  if (c.operand == DType::boolean) return c.builder.CreateZExt(x, type);
  return c.builder.CreateIntrinsic(llvm::Intrinsic::fptosi_sat, {type, x->getType()}, {x});
}

using Rule = Value* (*)(const Call&);
template <Op op, uint32_t traits>
constexpr Rule rule() {
  if constexpr ((traits & ir::kElementwise) != 0) {
    return &emit<op>;
  } else {
    return nullptr;
  }
}
constexpr Rule kRules[] = {
#define GRADC_OP(name, operands, Attr, traits) rule<Op::name, (traits)>(),
#include "ir/ops.def"
#undef GRADC_OP
};

}  // namespace

Value* ScalarEmitter::apply(Op op, DType dtype, DType operand_dtype, std::span<Value* const> operands) {
  const Rule rule = kRules[static_cast<size_t>(op)];
  ENSURE(rule != nullptr, std::string(ir::op_name(op)) + " is not elementwise");
  return rule({*this, builder_, dtype, operand_dtype, operands});
}

Value* ScalarEmitter::random(std::span<Value* const> key, Value* place, Value* sample, Value* element) {
  MathBuilder math(builder_, *this, element);
  const ir::RandomPosition<MathBuilder> position{element, sample, key[2], place};
  return ir::random_f32(math, key[0], key[1], position);
}

}  // namespace gradc::codegen
