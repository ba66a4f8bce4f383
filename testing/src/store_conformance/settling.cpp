// What becomes of a delivery: done, retried, released; attempts, delays, order.
#include <algorithm>
#include <map>
#include <vector>

#include "support.hpp"

namespace busway::testing::conformance {
namespace {

void failed_twice(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  place.put(place.events(100));
  for (unsigned attempt = 1; attempt <= 2; ++attempt) {
    for (const Leased& one : take(*consumer, 100)) {
      BUSWAY_CHECK_EQ(one.attempt, attempt);
      settle(*consumer, retry(one.sequence));
    }
  }
  std::vector<bool> seen(100);
  for (const Leased& one : finish(*consumer, 100)) {
    BUSWAY_CHECK_EQ(one.attempt, 3U);
    BUSWAY_CHECK(!one.redriven);
    seen[number_of(one.event)] = true;
  }
  BUSWAY_CHECK(std::all_of(seen.begin(), seen.end(), [](bool one) { return one; }));
  check_nothing(*consumer);
}

void goes_on_after_errors(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  for (std::size_t round = 0; round < 3; ++round) {
    place.put(place.events(100));
    std::vector<Settlement> failures;
    for (const Leased& one : take(*consumer, 100)) failures.push_back(retry(one.sequence));
    BUSWAY_CHECK_EQ(consumer->settle(failures).accepted, 100U);
    BUSWAY_CHECK_EQ(finish(*consumer, 100).size(), 100U);
  }
  check_nothing(*consumer);
}

/// The first two deliveries fail, and every fifth; each event arrives all the same.
void first_two_and_every_fifth(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  place.put(place.events(40));
  std::map<std::uint64_t, unsigned> failures;
  std::size_t deliveries = 0;
  std::size_t completed = 0;
  while (completed < 40) {
    const Leased one = take_one(*consumer);
    ++deliveries;
    BUSWAY_CHECK_EQ(one.attempt, failures[one.sequence] + 1);
    if (deliveries <= 2 || deliveries % 5 == 0) {
      ++failures[one.sequence];
      settle(*consumer, retry(one.sequence));
    } else {
      ++completed;
      settle(*consumer, done(one.sequence));
    }
  }
  check_nothing(*consumer);
}

void each_of_a_batch_by_itself(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  place.put(place.events(4));
  const std::vector<Leased> all = take(*consumer, 4);
  const std::vector<Settlement> mixed{done(all[0].sequence),    retry(all[1].sequence),
                                      release(all[2].sequence), bury(all[3].sequence),
                                      done(1'000'000),          done(all[0].sequence)};
  const SettleResult result = consumer->settle(mixed);
  BUSWAY_CHECK_EQ(result.accepted, 4U);
  BUSWAY_CHECK_EQ(result.stale, 2U);
  const std::vector<Leased> again = finish(*consumer, 2);
  BUSWAY_CHECK_EQ(again[0].sequence, all[1].sequence);
  BUSWAY_CHECK_EQ(again[0].attempt, 2U);
  BUSWAY_CHECK_EQ(again[1].sequence, all[2].sequence);
  BUSWAY_CHECK_EQ(again[1].attempt, 1U);
  BUSWAY_CHECK_EQ(place.store().dead_letters({}).size(), 1U);
  check_nothing(*consumer);
}

void settled_once(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  place.put(place.event());
  const Leased one = take_one(*consumer);
  settle(*consumer, done(one.sequence));
  for (const Settlement& again :
       {done(one.sequence), retry(one.sequence), release(one.sequence), bury(one.sequence)}) {
    const SettleResult result = consumer->settle(std::span(&again, 1));
    BUSWAY_CHECK_EQ(result.accepted, 0U);
    BUSWAY_CHECK_EQ(result.stale, 1U);
  }
  check_nothing(*consumer);
  BUSWAY_CHECK_EQ(place.store().dead_letters({}).size(), 0U);
  const StoreStats stats = place.store().stats();
  BUSWAY_CHECK_EQ(stats.settled, 1U);
  BUSWAY_CHECK_EQ(stats.stale, 4U);
}

void not_before_it_is_due(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  place.put(place.event());
  const nanoseconds delay = place.is_manual() ? nanoseconds(seconds(30)) : place.lease();
  const WallTime failed = place.now();
  settle(*consumer, retry(take_one(*consumer).sequence, delay));

  FetchResult fetched = consumer->fetch(10);
  BUSWAY_CHECK_EQ(fetched.deliveries.size(), 0U);
  BUSWAY_CHECK(fetched.due.has_value());
  BUSWAY_CHECK(*fetched.due >= failed + delay - milliseconds(1));
  BUSWAY_CHECK(*fetched.due <= place.now() + delay + milliseconds(1));
  if (place.is_manual()) {
    place.pass(delay - nanoseconds(milliseconds(1)));
    check_nothing(*consumer);
    place.pass(milliseconds(1));
  } else {
    place.pass(delay);
  }
  const Leased again = take_one(*consumer);
  BUSWAY_CHECK(place.now() >= failed + delay - milliseconds(1));
  BUSWAY_CHECK_EQ(again.attempt, 2U);
  settle(*consumer, done(again.sequence));
  BUSWAY_CHECK(!consumer->fetch(1).due.has_value());
}

void the_earliest_is_due(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  place.put(place.events(3));
  const std::vector<Leased> all = take(*consumer, 3);
  const WallTime begin = place.now();
  settle(*consumer, retry(all[0].sequence, seconds(300)));
  settle(*consumer, release(all[1].sequence, seconds(100)));
  settle(*consumer, retry(all[2].sequence, seconds(200)));
  for (const std::size_t next : {1U, 2U, 0U}) {
    const FetchResult fetched = consumer->fetch(10);
    BUSWAY_CHECK_EQ(fetched.deliveries.size(), 0U);
    BUSWAY_CHECK(fetched.due.has_value());
    BUSWAY_CHECK_EQ(*fetched.due, begin + seconds(next == 1 ? 100 : next == 2 ? 200 : 300));
    place.pass(*fetched.due - place.now());
    const std::vector<Leased> due = finish(*consumer, 1);
    BUSWAY_CHECK_EQ(due[0].sequence, all[next].sequence);
    BUSWAY_CHECK_EQ(due[0].attempt, next == 1 ? 1U : 2U);
  }
}

void a_week_at_most(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  place.put(place.events(2));
  const std::vector<Leased> all = take(*consumer, 2);
  settle(*consumer, retry(all[0].sequence, nanoseconds::max()));  // does not wrap around
  settle(*consumer, retry(all[1].sequence, nanoseconds(-5)));     // at once
  BUSWAY_CHECK_EQ(finish(*consumer, 1)[0].sequence, all[1].sequence);
  check_nothing(*consumer);
}

void released_uncounted(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  place.put(place.event());
  for (int i = 0; i < 5; ++i) {
    const Leased one = take_one(*consumer);
    BUSWAY_CHECK_EQ(one.attempt, 1U);
    settle(*consumer, release(one.sequence));
  }
  settle(*consumer, retry(take_one(*consumer).sequence));
  for (int i = 0; i < 3; ++i) {
    const Leased one = take_one(*consumer);
    BUSWAY_CHECK_EQ(one.attempt, 2U);
    settle(*consumer, release(one.sequence));
  }
  BUSWAY_CHECK_EQ(finish(*consumer, 1)[0].attempt, 2U);
}

void retries_come_first(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  const std::vector<std::uint64_t> sequences = place.put(place.events(20));
  settle(*consumer, retry(take_one(*consumer).sequence));
  const std::vector<Leased> next = finish(*consumer, 3);
  BUSWAY_CHECK_EQ(next[0].sequence, sequences[0]);
  BUSWAY_CHECK_EQ(next[1].sequence, sequences[1]);
  BUSWAY_CHECK_EQ(next[2].sequence, sequences[2]);
}

void passed_by_later_events(StoreHarness& harness, DurableOrder order) {
  Place place(harness);
  DurableSpec spec = place.spec("name");
  spec.order = order;
  const auto consumer = place.store().open(spec);
  const std::vector<std::uint64_t> sequences = place.put(place.events(5));
  settle(*consumer, retry(take_one(*consumer).sequence, seconds(100)));
  for (std::size_t n = 1; n < 5; ++n) {
    BUSWAY_CHECK_EQ(finish(*consumer, 1)[0].sequence, sequences[n]);
  }
  check_nothing(*consumer);
}
void relaxed_passes(StoreHarness& harness) {
  passed_by_later_events(harness, DurableOrder::relaxed);
}
void key_passes(StoreHarness& harness) { passed_by_later_events(harness, DurableOrder::key); }

void strict_holds_back(StoreHarness& harness) {
  Place place(harness);
  DurableSpec spec = place.spec("name");
  spec.order = DurableOrder::strict;
  const auto consumer = place.store().open(spec);
  const std::vector<std::uint64_t> sequences = place.put(place.events(6));
  const std::vector<Leased> first = take(*consumer, 3);
  const nanoseconds delay = place.is_manual() ? nanoseconds(seconds(30)) : place.lease();
  // The second fails; the third, which was in hand, is given back and waits for it.
  settle(*consumer, done(first[0].sequence));
  settle(*consumer, retry(first[1].sequence, delay));
  settle(*consumer, release(first[2].sequence));
  const FetchResult held = consumer->fetch(10);
  BUSWAY_CHECK_EQ(held.deliveries.size(), 0U);
  BUSWAY_CHECK(held.active);
  BUSWAY_CHECK(held.due.has_value());
  place.pass(delay);
  std::vector<std::uint64_t> got;
  for (const Leased& one : finish(*consumer, 5)) got.push_back(one.sequence);
  BUSWAY_CHECK(got == std::vector<std::uint64_t>(sequences.begin() + 1, sequences.end()));
}

void settled_and_fetched(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  const std::vector<std::uint64_t> sequences = place.put(place.events(3));
  const Leased first = take_one(*consumer);
  const std::vector<Settlement> settlements{done(first.sequence), done(9'999)};
  SettleResult settled;
  const FetchResult fetched = consumer->settle_and_fetch(settlements, 1, settled);
  BUSWAY_CHECK_EQ(settled.accepted, 1U);
  BUSWAY_CHECK_EQ(settled.stale, 1U);
  BUSWAY_CHECK_EQ(fetched.deliveries.size(), 1U);
  BUSWAY_CHECK_EQ(fetched.deliveries[0].sequence, sequences[1]);
  check_same(fetched.deliveries[0].event,
             place.store().find(fetched.deliveries[0].event.id()).value().event);
}

}  // namespace

Cases settling_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"WhatFailedTwiceArrivesTheThirdTime", &failed_twice},
      {"NothingIsLostAfterThreeHundredErrors", &goes_on_after_errors},
      {"TheFirstTwoAndEveryFifthFailAndAllArrive", &first_two_and_every_fifth},
      {"EachSettlementOfABatchCountsByItself", &each_of_a_batch_by_itself},
      {"ADeliveryIsSettledOnce", &settled_once},
      {"ARetryIsNotGivenBeforeItIsDue", &not_before_it_is_due},
      {"AFetchTellsTheEarliestDue", &the_earliest_is_due, nullptr, "", true},
      {"DelaysOutOfRangeAreCutAndDoNotWrap", &a_week_at_most},
      {"AReleaseDoesNotCount", &released_uncounted},
      {"WhatIsDueAgainComesBeforeWhatIsNew", &retries_come_first},
      {"RelaxedOrderLetsLaterEventsPassARetry", &relaxed_passes},
      {"KeyOrderLetsLaterEventsPassARetry", &key_passes},
      {"StrictOrderHoldsLaterEventsBack", &strict_holds_back},
      {"SettlingAndFetchingGoTogether", &settled_and_fetched},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
