// Fetches that follow each other closely: they claim what is there without looking first, and write
// their lease in the place of the one that was settled.
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "sqlite_fixture.hpp"

namespace busway {
namespace {

struct SqliteClaiming : SqliteFolder {
  SqliteClaiming() {
    store = open({.durability = Durability::process_crash});
    consumer = store->open({.name = "work", .patterns = {Pattern::glob("number.*")}});
  }
  void append(std::uint64_t n) { ASSERT_TRUE(store->append(numbered(n)).ok()); }
  /// Settles what the last one gave.
  FetchResult go_on(std::size_t max = 10) {
    SettleResult settled;
    FetchResult fetched = consumer->settle_and_fetch(out, max, settled);
    EXPECT_EQ(settled.accepted, out.size());
    EXPECT_EQ(settled.stale, 0U);
    out.clear();
    for (const Leased& one : fetched.deliveries) out.push_back({.sequence = one.sequence});
    return fetched;
  }
  /// So that the next one claims at once.
  void fetch_one() {
    append(1);
    ASSERT_EQ(go_on().deliveries.size(), 1U);
  }
  std::vector<std::int64_t> leases() {
    std::vector<std::int64_t> ids;
    sqlite3* database = nullptr;
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    sqlite3_stmt* rows = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(database, "SELECT id FROM leases", -1, &rows, nullptr), SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW) ids.push_back(sqlite3_column_int64(rows, 0));
    sqlite3_finalize(rows);
    sqlite3_close(database);
    return ids;
  }

  std::shared_ptr<Store> store;
  std::unique_ptr<StoreConsumer> consumer;
  std::vector<Settlement> out;
};

TEST_F(SqliteClaiming, GivesEachEventOnceAndInOrderHoweverManyWait) {
  std::uint64_t appended = 0;
  std::uint64_t got = 0;
  const std::vector<std::uint64_t> bursts{1, 3, 8, 9, 16, 17, 70, 1, 1, 0, 2, 200, 1};
  for (const std::uint64_t burst : bursts) {
    for (std::uint64_t i = 0; i < burst; ++i) append(++appended);
    for (FetchResult fetched = go_on(); !fetched.deliveries.empty(); fetched = go_on()) {
      for (const Leased& one : fetched.deliveries) EXPECT_EQ(one.sequence, ++got);
    }
    EXPECT_EQ(got, appended);
  }
  EXPECT_EQ(leases(), std::vector<std::int64_t>{});
  EXPECT_EQ(store->check(), std::vector<std::string>{});
}

TEST_F(SqliteClaiming, PassesByWhatIsOfOtherTopics) {
  fetch_one();
  for (std::uint64_t n = 2; n <= 150; ++n) {
    ASSERT_TRUE(store->append(numbered(n, "else.where")).ok());
  }
  append(151);
  const FetchResult fetched = go_on();
  ASSERT_EQ(fetched.deliveries.size(), 1U);
  EXPECT_EQ(fetched.deliveries.front().event.id(), numbered(151).id());
}

TEST_F(SqliteClaiming, SetsAsideWhatIsDamaged) {
  fetch_one();
  append(2);
  append(3);
  run_sql("UPDATE events SET payload=x'00' WHERE seq=2");
  const FetchResult fetched = go_on();
  ASSERT_EQ(fetched.deliveries.size(), 1U);
  EXPECT_EQ(fetched.deliveries.front().sequence, 3U);
  EXPECT_EQ(fetched.set_aside, 1U);
  EXPECT_EQ(store->stats().corrupt, 1U);
  EXPECT_TRUE(logged("event 2 is damaged and is set aside"));
}

TEST_F(SqliteClaiming, GivesALargeEvent) {
  fetch_one();
  const std::string text(1'000'000, 'x');
  const Event large("number.large", busway::bytes(text), EventOptions{.id = EventId{1, 2}});
  ASSERT_TRUE(store->append(large).ok());
  append(3);
  const FetchResult fetched = go_on();
  ASSERT_EQ(fetched.deliveries.size(), 2U);
  EXPECT_EQ(fetched.deliveries.front().event.bytes().size(), text.size());
}

TEST_F(SqliteClaiming, ALeaseTakesThePlaceOfTheOneThatIsSettledWithIt) {
  fetch_one();
  const std::vector<std::int64_t> first = leases();
  ASSERT_EQ(first.size(), 1U);
  append(2);
  append(3);
  ASSERT_EQ(go_on().deliveries.size(), 2U);
  EXPECT_EQ(leases(), first);
  // Of two ranges that are out, one is settled and the other one is not.
  append(4);
  const std::vector<Settlement> earlier = std::exchange(out, {});
  ASSERT_EQ(go_on().deliveries.size(), 1U);
  EXPECT_EQ(leases().size(), 2U);
  append(5);
  ASSERT_EQ(go_on().deliveries.size(), 1U);
  EXPECT_EQ(leases().size(), 2U);
  EXPECT_EQ(consumer->settle(earlier).accepted, 2U);
  EXPECT_EQ(leases().size(), 1U);
  // It comes again to whoever opens the name next.
  consumer->close();
  consumer = store->open({.name = "work", .patterns = {Pattern::glob("number.*")}});
  out.clear();
  const FetchResult again = go_on();
  ASSERT_EQ(again.deliveries.size(), 1U);
  EXPECT_EQ(again.deliveries.front().sequence, 5U);
}

TEST_F(SqliteClaiming, ARowOfAnotherRangeIsNotTakenForTheLeaseThatHadIt) {
  fetch_one();
  run_sql("CREATE TABLE kept AS SELECT * FROM leases");
  append(2);
  ASSERT_EQ(go_on().deliveries.size(), 1U);
  // As if that had not been committed, or one that failed had been.
  run_sql("DELETE FROM leases");
  run_sql("INSERT INTO leases SELECT * FROM kept");
  run_sql("DROP TABLE kept");
  const SettleResult settled = consumer->settle(out);
  EXPECT_EQ(settled.accepted, 0U);
  EXPECT_EQ(settled.stale, 1U);
  EXPECT_EQ(leases().size(), 1U) << "what it holds is not settled";
}

TEST_F(SqliteClaiming, ASettlementWithNothingToFetchLeavesNoLease) {
  fetch_one();
  EXPECT_TRUE(go_on().deliveries.empty());
  EXPECT_EQ(leases(), std::vector<std::int64_t>{});
  append(2);
  ASSERT_EQ(go_on().deliveries.size(), 1U);
  EXPECT_EQ(consumer->settle(out).accepted, 1U);
  EXPECT_EQ(leases(), std::vector<std::int64_t>{});
}

TEST_F(SqliteClaiming, AnErrorAmidItsRowsDoesNotStopTheWriter) {
  const std::shared_ptr<Store> other = open();
  fetch_one();
  ASSERT_TRUE(other->append(numbered(2, "number.other")).ok());
  run_sql("ALTER TABLE topics RENAME TO topics_away");
  SettleResult settled;
  EXPECT_THROW((void)consumer->settle_and_fetch(out, 10, settled), Error);
  run_sql("ALTER TABLE topics_away RENAME TO topics");
  // A statement that was left in the middle would hold a snapshot that nobody can write on.
  ASSERT_TRUE(other->append(numbered(3)).ok());
  append(4);
  const FetchResult fetched = go_on();
  EXPECT_EQ(fetched.deliveries.size(), 3U);
}

TEST_F(SqliteClaiming, OneThatStandsByWritesNothing) {
  const DurableSpec strict{
      .name = "strict", .patterns = {Pattern::glob("number.*")}, .order = DurableOrder::strict};
  const auto active = store->open(strict);
  for (std::uint64_t n = 1; n <= 10; ++n) append(n);
  ASSERT_EQ(active->fetch(1).deliveries.size(), 1U);
  const std::shared_ptr<Store> second = open();
  const auto waiting = second->open(strict);
  EXPECT_FALSE(waiting->fetch(5).active);
  const std::uint64_t before = second->stats().commits;
  for (int i = 0; i < 20; ++i) {
    const FetchResult fetched = waiting->fetch(5);
    EXPECT_FALSE(fetched.active);
    EXPECT_TRUE(fetched.due.has_value());
    EXPECT_FALSE(fetched.more);
  }
  EXPECT_EQ(second->stats().commits, before);
}

TEST_F(SqliteClaiming, OneThatStandsByGivesUpWhatItHasSettled) {
  consumer->close();
  const DurableSpec strict{
      .name = "strict", .patterns = {Pattern::glob("number.*")}, .order = DurableOrder::strict};
  consumer = store->open(strict);
  fetch_one();
  const std::shared_ptr<Store> second = open();
  const auto waiting = second->open(strict);
  EXPECT_FALSE(waiting->fetch(10).active);
  append(2);
  EXPECT_EQ(go_on().deliveries.size(), 1U);
  EXPECT_TRUE(go_on().deliveries.empty());
  EXPECT_EQ(leases(), std::vector<std::int64_t>{});
}

}  // namespace
}  // namespace busway
