// The main guarantees while another opening publishes and consumes without a pause.
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "busway/limits.hpp"
#include "support.hpp"

namespace busway::testing::conformance {
namespace {

using Sequences = std::vector<std::uint64_t>;

/// Another opening that publishes and consumes, one round after the other, until it ends; but not
/// more than a hundred rounds between two steps of the case. Gets each of its own events once, in
/// order and as a first attempt, or the case fails.
class Traffic {
 public:
  explicit Traffic(Place& place) : place_(place), store_(place.other()) {
    DurableSpec spec = place.spec("traffic", "traffic.*");
    spec.lease = limits::kLeaseMax;  // no case lets so much time pass
    consumer_ = store_.open(spec);
    threads_.run(1, [this](std::size_t) {
      try {
        while (goes_on()) round();
      } catch (...) {
        broken_ = true;
        told_.notify_all();
        throw;
      }
    });
    beat();
  }
  ~Traffic() { end(); }

  /// Until it has done a whole round more: it ran between two steps of the case.
  void beat() {
    std::unique_lock lock(mutex_);
    const std::size_t wanted = rounds_ + 2;  // one may be half done
    allowed_ = rounds_ + 100;
    told_.notify_all();
    const bool in_time =
        told_.wait_for(lock, seconds(60), [&] { return broken_ || rounds_ >= wanted; });
    lock.unlock();
    if (broken_ || !in_time) end();  // also where this is called by the constructor
    if (broken_) finish();
    BUSWAY_CHECK(in_time);
  }
  /// Ends it, and shows that nothing of it was lost.
  void finish() {
    end();
    threads_.join();
    check_all_settled(store_, *consumer_, "traffic");
  }
  /// What it has published so far.
  [[nodiscard]] std::vector<EventId> published() {
    const std::lock_guard lock(mutex_);
    return published_;
  }

 private:
  void end() {
    const std::lock_guard lock(mutex_);
    over_ = true;
    told_.notify_all();
  }
  bool goes_on() {
    std::unique_lock lock(mutex_);
    told_.wait(lock, [&] { return over_ || rounds_ < allowed_; });
    return !over_;
  }
  void round() {
    const std::vector<Event> events = place_.events(3, "traffic.event");
    std::vector<AppendResult> results(events.size());
    store_.append(events, results);
    for (const AppendResult& one : results) BUSWAY_CHECK_EQ(one.answer, Appended::stored);
    const std::vector<Leased> got = finish_of(events.size());
    for (std::size_t n = 0; n < events.size(); ++n) {
      BUSWAY_CHECK_EQ(got[n].event.id(), events[n].id());
      BUSWAY_CHECK_EQ(got[n].sequence, results[n].sequence);
      BUSWAY_CHECK_EQ(got[n].attempt, 1U);
    }
    const std::lock_guard lock(mutex_);
    for (const Event& one : events) published_.push_back(one.id());
    ++rounds_;
    told_.notify_all();
  }
  std::vector<Leased> finish_of(std::size_t count) {
    return conformance::finish(*consumer_, count);
  }

  Place& place_;
  Store& store_;
  std::unique_ptr<StoreConsumer> consumer_;
  std::atomic<bool> broken_{false};
  std::mutex mutex_;  // guards what follows
  bool over_ = false;
  std::size_t allowed_ = 0;
  std::condition_variable told_;
  std::size_t rounds_ = 0;
  std::vector<EventId> published_;
  Threads threads_;  // last: it is joined before the others go
};

std::vector<Settlement> all_done(const std::vector<Leased>& leased) {
  std::vector<Settlement> settlements;
  settlements.reserve(leased.size());
  for (const Leased& one : leased) settlements.push_back(done(one.sequence));
  return settlements;
}

void given_once(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("name", "test.*");
  const auto everything = place.open("everything");
  Traffic traffic(place);
  for (int round = 0; round < 6; ++round) {
    const Sequences sequences = place.put(place.events(10));
    traffic.beat();
    const std::vector<Leased> leased = take(*consumer, 10);
    traffic.beat();  // while they are in hand
    for (std::size_t n = 0; n < 10; ++n) {
      BUSWAY_CHECK_EQ(leased[n].sequence, sequences[n]);
      BUSWAY_CHECK_EQ(leased[n].attempt, 1U);
    }
    BUSWAY_CHECK_EQ(consumer->settle(all_done(leased)).accepted, 10U);
    check_nothing(*consumer);
  }
  traffic.finish();
  check_all_settled(place.store(), *consumer, "name");

  // One that listens to all gets both, in the order of the log.
  std::uint64_t last = 0;
  for (const Leased& one : finish(*everything, 60 + traffic.published().size())) {
    BUSWAY_CHECK(one.sequence > last);
    BUSWAY_CHECK_EQ(one.attempt, 1U);
    last = one.sequence;
  }
  check_nothing(*everything);
}

void shared(StoreHarness& harness) {
  Place place(harness);
  const auto here = place.open("name", "test.*");
  const auto there = place.other().open(place.spec("name", "test.*"));
  Traffic traffic(place);
  std::set<std::uint64_t> seen;
  for (int round = 0; round < 5; ++round) {
    place.put(place.events(10));
    const std::vector<Leased> of_here = take(*here, 5);
    traffic.beat();
    const std::vector<Leased> of_there = take(*there, 5);
    check_nothing(*here);
    for (const auto* some : {&of_here, &of_there}) {
      for (const Leased& one : *some) BUSWAY_CHECK(seen.insert(one.sequence).second);
    }
    traffic.beat();
    BUSWAY_CHECK_EQ(here->settle(all_done(of_here)).accepted, 5U);
    BUSWAY_CHECK_EQ(there->settle(all_done(of_there)).accepted, 5U);
  }
  traffic.finish();
  BUSWAY_CHECK_EQ(seen.size(), 50U);
  check_nothing(*here);
  check_all_settled(place.store(), *there, "name");
}

void retried(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("name", "test.*");
  Traffic traffic(place);
  place.put(place.events(30));
  const nanoseconds delay = place.is_manual() ? nanoseconds(seconds(30)) : place.lease();
  for (const Leased& one : take(*consumer, 30)) {
    const std::size_t kind = number_of(one.event) % 3;
    settle(*consumer, kind == 0   ? retry(one.sequence, delay)
                      : kind == 1 ? release(one.sequence)
                                  : done(one.sequence));
  }
  traffic.beat();
  for (const Leased& one : finish(*consumer, 10)) {
    BUSWAY_CHECK_EQ(number_of(one.event) % 3, 1U);
    BUSWAY_CHECK_EQ(one.attempt, 1U);
  }
  if (place.is_manual()) {
    place.pass(delay - nanoseconds(1));
    traffic.beat();
    check_nothing(*consumer);
    place.pass(nanoseconds(1));
  } else {
    place.pass(delay);
  }
  traffic.beat();
  std::set<std::size_t> numbers;
  for (const Leased& one : finish(*consumer, 10)) {
    BUSWAY_CHECK_EQ(number_of(one.event) % 3, 0U);
    BUSWAY_CHECK_EQ(one.attempt, 2U);
    numbers.insert(number_of(one.event));
  }
  BUSWAY_CHECK_EQ(numbers.size(), 10U);
  traffic.finish();
  check_all_settled(place.store(), *consumer, "name");
}

void strictly_ordered(StoreHarness& harness) {
  Place place(harness);
  DurableSpec spec = place.spec("name", "test.*");
  spec.order = DurableOrder::strict;
  const auto consumer = place.store().open(spec);
  Traffic traffic(place);
  const Sequences sequences = place.put(place.events(20));
  const nanoseconds delay = place.is_manual() ? nanoseconds(seconds(30)) : place.lease();
  const std::vector<Leased> first = take(*consumer, 3);
  traffic.beat();
  // The second fails; the third, which was in hand, and all that comes later wait for it.
  settle(*consumer, done(first[0].sequence));
  settle(*consumer, retry(first[1].sequence, delay));
  settle(*consumer, release(first[2].sequence));
  traffic.beat();
  if (place.is_manual()) check_nothing(*consumer);
  place.pass(delay);
  for (std::size_t n = 1; n < 20;) {
    const Leased one = take_one(*consumer);
    BUSWAY_CHECK_EQ(one.sequence, sequences[n]);
    if (n % 5 == 0) traffic.beat();
    const bool fails = n % 3 == 0 && one.attempt == 1;
    settle(*consumer, fails ? retry(one.sequence) : done(one.sequence));
    if (!fails) ++n;
  }
  traffic.finish();
  check_all_settled(place.store(), *consumer, "name");
}

void taken_over(StoreHarness& harness) {
  Place place(harness);
  DurableSpec spec = place.spec("name", "test.*");
  spec.lease = place.lease();
  const auto dead = place.store().open(spec);
  const auto next = place.open("name", "test.*");
  Traffic traffic(place);
  place.put(place.events(20));
  const std::vector<Leased> lost = take(*dead, 20);
  traffic.beat();
  place.pass(place.lease());
  traffic.beat();
  std::set<std::uint64_t> seen;
  for (const Leased& one : finish(*next, 20)) {
    BUSWAY_CHECK_EQ(one.attempt, 2U);
    BUSWAY_CHECK(seen.insert(one.sequence).second);
  }
  traffic.beat();
  const SettleResult late = dead->settle(all_done(lost));
  BUSWAY_CHECK_EQ(late.accepted, 0U);
  BUSWAY_CHECK_EQ(late.stale, 20U);
  traffic.finish();
  check_all_settled(place.store(), *next, "name");
}

void buried_and_redriven(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("name", "test.*");
  Traffic traffic(place);
  const Sequences sequences = place.put(place.events(20));
  for (const Leased& one : take(*consumer, 20)) {
    const bool dies = number_of(one.event) % 4 == 0;
    settle(*consumer, dies ? bury(one.sequence) : done(one.sequence));
  }
  traffic.beat();
  BUSWAY_CHECK_EQ(place.other().dead_letters({}).size(), 5U);
  StoredLetterQuery query;
  query.limit = 3;
  BUSWAY_CHECK_EQ(place.other().redrive(query), 3U);
  traffic.beat();
  const std::vector<Leased> again = take(*consumer, 3);
  for (std::size_t n = 0; n < 3; ++n) {
    BUSWAY_CHECK_EQ(again[n].sequence, sequences[4 * n]);
    BUSWAY_CHECK_EQ(again[n].attempt, 1U);
    BUSWAY_CHECK(again[n].redriven);
  }
  settle(*consumer, done(again[0].sequence));
  settle(*consumer, bury(again[1].sequence));
  traffic.beat();
  settle(*consumer, done(again[2].sequence));
  Sequences left;
  for (const StoredLetter& one : place.store().dead_letters({})) left.push_back(one.sequence);
  BUSWAY_CHECK(left == (Sequences{sequences[4], sequences[12], sequences[16]}));
  BUSWAY_CHECK_EQ(place.store().purge({}), 3U);
  traffic.finish();
  check_all_settled(place.store(), *consumer, "name");
}

void replayed(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("name", "test.*");
  const auto other = place.open("other", "test.*");
  Traffic traffic(place);
  const Sequences sequences = place.put(place.events(20));
  finish(*consumer, 20);
  finish(*other, 20);
  const Sequences wanted{sequences[2], sequences[3], sequences[11]};
  for (int round = 0; round < 3; ++round) {
    BUSWAY_CHECK_EQ(place.store().replay("name", wanted), 3U);
    traffic.beat();
    const std::vector<Leased> again = finish(*consumer, 3);
    for (std::size_t n = 0; n < 3; ++n) {
      BUSWAY_CHECK_EQ(again[n].sequence, wanted[n]);
      BUSWAY_CHECK_EQ(again[n].attempt, 1U);
    }
    check_nothing(*consumer);
  }
  traffic.finish();
  check_nothing(*other);
  check_all_settled(place.store(), *consumer, "name");
}

void trimmed(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("name", "test.*");
  Traffic traffic(place);
  Retention nothing;
  nothing.max_events = 0;
  std::vector<Leased> in_hand;
  for (int round = 0; round < 5; ++round) {
    place.put(place.events(10));
    const std::vector<Leased> leased = take(*consumer, 10);
    BUSWAY_CHECK_EQ(consumer->settle(all_done({leased.begin(), leased.begin() + 8})).accepted, 8U);
    in_hand.insert(in_hand.end(), leased.begin() + 8, leased.end());
    traffic.beat();
    BUSWAY_CHECK(place.store().trim(nothing).removed >= 8U);
    for (const Leased& one : in_hand) {
      BUSWAY_CHECK(place.store().find(one.event.id()).has_value());
    }
    for (std::size_t n = 0; n < 8; ++n) {
      BUSWAY_CHECK(!place.store().find(leased[n].event.id()).has_value());
    }
  }
  traffic.finish();
  BUSWAY_CHECK_EQ(consumer->settle(all_done(in_hand)).accepted, in_hand.size());
  check_nothing(*consumer);
  place.store().trim(nothing);
  BUSWAY_CHECK_EQ(place.store().stats().events, 0U);
}

void backed_up(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("name", "test.*");
  Traffic traffic(place);
  const std::vector<Event> events = place.events(20);
  const Sequences sequences = place.put(events);
  const std::vector<Leased> leased = take(*consumer, 12);
  BUSWAY_CHECK_EQ(consumer->settle(all_done({leased.begin(), leased.begin() + 10})).accepted, 10U);
  settle(*consumer, bury(sequences[10]));
  settle(*consumer, retry(sequences[11]));
  traffic.beat();
  const std::vector<EventId> before = traffic.published();
  const std::string path = harness.free_backup_path();
  place.store().backup(path);
  traffic.beat();
  traffic.finish();

  const std::shared_ptr<Store> copy = harness.open_backup(path);
  for (const EventId& id : before) BUSWAY_CHECK(copy->find(id).has_value());
  for (const Event& one : events) check_same(copy->find(one.id()).value().event, one);
  if (copy->features().check) BUSWAY_CHECK_EQ(copy->check().size(), 0U);
  BUSWAY_CHECK_EQ(copy->dead_letters({}).size(), 1U);
  const auto of_copy = copy->open(place.spec("name", "test.*"));
  const std::vector<Leased> rest = finish(*of_copy, 9);
  BUSWAY_CHECK_EQ(rest[0].sequence, sequences[11]);
  BUSWAY_CHECK_EQ(rest[0].attempt, 2U);
  for (std::size_t n = 1; n < 9; ++n) BUSWAY_CHECK_EQ(rest[n].sequence, sequences[11 + n]);
  check_nothing(*of_copy);
  check_all_settled(*copy, *of_copy, "name");
  // What is done with the copy is not done here.
  BUSWAY_CHECK_EQ(finish(*consumer, 9)[0].sequence, sequences[11]);
  BUSWAY_CHECK_EQ(place.store().purge({}), 1U);
  BUSWAY_CHECK_EQ(copy->dead_letters({}).size(), 1U);
}

}  // namespace

Cases traffic_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"BesideTrafficEachEventIsGivenOnceAndInOrder", &given_once},
      {"BesideTrafficTwoOpeningsShareWithoutOverlap", &shared},
      {"BesideTrafficRetriesComeOnceAndWhenTheyAreDue", &retried},
      {"BesideTrafficStrictOrderIsKept", &strictly_ordered},
      {"BesideTrafficALapsedLeaseIsTakenOver", &taken_over},
      {"BesideTrafficDeadLettersAreKeptAndSentAgain", &buried_and_redriven},
      {"BesideTrafficAReplayGivesWhatWasAskedFor", &replayed},
      {"BesideTrafficATrimTakesNothingUnsettled", &trimmed, &StoreFeatures::trim, "trim"},
      {"BesideTrafficABackupIsWhole", &backed_up, &StoreFeatures::backup, "backup"},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
