#include <chrono>
#include <string>
#include <vector>

#include "store_verbs.hpp"

namespace busway::app {
namespace {

TEST_F(StoreVerbs, StatusTellsTimesAttemptsAndErrorOfEachDelivery) {
  fill(1);
  const json event = json::parse(run({"history", "--json"}).out);
  const std::string id = event.at("id");
  const auto held = opened();
  const std::vector<Pattern> patterns{Pattern::parse("*")};
  const auto open = [&](const char* name) {
    return held->open({.name = name, .patterns = patterns, .start = Replay::beginning()});
  };
  const auto out = open("a-out");
  const auto retrying = open("b-retrying");
  const auto dead = open("c-dead");
  const auto waits = open("d-waits");
  for (const auto* consumer : {&out, &retrying, &dead}) {
    ASSERT_EQ((*consumer)->fetch(1).deliveries.size(), 1U);
  }
  const auto settle = [](StoreConsumer& consumer, Settlement one) {
    EXPECT_EQ(consumer.settle(std::vector<Settlement>{std::move(one)}).accepted, 1U);
  };
  settle(*retrying, {.sequence = 1,
                     .kind = Settlement::Kind::retry,
                     .after = std::chrono::hours(1),
                     .reason = "no stamp"});
  settle(*dead, {.sequence = 1, .kind = Settlement::Kind::dead_letter, .reason = "no house"});

  const json status = json::parse(run({"status", "--json", id}).out);
  EXPECT_EQ(status.at("status"), "failed");
  EXPECT_EQ(status.at("time"), event.at("time"));
  EXPECT_TRUE(has(status.at("appended").get<std::string>(), "T"));
  const json& of = status.at("deliveries");
  ASSERT_EQ(of.size(), 4U);
  EXPECT_EQ(of[0].at("state"), "processing");
  EXPECT_EQ(of[0].at("attempts"), 1);
  EXPECT_GT(of[0].at("lease_until"), status.at("appended"));
  EXPECT_EQ(of[1].at("state"), "retrying");
  EXPECT_GT(of[1].at("due"), of[1].at("changed"));
  EXPECT_TRUE(has(of[1].at("error").get<std::string>(), "no stamp"));
  EXPECT_EQ(of[2].at("state"), "dead_lettered");
  EXPECT_EQ(of[2].at("attempts"), 1);
  EXPECT_TRUE(of[2].contains("changed"));
  EXPECT_EQ(of[3].at("state"), "pending");
  EXPECT_FALSE(of[3].contains("lease_until"));

  const std::string text = run({"status", id}).out;
  EXPECT_TRUE(has(text, "appended " + status.at("appended").get<std::string>())) << text;
  for (const json& time : {of[0].at("lease_until"), of[1].at("due"), of[2].at("changed")}) {
    EXPECT_TRUE(has(text, time.get<std::string>())) << text;
  }
  EXPECT_TRUE(has(text, "no house")) << text;
}

TEST_F(StoreVerbs, StatusOfADamagedEventDoesNotSayThatItWasNeverThere) {
  EXPECT_EQ(run({"pub", "--topic", "a", file("\"needle\"\n")}).code, 0);
  const std::string id = json::parse(run({"history", "--json"}).out).at("id");
  damage("needle");
  const Ended ended = run({"status", id});
  EXPECT_EQ(ended.code, 4);
  EXPECT_TRUE(has(ended.err, "no event " + id + " that is sound; it may be one of the 1 that"))
      << ended.err;
}

}  // namespace
}  // namespace busway::app
