// Files of data: what is read, and that damaged ones are refused with a sentence that names the place.
#include "runtime/read_table.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace gradc;
using namespace gradc::runtime;

namespace {

struct Folder {
  Folder() : path(std::filesystem::temp_directory_path() / ("gradc_read_table_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path / name, std::ios::binary) << bytes;
    return (path / name).string();
  }
  std::string compress(const std::string& name, const std::string& bytes) const {
    const std::string file = (path / name).string();
    gzFile out = gzopen(file.c_str(), "wb");
    CHECK(gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size())) == static_cast<int>(bytes.size()));
    gzclose(out);
    return file;
  }
  std::filesystem::path path;
};

std::string word(uint32_t number) {
  return {static_cast<char>(number >> 24), static_cast<char>(number >> 16), static_cast<char>(number >> 8),
          static_cast<char>(number)};
}

std::vector<float> rows_of(const ir::TableColumn& column, int64_t rows) {
  std::vector<float> elements(static_cast<size_t>(rows * column.type.elements()));
  for (int64_t row = 0; row < rows; ++row) column.copy_row(row, elements.data() + row * column.type.elements());
  return elements;
}

std::string csv_error(const std::string& text) {
  const ir::Result<ir::Table> table = parse_csv("f.csv", text);
  REQUIRE_FALSE(table);
  return table.error();
}

}  // namespace

TEST_CASE("csv: names, numbers, quotes, line ends") {
  const ir::Result<ir::Table> table = parse_csv("f.csv", "a, \"b,\"\"c\" ,d\r\n1, 2 ,+3\r\n-4.5,\"1e3\",0\r\n\n");
  REQUIRE(table);
  CHECK(table->rows == 2);
  REQUIRE(table->columns.size() == 3);
  CHECK(table->columns[1].name == "b,\"c");
  CHECK(table->columns[0].values == std::vector<float>{1, -4.5f});
  CHECK(table->columns[1].values == std::vector<float>{2, 1000});
  CHECK(table->columns[2].values == std::vector<float>{3, 0});
}

TEST_CASE("csv: what is wrong with the file is said at once, with a cell only where it is used") {
  CHECK(csv_error("") == "f.csv is empty");
  CHECK(csv_error("a,b\n") == "f.csv has a header and no rows");
  CHECK(csv_error("a,b\n1,2\n3\n") == "f.csv:3: 1 cells in the row, the header names 2 columns");
  CHECK(csv_error("a,b\n1,2\n\n3,4\n") == "f.csv:3: 1 cells in the row, the header names 2 columns");
  CHECK(csv_error("1,2\n3,4\n") == "f.csv:1: the first line holds the names of the columns; `1` is none");
  CHECK(csv_error("a,a\n1,2\n") == "f.csv:1: two columns are named `a`");
  CHECK(csv_error("a,\"b\n1,2\n") == "f.csv:1: a quote is not closed, or something stands behind it");
  CHECK(csv_error(std::string("a\n\xff\n")).find("f.csv") == 0);
  const ir::Result<ir::Table> table = parse_csv("f.csv", "a,b,c\n1,red,\n2,1e99,nan\n");
  REQUIRE(table);
  CHECK(table->columns[0].problem.empty());
  CHECK(table->columns[1].problem == "f.csv:2: column `b`: `red` is not a number of float32");
  CHECK(table->columns[2].problem == "f.csv:2: column `c`: the cell is empty");
}

TEST_CASE("idx: plain and compressed, sizes checked") {
  const Folder folder;
  const std::string images = word(2051) + word(2) + word(1) + word(2) + std::string("\x01\x02\x03\xff", 4);
  const std::string labels = word(2049) + word(2) + std::string("\x07\x00", 2);
  folder.compress("images.gz", images);
  folder.write("labels", labels);
  const ir::Result<std::shared_ptr<const ir::Table>> table =
      read_table({"idx", {"images.gz", "labels"}, {"images.gz", "labels"}, 0}, {folder.path.string(), ""});
  REQUIRE(table);
  CHECK((*table)->rows == 4);
  CHECK((*table)->test_rows == 2);
  CHECK((*table)->columns[0].type == ir::Type{ir::DType::f32, {1, 2}});
  CHECK(rows_of((*table)->columns[0], 4) == std::vector<float>{1, 2, 3, 255, 1, 2, 3, 255});
  CHECK(rows_of((*table)->columns[1], 4) == std::vector<float>{7, 0, 7, 0});

  const auto error = [&](const std::string& bytes) {
    const ir::Result<ByteArray> array = read_idx(folder.write("x", bytes), "x");
    REQUIRE_FALSE(array);
    return array.error();
  };
  CHECK(error("") == "x is no idx file of bytes: it begins with the magic number none, expected 2049 to 2052");
  CHECK(error(word(2061)) == "x is no idx file of bytes: it begins with the magic number 2061, expected 2049 to 2052");
  CHECK(error(word(2051) + word(2)) == "x ends inside its head");
  CHECK(error(word(2049) + word(0)) == "x: axis 0 is empty");
  CHECK(error(word(2051) + word(0xffffffff) + word(0xffffffff) + word(0xffffffff)) ==
        "x claims more than 1073741824 elements");
  CHECK(error(word(2049) + word(1000000000) + "abc") ==
        "x ends after 3 of the 1000000000 elements that its head claims");
  CHECK(error(labels + "!") == "x goes on behind the 2 elements that its head claims");
  const std::string compressed = folder.compress("cut.gz", images + std::string(5000, '\x05'));
  std::filesystem::resize_file(compressed, 30);
  CHECK(read_idx(compressed, "cut.gz").error() == "cut.gz: the compressed data is damaged or cut off");
  // A small file that grows without end stops at what its head claims.
  const std::string bomb = folder.compress("bomb.gz", labels + std::string(1 << 22, '\0'));
  CHECK(read_idx(bomb, "bomb.gz").error() == "bomb.gz goes on behind the 2 elements that its head claims");
  CHECK(read_table({"idx", {"images.gz", "x"}, {}, 0}, {folder.path.string(), ""}).error() ==
        "x goes on behind the 2 elements that its head claims");
  // gzip files behind one another are one; what is no gzip file behind them is ignored.
  const auto bytes_of = [](const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  };
  const std::string head = bytes_of(folder.compress("head", labels.substr(0, 9)));
  const std::string tail = bytes_of(folder.compress("tail", labels.substr(9)));
  const ir::Result<ByteArray> both = read_idx(folder.write("both.gz", head + tail + "!"), "both.gz");
  REQUIRE(both);
  CHECK(both->elements() == 2);
  CHECK(both->bytes[static_cast<size_t>(both->begin)] == std::byte{7});
  CHECK(error(head) == "x ends after 1 of the 2 elements that its head claims");
  CHECK(error(head + tail.substr(0, 12)) == "x: the compressed data is damaged or cut off");
  // Claims more than so few compressed bytes can become: no memory is taken for it.
  CHECK(error(bytes_of(folder.compress("small", word(2049) + word(1000000000) + "abc"))) ==
        "x ends after 3 of the 1000000000 elements that its head claims");
  const std::string pipe = (folder.path / "pipe").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(read_idx(pipe, "pipe").error() == "cannot read `" + pipe + "`: it is not a regular file");
  CHECK(read_idx(folder.path.string(), "x").error() == "cannot read `" + folder.path.string() + "`: it is a folder");
  const std::string large = folder.write("large.gz", head + tail);
  std::filesystem::resize_file(large, (std::uintmax_t{1} << 30) + 1);
  CHECK(read_idx(large, "large.gz").error() == "large.gz is larger than 1073741824 bytes");
  std::filesystem::remove(large);
}

TEST_CASE("text: ranks of the distinct characters, bytes, windows") {
  const ir::Result<ir::Table> table = parse_text("f.txt",
                                                 "ba\xc3\xa9"
                                                 "ab",
                                                 true, 3);
  REQUIRE(table);
  CHECK(table->vocabulary == std::vector<std::string>{"a", "b", "\xc3\xa9"});
  CHECK(table->columns[0].values == std::vector<float>{1, 0, 2, 0, 1});
  CHECK(table->rows == 3);
  const ir::Result<ir::Table> bytes = parse_text("f.txt", "a\xff", false, 2);
  REQUIRE(bytes);
  CHECK(bytes->columns[0].values == std::vector<float>{97, 255});
  CHECK(parse_text("f.txt", "ab", true, 3).error() == "f.txt has 2 characters, fewer than a window of 3");
}

TEST_CASE("data files: looked for beside the spec, then in the data folder, nowhere else") {
  const Folder folder;
  folder.write("f.csv", "a\n1\n");
  CHECK(find_data_file("f.csv", {folder.path.string(), ""}));
  CHECK(find_data_file("f.csv", {"nowhere", folder.path.string()}));
  CHECK(find_data_file("g.csv", {"a", "b"}).error() == "there is no file `g.csv`; looked in a and b");
  CHECK(find_data_file("g.csv", {"", ""}).error() ==
        "there is no file `g.csv`; looked in the current folder; --data-dir or GRADC_DATA names a further folder");
  for (const char* name : {"/etc/passwd", "../f.csv", "a/../../f.csv", ""}) {
    CHECK_FALSE(find_data_file(name, {folder.path.string(), folder.path.string()}));
  }
}
