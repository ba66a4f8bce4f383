// Handlers that are coroutines: they hold no thread while they wait.
#include "busway/coroutine.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <stdexcept>
#include <thread>

#include "busway/middleware.hpp"
#include "coroutine_fixture.hpp"

namespace busway {
namespace {

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

}  // namespace
}  // namespace busway
