// A subscription that keeps failing is left alone for a while.
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "bus_fixture.hpp"
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

}  // namespace
}  // namespace busway
