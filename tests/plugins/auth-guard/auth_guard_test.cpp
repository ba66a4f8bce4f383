// The plugin as a host runs it.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "../refusing_store.hpp"
#include "../shipped_plugin.hpp"
#include "busway/events/user_event_data.hpp"
#include "busway/plugin_import.hpp"
#include "busway/request_result.hpp"
#include "shared/rfc3339.hpp"

BUSWAY_IMPORT_PLUGIN(busway_auth_guard_static)

namespace busway {
namespace {

constexpr const char* kTarget = "busway_auth_guard";

std::vector<Json> suspicions(ShippedPlugin& guard) {
  std::vector<Json> found;
  const std::size_t count = guard.watcher().count("auth.suspicious");
  for (std::size_t i = 0; i < count; ++i) {
    found.push_back(guard.watcher().wait("auth.suspicious", i).json());
  }
  return found;
}

TEST(AuthGuard, TellsOfEachThingThatLooksWrong) {
  ShippedPlugin guard(kTarget, {{"failures_max", 4}, {"success_after", 2}});
  guard.start();
  Bus& bus = guard.bus();
  (void)bus.publish(user_login("ada", "", "10.0.0.1"));
  for (int i = 0; i < 10; ++i) (void)bus.publish(user_login_failed("root", "", "6.6.6.6"));
  (void)bus.publish(user_login("root", "", "6.6.6.6"));
  (void)bus.publish(user_login("ada", "", "10.0.0.2"));
  const Json summary = guard.finish();
  EXPECT_EQ(suspicions(guard),
            (std::vector<Json>{
                {{"user_id", "root"},
                 {"address", "6.6.6.6"},
                 {"reason", "too_many_failures"},
                 {"failures", 4}},
                {{"user_id", "root"},
                 {"address", "6.6.6.6"},
                 {"reason", "success_after_failures"},
                 {"failures", 4}},
                {{"user_id", "ada"}, {"address", "10.0.0.2"}, {"reason", "new_address"}}}));
  EXPECT_EQ(
      summary,
      (Json{{"logins", 3}, {"failures", 10}, {"suspicious", 3}, {"addresses", 1}, {"users", 2}}));
  const Event first = guard.watcher().wait("auth.suspicious");
  EXPECT_EQ(first.source(), "auth-guard");
  EXPECT_EQ(first.user_id(), "root");
  EXPECT_EQ(first.priority(), Priority::high);
}

TEST(AuthGuard, KnowsTheSessionsOfAUser) {
  ShippedPlugin guard(kTarget);
  guard.start();
  Bus& bus = guard.bus();
  (void)bus.publish("user.login",
                    Json{{"user_id", 7}, {"address", "10.0.0.1"}, {"session_id", "s1"}});
  (void)bus.publish("user.login",
                    Json{{"user_id", "7"}, {"address", "10.0.0.1"}, {"session_id", "s2"}});
  (void)bus.publish("user.logout", Json{{"user_id", "7"}, {"session_id", "s1"}});
  ASSERT_TRUE(guard.manager().wait_until_idle(kGuard));
  const RequestResult answer = bus.request("auth.sessions", Json{{"user_id", "7"}}, kGuard);
  ASSERT_TRUE(answer.ok()) << answer.message();
  const Json sessions = answer.json();
  ASSERT_EQ(sessions.at("sessions").size(), 1U) << sessions;
  EXPECT_EQ(sessions.at("user_id"), "7");
  EXPECT_EQ(sessions.at("sessions")[0].at("session_id"), "s2");
  EXPECT_EQ(sessions.at("sessions")[0].at("address"), "10.0.0.1");
  EXPECT_TRUE(sessions.at("sessions")[0].at("since").get<std::string>().ends_with("Z"));
  (void)guard.finish();
}

TEST(AuthGuard, GoesByTheTimesAndCountsOfALogWhenToldTo) {
  const auto count = [](const Json& config, const char* minute, int repeated) {
    ShippedPlugin guard(kTarget, config);
    guard.start();
    for (int i = 0; i < 3; ++i) {
      (void)guard.bus().publish("user.login_failed",
                                Json{{"user_id", "root"},
                                     {"address", "6.6.6.6"},
                                     {"time", "2026-03-01T12:" + std::to_string(10 + i) + minute},
                                     {"repeated", repeated}});
    }
    (void)guard.finish();
    return guard.watcher().count("auth.suspicious");
  };
  const Json by_log{{"failures_max", 3}, {"window", "90s"}, {"time_field", "time"}};
  EXPECT_EQ(count({{"failures_max", 3}}, ":00Z", 1), 1U);
  EXPECT_EQ(count(by_log, ":00Z", 1), 0U);
  // What is no time counts as of that of the one before, or else as now.
  EXPECT_EQ(count(by_log, "?", 1), 1U);
  Json with_count = by_log;
  with_count["count_field"] = "repeated";
  EXPECT_EQ(count(with_count, ":00Z", 5), 1U);
}

TEST(AuthGuard, KeepsALongNameAsItsHash) {
  ShippedPlugin guard(kTarget, {{"failures_max", 3}, {"success_after", 3}});
  guard.start();
  const std::string longest(256, 'a');
  const std::string longer(100'000, 'a');
  for (const std::string& name : {longest, longer}) {
    for (int i = 0; i < 3; ++i) {
      (void)guard.bus().publish("user.login_failed", Json{{"user_id", name}, {"address", name}});
    }
    (void)guard.bus().publish(
        "user.login", Json{{"user_id", name}, {"address", "10.0.0.1"}, {"session_id", name}});
  }
  ASSERT_TRUE(guard.manager().wait_until_idle(kGuard));
  const RequestResult answer = guard.bus().request("auth.sessions", {{"user_id", longer}}, kGuard);
  ASSERT_TRUE(answer.ok()) << answer.message();
  ASSERT_EQ(answer.json().at("sessions").size(), 1U);
  const std::string hash = answer.json().at("sessions")[0].at("session_id");
  EXPECT_EQ(answer.json().at("user_id"), hash);
  EXPECT_TRUE(hash.starts_with("sha256:"));
  EXPECT_EQ(hash.size(), 71U);
  (void)guard.bus().publish("user.logout", Json{{"user_id", longer}, {"session_id", longer}});
  ASSERT_TRUE(guard.manager().wait_until_idle(kGuard));
  EXPECT_TRUE(guard.bus()
                  .request("auth.sessions", {{"user_id", longer}}, kGuard)
                  .json()
                  .at("sessions")
                  .empty());
  (void)guard.finish();
  std::vector<std::string> told;
  for (const Json& one : suspicions(guard)) {
    told.push_back(one.at("reason").get<std::string>() + ' ' +
                   one.at("user_id").get<std::string>());
  }
  EXPECT_EQ(told, (std::vector<std::string>{
                      "too_many_failures " + longest, "success_after_failures " + longest,
                      "too_many_failures " + hash, "success_after_failures " + hash}));
}

TEST(AuthGuard, BelievesNoTimeThatCannotBe) {
  const auto told = [](const std::vector<std::string>& times, const Json& more = Json::object()) {
    Json config{{"failures_max", 3}, {"window", "90s"}, {"time_field", "time"}};
    config.update(more);
    ShippedPlugin guard(kTarget, config);
    guard.start();
    for (const std::string& time : times) {
      (void)guard.bus().publish("user.login_failed",
                                Json{{"user_id", "root"}, {"address", "6.6.6.6"}, {"time", time}});
    }
    const Json summary = guard.finish();
    return summary.at("suspicious").dump() + " of " + std::to_string(times.size()) + ", " +
           std::to_string(summary.value("untimed", 0)) + " untimed";
  };
  for (const char* wrong :
       {"2200-01-01T00:00:00Z", "2261-12-31T00:00:00Z", "1678-01-01T00:00:00Z", "yesterday", ""}) {
    // Those before and after it are as far apart as they were, and the two that are close are two.
    EXPECT_EQ(told({"2026-03-01T12:00:00Z", wrong, "2026-03-01T12:02:00Z", "2026-03-01T12:04:00Z",
                    "2026-03-01T12:06:00Z"}),
              "0 of 5, 1 untimed")
        << wrong;
    EXPECT_EQ(told({wrong, "2026-03-01T12:02:00Z", "2026-03-01T12:04:00Z", "2026-03-01T12:06:00Z"}),
              "0 of 4, 1 untimed")
        << wrong;
    // It counts as of the time of the one before.
    EXPECT_EQ(told({"2026-03-01T12:00:00Z", wrong, "2026-03-01T12:00:10Z"}), "1 of 3, 1 untimed")
        << wrong;
    // And it ends no attack and begins none.
    EXPECT_EQ(told({"2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z", wrong,
                    "2026-03-01T12:00:10Z"}),
              "1 of 5, 1 untimed")
        << wrong;
  }
}

TEST(AuthGuard, BelievesNoStampThatCannotBe) {
  ShippedPlugin guard(kTarget, {{"failures_max", 3}, {"new_address", false}});
  guard.start();
  for (const WallTime time : {WallTime::max(), WallTime::min()}) {
    (void)guard.bus().publish("user.login", Json{{"user_id", "ada"}, {"address", "10.0.0.1"}},
                              EventOptions{.time = time});
    (void)guard.bus().publish("user.login_failed", Json{{"user_id", "ada"}, {"address", "6.6.6.6"}},
                              EventOptions{.time = time});
  }
  (void)guard.bus().publish(user_login_failed("ada", "", "6.6.6.6"));
  ASSERT_TRUE(guard.manager().wait_until_idle(kGuard));
  const RequestResult answer = guard.bus().request("auth.sessions", {{"user_id", "ada"}}, kGuard);
  EXPECT_EQ(answer.json().at("sessions").size(), 1U);
  const Json summary = guard.finish();
  EXPECT_EQ(summary.at("untimed"), 4);
  EXPECT_EQ(summary.at("suspicious"), 1);
}

TEST(AuthGuard, LeavesAloneWhatTellsNeitherAUserNorAnAddress) {
  ShippedPlugin guard(kTarget, {{"failures_max", 1}});
  guard.start();
  (void)guard.bus().publish("user.login_failed", Json{{"user_id", nullptr}, {"address", {1}}});
  (void)guard.bus().publish("user.login", Json("text"));
  (void)guard.bus().publish("user.logout", {});
  const Json summary = guard.finish();
  EXPECT_EQ(summary.at("unusable"), 3);
  EXPECT_EQ(summary.at("suspicious"), 0);
}

TEST(AuthGuard, ForgetsNothingWhenItIsReplaced) {
  ShippedPlugin guard(kTarget, {{"failures_max", 2}});
  guard.start();
  (void)guard.bus().publish(user_login_failed("root", "", "6.6.6.6"));
  ASSERT_TRUE(guard.manager().wait_until_idle(kGuard));
  guard.manager().reload(guard.id());
  (void)guard.bus().publish(user_login_failed("root", "", "6.6.6.6"));
  EXPECT_EQ(guard.watcher().wait("auth.suspicious").json().at("failures"), 2);
  EXPECT_TRUE(guard.manager().stop_all().empty());
}

TEST(AuthGuard, KnowsTheTimeOfTheLogWhenItIsReplaced) {
  ShippedPlugin guard(kTarget, {{"failures_max", 2}, {"window", "90s"}, {"time_field", "time"}});
  guard.start();
  const auto fail_at = [&](const char* time) {
    (void)guard.bus().publish("user.login_failed",
                              Json{{"user_id", "root"}, {"address", "6.6.6.6"}, {"time", time}});
  };
  (void)guard.bus().publish(
      "user.login",
      Json{{"user_id", "ada"}, {"address", "10.0.0.1"}, {"time", "2026-03-01T12:00:00Z"}});
  fail_at("2026-03-01T12:00:10Z");
  ASSERT_TRUE(guard.manager().wait_until_idle(kGuard));
  guard.manager().reload(guard.id());
  const RequestResult answer = guard.bus().request("auth.sessions", {{"user_id", "ada"}}, kGuard);
  ASSERT_TRUE(answer.ok()) << answer.message();
  EXPECT_EQ(answer.json().at("sessions").size(), 1U);
  // One without a time is of the time of those before it.
  fail_at("?");
  EXPECT_TRUE(guard.manager().wait_until_idle(kGuard));
  EXPECT_EQ(guard.watcher().count("auth.suspicious"), 1U);
  EXPECT_TRUE(guard.manager().stop_all().empty());
}

TEST(AuthGuard, LetsNobodyWhoAsksEndASession) {
  ShippedPlugin guard(kTarget, {{"session_age_max", "1h"}});
  guard.start();
  (void)guard.bus().publish(user_login("ada", "", "10.0.0.1"));
  ASSERT_TRUE(guard.manager().wait_until_idle(kGuard));
  EventOptions ahead;
  ahead.time = std::chrono::system_clock::now() + std::chrono::hours(20);
  for (const EventOptions& when : {ahead, EventOptions{}}) {
    const RequestResult answer =
        guard.bus().request("auth.sessions", {{"user_id", "ada"}}, kGuard, when);
    ASSERT_TRUE(answer.ok()) << answer.message();
    EXPECT_EQ(answer.json().at("sessions").size(), 1U);
  }
  (void)guard.finish();
}

TEST(AuthGuard, WorksLinkedInAndInAProcessOfItsOwn) {
  for (const Form form : {Form::linked_in, Form::process}) {
    ShippedPlugin guard(kTarget, {{"failures_max", 3}}, form);
    guard.start();
    for (int i = 0; i < 5; ++i) {
      (void)guard.bus().publish(user_login_failed("root", "", "6.6.6.6"));
    }
    EXPECT_EQ(guard.finish().at("suspicious"), 1);
  }
}

/// A bus whose store refuses alerts so many times.
BusOptions refusing(int times) {
  BusOptions options = quiet_options();
  options.opened_store = std::make_shared<RefusingStore>("auth.", times);
  options.keep = std::vector<std::string>{"auth.*"};
  return options;
}

void fail_twice(ShippedPlugin& guard) {
  for (int i = 0; i < 2; ++i) (void)guard.bus().publish(user_login_failed("root", "", "6.6.6.6"));
}

TEST(AuthGuard, AnAlertThatTheStoreDidNotTakeIsPublishedLaterAndCountsNothingTwice) {
  ShippedPlugin guard(kTarget, {{"failures_max", 2}}, Form::library, refusing(1));
  guard.start();
  fail_twice(guard);
  (void)guard.watcher().wait("auth.suspicious");
  EXPECT_EQ(
      guard.finish(),
      (Json{{"logins", 0}, {"failures", 2}, {"suspicious", 1}, {"addresses", 1}, {"users", 0}}));
  EXPECT_EQ(guard.watcher().count("auth.suspicious"), 1U);
}

TEST(AuthGuard, AnAlertThatWaitsIsPublishedWhenItStops) {
  ShippedPlugin guard(kTarget, {{"failures_max", 2}}, Form::library, refusing(1));
  guard.start();
  fail_twice(guard);
  EXPECT_EQ(guard.finish().value("unsent", 0), 0);
  EXPECT_EQ(guard.watcher().count("auth.suspicious"), 1U);
}

TEST(AuthGuard, SaysHowManyAlertsWereNotPublished) {
  ShippedPlugin guard(kTarget, {{"failures_max", 2}}, Form::library,
                      refusing(RefusingStore::kAlways));
  guard.start();
  fail_twice(guard);
  EXPECT_TRUE(guard.manager().wait_until_idle(kGuard));
  bool is_degraded = false;
  for (const PluginInfo& info : guard.manager().examine(kGuard)) {
    is_degraded = info.health && info.health->level == PluginHealthInfo::Level::degraded;
  }
  EXPECT_TRUE(is_degraded);
  EXPECT_EQ(guard.finish().at("unsent"), 1);
  const std::string error =
      guard.watcher().wait("plugin.error").json().at("error").get<std::string>();
  EXPECT_NE(error.find("1 alerts"), std::string::npos) << error;
  EXPECT_NE(error.find("the disk is full"), std::string::npos) << error;
  guard.start();
  EXPECT_EQ(guard.finish().value("unsent", 0), 0);
}

TEST(AuthGuard, AFindingThatAFilterRefusesTakesNoOtherWithIt) {
  ShippedPlugin guard(kTarget, {{"success_after", 2}});
  guard.bus().add_filter("new addresses alone", [](const Event& event) {
    return event.topic() != "auth.suspicious" || event.json().at("reason") == "new_address";
  });
  guard.start();
  (void)guard.bus().publish(user_login("root", "", "10.0.0.1"));
  fail_twice(guard);
  (void)guard.bus().publish(user_login("root", "", "6.6.6.6"));
  EXPECT_EQ(guard.finish().at("logins"), 2);
  EXPECT_EQ(guard.watcher().count("auth.suspicious"), 1U);
}

TEST(AuthGuard, AListenerThatTakesItsTimeMakesNoFailureCountTwice) {
  std::promise<void> go_on;  // outlives the plugin, and the thread of it that was left behind
  const std::shared_future<void> may_go_on = go_on.get_future().share();
  ShippedPlugin guard(kTarget, {{"failures_max", 2}, {"timeout", "100ms"}});
  const Subscription slow = guard.bus().subscribe(
      "auth.suspicious", [&](const Event&) { (void)may_go_on.wait_for(kGuard); },
      {.mode = Mode::sync});
  guard.start();
  fail_twice(guard);
  // Answered when the handler was left behind.
  EXPECT_TRUE(guard.bus().request("auth.sessions", {{"user_id", "root"}}, kGuard).ok());
  EXPECT_TRUE(guard.manager().wait_until_idle(kGuard));
  go_on.set_value();
  EXPECT_EQ(guard.finish().at("failures"), 2);
  EXPECT_EQ(guard.watcher().count("auth.suspicious"), 1U);
}

TEST(AuthGuard, TheSummaryOfASecondRunIsOfThatRun) {
  ShippedPlugin guard(kTarget);
  guard.start();
  fail_twice(guard);
  EXPECT_EQ(guard.finish().at("failures"), 2);
  guard.start();
  EXPECT_EQ(
      guard.finish(),
      (Json{{"logins", 0}, {"failures", 0}, {"suspicious", 0}, {"addresses", 1}, {"users", 0}}));
}

TEST(AuthGuard, OneTimeOfALogThatIsAheadEndsNoSession) {
  ShippedPlugin guard(kTarget, {{"time_field", "time"}, {"session_age_max", "1h"}});
  guard.start();
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto say = [&](const char* topic, const char* user_id, std::chrono::seconds ahead) {
    (void)guard.bus().publish(topic, Json{{"user_id", user_id},
                                          {"address", "10.0.0.1"},
                                          {"time", shared::format_rfc3339(now + ahead)}});
  };
  say("user.login", "ada", std::chrono::seconds(0));
  say("user.login_failed", "eve", std::chrono::hours(20));
  say("user.login", "bob", std::chrono::seconds(1));
  ASSERT_TRUE(guard.manager().wait_until_idle(kGuard));
  for (const char* who : {"ada", "bob"}) {
    const RequestResult answer = guard.bus().request("auth.sessions", {{"user_id", who}}, kGuard);
    ASSERT_TRUE(answer.ok()) << answer.message();
    EXPECT_EQ(answer.json().at("sessions").size(), 1U) << who;
  }
  (void)guard.finish();
}

}  // namespace
}  // namespace busway
