#include "../../../plugins/tail/line_pattern.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace tail {
namespace {

using nlohmann::json;

std::optional<ParsedLine> parsed(const LineRule& rule, const std::string& line) {
  return LinePattern(rule, Zone::utc).parse(line, shared::WallTime{});
}

std::string rule_refusal(const LineRule& rule) {
  try {
    const LinePattern pattern(rule, Zone::utc);
  } catch (const BadRule& error) {
    return error.key + ": " + error.what();
  }
  return "accepted";
}

TEST(LinePattern, MakesMembersOfNamedGroups) {
  const LineRule rule{.regex = R"((?P<user>\w+) (?:paid (?P<amount>\d+)|left)( .*)?)",
                      .topic = "shop.done",
                      .types = {{"amount", "integer"}},
                      .payload = {{"shop", "north"}, {"user", "nobody"}},
                      .user_id = "%user%",
                      .session_id = "s-%amount%",
                      .key = "%user%/100%%"};
  const auto paid = parsed(rule, "x: ada paid 7 today");
  ASSERT_TRUE(paid);
  EXPECT_EQ(paid->topic, "shop.done");
  EXPECT_EQ(paid->payload, (json{{"shop", "north"}, {"user", "ada"}, {"amount", 7}}));
  EXPECT_EQ(paid->user_id, "ada");
  EXPECT_EQ(paid->session_id, "s-7");
  EXPECT_EQ(paid->key, "ada/100%");
  const auto left = parsed(rule, "ada left");
  ASSERT_TRUE(left);
  EXPECT_EQ(left->payload, (json{{"shop", "north"}, {"user", "ada"}}));
  EXPECT_EQ(left->session_id, "s-");
  EXPECT_FALSE(parsed(rule, "ada stays"));
}

TEST(LinePattern, PutsWhatItFindsIntoTheTopic) {
  const LineRule rule{.regex = R"(^(?P<level>\w+): )", .topic = "log.%level%"};
  EXPECT_EQ(parsed(rule, "error: x")->topic, "log.error");
}

TEST(LinePattern, LeavesOutWhatIsNotOfItsType) {
  const LineRule rule{
      .regex = R"(port (?P<port>\S+))", .topic = "t", .types = {{"port", "integer"}}};
  const auto line = parsed(rule, "port ssh");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->payload, json::object());
  EXPECT_EQ(line->unconverted, 1U);
}

TEST(LinePattern, NeedsNoGroups) {
  EXPECT_EQ(parsed({.regex = "x", .topic = "t"}, "axb")->payload, json::object());
}

TEST(LinePattern, TellsWhatIsWrongWithARule) {
  EXPECT_EQ(rule_refusal({.regex = "(", .topic = "t"}),
            "regex: a regular expression as RE2 reads it (missing ): ()");
  EXPECT_EQ(rule_refusal({.regex = "(?=a)", .topic = "t"}),
            "regex: a regular expression as RE2 reads it (invalid perl operator: (?=)");
  EXPECT_EQ(rule_refusal({.regex = "x", .topic = "t.%a%"}),
            "topic: a text that names groups of its regex (it has none)");
  EXPECT_EQ(rule_refusal({.regex = "(?P<b>x)(?P<c>y)", .topic = "t", .key = "%a%"}),
            "key: a text that names groups of its regex (b, c)");
  EXPECT_EQ(rule_refusal({.regex = "x", .topic = "100%"}),
            "topic: a text whose places are written %name%, and a percent sign %%,");
  EXPECT_EQ(rule_refusal({.regex = "x", .topic = "t", .types = {{"a", "text"}}}),
            "types: for each name a named group of the regex, (?P<a>...),");
  EXPECT_EQ(rule_refusal({.regex = "(?P<a>x)", .topic = "t", .types = {{"a", "float"}}}),
            "types: text, integer, number, boolean, syslog_time, rfc3339_time or epoch_time");
  std::string many;
  for (int i = 0; i < 64; ++i) many += "(a)";
  EXPECT_EQ(rule_refusal({.regex = many, .topic = "t"}),
            "regex: a regular expression of at most 63 groups");
}

}  // namespace
}  // namespace tail
