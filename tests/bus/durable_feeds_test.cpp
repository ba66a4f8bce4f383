// Feeds that end beside news of the store.
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "../store/forwarding_store.hpp"
#include "bus_fixture.hpp"
#include "busway/store_provider.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

/// Its consumers let news through before they go, as one does that waits for a lock which a thread
/// of the store holds while it tells of a commit.
struct LingeringStore final : testing::ForwardingStore {
  using testing::ForwardingStore::ForwardingStore;

  struct Consumer final : testing::ForwardingConsumer {
    Consumer(LingeringStore& of, std::shared_ptr<StoreConsumer> made)
        : ForwardingConsumer(std::move(made)), store(of) {}
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;
    ~Consumer() override {
      store.told = std::async(std::launch::async, [this] { store.tell(); });
      store.waited_in_vain = store.told.wait_for(kPatience) != std::future_status::ready;
      ++store.gone;
    }
    LingeringStore& store;
  };

  std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override {
    return std::make_unique<Consumer>(*this, real_->open(spec));
  }
  Watch watch(std::function<void(StoreNews)> news) override {
    const std::lock_guard lock(mutex);
    watches.push_back(news);
    return real_->watch(std::move(news));
  }
  void tell() {
    std::vector<std::function<void(StoreNews)>> all;
    {
      const std::lock_guard lock(mutex);
      all = watches;
    }
    for (const auto& one : all) one(StoreNews::in_passing);
  }

  static constexpr std::chrono::seconds kPatience{10};
  std::mutex mutex;
  std::vector<std::function<void(StoreNews)>> watches;
  std::future<void> told;
  std::atomic<bool> waited_in_vain{false};
  std::atomic<int> gone{0};
};

/// Cannot be watched as long as it is to fail.
struct UnwatchedStore final : testing::ForwardingStore {
  using testing::ForwardingStore::ForwardingStore;
  Watch watch(std::function<void(StoreNews)> news) override {
    if (fails) throw Error(ErrorCode::store_unavailable, "not now");
    return real_->watch(std::move(news));
  }
  std::atomic<bool> fails{true};
};

TEST(DurableFeeds, OfASubscribeThatThrewNothingIsLeft) {
  const auto store = std::make_shared<UnwatchedStore>(open_store("memory:"));
  BusOptions with = quiet();
  with.opened_store = store;
  Bus bus(with);
  std::atomic<int> of_failed{0};
  std::atomic<int> of_other{0};
  EXPECT_THROW(
      (void)bus.subscribe("job.*", [&](const Event&) { ++of_failed; }, {.durable = "work"}), Error);
  EXPECT_EQ(bus.subscriptions().size(), 0U);
  store->fails = false;
  const Subscription made =
      bus.subscribe("job.*", [&](const Event&) { ++of_other; }, {.durable = "other"});
  ASSERT_TRUE(bus.publish("job.a").ok());
  EXPECT_TRUE(eventually([&] { return of_other == 1; }));
  EXPECT_EQ(of_failed, 0);
}

TEST(DurableFeeds, OneThatEndsDoesNotHoldUpNewsOfTheStore) {
  const auto store = std::make_shared<LingeringStore>(open_store("memory:"));
  BusOptions with = quiet();
  with.opened_store = store;
  Bus bus(with);
  std::optional<Subscription> made =
      bus.subscribe("job.*", [](const Event&) {}, {.durable = "work"});
  // Within a handler an end is not waited for, so the feed is the last that knows its consumer.
  const Subscription ender = bus.subscribe("end", [&](const Event&) { made.reset(); });
  EXPECT_TRUE(bus.publish("end").ok());
  EXPECT_TRUE(eventually([&] { return store->gone == 1; }));
  EXPECT_FALSE(store->waited_in_vain);
}

/// Whose consumers note that they end on the thread that tells.
struct TellingStore final : testing::ForwardingStore {
  using testing::ForwardingStore::ForwardingStore;

  struct Consumer final : testing::ForwardingConsumer {
    Consumer(TellingStore& of, std::shared_ptr<StoreConsumer> made)
        : ForwardingConsumer(std::move(made)), store(of) {}
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;
    ~Consumer() override {
      if (std::this_thread::get_id() == store.teller.load()) ++store.ended_by_news;
    }
    TellingStore& store;
  };

  std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override {
    return std::make_unique<Consumer>(*this, real_->open(spec));
  }
  Watch watch(std::function<void(StoreNews)> made) override {
    const std::lock_guard lock(mutex);
    news = made;
    return real_->watch(std::move(made));
  }
  std::mutex mutex;
  std::function<void(StoreNews)> news;  // guarded by mutex
  std::atomic<std::thread::id> teller{};
  std::atomic<int> ended_by_news{0};
};

TEST(DurableFeeds, NoneEndsOnAThreadThatTells) {
  constexpr int kRounds = 2'000;
  const auto store = std::make_shared<TellingStore>(open_store("memory:"));
  BusOptions with = quiet();
  with.opened_store = store;
  Bus bus(with);
  const auto make = [&] {
    return bus.subscribe("job.*", [](const Event&) {}, {.durable = "work"});
  };
  Subscription made = make();
  std::function<void(StoreNews)> news;
  {
    const std::lock_guard lock(store->mutex);
    news = store->news;
  }
  std::atomic<bool> over{false};
  std::thread teller([&] {
    store->teller = std::this_thread::get_id();
    while (!over) news(StoreNews::in_passing);
  });
  for (int round = 0; round < kRounds && store->ended_by_news == 0; ++round) {
    made.reset();
    made = make();
  }
  over = true;
  teller.join();
  EXPECT_EQ(store->ended_by_news, 0);
}

/// Who stops waits for the turn, which must not wait for who stops.
TEST(DurableFeeds, AFilterMayStopABusThatIsBeingStopped) {
  Gate in_filter;
  Gate go;
  std::atomic<StopResult::Kind> kind{StopResult::Kind::deadline};
  BusOptions with = quiet();
  with.opened_store = open_store("memory:");
  Bus bus(with);
  const Subscription made = bus.subscribe("job.*", [](const Event&) {},
                                          {.filter =
                                               [&](const Event&) {
                                                 in_filter.open();
                                                 (void)go.wait();
                                                 kind = bus.stop(kLong).kind;
                                                 return true;
                                               },
                                           .durable = "work"});
  EXPECT_TRUE(bus.publish("job.a").ok());
  ASSERT_TRUE(in_filter.wait());
  std::future<bool> stopped = std::async(std::launch::async, [&] { return bus.stop(kLong).ok(); });
  EXPECT_TRUE(eventually([&] { return !bus.publish("any").ok(); }));
  go.open();
  EXPECT_EQ(stopped.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_TRUE(stopped.get());
  EXPECT_EQ(kind, StopResult::Kind::begun);
}

}  // namespace
}  // namespace busway
