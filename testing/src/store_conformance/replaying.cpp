// Giving stored events to a durable name once more; counting what a store holds.
#include <algorithm>
#include <vector>

#include "busway/limits.hpp"
#include "support.hpp"

namespace busway::testing::conformance {
namespace {

using Sequences = std::vector<std::uint64_t>;

Sequences sequences_of(const std::vector<Leased>& leased) {
  Sequences out;
  for (const Leased& one : leased) out.push_back(one.sequence);
  return out;
}

void of_the_past(StoreHarness& harness) {
  Place place(harness);
  const Sequences before = place.put(place.events(3, "before"));
  const auto consumer = place.open("mailer", "test.*");
  const auto other = place.open("other", "test.*");
  const Sequences all = place.put(place.events(4, "test.event"));
  finish(*consumer, 4);
  finish(*other, 4);

  // Those of before its time and of other topics too.
  const Sequences wanted{before[1], all[0], all[2]};
  BUSWAY_CHECK_EQ(place.other().replay("mailer", wanted), 3U);
  std::vector<Leased> again = take(*consumer, 3);
  BUSWAY_CHECK(sequences_of(again) == wanted);
  for (const Leased& one : again) {
    BUSWAY_CHECK_EQ(one.attempt, 1U);
    BUSWAY_CHECK(!one.redriven);
    settle(*consumer, done(one.sequence));
  }
  check_nothing(*consumer);
  check_nothing(*other);
  // As often as one likes.
  BUSWAY_CHECK_EQ(place.store().replay("mailer", wanted), 3U);
  settle(*consumer, retry(take_one(*consumer).sequence));
  finish(*consumer, 3);
  check_nothing(*consumer);
}

void passes_over_what_is_to_come(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer");
  Sequences all = place.put(place.events(5));
  BUSWAY_CHECK_EQ(place.store().replay("mailer", all), 0U);  // all are still to come
  BUSWAY_CHECK_EQ(take(*consumer, 3).size(), 3U);
  settle(*consumer, done(all[0]));
  settle(*consumer, retry(all[1], seconds(60)));
  all.push_back(all.back() + 100);                           // there is none
  BUSWAY_CHECK_EQ(place.store().replay("mailer", all), 1U);  // the one that is settled
  BUSWAY_CHECK_EQ(place.store().replay("mailer", all), 0U);
  settle(*consumer, done(all[2]));
  std::vector<Leased> rest = finish(*consumer, 3);
  BUSWAY_CHECK(std::any_of(rest.begin(), rest.end(),
                           [&](const Leased& one) { return one.sequence == all[0]; }));
  BUSWAY_CHECK_ERROR(place.store().replay("nobody", all), not_found);
  const Sequences many(limits::kFetchMax + 1, 1);
  BUSWAY_CHECK_ERROR(place.store().replay("mailer", many), invalid_argument);
}

void of_a_dead_letter(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer");
  const Sequences all = place.put(place.events(1));
  settle(*consumer, bury(take_one(*consumer).sequence));
  BUSWAY_CHECK_EQ(place.store().replay("mailer", all), 1U);
  BUSWAY_CHECK(place.store().dead_letters({}).at(0).redriving);
  const Leased again = take_one(*consumer);
  BUSWAY_CHECK(again.redriven);
  BUSWAY_CHECK_EQ(again.attempt, 1U);
  settle(*consumer, done(again.sequence));
  BUSWAY_CHECK_EQ(place.store().dead_letters({}).size(), 0U);
}

void is_kept_until_settled(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer");
  const Sequences all = place.put(place.events(4));
  finish(*consumer, 4);
  BUSWAY_CHECK_EQ(place.store().replay("mailer", Sequences{all[1]}), 1U);
  Retention retention;
  retention.max_events = 1;
  place.store().trim(retention);
  finish(*consumer, 1);
  check_nothing(*consumer);
  BUSWAY_CHECK_EQ(place.store().replay("mailer", Sequences{all[0], all[2]}), 0U);  // they are gone
}

void is_there_after_a_restart(StoreHarness& harness) {
  Place place(harness);
  Sequences all;
  {
    const auto consumer = place.open("mailer");
    all = place.put(place.events(3));
    finish(*consumer, 3);
    BUSWAY_CHECK_EQ(place.store().replay("mailer", all), 3U);
  }
  place.reopen();
  const auto consumer = place.open("mailer");
  BUSWAY_CHECK(sequences_of(finish(*consumer, 3)) == all);
  check_nothing(*consumer);
}

void counted(StoreHarness& harness) {
  Place place(harness);
  BUSWAY_CHECK(place.store().census().topics.empty());
  const auto consumer = place.open("mailer", "a*");
  const auto all = place.open("quiet", "nothing");
  place.put(place.events(2, "b"));
  const Sequences sequences = place.put(place.events(5, "a"));
  place.put(place.events(2, "aa"));
  (void)all;

  const auto of = [&](const std::string& name) {
    for (DurableCount& one : place.other().census().durables) {
      if (one.info.name == name) return one;
    }
    return DurableCount{};
  };
  const StoreCensus census = place.other().census();
  BUSWAY_CHECK_EQ(census.stats.events, 9U);
  BUSWAY_CHECK_EQ(census.topics.size(), 3U);
  BUSWAY_CHECK_EQ(census.topics[0].topic, "a");
  BUSWAY_CHECK_EQ(census.topics[0].events, 5U);
  BUSWAY_CHECK_EQ(census.topics[1].topic, "aa");
  BUSWAY_CHECK_EQ(census.topics[1].events, 2U);
  BUSWAY_CHECK_EQ(census.topics[2].topic, "b");
  BUSWAY_CHECK_EQ(census.topics[2].events, 2U);
  BUSWAY_CHECK_EQ(census.durables.size(), 2U);
  BUSWAY_CHECK_EQ(of("mailer").backlog, 7U);
  BUSWAY_CHECK(of("mailer").oldest.has_value());
  BUSWAY_CHECK_EQ(of("quiet").backlog, 0U);
  BUSWAY_CHECK(!of("quiet").oldest.has_value());

  const std::vector<Leased> taken = take(*consumer, 3);
  settle(*consumer, done(taken[0].sequence));
  settle(*consumer, retry(taken[1].sequence, seconds(60)));
  BUSWAY_CHECK_EQ(of("mailer").backlog, 6U);
  BUSWAY_CHECK_EQ(*of("mailer").oldest, place.store().find(taken[1].event.id())->event.time());
  settle(*consumer, bury(taken[2].sequence));
  BUSWAY_CHECK_EQ(of("mailer").backlog, 5U);
  BUSWAY_CHECK_EQ(of("mailer").info.dead_letters, 1U);
  BUSWAY_CHECK_EQ(of("mailer").info.retrying, 1U);
  BUSWAY_CHECK_EQ(place.store().replay("mailer", Sequences{sequences[0]}), 1U);
  BUSWAY_CHECK_EQ(of("mailer").backlog, 6U);
  BUSWAY_CHECK_EQ(*of("mailer").oldest, taken[0].event.time());
}

}  // namespace

Cases replay_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"AReplayGivesThePastToOneNameAloneAsAFirstAttempt", &of_the_past},
      {"AReplayPassesOverWhatANameHasStillToSettle", &passes_over_what_is_to_come},
      {"AReplayOfADeadLetterRedrivesIt", &of_a_dead_letter},
      {"WhatIsReplayedIsKeptUntilItIsSettled", &is_kept_until_settled, &StoreFeatures::trim,
       "trim"},
      {"AReplayIsThereAfterARestart", &is_there_after_a_restart, &StoreFeatures::persistent,
       "persistent"},
      {"ACensusCountsByTopicAndByName", &counted},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
