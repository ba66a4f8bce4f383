// What a subscription is when it is told little, and what subscribing promises beside its handler.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "../bus_fixture.hpp"
#include "../still_bus.hpp"

namespace busway {
namespace {

using std::chrono::seconds;

void nothing(const Event&) {}

// -- Defaults -------------------------------------------------------------------------------------

TEST(Defaults, OfABusAreThose) {
  const Bus bus;
  const BusOptions& options = bus.options();
  EXPECT_TRUE(options.enabled);
  EXPECT_EQ(options.store, "memory");
  EXPECT_EQ(options.mode, Mode::sync);
  EXPECT_EQ(options.worker_count, std::max(2U, std::thread::hardware_concurrency()));
  EXPECT_EQ(options.queue_capacity, 1024U);
  EXPECT_EQ(options.overflow, Overflow::reject);
  EXPECT_EQ(options.history, 100U);
  EXPECT_EQ(options.retry.max_retries, 3U);
  EXPECT_EQ(options.max_hops, 32U);
  EXPECT_EQ(options.max_payload, 1'048'576U);
  EXPECT_EQ(options.max_abandoned, 16U);
  EXPECT_EQ(options.stuck_after, seconds(30));
  EXPECT_EQ(options.wildcards, Wildcards::glob);
  std::array<char, 256> host{};
  ASSERT_EQ(::gethostname(host.data(), host.size() - 1), 0);
  EXPECT_EQ(bus.instance_id(), host.data());
}

TEST(Defaults, OfAnEventAreANormalPriorityAndNoKey) {
  Bus bus;
  bus.publish("a");
  const Event event = bus.history().front();
  EXPECT_EQ(event.priority(), Priority::normal);
  EXPECT_EQ(event.key(), "");
  EXPECT_EQ(event.hops(), 0);
}

TEST(Defaults, OfTheQueueAndTheHistoryCountWhatTheyHold) {
  Pumped pumped;
  const Subscription async = pumped.bus.subscribe("a", nothing, {.mode = Mode::async});
  for (int i = 0; i < 1024; ++i) ASSERT_TRUE(pumped.bus.publish("a").ok());
  EXPECT_EQ(pumped.bus.publish("a").failures.at(0).code, ErrorCode::queue_full);
  EXPECT_EQ(pumped.bus.history().size(), 100U);
}

TEST(Defaults, OfASubscriptionAreThose) {
  Bus bus;
  const Subscription one = bus.subscribe("a", nothing);
  const SubscriptionInfo info = info_of(bus, one.id());
  EXPECT_EQ(info.mode, Mode::sync);
  EXPECT_EQ(info.priority, 0);
  EXPECT_EQ(info.owner, "");
  EXPECT_EQ(info.breaker, BreakerState::none);
  const SubscriptionOptions options;
  EXPECT_EQ(options.block_timeout, seconds(1));
  EXPECT_EQ(options.concurrency, 1U);
  EXPECT_EQ(options.order_by, OrderBy::none);
  EXPECT_EQ(options.replay.from, Replay::From::none);
  EXPECT_FALSE(options.timeout || options.retry || options.breaker || options.dedupe);
  EXPECT_FALSE(options.once);
}

TEST(Defaults, OfARetryPolicyAreThose) {
  const RetryPolicy policy;
  EXPECT_EQ(policy.max_retries, 3U);
  EXPECT_EQ(policy.initial_delay, seconds(1));
  EXPECT_EQ(policy.max_delay, seconds(30));
  EXPECT_EQ(policy.backoff_factor, 2.0);
  EXPECT_EQ(policy.jitter, 0.0);
  EXPECT_EQ(policy.order, RetryOrder::relaxed);
  EXPECT_FALSE(policy.total);
}

TEST(Defaults, ASynchronousHandlerThatFailsIsNotTriedAgain) {
  Still still;
  int calls = 0;
  const Subscription fails = still.bus.subscribe("a", [&](const Event&) { ++calls, throw 42; });
  EXPECT_EQ(still.bus.publish("a").failures.size(), 1U);
  still.pass(seconds(60));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(still.bus.stats().retried, 0U);
}

// -- Patterns and payloads ------------------------------------------------------------------------

TEST(Subscribing, OnePayloadTypeOverManyTopicsReadsEachOfThem) {
  Bus bus;
  std::vector<int> seen;
  const Subscription all =
      bus.subscribe<Point>("phase.*", [&](const Point& point) { seen.push_back(point.x); });
  EXPECT_TRUE(bus.publish("phase.started", Point{1, 0}).ok());
  EXPECT_TRUE(bus.publish("phase.completed", Json{{"x", 2}, {"y", 0}}).ok());
  EXPECT_EQ(bus.publish(Point{3, 0}).matched, 0U) << "the type's own topic is not among them";
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
}

TEST(Subscribing, AListOfPatternsHasOneMailbox) {
  Pumped pumped;
  Names seen;
  const Subscription list = note_topics(pumped.bus, {"a.*", "b", "a.x"}, seen,
                                        {.mode = Mode::async, .queue_capacity = 3});
  EXPECT_EQ(pumped.bus.publish("a.x").queued, 1U) << "however many match";
  EXPECT_EQ(pumped.bus.publish("b").queued, 1U);
  EXPECT_EQ(pumped.bus.publish("a.y").queued, 1U);
  EXPECT_EQ(pumped.bus.publish("b").dropped, 1U) << "they share its room";
  EXPECT_EQ(info_of(pumped.bus, list.id()).queued, 3U);
  pumped.bus.poll();
  EXPECT_EQ(seen, (Names{"a.x", "b", "a.y"})) << "and its order";
}

// -- Ends -----------------------------------------------------------------------------------------

TEST(Subscribing, AWaitInsideAHandlerForAnotherSubscriptionWaitsAndGivesUpAtItsDeadline) {
  Bus bus(quiet());
  Gate entered;
  Gate may_end;
  std::atomic<bool> left{false};
  Subscription slow = bus.subscribe("slow", [&](const Event&) {
    entered.open();
    may_end.wait();
    left = true;
  });
  bool at_once = true;
  bool in_time = false;
  bool was_over = false;
  const Subscription ends = bus.subscribe("end", [&](const Event&) {
    const auto now = std::chrono::steady_clock::now();
    bus.unsubscribe(slow.id());  // does not wait
    at_once = slow.wait_idle(now);
    std::thread opener([&] { may_end.open(); });
    in_time = slow.wait_idle(now + kLong);
    was_over = left;
    opener.join();
  });
  std::thread publisher([&] { bus.publish("slow"); });
  ASSERT_TRUE(entered.wait());
  bus.publish("end");
  publisher.join();
  EXPECT_FALSE(at_once);
  EXPECT_TRUE(in_time);
  EXPECT_TRUE(was_over);
}

// -- Replay ---------------------------------------------------------------------------------------

TEST(Subscribing, AReplayInsideAHandlerIsHandledOnTheExecutor) {
  Bus bus(quiet());
  for (int n = 1; n <= 3; ++n) bus.publish("past", Json(n));
  std::atomic<bool> subscribed{false};
  std::vector<int> seen;
  std::vector<std::thread::id> ran_on;
  Subscription late;
  const Subscription starter = bus.subscribe("start", [&](const Event&) {
    late = bus.subscribe("past",
                         [&](const Json& n) {
                           if (!eventually([&] { return subscribed.load(); })) return;
                           seen.push_back(n.get<int>());
                           ran_on.push_back(std::this_thread::get_id());
                         },
                         {.mode = Mode::async, .replay = Replay::beginning()});
    subscribed = true;  // a handler that ran within subscribe() would not get further
  });
  bus.publish("start");
  bus.publish("past", Json(4));
  ASSERT_TRUE(bus.wait_idle(kLong));
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(std::count(ran_on.begin(), ran_on.end(), std::this_thread::get_id()), 0);
}

}  // namespace
}  // namespace busway
