// How coroutines end that are late, or whose subscription or bus goes before them.
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <thread>

#include "coroutine_fixture.hpp"

namespace busway {
namespace {

// -- Deadlines ------------------------------------------------------------------------------------

TEST(CoroutineTimeout, CancelsTheOneThatIsSuspendedAndTheNextGoesOn) {
  AloneInTime alone;
  const Subscription one = alone.bus.subscribe(
      "*",
      [&](const Event& event, Context& context) -> awaitable<void> {
        const std::stop_token stop = context.stop_token();
        const std::string topic(event.topic());
        if (topic == "next") co_return alone.notes.add("next");
        try {
          co_await alone.door.pass();
        } catch (const boost::system::system_error&) {
          alone.notes.add(stop.stop_requested() ? "told" : "not told");
          throw;
        }
      },
      tried_once({.name = "slow", .timeout = seconds(1)}));
  const Receipt slow = alone.bus.publish_async("slow");
  const Receipt next = alone.bus.publish_async("next");
  ASSERT_TRUE(alone.door.holds(1));
  alone.clock->advance(seconds(1));
  ASSERT_TRUE(slow.wait_for(kLong));
  ASSERT_TRUE(next.wait_for(kLong));
  EXPECT_EQ(slow.outcomes().front().kind, DeliveryOutcome::Kind::dead_lettered);
  EXPECT_EQ(alone.bus.dead_letters().list().front().last().code, ErrorCode::timed_out);
  EXPECT_EQ(next.outcomes().front().kind, DeliveryOutcome::Kind::delivered);
  EXPECT_TRUE(eventually([&] { return alone.notes.all().size() == 2; }));
  const Names notes = alone.notes.all();
  EXPECT_TRUE(std::find(notes.begin(), notes.end(), "told") != notes.end());
  EXPECT_TRUE(eventually([&] { return info_of(alone.bus, one.id()).abandoned == 0; }));
  EXPECT_EQ(alone.bus.stats().abandoned, 0U) << "it held no thread";
  EXPECT_EQ(alone.bus.dead_letters().size(), 1U) << "its late failure is nobody's";
  EXPECT_TRUE(adds_up(info_of(alone.bus, one.id()).counters));
}

TEST(CoroutineTimeout, ALateResultIsDiscarded) {
  AloneInTime alone;
  std::atomic<bool> returned{false};
  const Subscription one = alone.bus.subscribe(
      "a",
      [&](const Event& event) -> awaitable<Outcome> {
        try {
          co_await alone.door.pass();
        } catch (const boost::system::system_error&) {
        }
        returned = event.topic() == "a";
        co_return Outcome::done();
      },
      tried_once({.timeout = seconds(1)}));
  const Receipt receipt = alone.bus.publish_async("a");
  ASSERT_TRUE(alone.door.holds(1));
  alone.clock->advance(seconds(1));
  ASSERT_TRUE(receipt.wait_for(kLong));
  EXPECT_TRUE(eventually([&] { return returned.load(); })) << "its event was there until it ended";
  EXPECT_TRUE(eventually([&] { return info_of(alone.bus, one.id()).abandoned == 0; }));
  const SubscriptionInfo info = info_of(alone.bus, one.id());
  EXPECT_EQ(info.counters.delivered, 0U);
  EXPECT_EQ(info.counters.dead_lettered, 1U);
}

TEST(CoroutineTimeout, ManyThatIgnoreTheirCancellationHarmNobody) {
  AloneInTime alone({.max_abandoned = 2});
  const Door& door = alone.door;
  const Subscription deaf = alone.bus.subscribe(
      "deaf",
      [&](const Event&) -> awaitable<void> {
        co_await this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
        co_await door.pass();
      },
      tried_once({.timeout = seconds(1)}));
  for (std::size_t i = 1; i <= 5; ++i) {
    const Receipt receipt = alone.bus.publish_async("deaf");
    ASSERT_TRUE(door.holds(i));
    alone.clock->advance(seconds(1));
    ASSERT_TRUE(receipt.wait_for(kLong));
    EXPECT_EQ(receipt.outcomes().front().reason, "the handler did not return within 1s");
    // It may have been given up on its way out of its thread, and two of those are the limit.
    EXPECT_TRUE(eventually([&] { return alone.bus.stats().abandoned == 0; }));
  }
  EXPECT_EQ(info_of(alone.bus, deaf.id()).abandoned, 5U);
  door.open();
  EXPECT_TRUE(eventually([&] { return info_of(alone.bus, deaf.id()).abandoned == 0; }));
}

// What never ends stays in memory, so there is a limit to it.
TEST(CoroutineTimeout, NoMoreAreGivenUpThanMayBe) {
  Still still(quiet());
  const Door door;
  const Subscription deaf = still.bus.subscribe(
      "deaf",
      [&](const Event&) -> awaitable<void> {
        co_await this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
        co_await door.pass();
      },
      tried_once({.timeout = seconds(1)}));
  for (std::size_t i = 0; i < limits::kCoroutinesGivenUpMax; ++i) {
    (void)still.bus.publish("deaf");
    (void)still.bus.poll();
    still.clock->advance(seconds(1));
    (void)still.bus.poll();
  }
  EXPECT_EQ(info_of(still.bus, deaf.id()).abandoned, limits::kCoroutinesGivenUpMax);
  const Receipt more = still.bus.publish_async("deaf");
  (void)still.bus.poll();
  ASSERT_TRUE(more.wait_for(seconds(0)));
  EXPECT_EQ(more.outcomes().front().kind, DeliveryOutcome::Kind::dead_lettered);
  EXPECT_TRUE(mentions(more.outcomes().front().reason, "1024 coroutines of \"deaf\""));
  EXPECT_TRUE(door.holds(limits::kCoroutinesGivenUpMax)) << "it was not begun";
  door.open();
  EXPECT_TRUE(eventually([&] {
    (void)still.bus.poll();
    return info_of(still.bus, deaf.id()).abandoned == 0;
  }));
  (void)still.bus.publish("deaf");
  (void)still.bus.poll();
  EXPECT_EQ(info_of(still.bus, deaf.id()).counters.delivered, 1U);
}

struct Inside {
  explicit Inside(std::atomic<int>& counted) : count(counted) { ++count; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() { --count; }
  std::atomic<int>& count;
};

TEST(CoroutineTimeout, OneThatBlocksItsThreadIsLeftBehindWithIt) {
  AloneInTime alone;
  std::atomic<int> inside{0};
  std::atomic<bool> open{false};
  for (const bool suspends_first : {false, true}) {
    const Subscription bad = alone.bus.subscribe(
        "bad",
        [&, suspends_first](const Event&) -> awaitable<void> {
          if (suspends_first) co_await pause();
          const Inside here(inside);
          while (!open) std::this_thread::yield();
          co_await pause();
        },
        tried_once({.timeout = seconds(1)}));
    const Subscription good =
        alone.bus.subscribe("good", [&](const Event&) -> awaitable<void> { co_await pause(); });
    const Receipt late = alone.bus.publish_async("bad");
    ASSERT_TRUE(eventually([&] { return inside == 1; }));
    alone.clock->advance(seconds(1));
    ASSERT_TRUE(late.wait_for(kLong));
    EXPECT_EQ(alone.bus.stats().abandoned, 1U);
    EXPECT_TRUE(alone.bus.publish_async("good").wait_for(kLong)) << "the only thread was replaced";
    open = true;
    EXPECT_TRUE(eventually([&] {
      return inside == 0 && info_of(alone.bus, bad.id()).abandoned == 0 &&
             alone.bus.stats().abandoned == 0;
    }));
    open = false;
  }
}

TEST(CoroutineTimeout, IsLookedAtByWhoPumps) {
  Still still;
  const Door door;
  const Subscription one = still.bus.subscribe(
      "a", [&](const Event&) -> awaitable<void> { co_await door.pass(); },
      tried_once({.timeout = seconds(1)}));
  (void)still.bus.publish("a");
  (void)still.bus.poll();
  still.pass(seconds(1));
  EXPECT_EQ(still.bus.dead_letters().size(), 1U);
  EXPECT_TRUE(eventually([&] {
    (void)still.bus.poll();
    return info_of(still.bus, one.id()).abandoned == 0;
  }));
}

// -- Ends -----------------------------------------------------------------------------------------

TEST(CoroutineEnd, AnUnsubscribeDoesNotWaitForOneThatIsSuspendedAndTheCallableStays) {
  Alone alone;
  auto owned = std::make_shared<int>(7);
  const std::weak_ptr<int> seen = owned;
  std::atomic<int> read{0};
  Subscription one = alone.bus.subscribe(
      "a", [&, owned = std::move(owned)](const Event& event) -> awaitable<void> {
        co_await alone.door.pass();
        if (event.topic() == "a") read = *owned;
      });
  const Receipt receipt = alone.bus.publish_async("a");
  ASSERT_TRUE(alone.door.holds(1));
  one.reset();
  EXPECT_FALSE(seen.expired());
  alone.door.open();
  EXPECT_TRUE(eventually([&] { return seen.expired(); }));
  EXPECT_EQ(read, 7);
  ASSERT_TRUE(receipt.wait_for(kLong));
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::delivered);
}

TEST(CoroutineEnd, AnUnsubscribeInsideDoesNotWait) {
  Alone alone;
  Subscription other = alone.bus.subscribe(
      "a", [&](const Event&) -> awaitable<void> { co_await alone.door.pass(); });
  std::atomic<int> after{0};
  Subscription mine = alone.bus.subscribe(
      "b", [&, owned = std::make_shared<int>(7)](const Event&) -> awaitable<void> {
        co_await pause();
        other.reset();
        mine.reset();
        co_await pause();
        after = *owned;
      });
  (void)alone.bus.publish("a");
  ASSERT_TRUE(alone.door.holds(1));
  (void)alone.bus.publish("b");
  EXPECT_TRUE(eventually([&] { return after == 7; }));
  EXPECT_TRUE(alone.bus.subscriptions().empty());
  alone.door.open();
  EXPECT_TRUE(alone.bus.wait_idle(kLong));
}

TEST(CoroutineEnd, AWaitForASubscriptionWaitsForWhatIsSuspended) {
  Alone alone;
  const Subscription one = alone.bus.subscribe(
      "a", [&](const Event&) -> awaitable<void> { co_await alone.door.pass(); });
  (void)alone.bus.publish("a");
  ASSERT_TRUE(alone.door.holds(1));
  EXPECT_FALSE(one.wait_idle(std::chrono::steady_clock::time_point{}));
  alone.door.open();
  EXPECT_TRUE(one.wait_idle(std::chrono::steady_clock::now() + kLong));
}

TEST(CoroutineEnd, AStopReportsWhatIsSuspendedAndSignalsItsStopToken) {
  Alone alone;
  std::stop_token stop;
  const Subscription one =
      alone.bus.subscribe("a",
                          [&](const Event&, Context& context) -> awaitable<void> {
                            stop = context.stop_token();
                            co_await alone.door.pass();
                          },
                          {.name = "waiting"});
  (void)alone.bus.publish("a");
  ASSERT_TRUE(alone.door.holds(1));
  const StopResult result = alone.bus.stop(std::chrono::nanoseconds(0));
  EXPECT_EQ(result.kind, StopResult::Kind::deadline);
  ASSERT_EQ(result.left.size(), 1U);
  EXPECT_EQ(result.left.front().name, "waiting");
  EXPECT_EQ(result.left.front().running, 1U);
  EXPECT_TRUE(stop.stop_requested());
  alone.door.open();
  EXPECT_TRUE(alone.bus.wait_idle(kLong));
}

TEST(CoroutineEnd, AStopWaitsForWhatIsSuspended) {
  Alone alone;
  std::optional<PublishResult> inner;
  const Subscription one = alone.bus.subscribe("a", [&](const Event&) -> awaitable<void> {
    co_await alone.door.pass();
    inner = alone.bus.publish("b");
  });
  (void)alone.bus.publish("a");
  ASSERT_TRUE(alone.door.holds(1));
  std::thread stopper([&] { EXPECT_TRUE(alone.bus.stop().left.empty()); });
  EXPECT_TRUE(eventually([&] { return alone.bus.publish("c").code == ErrorCode::stopped; }));
  alone.door.open();
  stopper.join();
  EXPECT_TRUE(inner->ok()) << "made inside a handler";
}

/// What a coroutine holds, to see that it is gone.
struct Held {
  std::shared_ptr<int> mine = std::make_shared<int>(1);
  std::weak_ptr<int> seen = mine;
  auto take() { return std::move(mine); }
};

TEST(CoroutineEnd, ABusThatIsDestroyedCancelsWhatIsSuspendedAndDropsItsDelivery) {
  Held held;
  Held in_frame;
  const Door door;
  Receipt receipt = [&] {
    Bus bus(quiet());
    Subscription one = bus.subscribe(
        "a",
        [&door, owned = held.take(), frame = in_frame.take()](const Event&) -> awaitable<void> {
          const std::shared_ptr<int> kept = frame;
          co_await door.pass();
        });
    one.release();
    Receipt made = bus.publish_async("a");
    EXPECT_TRUE(door.holds(1));
    return made;
  }();
  ASSERT_EQ(receipt.outcomes().size(), 1U);
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::dropped);
  EXPECT_TRUE(mentions(receipt.outcomes().front().reason, "suspended"));
  EXPECT_TRUE(eventually([&] { return held.seen.expired() && in_frame.seen.expired(); }));
}

TEST(CoroutineEnd, ABusDoesNotWaitForOneThatNeverResumes) {
  Held held;
  boost::asio::io_context elsewhere;
  boost::asio::steady_timer timer(elsewhere, milliseconds(0));
  std::atomic<bool> waits{false};
  std::atomic<bool> resumed{false};
  {
    Bus bus(quiet());
    Subscription one =
        bus.subscribe("a", [&, owned = held.take()](const Event&) -> awaitable<void> {
          co_await this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
          waits = true;
          co_await timer.async_wait(use_awaitable);
          resumed = true;
        });
    (void)bus.publish("a");
    EXPECT_TRUE(eventually([&] { return waits.load(); }));
    one.reset();
  }
  EXPECT_FALSE(held.seen.expired()) << "what it waits for keeps it";
  elsewhere.run();
  EXPECT_TRUE(held.seen.expired()) << "it is resumed too late, and destroyed";
  EXPECT_FALSE(resumed);
}

TEST(CoroutineEnd, ABusMayEndBeforeTheContextOfItsCoroutines) {
  Held held;
  bool resumed = false;
  {
    boost::asio::io_context context;
    const Door door;
    {
      Bus bus(quiet({.executor = asio_executor(context.get_executor())}));
      Subscription one =
          bus.subscribe("a", [&, owned = held.take()](const Event&) -> awaitable<void> {
            co_await door.pass();
            resumed = true;
          });
      one.release();
      (void)bus.publish("a");
      (void)context.poll();
      EXPECT_TRUE(door.holds(1));
    }
    EXPECT_FALSE(held.seen.expired()) << "its frames belong to the context";
    if (!held.seen.expired()) (void)context.poll();
    EXPECT_TRUE(held.seen.expired());
  }
  EXPECT_FALSE(resumed);
}

TEST(CoroutineEnd, AContextThatIsNeverRunAgainDestroysThem) {
  Held held;
  {
    boost::asio::io_context context;
    const Door door;
    Bus bus(quiet({.executor = asio_executor(context.get_executor())}));
    Subscription one = bus.subscribe(
        "a",
        [&door, owned = held.take()](const Event&) -> awaitable<void> { co_await door.pass(); });
    one.release();
    (void)bus.publish("a");
    (void)context.poll();
    EXPECT_TRUE(door.holds(1));
    // The bus goes first: it is the younger one.
  }
  EXPECT_TRUE(held.seen.expired());
}

TEST(CoroutineEnd, AManualExecutorThatIsNotPumpedAgainKeepsNothing) {
  Held held;
  const Door door;
  const auto executor = std::make_shared<ManualExecutor>();
  {
    Bus bus(quiet({.executor = executor}));
    Subscription one =
        bus.subscribe("*",
                      [&door, owned = held.take()](const Event& event) -> awaitable<void> {
                        if (event.topic() == "resumed") co_await boost::asio::post(use_awaitable);
                        co_await door.pass();
                      },
                      {.concurrency = 3});
    one.release();
    (void)bus.publish("resumed");
    (void)bus.publish("waiting");
    (void)executor->run();
    EXPECT_TRUE(door.holds(2));
    // One is about to be resumed, one waits, one has not begun.
    EXPECT_TRUE(door.let_one());
    (void)bus.publish("late");
  }
  EXPECT_TRUE(eventually([&] { return held.seen.expired(); }));
}

// -- Threads --------------------------------------------------------------------------------------

TEST(CoroutineStress, EndsDeadlinesAndSuspensionsMeet) {
  constexpr int kEvents = 400;
  auto clock = std::make_shared<testing::ManualClock>();
  Bus bus(quiet({.worker_count = 3, .clock = clock}));
  std::vector<Subscription> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(bus.subscribe("a",
                                [](const Event&) -> awaitable<void> {
                                  co_await pause();
                                  co_await boost::asio::post(use_awaitable);
                                },
                                {.concurrency = static_cast<std::size_t>(1 + i),
                                 .timeout = std::chrono::microseconds(50),
                                 .retry = RetryPolicy{.max_retries = 0}}));
  }
  std::atomic<bool> over{false};
  std::thread time([&] {
    while (!over) {
      clock->advance(std::chrono::microseconds(1));
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < kEvents; ++i) EXPECT_EQ(bus.publish("a").queued, 4U);
  EXPECT_TRUE(bus.wait_idle(kLong));
  over = true;
  time.join();
  for (const Subscription& one : all) {
    const SubscriptionInfo info = info_of(bus, one.id());
    EXPECT_TRUE(adds_up(info.counters));
    EXPECT_EQ(info.counters.matched, static_cast<std::uint64_t>(kEvents));
    EXPECT_EQ(info.counters.in_flight, 0U);
    EXPECT_TRUE(eventually([&] { return info_of(bus, one.id()).abandoned == 0; }));
  }
}

TEST(CoroutineStress, BusesEndWhileCoroutinesRun) {
  for (int round = 0; round < 50; ++round) {
    Held held;
    {
      Bus bus(quiet({.worker_count = 2}));
      Subscription one = bus.subscribe("a",
                                       [owned = held.take()](const Event&) -> awaitable<void> {
                                         for (int i = 0; i < 100; ++i) co_await pause();
                                       },
                                       {.concurrency = 4});
      for (int i = 0; i < 8; ++i) (void)bus.publish("a");
      if (round % 2 == 0) one.reset();
    }
    EXPECT_TRUE(eventually([&] { return held.seen.expired(); }));
  }
}

TEST(CoroutineStress, BusesEndWhileAContextRunsTheirCoroutines) {
  boost::asio::io_context context;
  auto work = boost::asio::make_work_guard(context);
  std::thread runner([&] { context.run(); });
  for (int round = 0; round < 50; ++round) {
    Held held;
    {
      Bus bus(quiet({.executor = asio_executor(context.get_executor())}));
      Subscription one =
          bus.subscribe("a",
                        [owned = held.take(), &bus](const Event&) -> awaitable<void> {
                          for (int i = 0; i < 100; ++i) {
                            (void)bus.publish("b");
                            co_await pause();
                          }
                        },
                        {.concurrency = 4});
      one.release();
      for (int i = 0; i < 8; ++i) (void)bus.publish("a");
    }
    EXPECT_TRUE(eventually([&] { return held.seen.expired(); }));
  }
  work.reset();
  runner.join();
}

}  // namespace
}  // namespace busway
