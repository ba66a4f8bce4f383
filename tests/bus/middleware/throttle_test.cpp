#include "busway/middleware/throttle.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "../still_bus.hpp"

namespace busway {
namespace {

using namespace std::chrono_literals;

TEST(Throttle, AsyncSurplusWaitsForItsTurnAndNothingIsLost) {
  Still still;
  std::vector<SteadyTime> calls;
  const SteadyTime begin = still.clock->steady();
  auto listener = still.bus.subscribe(
      "a", with(Throttle(10, 1s), [&](const Event&) { calls.push_back(still.clock->steady()); }),
      {.mode = Mode::async, .retry = RetryPolicy{.max_retries = 1}});
  for (int i = 0; i < 100; ++i) still.bus.publish("a");
  still.bus.poll();
  EXPECT_EQ(calls.size(), 10U);
  still.pass(9s);
  ASSERT_EQ(calls.size(), 100U) << "one retry is enough, however long the line";
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(calls[i], begin + std::chrono::seconds(i / 10)) << i;
  }
  EXPECT_EQ(still.bus.dead_letters().size(), 0U);
}

TEST(Throttle, NeverAllowsMoreThanItsCallsInAnySpan) {
  Still still;
  std::vector<SteadyTime> calls;
  auto listener = still.bus.subscribe(
      "a", with(Throttle(3, 1s), [&](const Event&) { calls.push_back(still.clock->steady()); }),
      {.mode = Mode::async});
  // In bursts that do not fit the span.
  for (int burst = 0; burst < 20; ++burst) {
    for (int i = 0; i < burst % 4; ++i) still.bus.publish("a");
    still.pass(370ms);
  }
  still.pass(20s);
  ASSERT_EQ(calls.size(), 30U);
  for (std::size_t i = 3; i < calls.size(); ++i) EXPECT_GE(calls[i] - calls[i - 3], 1s) << i;
}

TEST(Throttle, ALaterEventDoesNotTakeTheSlotOfOneThatWaits) {
  Still still;
  Names handled;
  auto listener = still.bus.subscribe(
      "*", with(Throttle(1, 1s), [&](const Event& event) { handled.emplace_back(event.topic()); }),
      {.mode = Mode::async});
  for (const char* topic : {"a", "b"}) still.bus.publish(topic);
  still.bus.poll();
  // Time has come for b, whose retry has not run yet.
  still.clock->advance(1s);
  still.bus.publish("c");
  still.bus.poll();
  EXPECT_EQ(handled, (Names{"a", "b"}));
  still.pass(1s);
  EXPECT_EQ(handled, (Names{"a", "b", "c"}));
}

TEST(Throttle, StrictOrderHoldsBackTheEventsBehind) {
  Still still;
  Names handled;
  auto listener = still.bus.subscribe(
      "*", with(Throttle(1, 1s), [&](const Event& event) { handled.emplace_back(event.topic()); }),
      {.mode = Mode::async, .retry = RetryPolicy{.order = RetryOrder::strict}});
  for (const char* topic : {"a", "b", "c"}) still.bus.publish(topic);
  still.bus.poll();
  EXPECT_EQ(handled, (Names{"a"}));
  still.pass(1s);
  EXPECT_EQ(handled, (Names{"a", "b"}));
  still.pass(1s);
  EXPECT_EQ(handled, (Names{"a", "b", "c"}));
}

TEST(Throttle, SurplusThatFailsSaysSoAndTakesNoSlot) {
  Still still;
  int calls = 0;
  auto listener = still.bus.subscribe(
      "a", with(Throttle(2, 1s, Surplus::fail), [&](const Event&) { ++calls; }));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(still.bus.publish("a").ok());
  for (int i = 0; i < 5; ++i) {
    const PublishResult result = still.bus.publish("a");
    ASSERT_EQ(result.failures.size(), 1U);
    EXPECT_EQ(result.failures.front().reason, "more than 2 calls in 1000ms");
  }
  still.clock->advance(1s - 1ns);
  EXPECT_FALSE(still.bus.publish("a").ok());
  still.clock->advance(1ns);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(still.bus.publish("a").ok());
  EXPECT_EQ(calls, 4);
}

TEST(Throttle, ThatIsCopiedLimitsAllHandlersTogether) {
  Still still;
  int calls = 0;
  const Throttle throttle(3, 1s, Surplus::fail);
  auto one = still.bus.subscribe("a", with(throttle, [&](const Event&) { ++calls; }));
  auto two = still.bus.subscribe("a", with(throttle, [&](const Event&) { ++calls; }));
  for (int i = 0; i < 3; ++i) still.bus.publish("a");
  EXPECT_EQ(calls, 3);
}

TEST(Throttle, ForgetsThoseThatDoNotComeBackWhenItHasNoRoom) {
  Still still;
  int calls = 0;
  const Throttle throttle(1, 1ms);
  const auto ask = [&](std::string_view topic) { return still.bus.publish(topic).message(); };
  // Synchronous without a policy: nobody comes back for a slot.
  auto lost = still.bus.subscribe("lost", with(throttle, [&](const Event&) { ++calls; }));
  for (std::size_t i = 0; i <= limits::kThrottleWaitingMax; ++i) still.bus.publish("lost");
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(mentions(ask("lost"), "as many events wait for their turn as may"));
  // The first slot has come, and is given up for the newcomer.
  still.clock->advance(1ms);
  EXPECT_TRUE(mentions(ask("lost"), "the handler asked for another attempt"));
  EXPECT_TRUE(mentions(ask("lost"), "as many events wait for their turn as may"));
}

TEST(Throttle, IsSafeFromSeveralThreads) {
  Still still;
  std::atomic<int> calls{0};
  std::atomic<int> refused{0};
  auto listener = still.bus.subscribe(
      "a", with(Throttle(100, 1s, Surplus::fail), [&](const Event&) { ++calls; }));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) refused += still.bus.publish("a").ok() ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(calls, 100);
  EXPECT_EQ(refused, 3900);
}

TEST(Throttle, RefusesNumbersThatMeanNothing) {
  const auto message = [](std::size_t calls, std::chrono::nanoseconds per,
                          Surplus surplus = Surplus::retry) {
    return error_of(ErrorCode::invalid_option, [&] { (void)Throttle(calls, per, surplus); });
  };
  EXPECT_EQ(message(0, 1s), "Throttle: calls is 0; it is 1 to 65536");
  EXPECT_TRUE(mentions(message(limits::kThrottleCallsMax + 1, 1s), "calls is 65537"));
  EXPECT_TRUE(mentions(message(1, 0s), "per is 0ms"));
  EXPECT_TRUE(mentions(message(1, -1ns), "per is -1ns"));
  EXPECT_TRUE(mentions(message(1, limits::kRetryDelayMax + 1ns), "per is"));
  EXPECT_TRUE(mentions(message(1, 1s, static_cast<Surplus>(7)), "surplus is 7"));
}

}  // namespace
}  // namespace busway
