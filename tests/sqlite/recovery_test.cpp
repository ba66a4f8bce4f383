// Rows that are damaged, clocks that jump, and openings that know less than the file.
#include <atomic>
#include <chrono>
#include <eventually.hpp>
#include <filesystem>
#include <thread>

#include "busway/limits.hpp"
#include "busway/testing/process.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

using testing::Process;

using std::chrono::hours;
using std::chrono::seconds;

std::vector<std::uint64_t> fetch_all(StoreConsumer& consumer) {
  std::vector<std::uint64_t> given;
  for (int round = 0; round < 8; ++round) {
    std::vector<Settlement> done;
    for (const Leased& one : consumer.fetch(10).deliveries) {
      given.push_back(one.sequence);
      done.push_back({.sequence = one.sequence});
    }
    if (!done.empty()) (void)consumer.settle(done);
  }
  return given;
}

// An opening that still has the old patterns looks past events of the new ones, and writes so.
TEST_F(SqliteFolder, AnOpeningWithOldPatternsPassesNothingByOfTheNewOnesAtItsEnd) {
  const std::shared_ptr<Store> old_host = open();
  const std::shared_ptr<Store> new_host = open();
  auto before = old_host->open({.name = "work", .patterns = {Pattern::glob("old.*")}});
  EXPECT_TRUE(before->fetch(10).deliveries.empty());
  auto after = new_host->open(
      {.name = "work", .patterns = {Pattern::glob("new.*")}, .on_change = OnChange::replace});
  ASSERT_EQ(new_host->append(numbered(1, "new.made")).answer, Appended::stored);
  (void)before->fetch(10);  // it may get it, or leave it
  before->close();          // a rolling update: the old host ends
  EXPECT_EQ(fetch_all(*after).size(), 1U);
}

// The old host stays: what matches the patterns of the name must come to it, or to anybody.
TEST_F(SqliteFolder, AnOpeningNoticesNewPatternsAtItsNextFetch) {
  const std::shared_ptr<Store> old_host = open();
  const std::shared_ptr<Store> new_host = open();
  auto before = old_host->open({.name = "work", .patterns = {Pattern::glob("old.*")}});
  EXPECT_TRUE(before->fetch(10).deliveries.empty());
  new_host
      ->open({.name = "work", .patterns = {Pattern::glob("new.*")}, .on_change = OnChange::replace})
      ->close();
  ASSERT_EQ(new_host->append(numbered(1, "new.made")).answer, Appended::stored);
  EXPECT_EQ(fetch_all(*before).size(), 1U);
}

// Writer::last_sequence() is 0 until this opening has committed something.
TEST_F(SqliteFolder, ANameSinceATimeNothingIsOfBeginsAtTheEndOfALogThatIsFound) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  }
  const std::shared_ptr<Store> store = open();
  auto consumer = store->open({.name = "work",
                               .patterns = {Pattern::glob("*")},
                               .start = Replay::since(WallTime(hours(1)))});
  EXPECT_TRUE(fetch_all(*consumer).empty());
  auto none =
      store->open({.name = "none", .patterns = {Pattern::glob("*")}, .start = Replay::last(0)});
  EXPECT_TRUE(fetch_all(*none).empty());
}
// What is found damaged on the way is set aside in a transaction, and opening was in one.
TEST_F(SqliteFolder, ANameSinceATimeOpensBesideADamagedEvent) {
  const std::shared_ptr<Store> store = open();
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  run_sql("UPDATE events SET payload=x'00' WHERE seq=2");
  const auto consumer =
      store->open({.name = "work", .patterns = {Pattern::glob("*")}, .start = Replay::last(3)});
  EXPECT_EQ(fetch_all(*consumer), (std::vector<std::uint64_t>{1, 3}));
}
TEST_F(SqliteFolder, ANameOfTheLastNoneBeginsAtTheEndOfALogThatIsFound) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  }
  const std::shared_ptr<Store> store = open();
  auto none =
      store->open({.name = "none", .patterns = {Pattern::glob("*")}, .start = Replay::last(0)});
  EXPECT_TRUE(fetch_all(*none).empty());
}

// DurableTables::repair() removes bad leases of any name, and takes back its own cursor only.
TEST_F(SqliteFolder, ADamagedLeaseOfOneNameIsNotRemovedByAnother) {
  const std::shared_ptr<Store> store = open();
  const DurableSpec x{.name = "x", .patterns = {Pattern::glob("*")}};
  const DurableSpec y{.name = "y", .patterns = {Pattern::glob("*")}};
  auto of_x = store->open(x);
  store->open(y)->close();
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  ASSERT_EQ(of_x->fetch(10).deliveries.size(), 3U);
  run_sql("UPDATE leases SET until=until+1");
  auto of_y = store->open(y);  // shorten_waits() comes upon the lease of x
  EXPECT_EQ(fetch_all(*of_y).size(), 3U);
  of_x->close();
  of_x = store->open(x);
  EXPECT_EQ(fetch_all(*of_x), (std::vector<std::uint64_t>{1, 2, 3})) << "lost";
}

TEST_F(SqliteFolder, TrimmingLeavesWhatADamagedLeaseHeld) {
  const std::shared_ptr<Store> store = open();
  const DurableSpec x{.name = "x", .patterns = {Pattern::glob("*")}};
  auto of_x = store->open(x);
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  ASSERT_EQ(of_x->fetch(10).deliveries.size(), 3U);
  run_sql("UPDATE leases SET until=until+1");
  EXPECT_EQ(store->trim({.max_events = 0}).removed, 0U);
  of_x->close();
  of_x = store->open(x);
  EXPECT_EQ(fetch_all(*of_x), (std::vector<std::uint64_t>{1, 2, 3})) << "lost";
}

// As a page hides its rows of which a bit is turned.
TEST_F(SqliteFolder, AnEventThatIsNotThereIsReportedAndNotPassedByInSilence) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  }
  run_sql("DELETE FROM events WHERE seq IN (2, 3)");
  const std::shared_ptr<Store> store = open();
  EXPECT_TRUE(logged("3 ids of events are known, and 5 events"));
  const auto consumer =
      store->open({.name = "work", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()});
  const FetchResult fetched = consumer->fetch(10);
  EXPECT_EQ(fetched.deliveries.size(), 3U);
  EXPECT_EQ(fetched.set_aside, 2U);
  EXPECT_TRUE(logged("event 2 is damaged and is set aside: it is not there"));
  EXPECT_EQ(store->stats().corrupt, 2U);
}

TEST_F(SqliteFolder, WhatRetentionHasRemovedIsNotMissed) {
  const std::shared_ptr<Store> store = open();
  for (std::uint64_t n = 1; n <= 6; ++n) {
    ASSERT_TRUE(store->append(numbered(n, n % 2 == 0 ? "even" : "odd")).ok());
  }
  const auto even = store->open(
      {.name = "even", .patterns = {Pattern::glob("even")}, .start = Replay::beginning()});
  EXPECT_EQ(store->trim({.max_events = 0}).removed, 3U);
  ASSERT_TRUE(store->append(numbered(7)).ok());
  const auto all =
      store->open({.name = "all", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()});
  const FetchResult fetched = all->fetch(10);
  EXPECT_EQ(fetched.deliveries.size(), 4U);
  EXPECT_EQ(fetched.set_aside, 0U);
  (void)open();
  EXPECT_FALSE(logged("events"));
}

// The number of the name in a row of exceptions is under its sum, but nobody looks.
TEST_F(SqliteFolder, AnExceptionWhoseNameIsDamagedIsReported) {
  const std::shared_ptr<Store> store = open();
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("*")}});
  ASSERT_TRUE(store->append(numbered(1)).ok());
  ASSERT_EQ(consumer->fetch(10).deliveries.size(), 1U);
  EXPECT_EQ(consumer
                ->settle(std::vector<Settlement>{
                    {.sequence = 1, .kind = Settlement::Kind::retry, .reason = "later"}})
                .accepted,
            1U);
  run_sql("UPDATE exceptions SET durable=durable+64");
  EXPECT_FALSE(store->check().empty());
  const std::shared_ptr<Store> other = open();
  EXPECT_TRUE(other->check().empty());
  EXPECT_EQ(fetch_all(*consumer).size(), 1U) << "lost";
}

TEST_F(SqliteFolder, ARowWhoseNameIsDamagedIsFoundByWhoPassesItBy) {
  const std::shared_ptr<Store> store = open();
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("*")}});
  std::uint64_t n = 0;
  const auto hide = [&](Settlement::Kind kind) {
    ASSERT_TRUE(store->append(numbered(++n)).ok());
    ASSERT_EQ(consumer->fetch(10).deliveries.size(), 1U);
    ASSERT_EQ(consumer
                  ->settle(std::vector<Settlement>{
                      {.sequence = n, .kind = kind, .after = hours(1), .reason = "no"}})
                  .accepted,
              1U);
    run_sql("UPDATE exceptions SET durable=durable+64");
    EXPECT_TRUE(consumer->fetch(10).deliveries.empty());
  };
  hide(Settlement::Kind::retry);
  (void)store->read({.status = EventStatus::pending});
  EXPECT_FALSE(fetch_all(*consumer).empty()) << "lost by a reader";
  hide(Settlement::Kind::retry);
  (void)store->status(numbered(n).id());
  EXPECT_FALSE(fetch_all(*consumer).empty()) << "lost by a reader of one";
  hide(Settlement::Kind::dead_letter);
  (void)store->dead_letters({});
  EXPECT_FALSE(fetch_all(*consumer).empty()) << "lost by a reader of letters";
  hide(Settlement::Kind::retry);
  (void)store->trim({.max_events = 0});
  EXPECT_FALSE(fetch_all(*consumer).empty()) << "lost by retention";
}

TEST_F(SqliteFolder, ALeaseWhoseNameIsDamagedIsMissedByItsHolder) {
  const std::shared_ptr<Store> store = open();
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("*")}});
  for (const bool renews : {false, true}) {
    const std::uint64_t n = renews ? 2 : 1;
    ASSERT_TRUE(store->append(numbered(n)).ok());
    ASSERT_EQ(consumer->fetch(10).deliveries.size(), 1U);
    run_sql("UPDATE leases SET durable=durable+64");
    if (renews) {
      EXPECT_FALSE(consumer->renew());
    } else {
      EXPECT_EQ(consumer->settle(std::vector<Settlement>{{.sequence = n}}).stale, 1U);
    }
    EXPECT_FALSE(fetch_all(*consumer).empty()) << "lost";
  }
}

TEST_F(SqliteFolder, ALeaseThatIsGivenToAnotherNameIsNotLostToItsOwn) {
  const std::shared_ptr<Store> store = open();
  const auto of_x = store->open({.name = "x", .patterns = {Pattern::glob("*")}});
  const auto of_y = store->open({.name = "y", .patterns = {Pattern::glob("other.*")}});
  ASSERT_TRUE(store->append(numbered(1)).ok());
  ASSERT_EQ(of_x->fetch(10).deliveries.size(), 1U);
  run_sql("UPDATE leases SET durable=(SELECT id FROM durables WHERE name='y')");
  EXPECT_TRUE(fetch_all(*of_y).empty());
  EXPECT_EQ(fetch_all(*of_x).size(), 1U) << "lost";
}

// listen(): as long as it hears news it does nothing else.
TEST_F(SqliteFolder, TheDeadAreBuriedAlsoWhileOthersCommitSteadily) {
  const std::shared_ptr<Store> busy = open();
  const std::shared_ptr<Store> store = open();
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(busy->append(numbered(n)).ok());
  Process holder({BUSWAY_SQLITE_WORKER, "take", "sqlite:" + path, "work", "relaxed"});
  ASSERT_EQ(holder.read_line(), "took 3");
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("number.*")}});
  std::atomic<bool> over = false;
  std::thread publisher([&] {
    for (std::uint64_t n = 10; !over; ++n) {
      EXPECT_TRUE(busy->append(numbered(n, "other.made")).ok());
    }
  });
  holder.kill_now();
  EXPECT_TRUE(eventually([&] { return !consumer->fetch(100).deliveries.empty(); }));
  over = true;
  publisher.join();
}

// Nobody has a lock in the file that has taken its place.
TEST_F(SqliteFolder, TheLivingKeepTheirLeasesWhenTheGateIsReplaced) {
  const std::shared_ptr<Store> store = open();
  const DurableSpec spec{
      .name = "work", .patterns = {Pattern::glob("*")}, .lease = std::chrono::hours(1)};
  const auto consumer = store->open(spec);
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  ASSERT_EQ(consumer->fetch(10).deliveries.size(), 3U);
  std::filesystem::remove(path + "-gate");
  const std::shared_ptr<Store> other = open();
  const auto stands_by = other->open(spec);
  EXPECT_TRUE(stands_by->fetch(10).deliveries.empty()) << "its holder lives";
}

// It has no lock of the dead one, though it does not exec.
TEST_F(SqliteFolder, TheDeadAreBuriedAlsoWhereTheyLeaveAChild) {
  const std::shared_ptr<Store> store = open();
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  Process holder({BUSWAY_SQLITE_WORKER, "leave-child", "sqlite:" + path, "work"});
  ASSERT_EQ(holder.read_line(), "took 3");
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("number.*")}});
  EXPECT_TRUE(consumer->fetch(100).deliveries.empty()) << "its lease is an hour long";
  holder.kill_now();  // the child ends with its input
  EXPECT_TRUE(eventually([&] { return !consumer->fetch(100).deliveries.empty(); }));
}

// open() of a name that is known looks at all names, in a transaction, with the gate.
TEST_F(SqliteFolder, VacuumEndsAlsoWhereTheFileCannotGiveBack) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 500; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  }
  run_sql("PRAGMA journal_mode=DELETE; PRAGMA auto_vacuum=NONE; VACUUM");
  const std::shared_ptr<Store> store = open();
  EXPECT_EQ(store->trim({.max_events = 1}).removed, 499U);
  store->vacuum();
}

// An answer that says the store has it, of an event that nobody will ever get.
TEST_F(SqliteFolder, ADuplicateOfADamagedEventIsNotAnsweredAsStored) {
  const std::shared_ptr<Store> store = open();
  auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("*")}});
  ASSERT_TRUE(store->append(numbered(1)).ok());
  run_sql("UPDATE events SET payload=x'00'");
  EXPECT_EQ(consumer->fetch(10).set_aside, 1U);
  const AppendResult again = store->append(numbered(1));
  EXPECT_TRUE(!again.ok() || store->find(numbered(1).id()).has_value()) << to_string(again.answer);
}

// Written while the clock was ahead, by an opening that makes no call any more.
TEST_F(SqliteFolder, ARetryWrittenWhileTheClockWasAheadComesToAnother) {
  const auto clock = std::make_shared<testing::ManualClock>();
  const std::shared_ptr<Store> left = open({.clock = clock});
  const std::shared_ptr<Store> right = open({.clock = clock});
  const DurableSpec spec{.name = "work", .patterns = {Pattern::glob("*")}};
  auto of_left = left->open(spec);
  auto of_right = right->open(spec);
  ASSERT_TRUE(left->append(numbered(1)).ok());
  clock->set_wall(clock->wall() + hours(24 * 365));
  ASSERT_EQ(of_left->fetch(10).deliveries.size(), 1U);
  EXPECT_EQ(of_left
                ->settle(std::vector<Settlement>{{.sequence = 1,
                                                  .kind = Settlement::Kind::retry,
                                                  .after = seconds(1),
                                                  .reason = "later"}})
                .accepted,
            1U);
  clock->set_wall(clock->wall() - hours(24 * 365));
  EXPECT_TRUE(fetch_all(*of_right).empty());
  clock->advance(seconds(5));
  EXPECT_EQ(fetch_all(*of_right).size(), 1U) << "not for a year";
}

// The row of a name that nobody has open: its token is damaged, so it is of a dead one.
// A lease that is damaged is found by one opening, which takes the cursor back and ends: the other
// does not look there.
TEST_F(SqliteFolder, ACursorThatAnotherTookBackIsNoticed) {
  const auto clock = std::make_shared<testing::ManualClock>();
  const std::shared_ptr<Store> left = open({.clock = clock});
  const std::shared_ptr<Store> right = open({.clock = clock});
  const DurableSpec spec{.name = "work", .patterns = {Pattern::glob("*")}};
  auto of_left = left->open(spec);
  auto of_right = right->open(spec);
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(left->append(numbered(n)).ok());
  ASSERT_EQ(of_left->fetch(10).deliveries.size(), 3U);
  ASSERT_TRUE(left->append(numbered(4)).ok());
  EXPECT_EQ(fetch_all(*of_right).size(), 1U);  // it has seen the cursor at 4
  run_sql("UPDATE leases SET until=until+1");
  left->open(spec)->close();  // repairs
  of_left->close();
  EXPECT_EQ(fetch_all(*of_right).size(), 4U);
}

// Each letter has its event with it: a thousand large ones are not read for the sake of one.
TEST_F(SqliteFolder, NoMoreLettersAreReadThanAreAskedFor) {
  const std::shared_ptr<Store> store = open();
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("*")}});
  for (std::uint64_t n = 1; n <= 3; ++n) {
    ASSERT_TRUE(store->append(numbered(n)).ok());
    ASSERT_EQ(consumer->fetch(1).deliveries.size(), 1U);
    ASSERT_EQ(consumer
                  ->settle(std::vector<Settlement>{
                      {.sequence = n, .kind = Settlement::Kind::dead_letter, .reason = "no"}})
                  .accepted,
              1U);
  }
  run_sql("UPDATE exceptions SET error='changed' WHERE seq=3");  // who reads it says so
  EXPECT_EQ(store->dead_letters({.limit = 2}).size(), 2U);
  EXPECT_EQ(store->dead_letters({.after = 1, .limit = 1}).at(0).id, 2U);
  EXPECT_EQ(store->redrive({.id = 2}), 1U);
  EXPECT_EQ(store->purge({.limit = 1}), 1U);
  EXPECT_FALSE(logged("checksum"));
  EXPECT_EQ(store->dead_letters({}).size(), 1U);
  EXPECT_TRUE(logged("checksum"));
}

// From there a damaged cursor goes on.
TEST_F(SqliteFolder, TheSafeCursorFollowsHoweverFetchesAndSettlementsTakeTurns) {
  const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
  const DurableSpec spec{.name = "work", .patterns = {Pattern::glob("*")}};
  const auto consumer = store->open(spec);
  (void)consumer->settle({});  // a settlement more than there are fetches
  constexpr std::uint64_t kHandled = 600;
  for (std::uint64_t n = 1; n <= kHandled; ++n) {
    ASSERT_TRUE(store->append(numbered(n)).ok());
    ASSERT_EQ(consumer->fetch(1).deliveries.size(), 1U);
    ASSERT_EQ(consumer->settle(std::vector<Settlement>{{.sequence = n}}).accepted, 1U);
  }
  run_sql("UPDATE cursors SET cursor=cursor+1");
  const auto again = store->open(spec);
  EXPECT_GT(again->fetch(1).deliveries.at(0).sequence, kHandled / 2);
}

// Counted in one pass over the log.
TEST_F(SqliteFolder, TheCensusCountsWhatIsBehindEachCursor) {
  const std::shared_ptr<Store> store = open();
  std::vector<std::unique_ptr<StoreConsumer>> open_ones;
  std::uint64_t next = 1;
  for (const std::string name : {"c", "a", "b"}) {
    for (const std::string kind : {"left", "right", "both"}) {
      std::vector<Pattern> patterns{Pattern::glob(kind == "both" ? "*" : kind + ".*")};
      open_ones.push_back(store->open({.name = name + "-" + kind, .patterns = patterns}));
    }
    ASSERT_TRUE(store->append(numbered(next++, "left.made")).ok());
    ASSERT_TRUE(store->append(numbered(next++, "right.made")).ok());
    ASSERT_TRUE(store->append(numbered(next++, "right.made")).ok());
  }
  const auto counts = store->census().durables;
  ASSERT_EQ(counts.size(), 9U);
  const auto ms = [](int n) { return WallTime(std::chrono::milliseconds(n)); };
  const auto expect = [&](std::size_t at, const char* name, std::uint64_t backlog,
                          WallTime oldest) {
    EXPECT_EQ(counts[at].info.name, name);
    EXPECT_EQ(counts[at].backlog, backlog) << name;
    EXPECT_EQ(counts[at].oldest, oldest) << name;
  };
  expect(0, "a-both", 6, ms(4));
  expect(1, "a-left", 2, ms(4));
  expect(2, "a-right", 4, ms(5));
  expect(3, "b-both", 3, ms(7));
  expect(4, "b-left", 1, ms(7));
  expect(5, "b-right", 2, ms(8));
  expect(6, "c-both", 9, ms(1));
  expect(7, "c-left", 3, ms(1));
  expect(8, "c-right", 6, ms(2));
}

TEST_F(SqliteFolder, MoreTopicsThanAreRememberedAreMatchedAllTheSame) {
  const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("a*")}});
  constexpr std::uint64_t kTopics = limits::kCachedRoutesMax + 1'000;
  std::vector<Event> events;
  for (std::uint64_t n = 1; n <= kTopics; ++n) {
    events.push_back(numbered(n, (n % 100 == 0 ? "a" : "b") + std::to_string(n)));
  }
  std::vector<AppendResult> results(events.size());
  store->append(events, results);
  std::size_t given = 0;
  for (bool more = true; more;) {
    const FetchResult fetched = consumer->fetch(limits::kFetchMax);
    given += fetched.deliveries.size();
    more = fetched.more;
  }
  EXPECT_EQ(given, kTopics / 100);
}

}  // namespace
}  // namespace busway
