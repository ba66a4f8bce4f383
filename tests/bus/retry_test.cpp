// Attempts after the first, and what becomes of those that run out of them.
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bus_fixture.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ManualClock;

RetryPolicy retries(unsigned max, std::chrono::nanoseconds delay = seconds(1)) {
  RetryPolicy policy;
  policy.max_retries = max;
  policy.initial_delay = delay;
  return policy;
}

TEST(Retry, AFailedDeliveryIsTriedAgainAfterGrowingDelays) {
  Still still;
  const SteadyTime begin = still.clock->steady();
  std::vector<std::pair<unsigned, std::chrono::nanoseconds>> calls;
  const Subscription fails =
      still.bus.subscribe("job",
                          [&](const Event&, Context& context) {
                            calls.emplace_back(context.attempt(), still.clock->steady() - begin);
                            if (calls.size() < 4) throw std::runtime_error("not now");
                          },
                          {.mode = Mode::async, .retry = retries(3)});
  EXPECT_EQ(still.bus.publish("job").queued, 1U);
  (void)still.bus.poll();
  still.pass(seconds(10));
  ASSERT_EQ(calls.size(), 4U);
  EXPECT_EQ(calls[0], (std::pair<unsigned, std::chrono::nanoseconds>(1, seconds(0))));
  EXPECT_EQ(calls[1], (std::pair<unsigned, std::chrono::nanoseconds>(2, seconds(1))));
  EXPECT_EQ(calls[2], (std::pair<unsigned, std::chrono::nanoseconds>(3, seconds(3))));
  EXPECT_EQ(calls[3], (std::pair<unsigned, std::chrono::nanoseconds>(4, seconds(7))));
  const DeliveryCounters counters = still.bus.subscriptions().front().counters;
  EXPECT_EQ(counters.delivered, 1U);
  EXPECT_EQ(counters.retried, 3U);
  EXPECT_EQ(counters.dead_lettered, 0U);
  EXPECT_EQ(counters.in_flight, 0U);
  EXPECT_TRUE(still.bus.idle());
}

TEST(Retry, GivesUpAfterMaxRetriesAndDeadLettersTheEventWithItsReason) {
  Still still;
  int calls = 0;
  const Subscription fails = still.bus.subscribe(
      "job",
      [&](const Event&) {
        ++calls;
        throw std::runtime_error("disk full");
      },
      {.name = "writer", .mode = Mode::async, .retry = retries(2, milliseconds(100))});
  (void)still.bus.publish("job", Json{{"n", 1}});
  (void)still.bus.poll();
  still.pass(seconds(2));
  EXPECT_EQ(calls, 3);
  const std::vector<DeadLetter> letters = still.bus.dead_letters().list();
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].event.topic(), "job");
  EXPECT_EQ(letters[0].event.json(), (Json{{"n", 1}}));
  EXPECT_EQ(letters[0].name, "writer");
  EXPECT_EQ(letters[0].subscription, fails.id());
  EXPECT_EQ(letters[0].last().attempts, 3U);
  EXPECT_NE(letters[0].last().reason.find("disk full"), std::string::npos);
  const Stats stats = still.bus.stats();
  EXPECT_EQ(stats.matched, 1U);
  EXPECT_EQ(stats.dead_lettered, 1U);
  EXPECT_EQ(stats.retried, 2U);
  EXPECT_EQ(stats.failed, 0U);
  EXPECT_EQ(stats.in_flight, 0U);
}

TEST(Retry, AnAsynchronousSubscriptionRetriesThreeTimesUnlessToldOtherwise) {
  Still still;
  int calls = 0;
  const Subscription fails =
      still.bus.subscribe("job", [&](const Event&) { ++calls, throw 42; }, {.mode = Mode::async});
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  still.pass(seconds(60));
  EXPECT_EQ(calls, 4);
}

TEST(Retry, AWaitingRetryCountsAsInFlightAndTheBusIsNotIdle) {
  Still still;
  const Subscription fails = still.bus.subscribe("job", [](const Event&) { throw 42; },
                                                 {.mode = Mode::async, .retry = retries(1)});
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  const SubscriptionInfo info = still.bus.subscriptions().front();
  EXPECT_EQ(info.retries_waiting, 1U);
  EXPECT_EQ(info.counters.in_flight, 1U);
  EXPECT_FALSE(still.bus.idle());
}

TEST(Retry, LaterEventsPassAWaitingOneWhenRelaxedAndWaitForItWhenStrict) {
  for (const RetryOrder order : {RetryOrder::relaxed, RetryOrder::strict}) {
    Still still;
    std::string seen;
    bool failed = false;
    RetryPolicy policy = retries(3);
    policy.order = order;
    const Subscription one = still.bus.subscribe("letter",
                                                 [&](const Event& event) {
                                                   const auto text =
                                                       event.json().get<std::string>();
                                                   if (text == "a" && !std::exchange(failed, true))
                                                     throw 42;
                                                   seen += text;
                                                 },
                                                 {.mode = Mode::async, .retry = policy});
    for (const char* text : {"a", "b", "c"}) (void)still.bus.publish("letter", Json(text));
    (void)still.bus.poll();
    EXPECT_EQ(seen, order == RetryOrder::strict ? "" : "bc");
    (void)still.bus.publish("letter", Json("d"));
    still.pass(seconds(2));
    EXPECT_EQ(seen, order == RetryOrder::strict ? "abcd" : "bcda");
  }
}

TEST(Retry, StrictOrderHoldsBackItsKeyAloneWhenOrderedByKey) {
  Still still;
  std::string seen;
  bool failed = false;
  RetryPolicy policy = retries(1);
  policy.order = RetryOrder::strict;
  const Subscription one = still.bus.subscribe(
      "letter",
      [&](const Event& event) {
        if (event.key() == "k1" && !std::exchange(failed, true)) throw 42;
        seen += event.json().get<std::string>();
      },
      {.mode = Mode::async, .concurrency = 16, .order_by = OrderBy::key, .retry = policy});
  const auto send = [&](const char* text, const char* key) {
    (void)still.bus.publish("letter", Json(text), {.key = key});
  };
  send("a", "k1");
  for (int i = 0; i < 40; ++i) send(".", ("other" + std::to_string(i)).c_str());
  send("b", "k1");
  (void)still.bus.poll();
  EXPECT_EQ(seen.find('b'), std::string::npos);
  EXPECT_GT(std::count(seen.begin(), seen.end(), '.'), 0);
  still.pass(seconds(2));
  EXPECT_EQ(seen.size(), 42U);
  EXPECT_LT(seen.find('a'), seen.find('b'));
}

TEST(Retry, AHandlerSaysWhenItWantsTheEventAgainOrThatItNeverDoes) {
  Still still;
  std::vector<std::chrono::nanoseconds> at;
  const SteadyTime begin = still.clock->steady();
  const Subscription asks =
      still.bus.subscribe("later",
                          [&](const Event&) {
                            at.push_back(still.clock->steady() - begin);
                            return at.size() == 1 ? Outcome::retry(seconds(5)) : Outcome::done();
                          },
                          {.mode = Mode::async});
  const Subscription refuses = still.bus.subscribe(
      "never", [](const Event&) { return Outcome::dead_letter("no such customer"); },
      {.mode = Mode::async});
  (void)still.bus.publish("later");
  (void)still.bus.publish("never");
  (void)still.bus.poll();
  still.pass(seconds(20));
  EXPECT_EQ(at, (std::vector<std::chrono::nanoseconds>{seconds(0), seconds(5)}));
  const std::vector<DeadLetter> letters = still.bus.dead_letters().list();
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].last().reason, "no such customer");
  EXPECT_EQ(letters[0].last().attempts, 1U);
}

TEST(Retry, WhatIsNotWorthItIsNotTriedAgain) {
  Still still;
  int calls = 0;
  RetryPolicy policy = retries(5, milliseconds(10));
  policy.retry_if = [](ErrorCode code) { return code != ErrorCode::payload_type; };
  const Subscription typed = still.bus.subscribe("point.moved", [&](const Point&) { ++calls; },
                                                 {.mode = Mode::async, .retry = policy});
  (void)still.bus.publish("point.moved", Json("no point at all"));
  (void)still.bus.poll();
  still.pass(seconds(1));
  EXPECT_EQ(calls, 0);
  const std::vector<DeadLetter> letters = still.bus.dead_letters().list();
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].last().code, ErrorCode::payload_type);
  EXPECT_EQ(letters[0].last().attempts, 1U);
}

TEST(Retry, AnUnsubscribeDropsTheRetriesThatWait) {
  Still still;
  int calls = 0;
  Subscription fails = still.bus.subscribe("job", [&](const Event&) { ++calls, throw 42; },
                                           {.mode = Mode::async, .retry = retries(9)});
  for (int i = 0; i < 5; ++i) (void)still.bus.publish("job");
  (void)still.bus.poll();
  EXPECT_EQ(calls, 5);
  fails.reset();
  still.pass(seconds(10));
  EXPECT_EQ(calls, 5);
  const Stats stats = still.bus.stats();
  EXPECT_EQ(stats.dropped, 5U);
  EXPECT_EQ(stats.in_flight, 0U);
  EXPECT_TRUE(still.bus.idle());
}

TEST(Retry, AStopReportsTheRetriesThatWaitAndTheyAreDropped) {
  Still still;
  const Subscription fails =
      still.bus.subscribe("job", [&](const Event&) { throw 42; },
                          {.name = "worker", .mode = Mode::async, .retry = retries(9)});
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  const StopResult result = still.bus.stop(milliseconds(1));
  ASSERT_EQ(result.left.size(), 1U);
  EXPECT_EQ(result.left[0].name, "worker");
  EXPECT_EQ(result.left[0].queued, 1U);
  EXPECT_EQ(still.bus.stats().dropped, 1U);
}

TEST(Retry, ASynchronousHandlerIsTriedOnThePublishersThreadAsLongAsItsTotalSays) {
  Bus bus(quiet());
  int calls = 0;
  RetryPolicy policy = retries(5, milliseconds(1));
  policy.total = seconds(60);
  const Subscription fails =
      bus.subscribe("job",
                    [&](const Event&, Context& context) {
                      EXPECT_EQ(context.attempt(), static_cast<unsigned>(++calls));
                      if (calls < 3) throw 42;
                    },
                    {.retry = policy});
  const PublishResult result = bus.publish("job");
  EXPECT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result.delivered, 1U);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(bus.stats().retried, 2U);
}

TEST(Retry, ASynchronousHandlerThatKeepsFailingFailsOnceInTheResult) {
  Bus bus(quiet());
  int calls = 0;
  RetryPolicy policy = retries(2, milliseconds(1));
  policy.total = seconds(60);
  const Subscription fails = bus.subscribe(
      "job", [&](const Event&) { ++calls, throw std::runtime_error("down"); }, {.retry = policy});
  const PublishResult result = bus.publish("job");
  EXPECT_EQ(calls, 3);
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_NE(result.failures.front().reason.find("down"), std::string::npos);
  const DeliveryCounters counters = bus.subscriptions().front().counters;
  EXPECT_EQ(counters.failed, 1U);
  EXPECT_EQ(counters.delivered, 0U);
  EXPECT_EQ(counters.retried, 2U);
}

TEST(Retry, ASynchronousRetryWaitsOnTheBussClockAndAStopEndsTheWait) {
  auto clock = std::make_shared<ManualClock>();
  BusOptions options;
  options.clock = clock;
  Bus bus(quiet(std::move(options)));
  std::atomic<int> calls{0};
  RetryPolicy policy = retries(9);
  policy.total = std::chrono::hours(1);
  const Subscription fails =
      bus.subscribe("job", [&](const Event&) { calls.fetch_add(1), throw 42; }, {.retry = policy});
  PublishResult result;
  std::thread publisher([&] { result = bus.publish("job"); });
  while (calls.load() < 2) clock->advance(milliseconds(100)), std::this_thread::yield();
  (void)bus.stop(std::chrono::minutes(1));
  publisher.join();
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_NE(result.failures.front().reason.find("stops"), std::string::npos);
}

TEST(Retry, ReceiptsEndWhenTheLastAttemptHasEnded) {
  Still still;
  const Subscription fails =
      still.bus.subscribe("job", [&](const Event&) { throw 42; },
                          {.mode = Mode::async, .retry = retries(1, milliseconds(50))});
  const Receipt receipt = still.bus.publish_async("job");
  (void)still.bus.poll();
  EXPECT_EQ(receipt.outcomes().size(), 0U);
  still.pass(seconds(1));
  ASSERT_EQ(receipt.outcomes().size(), 1U);
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::dead_lettered);
  EXPECT_EQ(receipt.status(), EventStatus::failed);
}

TEST(Retry, OnceMeansOneEventWithAllItsAttempts) {
  Still still;
  int calls = 0;
  const Subscription once =
      still.bus.subscribe("job",
                          [&](const Event&) {
                            if (++calls == 1) throw 42;
                          },
                          {.mode = Mode::async, .retry = retries(3), .once = true});
  (void)still.bus.publish("job");
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  still.pass(seconds(5));
  EXPECT_EQ(calls, 2);
  EXPECT_FALSE(once.active());
}

TEST(Retry, ManyRetriesOnThePoolLoseNothing) {
  Bus bus(quiet({.queue_capacity = 100'000}));
  std::atomic<int> done{0};
  const Subscription flaky = bus.subscribe(
      "job",
      [&](const Event&, Context& context) {
        if (context.attempt() < 3) throw 42;
        done.fetch_add(1);
      },
      {.mode = Mode::async, .concurrency = 2, .retry = retries(5, std::chrono::microseconds(100))});
  constexpr int kEvents = 2000;
  std::vector<std::thread> publishers;
  for (int t = 0; t < 2; ++t) {
    publishers.emplace_back([&] {
      for (int i = 0; i < kEvents / 2; ++i) (void)bus.publish("job");
    });
  }
  for (std::thread& one : publishers) one.join();
  EXPECT_TRUE(bus.wait_idle(kLong));
  EXPECT_EQ(done.load(), kEvents);
  const Stats stats = bus.stats();
  EXPECT_EQ(stats.delivered, static_cast<std::uint64_t>(kEvents));
  EXPECT_EQ(stats.retried, 2U * kEvents);
}

TEST(Retry, BadPoliciesAreRefusedByName) {
  Bus bus(quiet());
  const auto refused = [&](RetryPolicy policy, SubscriptionOptions options) {
    options.retry = std::move(policy);
    try {
      (void)bus.subscribe(
          "job", [](const Event&) {}, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_option);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(refused(retries(3), {}).find("retry.total"), std::string::npos);
  EXPECT_NE(refused(retries(3, -seconds(1)), {.mode = Mode::async}).find("retry.initial_delay"),
            std::string::npos);
  RetryPolicy strict = retries(3);
  strict.order = RetryOrder::strict;
  EXPECT_NE(refused(strict, {.mode = Mode::async, .concurrency = 2}).find("retry.order"),
            std::string::npos);
}

/// Runs as the machine's clock does, from an epoch of its own.
class LateClock final : public Clock {
 public:
  explicit LateClock(std::chrono::nanoseconds ahead) : ahead_(ahead) {}
  [[nodiscard]] WallTime wall() const noexcept override { return system()->wall(); }
  [[nodiscard]] SteadyTime steady() const noexcept override { return system()->steady() + ahead_; }

 private:
  const std::chrono::nanoseconds ahead_;
};

TEST(SyncRetry, WaitsByTheClockOfItsBusWhateverItsEpoch) {
  constexpr std::chrono::milliseconds kDelay(20);
  for (const std::chrono::nanoseconds ahead : {std::chrono::nanoseconds(std::chrono::hours(1000)),
                                               -Clock::system()->steady().time_since_epoch()}) {
    Bus bus(quiet({.clock = std::make_shared<LateClock>(ahead)}));
    std::vector<SteadyTime> calls;
    const Subscription one = bus.subscribe(
        "a",
        [&](const Event&) {
          calls.push_back(Clock::system()->steady());
          if (calls.size() == 1) throw std::runtime_error("not yet");
        },
        {.mode = Mode::sync,
         .retry = RetryPolicy{.initial_delay = kDelay, .total = std::chrono::minutes(1)}});
    EXPECT_TRUE(bus.publish("a").ok());
    ASSERT_EQ(calls.size(), 2U);
    EXPECT_GE(calls[1] - calls[0], kDelay);
  }
}

}  // namespace
}  // namespace busway
