// Several buses on one store, of one process or of several: they share a name, and hear each other.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <temporary_folder.hpp>
#include <thread>
#include <vector>

#include "durable_fixture.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;

TEST_P(Durable, InstancesOfOneNameShareTheWork) {
  Pumped left(options());
  Pumped right(options());
  std::multiset<int> seen;
  int of_left = 0;
  const SubscriptionOptions work{.queue_capacity = 4, .durable = "work"};
  const auto handler = [&](const Event& event) { seen.insert(event.json().get<int>()); };
  const Subscription one = left.bus.subscribe(
      "job",
      [&](const Event& event) {
        ++of_left;
        handler(event);
      },
      work);
  const Subscription two = right.bus.subscribe("job", handler, work);
  for (int i = 0; i < 20; ++i) (void)left.bus.publish("job", Json(i));
  for (int round = 0; round < 20; ++round) {
    (void)left.bus.poll(1);
    (void)right.bus.poll(1);
  }
  (void)left.bus.poll();
  (void)right.bus.poll();
  EXPECT_EQ(seen.size(), 20U);
  EXPECT_EQ(std::set<int>(seen.begin(), seen.end()).size(), 20U);
  EXPECT_GT(of_left, 0);
  EXPECT_LT(of_left, 20);
}

TEST_P(Durable, WithAnOrderOneInstanceIsActiveAndAnotherTakesOver) {
  Pumped left(options());
  Pumped right(options());
  Names of_left;
  Names of_right;
  const SubscriptionOptions work{.order_by = OrderBy::key, .durable = "work"};
  Subscription one = note_topics(left.bus, "job.*", of_left, work);
  (void)left.bus.poll();
  const Subscription two = note_topics(right.bus, "job.*", of_right, work);
  (void)left.bus.publish("job.a");
  (void)right.bus.poll();
  (void)left.bus.poll();
  EXPECT_EQ(of_left, Names{"job.a"});
  EXPECT_TRUE(of_right.empty());
  one.reset();
  (void)left.bus.publish("job.b");
  (void)right.bus.poll();
  EXPECT_EQ(of_right, Names{"job.b"});
}

TEST_P(Durable, WhatAnotherInstanceKeepsComesOnce) {
  BusOptions keeps_nothing = options();
  keeps_nothing.keep = std::vector<std::string>{};
  std::shared_ptr<Store> other = store;
  if (std::string(GetParam()) == "sqlite:") {
    other = open(clock);
    keeps_nothing.opened_store = other;
  }
  Pumped here(keeps_nothing);
  Pumped there(options());
  Names seen;
  const Subscription all = note_topics(here.bus, "*", seen, {.durable = "all"});
  (void)there.bus.publish("order.placed");
  for (int i = 0; i < 200 && seen.empty(); ++i) {
    clock->advance(milliseconds(10));
    (void)here.bus.poll();
  }
  (void)here.bus.poll();
  EXPECT_EQ(seen, Names{"order.placed"});
}

struct DurableStress : ::testing::TestWithParam<const char*> {
  TemporaryFolder folder;
};

INSTANTIATE_TEST_SUITE_P(Stores, DurableStress, ::testing::Values("memory:", "sqlite:"),
                         [](const auto& one) {
                           return std::string(one.param).substr(0, std::strlen(one.param) - 1);
                         });

TEST_P(DurableStress, ManyThreadsPublishAndSeveralInstancesShareWhileTheyComeAndGo) {
  const std::string kind = GetParam();
  const std::shared_ptr<Store> store =
      open_store(kind == "sqlite:" ? kind + folder.file("events.db") : kind);
  BusOptions options = quiet();
  options.opened_store = store;
  constexpr int kThreads = 4;
  constexpr int kEach = 400;
  std::mutex mutex;
  std::map<int, int> seen;
  std::atomic<int> failures = 0;
  const auto handler = [&](const Event& event) {
    const int n = event.json().get<int>();
    if (n % 50 == 7 && failures.fetch_add(1) % 3 != 2) throw std::runtime_error("not now");
    const std::lock_guard lock(mutex);
    ++seen[n];
  };
  SubscriptionOptions work{.queue_capacity = 64, .concurrency = 2, .durable = "work"};
  work.retry = retries(50, milliseconds(1));
  Bus publisher(options);
  { const Subscription made = publisher.subscribe("job", handler, work); }
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE(publisher.publish("job", Json(t * kEach + i)).ok());
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 10; ++i) {
      Bus bus(options);
      const Subscription mine = bus.subscribe("job", handler, work);
      std::this_thread::yield();
    }
  });
  Bus steady(options);
  const Subscription stays = steady.subscribe("job", handler, work);
  for (std::thread& one : threads) one.join();
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return seen.size() == kThreads * kEach;
  }));
  EXPECT_TRUE(steady.wait_idle(kLong));
  for (const auto& [n, times] : seen) EXPECT_GE(times, 1) << n;
  EXPECT_TRUE(adds_up(info_of(steady, stays.id()).counters));
  EXPECT_EQ(store->stats().dead_letters, 0U);
}

/// Two buses of a process may share one opening.
TEST_P(Durable, LiveSubscriptionsOfEachBusOnOneOpeningSeeTheEventsOfBoth) {
  Pumped here(options());
  (void)here.bus.publish("job.before");
  Names of_here;
  Names of_there;
  const Subscription left = note_topics(here.bus, "job.*", of_here);
  (void)here.bus.publish("job.alone");
  BusOptions other = options();
  other.clock = std::make_shared<testing::ManualClock>(testing::ManualClock::kStart, 2);
  Pumped there(other);  // whose ids are others
  const Subscription right = note_topics(there.bus, "job.*", of_there, {.mode = Mode::async});
  (void)here.bus.publish("job.a");
  (void)there.bus.publish("job.b");
  (void)here.bus.publish_async(Event("job.c"));
  (void)there.bus.publish_batch(std::vector<Event>{Event("job.d"), Event("job.e")});
  const Event again("job.f", Payload(),
                    {.id = EventId::parse("0190b7c2-7d3a-7c11-8f00-000000000001")});
  (void)here.bus.publish(again);
  EXPECT_TRUE(there.bus.publish(again).duplicate);
  for (int round = 0; round < 3; ++round) {
    (void)here.bus.poll();
    (void)there.bus.poll();
  }
  std::sort(of_here.begin(), of_here.end());
  std::sort(of_there.begin(), of_there.end());
  EXPECT_EQ(of_there, (Names{"job.a", "job.b", "job.c", "job.d", "job.e", "job.f"}));
  EXPECT_EQ(of_here, (Names{"job.a", "job.alone", "job.b", "job.c", "job.d", "job.e", "job.f"}));
}

/// The same with threads that publish all the time.
TEST_P(Durable, BusesOnOneOpeningSeeEachEventOnce) {
  store->close();
  const std::shared_ptr<Store> shared = open(nullptr);
  BusOptions with = quiet();
  with.opened_store = shared;
  Bus here(with);
  Bus there(with);
  constexpr int kEach = 100;
  std::mutex mutex;
  std::map<int, int> of_here;
  std::map<int, int> of_there;
  const auto counts_in = [&](std::map<int, int>& into) {
    return [&](const Event& event) {
      const std::lock_guard lock(mutex);
      ++into[event.json().get<int>()];
    };
  };
  const Subscription left = here.subscribe("job", counts_in(of_here));
  const Subscription right = there.subscribe("job", counts_in(of_there));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Bus& bus = t % 2 == 0 ? here : there;
        const Json n(t * kEach + i);
        if (i % 3 == 0) {
          EXPECT_TRUE(bus.publish_async(Event("job", Payload::json(n))).wait_for(kLong));
        } else {
          EXPECT_TRUE(bus.publish("job", n).ok());
        }
      }
    });
  }
  for (std::thread& one : threads) one.join();
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return of_here.size() == 4 * kEach && of_there.size() == 4 * kEach;
  }));
  EXPECT_TRUE(here.wait_idle(kLong));
  EXPECT_TRUE(there.wait_idle(kLong));
  for (const auto& [n, times] : of_here) EXPECT_EQ(times, 1) << n;
  for (const auto& [n, times] : of_there) EXPECT_EQ(times, 1) << n;
}

/// An append of unknown fate that others have read past.
TEST(SharedByTwoBuses, AnEventOfUnknownFateComesThoughOthersWereReadMeanwhile) {
  TemporaryFolder folder;
  const std::string address = "sqlite:" + folder.file("events.db");
  const auto behind = std::make_shared<Behind>(open_store(address));
  BusOptions here = quiet();
  here.opened_store = behind;
  Bus bus(here);
  BusOptions other = quiet();
  other.store = address;
  Bus there(other);
  std::mutex mutex;
  std::set<std::string> seen;
  const Subscription live = bus.subscribe("job.*", [&](const Event& event) {
    const std::lock_guard lock(mutex);
    seen.insert(std::string(event.topic()));
  });
  const auto has = [&](const char* topic) {
    return eventually([&] {
      const std::lock_guard lock(mutex);
      return seen.contains(topic);
    });
  };
  behind->meanwhile = [&] {
    EXPECT_TRUE(there.publish("job.other").ok());
    EXPECT_TRUE(has("job.other"));
  };
  behind->answers_unknown = true;
  EXPECT_EQ(bus.publish("job.mine").code, ErrorCode::store_unknown);
  EXPECT_TRUE(there.publish("job.last").ok());
  EXPECT_TRUE(has("job.last"));
  EXPECT_TRUE(has("job.mine")) << "the store has it, and it is never delivered live";
}

/// It was not stored at first, and the repeat was: the live subscription has it once.
TEST(SharedByTwoBuses, ARepeatAfterUnknownIsDeliveredOnce) {
  TemporaryFolder folder;
  struct NotStored final : Behind {
    using Behind::Behind;
    using Store::append;
    void append(std::span<const Event> events, std::span<AppendResult> results) noexcept override {
      if (!fails.exchange(false)) return real->append(events, results);
      for (AppendResult& one : results) one.answer = Appended::unknown;
    }
    std::atomic<bool> fails{true};
  };
  BusOptions here = quiet();
  here.opened_store = std::make_shared<NotStored>(open_store("sqlite:" + folder.file("events.db")));
  Bus bus(here);
  std::atomic<int> calls{0};
  const Subscription live = bus.subscribe("job", [&](const Event&) { ++calls; });
  const Event event("job", Payload::json(Json(1)),
                    {.id = EventId::parse("0190b7c2-7d3a-7c11-8f00-000000000001")});
  EXPECT_EQ(bus.publish(event).code, ErrorCode::store_unknown);
  const PublishResult again = bus.publish(event);
  EXPECT_TRUE(again.ok());
  EXPECT_FALSE(again.duplicate);
  // What others publish comes behind it.
  BusOptions other = quiet();
  other.store = "sqlite:" + folder.file("events.db");
  Bus there(other);
  std::atomic<bool> came{false};
  const Subscription last = bus.subscribe("last", [&](const Event&) { came = true; });
  EXPECT_TRUE(there.publish("last").ok());
  EXPECT_TRUE(eventually([&] { return came.load(); }));
  EXPECT_EQ(calls, 1);
}

/// Events of others wait in the store when there is no room for them, and some is left for those
/// from here.
TEST(SharedByTwoBuses, AFullQueueIsWaitedForAndLeavesRoomForEventsFromHere) {
  TemporaryFolder folder;
  const std::string address = "sqlite:" + folder.file("events.db");
  const auto behind = std::make_shared<Behind>(open_store(address));
  BusOptions with;
  with.opened_store = behind;
  with.queue_capacity = 16;
  Pumped here(with);
  BusOptions other = quiet();
  other.store = address;
  Bus there(other);
  Names seen;
  const Subscription live = note_topics(here.bus, "job.*", seen);
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(there.publish("job.other").ok());
  EXPECT_TRUE(eventually([&] {
    (void)here.bus.poll(0);  // fetches, and runs nothing
    return !here.bus.idle();
  }));
  const std::size_t before = behind->reads;
  for (int i = 0; i < 10; ++i) (void)here.bus.poll(0);
  EXPECT_EQ(behind->reads, before) << "nothing has changed";
  const Receipt mine = here.bus.publish_async("job.mine");
  EXPECT_TRUE(mine.result().ok()) << "others have taken all of publish_async's queue";
  (void)here.bus.poll();
  EXPECT_EQ(seen.size(), 301U);
  EXPECT_LT(std::find(seen.begin(), seen.end(), "job.mine") - seen.begin(), 16);
}

/// With threads of its own it hears of the room.
TEST(SharedByTwoBuses, MoreThanAQueueHoldsComesInOrder) {
  TemporaryFolder folder;
  BusOptions with = quiet();
  with.store = "sqlite:" + folder.file("events.db");
  Bus there(with);
  with.queue_capacity = 4;
  Bus here(with);
  std::mutex mutex;
  std::vector<int> seen;
  const Subscription live = here.subscribe("job", [&](const Event& event) {
    const std::lock_guard lock(mutex);
    seen.push_back(event.json().get<int>());
  });
  std::vector<int> all;
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(there.publish("job", Json(i)).ok());
    all.push_back(i);
  }
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return seen.size() >= all.size();
  }));
  EXPECT_EQ(seen, all);
}

}  // namespace
}  // namespace busway
