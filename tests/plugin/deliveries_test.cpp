// Events into a plugin and back.
#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "busway/plugin.h"
#include "busway/subscription_info.hpp"
#include "plugin_fixture.hpp"

namespace busway {
namespace {

class Deliveries : public PluginTest {};

TEST_F(Deliveries, CarryTheFieldsOfAnEventBothWays) {
  run("everything");
  Watcher watch(bus_, "test.echoed");
  const PublishResult sent =
      bus_.publish("test.echo", Json{{"x", 1}},
                   {.source = "tester", .key = "k1", .metadata = {{"m", 2}}, .user_id = 7});
  const Event echoed = watch.wait("test.echoed");
  const Json seen = echoed.json();
  EXPECT_EQ(seen.at("payload"), (Json{{"x", 1}}));
  EXPECT_EQ(seen.at("topic"), "test.echo");
  EXPECT_EQ(seen.at("source"), "tester");
  EXPECT_EQ(seen.at("id"), to_string(sent.id));
  EXPECT_EQ(seen.at("key"), "k1");
  EXPECT_EQ(seen.at("user"), "7");
  EXPECT_EQ(seen.at("meta"), (Json{{"m", 2}}));
  EXPECT_EQ(seen.at("hops"), 0);
  EXPECT_EQ(seen.at("me"), "everything");
  EXPECT_EQ(echoed.priority(), Priority::high);
  EXPECT_EQ(echoed.key(), "k2");
  EXPECT_EQ(*echoed.metadata().find("by"), "echo");
  EXPECT_EQ(echoed.causation_id(), sent.id);
  EXPECT_EQ(echoed.hops(), 1U);
}

TEST_F(Deliveries, AreStampedByTheHostWithThePluginsId) {
  run("everything");
  Watcher watch(bus_, "test.echoed");
  bus_.publish("test.echo", Json());
  const Event echoed = watch.wait("test.echoed");
  EXPECT_EQ(echoed.source(), "everything");
  EXPECT_EQ(echoed.origin(), Origin::plugin);
}

TEST_F(Deliveries, RunOnThePluginsThreadAndOnItAlone) {
  run("everything");
  Watcher watch(bus_, "test.echoed");
  for (int i = 0; i < 3; ++i) bus_.publish("test.echo", Json());
  const auto thread_of = [&](std::size_t n) {
    return watch.wait("test.echoed", n).json().at("thread").get<std::size_t>();
  };
  EXPECT_NE(thread_of(0), std::hash<std::thread::id>{}(std::this_thread::get_id()));
  EXPECT_EQ(thread_of(0), thread_of(1));
  EXPECT_EQ(thread_of(0), thread_of(2));
}

TEST_F(Deliveries, SubscriptionsBelongToThePluginAndAreAsyncUnlessItSaysSync) {
  run("everything");
  const auto all = bus_.subscriptions("everything");
  const auto of = [&](std::string_view pattern) {
    return *std::find_if(all.begin(), all.end(), [&](const SubscriptionInfo& info) {
      return info.patterns.front() == pattern;
    });
  };
  EXPECT_EQ(of("test.echo").mode, Mode::async);
  EXPECT_EQ(of("test.echo").name, "echo");
  EXPECT_EQ(of("test.echo").priority, 5);
  EXPECT_EQ(of("test.sync").mode, Mode::sync);
}

TEST_F(Deliveries, ASyncOneIsDoneWhenPublishReturns) {
  run("everything");
  Watcher watch(bus_, "test.sync_seen");
  const PublishResult result = bus_.publish("test.sync", Json{{"value", 1}});
  EXPECT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result.delivered, 1U);
  EXPECT_EQ(result.queued, 0U);
  EXPECT_EQ(watch.count("test.sync_seen"), 1U) << "published within the call, so already there";
  EXPECT_EQ(watch.wait("test.sync_seen").causation_id(), result.id);
}

TEST_F(Deliveries, TheFailureOfASyncOneReachesThePublisher) {
  run("everything");
  const PublishResult result = bus_.publish("test.sync", Json{{"value", -1}});
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures[0].code, ErrorCode::handler_failed);
  EXPECT_EQ(result.failures[0].reason, "negative");
}

TEST_F(Deliveries, ASyncOneOnItsOwnWorkerRunsNestedAtOnce) {
  run("everything");
  Watcher watch(bus_, "test.nested");
  bus_.publish("test.nest", Json());
  const Event nested = watch.wait("test.nested");
  EXPECT_EQ(nested.json().at("delivered"), 1);
  EXPECT_EQ(nested.json().at("seen"), 7);
}

TEST_F(Deliveries, ACircleOfSyncOnesIsQueuedAndStandsNotStill) {
  // a's worker waits for b's, which publishes to a: that one must not be waited for.
  manager_.load(PluginSpec{.path = library("everything"), .id = "a"});
  manager_.load(PluginSpec{.path = library("everything"), .id = "b"});
  ASSERT_TRUE(manager_.start_all().empty());
  Watcher watch(bus_, "test.sync_seen");
  // Both relay to both, which relay to test.sync of both.
  const Json last{{"to", "test.sync"}, {"next", {{"value", 3}}}};
  bus_.publish("test.relay_sync", Json{{"to", "test.relay_sync"}, {"next", last}});
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(watch.count("test.sync_seen"), 8U) << "nothing was given up after a time-out";
}

TEST_F(Deliveries, ThrownThingsFailTheDeliveryAndThePluginGoesOn) {
  run("everything");
  for (const char* how : {"exception", "int", "outcome"}) bus_.publish("test.fail", Json(how));
  Watcher watch(bus_, "test.echoed");
  bus_.publish("test.echo", Json());
  watch.wait("test.echoed");
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  for (const SubscriptionInfo& info : bus_.subscriptions("everything")) {
    if (info.patterns.front() == "test.fail") {
      EXPECT_EQ(info.counters.failed + info.counters.dead_lettered, 3U);
    }
  }
}

TEST_F(Deliveries, ATypedHandlerGetsItsTypeAndFailsOnAnother) {
  run("everything");
  Watcher watch(bus_, "test.point_seen");
  bus_.publish("test.point", Json("no point"));
  bus_.publish("test.point", Json{{"x", 3}, {"y", 4}});
  EXPECT_EQ(watch.wait("test.point_seen").json().at("sum"), 7);
  EXPECT_EQ(watch.count("test.point_seen"), 1U);
  bus_.publish("test.make_point", Json());
  EXPECT_EQ(watch.wait("test.point_seen", 1).json().at("sum"), 7);
}

TEST_F(Deliveries, BytesGoAsTheyAre) {
  run("everything");
  Watcher watch(bus_, "test.bytes_back");
  bus_.publish("test.bytes", bytes(std::string_view("\0\xff", 2), "application/x-test"));
  const Event back = watch.wait("test.bytes_back");
  EXPECT_EQ(back.content_type(), "application/x-test");
  ASSERT_EQ(back.bytes().size(), 3U);
  EXPECT_EQ(std::memcmp(back.bytes().data(), "\0\xff!", 3), 0);
}

TEST_F(Deliveries, APluginAnswersRequests) {
  run("everything");
  for (const char* topic : {"test.ask", "test.demand"}) {
    const RequestResult answer = bus_.request(topic, Json{{"n", 4}}, kGuard);
    ASSERT_TRUE(answer.ok()) << answer.message();
    EXPECT_EQ(answer.json().at("answer"), 8);
  }
}

TEST_F(Deliveries, APluginMakesRequestsOfAnother) {
  run("everything");
  manager_.load(
      PluginSpec{.path = library("everything"), .id = "asker", .config = {{"deaf", true}}});
  manager_.start("asker");
  Watcher watch(bus_, "test.asked");
  bus_.publish("test.go_and_ask.asker", Json{{"topic", "test.ask"}});
  EXPECT_EQ(watch.wait("test.asked", 0).json().at("json").at("answer"), 42);
  bus_.publish("test.go_and_ask.asker", Json{{"topic", "nobody.home"}});
  EXPECT_EQ(watch.wait("test.asked", 1).json().at("status"), int{BUSWAY_NO_RESPONDER});
}

TEST_F(Deliveries, TimersRunOnceOnTheWorkerAndCanBeCancelled) {
  run("everything");
  Watcher watch(bus_, {"test.timer_ran", "test.too_late"});
  bus_.publish("test.timer", Json());
  EXPECT_EQ(watch.wait("test.timer_ran").json(), (Json{{"cancelled", true}, {"again", false}}));
  EXPECT_EQ(watch.count("test.too_late"), 0U);
}

TEST_F(Deliveries, WhatTheHostRefusesComesBackWithItsWords) {
  run("everything");
  Watcher watch(bus_, "test.bad_calls_seen");
  bus_.publish("test.bad_calls", Json());
  const Json seen = watch.wait("test.bad_calls_seen").json();
  constexpr std::array<int, 4> expected{BUSWAY_INVALID_TOPIC, BUSWAY_INVALID_PATTERN,
                                        BUSWAY_NOT_FOUND, BUSWAY_INVALID_ARGUMENT};
  ASSERT_EQ(seen.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(seen[i].is_object()) << i;
    EXPECT_EQ(seen[i].at("status"), expected[i]);
    EXPECT_FALSE(seen[i].at("message").get<std::string>().empty());
  }
}

TEST_F(Deliveries, AHandlerMayUnsubscribeItself) {
  run("everything");
  Watcher watch(bus_, {"test.unsubscribed", "test.sync_once_ran"});
  bus_.publish("test.unsubscribe", Json());
  watch.wait("test.unsubscribed");
  EXPECT_EQ(bus_.publish("test.unsubscribe", Json()).matched, 0U);
  EXPECT_EQ(bus_.publish("test.sync_once", Json()).delivered, 1U);
  EXPECT_EQ(bus_.publish("test.sync_once", Json()).matched, 0U);
  EXPECT_EQ(watch.count("test.sync_once_ran"), 1U);
}

TEST_F(Deliveries, APluginInPlainCWorksTheSame) {
  run("plain_c");
  Watcher watch(bus_, "c.out");
  bus_.publish("c.in", Json());
  bus_.publish("c.in", bytes("no JSON"));
  bus_.publish("c.in", Json());
  EXPECT_EQ(watch.wait("c.out", 1).json().at("count"), 2);
  EXPECT_EQ(watch.wait("c.out").source(), "plain_c");
}

}  // namespace
}  // namespace busway
