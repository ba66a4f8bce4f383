// Everything at once from several threads. The sanitizers look for what is wrong within; the tests
// for what can be told from outside: no call after the end of a subscription, and counts that add
// up.
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "bus_fixture.hpp"

namespace busway {
namespace {

/// What a stress test runs for.
constexpr std::chrono::milliseconds kWhile{1500};

struct Stress {
  explicit Stress(BusOptions options = {}) : bus(quiet(std::move(options))) {}

  template <class Action>
  void run(const Action& action) {
    threads.emplace_back([this, action, seed = threads.size()] {
      std::mt19937 random(static_cast<unsigned>(seed) + 1);
      while (!over) {
        action(random);
        ++rounds;
      }
    });
  }
  void wait() {
    const auto end = std::chrono::steady_clock::now() + kWhile;
    while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
    over = true;
    for (std::thread& one : threads) one.join();
    threads.clear();
    EXPECT_GT(rounds, 0U);
  }

  Bus bus;
  std::atomic<bool> over{false};
  std::atomic<std::size_t> rounds{0};
  std::vector<std::thread> threads;
};

constexpr std::array<std::string_view, 6> kTopics{"a", "a.b", "a.c",
                                                  "b", "b.a", "a.topic.longer.than.sixteen.bytes"};
constexpr std::array<std::string_view, 7> kPatterns{"a",       "a.b",   "a.*", "*",
                                                    "seg:*.a", "re:^a", "b"};

template <class Random>
std::string_view topic_of(Random& random) {
  return kTopics[random() % kTopics.size()];
}

TEST(BusChurn, PublishingSubscribingAndLookingBackAtOnce) {
  Stress stress({.queue_capacity = 64, .history = 50});
  Bus& bus = stress.bus;
  std::atomic<std::uint64_t> sync_calls{0};
  std::atomic<std::uint64_t> async_calls{0};
  std::atomic<std::uint64_t> late{0};
  std::atomic<std::uint64_t> published{0};
  const Subscription stays = bus.subscribe("*", [&](const Event&) { ++sync_calls; });
  const Subscription stays_async =
      bus.subscribe("*", [&](const Event&) { ++async_calls; },
                    {.mode = Mode::async, .overflow = Overflow::drop_oldest});

  for (int i = 0; i < 2; ++i) {
    stress.run([&](std::mt19937& random) {
      switch (random() % 6) {
        case 0: bus.publish(topic_of(random)); break;
        case 1: bus.publish(topic_of(random), Point{1, 2}); break;
        case 2: bus.publish(topic_of(random), Note{"x", {1}}); break;
        case 3:
          bus.publish(topic_of(random), Point{1, 2}, {.priority = Priority::high, .key = "k"});
          break;
        case 4: bus.publish(Event(topic_of(random))); break;
        default: bus.topic(topic_of(random)).publish(Point{3, 4}); break;
      }
      ++published;
    });
  }
  for (int i = 0; i < 2; ++i) {
    stress.run([&](std::mt19937& random) {
      auto ended = std::make_shared<std::atomic<bool>>(false);
      SubscriptionOptions options{.owner = "stress", .priority = static_cast<int>(random() % 3)};
      if (random() % 2 == 0) options.mode = Mode::async;
      if (random() % 4 == 0)
        options.filter = [](const Event& event) { return event.topic() != "b"; };
      Subscription one = bus.subscribe(
          kPatterns[random() % kPatterns.size()],
          [&late, ended](const Event&) {
            if (*ended) ++late;
          },
          options);
      if (random() % 2 == 0) {
        one.pause();
        std::this_thread::yield();
        one.resume();
      }
      if (random() % 3 == 0) {
        bus.unsubscribe(one.id());
      } else {
        one.reset();
      }
      *ended = true;
    });
  }
  stress.run([&](std::mt19937& random) {
    switch (random() % 3) {
      case 0: EXPECT_TRUE(adds_up(bus.stats())); break;
      case 1: EXPECT_LE(bus.history().size(), 50U); break;
      default:
        for (const SubscriptionInfo& info : bus.subscriptions())
          EXPECT_TRUE(adds_up(info.counters));
    }
  });
  stress.wait();
  ASSERT_TRUE(bus.wait_idle(kLong));
  EXPECT_EQ(late, 0U);
  EXPECT_EQ(sync_calls, published);
  const Stats stats = bus.stats();
  EXPECT_TRUE(adds_up(stats));
  EXPECT_EQ(stats.published, published);
  EXPECT_EQ(stats.in_flight, 0U);
  EXPECT_EQ(info_of(bus, stays.id()).counters.delivered, published);
  const SubscriptionInfo async = info_of(bus, stays_async.id());
  EXPECT_EQ(async.counters.matched, published);
  EXPECT_EQ(async.counters.delivered, async_calls);
  EXPECT_TRUE(adds_up(async.counters));
}

TEST(BusChurn, HandlersThatSubscribeUnsubscribeAndPublish) {
  Stress stress;
  Bus& bus = stress.bus;
  std::mutex mutex;
  std::vector<Subscription> pool;
  std::atomic<std::uint64_t> calls{0};
  const Subscription churn = bus.subscribe("churn", [&](const Event& event) {
    Subscription out;
    Subscription in =
        bus.subscribe(event.hops() % 2 == 0 ? "leaf" : "l*", [&](const Event&) { ++calls; });
    {
      const std::lock_guard lock(mutex);
      pool.push_back(std::move(in));
      if (pool.size() > 8) {
        out = std::move(pool.front());
        pool.erase(pool.begin());
      }
    }
    bus.publish("leaf");
    if (event.hops() < 3) bus.publish("churn");
  });
  for (int i = 0; i < 2; ++i) {
    stress.run([&](std::mt19937&) { bus.publish("churn"); });
  }
  stress.run([&](std::mt19937&) { EXPECT_TRUE(adds_up(bus.stats())); });
  stress.wait();
  pool.clear();
  EXPECT_GT(calls, 0U);
  EXPECT_TRUE(adds_up(bus.stats()));
  EXPECT_EQ(bus.stats().delivered - info_of(bus, churn.id()).counters.delivered, calls);
}

TEST(BusChurn, ThreadsThatComeAndGo) {
  Stress stress({.history = 20});
  Bus& bus = stress.bus;
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> published{0};
  const Subscription one = bus.subscribe("a.*", [&](const Event&) { ++calls; });
  for (int i = 0; i < 2; ++i) {
    stress.run([&](std::mt19937& random) {
      std::thread([&, n = random() % 5] {
        for (unsigned k = 0; k <= n; ++k) bus.publish("a." + std::to_string(k));
        published += n + 1;
      }).join();
    });
  }
  stress.run([&](std::mt19937&) {
    EXPECT_TRUE(adds_up(bus.stats()));
    EXPECT_LE(bus.history("a.*").size(), 20U);
    const Subscription brief = bus.subscribe("re:^a", [](const Event&) {});
  });
  stress.wait();
  EXPECT_EQ(calls, published);
  EXPECT_EQ(bus.stats().published, published);
}

TEST(BusChurn, MailboxesOfEveryKind) {
  Stress stress({.worker_count = 3, .queue_capacity = 8});
  Bus& bus = stress.bus;
  std::array<std::atomic<std::uint64_t>, 8> calls{};
  std::vector<Subscription> kept;
  std::size_t at = 0;
  for (const Overflow overflow :
       {Overflow::reject, Overflow::block, Overflow::drop_oldest, Overflow::drop_newest}) {
    for (const OrderBy order : {OrderBy::none, OrderBy::key}) {
      kept.push_back(bus.subscribe(
          "*", [&calls, at](const Event&) { ++calls[at]; },
          {.mode = Mode::async, .overflow = overflow, .concurrency = 2, .order_by = order}));
      ++at;
    }
  }
  std::atomic<std::uint64_t> published{0};
  for (int i = 0; i < 2; ++i) {
    stress.run([&](std::mt19937& random) {
      const std::string key = std::to_string(random() % 4);
      bus.publish(topic_of(random), Point{1, 2},
                  {.priority = static_cast<Priority>(random() % 3), .key = key});
      ++published;
    });
  }
  stress.run([&](std::mt19937& random) {
    Subscription& one = kept[random() % kept.size()];
    one.pause();
    one.resume();
  });
  stress.wait();
  ASSERT_TRUE(bus.wait_idle(kLong));
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const SubscriptionInfo info = info_of(bus, kept[i].id());
    EXPECT_EQ(info.counters.matched, published);
    EXPECT_EQ(info.counters.delivered, calls[i]);
    EXPECT_EQ(info.counters.in_flight, 0U);
    EXPECT_TRUE(adds_up(info.counters));
  }
}

TEST(BusChurn, ReceiptsRequestsAndReplays) {
  Stress stress({.queue_capacity = 256, .history = 50});
  Bus& bus = stress.bus;
  const Subscription echo =
      bus.subscribe("ask", [](const Event&, Context& context) { context.reply(Json(1)); },
                    {.mode = Mode::async, .queue_capacity = 4096});
  const Subscription sync = bus.subscribe("told", [](const Event&) {});
  stress.run([&](std::mt19937&) { EXPECT_TRUE(bus.request("ask", Payload{}, kLong).ok()); });
  stress.run([&](std::mt19937&) {
    const Receipt receipt = bus.publish_async("told");
    EXPECT_TRUE(receipt.wait_for(kLong));
    for (const DeliveryOutcome& one : receipt.outcomes()) {
      // A replay that ended before it came to the event dropped it.
      EXPECT_TRUE(one.kind == DeliveryOutcome::Kind::delivered ||
                  one.kind == DeliveryOutcome::Kind::dropped);
    }
  });
  stress.run([&](std::mt19937&) {
    std::mutex mutex;
    EventId last{};
    const Subscription one = bus.subscribe("told",
                                           [&](const Event& event) {
                                             const std::lock_guard lock(mutex);
                                             EXPECT_NE(event.id(), last);
                                             last = event.id();
                                           },
                                           {.mode = Mode::async, .replay = Replay::last(10)});
    std::this_thread::yield();
  });
  stress.wait();
  ASSERT_TRUE(bus.wait_idle(kLong));
  EXPECT_TRUE(adds_up(bus.stats()));
}

TEST(BusChurn, TopicsThatAreEvictedWhileOthersPublishThem) {
  Stress stress({.history = 10});
  Bus& bus = stress.bus;
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> published{0};
  const Subscription all = bus.subscribe("*", [&](const Event&) { ++calls; });
  std::atomic<std::uint32_t> next{0};
  stress.run([&](std::mt19937&) {
    for (int i = 0; i < 1000; ++i) bus.publish("t" + std::to_string(next++ % 150'000));
    published += 1000;
  });
  stress.run([&](std::mt19937& random) {
    const std::string topic = "t" + std::to_string(random() % 1000);
    const Subscription brief = bus.subscribe(topic, [](const Event&) {});
    const Topic handle = bus.topic(topic);
    EXPECT_GE(handle.publish().matched, 2U);
    ++published;
  });
  stress.wait();
  EXPECT_EQ(calls, published);
  const Stats stats = bus.stats();
  EXPECT_EQ(stats.published, published);
  EXPECT_TRUE(adds_up(stats));
}

}  // namespace
}  // namespace busway
