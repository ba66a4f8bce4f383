#include "shared/settings_reader.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace shared {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string refusal(const json& config, const SettingsReader::Read& read) {
  try {
    read_settings("clock", config, read);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

void read_everything(SettingsReader& in) {
  (void)in.text("text", "x");
  (void)in.word("word", "one", {"one", "two", "three"});
  (void)in.flag("flag", true);
  (void)in.integer("integer", 1, {1, 10});
  (void)in.number("number", 1.0, {0.5, 2.0});
  (void)in.duration("duration", 5s, {1s, 1h});
  (void)in.size("size", 1024, {1, 1 << 20});
  (void)in.texts("texts", {"a"});
  (void)in.named_texts("types");
  (void)in.free_map("add");
  in.section("part", [](SettingsReader& part) { (void)part.integer("count", 1, {0, 2}); });
  in.each("list", {0, 2}, [](SettingsReader& one) { (void)one.text("name"); });
}

TEST(SettingsReader, GivesWhatStandsThere) {
  const json config = json::parse(R"({"text":"t","word":"two","flag":false,"integer":7,
      "number":1,"duration":"90s","size":"64KiB","texts":["a","b"],"one":"c",
      "types":{"port":"integer"},"add":{"x":[1]},"part":{"count":2},
      "list":[{"name":"p"},{"name":"q"}]})");
  read_settings("clock", config, [](SettingsReader& in) {
    EXPECT_TRUE(in.has("text"));
    EXPECT_FALSE(in.has("other"));
    EXPECT_EQ(in.text("text"), "t");
    EXPECT_EQ(in.word("word", "one", {"one", "two"}), "two");
    EXPECT_FALSE(in.flag("flag", true));
    EXPECT_EQ(in.integer("integer", 1, {1, 10}), 7);
    EXPECT_EQ(in.number("number", 0.5, {0.5, 2.0}), 1.0);
    EXPECT_EQ(in.duration("duration", 5s, {1s, 1h}), 90s);
    EXPECT_EQ(in.size("size", 1024, {1, 1 << 20}), 65'536);
    EXPECT_EQ(in.texts("texts"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(in.texts("one"), std::vector<std::string>{"c"});
    EXPECT_EQ(in.named_texts("types"), (std::map<std::string, std::string>{{"port", "integer"}}));
    EXPECT_EQ(in.free_map("add"), (json{{"x", {1}}}));
    in.section("part", [](SettingsReader& part) {
      EXPECT_EQ(part.integer("count", 1, {0, 2}), 2);
    });
    std::vector<std::string> names;
    in.each("list", {1, 2}, [&](SettingsReader& one) { names.push_back(one.text("name")); });
    EXPECT_EQ(names, (std::vector<std::string>{"p", "q"}));
  });
}

TEST(SettingsReader, GivesTheDefaultOfWhatIsNotThere) {
  read_settings("clock", json::object(), [](SettingsReader& in) {
    EXPECT_EQ(in.text("text", "x"), "x");
    EXPECT_EQ(in.word("word", "one", {"one", "two"}), "one");
    EXPECT_TRUE(in.flag("flag", true));
    EXPECT_EQ(in.integer("integer", 3, {1, 10}), 3);
    EXPECT_EQ(in.number("number", 0.5, {0.5, 2.0}), 0.5);
    EXPECT_EQ(in.duration("duration", 5s, {1s, 1h}), 5s);
    EXPECT_EQ(in.size("size", 1024, {1, 1 << 20}), 1024);
    EXPECT_EQ(in.texts("texts", {"a"}), std::vector<std::string>{"a"});
    EXPECT_TRUE(in.named_texts("types").empty());
    EXPECT_EQ(in.free_map("add"), json::object());
    in.section("part", [](SettingsReader& part) {
      EXPECT_EQ(part.integer("count", 1, {0, 2}), 1);
    });
    in.each("list", {0, 2}, [](SettingsReader&) { FAIL(); });
  });
}

TEST(SettingsReader, RefusesWhatIsWrongWithTheKeyTheValueAndWhatIsWanted) {
  const std::map<std::string, json> wrong{
      {"text: a text is wanted, not 5", {{"text", 5}}},
      {"text: a text is wanted, not \"\"", {{"text", ""}}},
      {"word: one, two or three is wanted, not \"four\"", {{"word", "four"}}},
      {"flag: true or false is wanted, not \"yes\"", {{"flag", "yes"}}},
      {"integer: a whole number from 1 to 10 is wanted, not 0", {{"integer", 0}}},
      {"integer: a whole number from 1 to 10 is wanted, not 1.5", {{"integer", 1.5}}},
      {"integer: a whole number from 1 to 10 is wanted, not 18446744073709551615",
       {{"integer", UINT64_MAX}}},
      {"number: a number from 0.5 to 2.0 is wanted, not 2.5", {{"number", 2.5}}},
      {"duration: a duration such as 500ms, 90s, 5m, 1h or 1d, from 1s to 1h, is wanted, not 5",
       {{"duration", 5}}},
      {"duration: a duration such as 500ms, 90s, 5m, 1h or 1d, from 1s to 1h, is wanted, not "
       "\"2h\"",
       {{"duration", "2h"}}},
      {"size: a size such as 512B, 64KiB, 1MiB or 1GiB, from 1B to 1MiB, is wanted, not \"64kb\"",
       {{"size", "64kb"}}},
      {"texts: a text or a list of texts is wanted, not []", {{"texts", json::array()}}},
      {"texts: a text is wanted, not 1", {{"texts", {1}}}},
      {"types.port: a text is wanted, not 1", {{"types", {{"port", 1}}}}},
      {"add: a map of keys and values is wanted, not 1", {{"add", 1}}},
      {"part: a map of keys and values is wanted, not 1", {{"part", 1}}},
      {"part.count: a whole number from 0 to 2 is wanted, not 3", {{"part", {{"count", 3}}}}},
      {"list: a list of 0 to 2 maps is wanted, not {}", {{"list", json::object()}}},
      {"list[0]: a map of keys and values is wanted, not 7", {{"list", {7}}}},
      {"list[1].name: a text is wanted; it is missing",
       {{"list", {{{"name", "p"}}, json::object()}}}},
  };
  for (const auto& [message, config] : wrong) {
    EXPECT_EQ(refusal(config, read_everything), message);
  }
  EXPECT_EQ(refusal(json::array(), read_everything),
            "the clock: a map of keys and values is wanted, not []");
}

TEST(SettingsReader, RefusesUnknownKeysByNameAndTellsTheKnown) {
  const auto read = [](SettingsReader& in) {
    (void)in.text("path");
    (void)in.flag("follow", true);
    in.section("part", [](SettingsReader& part) { (void)part.flag("on", true); });
  };
  EXPECT_EQ(refusal({{"paht", "x"}}, read),
            "unknown key \"paht\"; the clock knows follow, part and path");
  EXPECT_EQ(refusal({{"path", "x"}, {"part", {{"off", true}}}}, read),
            "unknown key \"part.off\"; part knows on");
  EXPECT_EQ(refusal({{"follow", true}}, read), "path: a text is wanted; it is missing");
}

TEST(SettingsReader, NamesAWrongValueAndBlamesNoKeyThatWasNotAskedForYet) {
  const auto read = [](SettingsReader& in) {
    (void)in.text("path");
    (void)in.flag("follow", true);
    in.section("part", [](SettingsReader& part) { (void)part.flag("on", true); });
    (void)in.flag("last", true);
  };
  EXPECT_EQ(refusal({{"follow", "no"}, {"part", {{"on", true}}}, {"last", true}}, read),
            "follow: true or false is wanted, not \"no\"");
  EXPECT_EQ(refusal({{"part", {{"on", 1}}}, {"last", true}}, read),
            "part.on: true or false is wanted, not 1");
  EXPECT_EQ(refusal({{"part", {{"off", true}}}, {"last", true}}, read),
            "unknown key \"part.off\"; part knows on");
}

TEST(SettingsReader, NamesAValueThatIsNoMapAlsoWhenAKeyIsMissing) {
  const auto read = [](SettingsReader& in) {
    (void)in.text("path");
    in.each("list", {0, 2}, [](SettingsReader& one) { (void)one.flag("on", true); });
  };
  EXPECT_EQ(refusal({{"list", {7}}}, read), "list[0]: a map of keys and values is wanted, not 7");
}

TEST(SettingsReader, NamesAnUnknownKeyBeforeOneThatThePluginMisses) {
  const auto read = [](SettingsReader& in) {
    if (in.texts("patterns", {}).empty()) in.miss("patterns", "at least one");
    (void)in.flag("last", true);
  };
  EXPECT_EQ(refusal({{"last", true}, {"paterns", "x"}}, read),
            "unknown key \"paterns\"; the clock knows last and patterns");
  EXPECT_EQ(refusal({{"last", true}}, read), "patterns: at least one is wanted; it is missing");
  EXPECT_EQ(refusal({{"last", 1}}, read), "last: true or false is wanted, not 1");
}

TEST(SettingsReader, NamesTheKeyThatIsMissingWhenAPluginCannotGoOnWithoutIt) {
  const auto read = [](SettingsReader& in) {
    if (in.text("pattern").empty()) throw std::runtime_error("an empty pattern");
    (void)in.flag("last", true);
  };
  EXPECT_EQ(refusal({{"last", true}}, read), "pattern: a text is wanted; it is missing");
}

TEST(SettingsReader, ShowsNoSecretAndNoEndlessText) {
  EXPECT_EQ(refusal({{"password", 1234}}, [](SettingsReader& in) { (void)in.text("password"); }),
            "password: a text is wanted, not ***");
  EXPECT_EQ(refusal({{"to", {{"token", "abc"}}}}, [](SettingsReader& in) { (void)in.text("to"); }),
            "to: a text is wanted, not {\"token\":\"***\"}");
  const std::string message = refusal({{"on", std::string(5000, 'x')}},
                                      [](SettingsReader& in) { (void)in.flag("on", true); });
  EXPECT_LT(message.size(), 300U);
}

TEST(SettingsReader, TakesTheChecksOfThePlugin) {
  EXPECT_EQ(refusal({{"regex", "("}},
                    [](SettingsReader& in) { in.refuse("regex", "a regular expression"); }),
            "regex: a regular expression is wanted, not \"(\"");
}

TEST(Quantity, TakesWholeNumbersWithOneUnit) {
  EXPECT_EQ(parse_quantity("0s", kDurationUnits), 0);
  EXPECT_EQ(parse_quantity("250ms", kDurationUnits), 250);
  EXPECT_EQ(parse_quantity("1d", kDurationUnits), 86'400'000);
  for (const char* text : {"", "5", "s", "5 s", "05s", "-5s", "1.5s", "5S", "5ss",
                           "9223372036854775807d", "99999999999999999999s"}) {
    EXPECT_EQ(parse_quantity(text, kDurationUnits), std::nullopt) << text;
  }
  EXPECT_EQ(show_duration(0ms), "0s");
  EXPECT_EQ(show_duration(90s), "90s");
  EXPECT_EQ(show_duration(120min), "2h");
}

}  // namespace
}  // namespace shared
