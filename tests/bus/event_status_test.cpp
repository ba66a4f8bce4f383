// How far an event has come, as the bus remembers it.
#include "busway/event_status.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "bus_fixture.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::seconds;
using testing::ManualClock;

struct Watched : Still {
  explicit Watched(std::size_t events = 100) : Still(BusOptions{.status_events = events}) {}
  EventStatusInfo of(const EventId& id) const {
    const std::optional<EventStatusInfo> info = bus.event_status(id);
    EXPECT_TRUE(info) << to_string(id);
    return info.value_or(EventStatusInfo{});
  }
};

TEST(EventStatusOf, AnEventIsNotKeptUnlessAskedFor) {
  Pumped pumped;
  const EventId id = pumped.bus.publish("a").id;
  EXPECT_FALSE(pumped.bus.event_status(id));
  error_of(ErrorCode::invalid_option,
           [] { const Bus bus(quiet({.status_events = limits::kStatusEventsMax + 1})); });
}

TEST(EventStatusOf, AnEventThatNobodyHearsIsCompleted) {
  Watched watched;
  const EventStatusInfo info = watched.of(watched.bus.publish("nobody").id);
  EXPECT_EQ(info.status, EventStatus::completed);
  EXPECT_EQ(info.topic, "nobody");
  EXPECT_EQ(info.published, ManualClock::kStart);
  EXPECT_EQ(info.finished, ManualClock::kStart);
  EXPECT_FALSE(info.started);
  EXPECT_EQ(info.attempts, 0U);
  EXPECT_EQ(info.error, "");
}

TEST(EventStatusOf, ASynchronousPublishIsProcessingInsideAndSettledWhenItReturns) {
  Watched watched;
  std::vector<EventStatus> inside;
  const Subscription one = watched.bus.subscribe("a", [&](const Event& event) {
    watched.clock->advance(seconds(2));
    inside.push_back(watched.of(event.id()).status);
  });
  const EventStatusInfo info = watched.of(watched.bus.publish("a", Json{{"n", 1}}).id);
  EXPECT_EQ(inside, std::vector{EventStatus::processing});
  EXPECT_EQ(info.status, EventStatus::completed);
  EXPECT_EQ(info.attempts, 1U);
  EXPECT_EQ(info.started, ManualClock::kStart);
  EXPECT_EQ(info.finished, ManualClock::kStart + seconds(2));
}

TEST(EventStatusOf, EveryWayToPublishIsKept) {
  Watched watched;
  Bus& bus = watched.bus;
  const Subscription one = bus.subscribe("*", [](const Event&) {});
  std::vector<EventId> ids;
  ids.push_back(bus.publish("a").id);
  ids.push_back(bus.publish("a", Point{1, 2}).id);
  ids.push_back(bus.publish(Note{"x", {}}).id);
  ids.push_back(bus.publish("a", Json{}, {.source = "s"}).id);
  ids.push_back(bus.publish(Event("a")).id);
  ids.push_back(bus.topic("a").publish().id);
  ids.push_back(bus.publisher("p").publish("a").id);
  const std::vector<Event> batch(2, Event("a"));
  for (const PublishResult& result : bus.publish_batch(batch)) ids.push_back(result.id);
  ids.push_back(bus.publish_async("a").id());
  (void)bus.poll();
  for (const EventId& id : ids) EXPECT_EQ(watched.of(id).status, EventStatus::completed);
}

TEST(EventStatusOf, AFailedSynchronousDeliveryTellsItsError) {
  Watched watched;
  const Subscription well = watched.bus.subscribe("a", [](const Event&) {});
  const Subscription fails = watched.bus.subscribe(
      "a", [](const Event&) { return Outcome::fail("no disk"); }, {.name = "disk"});
  const EventStatusInfo info = watched.of(watched.bus.publish("a").id);
  EXPECT_EQ(info.status, EventStatus::failed);
  EXPECT_EQ(info.error, "\"disk\": no disk");
  EXPECT_TRUE(info.finished);
}

TEST(EventStatusOf, AQueuedEventIsPendingThenCompleted) {
  Watched watched;
  std::vector<EventStatus> inside;
  const Subscription one = watched.bus.subscribe(
      "a", [&](const Event& event) { inside.push_back(watched.of(event.id()).status); },
      {.mode = Mode::async});
  const EventId id = watched.bus.publish("a").id;
  EXPECT_EQ(watched.of(id).status, EventStatus::pending);
  EXPECT_FALSE(watched.of(id).finished);
  watched.clock->advance(seconds(3));
  (void)watched.bus.poll();
  EXPECT_EQ(inside, std::vector{EventStatus::processing});
  const EventStatusInfo info = watched.of(id);
  EXPECT_EQ(info.status, EventStatus::completed);
  EXPECT_EQ(info.published, ManualClock::kStart);
  EXPECT_EQ(info.started, ManualClock::kStart + seconds(3));
  EXPECT_EQ(info.attempts, 1U);
}

TEST(EventStatusOf, ARetriedEventIsProcessingWhileItWaitsAndCountsItsAttempts) {
  Watched watched;
  int calls = 0;
  const Subscription one = watched.bus.subscribe("a",
                                                 [&](const Event&) {
                                                   if (++calls < 3) throw 42;
                                                 },
                                                 {.mode = Mode::async});
  const EventId id = watched.bus.publish("a").id;
  (void)watched.bus.poll();
  EXPECT_EQ(watched.of(id).status, EventStatus::processing);
  watched.pass(seconds(10));
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(watched.of(id).status, EventStatus::completed);
  EXPECT_EQ(watched.of(id).attempts, 3U);
}

TEST(EventStatusOf, ADeadLetterFailsItsEventUntilItIsDeliveredAfterAll) {
  Watched watched;
  bool broken = true;
  const Subscription one = watched.bus.subscribe(
      "a",
      [&](const Event&) {
        if (broken) throw 42;
      },
      {.name = "fragile", .mode = Mode::async, .retry = RetryPolicy{.max_retries = 1}});
  const EventId id = watched.bus.publish("a").id;
  watched.pass(seconds(5));
  EXPECT_EQ(watched.of(id).status, EventStatus::failed);
  EXPECT_EQ(watched.of(id).attempts, 2U);
  EXPECT_TRUE(mentions(watched.of(id).error, "fragile"));
  EXPECT_TRUE(watched.of(id).finished);
  broken = false;
  (void)watched.bus.dead_letters().redrive_all();
  (void)watched.bus.poll();
  EXPECT_EQ(watched.of(id).status, EventStatus::completed);
  EXPECT_EQ(watched.of(id).error, "");
}

TEST(EventStatusOf, ADroppedDeliveryFailsItsEvent) {
  Watched watched;
  Subscription one =
      watched.bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async, .queue_capacity = 1});
  const EventId queued = watched.bus.publish("a").id;
  const EventId refused = watched.bus.publish("a").id;
  EXPECT_EQ(watched.of(refused).status, EventStatus::failed);
  EXPECT_TRUE(mentions(watched.of(refused).error, "full"));
  EXPECT_EQ(watched.of(refused).attempts, 0U);
  EXPECT_EQ(watched.of(queued).status, EventStatus::pending);
  one.reset();
  EXPECT_EQ(watched.of(queued).status, EventStatus::failed);
}

TEST(EventStatusOf, ASynchronousRetryCountsItsAttempts) {
  Bus bus(quiet({.status_events = 10}));
  int calls = 0;
  SubscriptionOptions options;
  options.retry = RetryPolicy{.max_retries = 3,
                              .initial_delay = std::chrono::nanoseconds(1),
                              .max_delay = std::chrono::nanoseconds(1),
                              .total = std::chrono::minutes(1)};
  const Subscription one = bus.subscribe(
      "a",
      [&](const Event&) {
        if (++calls < 3) throw 42;
      },
      options);
  const std::optional<EventStatusInfo> info = bus.event_status(bus.publish("a").id);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->attempts, 3U);
  EXPECT_EQ(info->status, EventStatus::completed);
}

TEST(EventStatusOf, AnEventThatAllPassOverHasNotStarted) {
  Watched watched;
  const Subscription one = watched.bus.subscribe("a", [](const Event&) {},
                                                 {.filter = [](const Event&) { return false; }});
  const EventStatusInfo info = watched.of(watched.bus.publish("a").id);
  EXPECT_EQ(info.status, EventStatus::completed);
  EXPECT_FALSE(info.started);
  EXPECT_EQ(info.attempts, 0U);
}

TEST(EventStatusOf, ARefusedEventIsNotKept) {
  Watched watched;
  watched.bus.add_filter("none", [](const Event&) { return false; });
  Event event("a");
  const PublishResult result = watched.bus.publish(event);
  EXPECT_EQ(result.code, ErrorCode::filtered);
  EXPECT_FALSE(watched.bus.event_status(result.id));
  EXPECT_TRUE(watched.bus.remove_filter("none"));
  EXPECT_TRUE(watched.bus.event_status(watched.bus.publish("a").id));
}

TEST(EventStatusOf, OnlyTheLastOnesAreKept) {
  Watched watched(2);
  std::vector<EventId> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(watched.bus.publish("a").id);
  EXPECT_FALSE(watched.bus.event_status(ids[0]));
  EXPECT_TRUE(watched.bus.event_status(ids[1]));
  EXPECT_TRUE(watched.bus.event_status(ids[2]));
  EXPECT_FALSE(watched.bus.event_status(EventId{}));
}

TEST(EventStatusOf, AReceiptAndTheBusSayTheSame) {
  Watched watched;
  const Subscription sync = watched.bus.subscribe("a", [](const Event&) {});
  const Subscription async =
      watched.bus.subscribe("a", [](const Event&) { throw 42; },
                            {.mode = Mode::async, .retry = RetryPolicy{.max_retries = 0}});
  const Receipt receipt = watched.bus.publish_async("a");
  do {
    EXPECT_EQ(watched.of(receipt.id()).status, receipt.status());
  } while (watched.bus.poll(1) != 0);
  EXPECT_EQ(receipt.status(), EventStatus::failed);
  EXPECT_TRUE(watched.of(receipt.id()).finished);
}

TEST(EventStatusOf, WhatAPublishAsyncCouldNotQueueIsToldToo) {
  Pumped pumped(BusOptions{.queue_capacity = 1, .status_events = 10});
  const Subscription sync = pumped.bus.subscribe("a", [](const Event&) {});
  (void)pumped.bus.publish_async("a");
  const Receipt second = pumped.bus.publish_async("a");
  const std::optional<EventStatusInfo> info = pumped.bus.event_status(second.id());
  ASSERT_TRUE(info);
  EXPECT_EQ(info->status, EventStatus::failed);
  EXPECT_TRUE(mentions(info->error, "full"));
}

TEST(EventStatusOf, EventsOfManyThreadsAreAllCompleted) {
  Bus bus(quiet({.queue_capacity = 10'000, .status_events = 10'000}));
  const Subscription sync = bus.subscribe("a", [](const Event&) {});
  const Subscription async = bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  constexpr int kThreads = 4;
  constexpr int kEach = 300;
  std::vector<std::vector<EventId>> ids(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        ids[static_cast<std::size_t>(t)].push_back(i % 2 == 0 ? bus.publish("a").id
                                                              : bus.publish_async("a").id());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(bus.wait_idle(kLong));
  for (const std::vector<EventId>& list : ids) {
    for (const EventId& id : list) {
      const std::optional<EventStatusInfo> info = bus.event_status(id);
      ASSERT_TRUE(info);
      EXPECT_EQ(info->status, EventStatus::completed);
      EXPECT_EQ(info->attempts, 1U);
    }
  }
}

TEST(EventStatusOf, AReceiptIsProcessingWhileItsQueuedHandlerRuns) {
  Pumped pumped;
  std::optional<Receipt> receipt;
  std::vector<EventStatus> inside;
  const Subscription one = pumped.bus.subscribe(
      "a", [&](const Event&) { inside.push_back(receipt->status()); }, {.mode = Mode::async});
  receipt = pumped.bus.publish_async("a");
  EXPECT_EQ(receipt->status(), EventStatus::pending);
  (void)pumped.bus.poll();
  EXPECT_EQ(inside, std::vector{EventStatus::processing});
}

}  // namespace
}  // namespace busway
