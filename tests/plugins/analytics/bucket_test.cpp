#include "analytics/bucket.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace analytics {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr WallTime kNoon{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h};
const std::vector<double> kQuantiles{0.5, 0.999};

TEST(Bucket, CountsByTopicAndMeasuresByField) {
  Bucket bucket(kNoon, kNoon + 1min, {});
  for (int i = 1; i <= 4; ++i) {
    const json amount = i * 10;
    bucket.count("order.paid");
    bucket.measure("amount", "order.paid", &amount);
  }
  const json text = "12";
  bucket.measure("amount", "order.paid", &text);
  bucket.measure("amount", "order.paid", nullptr);
  bucket.count("order.made");
  json found = bucket.describe(kQuantiles);
  json& amount = found["topics"]["order.paid"]["fields"]["amount"];
  EXPECT_NEAR(amount.at("p50").get<double>(), 20, 0.2);
  EXPECT_NEAR(amount.at("relative_error").get<double>(), 0.01, 1e-9);
  amount.erase("p50");
  amount.erase("relative_error");
  EXPECT_EQ(found, (json{{"from", "2026-03-01T12:00:00Z"},
                         {"to", "2026-03-01T12:01:00Z"},
                         {"events", 5},
                         {"topics",
                          {{"order.made", {{"count", 1}}},
                           {"order.paid",
                            {{"count", 4},
                             {"fields",
                              {{"amount",
                                {{"count", 4},
                                 {"mean", 25.0},
                                 {"min", 10.0},
                                 {"max", 40.0},
                                 {"p99.9", 40.0},
                                 {"without", 2}}}}}}}}}}));
}

TEST(Bucket, TopicsWithoutEndAreCountedTogether) {
  Bucket bucket(kNoon, kNoon + 1min, {.topics_max = 3});
  for (int i = 0; i < 100; ++i) bucket.count("user." + std::to_string(i));
  bucket.count("user.0");
  const json topics = bucket.describe(kQuantiles).at("topics");
  EXPECT_EQ(topics.size(), 4U);
  EXPECT_EQ(topics.at("user.0").at("count"), 2);
  EXPECT_EQ(topics.at("(other)").at("count"), 97);
}

TEST(Bucket, NumbersWithoutEndAreMeasuredTogether) {
  Bucket bucket(kNoon, kNoon + 1min, {.topics_max = 50, .series_max = 2});
  for (int i = 0; i < 100; ++i) {
    const json value = i;
    bucket.measure("a", "user." + std::to_string(i), &value);
    bucket.measure("b", "user." + std::to_string(i), &value);
  }
  const json topics = bucket.describe(kQuantiles).at("topics");
  EXPECT_EQ(topics.at("user.0").at("fields").size(), 2U);
  EXPECT_EQ(topics.at("(other)").at("fields").at("a").at("count"), 99);
  EXPECT_EQ(topics.at("(other)").at("fields").at("b").at("count"), 99);
}

TEST(Bucket, ComesBackAsItWasSaved) {
  Bucket bucket(kNoon, kNoon + 1min, {});
  for (int i = 0; i < 100; ++i) {
    const json value = i * 1.5;
    bucket.count("order.paid");
    bucket.measure("amount", "order.paid", i % 10 == 0 ? nullptr : &value);
  }
  const Bucket again = Bucket::load(json::parse(bucket.save().dump()), {});
  EXPECT_EQ(again.describe(kQuantiles), bucket.describe(kQuantiles));
  EXPECT_EQ(again.to(), kNoon + 1min);
  EXPECT_THROW((void)Bucket::load({{"from", 1}}, {}), json::exception);
}

}  // namespace
}  // namespace analytics
