// Files that the user names: what is refused, with the whole sentence, and that a failure leaves the old file alone.
#include "runtime/file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/temporary_folder.h"

using namespace gradc;
using namespace gradc::runtime;

TEST_CASE("file: text is read whole") {
  TemporaryFolder folder;
  CHECK(*read_text_file(folder.write("a", "grüße\n")) == "grüße\n");
  CHECK(*read_text_file(folder.write("b", "")) == "");
}

TEST_CASE("file: what cannot be read") {
  TemporaryFolder folder;
  CHECK(read_text_file(folder.path("none")).error() ==
        "cannot read `" + folder.path("none") + "`: there is no such file");
  CHECK(read_text_file(folder.path("")).error() == "cannot read `" + folder.path("") + "`: it is a folder");
  CHECK(read_text_file("/dev/zero").error() == "cannot read `/dev/zero`: it is not a regular file");
  CHECK(read_text_file(folder.write("big", "12345"), 4).error() ==
        "cannot read `" + folder.path("big") + "`: its 5 bytes are more than the 4 of a text");
  CHECK(read_text_file(folder.write("bad", "one\ntwo \xff")).error() ==
        folder.path("bad") + ": not a text in UTF-8: byte 0xff on line 2");
  CHECK(read_text_file(folder.write("nul", std::string("a\0b", 3))).error() ==
        folder.path("nul") + ": not a text in UTF-8: byte 0x00 on line 1");
  const std::string pipe = folder.path("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(read_text_file(pipe).error() == "cannot read `" + pipe + "`: it is not a regular file");
}

TEST_CASE("file: UTF-8") {
  CHECK(find_invalid_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == std::string_view::npos);
  CHECK(find_invalid_utf8("a\xc0\x80") == 1);         // overlong
  CHECK(find_invalid_utf8("\xe0\x9f\xbf") == 0);      // overlong
  CHECK(find_invalid_utf8("\xed\xa0\x80") == 0);      // surrogate
  CHECK(find_invalid_utf8("\xf4\x90\x80\x80") == 0);  // above U+10FFFF
  CHECK(find_invalid_utf8("\xe2\x82") == 0);          // cut off
  CHECK(find_invalid_utf8("\x80") == 0);
}

TEST_CASE("file: writing replaces the whole file or nothing") {
  TemporaryFolder folder;
  const std::string path = folder.write("w", "old");
  REQUIRE(write_text_file(path, "new"));
  CHECK(folder.read("w") == "new");
  REQUIRE(write_text_file(folder.path("x"), "first"));
  CHECK(folder.file_count() == 2);
  CHECK(write_text_file("", "text").error() == "`` is no file name");
  CHECK(write_text_file("/dev/null", "text").error() == "cannot write `/dev/null`: it is not a regular file");
  // A link stays a link, to the new content.
  REQUIRE(symlink("w", folder.path("link").c_str()) == 0);
  REQUIRE(write_text_file(folder.path("link"), "through"));
  CHECK(folder.read("w") == "through");
  struct stat status = {};
  REQUIRE(lstat(folder.path("link").c_str(), &status) == 0);
  CHECK(S_ISLNK(status.st_mode));
}

TEST_CASE("file: names in messages cannot reach the terminal") {
  CHECK(quote_name("hidden.weight") == "`hidden.weight`");
  CHECK(quote_name("\x1b[31m\n") == "`\\x1b[31m\\x0a`");
}
