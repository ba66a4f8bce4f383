// Buses that join others on one opening of a store.
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "../store/forwarding_store.hpp"
#include "bus_fixture.hpp"
#include "busway/store_provider.hpp"

namespace busway {
namespace {

constexpr std::chrono::seconds kPatience{20};

/// Does something of the test's where it is asked how far it is.
struct AskedStore final : testing::ForwardingStore {
  using testing::ForwardingStore::ForwardingStore;
  StoreStats stats() override {
    if (const std::function<void()> now = asked) now();
    return real_->stats();
  }
  std::function<void()> asked;
};

BusOptions on(std::shared_ptr<Store> store) {
  BusOptions with = quiet();
  with.opened_store = std::move(store);
  return with;
}

TEST(StoreSharing, AFirstBusHearsTheOthersAlsoAfterOneThatCouldNotJoin) {
  const auto store = std::make_shared<AskedStore>(open_store("memory:"));
  std::atomic<int> heard{0};
  Bus first(on(store));
  const Subscription made = first.subscribe("job.*", [&](const Event&) { ++heard; });
  EXPECT_TRUE(first.publish("job.own").ok());
  EXPECT_EQ(heard, 1);
  store->asked = [] { throw Error(ErrorCode::store_unavailable, "not now"); };
  EXPECT_THROW(Bus(on(store)), Error);
  store->asked = nullptr;
  Bus third(on(store));
  EXPECT_TRUE(third.publish("job.made").ok());
  EXPECT_TRUE(eventually([&] { return heard == 2; }));
  EXPECT_TRUE(first.publish("job.own").ok());
  EXPECT_TRUE(first.stop(kLong).ok());
  EXPECT_EQ(heard, 3) << "its own once";
}

TEST(StoreSharing, OthersComeAndGoWhileAStoreIsAsked) {
  const auto store = std::make_shared<AskedStore>(open_store("memory:"));
  std::atomic<bool> in_vain{false};
  std::future<void> other;
  Bus first(on(store));
  store->asked = [&] {
    store->asked = nullptr;
    other = std::async(std::launch::async, [] { const Bus one(on(open_store("memory:"))); });
    in_vain = other.wait_for(kPatience) != std::future_status::ready;
  };
  const Bus second(on(store));
  ASSERT_TRUE(other.valid());
  EXPECT_FALSE(in_vain);
}

}  // namespace
}  // namespace busway
