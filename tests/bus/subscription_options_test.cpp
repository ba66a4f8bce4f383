#include "busway/subscription_options.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "bus_fixture.hpp"
#include "busway/testing/manual_clock.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

std::string refused(ErrorCode code, const SubscriptionOptions& options) {
  Bus bus;
  const std::string message = error_of(code, [&] {
    (void)bus.subscribe(
        "a", [](const Event&) {}, options);
  });
  EXPECT_TRUE(bus.subscriptions().empty());
  return message;
}

TEST(SubscriptionOptions, OnlyADurableOneBeginsAtASequence) {
  EXPECT_TRUE(mentions(
      refused(ErrorCode::invalid_option, {.mode = Mode::async, .replay = Replay::sequence(1)}),
      "sequence"));
}

TEST(SubscriptionOptions, ATimeoutOfAHandlerObjectCountsWhereTheOptionsHaveNone) {
  struct Timed final : EventHandler {
    std::string name() const override { return "timed"; }
    std::vector<std::string> patterns() const override { return {"a"}; }
    std::optional<std::chrono::nanoseconds> timeout() const override {
      return std::chrono::hours(1);
    }
    Outcome handle(const Event&, Context& context) override {
      left = *context.deadline() - std::chrono::steady_clock::now();
      return Outcome::done();
    }
    std::chrono::nanoseconds left{};
  };
  Bus bus;
  const auto handler = std::make_shared<Timed>();
  Subscription timed = bus.subscribe(handler);
  EXPECT_EQ(bus.publish("a").delivered, 1U);
  EXPECT_GT(handler->left, std::chrono::minutes(50));
  timed = bus.subscribe(handler, {.timeout = std::chrono::hours(3)});
  EXPECT_EQ(bus.publish("a").delivered, 1U);
  EXPECT_GT(handler->left, std::chrono::minutes(150));
}

TEST(SubscriptionOptions, OfMailboxesNeedModeAsyncAndSaySo) {
  const auto bad = ErrorCode::invalid_option;
  EXPECT_TRUE(mentions(refused(bad, {.executor = std::make_shared<ManualExecutor>()}), "executor"));
  EXPECT_TRUE(mentions(refused(bad, {.queue_capacity = 5}), "queue_capacity"));
  EXPECT_TRUE(mentions(refused(bad, {.overflow = Overflow::block}), "overflow"));
  EXPECT_TRUE(mentions(refused(bad, {.concurrency = 2}), "concurrency"));
  EXPECT_TRUE(mentions(refused(bad, {.order_by = OrderBy::key}), "order_by"));
  EXPECT_TRUE(mentions(refused(bad, {.replay = Replay::beginning()}), "replay"));
  EXPECT_TRUE(mentions(refused(bad, {.replay = Replay::last(1)}), "async"));
}

TEST(SubscriptionOptions, OutOfRangeNameTheFieldTheValueAndTheRange) {
  const auto bad = ErrorCode::invalid_option;
  const std::string capacity =
      refused(bad, {.mode = Mode::async, .queue_capacity = limits::kQueueMax + 1});
  EXPECT_TRUE(mentions(capacity, "queue_capacity"));
  EXPECT_TRUE(mentions(capacity, std::to_string(limits::kQueueMax + 1)));
  EXPECT_TRUE(mentions(capacity, std::to_string(limits::kQueueMax)));
  EXPECT_TRUE(mentions(refused(bad, {.mode = Mode::async, .concurrency = 0}), "concurrency"));
  EXPECT_TRUE(
      mentions(refused(bad, {.mode = Mode::async, .concurrency = limits::kConcurrencyMax + 1}),
               std::to_string(limits::kConcurrencyMax)));
  EXPECT_TRUE(
      mentions(refused(bad, {.mode = Mode::async, .block_timeout = std::chrono::nanoseconds(-1)}),
               "block_timeout"));
  EXPECT_TRUE(mentions(refused(bad, {.dedupe = std::chrono::nanoseconds(0)}), "dedupe"));
  EXPECT_TRUE(
      mentions(refused(bad, {.name = std::string(limits::kTextBytesMax + 1, 'n')}), "name"));
  EXPECT_TRUE(
      mentions(refused(bad, {.owner = std::string(limits::kTextBytesMax + 1, 'n')}), "owner"));
}

TEST(SubscriptionOptions, OfNoKnownNameAreRefusedWithTheNamesThereAre) {
  const auto bad = ErrorCode::invalid_option;
  const std::string mode = refused(bad, {.mode = static_cast<Mode>(7)});
  EXPECT_TRUE(mentions(mode, "mode is 7")) << mode;
  EXPECT_TRUE(mentions(mode, "sync (0) or async (1)")) << mode;
  const std::string overflow =
      refused(bad, {.mode = Mode::async, .overflow = static_cast<Overflow>(4)});
  EXPECT_TRUE(mentions(overflow, "overflow is 4")) << overflow;
  EXPECT_TRUE(mentions(overflow, "drop_newest (3)")) << overflow;
  EXPECT_TRUE(mentions(refused(bad, {.mode = Mode::async, .order_by = static_cast<OrderBy>(2)}),
                       "order_by is 2"));
  EXPECT_TRUE(mentions(
      refused(bad, {.mode = Mode::async, .replay = {.from = static_cast<Replay::From>(9)}}),
      "replay.from is 9"));
}

TEST(SubscriptionOptions, ThatAreNotUtf8AreShownEscaped) {
  const auto bad = ErrorCode::invalid_option;
  const std::string name = refused(bad, {.name = "a\xff"});
  EXPECT_TRUE(mentions(name, "name is \"a\\xff\"")) << name;
  EXPECT_TRUE(mentions(name, "at byte 1")) << name;
  EXPECT_TRUE(mentions(refused(bad, {.owner = "\xc0\x80"}), "owner"));
}

TEST(SubscriptionOptions, OfAReplayThatCanGiveNothingAreRefused) {
  const auto bad = ErrorCode::invalid_option;
  const std::string none = refused(bad, {.mode = Mode::async, .replay = Replay::last(0)});
  EXPECT_TRUE(mentions(none, "replay.count is 0")) << none;
  EXPECT_TRUE(mentions(none, "1 or more")) << none;
  Bus forgetful({.history = 0});
  const std::string message = error_of(bad, [&] {
    (void)forgetful.subscribe("a", [](const Event&) {},
                              {.mode = Mode::async, .replay = Replay::last(3)});
  });
  EXPECT_TRUE(mentions(message, "replay is last(3)")) << message;
  EXPECT_TRUE(mentions(message, "history is 0")) << message;
}

TEST(BusOptions, OutOfRangeNameTheField) {
  const auto refused_bus = [](ErrorCode code, BusOptions options) {
    return error_of(code, [&] { const Bus bus(std::move(options)); });
  };
  const auto bad = ErrorCode::invalid_option;
  EXPECT_TRUE(
      mentions(refused_bus(bad, {.worker_count = limits::kWorkersMax + 1}), "worker_count"));
  EXPECT_TRUE(mentions(refused_bus(bad, {.queue_capacity = 0}), "queue_capacity"));
  EXPECT_TRUE(
      mentions(refused_bus(bad, {.queue_capacity = limits::kQueueMax + 1}), "queue_capacity"));
  EXPECT_TRUE(mentions(refused_bus(bad, {.history = limits::kHistoryMax + 1}), "history"));
  EXPECT_TRUE(mentions(refused_bus(bad, {.max_hops = 0}), "max_hops"));
  EXPECT_TRUE(mentions(refused_bus(bad, {.max_payload = 0}), "max_payload"));
  EXPECT_TRUE(
      mentions(refused_bus(bad, {.stuck_after = std::chrono::nanoseconds(0)}), "stuck_after"));
  EXPECT_TRUE(mentions(refused_bus(ErrorCode::not_yet, {.store = "redis:x"}), "store"));
}

TEST(BusOptions, SayNotYetOnlyForStoresThatArePlanned) {
  const auto refused_store = [](ErrorCode code, const std::string& store) {
    return error_of(code, [&] { const Bus bus({.store = store}); });
  };
  for (const std::string store :
       {"redis", "nats", "postgres", "database", "redis://localhost", "nats://localhost:4222",
        "postgres://localhost/events", "postgresql://localhost/events"}) {
    EXPECT_TRUE(mentions(refused_store(ErrorCode::not_yet, store), "store")) << store;
  }
  EXPECT_TRUE(mentions(refused_store(ErrorCode::invalid_option, "sqlite"), "without an address"));
  const std::string slip = refused_store(ErrorCode::invalid_option, "memry");
  EXPECT_TRUE(mentions(slip, "store is \"memry\"; did you mean \"memory\"?")) << slip;
  EXPECT_TRUE(
      mentions(refused_store(ErrorCode::invalid_option, "rediss://localhost"), "\"redis\""));
  EXPECT_TRUE(mentions(refused_store(ErrorCode::invalid_option, "memory:x"), "memory"));
  EXPECT_TRUE(mentions(refused_store(ErrorCode::invalid_option, ""), "store"));
}

TEST(BusOptions, ShowNoPasswordOfAStoresAddress) {
  for (const std::string store : {"redis://me:geheim@host", "reds://me:geheim@host"}) {
    try {
      const Bus bus({.store = store});
      ADD_FAILURE() << store;
    } catch (const Error& error) {
      EXPECT_FALSE(mentions(error.what(), "geheim")) << error.what();
    }
  }
}

TEST(BusOptions, RefuseAnInstanceIdThatNoEventCouldCarry) {
  for (const std::string id : {"a\nb", "a\xff", "a\x7f"}) {
    const std::string message =
        error_of(ErrorCode::invalid_option, [&] { const Bus bus({.instance_id = id}); });
    EXPECT_TRUE(mentions(message, "BusOptions: instance_id")) << message;
    EXPECT_TRUE(mentions(message, "at byte 1")) << message;
  }
  EXPECT_EQ(Bus({.instance_id = "kn\xc3\xb6terich-1"}).instance_id(), "kn\xc3\xb6terich-1");
}

TEST(BusOptions, OfNoKnownNameAreRefusedWithTheNamesThereAre) {
  const auto refused_bus = [](BusOptions options) {
    return error_of(ErrorCode::invalid_option, [&] { const Bus bus(std::move(options)); });
  };
  EXPECT_TRUE(mentions(refused_bus({.mode = static_cast<Mode>(7)}), "mode is 7"));
  EXPECT_TRUE(mentions(refused_bus({.overflow = static_cast<Overflow>(4)}), "overflow is 4"));
  EXPECT_TRUE(mentions(refused_bus({.wildcards = static_cast<Wildcards>(2)}), "wildcards is 2"));
}

TEST(BusOptions, GiveSubscriptionsTheirDefaults) {
  Pumped pumped(
      BusOptions{.mode = Mode::async, .queue_capacity = 3, .overflow = Overflow::drop_newest});
  const Subscription one = pumped.bus.subscribe("a", [](const Event&) {});
  EXPECT_EQ(pumped.bus.subscriptions()[0].mode, Mode::async);
  EXPECT_EQ(pumped.bus.subscriptions()[0].queue_capacity, 3U);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(pumped.bus.publish("a").ok());
  EXPECT_EQ(pumped.bus.stats().dropped, 1U);
}

// -- filter ---------------------------------------------------------------------------------------

TEST(SubscriptionFilter, PassesOverWhatItRejects) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Pumped pumped;
    Names seen;
    const Subscription one = note_topics(
        pumped.bus, "*", seen,
        {.mode = mode, .filter = [](const Event& event) { return event.topic() != "b"; }});
    EXPECT_EQ(pumped.bus.publish("a").matched, 1U);
    EXPECT_EQ(pumped.bus.publish("b").matched, 0U);
    EXPECT_TRUE(pumped.bus.publish("b").ok());
    EXPECT_EQ(pumped.bus.publish("c").matched, 1U);
    pumped.bus.poll();
    EXPECT_EQ(seen, (Names{"a", "c"}));
    EXPECT_EQ(info_of(pumped.bus, one.id()).counters.matched, 2U);
    EXPECT_TRUE(adds_up(pumped.bus.stats()));
    EXPECT_EQ(pumped.bus.stats().matched, 2U);
  }
}

TEST(SubscriptionFilter, ThatThrowsFailsThatDeliveryOnly) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Pumped pumped;
    int filtered_calls = 0;
    int calls = 0;
    const Subscription one = pumped.bus.subscribe(
        "a", [&](const Event&) { ++filtered_calls; },
        {.mode = mode, .filter = [](const Event&) -> bool { throw std::runtime_error("broken"); }});
    const Subscription two =
        pumped.bus.subscribe("a", [&](const Event&) { ++calls; }, {.mode = mode});
    const PublishResult result = pumped.bus.publish("a");
    pumped.bus.poll();
    EXPECT_EQ(filtered_calls, 0);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(result.matched, 2U);
    ASSERT_EQ(result.failures.size(), 1U);
    EXPECT_EQ(result.failures[0].subscription, one.id());
    EXPECT_TRUE(mentions(result.failures[0].reason, "broken"));
    const SubscriptionInfo info = info_of(pumped.bus, one.id());
    EXPECT_EQ(info.counters.failed, 1U);
    EXPECT_TRUE(adds_up(info.counters));
    EXPECT_TRUE(adds_up(pumped.bus.stats()));
    EXPECT_EQ(pumped.bus.stats().failed, 1U);
  }
}

// -- dedupe ---------------------------------------------------------------------------------------

TEST(Dedupe, DeliversAnIdOnceInItsWindow) {
  const auto clock = std::make_shared<testing::ManualClock>();
  Bus bus(quiet({.clock = clock}));
  int calls = 0;
  const Subscription one =
      bus.subscribe("a", [&](const Event&) { ++calls; }, {.dedupe = std::chrono::seconds(10)});
  const Event event("a", {}, {.id = EventId{1, 1}});
  EXPECT_EQ(bus.publish(event).matched, 1U);
  EXPECT_EQ(bus.publish(event).matched, 0U);
  EXPECT_EQ(bus.publish(Event("a", {}, {.id = EventId{1, 2}})).matched, 1U);
  clock->advance(std::chrono::seconds(9));
  EXPECT_EQ(bus.publish(event).matched, 0U);
  clock->advance(std::chrono::seconds(1));
  EXPECT_EQ(bus.publish(event).matched, 1U);
  EXPECT_EQ(calls, 3);
}

TEST(Dedupe, ForgetsTheOldestWhenItHoldsTooMany) {
  Bus bus;
  std::size_t calls = 0;
  const Subscription one =
      bus.subscribe("a", [&](const Event&) { ++calls; }, {.dedupe = std::chrono::hours(1)});
  for (std::uint64_t i = 0; i <= limits::kDedupeIdsMax; ++i)
    bus.publish(Event("a", {}, {.id = EventId{1, i + 1}}));
  EXPECT_EQ(calls, limits::kDedupeIdsMax + 1);
  EXPECT_EQ(bus.publish(Event("a", {}, {.id = EventId{1, 5}})).matched, 0U);
  EXPECT_EQ(bus.publish(Event("a", {}, {.id = EventId{1, 1}})).matched, 1U);
}

TEST(Dedupe, LetsWhatAFullMailboxRefusedBePublishedAgain) {
  Pumped pumped;
  Names seen;
  const Subscription one =
      note_topics(pumped.bus, "*", seen,
                  {.mode = Mode::async, .queue_capacity = 1, .dedupe = std::chrono::hours(1)});
  pumped.bus.publish("first");
  const Event again("again", {}, {.id = EventId{9, 9}});
  EXPECT_FALSE(pumped.bus.publish(again).ok());
  pumped.bus.poll();
  EXPECT_TRUE(pumped.bus.publish(again).ok());
  EXPECT_EQ(pumped.bus.publish(again).matched, 0U);
  pumped.bus.poll();
  EXPECT_EQ(seen, (Names{"first", "again"}));
}

// -- once -----------------------------------------------------------------------------------------

TEST(Once, GetsOneEventAndEnds) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Pumped pumped;
    Names seen;
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = owned;
    const Subscription one = pumped.bus.subscribe(
        "*",
        [&, owned = std::move(owned)](const Event& event) { seen.emplace_back(event.topic()); },
        {.mode = mode, .once = true});
    EXPECT_EQ(pumped.bus.publish("a").matched, 1U);
    EXPECT_EQ(pumped.bus.publish("b").matched, 0U);
    pumped.bus.poll();
    EXPECT_EQ(seen, Names{"a"});
    EXPECT_FALSE(one.active());
    EXPECT_TRUE(pumped.bus.subscriptions().empty());
    EXPECT_EQ(pumped.bus.publish("c").matched, 0U);
    EXPECT_TRUE(adds_up(pumped.bus.stats()));
  }
}

TEST(Once, WaitsForTheFirstThatItsFilterLetsThrough) {
  Bus bus;
  Names seen;
  const Subscription one = note_topics(
      bus, "*", seen,
      {.filter = [](const Event& event) { return event.topic() == "b"; }, .once = true});
  bus.publish("a");
  bus.publish("b");
  bus.publish("b");
  EXPECT_EQ(seen, Names{"b"});
}

TEST(Once, IsOverAfterAHandlerThatThrows) {
  Bus bus;
  int calls = 0;
  const Subscription one = bus.subscribe("a",
                                         [&](const Event&) {
                                           ++calls;
                                           throw 42;
                                         },
                                         {.once = true});
  EXPECT_EQ(bus.publish("a").failures.size(), 1U);
  EXPECT_EQ(bus.publish("a").matched, 0U);
  EXPECT_EQ(calls, 1);
}

TEST(Once, TakesNoOtherEventWhileItsOwnWaitsForARetry) {
  Still still;
  (void)still.bus.publish("a", Json(1));
  (void)still.bus.publish("a", Json(2));
  std::vector<int> seen;
  const auto fails = [&](const Event& event) {
    seen.push_back(event.json().get<int>());
    throw 42;
  };
  const SubscriptionOptions options{
      .mode = Mode::async, .replay = Replay::beginning(), .once = true};
  const Subscription one = still.bus.subscribe("a", fails, options);
  still.pass(std::chrono::seconds(60));
  EXPECT_EQ(seen, (std::vector<int>{1, 1, 1, 1}));
  EXPECT_FALSE(one.active());

  // A stop drops the retry, and with it the one event.
  seen.clear();
  const Subscription two = still.bus.subscribe("a", fails, options);
  (void)still.bus.poll();
  (void)still.bus.stop();
  (void)still.bus.poll();
  EXPECT_EQ(seen, std::vector<int>{1});
  EXPECT_FALSE(two.active());
}

TEST(Once, DoesNotSeeAnEventItsOwnHandlerPublishes) {
  Bus bus;
  int calls = 0;
  const Subscription one = bus.subscribe("a",
                                         [&](const Event&) {
                                           ++calls;
                                           bus.publish("a");
                                         },
                                         {.once = true});
  bus.publish("a");
  EXPECT_EQ(calls, 1);
}

TEST(Once, IsExactlyOnceHoweverManyThreadsPublish) {
  for (int round = 0; round < 20; ++round) {
    Bus bus(quiet());
    std::atomic<int> calls{0};
    std::atomic<std::uint32_t> matched{0};
    const Subscription one =
        bus.subscribe(round % 2 == 0 ? "a" : "*", [&](const Event&) { ++calls; },
                      {.mode = round % 4 < 2 ? Mode::sync : Mode::async, .once = true});
    Gate start;
    std::vector<std::thread> publishers;
    for (int t = 0; t < 4; ++t) {
      publishers.emplace_back([&] {
        start.wait();
        for (int i = 0; i < 50; ++i) matched += bus.publish("a").matched;
      });
    }
    start.open();
    for (std::thread& thread : publishers) thread.join();
    EXPECT_TRUE(bus.wait_idle(kLong));
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(matched, 1U);
    EXPECT_TRUE(adds_up(bus.stats()));
  }
}

TEST(Once, WithReplayAndConcurrencyIsStillOnce) {
  for (int round = 0; round < 20; ++round) {
    Bus bus(quiet({.worker_count = 4}));
    for (int i = 0; i < 50; ++i) bus.publish("a");
    std::atomic<int> calls{0};
    const Subscription one = bus.subscribe(
        "a", [&](const Event&) { ++calls; },
        {.mode = Mode::async, .concurrency = 4, .replay = Replay::beginning(), .once = true});
    bus.publish("a");
    EXPECT_TRUE(bus.wait_idle(kLong));
    EXPECT_EQ(calls, 1);
  }
}

// -- executor -------------------------------------------------------------------------------------

TEST(SubscriptionExecutor, RunsTheHandlersOfItsSubscription) {
  Pumped pumped;
  const auto own = std::make_shared<ManualExecutor>();
  int on_own = 0;
  int on_default = 0;
  const Subscription one = pumped.bus.subscribe("a", [&](const Event&) { ++on_own; },
                                                {.mode = Mode::async, .executor = own});
  const Subscription two =
      pumped.bus.subscribe("a", [&](const Event&) { ++on_default; }, {.mode = Mode::async});
  pumped.bus.publish("a");
  EXPECT_EQ(pumped.bus.poll(), 1U);
  EXPECT_EQ(on_default, 1);
  EXPECT_EQ(on_own, 0);
  EXPECT_EQ(own->run(), 1U);
  EXPECT_EQ(on_own, 1);
}

TEST(SubscriptionExecutor, ThatRefusesLosesNothingSilently) {
  struct Refusing final : Executor {
    Posted post(Task) override { return Posted::refused; }
  };
  Bus bus(quiet());
  const Subscription one = bus.subscribe(
      "a", [](const Event&) {}, {.mode = Mode::async, .executor = std::make_shared<Refusing>()});
  bus.publish("a");
  EXPECT_EQ(bus.stats().dropped, 1U);
  EXPECT_TRUE(adds_up(bus.stats()));
}

TEST(BusPoll, PumpsTheBusesManualExecutorOnly) {
  Bus pool(quiet());
  EXPECT_EQ(pool.poll(), 0U);
  Pumped pumped;
  const Subscription one = pumped.bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  const Subscription two = pumped.bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  pumped.bus.publish("a");
  EXPECT_FALSE(pumped.bus.idle());
  EXPECT_EQ(pumped.bus.poll(1), 1U);
  EXPECT_EQ(pumped.bus.poll(), 1U);
  EXPECT_TRUE(pumped.bus.idle());
}

// -- Overflow, as a publisher sees it -------------------------------------------------------------

TEST(OverflowResult, OfRejectNamesTheSubscription) {
  Pumped pumped;
  const Subscription one = pumped.bus.subscribe(
      "a", [](const Event&) {}, {.name = "slow", .mode = Mode::async, .queue_capacity = 1});
  EXPECT_TRUE(pumped.bus.publish("a").ok());
  const PublishResult result = pumped.bus.publish("a");
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.matched, 1U);
  EXPECT_EQ(result.queued, 0U);
  EXPECT_EQ(result.dropped, 1U);
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures[0].code, ErrorCode::queue_full);
  EXPECT_TRUE(mentions(result.message(), "slow"));
  EXPECT_EQ(pumped.bus.stats().dropped, 1U);
  EXPECT_TRUE(adds_up(pumped.bus.stats()));
}

TEST(OverflowResult, OfDroppingStaysOkAndIsCounted) {
  for (const Overflow overflow : {Overflow::drop_newest, Overflow::drop_oldest}) {
    Pumped pumped;
    Names seen;
    const Subscription one = note_topics(
        pumped.bus, "*", seen, {.mode = Mode::async, .queue_capacity = 1, .overflow = overflow});
    pumped.bus.publish("a");
    const PublishResult result = pumped.bus.publish("b");
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(result.dropped, 1U);
    EXPECT_EQ(result.queued, overflow == Overflow::drop_oldest ? 1U : 0U);
    pumped.bus.poll();
    EXPECT_EQ(seen, Names{overflow == Overflow::drop_oldest ? "b" : "a"});
    EXPECT_EQ(pumped.bus.stats().dropped, 1U);
    EXPECT_TRUE(adds_up(pumped.bus.stats()));
    EXPECT_TRUE(adds_up(info_of(pumped.bus, one.id()).counters));
  }
}

TEST(OverflowResult, OfBlockFromItsOwnHandlerIsRejectAtOnce) {
  Bus bus(quiet({.worker_count = 1}));
  std::atomic<int> refused{0};
  std::atomic<int> calls{0};
  const Subscription one = bus.subscribe("a",
                                         [&](const Event&) {
                                           if (++calls > 1) return;
                                           for (int i = 0; i < 3; ++i)
                                             refused += bus.publish("a").ok() ? 0 : 1;
                                         },
                                         {.mode = Mode::async,
                                          .queue_capacity = 1,
                                          .overflow = Overflow::block,
                                          .block_timeout = std::chrono::hours(10)});
  bus.publish("a");
  EXPECT_TRUE(bus.wait_idle(kLong));
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(calls, 2);
}

TEST(OverflowResult, OfBlockWaitsForTheHandler) {
  Bus bus(quiet({.worker_count = 2}));
  std::atomic<int> calls{0};
  const Subscription one = bus.subscribe("a", [&](const Event&) { ++calls; },
                                         {.mode = Mode::async,
                                          .queue_capacity = 1,
                                          .overflow = Overflow::block,
                                          .block_timeout = std::chrono::nanoseconds::max()});
  for (int i = 0; i < 500; ++i) EXPECT_TRUE(bus.publish("a").ok());
  EXPECT_TRUE(bus.wait_idle(kLong));
  EXPECT_EQ(calls, 500);
}

}  // namespace
}  // namespace busway
