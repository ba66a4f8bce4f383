#include "../../apps/busway/key_values.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace busway::app {
namespace {

TEST(KeyValues, QuoteWhatWouldBreakTheLine) {
  KeyValueLine line;
  line.add("plain", "a.b:c").add("blank", "a b").add("empty", "").add("sign", "a=b");
  line.add("quote", "a\"b").add("control", "a\nb");
  EXPECT_EQ(
      line.line(),
      "plain=a.b:c blank=\"a b\" empty=\"\" sign=\"a=b\" quote=\"a\\\"b\" control=\"a\\nb\"\n");
}

TEST(KeyValues, WriteNumbersAndBooleansAsJsonDoes) {
  KeyValueLine line;
  line.add_all(Json{{"a", 1}, {"b", true}, {"c", 0.5}, {"d", "text"}});
  EXPECT_EQ(line.line(), "a=1 b=true c=0.5 d=text\n");
}

TEST(KeyValues, LeaveOutTheFirstLineWhenNoSourceFoundAnything) {
  HostReport report;
  report.stats.topics.push_back({"a.b", 2, 1});
  EXPECT_EQ(to_lines(report).rfind("topic=a.b published=2 matched=1\n", 0), 0U);
}

TEST(KeyValues, ShowWhatWentWrongWithAPlugin) {
  HostReport report;
  PluginReport& plugin = report.plugins.emplace_back();
  plugin.info.id = "trivia";
  plugin.info.state = PluginState::failed;
  plugin.info.last_error = "no luck";
  plugin.deliveries.dropped = 3;
  EXPECT_EQ(to_lines(report).rfind(
                "plugin=trivia state=failed delivered=0 failed=0 dropped=3 error=\"no luck\"\n", 0),
            0U);
  EXPECT_EQ(to_json(report).at("plugins").at(0).at("error"), "no luck");
}

TEST(KeyValues, SurviveTextThatIsNotUtf8) {
  EXPECT_EQ(KeyValueLine().add("k", "\xff").line(), "k=\"\\xff\"\n");
  EXPECT_NO_THROW((void)dump(Json{{"k", "\xff"}}));
}

}  // namespace
}  // namespace busway::app
