// What an opening that was open all along, and idle, notices of what another one does.
#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "support.hpp"

namespace busway::testing::conformance {
namespace {

using Sequences = std::vector<std::uint64_t>;

Retention of_events(std::uint64_t count) {
  Retention retention;
  retention.max_events = count;
  return retention;
}

/// Each side has looked at all there is, and has had something to remember.
void warm_up(Place& place, StoreConsumer& standing) {
  place.put(place.event("warm"));
  finish(standing, 1);
  check_nothing(standing);
  for (Store* store : {&place.store(), &place.other()}) {
    static_cast<void>(store->durables());
    static_cast<void>(store->stats());
    static_cast<void>(store->read({}));
    static_cast<void>(store->dead_letters({}));
  }
}

void events_of_another(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.open("standing");
  warm_up(place, *standing);
  for (std::size_t round = 0; round < 20; ++round) {
    check_nothing(*standing);
    const Event event = place.event("test.event", round);
    const AppendResult result = place.other().append(event);
    BUSWAY_CHECK_EQ(result.answer, Appended::stored);
    const Leased one = take_one(*standing);
    BUSWAY_CHECK_EQ(one.sequence, result.sequence);
    BUSWAY_CHECK_EQ(number_of(one.event), round);
    settle(*standing, done(one.sequence));
    // And what it appends itself comes behind that.
    BUSWAY_CHECK(place.put(place.event("test.event", round)) > result.sequence);
    finish(*standing, 1);
    BUSWAY_CHECK_EQ(place.store().append(event).answer, Appended::duplicate);
    BUSWAY_CHECK_EQ(place.store().find(event.id()).value().sequence, result.sequence);
  }
  BUSWAY_CHECK_EQ(place.store().stats().events, 41U);
  check_all_settled(place.store(), *standing, "standing");
}

void name_of_another(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.open("standing", "warm");
  warm_up(place, *standing);
  const auto made = place.other().open(place.spec("made", "test.*"));
  BUSWAY_CHECK_EQ(info_of(place.store(), "made").lag, 0U);
  const Event event = place.event();
  const std::uint64_t sequence = place.put(event);  // by the one that stands
  BUSWAY_CHECK_EQ(info_of(place.store(), "made").lag, 1U);
  const StoredStatus status = place.store().status(event.id()).value();
  BUSWAY_CHECK_EQ(status.deliveries.size(), 1U);
  BUSWAY_CHECK_EQ(status.status, EventStatus::pending);
  if (place.store().features().trim) {
    static_cast<void>(place.store().trim(of_events(0)));
    BUSWAY_CHECK(place.store().find(event.id()).has_value());
  }
  BUSWAY_CHECK_EQ(take_one(*made).sequence, sequence);
  settle(*made, done(sequence));
  BUSWAY_CHECK_EQ(place.store().status(event.id()).value().status, EventStatus::completed);

  // It goes, and takes what it held with it.
  place.put(place.event());
  BUSWAY_CHECK(place.other().remove("made"));
  BUSWAY_CHECK_EQ(place.store().durables().size(), 1U);
  BUSWAY_CHECK(!place.store().remove("made"));
  BUSWAY_CHECK_ERROR(place.store().replay("made", {}), not_found);
  if (place.store().features().trim) {
    BUSWAY_CHECK_EQ(place.store().trim(of_events(0)).held, 0U);
    BUSWAY_CHECK_EQ(place.store().stats().events, 0U);
  }
}

void removed_by_another(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.open("standing");
  warm_up(place, *standing);
  place.put(place.events(2));
  const Leased leased = take_one(*standing);
  BUSWAY_CHECK(place.other().remove("standing"));
  const auto anew = place.other().open(place.spec("standing"));  // of the same name, not the same
  const Settlement late = done(leased.sequence);
  BUSWAY_CHECK_ERROR(standing->settle(std::span(&late, 1)), not_found);
  BUSWAY_CHECK_ERROR(standing->fetch(1), not_found);
  place.put(place.event("test.event", 5));
  BUSWAY_CHECK_ERROR(standing->fetch(1), not_found);
  BUSWAY_CHECK_EQ(number_of(finish(*anew, 1)[0].event), 5U);
  check_nothing(*anew);
}

void trim_by_another(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.open("standing", "test.*");
  warm_up(place, *place.open("other", "warm"));
  const std::vector<Event> events = place.events(20);
  const Sequences sequences = place.put(events);
  finish(*standing, 10);
  const Leased in_hand = take_one(*standing);
  check_same(place.store().find(events[4].id()).value().event, events[4]);

  static_cast<void>(place.other().trim(of_events(0)));
  BUSWAY_CHECK(!place.store().find(events[4].id()).has_value());
  BUSWAY_CHECK(!place.store().status(events[4].id()).has_value());
  StoreStats stats = place.store().stats();
  BUSWAY_CHECK_EQ(stats.events, 10U);
  BUSWAY_CHECK_EQ(stats.first_sequence, sequences[10]);
  BUSWAY_CHECK_EQ(place.store().read({}).events.at(0).sequence, sequences[10]);
  BUSWAY_CHECK_EQ(place.store().replay("standing", Sequences{sequences[4]}), 0U);
  if (place.store().features().dedupe_always) {
    BUSWAY_CHECK_EQ(place.store().append(events[4]).answer, Appended::stored);
  } else {
    place.put(place.event("test.event", 4));
  }
  settle(*standing, done(in_hand.sequence));
  const std::vector<Leased> rest = finish(*standing, 10);
  for (std::size_t n = 0; n < 9; ++n) BUSWAY_CHECK_EQ(rest[n].sequence, sequences[11 + n]);
  BUSWAY_CHECK_EQ(number_of(rest[9].event), 4U);
  check_nothing(*standing);
}

void note_of_another(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.open("standing");
  standing->keep_note("its own");
  BUSWAY_CHECK_EQ(standing->note(), "its own");
  const auto other = place.other().open(place.spec("standing"));
  BUSWAY_CHECK_EQ(other->note(), "its own");
  other->keep_note("of another");
  BUSWAY_CHECK_EQ(standing->note(), "of another");
  BUSWAY_CHECK_EQ(place.open("standing")->note(), "of another");
  standing->keep_note("");
  BUSWAY_CHECK_EQ(other->note(), "");
}

void letters_of_another(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.open("standing");
  warm_up(place, *standing);
  const Sequences sequences = place.put(place.events(3));
  for (const Leased& one : take(*standing, 3)) settle(*standing, bury(one.sequence));
  check_nothing(*standing);
  BUSWAY_CHECK_EQ(place.other().redrive({}), 3U);
  for (const StoredLetter& one : place.store().dead_letters({})) BUSWAY_CHECK(one.redriving);
  const std::vector<Leased> again = take(*standing, 3);
  BUSWAY_CHECK_EQ(again[0].sequence, sequences[0]);
  for (const Leased& one : again) BUSWAY_CHECK(one.redriven);
  settle(*standing, done(again[0].sequence));
  settle(*standing, bury(again[1].sequence));
  settle(*standing, bury(again[2].sequence));
  StoredLetterQuery query;
  query.id = place.store().dead_letters({}).at(0).id;
  BUSWAY_CHECK_EQ(place.other().purge(query), 1U);
  BUSWAY_CHECK_EQ(place.store().dead_letters({}).size(), 1U);
  BUSWAY_CHECK_EQ(place.store().dead_letters({}).at(0).sequence, sequences[2]);
  BUSWAY_CHECK_EQ(place.store().stats().dead_letters, 1U);
  BUSWAY_CHECK_EQ(place.store().redrive({}), 1U);
  finish(*standing, 1);
  BUSWAY_CHECK_EQ(place.other().dead_letters({}).size(), 0U);
}

void replay_of_another(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.open("standing");
  warm_up(place, *standing);
  const Sequences sequences = place.put(place.events(5));
  finish(*standing, 5);
  check_nothing(*standing);
  BUSWAY_CHECK_EQ(place.other().replay("standing", Sequences{sequences[1], sequences[3]}), 2U);
  const std::vector<Leased> again = finish(*standing, 2);
  BUSWAY_CHECK_EQ(again[0].sequence, sequences[1]);
  BUSWAY_CHECK_EQ(again[1].sequence, sequences[3]);
  check_nothing(*standing);
}

void given_back_by_another(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.open("standing");
  warm_up(place, *standing);
  const auto other = place.other().open(place.spec("standing"));
  const Sequences sequences = place.put(place.events(6));
  const std::vector<Leased> leased = take(*other, 5);
  settle(*other, done(leased[0].sequence));
  settle(*other, retry(leased[1].sequence));
  finish(*standing, 2);  // what failed there, and what was left
  check_nothing(*standing);
  other->close();
  Sequences got;
  for (const Leased& one : finish(*standing, 3)) {
    BUSWAY_CHECK_EQ(one.attempt, 1U);
    got.push_back(one.sequence);
  }
  BUSWAY_CHECK(got == (Sequences{sequences[2], sequences[3], sequences[4]}));
  check_all_settled(place.store(), *standing, "standing");
}

void store_of_another_closes(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.open("standing");
  warm_up(place, *standing);
  const std::shared_ptr<Store> other = harness.open();
  const auto consumer = other->open(place.spec("standing"));
  place.put(place.events(4));
  BUSWAY_CHECK_EQ(take(*consumer, 4).size(), 4U);
  check_nothing(*standing);
  other->close();
  for (const Leased& one : finish(*standing, 4)) BUSWAY_CHECK_EQ(one.attempt, 1U);
  check_nothing(*standing);
}

void active_of_another_closes(StoreHarness& harness) {
  Place place(harness);
  DurableSpec spec = place.spec("standing");
  spec.order = DurableOrder::strict;
  const auto active = place.other().open(spec);
  const Sequences sequences = place.put(place.events(4));
  const Leased first = take_one(*active);
  const auto standby = place.store().open(spec);
  BUSWAY_CHECK(!standby->fetch(10).active);
  settle(*active, done(first.sequence));
  BUSWAY_CHECK_EQ(take_one(*active).sequence, sequences[1]);
  BUSWAY_CHECK(!standby->fetch(10).active);
  active->close();
  const std::vector<Leased> rest = finish(*standby, 3);
  for (std::size_t n = 0; n < 3; ++n) {
    BUSWAY_CHECK_EQ(rest[n].sequence, sequences[1 + n]);
    BUSWAY_CHECK_EQ(rest[n].attempt, 1U);
  }
}

void patterns_of_another(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.open("standing", "order.*");
  place.put(place.event("order.made", 1));
  finish(*standing, 1);
  check_nothing(*standing);
  DurableSpec spec = place.spec("standing", "user.*");
  spec.on_change = OnChange::replace;
  const auto other = place.other().open(spec);
  place.put(place.event("order.made", 2));
  place.put(place.event("user.made", 3));
  BUSWAY_CHECK_EQ(number_of(finish(*standing, 1)[0].event), 3U);
  check_nothing(*standing);
  check_nothing(*other);
  BUSWAY_CHECK(info_of(place.store(), "standing").patterns == spec.patterns);
}

void status_of_another(StoreHarness& harness) {
  Place place(harness);
  warm_up(place, *place.open("standing", "warm"));
  const auto other = place.other().open(place.spec("other", "test.*"));
  const Event event = place.event();
  const std::uint64_t sequence = place.put(event);
  const auto status = [&] { return place.store().status(event.id()).value().status; };
  BUSWAY_CHECK_EQ(status(), EventStatus::pending);
  static_cast<void>(take_one(*other));
  BUSWAY_CHECK_EQ(status(), EventStatus::processing);
  BUSWAY_CHECK_EQ(info_of(place.store(), "other").leased, 1U);
  settle(*other, bury(sequence));
  BUSWAY_CHECK_EQ(status(), EventStatus::failed);
  BUSWAY_CHECK_EQ(info_of(place.store(), "other").dead_letters, 1U);
  BUSWAY_CHECK_EQ(place.other().redrive({}), 1U);
  finish(*other, 1);
  BUSWAY_CHECK_EQ(status(), EventStatus::completed);
  for (const DurableCount& one : place.store().census().durables) {
    BUSWAY_CHECK_EQ(one.backlog, 0U);
  }
}

void news_of_another(StoreHarness& harness) {
  Place place(harness);
  const auto standing = place.open("standing");
  std::atomic<int> news{0};
  const Store::Watch watch = place.store().watch([&](StoreNews) { ++news; });
  const auto told_after = [&](const std::function<void()>& call, const char* what) {
    const int before = news;
    call();
    wait_until([&] { return news > before; }, what);
  };
  const std::uint64_t sequence = place.put(place.event());
  settle(*standing, bury(take_one(*standing).sequence));
  told_after([&] { BUSWAY_CHECK_EQ(place.other().redrive({}), 1U); }, "news of a redrive");
  finish(*standing, 1);
  told_after([&] { BUSWAY_CHECK_EQ(place.other().replay("standing", Sequences{sequence}), 1U); },
             "news of a replay");
  finish(*standing, 1);
}

/// Repeats the call while the server cannot be asked.
template <class Call>
auto when_available(const Call& call) {
  std::optional<decltype(call())> result;
  wait_until(
      [&] {
        try {
          result = call();
        } catch (const Error& error) {
          BUSWAY_CHECK_EQ(error.code(), ErrorCode::store_unavailable);
        }
        return result.has_value();
      },
      "the server is found again");
  return std::move(*result);
}

void restarts_under_it(StoreHarness& harness) {
  Place place(harness);
  DurableSpec spec = place.spec("standing");
  spec.lease = place.lease();
  const auto standing = place.store().open(spec);
  standing->keep_note("kept");
  std::atomic<int> news{0};
  const Store::Watch watch = place.store().watch([&](StoreNews) { ++news; });
  std::unordered_set<EventId> sent;
  std::unordered_set<EventId> got;
  const auto publish = [&](std::size_t n) {
    const Event event = place.event("test.event", n);
    sent.insert(event.id());
    // Once more with the same id where the answer was lost.
    wait_until([&] { return place.store().append(event).ok(); }, "an append is answered");
  };
  const auto settle_all = [&](const std::vector<Leased>& leased) {
    for (const Leased& one : leased) {
      const Settlement settlement = done(one.sequence);
      const SettleResult result =
          when_available([&] { return standing->settle(std::span(&settlement, 1)); });
      BUSWAY_CHECK_EQ(result.accepted + result.stale, 1U);
      got.insert(one.event.id());
    }
  };
  for (std::size_t round = 0; round < 3; ++round) {
    publish(3 * round);
    std::vector<Leased> in_hand;
    wait_until(
        [&] {
          in_hand = when_available([&] { return standing->fetch(1); }).deliveries;
          return !in_hand.empty();
        },
        "an event comes");
    publish(3 * round + 1);
    harness.restart();
    const int before = news;
    publish(3 * round + 2);
    wait_until([&] { return news > before; }, "a watch hears of appends after a restart");
    settle_all(in_hand);
    settle_all(when_available([&] { return standing->fetch(1); }).deliveries);
  }
  // What a lost answer had leased comes again when the lease has lapsed.
  wait_until(
      [&] {
        const FetchResult fetched = when_available([&] { return standing->fetch(10); });
        settle_all(fetched.deliveries);
        if (fetched.deliveries.empty() && place.is_manual()) place.pass(place.lease());
        return got.size() == sent.size();
      },
      "all come that were published");
  BUSWAY_CHECK(got == sent);
  check_all_settled(place.store(), *standing, "standing");
  BUSWAY_CHECK_EQ(standing->note(), "kept");
  BUSWAY_CHECK_EQ(place.store().stats().events, sent.size());
}

}  // namespace

Cases standing_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"AStandingConsumerGetsTheEventsOfAnotherOpening", &events_of_another},
      {"AStandingOpeningServesANameThatAnotherMakesOrRemoves", &name_of_another},
      {"AStandingConsumerOfANameMadeAnewIsNotFound", &removed_by_another},
      {"AStandingConsumerGoesOnBehindATrimOfAnother", &trim_by_another, &StoreFeatures::trim,
       "trim"},
      {"AStandingConsumerReadsTheNoteOfAnother", &note_of_another},
      {"AStandingConsumerGetsTheLettersThatAnotherSendsAgain", &letters_of_another},
      {"AStandingConsumerGetsWhatAnotherReplays", &replay_of_another},
      {"AStandingConsumerGetsWhatAClosedOneHad", &given_back_by_another},
      {"AStandingConsumerGetsWhatAClosedStoreHad", &store_of_another_closes, &StoreFeatures::shared,
       "shared"},
      {"AStandbyTakesOverWhenTheActiveOneCloses", &active_of_another_closes},
      {"AStandingConsumerHasThePatternsThatAnotherGaveItsName", &patterns_of_another},
      {"AStandingOpeningTellsTheStatusOfAnothersDeliveries", &status_of_another},
      {"AStandingWatchHearsOfAnothersRedriveAndReplay", &news_of_another},
      {"AStandingOpeningFindsItsRestartedServerAgain", &restarts_under_it,
       &StoreFeatures::persistent, "persistent"},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
