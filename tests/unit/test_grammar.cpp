// The grammar in docs/language.md and the editor's grammar name the words that the parser knows: no more, no less.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/support/read_file.h"

namespace {

std::string read_source(const std::string& name) {
  return gradc::tests::read_file(std::string(GRADC_SOURCE_DIR) + "/" + name);
}

using Words = std::set<std::string>;

// The first group of every match.
Words matches(const std::string& text, const std::string& pattern) {
  Words words;
  const std::regex regex(pattern);
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    words.insert((*match)[1].str());
  }
  return words;
}

// Words that the lexer and the parser compare tokens with.
Words parser_words() {
  Words words;
  for (const char* file : {"lexer", "parse_expression", "parse_primary", "parse_type", "parse_statement",
                           "parse_definition", "parse_train"}) {
    const std::string text = read_source(std::string("frontend/") + file + ".cpp");
    words.merge(matches(text, R"re((?:accept|expect|is|is_word|is_keyword|is_symbol|good)\("([^"]+)")re"));
    for (const std::string& list : matches(text, R"re(for \(const char\* word : \{([^}]*)\}\))re")) {
      words.merge(matches(list, R"re("([^"]+)")re"));
    }
    for (const std::string& list : matches(text, R"re(constexpr [^;=]*k[A-Z]\w*(?:\[\])? = \{([^}]*)\};)re")) {
      words.merge(matches(list, R"re("([^"]+)")re"));
    }
  }
  for (const char* symbol : {"{", "}"}) words.insert(symbol);  // the pattern of a list ends at the first brace
  return words;
}

std::string grammar() {
  const std::string text = read_source("docs/language.md");
  const size_t begin = text.find("```\nfile ");
  REQUIRE(begin != std::string::npos);
  // What stands behind `end` says what characters are, not words.
  return text.substr(begin, text.find("\nname ", begin) - begin);
}

bool is_word(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

}  // namespace

TEST_CASE("grammar: its terminals are the words of the parser") {
  const Words known = parser_words(), written = matches(grammar(), R"re("([^"]+)")re");
  CHECK(known.size() > 80);
  // A reserved word stands in no rule; the text beside the grammar names it.
  const std::string lexer = read_source("frontend/lexer.cpp"), document = read_source("docs/language.md");
  Words reserved;
  for (const std::string& list : matches(lexer, R"re(kReserved = \{([^}]*)\};)re")) {
    reserved.merge(matches(list, R"re("([^"]+)")re"));
  }
  CHECK(reserved.size() == 5);
  for (const std::string& word : reserved) {
    INFO(word);
    CHECK(std::regex_search(document, std::regex("[` ]" + word + "[` ]")));
    CHECK(!written.contains(word));
  }
  for (const std::string& word : known) {
    if (reserved.contains(word)) continue;
    INFO(word);
    CHECK(written.contains(word));
  }
  for (const std::string& word : written) {
    INFO(word);
    CHECK(known.contains(word));
  }
}

TEST_CASE("grammar: every word has a colour in the editor") {
  const nlohmann::json editor = nlohmann::json::parse(read_source("editors/grad.tmLanguage.json"));
  std::string patterns;
  for (const nlohmann::json& pattern : editor["patterns"]) {
    patterns += pattern.contains("match") ? pattern["match"].get<std::string>() + "\n" : "";
  }
  for (const std::string& word : parser_words()) {
    if (!is_word(word)) continue;
    INFO(word);
    CHECK(std::regex_search(patterns, std::regex("[(|]" + word + "[)|]")));
  }
}
