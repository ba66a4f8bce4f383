// A synchronous handler without a timeout that does not return is reported, and asked to stop.
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bus_fixture.hpp"
#include "busway/events/system_event_data.hpp"
#include "busway/testing/manual_clock.hpp"
#include "busway/topics.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::seconds;

/// Tells when a publisher waits for time to pass.
class WaitedForClock final : public Clock {
 public:
  explicit WaitedForClock(std::shared_ptr<Clock> clock) : clock_(std::move(clock)) {}
  [[nodiscard]] WallTime wall() const noexcept override { return clock_->wall(); }
  [[nodiscard]] SteadyTime steady() const noexcept override { return clock_->steady(); }
  [[nodiscard]] bool is_manual() const noexcept override { return true; }
  [[nodiscard]] Watch watch(std::function<void()> moved) override {
    Watch watch = clock_->watch(std::move(moved));
    if (std::this_thread::get_id() == publisher.load()) waits = true;
    return watch;
  }
  std::atomic<std::thread::id> publisher{};
  std::atomic<bool> waits{false};

 private:
  const std::shared_ptr<Clock> clock_;
};

struct Watched : OwnClock {
  Watched()
      : bus({.stuck_after = seconds(4),
             .log =
                 [this](LogLevel, std::string_view message, std::span<const LogField> fields) {
                   const std::lock_guard lock(mutex);
                   std::string line(message);
                   for (const LogField& field : fields) {
                     line.append(" ").append(field.name).append("=").append(field.value);
                   }
                   lines.push_back(std::move(line));
                 },
             .clock = waited_for}) {}
  std::string stuck_line() {
    const std::lock_guard lock(mutex);
    for (const std::string& line : lines) {
      if (line.find("does not return") != std::string::npos) return line;
    }
    return {};
  }
  /// Time passes until it holds.
  template <class F>
  bool passes_until(const F& holds) {
    return eventually([&] {
      clock->advance(std::chrono::milliseconds(500));
      return holds();
    });
  }
  /// In a handler: what this thread waits for next is the time of the next attempt.
  void will_wait() { waited_for->publisher = std::this_thread::get_id(); }
  bool publisher_waits() {
    return eventually([&] { return waited_for->waits.load(); });
  }
  std::shared_ptr<WaitedForClock> waited_for = std::make_shared<WaitedForClock>(clock);
  std::mutex mutex;
  std::vector<std::string> lines;
  Bus bus;
};

TEST(Watchdog, NamesAStuckSynchronousHandlerAndAsksItToStop) {
  Watched watched;
  std::mutex mutex;
  std::string error;
  const Subscription alarm =
      watched.bus.subscribe(topics::kSystemError,
                            [&](const Event& event) {
                              const std::lock_guard lock(mutex);
                              error = event.json().at("error").get<std::string>();
                            },
                            {.mode = Mode::async});
  const Subscription stuck = watched.bus.subscribe("job",
                                                   [](const Event&, Context& context) {
                                                     while (!context.stop_token().stop_requested())
                                                       std::this_thread::yield();
                                                   },
                                                   {.name = "sleeper", .owner = "hotel"});
  std::thread publisher([&] { (void)watched.bus.publish("job"); });
  EXPECT_TRUE(watched.passes_until([&] { return watched.bus.stats().stuck == 1; }));
  publisher.join();  // the stop token let it go
  const std::string line = watched.stuck_line();
  EXPECT_TRUE(mentions(line, "subscription=sleeper"));
  EXPECT_TRUE(mentions(line, "owner=hotel"));
  EXPECT_TRUE(mentions(line, "topic=job"));
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return !error.empty();
  }));
  EXPECT_TRUE(mentions(error, "\"sleeper\""));
  EXPECT_TRUE(mentions(error, "\"job\""));
}

TEST(Watchdog, ReportsACallOnce) {
  Watched watched;
  std::atomic<bool> open{false};
  const Subscription stuck = watched.bus.subscribe("job", [&](const Event&) {
    while (!open) std::this_thread::yield();
  });
  std::thread publisher([&] { (void)watched.bus.publish("job"); });
  EXPECT_TRUE(watched.passes_until([&] { return watched.bus.stats().stuck == 1; }));
  for (int i = 0; i < 100; ++i) {
    watched.clock->advance(seconds(1));
    std::this_thread::yield();
  }
  EXPECT_EQ(watched.bus.stats().stuck, 1U);
  open = true;
  publisher.join();
}

TEST(Watchdog, LeavesAloneAHandlerThatIsOnlyCalledOften) {
  Watched watched;
  const Subscription busy = watched.bus.subscribe("job", [](const Event&) {});
  for (int i = 0; i < 2000; ++i) {
    (void)watched.bus.publish("job");
    watched.clock->advance(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(watched.bus.stats().stuck, 0U);
}

TEST(Watchdog, LeavesAloneAHandlerThatPublishAsyncKeepsBusy) {
  Watched watched;
  const Subscription busy = watched.bus.subscribe("job", [](const Event&) {});
  for (int i = 0; i < 500; ++i) {
    EXPECT_TRUE(watched.bus.publish_async(Event("job")).wait_for(std::chrono::minutes(1)));
    watched.clock->advance(std::chrono::milliseconds(200));
  }
  EXPECT_EQ(watched.bus.stats().stuck, 0U);
}

TEST(Watchdog, ATokenAskedForLateIsSignalledAlready) {
  Watched watched;
  std::atomic<bool> ask{false};
  std::atomic<bool> signalled{false};
  const Subscription stuck = watched.bus.subscribe("job", [&](const Event&, Context& context) {
    while (!ask) std::this_thread::yield();
    signalled = context.stop_token().stop_requested();
  });
  std::thread publisher([&] { (void)watched.bus.publish("job"); });
  EXPECT_TRUE(watched.passes_until([&] { return watched.bus.stats().stuck == 1; }));
  ask = true;
  publisher.join();
  EXPECT_TRUE(signalled);
}

TEST(Watchdog, TheCallAfterAReportedOneHasAFreshToken) {
  Watched watched;
  std::atomic<unsigned> calls{0};
  std::atomic<bool> open{false};
  std::atomic<bool> signalled{true};
  const Subscription stuck = watched.bus.subscribe("job", [&](const Event&, Context& context) {
    if (++calls == 1) {
      while (!open) std::this_thread::yield();
    } else {
      signalled = context.stop_token().stop_requested();
    }
  });
  std::thread publisher([&] {
    (void)watched.bus.publish("job");
    (void)watched.bus.publish("job");
  });
  EXPECT_TRUE(watched.passes_until([&] { return watched.bus.stats().stuck == 1; }));
  open = true;
  publisher.join();
  EXPECT_EQ(calls, 2U);
  EXPECT_FALSE(signalled);
}

TEST(Watchdog, NamesAStuckHandlerThatIsToBeRetriedAndTheNextAttemptHasAFreshToken) {
  Watched watched;
  std::atomic<unsigned> calls{0};
  std::atomic<bool> signalled{true};
  const Subscription stuck = watched.bus.subscribe(
      "job",
      [&](const Event&, Context& context) {
        if (++calls == 1) {
          while (!context.stop_token().stop_requested()) std::this_thread::yield();
          watched.will_wait();
          throw std::runtime_error("asked to stop");
        }
        signalled = context.stop_token().stop_requested();
      },
      {.mode = Mode::sync,
       .retry = RetryPolicy{.initial_delay = seconds(1), .total = std::chrono::hours(2)}});
  std::thread publisher([&] { EXPECT_EQ(watched.bus.publish("job").delivered, 1U); });
  EXPECT_TRUE(watched.passes_until([&] { return watched.bus.stats().stuck == 1; }));
  EXPECT_TRUE(watched.publisher_waits());
  watched.clock->advance(seconds(1));
  publisher.join();
  EXPECT_EQ(calls, 2U);
  EXPECT_FALSE(signalled);
}

TEST(Watchdog, LeavesAloneAPublisherThatWaitsForTheNextAttempt) {
  constexpr std::chrono::hours kDelay(48);
  Watched watched;
  std::atomic<unsigned> calls{0};
  const Subscription flaky = watched.bus.subscribe(
      "job",
      [&](const Event&) {
        watched.will_wait();
        if (++calls == 1) throw std::runtime_error("not yet");
      },
      {.mode = Mode::sync,
       .retry = RetryPolicy{.initial_delay = kDelay, .max_delay = kDelay, .total = 2 * kDelay}});
  std::atomic<bool> open{false};
  const Subscription stuck = watched.bus.subscribe("other",
                                                   [&](const Event&) {
                                                     while (!open) std::this_thread::yield();
                                                   },
                                                   {.name = "other one"});
  std::thread waits([&] { (void)watched.bus.publish("job"); });
  EXPECT_TRUE(watched.publisher_waits());
  std::thread hangs([&] { (void)watched.bus.publish("other"); });
  EXPECT_TRUE(watched.passes_until([&] { return watched.bus.stats().stuck != 0; }));
  EXPECT_EQ(watched.bus.stats().stuck, 1U);
  EXPECT_TRUE(mentions(watched.stuck_line(), "subscription=other one"));
  open = true;
  hangs.join();
  watched.clock->advance(kDelay);
  waits.join();
  EXPECT_EQ(calls, 2U);
}

TEST(StopToken, IsSignalledWhenTheSubscriptionEndsAndIsNotTheNextPublishs) {
  Bus bus;
  std::atomic<int> inside{0};
  std::atomic<bool> fresh{false};
  std::atomic<bool> ended{false};
  Subscription waits = bus.subscribe("job", [&](const Event&, Context& context) {
    const std::stop_token stop = context.stop_token();
    ++inside;
    while (!stop.stop_requested()) std::this_thread::yield();
    ended = true;
  });
  const Subscription other = bus.subscribe("other", [&](const Event&, Context& context) {
    fresh = !context.stop_token().stop_requested();
  });
  std::thread publisher([&] {
    (void)bus.publish("job");
    (void)bus.publish("other");
  });
  EXPECT_TRUE(eventually([&] { return inside == 1; }));
  waits.reset();
  EXPECT_TRUE(ended);
  publisher.join();
  EXPECT_TRUE(fresh);
}

TEST(StopToken, OfAnAsynchronousHandlerIsSignalledWhenTheSubscriptionEnds) {
  Bus bus;
  std::atomic<int> inside{0};
  Subscription waits = bus.subscribe("job",
                                     [&](const Event&, Context& context) {
                                       const std::stop_token stop = context.stop_token();
                                       ++inside;
                                       while (!stop.stop_requested()) std::this_thread::yield();
                                     },
                                     {.mode = Mode::async});
  (void)bus.publish("job");
  EXPECT_TRUE(eventually([&] { return inside == 1; }));
  waits.reset();
  EXPECT_EQ(inside, 1);
}

/// Published from a thread of its own, and runs until it is asked to stop.
struct WithATimeout {
  explicit WithATimeout(Bus& bus)
      : subscription(bus.subscribe("job",
                                   [this](const Event&, Context& context) {
                                     const std::stop_token stop = context.stop_token();
                                     inside = true;
                                     while (!stop.stop_requested()) std::this_thread::yield();
                                   },
                                   {.mode = Mode::sync, .timeout = std::chrono::hours(1)})),
        publisher([&bus, this] { result = bus.publish("job"); }) {
    EXPECT_TRUE(eventually([&] { return inside.load(); }));
  }
  std::atomic<bool> inside{false};
  PublishResult result;
  Subscription subscription;
  std::thread publisher;
};

TEST(StopToken, OfASynchronousHandlerWithATimeoutIsSignalledWhenTheSubscriptionEnds) {
  Bus bus;
  WithATimeout job(bus);
  job.subscription.reset();
  job.publisher.join();
  EXPECT_EQ(job.result.delivered, 1U);
}

TEST(StopToken, OfASynchronousHandlerWithATimeoutIsSignalledWhenAStopReachesItsDeadline) {
  Bus bus;
  WithATimeout job(bus);
  const StopResult result = bus.stop(std::chrono::milliseconds(1));
  EXPECT_EQ(result.left.size(), 1U);
  job.publisher.join();
  EXPECT_EQ(job.result.delivered, 1U);
}

TEST(StopToken, IsSignalledWhenAStopReachesItsDeadline) {
  Bus bus;
  std::atomic<int> inside{0};
  const Subscription waits = bus.subscribe("job",
                                           [&](const Event&, Context& context) {
                                             const std::stop_token stop = context.stop_token();
                                             ++inside;
                                             while (!stop.stop_requested())
                                               std::this_thread::yield();
                                           },
                                           {.name = "long", .mode = Mode::async});
  (void)bus.publish("job");
  EXPECT_TRUE(eventually([&] { return inside == 1; }));
  const StopResult result = bus.stop(std::chrono::milliseconds(1));
  ASSERT_EQ(result.left.size(), 1U);
  EXPECT_EQ(result.left.front().name, "long");
  EXPECT_TRUE(eventually([&] { return bus.stats().delivered == 1; }));
}

TEST(StopToken, AskedForAfterTheSubscriptionEndedIsSignalledAlready) {
  Bus bus({.stuck_after = std::chrono::nanoseconds::max()});
  std::atomic<bool> inside{false};
  std::atomic<bool> ask{false};
  Subscription waits = bus.subscribe("job", [&](const Event&, Context& context) {
    inside = true;
    while (!ask) std::this_thread::yield();
    while (!context.stop_token().stop_requested()) std::this_thread::yield();
  });
  std::thread publisher([&] { (void)bus.publish("job"); });
  EXPECT_TRUE(eventually([&] { return inside.load(); }));
  std::thread ending([&] { waits.reset(); });
  EXPECT_TRUE(eventually([&] { return bus.subscriptions().empty(); }));
  ask = true;
  ending.join();
  publisher.join();
}

TEST(StopToken, AskedForAfterAStopReachedItsDeadlineIsSignalledAlready) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    Bus bus(quiet({.stuck_after = std::chrono::nanoseconds::max()}));
    std::atomic<bool> inside{false};
    std::atomic<bool> ask{false};
    const Subscription waits = bus.subscribe("job",
                                             [&](const Event&, Context& context) {
                                               inside = true;
                                               while (!ask) std::this_thread::yield();
                                               while (!context.stop_token().stop_requested())
                                                 std::this_thread::yield();
                                             },
                                             {.mode = mode});
    std::thread publisher([&] { (void)bus.publish("job"); });
    EXPECT_TRUE(eventually([&] { return inside.load(); }));
    EXPECT_EQ(bus.stop(std::chrono::milliseconds(1)).kind, StopResult::Kind::deadline);
    ask = true;
    publisher.join();
    EXPECT_TRUE(bus.wait_idle(kLong));
  }
}

TEST(StopToken, OfASynchronousHandlerIsSignalledWhenTheBusIsDestroyed) {
  auto bus = std::make_unique<Bus>(BusOptions{.stuck_after = std::chrono::nanoseconds::max()});
  std::atomic<bool> inside{false};
  Subscription waits = bus->subscribe("job", [&](const Event&, Context& context) {
    const std::stop_token stop = context.stop_token();
    inside = true;
    while (!stop.stop_requested()) std::this_thread::yield();
  });
  const Topic job = bus->topic("job");
  std::thread publisher([&] { (void)job.publish(); });
  EXPECT_TRUE(eventually([&] { return inside.load(); }));
  bus.reset();
  publisher.join();
}

}  // namespace
}  // namespace busway
