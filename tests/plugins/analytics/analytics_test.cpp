// The plugin as a host runs it.
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "../plugin_on_a_clock.hpp"
#include "busway/events/phase_event_data.hpp"
#include "busway/events/plugin_executed.hpp"
#include "busway/plugin_import.hpp"

BUSWAY_IMPORT_PLUGIN(busway_analytics_static)

namespace busway {
namespace {

using namespace std::chrono_literals;

constexpr const char* kTarget = "busway_analytics";
const Json kOrders{{"topics", "order.*"}, {"fields", {{"amount", "order.paid"}}}};

void pay(PluginOnAClock& run, double amount) {
  run.bus().publish("order.paid", Json{{"amount", amount}});
}

class AnalyticsPlaces : public ::testing::TestWithParam<PluginPlace> {};
INSTANTIATE_TEST_SUITE_P(Places, AnalyticsPlaces, ::testing::ValuesIn(kPlaces), place_name);

TEST_P(AnalyticsPlaces, ReportsWhenABucketIsOver) {
  PluginOnAClock run(kTarget, kOrders, GetParam());
  for (int i = 1; i <= 100; ++i) pay(run, i);
  run.bus().publish("order.made", Json{{"amount", 5}});
  run.bus().publish("user.login", Json{{"user_id", "u1"}});
  run.settle();
  EXPECT_EQ(run.count("analytics.report"), 0U);
  run.clock().advance(1min);
  const Event report = run.wait("analytics.report");
  EXPECT_EQ(report.source(), "analytics");
  Json payload = report.json();
  Json& amount = payload["topics"]["order.paid"]["fields"]["amount"];
  const auto error = amount.at("relative_error").get<double>();
  EXPECT_NEAR(error, 0.01, 1e-9);
  EXPECT_NEAR(amount.at("p50").get<double>(), 50, 50 * error);
  EXPECT_NEAR(amount.at("p90").get<double>(), 90, 90 * error);
  EXPECT_NEAR(amount.at("p99").get<double>(), 99, 99 * error);
  for (const char* key : {"relative_error", "p50", "p90", "p99"}) amount.erase(key);
  EXPECT_EQ(
      payload,
      (Json{
          {"from", "2024-01-01T00:00:00Z"},
          {"to", "2024-01-01T00:01:00Z"},
          {"events", 101},
          {"topics",
           {{"order.made", {{"count", 1}}},
            {"order.paid",
             {{"count", 100},
              {"fields",
               {{"amount", {{"count", 100}, {"mean", 50.5}, {"min", 1.0}, {"max", 100.0}}}}}}}}}}));
}

TEST(Analytics, AnEventOfTheNextBucketClosesTheOneBefore) {
  PluginOnAClock run(kTarget, kOrders);
  run.clock().advance(45s);
  pay(run, 1);
  run.settle();
  run.clock().advance(20s);
  pay(run, 2);
  EXPECT_EQ(run.wait("analytics.report").json().at("to"), "2024-01-01T00:01:00Z");
  run.settle();
  run.clock().advance(55s);
  const Json second = run.wait("analytics.report", 1).json();
  EXPECT_EQ(second.at("from"), "2024-01-01T00:01:00Z");
  EXPECT_EQ(second.at("events"), 1);
}

TEST(Analytics, WhereNothingHappensNothingIsReported) {
  PluginOnAClock run(kTarget, kOrders);
  for (int i = 0; i < 10; ++i) run.clock().advance(1min);
  EXPECT_EQ(run.ask("analytics.query"),
            (Json{{"bucket_ms", 60'000}, {"open", nullptr}, {"over", Json::array()}}));
  EXPECT_EQ(run.count("analytics.report"), 0U);
}

TEST(Analytics, AnswersWhatIsUnderWayAndWhatIsOver) {
  PluginOnAClock run(kTarget, {{"topics", {"order.*", "user.*"}}, {"keep", 3}});
  for (int minute = 0; minute < 6; ++minute) {
    for (int i = 0; i <= minute; ++i) pay(run, 1);
    run.bus().publish("user.login");
    run.settle();
    run.clock().advance(1min);
  }
  pay(run, 1);
  run.settle();
  (void)run.wait("analytics.report", 5);
  const Json all = run.ask("analytics.query");
  EXPECT_EQ(all.at("open").at("events"), 1);
  ASSERT_EQ(all.at("over").size(), 3U) << "as many as are kept";
  EXPECT_EQ(all.at("over")[0].at("events"), 7) << "the newest first";
  const Json logins = run.ask("analytics.query", {{"topic", "user.login"}, {"buckets", 1}});
  ASSERT_EQ(logins.at("over").size(), 1U);
  EXPECT_EQ(logins.at("over")[0].at("topics"), (Json{{"user.login", {{"count", 1}}}}));
  EXPECT_EQ(logins.at("open").at("topics"), Json::object());
}

TEST(Analytics, AnAnswerThatWouldBeTooLargeIsCutAndSaysSo) {
  PluginOnAClock run(kTarget, {{"topics", "t.*"}});
  for (int minute = 0; minute < 10; ++minute) {
    for (int i = 0; i < 250; ++i) {
      run.bus().publish("t." + std::string(245, 'x') + std::to_string(i));
    }
    run.settle();
    run.clock().advance(1min);
    (void)run.wait("analytics.report", static_cast<std::size_t>(minute));
  }
  const Json answer = run.ask("analytics.query");
  EXPECT_EQ(answer.at("cut"), true);
  EXPECT_GE(answer.at("over").size(), 5U);
  EXPECT_LT(answer.at("over").size(), 10U);
  EXPECT_EQ(answer.at("over")[0].at("to"), "2024-01-01T00:10:00Z") << "the newest are there";
  EXPECT_FALSE(run.ask("analytics.query", {{"buckets", 2}}).contains("cut"));
}

TEST(Analytics, CountsEverythingUnlessToldOtherwiseButNotItself) {
  PluginOnAClock run(kTarget);
  pay(run, 1);
  run.settle();
  run.clock().advance(1min);
  (void)run.wait("analytics.report");
  run.settle();
  EXPECT_EQ(run.ask("analytics.query").at("over").at(0).at("topics").at("order.paid").at("count"),
            1);
  run.settle();
  run.clock().advance(1min);
  (void)run.wait("analytics.report", 1);
  const Json second = run.wait("analytics.report", 1).json();
  EXPECT_FALSE(second.at("topics").contains("analytics.report")) << second;
}

TEST(Analytics, AClockThatWasSetBackStopsNoReport) {
  PluginOnAClock run(kTarget, kOrders);
  pay(run, 1);
  run.settle();
  run.clock().set_wall(testing::ManualClock::kStart - 24h);
  pay(run, 2);
  run.settle();
  run.clock().advance(1min);
  EXPECT_EQ(run.wait("analytics.report").json().at("events"), 2);
  pay(run, 3);
  run.settle();
  run.clock().advance(1min);
  EXPECT_EQ(run.wait("analytics.report", 1).json().at("from"), "2023-12-31T00:01:00Z");
}

TEST(Analytics, WhatComesAfterItsBucketWasToldCountsInTheNext) {
  PluginOnAClock run(kTarget, kOrders);
  const WallTime start = testing::ManualClock::kStart;
  const auto pay_as_of = [&](std::chrono::nanoseconds moment) {
    run.bus().publish("order.paid", Json{{"amount", 1}}, {.time = start + moment});
    run.settle();
  };
  pay_as_of(0s);
  run.clock().advance(1min);
  EXPECT_EQ(run.wait("analytics.report").json().at("to"), "2024-01-01T00:01:00Z");
  run.settle();
  pay_as_of(1min - 1ns);
  pay_as_of(1s);
  pay_as_of(1min);
  run.clock().advance(2min);
  const Json second = run.wait("analytics.report", 1).json();
  EXPECT_EQ(second.at("from"), "2024-01-01T00:01:00Z") << "one report a bucket";
  EXPECT_EQ(second.at("to"), "2024-01-01T00:02:00Z");
  EXPECT_EQ(second.at("events"), 3);
}

TEST(Analytics, WhatComesLateAfterAReloadCountsInTheNextToo) {
  PluginOnAClock run(kTarget, kOrders);
  pay(run, 1);
  run.settle();
  run.clock().advance(1min);
  (void)run.wait("analytics.report");
  run.settle();
  run.reload();
  run.bus().publish("order.paid", Json{{"amount", 2}},
                    {.time = testing::ManualClock::kStart + 59s});
  run.settle();
  EXPECT_EQ(run.ask("analytics.query").at("open").at("from"), "2024-01-01T00:01:00Z");
}

TEST(Analytics, WithShortBucketsWhatIsAMinuteLateCountsInTheNext) {
  PluginOnAClock run(kTarget, {{"topics", "order.*"}, {"bucket", "1s"}});
  run.clock().advance(90s);
  pay(run, 1);
  run.settle();
  run.clock().advance(1s);
  (void)run.wait("analytics.report");
  run.settle();
  run.bus().publish("order.paid", Json{{"amount", 2}},
                    {.time = testing::ManualClock::kStart + 31s});
  run.settle();
  EXPECT_EQ(run.ask("analytics.query").at("open").at("from"), "2024-01-01T00:01:31Z");
}

TEST(Analytics, StoresExecutionsAndAnswersFromThem) {
  PluginOnAClock run(kTarget);
  run.bus().publish(plugin_executed("tasks", "alice", 12.5));
  run.bus().publish("plugin_executed",
                    Json{{"plugin", "calendar"}, {"user", 7}, {"execution_time", 3}});
  run.bus().publish("plugin_executed", Json{{"plugin", "tasks"}, {"execution_time", 1}});
  run.settle();
  const Json all = run.ask("analytics.executions");
  EXPECT_EQ(all.at("count"), 3);
  EXPECT_EQ(all.at("users").at("7").at("max"), 3.0);
  const Json tasks = run.ask("analytics.executions", {{"plugin", "tasks"}, {"limit", 1}});
  EXPECT_EQ(tasks.at("count"), 2);
  ASSERT_EQ(tasks.at("executions").size(), 1U);
  EXPECT_EQ(tasks.at("executions")[0], (Json{{"plugin", "tasks"},
                                             {"user", ""},
                                             {"execution_time_ms", 1.0},
                                             {"time", "2024-01-01T00:00:00Z"}}));
}

TEST(Analytics, WhatCannotBeReadIsADeadLetterOrCountedAsWithout) {
  PluginOnAClock run(kTarget, kOrders);
  run.bus().publish("plugin.executed", Json{{"user", "alice"}});
  run.bus().publish("plugin.executed", Json{{"plugin", "p"}, {"execution_time_ms", "long"}});
  run.bus().publish("plugin.executed",
                    Json{{"plugin", std::string(300, 'p')}, {"execution_time_ms", 1}});
  run.bus().publish("order.paid", Json("no object"));
  run.bus().publish("order.paid", bytes("raw"));
  run.bus().publish("order.paid", Json{{"amount", "12"}});
  pay(run, 5);
  run.settle();
  EXPECT_EQ(run.bus().dead_letters().size(), 3U);
  const Json paid = run.ask("analytics.query").at("open").at("topics").at("order.paid");
  EXPECT_EQ(paid.at("count"), 4);
  EXPECT_EQ(paid.at("fields").at("amount").at("count"), 1);
  EXPECT_EQ(paid.at("fields").at("amount").at("without"), 3);
}

TEST(Analytics, ABadQuestionIsAnsweredAtOnce) {
  PluginOnAClock run(kTarget);
  for (const auto& [topic, question, words] :
       std::vector<std::tuple<const char*, Json, const char*>>{
           {"analytics.query", Json{{"buckets", -1}}, "buckets is no whole number from 0 on"},
           {"analytics.query", Json{{"topic", 5}}, "topic is no text"},
           {"analytics.executions", Json("all"), "its payload is no JSON object"}}) {
    EXPECT_EQ(run.ask(topic, question),
              (Json{{"error", std::string("the question cannot be answered: ") + words}}));
  }
}

TEST(Analytics, AReloadForgetsNothingAndReportsOnce) {
  PluginOnAClock run(kTarget, kOrders);
  pay(run, 1);
  run.settle();
  run.clock().advance(1min);
  (void)run.wait("analytics.report");
  pay(run, 2);
  run.bus().publish(plugin_executed("tasks", "alice", 12.5));
  run.settle();
  run.clock().advance(30s);
  run.reload();
  EXPECT_EQ(run.count("analytics.report"), 1U) << "the bucket is not over";
  pay(run, 4);
  run.settle();
  const Json now = run.ask("analytics.query");
  EXPECT_EQ(now.at("open").at("events"), 2);
  EXPECT_EQ(now.at("open").at("topics").at("order.paid").at("fields").at("amount").at("max"), 4.0);
  EXPECT_EQ(now.at("over").size(), 1U);
  EXPECT_EQ(run.ask("analytics.executions").at("count"), 1);
  run.clock().advance(1min);
  EXPECT_EQ(run.wait("analytics.report", 1).json().at("events"), 2);
}

TEST(Analytics, WhatIsUnderWayAtTheEndIsReported) {
  PluginOnAClock run(kTarget, kOrders);
  pay(run, 1);
  EXPECT_TRUE(run.manager().stop_all().empty());
  const Json report = run.wait("analytics.report").json();
  EXPECT_EQ(report.at("events"), 1);
  EXPECT_EQ(report.at("partial"), true);
}

TEST(Analytics, AWrongKeyIsNamedWhenItIsLoaded) {
  const std::string refusal = PluginOnAClock::refusal(kTarget, {{"field", "amount"}});
  EXPECT_NE(refusal.find("unknown key \"field\""), std::string::npos) << refusal;
  const std::string bad = PluginOnAClock::refusal(kTarget, {{"topics", "re:order.(paid"}});
  EXPECT_NE(bad.find("order.(paid"), std::string::npos) << bad;
}

}  // namespace
}  // namespace busway
