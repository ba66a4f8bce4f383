// The plugin as a host runs it.
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "../plugin_on_a_clock.hpp"
#include "busway/events/phase_event_data.hpp"
#include "busway/events/quality_alert.hpp"
#include "busway/plugin_import.hpp"
#include "busway/typed.hpp"

BUSWAY_IMPORT_PLUGIN(busway_quality_monitor_static)

namespace busway {
namespace {

using namespace std::chrono_literals;

constexpr const char* kTarget = "busway_quality_monitor";

void fail(PluginOnAClock& run, std::string_view phase, int times = 1) {
  for (int i = 1; i <= times; ++i) run.bus().publish(phase_failed(phase, "s1", "no", i, times));
}
void complete(PluginOnAClock& run, std::string_view phase, double duration_ms) {
  run.bus().publish(phase_completed(phase, "s1", {{"text", "done"}}, duration_ms));
}

class QualityMonitorPlaces : public ::testing::TestWithParam<PluginPlace> {};
INSTANTIATE_TEST_SUITE_P(Places, QualityMonitorPlaces, ::testing::ValuesIn(kPlaces), place_name);

TEST_P(QualityMonitorPlaces, AlertsOnceAndTellsTheRecovery) {
  PluginOnAClock run(kTarget, Json::object(), GetParam());
  complete(run, "writer", 12);
  fail(run, "writer", 10);
  const Event alert = run.wait("quality.alert");
  EXPECT_EQ(alert.source(), "quality-monitor");
  EXPECT_EQ(alert.json(), (Json{{"phase_name", "writer"},
                                {"failure_count", 4},
                                {"success_rate", 0.2},
                                {"duration_ms", 12.0},
                                {"reason", "4 failures within 5m, more than 3"}}));
  EXPECT_EQ(alert.metadata().json().at("rule"), "failures");
  EXPECT_EQ(alert.metadata().json().at("value"), 4.0);
  EXPECT_EQ(alert.metadata().json().at("limit"), 3.0);
  EXPECT_EQ(alert.as<QualityAlert>().phase_name, "writer");

  run.settle();
  run.clock().advance(5min + 10s);
  const Event recovered = run.wait("quality.recovered");
  EXPECT_EQ(recovered.json(),
            (Json{{"phase_name", "writer"},
                  {"failure_count", 0},
                  {"success_rate", 1.0},
                  {"duration_ms", 0.0},
                  {"reason", "nothing was executed within 5m, so nothing failed"}}));
  EXPECT_EQ(run.count("quality.alert"), 1U) << "not an alert an event";
}

TEST(QualityMonitor, ThreeFailuresAreNone) {
  PluginOnAClock run(kTarget);
  fail(run, "writer", 3);
  run.settle();
  EXPECT_EQ(run.count("quality.alert"), 0U);
  EXPECT_EQ(run.ask("quality.query").at("phases").at(0).at("failures"), 3);
}

TEST(QualityMonitor, EachPhaseHasItsOwnWindow) {
  PluginOnAClock run(kTarget);
  fail(run, "writer", 3);
  fail(run, "critic", 3);
  fail(run, "planner", 4);
  EXPECT_EQ(run.wait("quality.alert").json().at("phase_name"), "planner");
  run.settle();
  EXPECT_EQ(run.count("quality.alert"), 1U);
}

TEST(QualityMonitor, FailuresThatAreSpreadOverTimeAreNoAlert) {
  PluginOnAClock run(kTarget, {{"window", "30s"}});
  for (int i = 0; i < 20; ++i) {
    fail(run, "writer");
    run.settle();
    run.clock().advance(11s);
  }
  EXPECT_EQ(run.count("quality.alert"), 0U);
}

TEST(QualityMonitor, ADurationAboveItsLimitIsAnAlert) {
  PluginOnAClock run(kTarget, {{"duration_max", "1s"}});
  complete(run, "writer", 999);
  complete(run, "writer", 1500);
  complete(run, "writer", 2500);
  const Event alert = run.wait("quality.alert");
  run.settle();
  EXPECT_EQ(alert.metadata().json().at("rule"), "duration");
  EXPECT_EQ(alert.json().at("duration_ms"), 1500.0);
  EXPECT_EQ(alert.json().at("reason"),
            "the longest execution took 1500 ms within 5m, more than 1000 ms");
  EXPECT_EQ(run.count("quality.alert"), 1U);
}

TEST(QualityMonitor, AFailureRateAboveItsLimitIsAnAlert) {
  PluginOnAClock run(kTarget, {{"failures_max", 1000}, {"failure_rate_max", 0.25}});
  for (int i = 0; i < 7; ++i) complete(run, "writer", 1);
  fail(run, "writer", 3);
  const Event alert = run.wait("quality.alert");
  EXPECT_EQ(alert.metadata().json().at("rule"), "failure_rate");
  EXPECT_EQ(alert.json().at("reason"), "30 % of 10 executions failed within 5m, more than 25 %");
}

TEST(QualityMonitor, AnOutputFromACacheIsNoExecution) {
  PluginOnAClock run(kTarget, {{"failures_max", 0}});
  complete(run, "writer", 40);
  PhaseEventData cached{.phase_name = "writer", .duration_ms = 0.01};
  cached.metadata["cached"] = true;
  run.bus().publish("phase.completed", cached);
  run.settle();
  const Json phase = run.ask("quality.query").at("phases").at(0);
  EXPECT_EQ(phase.at("successes"), 1);
  EXPECT_EQ(phase.at("cached"), 1);
  EXPECT_EQ(phase.at("duration_ms").at("min"), 40.0);
}

TEST(QualityMonitor, AnswersForAllPhasesOrOne) {
  PluginOnAClock run(kTarget);
  for (int i = 1; i <= 100; ++i) complete(run, "writer", i);
  fail(run, "critic", 4);
  run.settle();
  const Json all = run.ask("quality.query");
  EXPECT_EQ(all.at("window_ms"), 300'000);
  ASSERT_EQ(all.at("phases").size(), 2U);
  EXPECT_EQ(all.at("phases")[0], (Json{{"phase_name", "critic"},
                                       {"successes", 0},
                                       {"failures", 4},
                                       {"success_rate", 0.0},
                                       {"cached", 0},
                                       {"alerts", {"failures"}}}));
  const Json one = run.ask("quality.query", {{"phase_name", "writer"}}).at("phases");
  ASSERT_EQ(one.size(), 1U);
  const Json& durations = one[0].at("duration_ms");
  EXPECT_EQ(durations.at("count"), 100);
  EXPECT_DOUBLE_EQ(durations.at("mean").get<double>(), 50.5);
  EXPECT_NEAR(durations.at("p95").get<double>(), 95,
              95 * durations.at("relative_error").get<double>());
  EXPECT_EQ(run.ask("quality.query", {{"phase_name", "nobody"}}).at("phases"), Json::array());
  EXPECT_EQ(run.ask("quality.query", {{"phase_name", 5}}),
            (Json{{"error", "the question cannot be answered: phase_name is no text"}}));
}

TEST(QualityMonitor, WhatCannotBeReadIsADeadLetterAndTheNextCounts) {
  PluginOnAClock run(kTarget);
  run.bus().publish("phase.failed", Json{{"error", "nobody's"}});
  run.bus().publish("phase.failed", Json("text"));
  run.bus().publish("phase.failed", bytes("raw"));
  run.bus().publish("phase.completed", Json{{"phase_name", "writer"}, {"duration_ms", "long"}});
  run.bus().publish("phase.completed", Json{{"phase_name", ""}});
  run.bus().publish("phase.completed", Json{{"phase_name", std::string(256, 'x')}});
  run.bus().publish("phase.completed", Json{{"phase_name", "writer"}, {"metadata", nullptr}});
  run.settle();
  const std::vector<DeadLetter> letters = run.bus().dead_letters().list();
  ASSERT_EQ(letters.size(), 6U);
  EXPECT_EQ(run.ask("quality.query").at("phases").at(0).at("successes"), 1);
}

TEST(QualityMonitor, PhasesWithoutEndCostNoMoreThanItsBound) {
  PluginOnAClock run(kTarget, {{"phases_max", 4}});
  fail(run, "first", 4);
  (void)run.wait("quality.alert");
  for (int i = 0; i < 100; ++i) {
    run.clock().advance(1ms);
    complete(run, "phase " + std::to_string(i), 1);
    run.settle();
  }
  EXPECT_EQ(run.ask("quality.query").at("phases").size(), 4U);
  const Event recovered = run.wait("quality.recovered");
  EXPECT_EQ(recovered.json().at("phase_name"), "first");
  EXPECT_EQ(recovered.json().at("reason"),
            "the phase is no longer watched, for there are more than 4");
}

TEST(QualityMonitor, AReloadForgetsNeitherFailuresNorAlerts) {
  PluginOnAClock run(kTarget);
  fail(run, "writer", 3);
  fail(run, "critic", 5);
  run.settle();
  run.reload();
  fail(run, "critic");
  run.settle();
  EXPECT_EQ(run.count("quality.alert"), 1U) << "it was told before";
  fail(run, "writer");
  EXPECT_EQ(run.wait("quality.alert", 1).json().at("phase_name"), "writer");
  run.settle();
  run.clock().advance(6min);
  (void)run.wait("quality.recovered", 1);
}

TEST(QualityMonitor, TheClockMayBeSetBack) {
  PluginOnAClock run(kTarget, {{"window", "30s"}});
  fail(run, "writer", 2);
  run.settle();
  run.clock().set_wall(testing::ManualClock::kStart - 1h);
  fail(run, "writer", 2);
  (void)run.wait("quality.alert");
  run.settle();
  // The timers go on.
  EXPECT_TRUE(eventually([&] {
    run.clock().advance(1s);
    return run.count("quality.recovered") == 1;
  }));
}

TEST(QualityMonitor, AWrongKeyIsNamedWhenItIsLoaded) {
  const std::string refusal = PluginOnAClock::refusal(kTarget, {{"windows", "5m"}});
  EXPECT_NE(refusal.find("unknown key \"windows\""), std::string::npos) << refusal;
}

}  // namespace
}  // namespace busway
