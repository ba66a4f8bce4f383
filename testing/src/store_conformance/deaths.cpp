// Processes that are killed with events in hand: the harness makes one and ends it.
#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "support.hpp"

namespace busway::testing::conformance {
namespace {

using Sequences = std::vector<std::uint64_t>;

DurableSpec spec_of(Place& place, DurableOrder order = DurableOrder::relaxed) {
  DurableSpec spec = place.spec("name");
  spec.order = order;
  spec.lease = place.lease();
  return spec;
}

void after_its_lease(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.store().open(spec_of(place));
  const Sequences sequences = place.put(place.events(20));
  harness.kill_holder(spec_of(place), 12);
  place.pass(place.lease());
  std::set<std::uint64_t> seen;
  for (const Leased& one : finish(*standing, 20)) {
    BUSWAY_CHECK(seen.insert(one.sequence).second);
    BUSWAY_CHECK_EQ(one.attempt, one.sequence <= sequences[11] ? 2U : 1U);
  }
  check_all_settled(place.store(), *standing, "name");
}

void at_once(StoreHarness& harness, DurableOrder order) {
  Place place(harness);
  DurableSpec spec = spec_of(place, order);
  spec.lease = std::chrono::hours(1);  // nobody waits for that
  const Sequences sequences = place.put(place.events(6));
  spec.start = Replay::beginning();
  harness.kill_holder(spec, 4);
  const auto next = place.store().open(spec);
  Sequences got;
  for (const Leased& one : finish(*next, 6)) {
    BUSWAY_CHECK_EQ(one.attempt, one.sequence <= sequences[3] ? 2U : 1U);
    got.push_back(one.sequence);
  }
  std::sort(got.begin(), got.end());
  BUSWAY_CHECK(got == sequences);
  if (order != DurableOrder::relaxed) return;  // it is active, and no other one gets any

  // It is open, and idle, when another one dies; and there are those that live.
  const auto living = place.other().open(spec);
  const Sequences more = place.put(place.events(4));
  const Leased in_hand = take_one(*living);
  harness.kill_holder(spec, 3);
  got.clear();
  for (const Leased& one : finish(*next, 3)) {
    BUSWAY_CHECK_EQ(one.attempt, 2U);
    got.push_back(one.sequence);
  }
  std::sort(got.begin(), got.end());
  BUSWAY_CHECK(got == Sequences(more.begin() + 1, more.end()));
  check_nothing(*next);  // what is in living hands is not given out
  settle(*living, done(in_hand.sequence));
  check_all_settled(place.store(), *next, "name");
}
void at_once_relaxed(StoreHarness& harness) { at_once(harness, DurableOrder::relaxed); }
void at_once_strict(StoreHarness& harness) { at_once(harness, DurableOrder::strict); }

void standby_goes_on(StoreHarness& harness) {
  Place place(harness);
  const DurableSpec spec = spec_of(place, DurableOrder::strict);
  const Sequences sequences = [&] {
    place.store().open(spec)->close();
    return place.put(place.events(5));
  }();
  harness.kill_holder(spec, 2);
  const auto standby = place.store().open(spec);
  place.pass(place.lease());
  Sequences got;
  for (const Leased& one : finish(*standby, 5)) got.push_back(one.sequence);
  BUSWAY_CHECK(got == sequences);
}

void letter_under_way(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.store().open(spec_of(place));
  const std::uint64_t sequence = place.put(place.event());
  settle(*standing, bury(take_one(*standing).sequence));
  BUSWAY_CHECK_EQ(place.store().redrive({}), 1U);
  harness.kill_holder(spec_of(place), 1);
  BUSWAY_CHECK_EQ(place.store().dead_letters({}).size(), 1U);
  place.pass(place.lease());
  const Leased again = take_one(*standing);
  BUSWAY_CHECK_EQ(again.sequence, sequence);
  BUSWAY_CHECK_EQ(again.attempt, 2U);
  BUSWAY_CHECK(again.redriven);
  settle(*standing, done(again.sequence));
  BUSWAY_CHECK_EQ(place.store().dead_letters({}).size(), 0U);
}

void dies_of_the_same(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.store().open(spec_of(place));
  place.put(place.event());
  // Attempts are counted when an event is given out: nobody is left to count them afterwards.
  for (int death = 0; death < 2; ++death) {
    harness.kill_holder(spec_of(place), 1);
    place.pass(place.lease());
  }
  const Leased third = take_one(*standing);
  BUSWAY_CHECK_EQ(third.attempt, 3U);
  settle(*standing, bury(third.sequence));
  BUSWAY_CHECK_EQ(place.store().dead_letters({}).at(0).history.at(0).attempts, 3U);
}

}  // namespace

Cases death_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"WhatAKilledProcessHadOutComesAgainWhenItsLeaseHasLapsed", &after_its_lease, nullptr, "",
       false, true},
      {"WhatAKilledProcessHadOutComesAgainAtOnce", &at_once_relaxed, &StoreFeatures::presence,
       "presence", false, true},
      {"AKilledActiveOneIsFollowedAtOnce", &at_once_strict, &StoreFeatures::presence, "presence",
       false, true},
      {"AStandbyFollowsAKilledActiveOneInOrder", &standby_goes_on, nullptr, "", false, true},
      {"ALetterUnderWayAtAKilledProcessComesAgain", &letter_under_way, nullptr, "", false, true},
      {"EachDeathIsCountedAsAnAttempt", &dies_of_the_same, nullptr, "", false, true},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
