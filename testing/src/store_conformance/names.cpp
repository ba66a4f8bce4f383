// Durable names: where they begin, what changes them, what is known of them.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "busway/limits.hpp"
#include "support.hpp"

namespace busway::testing::conformance {
namespace {

/// Which numbers a new name with this start gets, of the ten events that are there.
std::vector<std::size_t> begun_at(Place& place, std::string_view name, const Replay& start,
                                  std::size_t count) {
  DurableSpec spec = place.spec(name, "test.*");
  spec.start = start;
  const auto consumer = place.store().open(spec);
  std::vector<std::size_t> numbers;
  for (const Leased& one : finish(*consumer, count)) numbers.push_back(number_of(one.event));
  check_nothing(*consumer);
  return numbers;
}

using Numbers = std::vector<std::size_t>;

void starts(StoreHarness& harness) {
  Place place(harness);
  const WallTime begin = place.now();
  std::vector<Event> events;
  for (std::size_t n = 0; n < 10; ++n) {
    events.push_back(Event("test.event", Payload::json(Json{{"n", n}}),
                           {.id = new_id(), .time = begin + seconds(n)}));
  }
  const std::vector<std::uint64_t> sequences = place.put(events);

  BUSWAY_CHECK(begun_at(place, "none", {}, 0).empty());
  BUSWAY_CHECK(begun_at(place, "beginning", Replay::beginning(), 10) ==
               (Numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  BUSWAY_CHECK(begun_at(place, "last", Replay::last(3), 3) == (Numbers{7, 8, 9}));
  BUSWAY_CHECK(begun_at(place, "last-none", Replay::last(0), 0).empty());
  BUSWAY_CHECK(begun_at(place, "last-all", Replay::last(1'000), 10).size() == 10U);
  BUSWAY_CHECK(begun_at(place, "since", Replay::since(begin + seconds(8)), 2) == (Numbers{8, 9}));
  BUSWAY_CHECK(begun_at(place, "since-between", Replay::since(begin + milliseconds(7'500)), 2) ==
               (Numbers{8, 9}));
  BUSWAY_CHECK(begun_at(place, "since-later", Replay::since(begin + seconds(100)), 0).empty());
  BUSWAY_CHECK(begun_at(place, "since-ever", Replay::since(WallTime{}), 10).size() == 10U);
  BUSWAY_CHECK(begun_at(place, "sequence", Replay::sequence(sequences[6]), 4) ==
               (Numbers{6, 7, 8, 9}));
  BUSWAY_CHECK(begun_at(place, "sequence-0", Replay::sequence(0), 10).size() == 10U);

  // The start counts at the creation alone.
  BUSWAY_CHECK(begun_at(place, "none", Replay::beginning(), 0).empty());
  BUSWAY_CHECK(begun_at(place, "last", Replay::beginning(), 0).empty());
}

void last_ones_that_match(StoreHarness& harness) {
  Place place(harness);
  for (std::size_t n = 0; n < 6; ++n) {
    place.put(place.event("test.event", n));
    place.put(place.event("other.event", 100 + n));
  }
  BUSWAY_CHECK(begun_at(place, "last", Replay::last(2), 2) == (Numbers{4, 5}));
}

void old_events_then_new(StoreHarness& harness) {
  Place place(harness);
  place.put(place.events(20));
  DurableSpec spec = place.spec("late");
  spec.start = Replay::beginning();
  const auto consumer = place.store().open(spec);
  BUSWAY_CHECK_EQ(finish(*consumer, 20).size(), 20U);
  place.put(place.event("test.event", 20));
  BUSWAY_CHECK_EQ(number_of(finish(*consumer, 1)[0].event), 20U);
}

void faulty_specs(StoreHarness& harness) {
  Place place(harness);
  const auto refused = [&](const DurableSpec& spec) {
    BUSWAY_CHECK_ERROR(place.store().open(spec), invalid_option);
  };
  refused(place.spec(""));
  refused(place.spec("with space"));
  refused(place.spec("umlaut-ä"));
  refused(place.spec(std::string(limits::kDurableNameBytesMax + 1, 'a')));
  DurableSpec spec = place.spec("a");
  spec.patterns.clear();
  refused(spec);
  spec = place.spec("a");
  spec.lease = limits::kLeaseMin - nanoseconds(1);
  refused(spec);
  spec.lease = limits::kLeaseMax + nanoseconds(1);
  refused(spec);
  BUSWAY_CHECK_EQ(place.store().durables().size(), 0U);
  place.open(std::string(limits::kDurableNameBytesMax, 'a'));
  place.open("aZ09_-.:/@");
  BUSWAY_CHECK_EQ(place.store().durables().size(), 2U);
}

void other_patterns_are_refused(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("name", "order.*");
  BUSWAY_CHECK_ERROR(place.open("name", "user.*"), durable_mismatch);
  DurableSpec spec = place.spec("name", "order.*");
  spec.patterns.push_back(Pattern::parse("user.*"));
  BUSWAY_CHECK_ERROR(place.store().open(spec), durable_mismatch);
  spec = place.spec("name", "order.*");
  spec.order = DurableOrder::strict;
  BUSWAY_CHECK_ERROR(place.other().open(spec), durable_mismatch);
  // It is as it was, and may be opened with another lease and start.
  spec = place.spec("name", "order.*");
  spec.lease = seconds(7);
  spec.start = Replay::beginning();
  const auto other = place.store().open(spec);
  place.put(place.event("order.created", 1));
  BUSWAY_CHECK_EQ(number_of(finish(*consumer, 1)[0].event), 1U);
}

void patterns_are_replaced(StoreHarness& harness) {
  Place place(harness);
  auto consumer = place.open("name", "order.*");
  place.put(place.event("order.created", 1));
  place.put(place.event("user.created", 2));
  place.put(place.event("order.created", 3));
  const std::vector<Leased> before = take(*consumer, 2);
  settle(*consumer, done(before[0].sequence));
  consumer->close();  // 3 waits, it is before the cursor
  place.put(place.event("order.created", 4));
  place.put(place.event("user.created", 5));

  DurableSpec spec = place.spec("name", "user.*");
  spec.on_change = OnChange::replace;
  spec.order = DurableOrder::key;
  consumer = place.store().open(spec);
  std::vector<std::size_t> got;
  for (const Leased& one : finish(*consumer, 2)) got.push_back(number_of(one.event));
  std::sort(got.begin(), got.end());
  BUSWAY_CHECK(got == (Numbers{3, 5}));
  check_nothing(*consumer);

  const DurableInfo info = place.store().durables().at(0);
  BUSWAY_CHECK(info.patterns == spec.patterns);
  BUSWAY_CHECK_EQ(info.order, DurableOrder::key);
  BUSWAY_CHECK_ERROR(place.open("name", "order.*"), durable_mismatch);
}

void removed_while_open(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("name");
  place.put(place.events(3));
  const std::vector<Leased> leased = take(*consumer, 2);
  settle(*consumer, bury(leased[0].sequence));
  BUSWAY_CHECK(place.other().remove("name"));
  BUSWAY_CHECK(!place.other().remove("name"));
  BUSWAY_CHECK(!place.store().remove("never was"));
  const Settlement settlement = done(leased[1].sequence);
  BUSWAY_CHECK_ERROR(consumer->fetch(1), not_found);
  BUSWAY_CHECK_ERROR(consumer->settle(std::span(&settlement, 1)), not_found);
  BUSWAY_CHECK_ERROR(consumer->renew(), not_found);
  BUSWAY_CHECK_ERROR(consumer->keep_note("x"), not_found);
  BUSWAY_CHECK_ERROR(consumer->note(), not_found);
  BUSWAY_CHECK_EQ(place.store().durables().size(), 0U);
  BUSWAY_CHECK_EQ(place.store().dead_letters({}).size(), 0U);

  // The name begins anew; those who had it before do not get in again.
  const auto next = place.open("name", "test.*");
  check_nothing(*next);
  BUSWAY_CHECK_ERROR(consumer->fetch(1), not_found);
  place.put(place.event("test.event", 9));
  BUSWAY_CHECK_EQ(number_of(finish(*next, 1)[0].event), 9U);
  consumer->close();
}

void notes(StoreHarness& harness) {
  Place place(harness);
  auto consumer = place.open("name");
  BUSWAY_CHECK_EQ(consumer->note(), "");
  consumer->keep_note("first");
  const std::string note("\0 bytes \xff", 9);
  consumer->keep_note(note);
  BUSWAY_CHECK_EQ(consumer->note(), note);
  BUSWAY_CHECK_EQ(place.open("other")->note(), "");
  consumer->close();
  consumer = place.other().open(place.spec("name"));
  BUSWAY_CHECK_EQ(consumer->note(), note);

  const std::string largest(limits::kDurableNoteBytesMax, 'x');
  consumer->keep_note(largest);
  BUSWAY_CHECK_ERROR(consumer->keep_note(largest + "x"), invalid_argument);
  BUSWAY_CHECK_EQ(consumer->note(), largest);
  consumer->keep_note("");
  BUSWAY_CHECK_EQ(consumer->note(), "");
}

void notes_after_reopening(StoreHarness& harness) {
  Place place(harness);
  place.open("name")->keep_note("kept");
  place.reopen();
  BUSWAY_CHECK_EQ(place.open("name")->note(), "kept");
}

void what_is_known_of_names(StoreHarness& harness) {
  Place place(harness);
  const WallTime begin = place.now();
  auto consumer = place.open("b.name", "order.*");
  place.open("a.name", "user.*");
  std::vector<Event> events = place.events(8, "order.created");
  const std::vector<std::uint64_t> sequences = place.put(events);
  std::vector<DurableInfo> infos = place.store().durables();
  BUSWAY_CHECK_EQ(infos.size(), 2U);
  const auto find = [&](std::string_view name) -> DurableInfo {
    for (const DurableInfo& one : place.store().durables()) {
      if (one.name == name) return one;
    }
    fail(__FILE__, __LINE__, "durables() names all", std::string(name));
  };
  BUSWAY_CHECK_EQ(find("b.name").lag, 8U);
  BUSWAY_CHECK_EQ(find("b.name").instances, 0U);
  BUSWAY_CHECK_EQ(find("a.name").lag, 8U);
  BUSWAY_CHECK(find("a.name").created >= begin);
  BUSWAY_CHECK(find("a.name").opened >= find("a.name").created);
  BUSWAY_CHECK(find("a.name").patterns == std::vector<Pattern>{Pattern::parse("user.*")});

  const std::vector<Leased> leased = take(*consumer, 4);
  settle(*consumer, done(leased[0].sequence));
  settle(*consumer, retry(leased[1].sequence, seconds(100)));
  settle(*consumer, bury(leased[2].sequence));
  DurableInfo info = find("b.name");
  BUSWAY_CHECK_EQ(info.cursor, sequences[3]);
  BUSWAY_CHECK_EQ(info.lag, 4U);
  BUSWAY_CHECK_EQ(info.leased, 1U);
  BUSWAY_CHECK_EQ(info.retrying, 1U);
  BUSWAY_CHECK_EQ(info.dead_letters, 1U);
  BUSWAY_CHECK_EQ(info.instances, 1U);
  BUSWAY_CHECK_EQ(info.order, DurableOrder::relaxed);
  settle(*consumer, done(leased[3].sequence));
  finish(*consumer, 4);
  info = find("b.name");
  BUSWAY_CHECK_EQ(info.lag, 0U);
  BUSWAY_CHECK_EQ(info.leased, 0U);
  BUSWAY_CHECK_EQ(info.retrying, 1U);
}

void forgotten_names(StoreHarness& harness) {
  StoreOptions options;
  options.durable_expiry = std::chrono::hours(1);
  options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
  Place place(harness, options);
  const auto in_use = place.open("in-use");
  place.open("forgotten");
  place.pass(std::chrono::minutes(59));
  BUSWAY_CHECK_EQ(place.store().durables().size(), 2U);
  place.pass(std::chrono::hours(1));
  place.open("another");
  bool gone = false;
  bool kept = false;
  wait_until(
      [&] {
        gone = true;
        kept = false;
        for (const DurableInfo& one : place.store().durables()) {
          if (one.name == "forgotten") gone = false;
          if (one.name == "in-use") kept = true;
        }
        return gone;
      },
      "a name that nobody opened for durable_expiry is forgotten");
  BUSWAY_CHECK(kept);
  check_nothing(*in_use);
}

/// What a store has written for 20 publishes, a fetch, their settlement, and a fetch of nothing.
std::uint64_t commits_of_a_round(Place& place, StoreConsumer& consumer) {
  const std::uint64_t before = place.store().stats().commits;
  for (const Event& event : place.events(20, "counted")) place.put(event);
  std::vector<Settlement> settlements;
  for (const Leased& one : take(consumer, 20)) settlements.push_back(done(one.sequence));
  BUSWAY_CHECK_EQ(consumer.settle(settlements).accepted, 20U);
  check_nothing(consumer);
  return place.store().stats().commits - before;
}

void living_names(StoreHarness& harness) {
  Place place(harness);
  const std::size_t count = std::min<std::size_t>(place.many(20'000), 2'000);
  constexpr std::size_t kTopics = 20;
  const auto topic_of = [](std::size_t i) { return "topic." + std::to_string(i % kTopics); };
  const auto counter = place.open("counter", "counted");
  const std::uint64_t alone = commits_of_a_round(place, *counter);

  // Openings of both sides, which stay.
  std::vector<std::unique_ptr<StoreConsumer>> living;
  for (std::size_t i = 0; i < count; ++i) {
    Store& store = i % 2 == 0 ? place.store() : place.other();
    living.push_back(store.open(place.spec("name" + std::to_string(i), topic_of(i))));
  }
  // A tidying on this occasion is allowed, a write for each name is not.
  BUSWAY_CHECK(commits_of_a_round(place, *counter) <= alone + 10);

  for (std::size_t n = 0; n < kTopics; ++n) place.put(place.event(topic_of(n), n));
  for (std::size_t i = 0; i < count; ++i) {
    const std::vector<Leased> got = living[i]->fetch(10).deliveries;
    BUSWAY_CHECK_EQ(got.size(), 1U);
    BUSWAY_CHECK_EQ(number_of(got[0].event), i % kTopics);
    BUSWAY_CHECK_EQ(got[0].attempt, 1U);
    switch (i / kTopics % 4) {
      case 0: settle(*living[i], done(got[0].sequence)); break;
      case 1: settle(*living[i], retry(got[0].sequence, seconds(100))); break;
      case 2: settle(*living[i], bury(got[0].sequence)); break;
      default: break;  // it stays in hand
    }
  }

  std::vector<DurableInfo> infos = place.store().durables();
  BUSWAY_CHECK_EQ(infos.size(), count + 1);
  BUSWAY_CHECK_EQ(place.store().stats().durables, count + 1);
  std::vector<bool> listed(count);
  for (const DurableInfo& info : infos) {
    if (info.name == "counter") continue;
    const std::size_t i = std::stoul(info.name.substr(4));
    BUSWAY_CHECK_EQ(info.name, "name" + std::to_string(i));
    BUSWAY_CHECK(i < count && !listed[i]);
    listed[i] = true;
    const std::size_t kind = i / kTopics % 4;
    BUSWAY_CHECK(info.patterns == std::vector<Pattern>{Pattern::parse(topic_of(i))});
    BUSWAY_CHECK_EQ(info.retrying, kind == 1 ? 1U : 0U);
    BUSWAY_CHECK_EQ(info.dead_letters, kind == 2 ? 1U : 0U);
    BUSWAY_CHECK_EQ(info.leased, kind == 3 ? 1U : 0U);
  }
  const StoreCensus census = place.store().census();
  BUSWAY_CHECK_EQ(census.durables.size(), count + 1);
  BUSWAY_CHECK(std::is_sorted(
      census.durables.begin(), census.durables.end(),
      [](const DurableCount& a, const DurableCount& b) { return a.info.name < b.info.name; }));
}

}  // namespace

Cases names_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"ANameBeginsWhereItsStartSays", &starts},
      {"TheLastOnesAreThoseThatMatch", &last_ones_that_match},
      {"ANameThatStartsAtTheBeginningGetsOldThenNew", &old_events_then_new},
      {"AFaultySpecIsRefused", &faulty_specs},
      {"OtherPatternsOrOrderAreRefused", &other_patterns_are_refused},
      {"ReplacedPatternsCountFromTheCursor", &patterns_are_replaced},
      {"ANameRemovedWhileOpenIsNotFound", &removed_while_open},
      {"ANoteIsKeptBesideTheCursor", &notes},
      {"ANoteIsKeptAcrossARestart", &notes_after_reopening, &StoreFeatures::persistent,
       "persistent"},
      {"DurablesTellWhatIsLeftToDo", &what_is_known_of_names},
      {"TwoThousandLivingNamesEachGetTheirOwnAndCostAPublishNothing", &living_names},
      {"ForgottenNamesExpireAndThoseInUseDoNot", &forgotten_names, nullptr, "", true},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
