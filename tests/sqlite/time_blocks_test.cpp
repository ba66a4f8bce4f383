// What is asked for by time is found whatever clocks have done, by looking at few events.
#include <algorithm>
#include <optional>
#include <time_blocks.hpp>

#include "sqlite_fixture.hpp"

namespace busway {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::uint64_t kBlockEvents = sqlite::TimeBlocks::kEvents;
constexpr std::uint64_t kTimed = 6 * kBlockEvents + 100;
const WallTime kDayOne = WallTime(hours(24 * 365 * 50));

/// One event a second, but for a clock that was a day ahead for a while, and one that was two days
/// behind; and single events that bring their own times.
WallTime time_of(std::uint64_t n) {
  const WallTime regular = kDayOne + seconds(n);
  if (n == 700) return kDayOne + hours(24 * 365);
  if (n == 5 * kBlockEvents + 7) return kDayOne - hours(24 * 365);
  if (n > 2 * kBlockEvents + 50 && n <= 3 * kBlockEvents + 50) return regular + hours(24);
  if (n > 4 * kBlockEvents && n <= 4 * kBlockEvents + 300) return regular - hours(48);
  return regular;
}

struct TimeBlocks : SqliteFolder {
  void fill(Store& store) {
    std::vector<Event> events;
    for (std::uint64_t n = 1; n <= kTimed; ++n) {
      // Batches of many sizes, so that blocks end within them and at their ends.
      events.emplace_back("number.made", bytes(std::to_string(n)),
                          EventOptions{.id = EventId{1, n}, .time = time_of(n)});
      if (n % 700 != 0 && n % kBlockEvents != kBlockEvents - 1 && n != kTimed) continue;
      std::vector<AppendResult> results(events.size());
      store.append(events, results);
      for (const AppendResult& one : results) ASSERT_TRUE(one.ok()) << one.error;
      events.clear();
    }
  }
  static std::vector<std::uint64_t> expected(std::optional<WallTime> since,
                                             std::optional<WallTime> until) {
    std::vector<std::uint64_t> out;
    for (std::uint64_t n = 1; n <= kTimed; ++n) {
      if ((!since || time_of(n) >= *since) && (!until || time_of(n) < *until)) out.push_back(n);
    }
    return out;
  }
  static std::vector<std::uint64_t> found(Store& store, StoreQuery query) {
    std::vector<std::uint64_t> out;
    for (bool more = true; more;) {
      const StorePage page = store.read(query);
      EXPECT_EQ(page.set_aside, 0U);
      for (const StoredEvent& one : page.events) out.push_back(one.sequence);
      more = page.more;
      query.after = page.next;
    }
    if (query.direction == StoreQuery::Direction::newest_first) {
      std::reverse(out.begin(), out.end());
    }
    return out;
  }
};

TEST_F(TimeBlocks, WhatIsAskedForByTimeIsFoundWhateverTheClocksDid) {
  const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
  fill(*store);
  const std::vector<std::optional<WallTime>> bounds{std::nullopt,
                                                    kDayOne - hours(24 * 400),
                                                    kDayOne - hours(30),
                                                    kDayOne,
                                                    kDayOne + seconds(2 * kBlockEvents),
                                                    kDayOne + seconds(5 * kBlockEvents + 10),
                                                    kDayOne + seconds(kTimed),
                                                    kDayOne + hours(24),
                                                    kDayOne + hours(24 * 300),
                                                    kDayOne + hours(24 * 500)};
  for (std::size_t a = 0; a < bounds.size(); ++a) {
    for (std::size_t b = 0; b < bounds.size(); ++b) {
      for (const auto direction :
           {StoreQuery::Direction::oldest_first, StoreQuery::Direction::newest_first}) {
        ASSERT_EQ(
            found(*store,
                  {.direction = direction, .since = bounds[a], .until = bounds[b], .limit = 300}),
            expected(bounds[a], bounds[b]))
            << a << ' ' << b;
      }
    }
  }
  EXPECT_TRUE(store->check().empty());
  // A durable name that begins by time, too.
  const auto consumer = store->open({.name = "late",
                                     .patterns = {Pattern::glob("*")},
                                     .start = Replay::since(kDayOne + hours(24 * 300))});
  const FetchResult fetched = consumer->fetch(1);
  ASSERT_EQ(fetched.deliveries.size(), 1U);
  EXPECT_EQ(fetched.deliveries[0].sequence, 700U);
}

TEST_F(TimeBlocks, BlocksOfOtherTimesAreNotLookedAt) {
  {
    const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
    fill(*store);
  }
  // Whoever looked at these would report them.
  run_sql("UPDATE events SET payload=x'00' WHERE seq / 1024 IN (1, 4)");
  const std::shared_ptr<Store> store = open();
  const WallTime since = kDayOne + seconds(5 * kBlockEvents);
  for (const auto direction :
       {StoreQuery::Direction::oldest_first, StoreQuery::Direction::newest_first}) {
    EXPECT_EQ(found(*store, {.direction = direction, .since = since}),
              expected(since, std::nullopt));
    const WallTime until = since + seconds(500);
    EXPECT_EQ(found(*store, {.direction = direction, .since = since, .until = until}),
              expected(since, until));
  }
}

TEST_F(TimeBlocks, ABlockOfWhichNothingOrSomethingDamagedIsNotedIsLookedAt) {
  {
    const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
    fill(*store);
  }
  run_sql("UPDATE times SET newest=0 WHERE block=1; DELETE FROM times WHERE block=2");
  const std::shared_ptr<Store> store = open();
  EXPECT_EQ(found(*store, {.since = kDayOne}), expected(kDayOne, std::nullopt));
  EXPECT_EQ(store->check().size(), 1U);
  // What is trimmed takes its notes with it.
  EXPECT_EQ(store->trim({.max_events = 100}).removed, kTimed - 100);
  EXPECT_TRUE(store->check().empty());
  EXPECT_EQ(found(*store, {.since = kDayOne}).size(), 100U);
}

}  // namespace
}  // namespace busway
