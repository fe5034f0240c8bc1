// Reading and writing weights, and every way in which an untrusted file can be wrong, with the whole message.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "ir/philox.h"
#include "runtime/safetensors.h"
#include "tests/unit/temporary_folder.h"

using namespace gradc;
using namespace gradc::runtime;

namespace {

std::string length_prefix(uint64_t length) {
  std::string prefix(8, '\0');
  std::memcpy(prefix.data(), &length, 8);
  return prefix;
}

std::string file_of(const std::string& header, const std::string& data) {
  return length_prefix(header.size()) + header + data;
}

// What reading this file says; the path is left out.
std::string refusal(const std::string& bytes) {
  TemporaryFolder folder;
  const std::string path = folder.write("w", bytes);
  ir::Result<SafetensorsReader> reader = SafetensorsReader::open(path);
  if (reader) return "accepted";
  const std::string start = path + ": not a usable safetensors file: ";
  REQUIRE(reader.error().substr(0, start.size()) == start);
  return reader.error().substr(start.size());
}

std::string header_refusal(const std::string& header) { return refusal(file_of(header, "")); }

const std::string kTwo =
    R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";

}  // namespace

TEST_CASE("safetensors: what is written is read, sorted by name") {
  TemporaryFolder folder;
  const std::string path = folder.path("w.safetensors");
  const std::vector<float> weight = {1, -0.0f, std::numeric_limits<float>::infinity(), 1e-45f, 5, 6};
  const float bias = std::nanf("");
  REQUIRE(write_safetensors(path, {{"hidden.weight", {3, 2}, weight.data()}, {"hidden.bias", {}, &bias}}));
  CHECK(folder.file_count() == 1);

  const std::string bytes = folder.read("w.safetensors");
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"hidden.bias":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("hidden.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[4,28]}})";
  REQUIRE(bytes.size() > 8 + header.size());
  CHECK(bytes.substr(8, header.size()) == header);
  CHECK((bytes.size() - 28) % 8 == 0);

  ir::Result<SafetensorsReader> reader = SafetensorsReader::open(path);
  REQUIRE(reader);
  REQUIRE(reader->tensors().size() == 2);
  CHECK(reader->metadata().at("format") == "pt");
  const StoredTensor* tensor = reader->find("hidden.weight");
  REQUIRE(tensor != nullptr);
  CHECK(to_string(*tensor) == "hidden.weight F32[3,2]");
  ir::Result<std::vector<float>> elements = reader->read_f32(*tensor);
  REQUIRE(elements);
  CHECK(std::memcmp(elements->data(), weight.data(), weight.size() * sizeof(float)) == 0);
  CHECK(reader->find("hidden.scale") == nullptr);
}

TEST_CASE("safetensors: other floating-point types become float32, integers do not") {
  TemporaryFolder folder;
  std::string data;
  const auto put = [&](auto value) { data.append(reinterpret_cast<const char*>(&value), sizeof(value)); };
  for (const int half : {0x3c00, 0x8001, 0x7bff, 0xfc00}) put(static_cast<uint16_t>(half));
  for (const int brain : {0x3f80, 0xc049}) put(static_cast<uint16_t>(brain));
  put(0.1);
  put(int64_t{7});
  const std::string path = folder.write(
      "w",
      file_of(
          R"({"h":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},)"
          R"("d":{"dtype":"F64","shape":[1],"data_offsets":[12,20]},"n":{"dtype":"I64","shape":[],"data_offsets":[20,28]}})",
          data));
  ir::Result<SafetensorsReader> reader = SafetensorsReader::open(path);
  REQUIRE(reader);
  CHECK(*reader->read_f32(*reader->find("h")) ==
        std::vector<float>{1, -0x1p-24f, 65504, -std::numeric_limits<float>::infinity()});
  CHECK(*reader->read_f32(*reader->find("b")) == std::vector<float>{1, -3.140625f});
  CHECK(*reader->read_f32(*reader->find("d")) == std::vector<float>{0.1f});
  CHECK(reader->read_f32(*reader->find("n")).error() ==
        path + ": tensor `n` is I64; only F32, F16, BF16 and F64 can be used as weights");
}

TEST_CASE("safetensors: lengths") {
  CHECK(refusal("") == "it has only 0 bytes");
  CHECK(refusal("1234567") == "it has only 7 bytes");
  CHECK(refusal(length_prefix(uint64_t{1} << 63)) == "its header length is 9223372036854775808, more than 100000000");
  CHECK(refusal(length_prefix(100'000'001) + "{}") == "its header length is 100000001, more than 100000000");
  CHECK(refusal(length_prefix(100'000'000) + "{}") ==
        "its header length is 100000000, but only 2 bytes follow: truncated?");
  CHECK(refusal(length_prefix(0)) == "its header does not begin with `{`");
  CHECK(header_refusal(" {}") == "its header does not begin with `{`");
  CHECK(header_refusal("{}  ") == "accepted");
}

TEST_CASE("safetensors: headers that are not of the format") {
  CHECK(header_refusal("{") == "header: not JSON in UTF-8 at byte 2");
  CHECK(header_refusal("{}x") == "header: not JSON in UTF-8 at byte 3");
  CHECK(header_refusal("{\"\xff\":{}}") == "header: not JSON in UTF-8 at byte 3");
  CHECK(header_refusal(R"({"a":1})") == "header: `a` is a number, not an object");
  CHECK(header_refusal(R"({"a":[[[[1]]]]})") == "header: `a` is a list, not an object");
  CHECK(header_refusal(R"({"__metadata__":{"format":1}})") == "header: metadata `format` is a number, not a string");
  CHECK(header_refusal(R"({"__metadata__":{"format":{}}})") == "header: metadata `format` is an object, not a string");
  CHECK(header_refusal(R"({"a":{}})") == "header: tensor `a` has no field `dtype`");
  CHECK(header_refusal(R"({"a":{"dtype":"F32","shape":[]}})") == "header: tensor `a` has no field `data_offsets`");
  CHECK(header_refusal(R"({"a":{"dtype":"F33"}})") == "header: tensor `a` has the unknown dtype `F33`");
  CHECK(header_refusal(R"({"a":{"dtype":4}})") == "header: tensor `a`: field `dtype` contains a number");
  CHECK(header_refusal(R"({"a":{"dtype":[]}})") == "header: tensor `a`: field `dtype` contains a list");
  CHECK(header_refusal(R"({"a":{"shape":"x"}})") == "header: tensor `a`: field `shape` contains a string");
  CHECK(header_refusal(R"({"a":{"shape":[-1]}})") == "header: tensor `a`: field `shape` contains a negative number");
  CHECK(header_refusal(R"({"a":{"shape":[1.5]}})") ==
        "header: tensor `a`: field `shape` contains a number that is no small integer");
  CHECK(header_refusal(R"({"a":{"shape":[1e400]}})") == "header: not JSON in UTF-8 at byte 20");
  CHECK(header_refusal(R"({"a":{"shape":[18446744073709551615]}})") ==
        "header: tensor `a`: field `shape` contains a number above 2^63");
  CHECK(header_refusal(R"({"a":{"shape":[[1]]}})") == "header: tensor `a`: field `shape` contains a list");
  CHECK(header_refusal(R"({"a":{"shape":[null]}})") == "header: tensor `a`: field `shape` contains null");
  CHECK(header_refusal(R"({"a":{"shape":[true]}})") == "header: tensor `a`: field `shape` contains a truth value");
  CHECK(header_refusal(R"({"a":{"data_offsets":[0,1,2]}})") == "header: tensor `a` has 3 data offsets, not 2");
  CHECK(header_refusal(R"({"a":{"size":1}})") == "header: tensor `a` has the unknown field `size`");
  CHECK(header_refusal(R"({"a":{"shape":[],"shape":[]}})") == "header: tensor `a` has two fields `shape`");
  CHECK(header_refusal(std::string(R"({"a":)") + std::string(100000, '[')) == "header: `a` is a list, not an object");
  CHECK(header_refusal("{\"a\\u001b[31m\":1}") == "header: `a\\x1b[31m` is a number, not an object");
  CHECK(header_refusal("{\"" + std::string(200, 'x') + "\":1}") ==
        "header: `" + std::string(80, 'x') + "...` is a number, not an object");
}

TEST_CASE("safetensors: duplicate names") {
  const std::string one = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  CHECK(refusal(file_of("{" + one + "," + one + "}", "1234")) == "header: the name `a` occurs twice");
  CHECK(header_refusal(R"({"__metadata__":{},"__metadata__":{}})") == "header: the name `__metadata__` occurs twice");
}

TEST_CASE("safetensors: ranges that do not tile the data") {
  const auto tensor = [](const std::string& name, const std::string& shape, int64_t begin, int64_t end) {
    return "\"" + name + R"(":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[)" + std::to_string(begin) + "," +
           std::to_string(end) + "]}";
  };
  const auto file = [&](const std::string& entries, size_t data) {
    return file_of("{" + entries + "}", std::string(data, '\0'));
  };
  CHECK(refusal(file_of(kTwo, std::string(8, '\0'))) == "accepted");
  CHECK(refusal(file_of(kTwo, std::string(7, '\0'))) ==
        "tensor `b` ends at byte 8 of the data, but the file holds 7: truncated?");
  CHECK(refusal(file_of(kTwo, std::string(9, '\0'))) == "1 byte at the end of the data belong to no tensor");
  CHECK(refusal(file(tensor("a", "[1]", 4, 0), 4)) == "tensor `a` ends at byte 0, before its begin at 4");
  CHECK(refusal(file(tensor("a", "[2]", 0, 4), 4)) == "tensor `a` of F32[2] takes 8 bytes, but its range has 4");
  CHECK(refusal(file(tensor("a", "[0]", 0, 4), 4)) == "tensor `a` of F32[0] takes 0 bytes, but its range has 4");
  CHECK(refusal(file(tensor("a", "[4611686018427387904,2]", 0, 4), 4)) ==
        "tensor `a` has the impossible shape [4611686018427387904,2]");
  CHECK(refusal(file(tensor("a", "[2]", 0, 8) + "," + tensor("b", "[2]", 4, 12), 12)) == "tensors `a` and `b` overlap");
  CHECK(refusal(file(tensor("a", "[1]", 0, 4) + "," + tensor("b", "[1]", 0, 4), 4)) == "tensors `a` and `b` overlap");
  CHECK(refusal(file(tensor("a", "[1]", 0, 4) + "," + tensor("b", "[1]", 8, 12), 12)) ==
        "4 bytes of the data before tensor `b` belong to no tensor");
  CHECK(refusal(file(tensor("a", "[1]", 4, 8), 8)) == "4 bytes of the data before tensor `a` belong to no tensor");
  CHECK(refusal(file(tensor("e", "[0,3]", 0, 0) + "," + tensor("a", "[1]", 0, 4), 4)) == "accepted");
}

TEST_CASE("safetensors: whatever bytes are changed, a file is refused or read within its bounds") {
  TemporaryFolder folder;
  const std::string valid = file_of(kTwo, "12345678");
  ir::FloatBuilder builder;
  int accepted = 0;
  for (uint32_t round = 0; round < 2000; ++round) {
    const auto words = ir::philox4x32_10(builder, {round, 0, 0, 0}, {1, 0});
    std::string bytes = valid;
    bytes[words[0] % bytes.size()] = static_cast<char>(words[1] & 0xff);
    if (words[1] % 2 == 0) bytes[words[2] % bytes.size()] = static_cast<char>("0123456789[]{},:\"\\e-"[words[3] % 20]);
    if (words[3] % 8 == 0) bytes.resize(words[2] % bytes.size());
    ir::Result<SafetensorsReader> reader = SafetensorsReader::open(folder.write("w", bytes));
    if (!reader) continue;
    ++accepted;
    for (const StoredTensor& tensor : reader->tensors())
      CHECK(reader->read_f32(tensor).ok() == (tensor.dtype == "F32"));
  }
  CHECK(accepted > 0);
}

TEST_CASE("safetensors: files that cannot be read or written") {
  TemporaryFolder folder;
  CHECK(SafetensorsReader::open(folder.path("none")).error() ==
        "cannot read `" + folder.path("none") + "`: there is no such file");
  const std::string path = folder.path("no/such/folder");
  CHECK(write_safetensors(path, {}).error() == "cannot write `" + path + "`: there is no such folder");
  CHECK(SafetensorsReader::open(folder.path("")).error() == "cannot read `" + folder.path("") + "`: it is a folder");
  CHECK(write_safetensors(folder.path(""), {}).error() == "cannot write `" + folder.path("") + "`: it is a folder");
  CHECK(write_safetensors("/dev/null", {}).error() == "cannot write `/dev/null`: it is not a regular file");
}
