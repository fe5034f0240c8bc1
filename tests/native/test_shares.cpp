// Programs that are compiled in several modules mean what they mean in one.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>

#include "codegen/shares.h"
#include "run_compiled.h"

namespace gradc {

namespace {

// Products of widths of their own, so that no two kernels are the same; wide enough to be dealt out to threads.
std::string layers(int count) {
  std::string head = "func @f(", body, x = "%x";
  const auto width = [](int k) { return 64 + 3 * k; };
  for (int k = 0; k < count; ++k) {
    head += fmt::format("%w{}: f32[{},{}] parameter, ", k, width(k + 1), width(k));
    const std::string value = fmt::format("%{}", 2 * k), result = fmt::format("%{}", 2 * k + 1);
    const std::string type = fmt::format("f32[64,{}]", width(k + 1));
    body += fmt::format("  {} = contract {}, %w{} {{\"bi,oi->bo\", order = seq}} : {}\n  {} = tanh {} : {}\n", value, x,
                        k, type, result, value, type);
    x = result;
  }
  return fmt::format("{}%x: f32[64,{}] data) -> (y: f32[64,{}]) {{\n{}  return {}\n}}\n", head, width(0), width(count),
                     body, x);
}

}  // namespace

TEST_CASE("shares: a large program is compiled in several, by any number of threads, and means the same") {
  const ir::Func plan = planned(func_of(layers(24)));
  const std::vector<ir::Tensor> arguments = some_arguments(plan, 3);
  codegen::Options options;
  const ir::Result<codegen::KernelProgram> program = codegen::lower(plan, {}, options);
  REQUIRE(program.ok());
  const std::vector<codegen::KernelGroup> groups = codegen::group_kernels(*program, options.debug_info);
  const size_t count = codegen::share_count(*program, groups, 2);
  CHECK(count > 1);
  const std::vector<size_t> shares = codegen::shares_of(*program, groups, count);
  CHECK(shares.size() == groups.size());
  CHECK(std::set<size_t>(shares.begin(), shares.end()).size() == count);

  const auto groups_in = [&](size_t share) { return std::count(shares.begin(), shares.end(), share); };
  CHECK(groups_in(0) > groups_in(count - 1));  // the groups are about alike

  std::vector<codegen::ObjectCode> objects;
  std::vector<std::string> schedules;
  options.explain = true;
  for (const int threads : {1, 2, 3}) {
    options.compile_threads = threads;
    const ir::Result<codegen::KernelProgram> same = codegen::lower(plan, {}, options);
    REQUIRE(same.ok());
    schedules.push_back(codegen::print(*same));
    check_compiled(plan, arguments, options, 2, threads);
    ir::Result<codegen::ObjectCode> object = codegen::emit_object(*program, options);
    REQUIRE(object.ok());
    CHECK(object->files.size() == (threads == 1 ? 1 : count));
    objects.push_back(std::move(*object));
  }
  CHECK(objects[1].files == objects[2].files);
  CHECK(schedules[0] == schedules[1]);
  CHECK(schedules[1] == schedules[2]);
}

TEST_CASE("shares: a small program is one") {
  ir::Result<codegen::KernelProgram> program = codegen::lower(planned(func_of(layers(1))), {}, {});
  REQUIRE(program.ok());
  CHECK(codegen::share_count(*program, codegen::group_kernels(*program, false), 2) == 1);
}

}  // namespace gradc
