#include "busway/subscription.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "bus_fixture.hpp"

namespace busway {
namespace {

constexpr auto kNever = std::chrono::steady_clock::time_point::max();
constexpr auto kNow = std::chrono::steady_clock::time_point{};

TEST(Subscription, UnsubscribesWhenItGoes) {
  Bus bus;
  int calls = 0;
  {
    const Subscription one = bus.subscribe("a", [&](const Event&) { ++calls; });
    EXPECT_TRUE(one);
    EXPECT_TRUE(one.active());
    EXPECT_NE(one.id(), 0U);
    bus.publish("a");
  }
  EXPECT_EQ(bus.publish("a").matched, 0U);
  EXPECT_EQ(calls, 1);
}

TEST(Subscription, DestroysItsHandlerWithIt) {
  for (const char* pattern : {"a", "a*"}) {
    for (const Mode mode : {Mode::sync, Mode::async}) {
      Pumped pumped;
      auto owned = std::make_shared<int>(1);
      const std::weak_ptr<int> watched = owned;
      Subscription one = pumped.bus.subscribe(pattern, [owned = std::move(owned)](const Event&) {},
                                              {.mode = mode});
      pumped.bus.publish("a");
      pumped.executor->run();
      EXPECT_FALSE(watched.expired());
      one.reset();
      EXPECT_TRUE(watched.expired());
    }
  }
}

TEST(Subscription, EmptyDoesNothing) {
  Subscription none;
  EXPECT_FALSE(none);
  EXPECT_FALSE(none.active());
  EXPECT_EQ(none.id(), 0U);
  none.pause();
  none.resume();
  none.reset();
  EXPECT_EQ(none.release(), 0U);
  EXPECT_TRUE(none.wait_idle(kNow));
}

TEST(Subscription, MovesItsDuty) {
  Bus bus;
  int calls = 0;
  Subscription one = bus.subscribe("a", [&](const Event&) { ++calls; });
  const SubscriptionId id = one.id();
  Subscription two = std::move(one);
  EXPECT_EQ(two.id(), id);
  EXPECT_EQ(bus.publish("a").matched, 1U);
  two = bus.subscribe("b", [&](const Event&) { ++calls; });
  EXPECT_EQ(bus.publish("a").matched, 0U);
  EXPECT_EQ(bus.publish("b").matched, 1U);
  Subscription& same = two;
  two = std::move(same);
  EXPECT_EQ(bus.publish("b").matched, 1U);
}

TEST(Subscription, ReleasedLastsUntilItsBusOrItsOwnerEndsIt) {
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = owned;
  {
    Bus bus;
    SubscriptionId id = 0;
    {
      Subscription one =
          bus.subscribe("a", [owned = std::move(owned)](const Event&) {}, {.owner = "o"});
      id = one.release();
      EXPECT_FALSE(one);
    }
    EXPECT_EQ(bus.publish("a").matched, 1U);
    EXPECT_EQ(bus.subscriptions("o").at(0).id, id);
  }
  EXPECT_TRUE(watched.expired());
}

TEST(Subscription, OutlivesItsBusAndThenDoesNothing) {
  std::optional<Bus> bus(std::in_place);
  Subscription sync = bus->subscribe("a", [](const Event&) {});
  Subscription async = bus->subscribe("a*", [](const Event&) {}, {.mode = Mode::async});
  bus->publish("a");
  bus.reset();
  EXPECT_FALSE(sync.active());
  EXPECT_FALSE(async.active());
  sync.pause();
  sync.resume();
  async.pause();
  EXPECT_TRUE(async.wait_idle(kNever));
  async.resume();
  sync.reset();
}

TEST(Subscription, IsNoLongerActiveWhenItWasEndedById) {
  Bus bus;
  Subscription one = bus.subscribe("a", [](const Event&) {});
  EXPECT_TRUE(bus.unsubscribe(one.id()));
  EXPECT_FALSE(one.active());
  EXPECT_TRUE(one);
  one.reset();
}

TEST(Subscription, PausedSynchronousOnesArePassedOver) {
  Bus bus;
  int calls = 0;
  Subscription one = bus.subscribe("a", [&](const Event&) { ++calls; });
  bus.publish("a");
  one.pause();
  one.pause();
  EXPECT_EQ(bus.publish("a").matched, 0U);
  EXPECT_EQ(bus.subscriptions()[0].state, SubscriptionInfo::State::paused);
  one.resume();
  EXPECT_EQ(bus.publish("a").matched, 1U);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(bus.subscriptions()[0].counters.matched, 2U);
  EXPECT_TRUE(adds_up(bus.stats()));
  EXPECT_EQ(bus.stats().matched, 2U);
}

TEST(Subscription, PausedAsynchronousOnesKeepTheirEvents) {
  Pumped pumped;
  Names seen;
  Subscription one = note_topics(pumped.bus, "*", seen, {.mode = Mode::async, .queue_capacity = 2});
  one.pause();
  EXPECT_EQ(pumped.bus.publish("a").queued, 1U);
  EXPECT_EQ(pumped.bus.publish("b").queued, 1U);
  EXPECT_EQ(pumped.bus.publish("c").failures.at(0).code, ErrorCode::queue_full);
  pumped.bus.poll();
  EXPECT_TRUE(seen.empty());
  one.resume();
  pumped.bus.poll();
  EXPECT_EQ(seen, (Names{"a", "b"}));
}

TEST(Subscription, EndedDropsWhatIsQueued) {
  Pumped pumped;
  Names seen;
  Subscription one = note_topics(pumped.bus, "*", seen, {.mode = Mode::async});
  pumped.bus.publish("a");
  pumped.bus.publish("b");
  one.reset();
  pumped.bus.poll();
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(pumped.bus.stats().dropped, 2U);
  EXPECT_TRUE(adds_up(pumped.bus.stats()));
}

TEST(Subscription, HoldsNothingInAnExecutorThatNobodyPumps) {
  const auto executor = std::make_shared<ManualExecutor>();
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = owned;
  {
    Bus bus(quiet({.executor = executor}));
    bus.subscribe("a", [owned = std::move(owned)](const Event&) {}, {.mode = Mode::async})
        .release();
    bus.publish("a");
    EXPECT_EQ(executor->pending(), 1U);
  }
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(executor->run(), 1U);
}

TEST(Subscription, LeavesNoCircleBetweenABusAndItsExecutor) {
  std::weak_ptr<ManualExecutor> watched;
  {
    auto executor = std::make_shared<ManualExecutor>();
    watched = executor;
    Bus bus(quiet({.executor = std::move(executor)}));
    bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async}).release();
    bus.publish("a");
    (void)bus.publish_async("a");
  }
  EXPECT_TRUE(watched.expired());
}

// -- Inside handlers ------------------------------------------------------------------------------

TEST(SubscriptionReset, OfItselfInItsHandlerWorks) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Pumped pumped;
    Subscription one;
    auto owned = std::make_shared<int>(0);
    const std::weak_ptr<int> watched = owned;
    one = pumped.bus.subscribe("a",
                               [&, owned = std::move(owned)](const Event&) {
                                 one.reset();
                                 ++*owned;  // still there until the handler returns
                                 EXPECT_FALSE(watched.expired());
                               },
                               {.mode = mode});
    pumped.bus.publish("a");
    pumped.bus.publish("a");
    pumped.bus.poll();
    EXPECT_EQ(pumped.bus.publish("a").matched, 0U);
    EXPECT_FALSE(one);
  }
}

TEST(SubscriptionReset, OfItselfInANestedCallWorks) {
  Bus bus;
  int calls = 0;
  Subscription one = bus.subscribe("a", [&](const Event& event) {
    ++calls;
    if (event.hops() == 0) {
      bus.publish("a");
    } else {
      one.reset();
    }
  });
  bus.publish("a");
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(bus.publish("a").matched, 0U);
}

TEST(SubscriptionReset, ReplacesItselfInItsHandler) {
  Bus bus;
  int first = 0;
  int second = 0;
  Subscription one = bus.subscribe("a", [&](const Event&) {
    ++first;
    one = bus.subscribe("a", [&](const Event&) { ++second; });
  });
  bus.publish("a");
  bus.publish("a");
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
}

// -- From other threads ---------------------------------------------------------------------------

void waits_for_the_running_handler(Mode mode, const char* pattern) {
  Bus bus(quiet());
  Gate entered;
  Gate may_end;
  std::atomic<bool> left{false};
  Subscription one = bus.subscribe(pattern,
                                   [&](const Event&) {
                                     entered.open();
                                     may_end.wait();
                                     left = true;
                                   },
                                   {.mode = mode});
  std::thread publisher([&] { bus.publish("a"); });
  ASSERT_TRUE(entered.wait());
  EXPECT_FALSE(one.wait_idle(kNow));
  std::thread opener([&] { may_end.open(); });
  one.reset();
  EXPECT_TRUE(left);
  opener.join();
  publisher.join();
}

TEST(SubscriptionReset, FromAnotherThreadWaitsForTheRunningSynchronousHandler) {
  waits_for_the_running_handler(Mode::sync, "a");
  waits_for_the_running_handler(Mode::sync, "a*");
}

TEST(SubscriptionReset, FromAnotherThreadWaitsForTheRunningAsynchronousHandler) {
  waits_for_the_running_handler(Mode::async, "a");
}

TEST(SubscriptionReset, WaitsForItsOwnCallsAndNoOthers) {
  Bus bus(quiet());
  Gate entered;
  Gate may_end;
  const Subscription other = bus.subscribe("a", [&](const Event&) {
    entered.open();
    may_end.wait();
  });
  Subscription mine = bus.subscribe("a", [](const Event&) {});
  Subscription before = bus.subscribe("a", [](const Event&) {}, {.priority = 1});
  std::thread publisher([&] { bus.publish("a"); });
  ASSERT_TRUE(entered.wait());
  mine.reset();
  before.reset();
  EXPECT_TRUE(bus.unsubscribe(bus.subscribe("a", [](const Event&) {}).release()));
  may_end.open();
  publisher.join();
}

TEST(SubscriptionReset, FromTwoSidesWaitsOnBoth) {
  Bus bus(quiet());
  Gate entered;
  Gate may_end;
  std::atomic<bool> left{false};
  Subscription one = bus.subscribe("a", [&](const Event&) {
    entered.open();
    may_end.wait();
    left = true;
  });
  const SubscriptionId id = one.id();
  std::thread publisher([&] { bus.publish("a"); });
  ASSERT_TRUE(entered.wait());
  std::thread second([&] {
    bus.unsubscribe(id);
    (void)id;
  });
  std::thread opener([&] { may_end.open(); });
  one.reset();
  EXPECT_TRUE(left);
  opener.join();
  second.join();
  publisher.join();
}

TEST(SubscriptionReset, FromAnyHandlerNeverWaits) {
  // Two handlers end each other, each while the other runs.
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Bus bus(quiet({.worker_count = 2}));
    Gate a_in;
    Gate b_in;
    std::atomic<int> done{0};
    Subscription a;
    Subscription b;
    a = bus.subscribe("a",
                      [&](const Event&) {
                        a_in.open();
                        b_in.wait();
                        b.reset();
                        ++done;
                      },
                      {.mode = mode});
    b = bus.subscribe("b",
                      [&](const Event&) {
                        b_in.open();
                        a_in.wait();
                        a.reset();
                        ++done;
                      },
                      {.mode = mode});
    std::thread one([&] { bus.publish("a"); });
    std::thread two([&] { bus.publish("b"); });
    one.join();
    two.join();
    EXPECT_TRUE(bus.wait_idle(kLong));
    EXPECT_EQ(done, 2);
  }
}

TEST(SubscriptionReset, InAHandlerOfAnotherBusDoesNotWaitEither) {
  Bus one(quiet());
  Bus two(quiet());
  Gate entered;
  Gate may_end;
  Subscription victim = one.subscribe("a", [&](const Event&) {
    entered.open();
    may_end.wait();
  });
  std::thread publisher([&] { one.publish("a"); });
  ASSERT_TRUE(entered.wait());
  bool went_on = false;
  const Subscription killer = two.subscribe("x", [&](const Event&) {
    victim.reset();
    went_on = true;
  });
  two.publish("x");
  EXPECT_TRUE(went_on);
  may_end.open();
  publisher.join();
}

TEST(SubscriptionReset, StartsNoCallAfterItReturned) {
  Bus bus(quiet());
  std::atomic<bool> stop{false};
  std::vector<std::thread> publishers;
  for (int t = 0; t < 2; ++t) {
    publishers.emplace_back([&] {
      while (!stop) bus.publish("a");
    });
  }
  std::atomic<int> late{0};
  for (int i = 0; i < 300; ++i) {
    auto ended = std::make_shared<std::atomic<bool>>(false);
    Subscription one = bus.subscribe(i % 2 == 0 ? "a" : "a*",
                                     [&late, ended](const Event&) {
                                       if (*ended) ++late;
                                     },
                                     {.mode = i % 3 == 0 ? Mode::async : Mode::sync});
    std::this_thread::yield();
    one.reset();
    *ended = true;
  }
  stop = true;
  for (std::thread& one : publishers) one.join();
  EXPECT_EQ(late, 0);
}

TEST(SubscriptionWaitIdle, InsideItsOwnHandlerIsFalseAtOnce) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Pumped pumped;
    bool answered = true;
    Subscription one;
    one = pumped.bus.subscribe("a", [&](const Event&) { answered = one.wait_idle(kNever); },
                               {.mode = mode});
    pumped.bus.publish("a");
    pumped.bus.poll();
    EXPECT_FALSE(answered);
    EXPECT_TRUE(one.wait_idle(kNever));
  }
}

TEST(SubscriptionWaitIdle, WaitsForTheCall) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Bus bus(quiet());
    Gate entered;
    Gate may_end;
    std::atomic<bool> left{false};
    const Subscription one = bus.subscribe("a",
                                           [&](const Event&) {
                                             entered.open();
                                             may_end.wait();
                                             left = true;
                                           },
                                           {.mode = mode});
    std::thread publisher([&] { bus.publish("a"); });
    ASSERT_TRUE(entered.wait());
    std::thread opener([&] { may_end.open(); });
    EXPECT_TRUE(one.wait_idle(kNever));
    EXPECT_TRUE(left);
    opener.join();
    publisher.join();
  }
}

}  // namespace
}  // namespace busway
