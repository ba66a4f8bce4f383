// Handlers that would wait for each other: none stands still, and nothing is lost.
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bus_fixture.hpp"
#include "busway/manual_executor.hpp"

namespace busway {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

/// A minute is longer than any of these takes, and much shorter than the waits they must not make.
constexpr auto kGuard = minutes(1);

SubscriptionOptions blocking(std::string_view name) {
  return {.name = std::string(name),
          .mode = Mode::async,
          .queue_capacity = 1,
          .overflow = Overflow::block,
          .block_timeout = hours(1),
          .timeout = std::chrono::nanoseconds::max(),
          .retry = RetryPolicy{.max_retries = 0}};
}

TEST(WaitCircle, OfTwoFullMailboxesIsNotWaitedFor) {
  Bus bus({.worker_count = 4});
  std::atomic<int> refused{0};
  std::atomic<int> inside{0};
  const auto relay = [&](std::string_view to) {
    return [&bus, &refused, &inside, to = std::string(to)](const Event& event) {
      if (event.hops() > 0) return;
      // Both handlers are at work before one publishes.
      ++inside;
      while (inside < 2) std::this_thread::yield();
      for (int i = 0; i < 10; ++i) refused += bus.publish(to).ok() ? 0 : 1;
    };
  };
  const Subscription a = bus.subscribe("a", relay("b"), blocking("a"));
  const Subscription b = bus.subscribe("b", relay("a"), blocking("b"));
  EXPECT_TRUE(bus.publish("a").ok());
  EXPECT_TRUE(bus.publish("b").ok());
  EXPECT_TRUE(bus.wait_idle(kGuard));
  const Stats stats = bus.stats();
  EXPECT_TRUE(adds_up(stats));
  EXPECT_EQ(stats.matched, 22U);
  EXPECT_EQ(stats.dropped, static_cast<std::uint64_t>(refused)) << "what found no room was said";
  EXPECT_EQ(stats.delivered, 22U - stats.dropped);
}

TEST(WaitCircle, OfOnesOwnFullMailboxIsNotWaitedFor) {
  Bus bus;
  std::atomic<int> refused{0};
  const Subscription own = bus.subscribe(
      "a",
      [&](const Event& event) {
        if (event.hops() > 0) return;
        for (int i = 0; i < 10; ++i) refused += bus.publish("a").ok() ? 0 : 1;
      },
      blocking("own"));
  (void)bus.publish("a");
  EXPECT_TRUE(bus.wait_idle(kGuard));
  EXPECT_EQ(refused, 9);
  EXPECT_TRUE(adds_up(bus.stats()));
}

TEST(WaitCircle, ThroughASynchronousHandlerWithATimeoutIsNotWaitedFor) {
  Bus bus({.worker_count = 2});
  std::atomic<int> refused{0};
  const Subscription queue = bus.subscribe(
      "queue",
      [&](const Event& event) {
        if (event.hops() == 0) {
          EXPECT_EQ(bus.publish("sync").delivered, 1U);
        }
      },
      blocking("queue"));
  const Subscription sync = bus.subscribe("sync",
                                          [&](const Event&) {
                                            for (int i = 0; i < 5; ++i)
                                              refused += bus.publish("queue").ok() ? 0 : 1;
                                          },
                                          {.timeout = hours(1)});
  (void)bus.publish("queue");
  EXPECT_TRUE(bus.wait_idle(kGuard));
  EXPECT_EQ(refused, 4) << "one found room";
}

TEST(WaitCircle, ARequestThatOnlyItsOwnHandlerCouldAnswerIsToldSo) {
  Bus bus;
  ErrorCode code = ErrorCode::ok;
  const Subscription own =
      bus.subscribe("ask",
                    [&](const Event& event, Context& context) {
                      if (event.hops() == 0) {
                        code = bus.request("ask", Json(), hours(1)).code();
                      } else {
                        context.reply(Json("late"));
                      }
                    },
                    {.mode = Mode::async, .timeout = std::chrono::nanoseconds::max()});
  (void)bus.publish("ask");
  EXPECT_TRUE(bus.wait_idle(kGuard));
  EXPECT_EQ(code, ErrorCode::would_block);
  EXPECT_EQ(bus.stats().delivered, 2U) << "the request was handled all the same";
}

TEST(WaitCircle, TwoHandlersThatAskEachOtherDoNotBothWait) {
  Bus bus({.worker_count = 4});
  std::atomic<int> inside{0};
  std::atomic<int> told{0};
  std::atomic<int> answered{0};
  const auto asks = [&](std::string_view whom) {
    return [&, whom = std::string(whom)](const Event& event, Context& context) {
      if (event.hops() > 0) {
        context.reply(Json("yes"));
        return;
      }
      ++inside;
      while (inside < 2) std::this_thread::yield();
      const RequestResult result = bus.request(whom, Json(), hours(1));
      told += result.code() == ErrorCode::would_block ? 1 : 0;
      answered += result.code() == ErrorCode::ok ? 1 : 0;
    };
  };
  const SubscriptionOptions options{.mode = Mode::async,
                                    .timeout = std::chrono::nanoseconds::max()};
  const Subscription a = bus.subscribe("a", asks("b"), options);
  const Subscription b = bus.subscribe("b", asks("a"), options);
  (void)bus.publish("a");
  (void)bus.publish("b");
  EXPECT_TRUE(bus.wait_idle(kGuard));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(answered, 1) << "the other one had its answer once the first went on";
}

TEST(WaitCircle, ARequestWithAnotherPossibleReplierIsWaitedFor) {
  Bus bus({.worker_count = 4});
  ErrorCode code = ErrorCode::internal;
  const SubscriptionOptions options{.mode = Mode::async,
                                    .timeout = std::chrono::nanoseconds::max()};
  const Subscription own = bus.subscribe(
      "ask",
      [&](const Event& event) {
        if (event.hops() == 0) code = bus.request("ask", Json(), hours(1)).code();
      },
      options);
  const Subscription other = bus.subscribe(
      "ask",
      [&](const Event& event, Context& context) {
        if (event.hops() > 0) context.reply(Json("here"));
      },
      options);
  (void)bus.publish("ask");
  EXPECT_TRUE(bus.wait_idle(kGuard));
  EXPECT_EQ(code, ErrorCode::ok);
}

TEST(WaitCircle, AReceiptOfWhatWaitsBehindThisHandlerIsNotWaitedFor) {
  Bus bus({.worker_count = 4});
  std::atomic<bool> settled{true};
  const Subscription own =
      bus.subscribe("a",
                    [&](const Event& event) {
                      if (event.hops() == 0)
                        settled = bus.publish_async(Event("a")).wait_for(hours(1));
                    },
                    {.mode = Mode::async, .timeout = std::chrono::nanoseconds::max()});
  (void)bus.publish("a");
  EXPECT_TRUE(bus.wait_idle(kGuard));
  EXPECT_FALSE(settled);
  EXPECT_EQ(bus.stats().delivered, 2U);
}

TEST(WaitCircle, AReceiptOfSomethingElseIsWaitedFor) {
  Bus bus({.worker_count = 4});
  std::atomic<bool> settled{false};
  const Subscription other = bus.subscribe("b", [](const Event&) {}, {.mode = Mode::async});
  const Subscription sync = bus.subscribe("b", [](const Event&) {});
  const Subscription own = bus.subscribe(
      "a", [&](const Event&) { settled = bus.publish_async(Event("b")).wait_for(kGuard); },
      {.mode = Mode::async, .timeout = std::chrono::nanoseconds::max()});
  (void)bus.publish("a");
  EXPECT_TRUE(bus.wait_idle(kGuard));
  EXPECT_TRUE(settled);
}

TEST(WaitCircle, AReceiptOfWhatIsQueuedBehindThisSynchronousPartIsNotWaitedFor) {
  Bus bus({.worker_count = 4});
  std::atomic<bool> settled{true};
  std::atomic<int> heard{0};
  const Subscription b = bus.subscribe("b", [&](const Event&) { ++heard; });
  const Subscription a = bus.subscribe(
      "a", [&](const Event&) { settled = bus.publish_async(Event("b")).wait_for(hours(1)); });
  EXPECT_TRUE(bus.publish_async(Event("a")).wait_for(kGuard));
  EXPECT_TRUE(bus.wait_idle(kGuard));
  EXPECT_FALSE(settled);
  EXPECT_EQ(heard, 1);
}

TEST(WaitCircle, OnAnExecutorOfItsOwnThatThisThreadPumpsARequestPumpsIt) {
  Bus bus;
  const auto executor = std::make_shared<ManualExecutor>();
  const Subscription replies =
      bus.subscribe("ask", [](const Event&, Context& context) { context.reply(Json("here")); },
                    {.mode = Mode::async, .executor = executor});
  EXPECT_EQ(bus.request("ask", Json(), hours(1)).code(), ErrorCode::ok);
  const Subscription silent =
      bus.subscribe("silence", [](const Event&) {}, {.mode = Mode::async, .executor = executor});
  EXPECT_EQ(bus.request("silence", Json(), hours(1)).code(), ErrorCode::would_block);
}

/// Rings of handlers on full mailboxes, again and again.
TEST(WaitCircleStress, RingsOfBlockingHandlersAlwaysComeToAnEnd) {
  for (int round = 0; round < 20; ++round) {
    constexpr int kRing = 4;
    Bus bus({.worker_count = 3});
    std::vector<Subscription> ring;
    for (int i = 0; i < kRing; ++i) {
      ring.push_back(bus.subscribe(
          "r" + std::to_string(i),
          [&bus, i](const Event& event) {
            if (event.hops() < 3) {
              for (int k = 0; k < 3; ++k) {
                (void)bus.publish("r" + std::to_string((i + 1) % kRing));
              }
            }
          },
          blocking("r" + std::to_string(i))));
    }
    std::vector<std::thread> publishers;
    for (int t = 0; t < 2; ++t) {
      publishers.emplace_back([&bus, t] {
        for (int i = 0; i < 20; ++i) (void)bus.publish("r" + std::to_string((t + i) % kRing));
      });
    }
    for (std::thread& one : publishers) one.join();
    ASSERT_TRUE(bus.wait_idle(kGuard));
    EXPECT_TRUE(adds_up(bus.stats()));
    EXPECT_EQ(bus.stats().in_flight, 0U);
  }
}

}  // namespace
}  // namespace busway
