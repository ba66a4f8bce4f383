// Leases: what a death costs, who takes over, clocks that jump. An opening that makes no call any
// more is a process that died.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "support.hpp"

namespace busway::testing::conformance {
namespace {

/// An opening that keeps its lease without a ManualClock as well.
std::unique_ptr<StoreConsumer> open_briefly(Place& place, Store& store, std::string_view name,
                                            DurableOrder order = DurableOrder::relaxed) {
  DurableSpec spec = place.spec(name);
  spec.order = order;
  spec.lease = place.lease();
  return store.open(spec);
}

void not_twice(StoreHarness& harness) {
  Place place(harness);
  const auto first = place.open("name");
  const auto second = place.other().open(place.spec("name"));
  place.put(place.events(5));
  const std::vector<Leased> leased = take(*first, 5);
  check_nothing(*first);
  const FetchResult fetched = second->fetch(10);
  BUSWAY_CHECK_EQ(fetched.deliveries.size(), 0U);
  BUSWAY_CHECK(fetched.due.has_value());
  if (place.is_manual()) {
    BUSWAY_CHECK_EQ(*fetched.due, place.now() + place.spec("name").lease);
    place.pass(place.spec("name").lease - nanoseconds(1));
    check_nothing(*second);
  }
  for (const Leased& one : leased) settle(*first, done(one.sequence));
  place.pass(place.is_manual() ? nanoseconds(std::chrono::hours(1)) : nanoseconds(0));
  check_nothing(*second);
}

void taken_over(StoreHarness& harness) {
  Place place(harness);
  const auto dead = open_briefly(place, place.other(), "name");
  place.put(place.event());
  const Leased first = take_one(*dead);
  const auto next = open_briefly(place, place.store(), "name");
  check_nothing(*next);
  place.pass(place.lease());
  const Leased again = take_one(*next);
  BUSWAY_CHECK_EQ(again.sequence, first.sequence);
  BUSWAY_CHECK_EQ(again.attempt, 2U);

  // It was not dead after all: what it says now comes too late, and is counted.
  const std::uint64_t stale = place.other().stats().stale;
  for (const Settlement& late :
       {done(first.sequence), retry(first.sequence), bury(first.sequence)}) {
    const SettleResult result = dead->settle(std::span(&late, 1));
    BUSWAY_CHECK_EQ(result.accepted, 0U);
    BUSWAY_CHECK_EQ(result.stale, 1U);
  }
  BUSWAY_CHECK_EQ(place.other().stats().stale, stale + 3);
  settle(*next, done(again.sequence));
  check_nothing(*next);
  check_nothing(*dead);
  BUSWAY_CHECK_EQ(place.store().dead_letters({}).size(), 0U);
}

void all_taken_over(StoreHarness& harness) {
  Place place(harness);
  const auto dead = open_briefly(place, place.other(), "name");
  place.put(place.events(100));
  BUSWAY_CHECK_EQ(take(*dead, 100).size(), 100U);
  place.pass(place.lease());
  const auto next = place.open("name");
  std::set<std::uint64_t> seen;
  for (const Leased& one : finish(*next, 100)) {
    BUSWAY_CHECK_EQ(one.attempt, 2U);
    BUSWAY_CHECK(seen.insert(one.sequence).second);
  }
  check_nothing(*next);
}

void late_without_a_successor(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = open_briefly(place, place.store(), "name");
  place.put(place.event());
  const Leased one = take_one(*consumer);
  place.pass(place.lease());
  // Refused or taken: but never both done and given out again, nor neither.
  const Settlement late = done(one.sequence);
  const SettleResult result = consumer->settle(std::span(&late, 1));
  BUSWAY_CHECK_EQ(result.accepted + result.stale, 1U);
  if (result.accepted == 1) {
    check_nothing(*consumer);
  } else {
    BUSWAY_CHECK_EQ(finish(*consumer, 1)[0].sequence, one.sequence);
  }
}

void renewed(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = open_briefly(place, place.store(), "name");
  const auto other = open_briefly(place, place.other(), "name");
  place.put(place.events(3));
  const std::vector<Leased> leased = take(*consumer, 3);
  for (int i = 0; i < 4; ++i) {
    place.pass(place.lease() / 2);
    BUSWAY_CHECK(consumer->renew());
    check_nothing(*other);
  }
  std::vector<Settlement> all;
  all.reserve(leased.size());
  for (const Leased& one : leased) all.push_back(done(one.sequence));
  BUSWAY_CHECK_EQ(consumer->settle(all).accepted, 3U);

  place.put(place.event());
  BUSWAY_CHECK_EQ(take(*consumer, 1).size(), 1U);
  place.pass(place.lease());
  BUSWAY_CHECK(!consumer->renew());
  BUSWAY_CHECK_EQ(finish(*other, 1)[0].attempt, 2U);
  BUSWAY_CHECK(consumer->renew());  // of nothing
}

/// The event with number 13 kills whoever has it in hand.
void poisonous(StoreHarness& harness) {
  Place place(harness);
  std::map<std::size_t, unsigned> attempts;
  std::set<std::size_t> settled;
  auto consumer = open_briefly(place, place.store(), "name");
  place.put(place.events(40));
  constexpr std::size_t kPoison = 13;
  for (int deaths = 0; deaths < 8 && settled.size() < 40;) {
    const FetchResult fetched = consumer->fetch(40);
    if (fetched.deliveries.empty()) {
      // All is done, or waits until the lease of the dead has lapsed.
      BUSWAY_CHECK(fetched.due.has_value());
      place.pass(*fetched.due - place.now() + nanoseconds(1));
      continue;
    }
    bool dies = false;
    for (const Leased& one : fetched.deliveries) {
      unsigned& most = attempts[number_of(one.event)];
      most = std::max(most, one.attempt);
      if (number_of(one.event) == kPoison && one.attempt < 6) dies = true;
    }
    if (dies) {
      ++deaths;
      const auto dead = std::move(consumer);
      place.pass(place.lease());
      consumer = open_briefly(place, place.store(), "name");
      // Its lease has lapsed, so that it cannot give back.
      BUSWAY_CHECK(!dead->renew());
      continue;
    }
    for (const Leased& one : fetched.deliveries) {
      settle(*consumer, done(one.sequence));
      settled.insert(number_of(one.event));
    }
  }
  BUSWAY_CHECK_EQ(settled.size(), 40U);
  BUSWAY_CHECK_EQ(attempts[kPoison], 6U);
  std::size_t hurt = 0;
  for (const auto& [number, most] : attempts) {
    if (number == kPoison) continue;
    BUSWAY_CHECK(most <= 4U);  // of six deaths that they could have shared
    if (most > 2) ++hurt;
  }
  BUSWAY_CHECK(hurt <= 15U);
}

void standby(StoreHarness& harness, DurableOrder order) {
  Place place(harness);
  auto active = open_briefly(place, place.store(), "name", order);
  auto waiting = open_briefly(place, place.other(), "name", order);
  place.put(place.events(6));
  const Leased first = take_one(*active);
  FetchResult fetched = waiting->fetch(10);
  BUSWAY_CHECK(!fetched.active);
  BUSWAY_CHECK_EQ(fetched.deliveries.size(), 0U);
  BUSWAY_CHECK(fetched.due.has_value());
  settle(*active, done(first.sequence));
  BUSWAY_CHECK(!waiting->fetch(10).active);  // also while nothing is in hand

  // It closes: the other one goes on at once.
  active->close();
  const std::vector<Leased> second = take(*waiting, 2);
  BUSWAY_CHECK_EQ(second[0].attempt, 1U);
  active = open_briefly(place, place.store(), "name", order);
  BUSWAY_CHECK(!active->fetch(10).active);

  // It dies: the other one goes on once its lease has lapsed, in order.
  place.pass(place.lease());
  std::vector<std::size_t> got;
  for (const Leased& one : finish(*active, 5)) {
    got.push_back(number_of(one.event));
    BUSWAY_CHECK_EQ(one.attempt, got.size() <= 2 ? 2U : 1U);
  }
  BUSWAY_CHECK(got == (std::vector<std::size_t>{1, 2, 3, 4, 5}));
  BUSWAY_CHECK(!waiting->fetch(10).active);
  const Settlement late = done(second[0].sequence);
  BUSWAY_CHECK_EQ(waiting->settle(std::span(&late, 1)).stale, 1U);
}
void key_standby(StoreHarness& harness) { standby(harness, DurableOrder::key); }
void strict_standby(StoreHarness& harness) { standby(harness, DurableOrder::strict); }

void idle_but_renewed(StoreHarness& harness) {
  Place place(harness);
  const auto active = open_briefly(place, place.store(), "name", DurableOrder::key);
  const auto waiting = open_briefly(place, place.other(), "name", DurableOrder::key);
  check_nothing(*active);
  for (int i = 0; i < 4; ++i) {
    place.pass(place.lease() / 2);
    BUSWAY_CHECK(active->renew());
    BUSWAY_CHECK(!waiting->fetch(1).active);
  }
  place.pass(place.lease());
  BUSWAY_CHECK(waiting->fetch(1).active);
  BUSWAY_CHECK(!active->fetch(1).active);
}

void clock_forward(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("name");
  place.put(place.events(10));
  const std::vector<Leased> leased = take(*consumer, 6);
  settle(*consumer, retry(leased[0].sequence, std::chrono::hours(2)));
  settle(*consumer, done(leased[1].sequence));
  harness.clock()->set_wall(place.now() + std::chrono::hours(24 * 365));
  place.put(place.event("test.event", 10));
  std::set<std::size_t> got;
  while (true) {
    const FetchResult fetched = consumer->fetch(100);
    if (fetched.deliveries.empty()) break;
    for (const Leased& one : fetched.deliveries) {
      got.insert(number_of(one.event));
      settle(*consumer, done(one.sequence));
    }
  }
  BUSWAY_CHECK(got == (std::set<std::size_t>{0, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

void clock_back(StoreHarness& harness) {
  Place place(harness);
  const auto dead = place.open("name");
  place.put(place.events(4));
  const std::vector<Leased> leased = take(*dead, 2);
  settle(*dead, retry(leased[0].sequence, seconds(10)));
  harness.clock()->set_wall(place.now() - std::chrono::hours(24 * 365));
  place.put(place.event("test.event", 4));

  // What is new comes at once; the retry and the lease wait no longer than they were to.
  const auto next = place.open("name");
  std::set<std::size_t> got;
  for (const Leased& one : finish(*next, 3)) got.insert(number_of(one.event));
  BUSWAY_CHECK(got == (std::set<std::size_t>{2, 3, 4}));
  place.pass(seconds(10));
  BUSWAY_CHECK_EQ(number_of(finish(*next, 1)[0].event), 0U);
  place.pass(place.spec("name").lease);
  BUSWAY_CHECK_EQ(number_of(finish(*next, 1)[0].event), 1U);
  check_nothing(*next);
}

void clock_back_and_forth(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("name");
  const WallTime begin = place.now();
  std::set<std::size_t> settled;
  for (std::size_t n = 0; n < 60; ++n) {
    place.put(place.event("test.event", n));
    const auto hours = std::chrono::hours(static_cast<int>(n * 7 % 11) - 5);
    harness.clock()->set_wall(begin + hours);
    for (const Leased& one : consumer->fetch(2).deliveries) {
      if (number_of(one.event) % 3 == 0 && one.attempt == 1) {
        settle(*consumer, retry(one.sequence, seconds(5)));
      } else if (number_of(one.event) % 3 != 1 || one.attempt > 1) {
        settle(*consumer, done(one.sequence));
        BUSWAY_CHECK(settled.insert(number_of(one.event)).second);
      }  // else it is left until its lease lapses
    }
  }
  for (int i = 0; i < 2'000 && settled.size() < 60; ++i) {
    place.pass(seconds(1));
    for (const Leased& one : consumer->fetch(100).deliveries) {
      settle(*consumer, done(one.sequence));
      BUSWAY_CHECK(settled.insert(number_of(one.event)).second);
    }
  }
  BUSWAY_CHECK_EQ(settled.size(), 60U);
}

}  // namespace

Cases lease_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"NothingIsGivenTwiceBeforeTheLeaseEnds", &not_twice},
      {"ALapsedLeaseIsTakenOverAndALateSettlementIsStale", &taken_over},
      {"AllThatADeadOneHadIsTakenOver", &all_taken_over},
      {"ALateSettlementWithoutASuccessorIsTakenOrRefusedWhole", &late_without_a_successor},
      {"RenewKeepsALeaseAndTellsOfALapse", &renewed},
      {"APoisonousEventCostsItsNeighboursLittle", &poisonous},
      {"WithKeyOrderOneIsActiveAndAStandbyTakesOver", &key_standby},
      {"WithStrictOrderOneIsActiveAndAStandbyTakesOver", &strict_standby},
      {"AnIdleInstanceStaysActiveWhileItRenews", &idle_but_renewed},
      {"AClockThatJumpsForwardLosesNothing", &clock_forward, nullptr, "", true},
      {"AClockThatJumpsBackDelaysNothing", &clock_back, nullptr, "", true},
      {"AClockThatJumpsBackAndForthLosesNothing", &clock_back_and_forth, nullptr, "", true},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
