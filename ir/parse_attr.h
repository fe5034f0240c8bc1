// Reads the attributes of an operation: the counterpart of FieldPrinter in print.cpp.
#pragma once
#include "ir/attr.h"
#include "ir/op.h"
#include "ir/token_cursor.h"

namespace gradc::ir {

// The attributes of `op` between braces at the cursor, numbers rounded to `dtype`; faults are the cursor's.
Attr parse_attr(TokenCursor& cursor, Op op, DType dtype);

}  // namespace gradc::ir
