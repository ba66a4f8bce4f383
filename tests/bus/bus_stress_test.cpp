// Everything at once from several threads; most telling under the thread sanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "busway/busway.hpp"

namespace busway {
namespace {

constexpr int kRounds = 1500;

/// A listener that notices a call after its reset() has returned.
struct Listener {
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> calls{0};
};

TEST(BusStress, NoHandlerRunsAfterResetHasReturned) {
  Bus bus;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> late{0};
  std::vector<std::thread> publishers;
  for (int i = 0; i < 2; ++i) {
    publishers.emplace_back([&, i] {
      const Topic topic = bus.topic("order.created");
      while (!stop.load(std::memory_order_relaxed)) {
        if (i == 0) {
          (void)bus.publish("order.created");
        } else {
          (void)topic.publish();
        }
      }
    });
  }
  const std::vector<const char*> patterns{"order.created", "order.*", "^order", "seg:*.created"};
  for (int round = 0; round < kRounds; ++round) {
    // The handler owns nothing of ours: the listener is destroyed right after the reset.
    auto listener = std::make_unique<Listener>();
    Subscription subscription =
        bus.subscribe(patterns[static_cast<std::size_t>(round) % patterns.size()],
                      [&late, one = listener.get()](const Event&) {
                        if (one->over.load()) late.fetch_add(1);
                        one->calls.fetch_add(1, std::memory_order_relaxed);
                      },
                      {.mode = round % 5 == 0 ? Mode::async : Mode::sync, .priority = round % 3});
    subscription.reset();
    listener->over.store(true);
  }
  stop = true;
  for (std::thread& thread : publishers) thread.join();
  EXPECT_EQ(late.load(), 0U);
}

TEST(BusStress, CountersAddUpWhenAllIsQuiet) {
  Bus bus({.queue_capacity = 64});
  std::atomic<std::uint64_t> sync_calls{0};
  std::atomic<std::uint64_t> async_calls{0};
  std::vector<Subscription> kept;
  kept.push_back(bus.subscribe("a.*", [&](const Event&) { sync_calls.fetch_add(1); }));
  kept.push_back(bus.subscribe("a.x", [&](const Event&) { throw 42; }));
  kept.push_back(bus.subscribe("a.*", [&](const Event&) { async_calls.fetch_add(1); },
                               {.mode = Mode::async, .overflow = Overflow::block}));
  kept.push_back(bus.subscribe("a.y", [&](const Event&) { async_calls.fetch_add(1); },
                               {.mode = Mode::async, .overflow = Overflow::reject}));
  kept.push_back(bus.subscribe("a.y", [&](const Event&) { async_calls.fetch_add(1); },
                               {.mode = Mode::async, .overflow = Overflow::drop_oldest}));
  std::atomic<std::uint64_t> published{0};
  std::atomic<std::uint64_t> matched{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937 random(static_cast<unsigned>(i));
      for (int round = 0; round < kRounds; ++round) {
        const PublishResult result = bus.publish(random() % 2 == 0 ? "a.x" : "a.y");
        published.fetch_add(1);
        matched.fetch_add(result.matched);
        if (round % 100 == 0) (void)bus.stats();
        if (round % 150 == 0) (void)bus.history("a.*", 5);
        if (round % 200 == 0) {
          const Subscription passing = bus.subscribe("b.*", [](const Event&) {});
          (void)bus.subscriptions();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(bus.wait_idle(std::chrono::seconds(60)));
  const Stats stats = bus.stats();
  EXPECT_EQ(stats.published, published.load());
  EXPECT_EQ(stats.matched, matched.load());
  EXPECT_EQ(stats.in_flight, 0U);
  EXPECT_EQ(stats.matched, stats.delivered + stats.failed + stats.timed_out + stats.dropped +
                               stats.dead_lettered + stats.in_flight);
  EXPECT_EQ(stats.delivered, sync_calls.load() + async_calls.load());
}

TEST(BusStress, OnceIsOnceHoweverManyThreadsPublish) {
  for (int round = 0; round < 50; ++round) {
    Bus bus;
    std::atomic<int> sync_calls{0};
    std::atomic<int> async_calls{0};
    const Subscription sync_once =
        bus.subscribe("a.b", [&](const Event&) { sync_calls.fetch_add(1); }, {.once = true});
    const Subscription async_once =
        bus.subscribe("a.b", [&](const Event&) { async_calls.fetch_add(1); },
                      {.mode = Mode::async, .once = true});
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 20; ++n) (void)bus.publish("a.b");
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(bus.wait_idle(std::chrono::seconds(60)));
    EXPECT_EQ(sync_calls.load(), 1);
    EXPECT_EQ(async_calls.load(), 1);
    EXPECT_FALSE(sync_once.active());
    EXPECT_FALSE(async_once.active());
  }
}

TEST(BusStress, AReplayHasNoGapAndNoDuplicateWhileOthersPublish) {
  for (int round = 0; round < 20; ++round) {
    Bus bus({.queue_capacity = 100'000, .history = 10'000});
    std::atomic<bool> begun{false};
    std::thread publisher([&] {
      for (int i = 0; i < 2000; ++i) {
        (void)bus.publish("n.x", Payload{}, {.key = std::to_string(i)});
        if (i == 200) begun = true;
      }
    });
    while (!begun.load()) std::this_thread::yield();
    std::vector<int> seen;
    const Subscription late = bus.subscribe(
        "n.*", [&](const Event& event) { seen.push_back(std::stoi(std::string(event.key()))); },
        {.mode = Mode::async, .replay = Replay::beginning()});
    publisher.join();
    ASSERT_TRUE(bus.wait_idle(std::chrono::seconds(60)));
    ASSERT_EQ(seen.size(), 2000U);
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(seen[static_cast<std::size_t>(i)], i);
  }
}

TEST(BusStress, ABusMayEndWhileOthersPublishThroughHandles) {
  for (int round = 0; round < 20; ++round) {
    std::optional<Bus> bus(std::in_place);
    std::atomic<int> calls{0};
    std::optional<Subscription> heard(
        bus->subscribe("a.b", [&](const Event&) { calls.fetch_add(1); }));
    std::atomic<int> ready{0};
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&, topic = bus->topic("a.b")] {
        bool counted = false;
        while (!stop.load()) {
          const PublishResult result = topic.publish();
          if (!counted && result.ok()) {
            counted = true;
            ready.fetch_add(1);
          }
          if (result.code == ErrorCode::stopped) break;
        }
      });
    }
    while (ready.load() < 2) std::this_thread::yield();
    bus.reset();
    const int at_end = calls.load();
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(calls.load(), at_end);
    heard.reset();
  }
}

TEST(BusStress, TwoHandlersThatUnsubscribeEachOtherNeverWaitForEachOther) {
  for (int round = 0; round < 200; ++round) {
    Bus bus;
    Subscription first;
    Subscription second;
    first = bus.subscribe("a.x", [&](const Event&) { bus.unsubscribe(second.id()); });
    second = bus.subscribe("a.y", [&](const Event&) { bus.unsubscribe(first.id()); });
    std::thread other([&] { (void)bus.publish("a.y"); });
    (void)bus.publish("a.x");
    other.join();
    EXPECT_FALSE(first.active() && second.active());
  }
}

}  // namespace
}  // namespace busway
