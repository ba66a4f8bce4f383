// A subscription whose handler may never return is buried: all that it had becomes dead letters.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "bus_fixture.hpp"
#include "busway/testing/manual_clock.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::seconds;

const char* const kWhy = "its plugin was quarantined";

void bury(Bus& bus, SubscriptionId id) { detail::Dispatch::core_of(bus).bury(id, kWhy); }

/// The dead letters' topics in the order of their death; each says why and how often it was tried.
Names buried(const Bus& bus, unsigned attempts) {
  Names topics;
  for (const DeadLetter& letter : bus.dead_letters().list()) {
    topics.emplace_back(letter.event.topic());
    EXPECT_EQ(letter.last().code, ErrorCode::plugin_failed);
    EXPECT_TRUE(mentions(letter.last().reason, kWhy));
    EXPECT_EQ(letter.last().attempts, attempts) << letter.event.topic();
    EXPECT_EQ(letter.name, "slow");
  }
  std::sort(topics.begin(), topics.end());
  return topics;
}

void expect_counters(const Bus& bus, std::uint64_t delivered, std::uint64_t dead_lettered) {
  // A call counts as delivered a little after its handler has returned.
  EXPECT_TRUE(eventually([&] { return bus.stats().in_flight == 0; }));
  const Stats stats = bus.stats();
  EXPECT_TRUE(adds_up(stats));
  EXPECT_EQ(stats.delivered, delivered);
  EXPECT_EQ(stats.dead_lettered, dead_lettered);
  EXPECT_EQ(stats.dropped, 0U);
}

SubscriptionOptions slow() {
  return {.name = "slow", .mode = Mode::async, .retry = RetryPolicy{.max_retries = 0}};
}

TEST(Bury, MakesDeadLettersOfWhatWaits) {
  Pumped pumped;
  int calls = 0;
  const Subscription listener = pumped.bus.subscribe(
      "job.*", [&](const Event&) { ++calls; }, slow());
  const Receipt first = pumped.bus.publish_async(Event("job.a"));
  const Receipt second = pumped.bus.publish_async(Event("job.b"));
  bury(pumped.bus, listener.id());
  pumped.executor->run();
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(buried(pumped.bus, 0), (Names{"job.a", "job.b"}));
  for (const Receipt& receipt : {first, second}) {
    ASSERT_EQ(receipt.outcomes().size(), 1U);
    EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::dead_lettered);
    EXPECT_TRUE(mentions(receipt.outcomes().front().reason, kWhy));
  }
  expect_counters(pumped.bus, 0, 2);
}

TEST(Bury, KeepsWhatWasDeliveredAndTakesNothingMore) {
  Pumped pumped;
  int calls = 0;
  const Subscription listener = pumped.bus.subscribe(
      "job.*", [&](const Event&) { ++calls; }, slow());
  (void)pumped.bus.publish("job.a");
  pumped.executor->run();
  (void)pumped.bus.publish("job.b");
  bury(pumped.bus, listener.id());
  EXPECT_EQ(pumped.bus.publish("job.c").matched, 0U);
  pumped.executor->run();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(buried(pumped.bus, 0), Names{"job.b"});
  expect_counters(pumped.bus, 1, 1);
  EXPECT_TRUE(pumped.bus.subscriptions().empty());
}

TEST(Bury, MakesDeadLettersOfRetriesThatWait) {
  Still still;
  SubscriptionOptions options = slow();
  options.retry = RetryPolicy{.max_retries = 5, .initial_delay = seconds(10)};
  int calls = 0;
  const Subscription listener = still.bus.subscribe(
      "job.*",
      [&](const Event&) {
        ++calls;
        throw std::runtime_error("not now");
      },
      options);
  const Receipt receipt = still.bus.publish_async(Event("job.a"));
  (void)still.bus.publish("job.b");
  still.executor->run();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(info_of(still.bus, listener.id()).counters.in_flight, 2U);
  bury(still.bus, listener.id());
  EXPECT_EQ(buried(still.bus, 1), (Names{"job.a", "job.b"})) << "each was tried once";
  ASSERT_EQ(receipt.outcomes().size(), 1U);
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::dead_lettered);
  still.pass(seconds(60));
  still.executor->run();
  EXPECT_EQ(calls, 2);
  expect_counters(still.bus, 0, 2);
  EXPECT_TRUE(still.bus.idle());
}

/// Handlers hang here until the test lets them go.
struct Hanging : OwnClock {
  Hanging() : bus(with_clock()) {}
  BusOptions with_clock() {
    BusOptions options = quiet();
    options.clock = clock;
    options.worker_count = 2;
    return options;
  }
  ~Hanging() {
    open = true;
    EXPECT_TRUE(eventually([&] { return bus.stats().abandoned == 0; }));
  }
  Subscription listen(SubscriptionOptions options) {
    return bus.subscribe(
        "job.*",
        [this, kept = std::make_shared<std::string>("kept")](const Event& event) {
          const std::string before(event.topic());
          ++inside;
          while (!open) std::this_thread::yield();
          // What it stands on is there still.
          if (event.topic() == before && *kept == "kept") ++whole;
          --inside;
        },
        options);
  }
  [[nodiscard]] bool holds(int count) const {
    return eventually([&] { return inside == count; });
  }
  std::atomic<int> inside{0};
  std::atomic<int> whole{0};
  std::atomic<bool> open{false};
  Bus bus;
};

class BuryHanging : public ::testing::TestWithParam<bool> {
 protected:
  /// With a deadline of its calls, and with none.
  static SubscriptionOptions options() {
    SubscriptionOptions out = slow();
    out.timeout =
        GetParam() ? std::chrono::nanoseconds(seconds(30)) : std::chrono::nanoseconds::max();
    return out;
  }
};

TEST_P(BuryHanging, ACallThatHangsIsADeadLetterAndNobodyWaitsForIt) {
  Hanging hanging;
  Subscription listener = hanging.listen(options());
  const Receipt running = hanging.bus.publish_async(Event("job.a"));
  ASSERT_TRUE(hanging.holds(1));
  bury(hanging.bus, listener.id());
  EXPECT_EQ(buried(hanging.bus, 1), Names{"job.a"}) << "it was tried once";
  ASSERT_TRUE(running.wait_for(std::chrono::minutes(1)));
  EXPECT_EQ(running.outcomes().front().kind, DeliveryOutcome::Kind::dead_lettered);
  EXPECT_EQ(hanging.bus.stats().abandoned, 1U);
  expect_counters(hanging.bus, 0, 1);
  listener.reset();  // waits for nothing either

  hanging.open = true;
  ASSERT_TRUE(eventually([&] { return hanging.bus.stats().abandoned == 0; }));
  EXPECT_EQ(hanging.whole, 1);
  expect_counters(hanging.bus, 0, 1);
  EXPECT_EQ(hanging.bus.dead_letters().size(), 1U);
}

TEST_P(BuryHanging, WhatWaitsBehindItGoesTheSameWay) {
  Hanging hanging;
  const Subscription listener = hanging.listen(options());
  (void)hanging.bus.publish("job.a");
  ASSERT_TRUE(hanging.holds(1));
  for (const char* topic : {"job.b", "job.c", "job.d"}) (void)hanging.bus.publish(topic);
  bury(hanging.bus, listener.id());
  ASSERT_TRUE(eventually([&] { return hanging.bus.dead_letters().size() == 4; }));
  Names tried;
  Names waited;
  for (const DeadLetter& letter : hanging.bus.dead_letters().list()) {
    EXPECT_TRUE(mentions(letter.last().reason, kWhy));
    (letter.last().attempts == 0 ? waited : tried).emplace_back(letter.event.topic());
  }
  std::sort(waited.begin(), waited.end());
  EXPECT_EQ(tried, Names{"job.a"});
  EXPECT_EQ(waited, (Names{"job.b", "job.c", "job.d"}));
  hanging.open = true;
  ASSERT_TRUE(eventually([&] { return hanging.bus.stats().abandoned == 0; }));
  EXPECT_EQ(hanging.whole, 1) << "no other was called";
  expect_counters(hanging.bus, 0, 4);
}

TEST_P(BuryHanging, AllCallsThatHangAtOnceAreGivenUp) {
  Hanging hanging;
  SubscriptionOptions two = options();
  two.concurrency = 2;
  const Subscription listener = hanging.listen(two);
  (void)hanging.bus.publish("job.a");
  (void)hanging.bus.publish("job.b");
  ASSERT_TRUE(hanging.holds(2));
  bury(hanging.bus, listener.id());
  EXPECT_EQ(buried(hanging.bus, 1), (Names{"job.a", "job.b"}));
  bury(hanging.bus, listener.id());  // it is no more
  EXPECT_EQ(hanging.bus.stats().abandoned, 2U);
  std::atomic<int> others{0};
  const Subscription other =
      hanging.bus.subscribe("other", [&](const Event&) { ++others; }, {.mode = Mode::async});
  (void)hanging.bus.publish("other");
  EXPECT_TRUE(eventually([&] { return others == 1; })) << "the pool has other threads now";
  expect_counters(hanging.bus, 1, 2);
}

INSTANTIATE_TEST_SUITE_P(OfCalls, BuryHanging, ::testing::Bool(), [](const auto& each) {
  return each.param ? "WithADeadline" : "WithoutADeadline";
});

TEST(Bury, LeavesOtherSubscriptionsOfTheSameTopicAlone) {
  Pumped pumped;
  Names heard;
  const Subscription mine = pumped.bus.subscribe(
      "job.*", [](const Event&) {}, slow());
  const Subscription other = note_topics(pumped.bus, "job.*", heard, {.mode = Mode::async});
  (void)pumped.bus.publish("job.a");
  bury(pumped.bus, mine.id());
  (void)pumped.bus.publish("job.b");
  pumped.executor->run();
  EXPECT_EQ(heard, (Names{"job.a", "job.b"}));
  expect_counters(pumped.bus, 2, 1);
}

TEST(Bury, OfOneThatIsNotThereOrHasNoMailboxDoesNothing) {
  Pumped pumped;
  Names heard;
  const Subscription sync = note_topics(pumped.bus, "job.a", heard);
  bury(pumped.bus, sync.id());
  bury(pumped.bus, 0);
  bury(pumped.bus, sync.id() + 1000);
  (void)pumped.bus.publish("job.a");
  EXPECT_EQ(heard, Names{"job.a"});
}

TEST(Bury, MeetsPublishersAndCallsThatReturnAtThatVeryTime) {
  for (int round = 0; round < 60; ++round) {
    Bus bus(quiet({.worker_count = 2}));
    std::atomic<std::uint64_t> calls{0};
    SubscriptionOptions options = slow();
    options.concurrency = 2;
    options.queue_capacity = 10'000;
    const Subscription listener = bus.subscribe(
        "job", [&](const Event&) { ++calls; }, options);
    std::atomic<std::uint64_t> queued{0};
    std::atomic<bool> begun{false};
    std::thread publisher([&] {
      for (int i = 0; i < 300; ++i) {
        queued += bus.publish("job").queued;
        begun = true;
      }
    });
    EXPECT_TRUE(eventually([&] { return begun.load(); }));
    bury(bus, listener.id());
    publisher.join();
    EXPECT_TRUE(
        eventually([&] { return bus.stats().in_flight == 0 && bus.stats().abandoned == 0; }));
    const Stats stats = bus.stats();
    EXPECT_TRUE(adds_up(stats));
    EXPECT_EQ(stats.delivered + stats.dead_lettered, queued) << round;
    EXPECT_GE(calls, stats.delivered);
    EXPECT_EQ(stats.dropped, 0U);
  }
}

}  // namespace
}  // namespace busway
