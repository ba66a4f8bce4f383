// What a review of the SQLite store found; each fails until it is mended.
#include <atomic>
#include <chrono>
#include <eventually.hpp>
#include <iostream>
#include <thread>

#include "process.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
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
TEST_F(SqliteFolder, Review6bAnOpeningWithOldPatternsPassesNothingByOfTheNewOnesAtItsEnd) {
  const std::shared_ptr<Store> old_host = open();
  const std::shared_ptr<Store> new_host = open();
  auto before = old_host->open({.name = "work", .patterns = {Pattern::glob("old.*")}});
  EXPECT_TRUE(before->fetch(10).deliveries.empty());
  auto after = new_host->open({.name = "work",
                               .patterns = {Pattern::glob("new.*")},
                               .on_change = OnChange::replace});
  ASSERT_EQ(new_host->append(numbered(1, "new.made")).answer, Appended::stored);
  EXPECT_TRUE(before->fetch(10).deliveries.empty());
  before->close();  // a rolling update: the old host ends
  EXPECT_EQ(fetch_all(*after).size(), 1U);
}

TEST_F(SqliteFolder, Review6bAnOpeningWithOldPatternsPassesNothingByOfTheNewOnesWhileItIdles) {
  const std::shared_ptr<Store> old_host = open();
  const std::shared_ptr<Store> new_host = open();
  auto before = old_host->open({.name = "work", .patterns = {Pattern::glob("old.*")}});
  EXPECT_TRUE(before->fetch(10).deliveries.empty());
  auto after = new_host->open({.name = "work",
                               .patterns = {Pattern::glob("new.*")},
                               .on_change = OnChange::replace});
  ASSERT_EQ(new_host->append(numbered(1, "new.made")).answer, Appended::stored);
  EXPECT_TRUE(before->fetch(10).deliveries.empty());
  std::this_thread::sleep_for(seconds(5));  // its house writes what was passed by
  EXPECT_EQ(fetch_all(*after).size(), 1U);
}

// The old host stays: what matches the patterns of the name must come to it, or to anybody.
TEST_F(SqliteFolder, Review6bAnOpeningNoticesNewPatternsAtItsNextFetch) {
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
TEST_F(SqliteFolder, Review6bANameSinceATimeNothingIsOfBeginsAtTheEndOfALogThatIsFound) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  }
  const std::shared_ptr<Store> store = open();
  auto consumer = store->open({.name = "work",
                               .patterns = {Pattern::glob("*")},
                               .start = Replay::since(WallTime(hours(1)))});
  EXPECT_TRUE(fetch_all(*consumer).empty());
  auto none = store->open(
      {.name = "none", .patterns = {Pattern::glob("*")}, .start = Replay::last(0)});
  EXPECT_TRUE(fetch_all(*none).empty());
}
TEST_F(SqliteFolder, Review6bANameOfTheLastNoneBeginsAtTheEndOfALogThatIsFound) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  }
  const std::shared_ptr<Store> store = open();
  auto none = store->open(
      {.name = "none", .patterns = {Pattern::glob("*")}, .start = Replay::last(0)});
  EXPECT_TRUE(fetch_all(*none).empty());
}

// DurableTables::repair() removes bad leases of any name, and takes back its own cursor only.
TEST_F(SqliteFolder, Review6bADamagedLeaseOfOneNameIsNotRemovedByAnother) {
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

TEST_F(SqliteFolder, Review6bTrimmingLeavesWhatADamagedLeaseHeld) {
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

// The number of the name in a row of exceptions is under its sum, but nobody looks.
TEST_F(SqliteFolder, Review6bAnExceptionWhoseNameIsDamagedIsReported) {
  const std::shared_ptr<Store> store = open();
  auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("*")}});
  ASSERT_TRUE(store->append(numbered(1)).ok());
  ASSERT_EQ(consumer->fetch(10).deliveries.size(), 1U);
  EXPECT_EQ(consumer
                ->settle(std::vector<Settlement>{
                    {.sequence = 1, .kind = Settlement::Kind::retry, .reason = "later"}})
                .accepted,
            1U);
  run_sql("UPDATE exceptions SET durable=durable+64");
  EXPECT_FALSE(store->check().empty());
  consumer->close();
  consumer = store->open({.name = "work", .patterns = {Pattern::glob("*")}});
  EXPECT_EQ(fetch_all(*consumer).size(), 1U) << "lost";
}

// listen(): as long as it hears news it does nothing else.
TEST_F(SqliteFolder, Review6bTheDeadAreBuriedAlsoWhileOthersCommitSteadily) {
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
      std::this_thread::sleep_for(milliseconds(20));
    }
  });
  std::this_thread::sleep_for(milliseconds(300));
  holder.kill_now();
  const auto until = std::chrono::steady_clock::now() + seconds(10);
  std::size_t got = 0;
  while (got == 0 && std::chrono::steady_clock::now() < until) {
    got = consumer->fetch(100).deliveries.size();
    std::this_thread::sleep_for(milliseconds(50));
  }
  over = true;
  publisher.join();
  EXPECT_NE(got, 0U) << "not in ten seconds, though it stands by";
}

// open() of a name that is known looks at all names, in a transaction, with the gate.
TEST_F(SqliteFolder, Review6bOpeningAKnownNameCostsTheSameAmongManyNames) {
  const auto cost_among = [&](int names) {
    const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
    for (int i = 0; i < names; ++i) {
      store->open({.name = "n" + std::to_string(i), .patterns = {Pattern::glob("a.*")}})->close();
    }
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 10; ++i) {
      store->open({.name = "n" + std::to_string(i), .patterns = {Pattern::glob("a.*")}})->close();
    }
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
               .count() /
           10;
  };
  const double few = cost_among(10);
  const double many = cost_among(2'000);
  std::cout << "open and close among 10: " << few << " ms, among 2000: " << many << " ms\n";
  EXPECT_LT(many, few * 5);
}

TEST_F(SqliteFolder, Review6bVacuumEndsAlsoWhereTheFileCannotGiveBack) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 500; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  }
  run_sql("PRAGMA journal_mode=DELETE; PRAGMA auto_vacuum=NONE; VACUUM");
  const std::shared_ptr<Store> store = open();
  EXPECT_EQ(store->trim({.max_events = 1}).removed, 499U);
  std::atomic<bool> over = false;
  std::thread vacuum([&] {
    try {
      store->vacuum();
      over = true;
    } catch (const Error&) {
      // It was closed in the middle.
    }
  });
  for (int i = 0; i < 50 && !over; ++i) std::this_thread::sleep_for(milliseconds(100));
  EXPECT_TRUE(over) << "not in five seconds";
  store->close();
  vacuum.join();
}

// An answer that says the store has it, of an event that nobody will ever get.
TEST_F(SqliteFolder, Review6bADuplicateOfADamagedEventIsNotAnsweredAsStored) {
  const std::shared_ptr<Store> store = open();
  auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("*")}});
  ASSERT_TRUE(store->append(numbered(1)).ok());
  run_sql("UPDATE events SET payload=x'00'");
  EXPECT_EQ(consumer->fetch(10).set_aside, 1U);
  const AppendResult again = store->append(numbered(1));
  EXPECT_TRUE(!again.ok() || store->find(numbered(1).id()).has_value()) << to_string(again.answer);
}

// Written while the clock was ahead, by an opening that makes no call any more.
TEST_F(SqliteFolder, Review6bARetryWrittenWhileTheClockWasAheadComesToAnother) {
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
  clock->advance(seconds(5));
  EXPECT_EQ(fetch_all(*of_right).size(), 1U) << "not for a year";
}

// The row of a name that nobody has open: its token is damaged, so it is of a dead one.
TEST_F(SqliteFolder, Review6bADamagedLeaseIsNotBuriedAgainAndAgain) {
  const std::shared_ptr<Store> store = open();
  auto of_x = store->open({.name = "x", .patterns = {Pattern::glob("*")}});
  auto of_y = store->open({.name = "y", .patterns = {Pattern::glob("other.*")}});
  ASSERT_TRUE(store->append(numbered(1)).ok());
  ASSERT_EQ(of_x->fetch(10).deliveries.size(), 1U);
  run_sql("UPDATE leases SET token=token+2");
  std::this_thread::sleep_for(seconds(3));
  const std::uint64_t before = store->stats().commits;
  std::this_thread::sleep_for(seconds(5));
  EXPECT_LE(store->stats().commits - before, 1U);
}

// A lease that is damaged is found by one opening, which takes the cursor back and ends: the other
// does not look there.
TEST_F(SqliteFolder, Review6bACursorThatAnotherTookBackIsNoticed) {
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

}  // namespace
}  // namespace busway
