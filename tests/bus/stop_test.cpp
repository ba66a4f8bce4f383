#include "busway/stop_result.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "bus_fixture.hpp"

namespace busway {
namespace {

TEST(Stop, DrainsTheMailboxesAndRefusesFromThenOn) {
  Bus bus(quiet());
  std::atomic<int> calls{0};
  const Subscription one =
      bus.subscribe("a", [&](const Event&) { ++calls; }, {.mode = Mode::async});
  const Subscription two = bus.subscribe("a", [&](const Event&) { ++calls; });
  for (int i = 0; i < 100; ++i) bus.publish("a");
  (void)bus.publish_async("a");
  const StopResult result = bus.stop(kLong);
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(result.left.empty());
  EXPECT_EQ(calls, 202);
  const PublishResult refused = bus.publish("a");
  EXPECT_EQ(refused.code, ErrorCode::stopped);
  EXPECT_FALSE(refused.message().empty());
  EXPECT_EQ(bus.publish("a", Point{}).code, ErrorCode::stopped);
  EXPECT_EQ(bus.publish_async("a").result().code, ErrorCode::stopped);
  EXPECT_EQ(bus.request("a", Payload{}, kLong).code(), ErrorCode::stopped);
  EXPECT_EQ(bus.topic("a").publish().code, ErrorCode::stopped);
  error_of(ErrorCode::stopped, [&] { (void)bus.subscribe("b", [](const Event&) {}); });
  EXPECT_EQ(bus.stats().refused, 5U);
}

TEST(Stop, AcceptsWhatHandlersPublish) {
  Bus bus(quiet());
  std::atomic<int> calls{0};
  std::atomic<int> refused{0};
  const Subscription chain = bus.subscribe("a",
                                           [&](const Event& event) {
                                             ++calls;
                                             if (event.hops() < 20)
                                               refused += bus.publish("a").ok() ? 0 : 1;
                                           },
                                           {.mode = Mode::async});
  bus.publish("a");
  EXPECT_TRUE(bus.stop(kLong).ok());
  EXPECT_EQ(calls, 21);
  EXPECT_EQ(refused, 0);
}

TEST(Stop, OnThePumpThreadPumps) {
  Pumped pumped;
  Names seen;
  const Subscription one = note_topics(pumped.bus, "*", seen, {.mode = Mode::async});
  pumped.bus.publish("a");
  EXPECT_TRUE(pumped.bus.stop(kLong).ok());
  EXPECT_EQ(seen, Names{"a"});
}

TEST(Stop, ReportsWhatIsLeftAtItsDeadline) {
  Bus bus(quiet());
  Gate entered;
  Gate may_end;
  const Subscription one = bus.subscribe("a",
                                         [&](const Event&) {
                                           entered.open();
                                           may_end.wait();
                                         },
                                         {.name = "slow", .mode = Mode::async});
  for (int i = 0; i < 3; ++i) bus.publish("a");
  ASSERT_TRUE(entered.wait());
  const StopResult result = bus.stop(std::chrono::nanoseconds(1));
  EXPECT_EQ(result.kind, StopResult::Kind::deadline);
  EXPECT_FALSE(result.ok());
  ASSERT_EQ(result.left.size(), 1U);
  EXPECT_EQ(result.left[0].subscription, one.id());
  EXPECT_EQ(result.left[0].name, "slow");
  EXPECT_EQ(result.left[0].running, 1U);
  EXPECT_EQ(result.queued(), 2U);
  may_end.open();
}

TEST(Stop, ReportsAPausedMailbox) {
  Pumped pumped;
  Subscription one = pumped.bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  one.pause();
  pumped.bus.publish("a");
  const StopResult result = pumped.bus.stop(kLong);
  EXPECT_EQ(result.kind, StopResult::Kind::deadline);
  EXPECT_EQ(result.queued(), 1U);
}

TEST(Stop, ReportsThePartOfPublishAsyncThatIsLeft) {
  Bus bus(quiet());
  Gate entered;
  Gate may_end;
  const Subscription one = bus.subscribe("a", [&](const Event&) {
    entered.open();
    may_end.wait();
  });
  const Receipt first = bus.publish_async("a");
  const Receipt second = bus.publish_async("b");
  ASSERT_TRUE(entered.wait());
  const StopResult result = bus.stop(std::chrono::nanoseconds(1));
  EXPECT_EQ(result.kind, StopResult::Kind::deadline);
  EXPECT_EQ(result.queued(), 1U);
  may_end.open();
  EXPECT_TRUE(second.wait_for(kLong));
}

TEST(Stop, WaitsForHandlersThatRunOnOtherThreads) {
  Bus bus(quiet());
  Gate entered;
  Gate may_end;
  std::atomic<bool> left{false};
  std::atomic<ErrorCode> inner{ErrorCode::internal};
  const Subscription one = bus.subscribe("a", [&](const Event&) {
    entered.open();
    may_end.wait();
    inner = bus.publish("b").code;
    left = true;
  });
  std::thread publisher([&] { bus.publish("a"); });
  ASSERT_TRUE(entered.wait());
  const StopResult early = bus.stop(std::chrono::nanoseconds(1));
  EXPECT_EQ(early.kind, StopResult::Kind::deadline);
  ASSERT_EQ(early.left.size(), 1U);
  EXPECT_EQ(early.left[0].subscription, one.id());
  may_end.open();
  publisher.join();
  EXPECT_TRUE(left);
}

TEST(Stop, AcceptsWhatSuchAHandlerStillPublishes) {
  Bus bus(quiet());
  Gate entered;
  Gate may_end;
  std::atomic<ErrorCode> inner{ErrorCode::internal};
  const Subscription one = bus.subscribe("a", [&](const Event&) {
    entered.open();
    may_end.wait();
    inner = bus.publish("b").code;
  });
  std::thread publisher([&] { bus.publish("a"); });
  ASSERT_TRUE(entered.wait());
  std::thread opener([&] {
    eventually([&] { return bus.publish("c").code == ErrorCode::stopped; });
    may_end.open();
  });
  EXPECT_TRUE(bus.stop(kLong).ok());
  EXPECT_EQ(inner, ErrorCode::ok);
  opener.join();
  publisher.join();
}

TEST(Stop, InsideAHandlerBeginsAndReturns) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Pumped pumped;
    std::optional<StopResult> inside;
    ErrorCode after = ErrorCode::internal;
    const Subscription one = pumped.bus.subscribe("a",
                                                  [&](const Event&) {
                                                    inside = pumped.bus.stop(kLong);
                                                    after = pumped.bus.publish("b").code;
                                                  },
                                                  {.mode = mode});
    pumped.bus.publish("a");
    pumped.bus.poll();
    ASSERT_TRUE(inside);
    EXPECT_EQ(inside->kind, StopResult::Kind::begun);
    EXPECT_EQ(after, ErrorCode::ok);
    EXPECT_EQ(pumped.bus.publish("c").code, ErrorCode::stopped);
    EXPECT_TRUE(pumped.bus.stop(kLong).ok());
  }
}

TEST(Stop, ASecondTimeAnswersTheSame) {
  Bus bus(quiet());
  EXPECT_TRUE(bus.stop(kLong).ok());
  EXPECT_TRUE(bus.stop(std::chrono::nanoseconds(0)).ok());
}

TEST(Stop, FromManyThreadsIsOneStop) {
  Bus bus(quiet());
  std::atomic<int> calls{0};
  const Subscription one =
      bus.subscribe("a", [&](const Event&) { ++calls; }, {.mode = Mode::async});
  for (int i = 0; i < 500; ++i) bus.publish("a");
  std::vector<std::thread> stoppers;
  std::atomic<int> complete{0};
  for (int t = 0; t < 4; ++t) {
    stoppers.emplace_back(
        [&] { complete += bus.stop(std::chrono::nanoseconds::max()).ok() ? 1 : 0; });
  }
  for (std::thread& thread : stoppers) thread.join();
  EXPECT_EQ(complete, 4);
  EXPECT_EQ(calls, 500);
}

// -- The end of a Bus -----------------------------------------------------------------------------

TEST(BusEnd, WaitsForThoseInsideAndRefusesOthersThroughTheirHandles) {
  for (int round = 0; round < 20; ++round) {
    std::optional<Bus> bus(std::in_place, quiet());
    std::atomic<bool> alive{true};
    std::atomic<int> after_end{0};
    std::atomic<int> ran{0};
    const Subscription one = bus->subscribe("a", [&](const Event&) {
      if (!alive) ++after_end;
      ++ran;
    });
    const Topic topic = bus->topic("a");
    std::vector<std::thread> publishers;
    std::atomic<int> refused{0};
    for (int t = 0; t < 2; ++t) {
      publishers.emplace_back([&, mine = topic] {
        while (mine.publish(Point{1, 2}).code != ErrorCode::stopped) {
        }
        ++refused;
      });
    }
    eventually([&] { return ran > 10; });
    bus.reset();
    alive = false;
    for (std::thread& thread : publishers) thread.join();
    EXPECT_EQ(refused, 2);
    EXPECT_EQ(after_end, 0);
  }
}

TEST(BusEnd, DropsWhatIsQueued) {
  std::atomic<int> calls{0};
  Gate entered;
  Gate may_end;
  std::thread opener;
  {
    Bus bus(quiet({.worker_count = 1}));
    bus.subscribe("a",
                  [&](const Event&) {
                    ++calls;
                    entered.open();
                    may_end.wait();
                  },
                  {.mode = Mode::async})
        .release();
    for (int i = 0; i < 10; ++i) bus.publish("a");
    ASSERT_TRUE(entered.wait());
    opener = std::thread([&] { may_end.open(); });
  }
  EXPECT_GE(calls, 1);
  EXPECT_LE(calls, 10);
  opener.join();
}

TEST(BusEnd, LeavesTheEventsThatWereKeptUsable) {
  std::vector<Event> kept;
  {
    Bus bus;
    const Subscription one = bus.subscribe("*", [&](const Event& event) { kept.push_back(event); });
    bus.publish(Note{"still here", {1, 2}}, {.source = "somebody", .key = "k"});
    bus.publish("a.topic.that.is.a.good.deal.longer.than.sixteen.bytes", Json{{"a", 1}});
  }
  EXPECT_EQ(kept[0].as<Note>().text, "still here");
  EXPECT_EQ(kept[0].source(), "somebody");
  EXPECT_EQ(kept[1].json()["a"], 1);
  EXPECT_EQ(kept[1].topic(), "a.topic.that.is.a.good.deal.longer.than.sixteen.bytes");
}

TEST(BusEnd, OfManyBusesOnOneThreadIsNoTrouble) {
  int calls = 0;
  for (int i = 0; i < 300; ++i) {
    Bus bus;
    const Subscription one = bus.subscribe("a", [&](const Event&) { ++calls; });
    bus.publish("a");
  }
  std::vector<std::unique_ptr<Bus>> many;
  std::vector<Subscription> kept;
  for (int i = 0; i < 20; ++i) {
    many.push_back(std::make_unique<Bus>());
    kept.push_back(many.back()->subscribe("a", [&](const Event&) { ++calls; }));
  }
  for (int round = 0; round < 10; ++round) {
    for (const auto& bus : many) bus->publish("a");
  }
  EXPECT_EQ(calls, 500);
}

// -- Idle -----------------------------------------------------------------------------------------

TEST(Idle, MeansNoEventQueuedAndNoHandlerRunning) {
  Bus bus(quiet());
  Gate entered;
  Gate may_end;
  const Subscription one = bus.subscribe("a",
                                         [&](const Event&) {
                                           entered.open();
                                           may_end.wait();
                                         },
                                         {.mode = Mode::async});
  EXPECT_TRUE(bus.idle());
  bus.publish("a");
  ASSERT_TRUE(entered.wait());
  EXPECT_FALSE(bus.idle());
  EXPECT_FALSE(bus.wait_idle(std::chrono::nanoseconds(1)));
  may_end.open();
  EXPECT_TRUE(bus.wait_idle(std::chrono::nanoseconds::max()));
  EXPECT_TRUE(bus.idle());
}

TEST(Idle, FollowsAChainThroughMailboxes) {
  Bus bus(quiet());
  std::atomic<int> last{0};
  std::vector<Subscription> kept;
  for (int i = 0; i < 10; ++i) {
    kept.push_back(bus.subscribe("s" + std::to_string(i),
                                 [&, i](const Event&) {
                                   last = i;
                                   bus.publish("s" + std::to_string(i + 1));
                                 },
                                 {.mode = Mode::async}));
  }
  for (int round = 0; round < 50; ++round) {
    bus.publish("s0");
    ASSERT_TRUE(bus.wait_idle(kLong));
    ASSERT_EQ(last, 9);
    last = 0;
  }
}

TEST(Idle, InsideAHandlerNeverComes) {
  Bus bus(quiet());
  std::atomic<bool> answered{true};
  const Subscription one = bus.subscribe(
      "a", [&](const Event&) { answered = bus.wait_idle(kLong); }, {.mode = Mode::async});
  bus.publish("a");
  EXPECT_TRUE(bus.wait_idle(kLong));
  EXPECT_FALSE(answered);
}

/// Has an executor that another thread pumps, once the test says so.
struct Elsewhere {
  Elsewhere() { EXPECT_TRUE(made.wait()); }
  ~Elsewhere() {
    over = true;
    begin.open();
    thread.join();
  }
  Gate made;
  Gate begin;
  std::atomic<bool> over{false};
  std::shared_ptr<ManualExecutor> executor;
  std::thread thread{[this] {
    executor = std::make_shared<ManualExecutor>();
    made.open();
    EXPECT_TRUE(begin.wait());
    while (!over) {
      if (executor->run() == 0) std::this_thread::yield();
    }
  }};
};

TEST(Stop, OnThePumpThreadWaitsForThoseWhoRunElsewhere) {
  Elsewhere elsewhere;
  Pumped pumped;
  Names seen;
  const Subscription there =
      note_topics(pumped.bus, "a", seen, {.mode = Mode::async, .executor = elsewhere.executor});
  int here = 0;
  const Subscription one =
      pumped.bus.subscribe("b", [&](const Event&) { ++here; }, {.mode = Mode::async});
  (void)pumped.bus.publish("a");
  const Subscription begins = pumped.bus.subscribe(
      "c", [&](const Event&) { elsewhere.begin.open(); }, {.mode = Mode::async});
  (void)pumped.bus.publish("b");
  (void)pumped.bus.publish("c");
  EXPECT_TRUE(pumped.bus.stop(kLong).ok());
  EXPECT_EQ(seen, Names{"a"});
  EXPECT_EQ(here, 1);
}

TEST(Receipt, OnThePumpThreadWaitsForThoseWhoRunElsewhere) {
  Elsewhere elsewhere;
  Pumped pumped;
  const Subscription there = pumped.bus.subscribe(
      "a", [](const Event&) {}, {.mode = Mode::async, .executor = elsewhere.executor});
  const Subscription here = pumped.bus.subscribe("a", [&](const Event&) { elsewhere.begin.open(); },
                                                 {.mode = Mode::async});
  const Receipt receipt = pumped.bus.publish_async("a");
  EXPECT_TRUE(receipt.wait_for(kLong));
  EXPECT_EQ(receipt.outcomes().size(), 2U);
}

TEST(Stop, OnThePumpThreadLooksAtItsDeadlineAfterEachTask) {
  Pumped pumped;
  int calls = 0;
  const Subscription one = pumped.bus.subscribe(
      "a",
      [&](const Event&) {
        ++calls;
        // Past the deadline of the stop that runs it.
        const auto over = std::chrono::steady_clock::now() + std::chrono::milliseconds(10);
        while (std::chrono::steady_clock::now() < over) {
        }
      },
      {.mode = Mode::async});
  const Subscription other =
      pumped.bus.subscribe("b", [&](const Event&) { ++calls; }, {.mode = Mode::async});
  (void)pumped.bus.publish("a");
  (void)pumped.bus.publish("b");
  const StopResult result = pumped.bus.stop(std::chrono::milliseconds(10));
  EXPECT_EQ(result.kind, StopResult::Kind::deadline);
  EXPECT_LE(calls, 1);
}

TEST(Stop, InAStopCallbackOfAHandlerThatIsLeftIsAnotherStop) {
  Bus bus(quiet());
  Gate inside;
  std::atomic<int> stopped{0};
  const Subscription one =
      bus.subscribe("a",
                    [&](const Event&, Context& context) {
                      const std::stop_callback again(context.stop_token(), [&] {
                        (void)bus.stop(std::chrono::nanoseconds(1));
                        ++stopped;
                      });
                      inside.open();
                      EXPECT_TRUE(eventually([&] { return stopped == 1; }));
                    },
                    {.mode = Mode::async});
  (void)bus.publish("a");
  ASSERT_TRUE(inside.wait());
  EXPECT_EQ(bus.stop(std::chrono::nanoseconds(1)).kind, StopResult::Kind::deadline);
  EXPECT_EQ(stopped, 1);
}

TEST(Stop, NoRetryIsMadeOfWhatFailsAfterItsDeadline) {
  Bus bus(quiet());
  Gate inside;
  Gate may_end;
  std::atomic<int> calls{0};
  const Subscription one = bus.subscribe(
      "a",
      [&](const Event&) {
        ++calls;
        inside.open();
        may_end.wait();
        throw std::runtime_error("too late");
      },
      {.mode = Mode::async, .retry = RetryPolicy{.initial_delay = std::chrono::milliseconds(1)}});
  (void)bus.publish("a");
  ASSERT_TRUE(inside.wait());
  EXPECT_EQ(bus.stop(std::chrono::nanoseconds(1)).kind, StopResult::Kind::deadline);
  may_end.open();
  ASSERT_TRUE(eventually([&] { return bus.dead_letters().size() == 1; }));
  EXPECT_TRUE(mentions(bus.dead_letters().list().front().last().reason, "the bus has stopped"));
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace busway
