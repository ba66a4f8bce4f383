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

}  // namespace
}  // namespace busway
