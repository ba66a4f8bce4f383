// What happens to the file while the store is open and works: another program locks it, its folder
// goes.
#include <filesystem>

#include "sqlite_fixture.hpp"

namespace busway {
namespace {

namespace fs = std::filesystem;

struct SqliteInUse : SqliteFolder {
  static DurableSpec work() { return {.name = "work", .patterns = {Pattern::glob("*")}}; }
  /// Three events, the first two of them out.
  void begin() {
    store = open({.timeout = std::chrono::milliseconds(20)});
    consumer = store->open(work());
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
    ASSERT_EQ(consumer->fetch(2).deliveries.size(), 2U);
  }
  /// Of the fourth event, of the third, and of what is out.
  void expect_refusals(const std::string& why) {
    const AppendResult refused = store->append(numbered(4));
    EXPECT_EQ(refused.answer, Appended::not_stored);
    EXPECT_TRUE(mentions(refused.error, "events.db")) << refused.error;
    EXPECT_TRUE(mentions(refused.error, why)) << refused.error;
    EXPECT_TRUE(mentions(error_of(ErrorCode::store_unavailable, [&] { (void)consumer->fetch(2); }),
                         "events.db"));
    EXPECT_TRUE(mentions(error_of(ErrorCode::store_unavailable,
                                  [&] { (void)consumer->settle(std::vector<Settlement>{{1}}); }),
                         "events.db"));
  }
  /// As if nothing had been.
  void expect_it_works() {
    EXPECT_FALSE(store->find(EventId{1, 4})) << "it was refused";
    EXPECT_EQ(consumer->settle(std::vector<Settlement>{{1}, {2}}).accepted, 2U);
    EXPECT_EQ(store->append(numbered(4)).answer, Appended::stored);
    const FetchResult fetched = consumer->fetch(10);
    ASSERT_EQ(fetched.deliveries.size(), 2U);
    EXPECT_EQ(fetched.deliveries[0].event.id(), numbered(3).id());
    EXPECT_EQ(fetched.deliveries[1].event.id(), numbered(4).id());
    EXPECT_EQ(store->check(), std::vector<std::string>{});
  }

  std::shared_ptr<Store> store;
  std::unique_ptr<StoreConsumer> consumer;
};

TEST_F(SqliteInUse, OneThatAnotherProgramLocksRefusesAndWorksWhenItIsFree) {
  begin();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
  const auto sql = [&](const char* text) {
    return sqlite3_exec(other, text, nullptr, nullptr, nullptr);
  };
  for (const char* const lock : {"BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"}) {
    ASSERT_EQ(sqlite3_busy_timeout(other, 60'000), SQLITE_OK);
    ASSERT_EQ(sql(lock), SQLITE_OK);
    expect_refusals("locked");
    EXPECT_TRUE(store->find(EventId{1, 1})) << "readers do not wait";
    ASSERT_EQ(sql("ROLLBACK"), SQLITE_OK);
  }
  sqlite3_close(other);
  expect_it_works();
}

TEST_F(SqliteInUse, OneWhoseFolderIsGoneRefusesAndWorksWhenItIsBack) {
  const std::string inner = folder.file("inner");
  fs::create_directory(inner);
  path = inner + "/events.db";
  begin();
  fs::rename(inner, inner + ".away");
  expect_refusals("removed or replaced");
  fs::rename(inner + ".away", inner);
  expect_it_works();
}

TEST_F(SqliteInUse, OneWhoseFolderIsRemovedRefusesUntilItIsOpenedAgain) {
  const std::string inner = folder.file("inner");
  fs::create_directory(inner);
  path = inner + "/events.db";
  begin();
  fs::remove_all(inner);
  expect_refusals("removed or replaced");
  fs::create_directory(inner);
  expect_refusals("removed or replaced");
  const std::shared_ptr<Store> again = open();
  EXPECT_TRUE(again->append(numbered(1)).ok());
  expect_refusals("removed or replaced");
  EXPECT_EQ(again->stats().events, 1U);
}

}  // namespace
}  // namespace busway
