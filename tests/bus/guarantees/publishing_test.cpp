// The forms of a publish, who waits for what, and what a bus tells when it looks back or stops.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "../bus_fixture.hpp"
#include "../still_bus.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// -- Forms ----------------------------------------------------------------------------------------

TEST(Publishing, TheThreeFormsCarryATypeJsonAndBytes) {
  Bus bus;
  std::vector<Event> seen;
  const Subscription all = bus.subscribe("*", [&](const Event& event) { seen.push_back(event); });
  const PublishOptions options{
      .source = "shop", .priority = Priority::high, .key = "k", .metadata = {{"till", 7}}};
  EXPECT_TRUE(bus.publish(Event("a", bytes("\x01\x02"))).ok());
  EXPECT_TRUE(bus.publish("a", Point{1, 2}, options).ok());
  EXPECT_TRUE(bus.publish("a", Json{{"n", 1}}, options).ok());
  EXPECT_TRUE(bus.publish("a", bytes("\x03"), options).ok());
  EXPECT_TRUE(bus.publish(Point{3, 4}, options).ok());
  ASSERT_EQ(seen.size(), 5U);
  EXPECT_EQ(seen[0].bytes().size(), 2U);
  EXPECT_EQ(seen[1].as<Point>().y, 2);
  EXPECT_EQ(seen[2].json(), (Json{{"n", 1}}));
  EXPECT_EQ(seen[3].bytes().size(), 1U);
  EXPECT_EQ(seen[4].topic(), "point.moved");
  EXPECT_EQ(seen[4].as<Point>().x, 3);
  for (std::size_t i = 1; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].source(), "shop") << i;
    EXPECT_EQ(seen[i].priority(), Priority::high) << i;
    EXPECT_EQ(seen[i].key(), "k") << i;
    ASSERT_NE(seen[i].metadata().find("till"), nullptr) << i;
    EXPECT_EQ(*seen[i].metadata().find("till"), Json(7)) << i;
  }
}

TEST(Publishing, TheResultCountsWhatMatchedWasDeliveredQueuedAndFailed) {
  Pumped pumped;
  const Subscription well = pumped.bus.subscribe("a", [](const Event&) {});
  const Subscription fails =
      pumped.bus.subscribe("*", [](const Event&) { return Outcome::fail("no stock"); });
  const Subscription later = pumped.bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  const Subscription other = pumped.bus.subscribe("b", [](const Event&) {});
  const PublishResult result = pumped.bus.publish("a");
  EXPECT_EQ(result.id, pumped.bus.history().front().id());
  EXPECT_EQ(result.matched, 3U);
  EXPECT_EQ(result.delivered, 1U);
  EXPECT_EQ(result.queued, 1U);
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures[0].subscription, fails.id());
  EXPECT_EQ(result.failures[0].reason, "no stock");
}

// -- publish_async --------------------------------------------------------------------------------

TEST(Publishing, AsynchronousSubscriptionsSeeBothKindsOfPublishInTheOrderOfTheCalls) {
  Bus bus(quiet({.queue_capacity = 10'000}));
  std::vector<int> seen;
  const Subscription one = bus.subscribe("a", [&](const Point& point) { seen.push_back(point.x); },
                                         {.mode = Mode::async});
  for (int i = 0; i < 1000; ++i) {
    if (i % 3 == 0) {
      (void)bus.publish_async("a", Point{i, 0});
    } else {
      (void)bus.publish("a", Point{i, 0});
    }
  }
  ASSERT_TRUE(bus.wait_idle(kLong));
  ASSERT_EQ(seen.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(Publishing, WaitingForAReceiptIsWaitingForAllDeliveriesAndTheirRetries) {
  Bus bus(quiet());
  std::atomic<int> sync{0};
  std::atomic<int> async{0};
  const Subscription here = bus.subscribe("a", [&](const Event&) { ++sync; });
  const Subscription there = bus.subscribe(
      "a",
      [&](const Event&) {
        if (++async < 3) throw 42;
      },
      {.mode = Mode::async,
       .retry = RetryPolicy{.max_retries = 5, .initial_delay = std::chrono::microseconds(1)}});
  const Receipt receipt = bus.publish_async("a");
  ASSERT_TRUE(receipt.wait_for(kLong));
  EXPECT_EQ(sync, 1);
  EXPECT_EQ(async, 3);
  EXPECT_EQ(receipt.outcomes().size(), 2U);
  EXPECT_EQ(receipt.status(), EventStatus::completed);
}

TEST(Publishing, AReceiptIsWaitedForByStageUntilADeadline) {
  Pumped pumped;
  Subscription paused = pumped.bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  paused.pause();
  const Receipt receipt = pumped.bus.publish_async("a");
  const auto soon = std::chrono::steady_clock::now() + milliseconds(1);
  EXPECT_TRUE(receipt.wait_for(Receipt::Stage::stored, soon)) << "it is in memory";
  EXPECT_FALSE(receipt.wait_for(Receipt::Stage::settled, soon));
  paused.resume();
  EXPECT_TRUE(receipt.wait_for(Receipt::Stage::settled, std::chrono::steady_clock::now() + kLong));
}

// -- Looking back ---------------------------------------------------------------------------------

TEST(Publishing, TheHistoryCopiesSmallPayloadsAndSharesOthers) {
  Bus bus;
  {
    const Note note{std::string(100, 'x'), {1, 2, 3}};
    bus.publish(note);
    bus.publish(Point{1, 2});
  }
  const std::vector<Event> once = bus.history();
  const std::vector<Event> again = bus.history();
  EXPECT_EQ(&once.at(1).as<Note>(), &again.at(1).as<Note>());
  EXPECT_NE(&once.at(0).as<Point>(), &again.at(0).as<Point>());
  EXPECT_EQ(again.at(0).as<Point>().y, 2);
}

TEST(Publishing, HandlerTimesAreAtLeastWhatTheHandlerTook) {
  Bus bus(quiet());
  const auto takes = std::chrono::microseconds(200);
  const auto spins = [&](const Event&) {
    const auto until = std::chrono::steady_clock::now() + takes;
    while (std::chrono::steady_clock::now() < until) {
    }
  };
  const Subscription slow = bus.subscribe("a", spins);
  const Subscription later = bus.subscribe("a", spins, {.mode = Mode::async});
  const Subscription never = bus.subscribe("b", spins);
  bus.publish("a");
  ASSERT_TRUE(bus.wait_idle(kLong));
  for (const Subscription* one : {&slow, &later}) {
    const LatencyQuantiles latency = info_of(bus, one->id()).latency;
    EXPECT_EQ(latency.samples, 1U);
    EXPECT_GE(latency.p50_ns, 190'000U);  // the clocks may differ by what a rate errs
    EXPECT_GE(latency.p99_ns, latency.p50_ns);
    EXPECT_GE(latency.max_ns, latency.p99_ns);
  }
  EXPECT_EQ(info_of(bus, never.id()).latency.samples, 0U);
}

TEST(Publishing, WarningsAndErrorsGoToStandardErrorUnlessToldOtherwise) {
  ::testing::internal::CaptureStderr();
  {
    const auto executor = std::make_shared<ManualExecutor>();
    Bus bus({.executor = executor});
    const Subscription fails = bus.subscribe(
        "a", [](const Event&) { throw std::runtime_error("disk\nfull"); },
        {.name = "writer", .mode = Mode::async, .retry = RetryPolicy{.max_retries = 0}});
    bus.publish("a");
    bus.poll();
    bus.options().log(LogLevel::error, "an error", {});
    bus.options().log(LogLevel::info, "a remark", {});
    bus.options().log(LogLevel::debug, "a detail", {});
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(mentions(text, "busway: warning: "));
  EXPECT_TRUE(mentions(text, "subscription=\"writer\""));
  EXPECT_FALSE(mentions(text, "disk\nfull")) << "text from outside is escaped";
  EXPECT_TRUE(mentions(text, "full\""));
  EXPECT_TRUE(mentions(text, "busway: error: an error"));
  EXPECT_FALSE(mentions(text, "a remark"));
  EXPECT_FALSE(mentions(text, "a detail"));
}

// -- Requests -------------------------------------------------------------------------------------

TEST(Publishing, ARequestThatAllFiltersRejectHasNoResponder) {
  Bus bus;
  const Subscription choosy =
      bus.subscribe("ask", [](const Event&, Context& context) { context.reply(Json(1)); },
                    {.filter = [](const Event&) { return false; }});
  EXPECT_EQ(bus.request("ask", Payload{}, kLong).code(), ErrorCode::no_responder);
}

// -- Stopping -------------------------------------------------------------------------------------

TEST(Publishing, WhatAHandlerPublishesAfterTheDeadlineOfAStopIsRefused) {
  Bus bus(quiet());
  Gate entered;
  Gate may_end;
  std::atomic<ErrorCode> inner{ErrorCode::internal};
  const Subscription slow = bus.subscribe("a", [&](const Event&) {
    entered.open();
    may_end.wait();
    inner = bus.publish("b").code;
  });
  std::thread publisher([&] { bus.publish("a"); });
  ASSERT_TRUE(entered.wait());
  EXPECT_EQ(bus.stop(std::chrono::nanoseconds(1)).kind, StopResult::Kind::deadline);
  may_end.open();
  publisher.join();
  EXPECT_EQ(inner, ErrorCode::stopped);
}

struct OnPool : OwnClock {
  Bus bus{quiet({.clock = clock})};
};

TEST(Publishing, AStopRunsTheRetriesThatBecomeDueBeforeItsDeadline) {
  OnPool on;
  std::atomic<int> calls{0};
  const Subscription flaky = on.bus.subscribe(
      "a",
      [&](const Event&) {
        if (++calls == 1) throw 42;
      },
      {.mode = Mode::async, .retry = RetryPolicy{.max_retries = 1, .initial_delay = seconds(5)}});
  on.bus.publish("a");
  ASSERT_TRUE(eventually([&] { return info_of(on.bus, flaky.id()).retries_waiting == 1; }));
  std::atomic<bool> over{false};
  std::thread time([&] {
    eventually([&] { return on.bus.publish("b").code == ErrorCode::stopped; });
    while (!over) {
      on.clock->advance(milliseconds(100));
      std::this_thread::yield();
    }
  });
  const StopResult result = on.bus.stop(kLong);
  over = true;
  time.join();
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(on.bus.stats().delivered, 1U);
  EXPECT_EQ(on.bus.stats().dropped, 0U);
}

}  // namespace
}  // namespace busway
