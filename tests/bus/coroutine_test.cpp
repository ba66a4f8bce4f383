// Handlers that are coroutines: they hold no thread while they wait.
#include "busway/coroutine.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>
#include <deque>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "bus_fixture.hpp"
#include "busway/middleware.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using boost::asio::awaitable;
using boost::asio::use_awaitable;
using std::chrono::milliseconds;
using std::chrono::seconds;
namespace this_coro = boost::asio::this_coro;

/// Where coroutines wait until the test lets one, or all, go on. They share it, and may outlive it.
class Door {
 public:
  /// Throws operation_aborted when the wait is cancelled.
  [[nodiscard]] awaitable<void> pass() const { return pass(state_); }
  void open() const {
    {
      const std::lock_guard lock(state_->mutex);
      state_->open = true;
    }
    while (let_one()) {
    }
  }
  bool let_one() const {
    std::shared_ptr<Waiter> first;
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->waiting.empty()) return false;
      first = state_->waiting.front();
      state_->waiting.pop_front();
    }
    // A timer belongs to the thread of its coroutine.
    const boost::asio::any_io_executor where = first->timer.get_executor();
    boost::asio::post(where, [first = std::move(first)] {
      first->let = true;
      first->timer.cancel();
    });
    return true;
  }
  [[nodiscard]] bool holds(std::size_t count) const {
    return eventually([&] {
      const std::lock_guard lock(state_->mutex);
      return state_->waiting.size() == count;
    });
  }

 private:
  struct Waiter {
    explicit Waiter(const boost::asio::any_io_executor& where)
        : timer(where, std::chrono::steady_clock::time_point::max()) {}
    boost::asio::steady_timer timer;
    bool let = false;
  };
  struct State {
    std::mutex mutex;
    bool open = false;
    std::deque<std::shared_ptr<Waiter>> waiting;
  };
  /// However the wait ends, its place is free.
  struct Place {
    std::shared_ptr<State> state;
    std::shared_ptr<Waiter> waiter;
    ~Place() {
      const std::lock_guard lock(state->mutex);
      std::erase(state->waiting, waiter);
    }
  };

  static awaitable<void> pass(std::shared_ptr<State> state) {
    auto waiter = std::make_shared<Waiter>(co_await this_coro::executor);
    {
      const std::lock_guard lock(state->mutex);
      if (state->open) co_return;
      state->waiting.push_back(waiter);
    }
    const Place place{state, waiter};
    boost::system::error_code error;
    co_await waiter->timer.async_wait(boost::asio::redirect_error(use_awaitable, error));
    if (!waiter->let) throw boost::system::system_error(error);
  }

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// Waits a moment without a thread.
awaitable<void> pause() {
  boost::asio::steady_timer timer(co_await this_coro::executor, milliseconds(0));
  co_await timer.async_wait(use_awaitable);
}

/// Names, from whichever thread.
class Notes {
 public:
  void add(std::string_view name) {
    const std::lock_guard lock(mutex_);
    names_.emplace_back(name);
  }
  [[nodiscard]] Names all() const {
    const std::lock_guard lock(mutex_);
    return names_;
  }

 private:
  mutable std::mutex mutex_;
  Names names_;
};

/// A bus with its own pool of one thread.
struct Alone {
  explicit Alone(BusOptions options = {}) : bus(with_one_worker(std::move(options))) {}
  static BusOptions with_one_worker(BusOptions options) {
    options.worker_count = 1;
    return quiet(std::move(options));
  }
  Notes notes;
  Door door;
  Bus bus;
};

struct AloneInTime : OwnClock, Alone {
  explicit AloneInTime(BusOptions options = {}) : Alone(with_clock(std::move(options))) {}
  BusOptions with_clock(BusOptions options) {
    options.clock = clock;
    return options;
  }
};

SubscriptionOptions tried_once(SubscriptionOptions options = {}) {
  options.retry = RetryPolicy{.max_retries = 0};
  return options;
}

// -- What it may look like ------------------------------------------------------------------------

TEST(Coroutine, IsAHandlerInAllShapes) {
  Alone alone;
  Bus& bus = alone.bus;
  std::atomic<int> sum{0};
  const Subscription a = bus.subscribe("point.moved", [&](const Event& event) -> awaitable<void> {
    co_await pause();
    sum += event.as<Point>().x;
  });
  const Subscription b =
      bus.subscribe("point.moved", [&](const Event& event, Context& context) -> awaitable<void> {
        co_await pause();
        if (&context.event() == &event) sum += 10 * event.as<Point>().x;
      });
  const Subscription c = bus.subscribe<Point>([&](const Point& point) -> awaitable<void> {
    co_await pause();
    sum += 100 * point.x;
  });
  const Subscription d =
      bus.subscribe<Point>("point.*", [&](const Point& point, Context&) -> awaitable<Outcome> {
        co_await pause();
        sum += 1000 * point.x;
        co_return Outcome::done();
      });
  const Subscription e = bus.subscribe("point.moved", [&](const Json& json) -> awaitable<Outcome> {
    co_await pause();
    sum += 10'000 * json.at("x").get<int>();
    co_return Outcome::done();
  });
  const Subscription f = bus.subscribe("point.moved", [&](const auto&) -> awaitable<void> {
    co_await pause();
    sum += 300'000;
  });
  EXPECT_EQ(bus.publish(Point{3, 4}).queued, 6U);
  ASSERT_TRUE(bus.wait_idle(kLong));
  EXPECT_EQ(sum, 333'333);
}

TEST(Coroutine, ReadsWhatWasDecodedForItAfterASuspension) {
  Alone alone;
  std::string text;
  const Subscription one =
      alone.bus.subscribe<Note>("note.added", [&](const Note& note) -> awaitable<void> {
        co_await pause();
        text = note.text;
      });
  (void)alone.bus.publish("note.added", Json{{"text", "from JSON, long enough for the heap"},
                                             {"numbers", Json::array()}});
  ASSERT_TRUE(alone.bus.wait_idle(kLong));
  EXPECT_EQ(text, "from JSON, long enough for the heap");
}

TEST(Coroutine, IsAsynchronousByNature) {
  Bus bus(quiet({.mode = Mode::sync}));
  const auto handler = [](const Event&) -> awaitable<void> { co_return; };
  const Subscription one = bus.subscribe("a", handler);
  EXPECT_EQ(info_of(bus, one.id()).mode, Mode::async);
  EXPECT_EQ(bus.publish("a").queued, 1U);
  const Subscription two = bus.subscribe("a", handler, {.mode = Mode::async, .concurrency = 4});
  EXPECT_TRUE(mentions(error_of(ErrorCode::invalid_option,
                                [&] { (void)bus.subscribe("a", handler, {.mode = Mode::sync}); }),
                       "mode is sync; it is async or unset for a handler that is a coroutine"));
}

TEST(Coroutine, ThatNeverSuspendsEndsInItsFirstStep) {
  Pumped pumped;
  int calls = 0;
  const Subscription one = pumped.bus.subscribe("a", [&](const Event&) -> awaitable<void> {
    ++calls;
    co_return;
  });
  (void)pumped.bus.publish("a");
  (void)pumped.bus.publish("a");
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(pumped.executor->run_one());
  EXPECT_EQ(calls, 2) << "of one task";
  EXPECT_TRUE(pumped.bus.idle());
}

// -- Order, concurrency, threads ------------------------------------------------------------------

TEST(Coroutine, TheNextEventWaitsUntilItHasEnded) {
  Alone alone;
  const Subscription one = alone.bus.subscribe("*", [&](const Event& event) -> awaitable<void> {
    alone.notes.add("begin " + std::string(event.topic()));
    co_await pause();
    co_await pause();
    alone.notes.add("end " + std::string(event.topic()));
  });
  for (const char* topic : {"a", "b", "c"}) (void)alone.bus.publish(topic);
  ASSERT_TRUE(alone.bus.wait_idle(kLong));
  EXPECT_EQ(alone.notes.all(), (Names{"begin a", "end a", "begin b", "end b", "begin c", "end c"}));
}

TEST(Coroutine, AsManyAsConcurrencySaysWaitAtOnce) {
  Alone alone;
  std::atomic<int> begun{0};
  const Subscription one = alone.bus.subscribe("a",
                                               [&](const Event&) -> awaitable<void> {
                                                 ++begun;
                                                 co_await alone.door.pass();
                                               },
                                               {.concurrency = 2});
  for (int i = 0; i < 3; ++i) (void)alone.bus.publish("a");
  ASSERT_TRUE(alone.door.holds(2));
  EXPECT_EQ(begun, 2);
  EXPECT_TRUE(alone.door.let_one());
  EXPECT_TRUE(eventually([&] { return begun == 3; }));
  alone.door.open();
  EXPECT_TRUE(alone.bus.wait_idle(kLong));
}

TEST(Coroutine, AHundredWaitWithoutAThread) {
  Alone alone;
  std::vector<Subscription> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(alone.bus.subscribe(
        "a", [&](const Event&) -> awaitable<void> { co_await alone.door.pass(); }));
  }
  (void)alone.bus.publish("a");
  ASSERT_TRUE(alone.door.holds(100));
  std::atomic<bool> called{false};
  const Subscription plain =
      alone.bus.subscribe("b", [&](const Event&) { called = true; }, {.mode = Mode::async});
  (void)alone.bus.publish("b");
  EXPECT_TRUE(eventually([&] { return called.load(); })) << "the only thread is free";
  EXPECT_EQ(alone.bus.stats().in_flight, 100U);
  alone.door.open();
  EXPECT_TRUE(alone.bus.wait_idle(kLong));
  EXPECT_EQ(alone.bus.stats().delivered, 101U);
}

TEST(Coroutine, RunsOnACallersContextAndItsTimersToo) {
  boost::asio::io_context context;
  Bus bus(quiet({.executor = asio_executor(context.get_executor())}));
  std::vector<std::thread::id> ran_on;
  bool same_context = false;
  const Subscription one = bus.subscribe("a", [&](const Event&) -> awaitable<void> {
    ran_on.push_back(std::this_thread::get_id());
    const auto executor = co_await this_coro::executor;
    same_context = &boost::asio::query(executor, boost::asio::execution::context) == &context;
    co_await pause();
    ran_on.push_back(std::this_thread::get_id());
  });
  (void)bus.publish("a");
  EXPECT_TRUE(ran_on.empty());
  context.run();
  EXPECT_EQ(ran_on, std::vector<std::thread::id>(2, std::this_thread::get_id()));
  EXPECT_TRUE(same_context);
  EXPECT_TRUE(bus.idle());
}

TEST(Coroutine, IsPumpedWithAManualExecutor) {
  Pumped pumped;
  Door door;
  int at = 0;
  const Subscription one = pumped.bus.subscribe("a", [&](const Event&) -> awaitable<void> {
    at = 1;
    co_await door.pass();
    at = 2;
  });
  (void)pumped.bus.publish("a");
  EXPECT_EQ(at, 0);
  (void)pumped.bus.poll();
  EXPECT_EQ(at, 1);
  EXPECT_FALSE(pumped.bus.idle());
  door.open();
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(at, 1) << "nobody pumped";
    return pumped.executor->pending() == 1;
  }));
  EXPECT_TRUE(eventually([&] {
    (void)pumped.bus.poll();
    return at == 2;
  }));
  EXPECT_TRUE(pumped.bus.idle());
}

// -- Outcomes -------------------------------------------------------------------------------------

TEST(Coroutine, AnExceptionIsAFailedDelivery) {
  Alone alone;
  const Subscription one = alone.bus.subscribe(
      "a",
      [](const Event&) -> awaitable<void> {
        co_await pause();
        throw std::runtime_error("broken");
      },
      tried_once());
  const Receipt receipt = alone.bus.publish_async("a");
  ASSERT_TRUE(receipt.wait_for(kLong));
  ASSERT_EQ(receipt.outcomes().size(), 1U);
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::dead_lettered);
  const DeadLetter letter = alone.bus.dead_letters().list().front();
  EXPECT_EQ(letter.last().reason, "broken");
  EXPECT_EQ(letter.last().code, ErrorCode::handler_failed);
  EXPECT_TRUE(adds_up(info_of(alone.bus, one.id()).counters));
}

TEST(Coroutine, APayloadThatCannotBeReadIsAFailedDelivery) {
  Alone alone;
  const Subscription one = alone.bus.subscribe<Point>(
      "a", [](const Point&) -> awaitable<void> { co_return; }, tried_once());
  (void)alone.bus.publish("a", Note{});
  ASSERT_TRUE(alone.bus.wait_idle(kLong));
  ASSERT_EQ(alone.bus.dead_letters().size(), 1U);
  EXPECT_EQ(alone.bus.dead_letters().list().front().last().code, ErrorCode::payload_type);
}

TEST(Coroutine, AnOutcomeIsItsResult) {
  Still still;
  std::vector<unsigned> attempts;
  const Subscription one =
      still.bus.subscribe("a",
                          [&](const Event&, Context& context) -> awaitable<Outcome> {
                            attempts.push_back(context.attempt());
                            if (context.attempt() < 3) co_return Outcome::retry(seconds(1));
                            co_return Outcome::dead_letter("enough");
                          },
                          {.retry = RetryPolicy{.max_retries = 5, .jitter = 0}});
  (void)still.bus.publish("a");
  (void)still.bus.poll();
  EXPECT_EQ(attempts, std::vector<unsigned>{1});
  still.pass(seconds(3));
  EXPECT_EQ(attempts, (std::vector<unsigned>{1, 2, 3}));
  ASSERT_EQ(still.bus.dead_letters().size(), 1U);
  EXPECT_EQ(still.bus.dead_letters().list().front().last().reason, "enough");
  EXPECT_EQ(still.bus.dead_letters().list().front().last().attempts, 3U);
}

TEST(Coroutine, AStrictRetryHoldsBackTheEventsBehindIt) {
  Alone alone;
  std::atomic<bool> failed{false};
  const Subscription one =
      alone.bus.subscribe("*",
                          [&](const Event& event) -> awaitable<Outcome> {
                            co_await pause();
                            if (event.topic() == "a" && !failed.exchange(true)) {
                              co_return Outcome::retry(milliseconds(1));
                            }
                            alone.notes.add(event.topic());
                            co_return Outcome::done();
                          },
                          {.retry = RetryPolicy{.max_retries = 2, .order = RetryOrder::strict}});
  for (const char* topic : {"a", "b", "c"}) (void)alone.bus.publish(topic);
  ASSERT_TRUE(alone.bus.wait_idle(kLong));
  EXPECT_EQ(alone.notes.all(), (Names{"a", "b", "c"}));
}

TEST(Coroutine, IsToldInReceiptsAndInTheStatusOfEvents) {
  Alone alone({.status_events = 10});
  const Subscription one = alone.bus.subscribe(
      "a", [&](const Event&) -> awaitable<void> { co_await alone.door.pass(); });
  const Receipt receipt = alone.bus.publish_async("a");
  ASSERT_TRUE(alone.door.holds(1));
  EXPECT_EQ(receipt.status(), EventStatus::processing);
  EXPECT_FALSE(receipt.wait_for(std::chrono::nanoseconds(0)));
  alone.door.open();
  ASSERT_TRUE(receipt.wait_for(kLong));
  ASSERT_EQ(receipt.outcomes().size(), 1U);
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::delivered);
  EXPECT_EQ(alone.bus.event_status(receipt.id())->status, EventStatus::completed);
}

TEST(Coroutine, OnceIsOnce) {
  Alone alone;
  std::atomic<int> calls{0};
  const Subscription one = alone.bus.subscribe("a",
                                               [&](const Event&) -> awaitable<void> {
                                                 co_await pause();
                                                 ++calls;
                                               },
                                               {.once = true});
  for (int i = 0; i < 3; ++i) (void)alone.bus.publish("a");
  ASSERT_TRUE(alone.bus.wait_idle(kLong));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(alone.bus.subscriptions().empty());
}

TEST(Coroutine, ABreakerCountsItsFailures) {
  Alone alone;
  std::atomic<int> calls{0};
  const Subscription one = alone.bus.subscribe(
      "a",
      [&](const Event&) -> awaitable<void> {
        ++calls;
        co_await pause();
        throw std::runtime_error("broken");
      },
      {.retry = RetryPolicy{.max_retries = 0}, .breaker = BreakerPolicy{.failures = 2}});
  for (int i = 0; i < 5; ++i) (void)alone.bus.publish("a");
  ASSERT_TRUE(alone.bus.wait_idle(kLong));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(info_of(alone.bus, one.id()).breaker, BreakerState::open);
}

// -- Causes ---------------------------------------------------------------------------------------

TEST(Coroutine, WhatItPublishesAfterASuspensionIsCausedByItsEvent) {
  Alone alone({.trace = true});
  std::optional<Event> child;
  const Subscription relay = alone.bus.subscribe("a", [&](const Event&) -> awaitable<void> {
    co_await pause();
    co_await boost::asio::post(use_awaitable);
    (void)alone.bus.publish("b");
  });
  const Subscription end = alone.bus.subscribe("b", [&](const Event& event) { child = event; });
  std::optional<Event> parent;
  const Subscription first = alone.bus.subscribe("a", [&](const Event& event) { parent = event; });
  const PublishResult result = alone.bus.publish("a");
  ASSERT_TRUE(alone.bus.wait_idle(kLong));
  ASSERT_TRUE(child && parent);
  EXPECT_EQ(child->causation_id(), result.id);
  EXPECT_EQ(child->hops(), 1);
  ASSERT_FALSE(parent->traceparent().empty());
  EXPECT_EQ(child->traceparent().substr(0, 35), parent->traceparent().substr(0, 35));
}

TEST(Coroutine, AChainThroughSuspensionsEndsAtTheHopLimit) {
  Alone alone({.max_hops = 5});
  std::atomic<int> calls{0};
  const Subscription loop = alone.bus.subscribe("a", [&](const Event&) -> awaitable<void> {
    ++calls;
    co_await pause();
    (void)alone.bus.publish("a");
  });
  (void)alone.bus.publish("a");
  ASSERT_TRUE(alone.bus.wait_idle(kLong));
  EXPECT_EQ(calls, 6);
}

TEST(Coroutine, AnotherThreadIsNotInsideItWhileItIsSuspended) {
  Alone alone;
  const Subscription one = alone.bus.subscribe(
      "a", [&](const Event&) -> awaitable<void> { co_await alone.door.pass(); });
  std::optional<Event> next;
  const Subscription two =
      alone.bus.subscribe("b", [&](const Event& event) { next = event; }, {.mode = Mode::async});
  (void)alone.bus.publish("a");
  ASSERT_TRUE(alone.door.holds(1));
  const Receipt receipt = alone.bus.publish_async("b");
  ASSERT_TRUE(receipt.wait_for(kLong));
  EXPECT_EQ(next->hops(), 0);
  alone.door.open();
}

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
  }
  EXPECT_EQ(info_of(alone.bus, deaf.id()).abandoned, 5U);
  EXPECT_EQ(alone.bus.stats().abandoned, 0U);
  door.open();
  EXPECT_TRUE(eventually([&] { return info_of(alone.bus, deaf.id()).abandoned == 0; }));
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
