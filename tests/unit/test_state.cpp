// Layouts, the state blob, and weights by name.
#include "runtime/state.h"

#include <doctest/doctest.h>

#include <cstring>

#include "runtime/safetensors.h"
#include "tests/support/ir_text.h"
#include "tests/unit/temporary_folder.h"

using namespace gradc;
using namespace gradc::runtime;

namespace {

const char* const kSmallStep =
    R"(func @s(%weight: f32[2] parameter at state+0, %optimizer.v: f32[2] state at state+64, %norm.mean: f32[2] state at state+128,
  %x: f32[1,2] data at data+0, %lr: f32[] hyper at hyper+4) -> (weight: f32[2], optimizer.v: f32[2], norm.mean: f32[2], loss: f32[]) {
  %0 = add %weight, %optimizer.v : f32[2] kernel 0 at state+0
  %1 = reduce %0 {sum, axes = [0]} : f32[] kernel 0 at result+8
  return %0, %optimizer.v, %norm.mean, %1
}
)";

State make_state() {
  const Layout layout = layout_of(tests::func_from_text(kSmallStep));
  return State(layout.state, layout.state_bytes, 7);
}

}  // namespace

TEST_CASE("layout: every argument and result has its slot") {
  const Layout layout = layout_of(tests::func_from_text(kSmallStep));
  REQUIRE(layout.state.size() == 3);
  CHECK(layout.state[1].name == "optimizer.v");
  CHECK(layout.state[1].role == ir::Role::state);
  CHECK(layout.state[1].offset == 64);
  CHECK(layout.state_bytes == 192);
  CHECK(layout.data_bytes == 64);
  CHECK(find_slot(layout.hyper, "lr")->offset == 4);
  REQUIRE(layout.results.size() == 1);
  CHECK(layout.results[0].name == "loss");
  CHECK(layout.results[0].offset == 8);
  CHECK(find_slot(layout.results, "weight") == nullptr);
}

TEST_CASE("state: one aligned block with the record behind the tensors") {
  State state = make_state();
  CHECK(reinterpret_cast<uintptr_t>(state.data()) % 64 == 0);
  CHECK(state.blob().size() == 192 + sizeof(RunRecord));
  CHECK(state.record().seed == 7);
  state.set_record({7, 12});
  CHECK(state.record().step == 12);
}

TEST_CASE("state: initial values by name") {
  State state = make_state();
  REQUIRE(initialize(
      state,
      tests::func_from_text(
          R"(func @init(%key: i32[3] key) -> (optimizer.v: f32[2], norm.mean: f32[2], unused: f32[], weight: f32[2]) {
  %0 = constant {3} : f32[2]
  %1 = constant {1} : f32[]
  %2 = random %key {place = 5} : f32[2]
  return %0, %0, %1, %2
}
)")));
  CHECK(state.elements(state.slots()[1])[1] == 3);
  const float first = state.elements(state.slots()[0])[0];
  CHECK(first > 0);
  CHECK(first < 1);
  CHECK(first != state.elements(state.slots()[0])[1]);
}

TEST_CASE("weights: saved and loaded by name") {
  TemporaryFolder folder;
  const std::string path = folder.path("w.safetensors");
  State state = make_state();
  state.elements(state.slots()[0])[1] = 1.5f;
  state.elements(state.slots()[1])[0] = 9;
  state.elements(state.slots()[2])[0] = 3;
  REQUIRE(save_weights(state, path));
  State other = make_state();
  REQUIRE(load_weights(other, path, "m"));
  CHECK(other.elements(other.slots()[0])[1] == 1.5f);
  CHECK(other.elements(other.slots()[1])[0] == 0);  // optimizer states are no weights
  CHECK(other.elements(other.slots()[2])[0] == 3);  // the states of layers are
}

TEST_CASE("weights: names and shapes that do not fit, and what is passed over") {
  TemporaryFolder folder;
  const std::string path = folder.path("w.safetensors");
  const float numbers[6] = {1, 2, 3, 4, 5, 6};
  State state = make_state();
  const auto load = [&](std::vector<TensorToStore> tensors, bool with_state = true) {
    if (with_state) tensors.push_back({"norm.mean", {2}, numbers});
    REQUIRE(write_safetensors(path, std::move(tensors)));
    const ir::Status status = load_weights(state, path, "m", {"norm.largest"});
    return status ? "accepted" : status.error().substr(path.size() + 2);
  };
  CHECK(
      load({{"fc.weight", {2}, numbers}, {"fc.bias", {3, 2}, numbers}}) ==
      "the names are not those of model `m`\n  only in the model: weight f32[2]\n  only in the file: fc.bias F32[3,2], "
      "fc.weight F32[2]");
  CHECK(load({}) ==
        "the names are not those of model `m`\n  only in the model: weight f32[2]\n  only in the file: nothing");
  CHECK(load({{"weight", {2}, numbers}}, false) ==
        "the names are not those of model `m`\n  only in the model: norm.mean f32[2]\n  only in the file: nothing");
  CHECK(load({{"weight", {2}, numbers}, {"scale", {}, numbers}}) ==
        "the names are not those of model `m`\n  only in the model: nothing\n  only in the file: scale F32[]");
  CHECK(load({{"weight", {3}, numbers}}) == "`weight` has another shape in the file: F32[3]; model `m` has f32[2]");
  CHECK(state.elements(state.slots()[0])[0] == 0);
  CHECK(load({{"weight", {2}, numbers}, {"norm.num_batches_tracked", {}, numbers}}) == "accepted");
  CHECK(load({{"weight", {2}, numbers}, {"norm.largest", {}, numbers}}) == "accepted");
  CHECK(state.elements(state.slots()[0])[0] == 1);
}

TEST_CASE("random key: seed and step in 32-bit words") {
  const ir::Tensor key = random_key(0x1234567890abcdef, 0xffffffff);
  CHECK(static_cast<uint32_t>(key.data<int32_t>()[0]) == 0x90abcdef);
  CHECK(static_cast<uint32_t>(key.data<int32_t>()[1]) == 0x12345678);
  CHECK(static_cast<uint32_t>(key.data<int32_t>()[2]) == 0xffffffff);
  const ir::Tensor later = random_key(0x1234567890abcdef, 0x1ffffffff);
  CHECK(static_cast<uint32_t>(later.data<int32_t>()[2]) == 0xffffffff);
  CHECK_FALSE(later.same_bits(key));
}
