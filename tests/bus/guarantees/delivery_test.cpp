// Where and in which order handlers run, how their deliveries end, and by which clock.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../bus_fixture.hpp"
#include "../still_bus.hpp"
#include "busway/asio_executor.hpp"
#include "platform/fast_clock.hpp"

namespace busway {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ManualClock;

/// A bus with its own pool, on a clock that stands still.
struct InTime : OwnClock {
  explicit InTime(BusOptions options = {}) : bus(with_clock(std::move(options))) {}
  BusOptions with_clock(BusOptions options) {
    options.clock = clock;
    return quiet(std::move(options));
  }
  Bus bus;
};

SubscriptionOptions once_tried(SubscriptionOptions options) {
  options.mode = Mode::async;
  options.retry = RetryPolicy{.max_retries = 0};
  return options;
}

// -- Order and threads ----------------------------------------------------------------------------

TEST(Delivering, AnEventPublishedInAHandlerMayBeSeenBeforeTheOuterOne) {
  Bus bus;
  Names seen;
  const Subscription relay =
      bus.subscribe("outer", [&](const Event&) { bus.publish("inner"); }, {.priority = 1});
  const Subscription both = note_topics(bus, "*", seen);
  bus.publish("outer");
  EXPECT_EQ(seen, (Names{"inner", "outer"}));
}

TEST(Delivering, ASynchronousHandlerRunsOnSeveralPublishersThreadsAtOnce) {
  Bus bus;
  std::atomic<int> inside{0};
  std::atomic<int> met{0};
  const Subscription one = bus.subscribe("a", [&](const Event&) {
    ++inside;
    if (eventually([&] { return inside == 2; })) ++met;
  });
  std::thread other([&] { bus.publish("a"); });
  bus.publish("a");
  other.join();
  EXPECT_EQ(met, 2);
}

TEST(Delivering, AsynchronousHandlersRunOnAPoolOfTheBusUnlessToldOtherwise) {
  Bus bus(quiet());
  std::thread::id sync;
  std::thread::id async;
  const Subscription one =
      bus.subscribe("a", [&](const Event&) { sync = std::this_thread::get_id(); });
  const Subscription two = bus.subscribe(
      "a", [&](const Event&) { async = std::this_thread::get_id(); }, {.mode = Mode::async});
  bus.publish("a");
  EXPECT_EQ(sync, std::this_thread::get_id());
  ASSERT_TRUE(bus.wait_idle(kLong));
  EXPECT_NE(async, std::thread::id());
  EXPECT_NE(async, std::this_thread::get_id());
}

TEST(Delivering, AsynchronousHandlersRunOnACallersContext) {
  boost::asio::io_context context;
  Bus bus(quiet({.executor = asio_executor(context.get_executor())}));
  std::thread::id ran_on;
  const Subscription one = bus.subscribe(
      "a", [&](const Event&) { ran_on = std::this_thread::get_id(); }, {.mode = Mode::async});
  bus.publish("a");
  EXPECT_EQ(ran_on, std::thread::id());
  context.run();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
  EXPECT_TRUE(bus.idle());
}

// -- Deadlines ------------------------------------------------------------------------------------

TEST(Delivering, OnACallersContextTheDeadlineSettlesAndTheThreadComesBackWithTheHandler) {
  boost::asio::io_context context;
  auto work = boost::asio::make_work_guard(context);
  std::thread runner([&] { context.run(); });
  InTime in({.executor = asio_executor(context.get_executor())});
  Gate entered;
  Gate may_end;
  std::atomic<int> next{0};
  const Subscription slow = in.bus.subscribe(
      "slow",
      [&](const Event&) {
        entered.open();
        may_end.wait();
      },
      once_tried({.timeout = seconds(1)}));
  const Subscription other = in.bus.subscribe(
      "next", [&](const Event&) { ++next; }, once_tried({}));
  in.bus.publish("slow");
  ASSERT_TRUE(entered.wait());
  in.bus.publish("next");
  in.clock->advance(seconds(1));
  EXPECT_TRUE(eventually([&] { return in.bus.dead_letters().size() == 1; }));
  EXPECT_EQ(in.bus.dead_letters().list().at(0).last().code, ErrorCode::timed_out);
  EXPECT_EQ(info_of(in.bus, slow.id()).counters.in_flight, 0U);
  EXPECT_EQ(next, 0) << "its only thread is still with the handler and was not replaced";
  may_end.open();
  EXPECT_TRUE(eventually([&] { return next == 1; }));
  EXPECT_TRUE(eventually([&] { return info_of(in.bus, slow.id()).abandoned == 0; }));
  work.reset();
  runner.join();
}

// -- Retries --------------------------------------------------------------------------------------

TEST(Delivering, RetriesThatWaitHoldNoThread) {
  InTime in({.worker_count = 1});
  const Subscription fails = in.bus.subscribe(
      "job", [](const Event&) { throw 42; },
      {.mode = Mode::async, .retry = RetryPolicy{.max_retries = 1, .initial_delay = seconds(30)}});
  for (int i = 0; i < 100; ++i) in.bus.publish("job");
  ASSERT_TRUE(eventually([&] { return info_of(in.bus, fails.id()).retries_waiting == 100; }));
  const Subscription other = in.bus.subscribe("other", [](const Event&) {}, {.mode = Mode::async});
  EXPECT_TRUE(in.bus.publish_async("other").wait_for(kLong)) << "the only thread is free";
  EXPECT_EQ(info_of(in.bus, fails.id()).retries_waiting, 100U);
}

TEST(Delivering, NoAttemptOfAnAsynchronousDeliveryBeginsAfterItsTotal) {
  Still still;
  int calls = 0;
  const Subscription fails = still.bus.subscribe("job", [&](const Event&) { ++calls, throw 42; },
                                                 {.mode = Mode::async,
                                                  .retry = RetryPolicy{.max_retries = 50,
                                                                       .initial_delay = seconds(2),
                                                                       .backoff_factor = 1.0,
                                                                       .total = seconds(5)}});
  still.bus.publish("job");
  still.pass(seconds(60));
  EXPECT_EQ(calls, 3) << "at 0, 2 and 4 seconds";
  ASSERT_EQ(still.bus.dead_letters().size(), 1U);
  EXPECT_TRUE(mentions(still.bus.dead_letters().list().at(0).last().reason, "total"));
}

TEST(Delivering, NoAttemptOfASynchronousDeliveryBeginsAfterItsTotal) {
  InTime in;
  std::atomic<int> calls{0};
  const Subscription fails = in.bus.subscribe("job", [&](const Event&) { ++calls, throw 42; },
                                              {.retry = RetryPolicy{.max_retries = 50,
                                                                    .initial_delay = seconds(2),
                                                                    .backoff_factor = 1.0,
                                                                    .total = seconds(5)}});
  std::future<PublishResult> published =
      std::async(std::launch::async, [&] { return in.bus.publish("job"); });
  EXPECT_TRUE(eventually([&] { return calls == 1; }));
  // The publisher has time to wake between two steps; one that does not has fewer attempts.
  while (published.wait_for(milliseconds(5)) != std::future_status::ready) {
    in.clock->advance(milliseconds(100));
  }
  const PublishResult result = published.get();
  EXPECT_LE(calls, 3) << "at 0, 2 and 4 s";
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_TRUE(mentions(result.failures.at(0).reason, "total"));
}

// -- Outcomes -------------------------------------------------------------------------------------

TEST(Delivering, MatchedIsTheSumOfTheFiveOutcomesAndWhatIsInFlight) {
  Still still;
  Bus& bus = still.bus;
  std::vector<Subscription> kept;
  kept.push_back(bus.subscribe("a", [](const Event&) {}));
  kept.push_back(bus.subscribe("a", [](const Event&) { throw 42; }));
  kept.push_back(bus.subscribe("a", [&](const Event&) { still.clock->advance(seconds(1)); },
                               {.timeout = seconds(1)}));
  kept.push_back(bus.subscribe("a", [](const Event&) { return Outcome::dead_letter("no"); },
                               {.mode = Mode::async}));
  kept.push_back(bus.subscribe(
      "a", [](const Event&) { throw 42; },
      {.mode = Mode::async, .retry = RetryPolicy{.max_retries = 2, .initial_delay = seconds(30)}}));
  kept.push_back(bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async}));
  bus.publish("a");
  bus.poll();
  kept.back().pause();
  bus.publish("b");
  kept.push_back(bus.subscribe("b", [](const Event&) {}, {.mode = Mode::async}));
  bus.publish("b");
  kept.back().reset();
  Stats stats = bus.stats();
  EXPECT_TRUE(adds_up(stats));
  EXPECT_EQ(stats.matched, 7U);
  EXPECT_EQ(stats.delivered, 2U);
  EXPECT_EQ(stats.failed, 1U);
  EXPECT_EQ(stats.timed_out, 1U);
  EXPECT_EQ(stats.dead_lettered, 1U);
  EXPECT_EQ(stats.dropped, 1U);
  EXPECT_EQ(stats.in_flight, 1U) << "the one that waits for its retry";
  for (int i = 0; i < 2; ++i) {
    still.clock->advance(hours(1));
    bus.poll();
  }
  stats = bus.stats();
  EXPECT_TRUE(adds_up(stats));
  EXPECT_EQ(stats.matched, 7U) << "an attempt is no delivery of its own";
  EXPECT_EQ(stats.retried, 2U);
  EXPECT_EQ(stats.dead_lettered, 2U);
  EXPECT_EQ(stats.in_flight, 0U);
}

TEST(Delivering, ASynchronousHandlerThatGivesUpFailsAndLeavesNoLetter) {
  Bus bus;
  const Subscription gives_up =
      bus.subscribe("a", [](const Event&) { return Outcome::dead_letter("poison"); });
  const PublishResult result = bus.publish("a");
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.at(0).reason, "poison");
  EXPECT_EQ(bus.stats().failed, 1U);
  EXPECT_EQ(bus.dead_letters().size(), 0U);
}

TEST(Delivering, BlockGivesUpWhenItsTimeIsOverAndActsAsReject) {
  Bus bus(quiet());
  Subscription full = bus.subscribe("a", [](const Event&) {},
                                    {.name = "full",
                                     .mode = Mode::async,
                                     .queue_capacity = 1,
                                     .overflow = Overflow::block,
                                     .block_timeout = milliseconds(1)});
  full.pause();
  EXPECT_TRUE(bus.publish("a").ok());
  const PublishResult result = bus.publish("a");
  EXPECT_EQ(result.dropped, 1U);
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.at(0).code, ErrorCode::queue_full);
  EXPECT_EQ(result.failures.at(0).name, "full");
  EXPECT_TRUE(adds_up(bus.stats()));
}

// -- Clocks ---------------------------------------------------------------------------------------

TEST(Delivering, DeadlinesAndRetriesFollowSteadyTimeAndStampsTheWallClock) {
  InTime in;
  Gate may_end;
  std::atomic<int> calls{0};
  const Subscription slow = in.bus.subscribe(
      "slow",
      [&](const Event&) {
        ++calls;
        may_end.wait();
      },
      once_tried({.timeout = seconds(10)}));
  const Subscription flaky = in.bus.subscribe(
      "flaky", [](const Event&) { throw 42; },
      {.mode = Mode::async, .retry = RetryPolicy{.max_retries = 1, .initial_delay = seconds(10)}});
  const Receipt hangs = in.bus.publish_async("slow");
  const Receipt waits = in.bus.publish_async("flaky");
  ASSERT_TRUE(eventually([&] { return calls == 1; }));
  ASSERT_TRUE(eventually([&] { return info_of(in.bus, flaky.id()).retries_waiting == 1; }));
  in.clock->set_wall(ManualClock::kStart + hours(24));
  EXPECT_TRUE(in.bus.publish("stamp").ok());
  EXPECT_EQ(in.bus.history("stamp").at(0).time(), ManualClock::kStart + hours(24));
  EXPECT_EQ(info_of(in.bus, flaky.id()).retries_waiting, 1U);
  EXPECT_EQ(hangs.status(), EventStatus::processing);
  in.clock->set_wall(ManualClock::kStart - hours(24));
  in.clock->advance(seconds(10));
  EXPECT_TRUE(hangs.wait_for(kLong));
  EXPECT_TRUE(waits.wait_for(kLong));
  may_end.open();
  EXPECT_TRUE(eventually([&] { return in.bus.stats().abandoned == 0; }));
}

std::string text_of(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Delivering, TheClockReadsTheCounterOnlyWhereItIsInvariantAndTheKernelsSource) {
  (void)Clock::system()->steady();
  if (std::getenv("BUSWAY_CLOCK") != nullptr) return;  // somebody has decided it
  if (!platform_detail::tsc_in_use()) return;          // the kernel is asked each time
  EXPECT_EQ(text_of("/sys/devices/system/clocksource/clocksource0/current_clocksource"), "tsc\n");
  EXPECT_TRUE(mentions(text_of("/proc/cpuinfo"), "nonstop_tsc"));
}

}  // namespace
}  // namespace busway
