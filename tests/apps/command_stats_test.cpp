#include <string>
#include <vector>

#include "store_verbs.hpp"

namespace busway::app {
namespace {

TEST_F(StoreVerbs, StatsCountByTopicAndByDurableName) {
  fill(5);
  fill(2, "user.made");
  EXPECT_EQ(drain("all").code, 0);
  EXPECT_EQ(
      run({"sub", "--durable", "half", "--from", "beginning", "order.*", "--count", "3"}).code, 0);
  const Ended ended = run({"stats", "--json"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  const json stats = json::parse(ended.out);
  EXPECT_EQ(stats.at("events"), 7);
  EXPECT_EQ(stats.at("first_sequence"), 1);
  EXPECT_EQ(stats.at("last_sequence"), 7);
  EXPECT_EQ(stats.at("dead_letters"), 0);
  EXPECT_EQ(stats.at("corrupt"), 0);
  EXPECT_GT(stats.at("bytes").get<int>(), 0);
  EXPECT_EQ(stats.at("topics_found"), 2);
  EXPECT_EQ(stats.at("topics"), json::parse(R"([{"topic": "order.made", "events": 5},
                                                {"topic": "user.made", "events": 2}])"));
  ASSERT_EQ(stats.at("durables").size(), 2U);
  const json& all = stats.at("durables").at(0);
  EXPECT_EQ(all.at("name"), "all");
  EXPECT_EQ(all.at("backlog"), 0);
  EXPECT_FALSE(all.contains("oldest"));
  const json& half = stats.at("durables").at(1);
  EXPECT_EQ(half.at("name"), "half");
  EXPECT_EQ(half.at("backlog"), 2);
  const std::vector<json> lines = lines_of(run({"history", "--json", "--oldest-first"}).out);
  EXPECT_EQ(half.at("oldest"), lines.at(3).at("time"));
  for (const char* const key : {"leased", "retrying", "dead_letters", "instances"}) {
    EXPECT_EQ(half.at(key), 0) << key;
  }
}

TEST_F(StoreVerbs, StatsAreATableForPeople) {
  fill(1, "a");
  fill(2, "b");
  fill(3, "c");
  const Ended ended = run({"stats", "--topics", "2"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out.rfind("events=6 topics=3 durables=0 dead_letters=0 corrupt=0 "
                            "first_sequence=1 last_sequence=6 bytes=",
                            0),
            0U)
      << ended.out;
  EXPECT_TRUE(has(ended.out,
                  "\n\nTOPIC   EVENTS\n"
                  "c       3\n"
                  "b       2\n"
                  "1 more  1\n"))
      << ended.out;
  EXPECT_FALSE(has(ended.out, "DURABLE"));
  EXPECT_TRUE(has(run({"stats", "--topics", "0"}).out, "a      1\n"));
  EXPECT_EQ(drain("mailer", "a").code, 0);
  EXPECT_TRUE(has(run({"stats"}).out, "mailer   0        0       0         0     -\n"));
}

TEST_F(StoreVerbs, StatsRefuseWhatCannotBeMeant) {
  EXPECT_EQ(run({"stats"}).code, 4) << "a store that does not exist is not made";
  fill(1);
  EXPECT_EQ(run({"stats", "--topics", "-1"}).code, 2);
  EXPECT_EQ(run({"stats", "--topics", "few"}).code, 2);
  EXPECT_EQ(run({"stats", "more"}).code, 2);
  EXPECT_EQ(busway({"stats"}).code, 2);
  EXPECT_EQ(busway({"stats", "--store", "nonsense"}).code, 2);
}

}  // namespace
}  // namespace busway::app
