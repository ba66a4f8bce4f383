// Keeping house: trim, watches, what a store says of itself, closing.
#include <atomic>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "support.hpp"

namespace busway::testing::conformance {
namespace {

Retention at_most_events(std::uint64_t count) {
  Retention retention;
  retention.max_events = count;
  return retention;
}

void nothing_to_trim(StoreHarness& harness) {
  Place place(harness);
  place.put(place.events(10));
  const TrimResult result = place.store().trim({});
  BUSWAY_CHECK_EQ(result.removed + result.held, 0U);
  BUSWAY_CHECK_EQ(place.store().trim(at_most_events(10)).removed, 0U);
  BUSWAY_CHECK_EQ(place.store().stats().events, 10U);
}

void by_number(StoreHarness& harness) {
  Place place(harness);
  const std::vector<Event> events = place.events(20);
  const std::vector<std::uint64_t> s = place.put(events);
  const TrimResult result = place.store().trim(at_most_events(5));
  BUSWAY_CHECK_EQ(result.removed, 15U);
  BUSWAY_CHECK_EQ(result.held, 0U);
  BUSWAY_CHECK(!place.other().find(events[14].id()).has_value());
  BUSWAY_CHECK(place.other().find(events[15].id()).has_value());
  const StoreStats stats = place.store().stats();
  BUSWAY_CHECK_EQ(stats.events, 5U);
  BUSWAY_CHECK_EQ(stats.first_sequence, s[15]);
  BUSWAY_CHECK_EQ(stats.last_sequence, s[19]);
  BUSWAY_CHECK_EQ(place.store().trim(at_most_events(0)).removed, 5U);
  BUSWAY_CHECK_EQ(place.store().stats().last_sequence, s[19]);
  BUSWAY_CHECK(place.put(place.event()) > s[19]);  // a sequence is never used again
}

/// Nothing makes it smaller.
std::string noise(std::size_t size, std::uint32_t state) {
  std::string noise(size, '\0');
  for (char& c : noise) {
    state = state * 1'664'525U + 1'013'904'223U;
    c = static_cast<char>(state >> 24U);
  }
  return noise;
}

void by_size(StoreHarness& harness) {
  Place place(harness);
  std::vector<Event> events;
  events.reserve(100);
  for (std::uint32_t i = 0; i < 100; ++i) {
    events.push_back(Event("big", bytes(noise(10'000, i)), {.id = new_id(), .time = place.now()}));
  }
  place.put(events);
  Retention retention;
  retention.max_bytes = 10'000'000;
  BUSWAY_CHECK_EQ(place.store().trim(retention).removed, 0U);
  BUSWAY_CHECK_EQ(place.store().stats().events, 100U);

  // Room for some forty with their envelopes; fewer where a store counts its pages, too.
  retention.max_bytes = 450'000;
  const std::uint64_t removed = place.store().trim(retention).removed;
  BUSWAY_CHECK(removed >= 55U);
  BUSWAY_CHECK(removed <= 75U);
  BUSWAY_CHECK_EQ(place.store().stats().events, 100 - removed);
  for (std::size_t i = 0; i < 100; ++i) {
    BUSWAY_CHECK_EQ(place.store().find(events[i].id()).has_value(), i >= removed);
  }
  retention.max_bytes = 0;
  const TrimResult rest = place.store().trim(retention);
  BUSWAY_CHECK_EQ(rest.removed, 100U - removed);
  BUSWAY_CHECK_EQ(rest.held, 0U);
  BUSWAY_CHECK_EQ(place.store().stats().events, 0U);
}

void by_size_what_is_settled(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer", "mine");
  std::vector<Event> events;
  for (std::uint32_t i = 0; i < 12; ++i) {
    events.push_back(Event(i % 3 == 0 ? "mine" : "others", bytes(noise(10'000, i)),
                           {.id = new_id(), .time = place.now()}));
  }
  place.put(events);
  const std::vector<Leased> leased = take(*consumer, 3);  // of four
  settle(*consumer, done(leased[0].sequence));
  settle(*consumer, bury(leased[1].sequence));
  Retention retention;
  retention.max_bytes = 0;
  const TrimResult result = place.store().trim(retention);
  BUSWAY_CHECK_EQ(result.removed, 9U);
  BUSWAY_CHECK_EQ(result.held, 3U);  // a dead letter, one in hand, one nobody was given
  for (std::size_t i = 0; i < 12; ++i) {
    const bool stays = i == 3 || i == 6 || i == 9;
    BUSWAY_CHECK_EQ(place.store().find(events[i].id()).has_value(), stays);
  }
  settle(*consumer, done(leased[2].sequence));
  check_same(finish(*consumer, 1)[0].event, events[9]);
  BUSWAY_CHECK_EQ(place.store().trim(retention).removed, 2U);
  BUSWAY_CHECK_EQ(place.store().purge({}), 1U);
  BUSWAY_CHECK_EQ(place.store().trim(retention).removed, 1U);
}

void by_age(StoreHarness& harness) {
  Place place(harness);
  const std::vector<Event> old = place.events(3);
  place.put(old);
  place.pass(std::chrono::hours(2));
  // Since its append, whatever the event says of its time.
  place.put(
      Event("test.event", {}, {.id = new_id(), .time = place.now() - std::chrono::hours(1'000)}));
  Retention retention;
  retention.max_age = std::chrono::hours(1);
  BUSWAY_CHECK_EQ(place.store().trim(retention).removed, 3U);
  BUSWAY_CHECK_EQ(place.store().stats().events, 1U);
}

void never_the_unsettled(StoreHarness& harness) {
  Place place(harness);
  auto consumer = place.open("mailer", "order.*");
  std::vector<Event> events;
  for (std::size_t n = 0; n < 6; ++n) events.push_back(place.event("order.created", n));
  for (std::size_t n = 6; n < 10; ++n) events.push_back(place.event("user.created", n));
  place.put(events);
  const std::vector<Leased> leased = take(*consumer, 4);
  settle(*consumer, done(leased[0].sequence));
  settle(*consumer, retry(leased[1].sequence, seconds(100)));
  settle(*consumer, bury(leased[2].sequence));
  // Settled: 0 and the users'. Held: a retry, a dead letter, one in hand, two nobody was given.
  TrimResult result = place.store().trim(at_most_events(0));
  BUSWAY_CHECK_EQ(result.removed, 5U);
  BUSWAY_CHECK_EQ(result.held, 5U);
  for (std::size_t n = 0; n < 10; ++n) {
    BUSWAY_CHECK_EQ(place.store().find(events[n].id()).has_value(), n >= 1 && n < 6);
  }
  settle(*consumer, done(leased[3].sequence));
  finish(*consumer, 2);
  BUSWAY_CHECK_EQ(place.store().trim(at_most_events(0)).removed, 3U);
  check_same(place.store().dead_letters({}).at(0).event, events[2]);
  BUSWAY_CHECK_EQ(place.store().purge({}), 1U);
  BUSWAY_CHECK_EQ(place.store().trim(at_most_events(0)).removed, 1U);
  BUSWAY_CHECK(place.store().remove("mailer"));  // and with it what it has not settled
  result = place.store().trim(at_most_events(0));
  BUSWAY_CHECK_EQ(result.removed, 1U);
  BUSWAY_CHECK_EQ(result.held, 0U);
  BUSWAY_CHECK_EQ(place.store().stats().events, 0U);
}

void goes_on_behind_a_trim(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer");
  std::size_t settled = 0;
  for (std::size_t round = 1; round <= 10; ++round) {
    place.put(place.events(20));
    settled += finish(*consumer, 15).size();
    place.store().trim(at_most_events(3));
    BUSWAY_CHECK_EQ(place.store().stats().events, 5 * round);  // what is not settled
  }
  settled += finish(*consumer, 200 - settled).size();
  BUSWAY_CHECK_EQ(settled, 200U);
  check_nothing(*consumer);
}

void by_itself(StoreHarness& harness) {
  StoreOptions options;
  options.retention.max_events = 100;
  Place place(harness, options);
  // How often is the store's own matter; but not never.
  for (int i = 0; i < 1'000 && place.store().stats().first_sequence <= 1; ++i) {
    place.put(place.events(100));
    place.pass(place.is_manual() ? nanoseconds(std::chrono::minutes(1)) : milliseconds(20));
  }
  BUSWAY_CHECK(place.store().stats().first_sequence > 1U);
  BUSWAY_CHECK(place.store().stats().events >= 100U);
}

void houses_of_its_own(StoreHarness& harness) {
  Place place(harness);
  place.put(place.events(3));
  const StoreFeatures features = place.store().features();
  if (features.check) {
    BUSWAY_CHECK_EQ(place.store().check().size(), 0U);
  } else {
    BUSWAY_CHECK_ERROR(place.store().check(), not_offered);
  }
  if (features.vacuum) {
    place.store().vacuum();
  } else {
    BUSWAY_CHECK_ERROR(place.store().vacuum(), not_offered);
  }
  if (!features.backup) BUSWAY_CHECK_ERROR(place.store().backup("nowhere"), not_offered);
  if (!features.trim) BUSWAY_CHECK_ERROR(place.store().trim(at_most_events(1)), not_offered);
  BUSWAY_CHECK_EQ(place.store().read({}).events.size(), 3U);
}

void backed_up(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer");
  const std::vector<Event> events = place.events(50);
  place.put(events);
  const std::vector<Leased> leased = take(*consumer, 3);
  settle(*consumer, done(leased[0].sequence));
  settle(*consumer, bury(leased[1].sequence));
  settle(*consumer, retry(leased[2].sequence));
  consumer->keep_note("a note");

  // Others go on meanwhile.
  std::atomic<bool> over{false};
  std::thread writer([&] {
    while (!over) static_cast<void>(place.store().append(place.event("meanwhile")));
  });
  const std::string path = harness.free_backup_path();
  std::exception_ptr failure;
  try {
    place.store().backup(path);
  } catch (...) {
    failure = std::current_exception();
  }
  over = true;
  writer.join();
  if (failure) std::rethrow_exception(failure);
  BUSWAY_CHECK_ERROR(place.store().backup(path), already_exists);

  const std::shared_ptr<Store> copy = harness.open_backup(path);
  for (const Event& event : events) check_same(copy->find(event.id()).value().event, event);
  BUSWAY_CHECK_EQ(copy->dead_letters({}).size(), 1U);
  const auto of_copy = copy->open(place.spec("mailer"));
  BUSWAY_CHECK_EQ(of_copy->note(), "a note");
  const Leased again = take_one(*of_copy);
  BUSWAY_CHECK_EQ(again.sequence, leased[2].sequence);
  BUSWAY_CHECK_EQ(again.attempt, 2U);
  finish(*of_copy, 47);
  BUSWAY_CHECK_EQ(take_one(*consumer).sequence, leased[2].sequence);  // the two are apart
}

void watched(StoreHarness& harness) {
  Place place(harness);
  std::atomic<int> news{0};
  Store::Watch watch = place.store().watch([&](StoreNews) { ++news; });
  const auto told_after = [&](const std::function<void()>& call, const char* what) {
    const int before = news;
    call();
    wait_until([&] { return news > before; }, what);
  };
  const auto consumer = place.other().open(place.spec("mailer"));
  told_after([&] { BUSWAY_CHECK(place.store().append(place.event()).ok()); }, "news of an append");
  told_after([&] { BUSWAY_CHECK(place.other().append(place.event()).ok()); },
             "news of another's append");
  Leased one = take_one(*consumer);
  told_after([&] { settle(*consumer, done(one.sequence)); }, "news of a settlement");
  one = take_one(*consumer);
  told_after([&] { settle(*consumer, release(one.sequence)); }, "news of a release");
  one = take_one(*consumer);
  told_after([&] { consumer->close(); }, "news of a closing that gives back");
  told_after([&] { BUSWAY_CHECK(place.other().remove("mailer")); }, "news of a removal");

  const Store::Watch copy = watch;
  watch.reset();
  told_after([&] { BUSWAY_CHECK(place.store().append(place.event()).ok()); },
             "a copy keeps the watch");
}

void watched_no_more(StoreHarness& harness) {
  Place place(harness);
  for (int i = 0; i < 20; ++i) {
    const auto alive = std::make_unique<std::atomic<bool>>(true);
    std::atomic<bool> touched_late{false};
    Store::Watch watch = place.store().watch([&](StoreNews) {
      if (!*alive) touched_late = true;
    });
    BUSWAY_CHECK(place.store().append(place.event()).ok());
    watch.reset();  // from here on it neither runs nor will run
    *alive = false;
    BUSWAY_CHECK(place.store().append(place.event()).ok());
    BUSWAY_CHECK(!touched_late);
  }
}

/// Where it is being called it is waited for.
void watched_no_more_beside_news(StoreHarness& harness) {
  Place place(harness);
  std::atomic<bool> over{false};
  Threads threads;
  threads.run(1, [&](std::size_t) {
    while (!over) BUSWAY_CHECK(place.store().append(place.event()).ok());
  });
  struct Watched {
    std::atomic<int> calls{0};
    std::atomic<bool> ended{false};
    std::atomic<bool> touched_late{false};
  };
  std::vector<std::shared_ptr<Watched>> all;
  try {
    for (int i = 0; i < 20; ++i) {
      const auto watched = all.emplace_back(std::make_shared<Watched>());
      Store::Watch watch = place.store().watch([watched](StoreNews) {
        ++watched->calls;
        for (int looks = 0; looks < 20; ++looks) {
          if (watched->ended) watched->touched_late = true;
          std::this_thread::yield();
        }
      });
      wait_until([&] { return watched->calls > 0 || threads.failed(); }, "news beside appends");
      watch.reset();
      watched->ended = true;
    }
  } catch (...) {
    over = true;
    throw;
  }
  over = true;
  threads.join();
  for (const auto& one : all) BUSWAY_CHECK(!one->touched_late);
}

void of_itself(StoreHarness& harness) {
  Place place(harness);
  Store& store = place.store();
  const StoreInfo info = store.info();
  BUSWAY_CHECK(!info.provider.empty());
  BUSWAY_CHECK(info.address.starts_with(info.provider));
  BUSWAY_CHECK(!info.engine.empty());
  BUSWAY_CHECK(!info.format.empty());
  BUSWAY_CHECK(!to_string(info.durability).empty());
  if (store.features().persistent) BUSWAY_CHECK(info.durability != Durability::memory);

  const auto consumer = place.open("mailer");
  const std::vector<std::uint64_t> s = place.put(place.events(5));
  finish(*consumer, 3);
  const StoreStats stats = store.stats();
  BUSWAY_CHECK_EQ(stats.events, 5U);
  BUSWAY_CHECK(stats.bytes > 0);
  BUSWAY_CHECK_EQ(stats.first_sequence, s.front());
  BUSWAY_CHECK_EQ(stats.last_sequence, s.back());
  BUSWAY_CHECK_EQ(stats.appended, 5U);
  BUSWAY_CHECK_EQ(stats.duplicates, 0U);
  BUSWAY_CHECK(stats.commits >= 1U);
  BUSWAY_CHECK_EQ(stats.settled, 3U);
  BUSWAY_CHECK_EQ(stats.corrupt, 0U);
  BUSWAY_CHECK_EQ(stats.durables, 1U);
  BUSWAY_CHECK(stats.opened <= place.now() + milliseconds(1));
}

void more_than_it_can_promise(StoreHarness& harness) {
  Place place(harness);
  const Durability best = place.store().info().durability;
  if (best == Durability::power_loss) return;
  place.close();
  StoreOptions options;
  options.durability = Durability::power_loss;
  harness.fresh();
  std::shared_ptr<Store> store;
  try {
    store = harness.open(options);
  } catch (const Error& error) {
    BUSWAY_CHECK_EQ(error.code(), ErrorCode::invalid_option);
    return;
  }
  BUSWAY_CHECK_EQ(store->info().durability, Durability::power_loss);  // it could after all
}

void closed(StoreHarness& harness) {
  Place place(harness);
  Store& store = place.store();
  const auto consumer = place.open("mailer");
  const Event event = place.event();
  place.put(event);
  const Leased leased = take_one(*consumer);
  store.close();
  store.close();
  const AppendResult late = store.append(place.event());
  BUSWAY_CHECK_EQ(late.answer, Appended::not_stored);
  BUSWAY_CHECK(!late.error.empty());
  BUSWAY_CHECK_ERROR(store.read({}), stopped);
  BUSWAY_CHECK_ERROR(store.find(event.id()), stopped);
  BUSWAY_CHECK_ERROR(store.status(event.id()), stopped);
  BUSWAY_CHECK_ERROR(place.open("another"), stopped);
  BUSWAY_CHECK_ERROR(store.remove("mailer"), stopped);
  BUSWAY_CHECK_ERROR(store.durables(), stopped);
  BUSWAY_CHECK_ERROR(store.replay("mailer", {}), stopped);
  BUSWAY_CHECK_ERROR(store.census(), stopped);
  BUSWAY_CHECK_ERROR(store.dead_letters({}), stopped);
  BUSWAY_CHECK_ERROR(store.redrive({}), stopped);
  BUSWAY_CHECK_ERROR(store.purge({}), stopped);
  BUSWAY_CHECK_ERROR(store.stats(), stopped);
  BUSWAY_CHECK_ERROR(store.watch([](StoreNews) {}), stopped);
  BUSWAY_CHECK_ERROR(store.trim({}), stopped);
  BUSWAY_CHECK_ERROR(store.trim({.max_events = 1}), stopped);
  BUSWAY_CHECK_ERROR(store.check(), stopped);
  BUSWAY_CHECK_ERROR(store.backup("a-backup-of-a-closed-store"), stopped);
  BUSWAY_CHECK_ERROR(store.vacuum(), stopped);
  const Settlement settlement = done(leased.sequence);
  BUSWAY_CHECK_ERROR(consumer->fetch(1), stopped);
  BUSWAY_CHECK_ERROR(consumer->settle(std::span(&settlement, 1)), stopped);
  BUSWAY_CHECK_ERROR(consumer->renew(), stopped);
  SettleResult settled;
  BUSWAY_CHECK_ERROR(consumer->settle_and_fetch(std::span(&settlement, 1), 1, settled), stopped);
  BUSWAY_CHECK_ERROR(consumer->note(), stopped);
  BUSWAY_CHECK_ERROR(consumer->keep_note("late"), stopped);
  consumer->close();
}

void closing_a_store_gives_back(StoreHarness& harness) {
  Place place(harness);
  auto consumer = place.open("mailer");
  place.put(place.events(3));
  BUSWAY_CHECK_EQ(take(*consumer, 3).size(), 3U);
  place.store().close();
  consumer.reset();
  place.reopen();
  consumer = place.open("mailer");
  for (const Leased& one : finish(*consumer, 3)) BUSWAY_CHECK_EQ(one.attempt, 1U);
}

}  // namespace

Cases keeping_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"TrimKeepsWhatIsWithinTheLimits", &nothing_to_trim, &StoreFeatures::trim, "trim"},
      {"TrimByNumberKeepsTheNewest", &by_number, &StoreFeatures::trim, "trim"},
      {"TrimBySizeKeepsTheNewest", &by_size, &StoreFeatures::trim, "trim"},
      {"TrimBySizeNeverTakesTheUnsettled", &by_size_what_is_settled, &StoreFeatures::trim, "trim"},
      {"TrimByAgeCountsFromTheAppend", &by_age, &StoreFeatures::trim, "trim", true},
      {"TrimNeverTakesTheUnsettledNorWhatADeadLetterIsOf", &never_the_unsettled,
       &StoreFeatures::trim, "trim"},
      {"NothingIsLostBehindATrim", &goes_on_behind_a_trim, &StoreFeatures::trim, "trim"},
      {"ARetentionIsAppliedByTheStoreItself", &by_itself, &StoreFeatures::trim, "trim"},
      {"WhatIsNotOfferedSaysSo", &houses_of_its_own},
      {"ABackupIsACopyThatCanBeUsedAndOverwritesNothing", &backed_up, &StoreFeatures::backup,
       "backup"},
      {"AWatchHearsOfAppendsSettlementsAndReleases", &watched},
      {"AWatchThatEndedIsNotCalled", &watched_no_more},
      {"AWatchThatEndsBesideNewsIsNotCalled", &watched_no_more_beside_news},
      {"AStoreTellsWhatItIsAndHolds", &of_itself},
      {"MoreDurabilityThanThereIsIsRefused", &more_than_it_can_promise},
      {"AClosedStoreAnswersAndRefuses", &closed},
      {"ClosingAStoreGivesBackWhatIsLeased", &closing_a_store_gives_back,
       &StoreFeatures::persistent, "persistent"},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
