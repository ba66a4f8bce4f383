// A subscription that keeps failing is left alone for a while.
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "bus_fixture.hpp"
#include "busway/events/breaker_event_data.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::seconds;
using testing::ManualClock;

SubscriptionOptions guarded(Mode mode) {
  SubscriptionOptions options;
  options.name = "fragile";
  options.mode = mode;
  if (mode == Mode::async) options.retry = RetryPolicy{.max_retries = 0};
  options.breaker = BreakerPolicy{.failures = 3, .open_for = seconds(30)};
  return options;
}

TEST(BreakerOf, AnAsynchronousSubscriptionDeadLettersWhatComesWhileItIsOpen) {
  Still still;
  int calls = 0;
  const Subscription fragile = still.bus.subscribe(
      "job", [&](const Event&) { ++calls, throw 42; }, guarded(Mode::async));
  for (int i = 0; i < 10; ++i) (void)still.bus.publish("job");
  (void)still.bus.poll();
  EXPECT_EQ(calls, 3);
  const SubscriptionInfo info = still.bus.subscriptions().front();
  EXPECT_EQ(info.breaker, BreakerState::open);
  EXPECT_EQ(info.breaker_opened, 1U);
  EXPECT_EQ(info.breaker_refused, 7U);
  EXPECT_EQ(info.counters.dead_lettered, 10U);
  EXPECT_EQ(info.counters.delivered, 0U);
  EXPECT_EQ(info.counters.in_flight, 0U);
  const DeadLetter last = still.bus.dead_letters().list().back();
  EXPECT_EQ(last.last().code, ErrorCode::breaker_open);
  EXPECT_EQ(last.last().attempts, 0U);
}

TEST(BreakerOf, ASynchronousSubscriptionFailsWithoutACallWhileItIsOpen) {
  Still still;
  int calls = 0;
  const Subscription fragile = still.bus.subscribe(
      "job", [&](const Event&) { ++calls, throw 42; }, guarded(Mode::sync));
  for (int i = 0; i < 3; ++i) (void)still.bus.publish("job");
  const PublishResult result = still.bus.publish("job");
  EXPECT_EQ(calls, 3);
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::breaker_open);
  EXPECT_EQ(still.bus.subscriptions().front().counters.failed, 4U);
}

TEST(BreakerOf, OneProbeDecides) {
  Still still;
  int calls = 0;
  bool broken = true;
  const Subscription fragile = still.bus.subscribe(
      "job",
      [&](const Event&) {
        ++calls;
        if (broken) throw 42;
      },
      guarded(Mode::sync));
  for (int i = 0; i < 3; ++i) (void)still.bus.publish("job");
  still.clock->advance(seconds(30));
  EXPECT_FALSE(still.bus.publish("job").ok()) << "the probe fails";
  EXPECT_FALSE(still.bus.publish("job").ok()) << "open again: no call";
  EXPECT_EQ(calls, 4);
  broken = false;
  still.clock->advance(seconds(30));
  EXPECT_TRUE(still.bus.publish("job").ok());
  EXPECT_TRUE(still.bus.publish("job").ok());
  EXPECT_EQ(calls, 6);
  const SubscriptionInfo info = still.bus.subscriptions().front();
  EXPECT_EQ(info.breaker, BreakerState::closed);
  EXPECT_EQ(info.breaker_opened, 2U);
}

TEST(BreakerOf, ASuccessBetweenFailuresKeepsItClosed) {
  Still still;
  int calls = 0;
  const Subscription fragile = still.bus.subscribe(
      "job",
      [&](const Event&) {
        if (++calls % 3 != 0) throw 42;
      },
      guarded(Mode::sync));
  for (int i = 0; i < 30; ++i) (void)still.bus.publish("job");
  EXPECT_EQ(calls, 30);
}

TEST(BreakerOf, ALetterThatWasRefusedIsDeliveredByARedriveOnceItHasClosed) {
  Still still;
  bool broken = true;
  const Subscription fragile = still.bus.subscribe(
      "job",
      [&](const Event&) {
        if (broken) throw 42;
      },
      guarded(Mode::async));
  for (int i = 0; i < 5; ++i) (void)still.bus.publish("job");
  (void)still.bus.poll();
  broken = false;
  still.clock->advance(seconds(30));
  DeadLetters letters = still.bus.dead_letters();
  EXPECT_EQ(letters.redrive_all().sent, 5U);
  (void)still.bus.poll();
  EXPECT_EQ(letters.size(), 0U);
}

/// What was said of breakers: "opened fragile: 3 failures in a row".
Names said_of_breakers(const Bus& bus) {
  Names said;
  for (const Event& event : bus.history("breaker.*")) {
    const auto& data = event.as<BreakerEventData>();
    said.insert(said.begin(),
                std::string(event.topic()).substr(8) + ' ' + data.name + ": " + data.reason);
  }
  return said;
}

TEST(BreakerEvents, TellWhenItOpensProbesAndCloses) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Still still;
    bool broken = true;
    SubscriptionOptions options = guarded(mode);
    options.owner = "shop";
    const Subscription fragile = still.bus.subscribe(
        "job",
        [&](const Event&) {
          if (broken) throw 42;
        },
        options);
    const auto publish = [&] {
      (void)still.bus.publish("job");
      (void)still.bus.poll();
    };
    for (int i = 0; i < 5; ++i) publish();
    still.clock->advance(seconds(30));
    publish();
    broken = false;
    still.clock->advance(seconds(30));
    publish();
    EXPECT_EQ(said_of_breakers(still.bus),
              (Names{"opened fragile: 3 failures in a row",
                     "half_opened fragile: one call is made as the probe",
                     "opened fragile: the probe failed",
                     "half_opened fragile: one call is made as the probe",
                     "closed fragile: the probe succeeded"}));
    const Event last = still.bus.history("breaker.closed").at(0);
    const auto& data = last.as<BreakerEventData>();
    EXPECT_EQ(data.subscription, fragile.id());
    EXPECT_EQ(data.owner, "shop");
    EXPECT_EQ(data.state, "closed");
    EXPECT_EQ(data.times_opened, 2U);
    EXPECT_EQ(last.source(), "bus");
    EXPECT_EQ(last.origin(), Origin::system);
    EXPECT_EQ(last.hops(), 1U);
    EXPECT_EQ(last.causation_id(), still.bus.history("job", 1).at(0).id());
  }
}

TEST(BreakerEvents, ReachListenersThatMayEndTheSubscription) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Still still;
    int calls = 0;
    Subscription fragile = still.bus.subscribe(
        "job", [&](const Event&) { ++calls, throw 42; }, guarded(mode));
    int told = 0;
    const Subscription listener =
        still.bus.subscribe("breaker.opened", [&](const BreakerEventData& data) {
          ++told;
          EXPECT_EQ(data.name, "fragile");
          fragile.reset();
        });
    for (int i = 0; i < 5; ++i) (void)still.bus.publish("job");
    (void)still.bus.poll();
    EXPECT_EQ(told, 1);
    EXPECT_EQ(calls, 3);
    EXPECT_FALSE(fragile.active());
  }
}

TEST(BreakerEvents, DoNotGoRoundInACircleWhenTheirOwnListenerFails) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Still still;
    SubscriptionOptions options = guarded(mode);
    options.breaker = BreakerPolicy{.failures = 1, .open_for = std::chrono::nanoseconds(1)};
    int calls = 0;
    const Subscription listener = still.bus.subscribe(
        "breaker.*", [&](const Event&) { ++calls, throw 42; }, options);
    const Subscription fragile = still.bus.subscribe(
        "job", [](const Event&) { throw 42; }, guarded(mode));
    for (int i = 0; i < 3; ++i) (void)still.bus.publish("job");
    (void)still.bus.poll();
    EXPECT_EQ(calls, 1);
    still.clock->advance(seconds(60));
    (void)still.bus.publish("job");
    (void)still.bus.poll();
    // half_opened and opened of `fragile`; the listener's own breaker says nothing.
    EXPECT_EQ(said_of_breakers(still.bus).size(), 3U);
    for (const std::string& one : said_of_breakers(still.bus))
      EXPECT_TRUE(mentions(one, "fragile"));
  }
}

TEST(BreakerEvents, ThatCauseOthersEndAtTheHopLimit) {
  Still still(BusOptions{.max_hops = 4});
  SubscriptionOptions options = guarded(Mode::async);
  options.breaker = BreakerPolicy{.failures = 1, .open_for = std::chrono::nanoseconds(1)};
  const Subscription fragile = still.bus.subscribe(
      "job", [&](const Event&) { throw 42; }, options);
  const Subscription again = still.bus.subscribe("breaker.*", [&](const Event&) {
    still.clock->advance(seconds(1));
    (void)still.bus.publish("job");
  });
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  EXPECT_TRUE(still.bus.idle());
  for (const Event& event : still.bus.history()) EXPECT_LE(event.hops(), 4U);
}

TEST(BreakerOf, BadPoliciesAreRefusedByName) {
  Bus bus(quiet());
  for (const BreakerPolicy& policy :
       {BreakerPolicy{.failures = 0}, BreakerPolicy{.failures = 1, .open_for = -seconds(1)}}) {
    SubscriptionOptions options;
    options.breaker = policy;
    try {
      (void)bus.subscribe(
          "job", [](const Event&) {}, options);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_option);
      EXPECT_TRUE(mentions(error.what(), "breaker."));
    }
  }
}

TEST(BreakerEvents, AProbeIsNotMadeOnceAListenerHasEndedTheSubscription) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Still still;
    int calls = 0;
    Subscription fragile = still.bus.subscribe(
        "job", [&](const Event&) { ++calls, throw 42; }, guarded(mode));
    const Subscription listener =
        still.bus.subscribe("breaker.half_opened", [&](const Event&) { fragile.reset(); });
    for (int i = 0; i < 3; ++i) (void)still.bus.publish("job");
    (void)still.bus.poll();
    ASSERT_EQ(calls, 3);
    still.clock->advance(std::chrono::hours(1));
    const Receipt receipt = still.bus.publish_async("job");
    (void)still.bus.poll();
    EXPECT_FALSE(fragile.active());
    EXPECT_EQ(calls, 3);
    EXPECT_TRUE(receipt.wait_for(kLong));
    EXPECT_TRUE(adds_up(still.bus.stats()));
  }
}

}  // namespace
}  // namespace busway
