// Handlers that do not return in time: nobody waits for them, and nothing they touch goes away.
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bus_fixture.hpp"
#include "busway/manual_executor.hpp"
#include "busway/testing/manual_clock.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ManualClock;

/// Handlers hang here until the test lets them go.
struct Trap {
  void enter() {
    ++inside;
    while (!open) std::this_thread::yield();
    --inside;
    ++left;
  }
  [[nodiscard]] bool holds(int count) const {
    return eventually([&] { return inside == count; });
  }
  std::atomic<int> inside{0};
  std::atomic<int> left{0};
  std::atomic<bool> open{false};
};

/// A bus with its own pool, on a clock that stands still.
struct Timed : OwnClock {
  explicit Timed(BusOptions options = {}) : bus(with_clock(std::move(options))) {}
  BusOptions with_clock(BusOptions options) {
    options.clock = clock;
    if (!options.log) options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
    return options;
  }
  ~Timed() {
    trap.open = true;
    EXPECT_TRUE(eventually([&] { return bus.stats().abandoned == 0; }));
  }
  Subscription hanging(std::string_view topic, SubscriptionOptions options) {
    if (!options.timeout) options.timeout = seconds(1);
    return bus.subscribe(
        topic, [this](const Event&) { trap.enter(); }, options);
  }
  Trap trap;
  Bus bus;
};

SubscriptionOptions async_once_tried() {
  return {.name = "slow", .mode = Mode::async, .retry = RetryPolicy{.max_retries = 0}};
}

TEST(AsyncTimeout, SettlesTheDeliveryAtTheDeadlineAndGoesOn) {
  Timed timed({.worker_count = 1});
  const Subscription slow = timed.hanging("job", async_once_tried());
  std::atomic<int> others{0};
  const Subscription other =
      timed.bus.subscribe("other", [&](const Event&) { ++others; }, {.mode = Mode::async});
  const Receipt receipt = timed.bus.publish_async(Event("job"));
  ASSERT_TRUE(timed.trap.holds(1));
  (void)timed.bus.publish("other");
  timed.clock->advance(seconds(1));
  EXPECT_TRUE(receipt.wait_for(std::chrono::minutes(1)));
  ASSERT_EQ(receipt.outcomes().size(), 1U);
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::dead_lettered);
  EXPECT_TRUE(mentions(receipt.outcomes().front().reason, "did not return within 1s"));
  EXPECT_TRUE(eventually([&] { return others == 1; })) << "the pool's only thread was replaced";
  const DeadLetter letter = timed.bus.dead_letters().list().front();
  EXPECT_EQ(letter.last().code, ErrorCode::timed_out);
  EXPECT_EQ(letter.last().attempts, 1U);
  const SubscriptionInfo info = info_of(timed.bus, slow.id());
  EXPECT_EQ(info.abandoned, 1U);
  EXPECT_TRUE(adds_up(info.counters));
  EXPECT_EQ(timed.bus.stats().abandoned, 1U);
}

TEST(AsyncTimeout, IsThirtySecondsUnlessToldOtherwise) {
  Timed timed;
  const Subscription slow = timed.bus.subscribe(
      "job",
      [&](const Event&, Context& context) {
        EXPECT_EQ(context.deadline(), timed.clock->steady() + seconds(30));
        timed.trap.enter();
      },
      async_once_tried());
  const Receipt receipt = timed.bus.publish_async(Event("job"));
  ASSERT_TRUE(timed.trap.holds(1));
  timed.clock->advance(seconds(30) - milliseconds(1));
  EXPECT_NE(receipt.status(), EventStatus::failed);
  timed.clock->advance(milliseconds(1));
  EXPECT_TRUE(receipt.wait_for(std::chrono::minutes(1)));
}

TEST(AsyncTimeout, CanBeNone) {
  Timed timed;
  std::atomic<bool> has_deadline{true};
  SubscriptionOptions options = async_once_tried();
  options.timeout = std::chrono::nanoseconds::max();
  const Subscription patient = timed.bus.subscribe(
      "job", [&](const Event&, Context& context) { has_deadline = context.deadline().has_value(); },
      options);
  EXPECT_TRUE(timed.bus.publish_async(Event("job")).wait_for(std::chrono::minutes(1)));
  EXPECT_FALSE(has_deadline);
}

TEST(AsyncTimeout, SignalsTheStopTokenAndDiscardsTheLateResult) {
  Timed timed;
  std::atomic<bool> told{false};
  SubscriptionOptions options = async_once_tried();
  options.timeout = milliseconds(50);
  const Subscription slow = timed.bus.subscribe(
      "job",
      [&](const Event& event, Context& context) {
        const std::stop_token stop = context.stop_token();
        ++timed.trap.inside;
        while (!stop.stop_requested()) std::this_thread::yield();
        --timed.trap.inside;
        told = event.topic() == "job";
        throw std::runtime_error("too late to matter");
      },
      options);
  const Receipt receipt = timed.bus.publish_async(Event("job"));
  ASSERT_TRUE(timed.trap.holds(1));
  timed.clock->advance(milliseconds(50));
  EXPECT_TRUE(receipt.wait_for(std::chrono::minutes(1)));
  EXPECT_TRUE(eventually([&] { return timed.bus.stats().abandoned == 0; }));
  EXPECT_TRUE(told);
  EXPECT_EQ(receipt.outcomes().size(), 1U);
  EXPECT_EQ(timed.bus.dead_letters().size(), 1U);
  EXPECT_TRUE(adds_up(timed.bus.stats()));
}

TEST(AsyncTimeout, IsRetriedAsAnyFailure) {
  Timed timed;
  std::atomic<int> calls{0};
  const Subscription slow =
      timed.bus.subscribe("job",
                          [&](const Event&, Context& context) {
                            ++calls;
                            if (context.attempt() == 1) timed.trap.enter();
                          },
                          {.mode = Mode::async,
                           .timeout = seconds(1),
                           .retry = RetryPolicy{.max_retries = 1, .initial_delay = seconds(2)}});
  const Receipt receipt = timed.bus.publish_async(Event("job"));
  ASSERT_TRUE(timed.trap.holds(1));
  timed.clock->advance(seconds(1));
  ASSERT_TRUE(eventually([&] { return timed.bus.stats().retried == 1; }));
  timed.clock->advance(seconds(2));
  EXPECT_TRUE(receipt.wait_for(std::chrono::minutes(1)));
  EXPECT_EQ(receipt.status(), EventStatus::completed);
  EXPECT_EQ(calls, 2);
}

TEST(AsyncTimeout, AnUnsubscribeDoesNotWaitForAnAbandonedCallAndTheCallableStays) {
  Timed timed;
  auto owned = std::make_shared<std::string>("kept by the handler");
  const std::weak_ptr<std::string> seen = owned;
  std::atomic<std::size_t> length{0};
  Subscription slow = timed.bus.subscribe(
      "job",
      [&, owned = std::move(owned)](const Event&) {
        timed.trap.enter();
        length = owned->size();
      },
      [] {
        SubscriptionOptions options = async_once_tried();
        options.timeout = seconds(1);
        return options;
      }());
  const Receipt receipt = timed.bus.publish_async(Event("job"));
  ASSERT_TRUE(timed.trap.holds(1));
  timed.clock->advance(seconds(1));
  EXPECT_TRUE(receipt.wait_for(std::chrono::minutes(1)));
  slow.reset();
  EXPECT_FALSE(seen.expired());
  timed.trap.open = true;
  EXPECT_TRUE(eventually([&] { return seen.expired(); }));
  EXPECT_EQ(length, 19U);
}

TEST(AsyncTimeout, AnUnsubscribeWaitsAtMostUntilTheDeadline) {
  Timed timed;
  Subscription slow = timed.hanging("job", async_once_tried());
  (void)timed.bus.publish("job");
  ASSERT_TRUE(timed.trap.holds(1));
  std::atomic<bool> ended{false};
  std::thread other([&] {
    slow.reset();
    ended = true;
  });
  std::this_thread::yield();
  EXPECT_FALSE(ended);
  timed.clock->advance(seconds(1));
  other.join();
  EXPECT_TRUE(ended);
}

TEST(AsyncTimeout, ABusMayBeDestroyedWhileACallIsLeftBehind) {
  Trap trap;
  std::atomic<int> length{0};
  const auto clock = std::make_shared<ManualClock>();
  {
    Bus bus({.log = [](LogLevel, std::string_view, std::span<const LogField>) {}, .clock = clock});
    SubscriptionOptions options = async_once_tried();
    options.timeout = seconds(1);
    const Subscription slow = bus.subscribe(
        "job",
        [&](const Event& event, const Context& context) {
          trap.enter();
          length = static_cast<int>(event.json().at("text").get<std::string>().size() +
                                    context.event().topic().size());
        },
        options);
    const Receipt receipt =
        bus.publish_async(Event("job", Payload::json({{"text", "still here"}})));
    ASSERT_TRUE(trap.holds(1));
    clock->advance(seconds(1));
    EXPECT_TRUE(receipt.wait_for(std::chrono::minutes(1)));
  }
  EXPECT_EQ(trap.inside, 1);
  trap.open = true;
  EXPECT_TRUE(eventually([&] { return length == 13; }));
}

TEST(AsyncTimeout, TenThousandHangingDeliveriesLeaveNoMoreThreadsBehindThanMayBe) {
  constexpr int kEvents = 10'000;
  Timed timed(
      {.worker_count = 2, .queue_capacity = 20'000, .dead_letters = 20'000, .max_abandoned = 4});
  SubscriptionOptions options = async_once_tried();
  options.concurrency = 3;
  const Subscription slow = timed.hanging("job", options);
  std::atomic<int> others{0};
  const Subscription other =
      timed.bus.subscribe("other", [&](const Event&) { ++others; },
                          {.mode = Mode::async, .timeout = std::chrono::nanoseconds::max()});
  for (int i = 0; i < kEvents; ++i) (void)timed.bus.publish("job");
  int published = 0;
  ASSERT_TRUE(eventually([&] {
    timed.clock->advance(milliseconds(500));
    if (published < 1000) {
      (void)timed.bus.publish("other");
      ++published;
    }
    return timed.bus.dead_letters().size() == kEvents;
  }));
  EXPECT_LE(timed.trap.inside, 4);
  EXPECT_GE(timed.trap.inside, 1);
  EXPECT_TRUE(eventually([&] { return others == published; }));
  const SubscriptionInfo info = info_of(timed.bus, slow.id());
  EXPECT_LE(info.abandoned, 4U);
  EXPECT_EQ(info.counters.dead_lettered, static_cast<std::uint64_t>(kEvents));
  EXPECT_TRUE(adds_up(info.counters));
  int refused = 0;
  for (const DeadLetter& letter : timed.bus.dead_letters().list()) {
    refused += letter.last().code == ErrorCode::breaker_open ? 1 : 0;
  }
  EXPECT_EQ(refused, kEvents - timed.trap.inside);
}

TEST(AsyncTimeout, TheLimitOpensTheBreakerOfTheSubscription) {
  Timed timed({.max_abandoned = 1});
  const Subscription slow = timed.hanging("job", async_once_tried());
  (void)timed.bus.publish("job");
  ASSERT_TRUE(timed.trap.holds(1));
  EXPECT_EQ(info_of(timed.bus, slow.id()).breaker, BreakerState::none);
  timed.clock->advance(seconds(1));
  EXPECT_TRUE(
      eventually([&] { return info_of(timed.bus, slow.id()).breaker == BreakerState::open; }));
  timed.trap.open = true;
  EXPECT_TRUE(eventually([&] { return timed.bus.stats().abandoned == 0; }));
  timed.clock->advance(seconds(30));
  EXPECT_TRUE(timed.bus.publish_async(Event("job")).wait_for(std::chrono::minutes(1)));
  EXPECT_EQ(info_of(timed.bus, slow.id()).breaker, BreakerState::closed) << "one probe went well";
}

TEST(AsyncTimeout, OnAManualExecutorALateHandlerIsFoundLateWhenItReturns) {
  Still still;
  SubscriptionOptions options = async_once_tried();
  options.timeout = seconds(1);
  const Subscription slow = still.bus.subscribe(
      "job", [&](const Event&) { still.clock->advance(seconds(1)); }, options);
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  ASSERT_EQ(still.bus.dead_letters().size(), 1U);
  EXPECT_EQ(still.bus.dead_letters().list().front().last().code, ErrorCode::timed_out);
  EXPECT_EQ(still.bus.stats().abandoned, 0U);
}

TEST(AsyncTimeout, OnAManualExecutorTheDeadlineIsKeptByWhoeverPumpsMeanwhile) {
  Still still;
  SubscriptionOptions options = async_once_tried();
  options.timeout = seconds(1);
  Names order;
  const Subscription slow = still.bus.subscribe(
      "job",
      [&](const Event&) {
        order.emplace_back("begin");
        still.clock->advance(seconds(1));
        (void)still.bus.poll();  // as a blocking call within would
        order.emplace_back("end");
      },
      options);
  const Receipt receipt = still.bus.publish_async(Event("job"));
  const Subscription next = still.bus.subscribe(
      "next", [&](const Event&) { order.emplace_back("next"); }, {.mode = Mode::async});
  (void)still.bus.publish("next");
  while (still.bus.poll() != 0) {
  }
  EXPECT_EQ(receipt.status(), EventStatus::failed);
  EXPECT_EQ(order.front(), "begin");
  EXPECT_EQ(order.back(), "end");
  EXPECT_EQ(still.bus.dead_letters().size(), 1U);
}

/// Whether the bus behind it has been freed: its log sink is.
struct Freed {
  BusOptions options(BusOptions of = {}) {
    auto token = std::make_shared<int>(0);
    alive = token;
    of.log = [token](LogLevel, std::string_view, std::span<const LogField>) {};
    return of;
  }
  [[nodiscard]] bool freed() const { return alive.expired(); }
  std::weak_ptr<int> alive;
};

TEST(AsyncTimeout, ADeadlineThatIsKeptDoesNotKeepADestroyedBus) {
  Freed of;
  const auto clock = std::make_shared<ManualClock>();
  const auto executor = std::make_shared<ManualExecutor>();
  {
    Bus bus(of.options({.clock = clock, .executor = executor}));
    const Subscription one = bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
    (void)bus.publish("a");
    (void)bus.poll();
    (void)bus.publish("a");  // its pump is posted and never runs
  }
  EXPECT_TRUE(of.freed());
}

TEST(AsyncTimeout, ABusThatIsDestroyedInItsOwnHandlerIsFreed) {
  Freed of;
  auto bus = std::make_unique<Bus>(of.options({.worker_count = 1}));
  std::atomic<bool> gone{false};
  Subscription one = bus->subscribe("a",
                                    [&](const Event&) {
                                      bus.reset();
                                      gone = true;
                                    },
                                    {.mode = Mode::async});
  (void)bus->publish("a");
  EXPECT_TRUE(eventually([&] { return gone.load(); }));
  one = {};
  EXPECT_TRUE(eventually([&] { return of.freed(); }));
}

TEST(AsyncTimeout, ABusMayBeDestroyedWhileAnAbandonedCallHangsInANestedHandler) {
  Freed of;
  Trap trap;
  const auto clock = std::make_shared<ManualClock>();
  {
    Bus bus(of.options({.clock = clock}));
    SubscriptionOptions options = async_once_tried();
    options.timeout = seconds(1);
    const Subscription outer = bus.subscribe(
        "outer", [&](const Event&) { (void)bus.publish("inner"); }, options);
    const Subscription inner = bus.subscribe("inner", [&](const Event&) { trap.enter(); });
    const Receipt receipt = bus.publish_async(Event("outer"));
    ASSERT_TRUE(trap.holds(1));
    clock->advance(seconds(1));
    EXPECT_TRUE(receipt.wait_for(std::chrono::minutes(1)));
    EXPECT_TRUE(eventually([&] { return bus.stats().abandoned == 1; }));
    EXPECT_TRUE(bus.stop(std::chrono::minutes(1)).left.empty()) << "nobody waits for it";
  }
  trap.open = true;
  EXPECT_TRUE(eventually([&] { return of.freed(); }));
}

TEST(AsyncTimeout, AHandlerThatObeysItsStopTokenAtOnceIsCountedOutAgain) {
  Timed timed({.worker_count = 2});
  SubscriptionOptions options = async_once_tried();
  options.timeout = seconds(1);
  const Subscription obedient = timed.bus.subscribe(
      "job",
      [&](const Event&, Context& context) {
        const std::stop_token stop = context.stop_token();
        ++timed.trap.inside;
        while (!stop.stop_requested()) std::this_thread::yield();
      },
      options);
  for (int i = 1; i <= 200; ++i) {
    const Receipt receipt = timed.bus.publish_async(Event("job"));
    ASSERT_TRUE(timed.trap.holds(i));
    timed.clock->advance(seconds(1));
    ASSERT_TRUE(receipt.wait_for(std::chrono::minutes(1)));
  }
  EXPECT_TRUE(eventually([&] { return timed.bus.stats().abandoned == 0; }));
  EXPECT_TRUE(eventually([&] { return info_of(timed.bus, obedient.id()).abandoned == 0; }));
  std::atomic<int> handled{0};
  const Subscription after =
      timed.bus.subscribe("after", [&](const Event&) { ++handled; }, {.mode = Mode::async});
  for (int i = 0; i < 100; ++i) (void)timed.bus.publish("after");
  EXPECT_TRUE(eventually([&] { return handled == 100; }));
}

// -- Synchronous handlers -------------------------------------------------------------------------

TEST(SyncTimeout, ThePublisherGoesOnAtTheDeadline) {
  Timed timed;
  Names order;
  const Subscription slow = timed.hanging("job", {.name = "slow", .priority = 1});
  const Subscription next =
      timed.bus.subscribe("job", [&](const Event&) { order.emplace_back("next"); });
  PublishResult result;
  std::thread publisher([&] { result = timed.bus.publish("job"); });
  ASSERT_TRUE(timed.trap.holds(1));
  timed.clock->advance(seconds(1));
  publisher.join();
  EXPECT_EQ(timed.trap.inside, 1);
  EXPECT_EQ(order, Names{"next"});
  EXPECT_EQ(result.matched, 2U);
  EXPECT_EQ(result.delivered, 1U);
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::timed_out);
  EXPECT_EQ(result.failures.front().name, "slow");
  const SubscriptionInfo info = info_of(timed.bus, slow.id());
  EXPECT_EQ(info.counters.timed_out, 1U);
  EXPECT_EQ(info.counters.failed, 0U);
  EXPECT_EQ(info.abandoned, 1U);
  EXPECT_TRUE(adds_up(info.counters));
  EXPECT_EQ(timed.bus.stats().timed_out, 1U);
  EXPECT_TRUE(adds_up(timed.bus.stats()));
}

TEST(SyncTimeout, AHandlerInTimeIsDeliveredAndItsFailureIsReported) {
  Timed timed;
  std::thread::id ran_on;
  const Subscription well =
      timed.bus.subscribe("well",
                          [&](const Event&, Context& context) {
                            ran_on = std::this_thread::get_id();
                            EXPECT_EQ(context.deadline(), timed.clock->steady() + seconds(1));
                            EXPECT_EQ(context.subscription(), "well");
                          },
                          {.timeout = seconds(1)});
  const Subscription bad = timed.bus.subscribe(
      "bad", [](const Event&) { throw std::runtime_error("broken"); }, {.timeout = seconds(1)});
  EXPECT_EQ(timed.bus.publish("well").delivered, 1U);
  EXPECT_NE(ran_on, std::this_thread::get_id()) << "where it can be left behind";
  const PublishResult result = timed.bus.publish("bad");
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::handler_failed);
  EXPECT_EQ(result.failures.front().reason, "broken");
}

TEST(SyncTimeout, NestedHandlersWithTimeoutsNeverWaitForAFreeWorker) {
  Timed timed({.worker_count = 1});
  std::vector<Subscription> chain;
  std::atomic<int> deepest{0};
  for (int i = 0; i < 8; ++i) {
    chain.push_back(timed.bus.subscribe(
        "level" + std::to_string(i),
        [&, i](const Event&) {
          deepest = i;
          if (i < 7) {
            EXPECT_EQ(timed.bus.publish("level" + std::to_string(i + 1)).delivered, 1U);
          }
        },
        {.timeout = seconds(1)}));
  }
  EXPECT_EQ(timed.bus.publish("level0").delivered, 1U);
  EXPECT_EQ(deepest, 7);
}

TEST(SyncTimeout, CarriesTheCauseToItsThread) {
  Timed timed;
  EventId cause;
  std::uint16_t hops = 0;
  const Subscription relay = timed.bus.subscribe(
      "a", [&](const Event&) { (void)timed.bus.publish("b"); }, {.timeout = seconds(1)});
  const Subscription end = timed.bus.subscribe("b", [&](const Event& event) {
    cause = event.causation_id();
    hops = event.hops();
  });
  const PublishResult result = timed.bus.publish("a");
  EXPECT_EQ(cause, result.id);
  EXPECT_EQ(hops, 1);
}

TEST(SyncTimeout, EachAttemptHasItsOwn) {
  Timed timed;
  std::atomic<int> calls{0};
  const Subscription slow = timed.bus.subscribe(
      "job",
      [&](const Event&, Context& context) {
        ++calls;
        if (context.attempt() == 1) timed.trap.enter();
      },
      {.timeout = seconds(1),
       .retry =
           RetryPolicy{.max_retries = 1, .initial_delay = milliseconds(1), .total = seconds(60)}});
  PublishResult result;
  std::thread publisher([&] { result = timed.bus.publish("job"); });
  ASSERT_TRUE(timed.trap.holds(1));
  timed.clock->advance(seconds(1));
  std::atomic<bool> over{false};
  std::thread time([&] {
    while (!over) {
      timed.clock->advance(milliseconds(1));
      std::this_thread::yield();
    }
  });
  publisher.join();
  over = true;
  time.join();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(result.delivered, 1U);
}

TEST(SyncTimeout, NoMoreAreLeftBehindThanMayBe) {
  Timed timed({.max_abandoned = 2});
  const Subscription slow = timed.hanging("job", {.name = "slow"});
  for (int i = 1; i <= 2; ++i) {
    std::thread publisher([&] { (void)timed.bus.publish("job"); });
    ASSERT_TRUE(timed.trap.holds(i));
    timed.clock->advance(seconds(1));
    publisher.join();
  }
  const PublishResult result = timed.bus.publish("job");
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::breaker_open);
  EXPECT_EQ(timed.trap.inside, 2);
}

TEST(SyncTimeout, AnUnsubscribeDoesNotWaitForAnAbandonedCallAndTheCallableStays) {
  Timed timed;
  auto owned = std::make_shared<int>(7);
  const std::weak_ptr<int> seen = owned;
  Subscription slow = timed.bus.subscribe(
      "job", [&, owned = std::move(owned)](const Event&) { timed.trap.enter(); },
      {.timeout = seconds(1)});
  std::thread publisher([&] { (void)timed.bus.publish("job"); });
  ASSERT_TRUE(timed.trap.holds(1));
  timed.clock->advance(seconds(1));
  publisher.join();
  slow.reset();
  EXPECT_FALSE(seen.expired());
  timed.trap.open = true;
  EXPECT_TRUE(eventually([&] { return seen.expired(); }));
}

TEST(SyncTimeout, OnAManualExecutorALateHandlerIsFoundLateWhenItReturns) {
  Still still;
  const Subscription slow = still.bus.subscribe(
      "job", [&](const Event&) { still.clock->advance(seconds(1)); }, {.timeout = seconds(1)});
  const PublishResult result = still.bus.publish("job");
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::timed_out);
}

TEST(SyncTimeout, ReachesThroughPublishAsyncAndIsItsOutcome) {
  Timed timed;
  const Subscription slow = timed.hanging("job", {.name = "slow"});
  const Receipt receipt = timed.bus.publish_async(Event("job"));
  ASSERT_TRUE(timed.trap.holds(1));
  timed.clock->advance(seconds(1));
  EXPECT_TRUE(receipt.wait_for(std::chrono::minutes(1)));
  ASSERT_EQ(receipt.outcomes().size(), 1U);
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::timed_out);
}

TEST(Timeout, OutOfRangeIsRefusedByName) {
  Bus bus;
  for (const Mode mode : {Mode::sync, Mode::async}) {
    EXPECT_TRUE(mentions(error_of(ErrorCode::invalid_option,
                                  [&] {
                                    (void)bus.subscribe("a", [](const Event&) {},
                                                        {.mode = mode, .timeout = seconds(0)});
                                  }),
                         "timeout is 0ms"));
    (void)error_of(ErrorCode::invalid_option, [&] {
      (void)bus.subscribe("a", [](const Event&) {}, {.mode = mode, .timeout = seconds(-1)});
    });
  }
  (void)error_of(ErrorCode::invalid_option, [] { Bus none({.max_abandoned = 0}); });
}

// The callback runs on the thread that keeps the deadlines, which the call that it would wait for
// needs.
TEST(AsyncTimeout, AStopCallbackMayEndItsOwnSubscription) {
  Timed timed;
  Subscription slow;
  std::atomic<bool> ended{false};
  slow = timed.bus.subscribe("job",
                             [&](const Event&, Context& context) {
                               const std::stop_callback end(context.stop_token(), [&] {
                                 slow.reset();
                                 ended = true;
                               });
                               timed.trap.enter();
                             },
                             {.mode = Mode::async, .timeout = seconds(1)});
  (void)timed.bus.publish("job");
  ASSERT_TRUE(timed.trap.holds(1));
  timed.clock->advance(seconds(1));
  ASSERT_TRUE(eventually([&] { return ended.load(); }));
  // Its delivery is settled, and the deadlines of others are kept.
  ASSERT_TRUE(eventually([&] { return timed.bus.dead_letters().size() == 1; }));
  const Subscription other = timed.hanging("other", async_once_tried());
  (void)timed.bus.publish("other");
  ASSERT_TRUE(timed.trap.holds(2));
  timed.clock->advance(seconds(1));
  EXPECT_TRUE(eventually([&] { return timed.bus.dead_letters().size() == 2; }));
}

}  // namespace
}  // namespace busway
