// Pages, fetches and transactions are bounded in bytes as well.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "busway/bus.hpp"
#include "busway/limits.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

constexpr std::uint64_t kLarge = 40;
constexpr std::size_t kLargeBytes = std::size_t{1} << 20U;
constexpr std::size_t kLargeAtOnce = limits::kStoreBytesAtOnce / kLargeBytes;

/// One that no compression makes smaller.
Event large(std::uint64_t n) {
  std::string noise(kLargeBytes, '.');
  std::uint64_t state = n;
  for (char& one : noise) {
    one = static_cast<char>((state = state * 6'364'136'223'846'793'005U + 1U) >> 56U);
  }
  return Event("large.made", bytes(noise),
               {.id = EventId{1, n}, .time = WallTime(WallTime::duration(n))});
}

struct LargeEvents : SqliteFolder {
  std::shared_ptr<Store> store = open({.durability = Durability::process_crash});

  void fill() {
    std::vector<Event> events;
    for (std::uint64_t n = 1; n <= kLarge; ++n) events.push_back(large(n));
    std::vector<AppendResult> results(events.size());
    store->append(events, results);
    for (std::uint64_t n = 1; n <= kLarge; ++n) ASSERT_EQ(results[n - 1].sequence, n);
  }
  DurableSpec all() {
    return {.name = "all", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()};
  }
};

TEST_F(LargeEvents, AreStoredInTransactionsThatAreNotTooLarge) {
  const std::uint64_t before = store->stats().commits;
  fill();
  EXPECT_EQ(store->stats().commits - before, (kLarge + kLargeAtOnce - 1) / kLargeAtOnce);
  EXPECT_EQ(store->stats().appended, kLarge);
}

TEST_F(LargeEvents, AreReadInPagesThatAreNotTooLarge) {
  fill();
  for (const auto direction :
       {StoreQuery::Direction::oldest_first, StoreQuery::Direction::newest_first}) {
    std::set<std::uint64_t> read;
    StoreQuery query{.direction = direction};
    for (bool more = true; more;) {
      const StorePage page = store->read(query);
      EXPECT_LE(page.events.size(), kLargeAtOnce);
      for (const StoredEvent& one : page.events) read.insert(one.sequence);
      more = page.more;
      query.after = page.next;
    }
    EXPECT_EQ(read.size(), kLarge);
  }
}

TEST_F(LargeEvents, AreGivenOutInPortionsThatAreNotTooLarge) {
  fill();
  const auto consumer = store->open(all());
  // Out of the log at first, then as what is tried again.
  for (const auto kind : {Settlement::Kind::retry, Settlement::Kind::done}) {
    std::set<std::uint64_t> given;
    std::vector<Settlement> settlements;
    for (bool more = true; more;) {
      const FetchResult fetched = consumer->fetch(limits::kFetchMax);
      EXPECT_LE(fetched.deliveries.size(), kLargeAtOnce);
      for (const Leased& one : fetched.deliveries) {
        given.insert(one.sequence);
        settlements.push_back({.sequence = one.sequence, .kind = kind});
      }
      more = fetched.more;
    }
    EXPECT_EQ(given.size(), kLarge);
    EXPECT_EQ(consumer->settle(settlements).accepted, kLarge);
  }
}

TEST_F(LargeEvents, ANameOfTheLastOnesBeginsWhereItIsTo) {
  fill();
  DurableSpec spec = all();
  spec.start = Replay::last(30);
  const auto consumer = store->open(spec);
  EXPECT_EQ(consumer->fetch(1).deliveries.at(0).sequence, kLarge - 30 + 1);
}

TEST_F(LargeEvents, AllComeToASubscription) {
  fill();
  store->close();
  BusOptions options;
  options.store = "sqlite:" + path;
  Bus bus(options);
  std::atomic<std::uint64_t> handled{0};
  SubscriptionOptions with;
  with.durable = "all";
  with.replay = Replay::beginning();
  const Subscription subscription = bus.subscribe(
      "large.*", [&](const Event&) { ++handled; }, with);
  EXPECT_TRUE(bus.wait_idle(std::chrono::seconds(60)));
  EXPECT_EQ(handled, kLarge);
}

}  // namespace
}  // namespace busway
