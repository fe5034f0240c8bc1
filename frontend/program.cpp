#include "frontend/program.h"

#include <fmt/format.h>

namespace gradc::frontend {

std::string to_string(const Port& port) {
  if (port.limit == 0) return ir::to_string(port.type);
  return fmt::format("idx<{}>[{}]", port.limit, fmt::join(port.type.shape, ","));
}

}  // namespace gradc::frontend
