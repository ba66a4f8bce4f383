#include <atomic>
#include <chrono>
#include <thread>
#include <writer.hpp>

#include "busway/clock.hpp"
#include "sqlite_fixture.hpp"

namespace busway::sqlite {
namespace {

/// Beyond the time after which an idle writer looks whether there is something to fold in.
constexpr auto kLongWrite = std::chrono::milliseconds(1'300);

struct SqliteWriter : SqliteFolder {
  Writer::Settings settings() {
    open()->close();  // makes the tables
    StoreOptions made = options();
    made.clock = Clock::system();
    return {.path = path,
            .opening = 1,
            .options = made,
            .durability = Durability::process_crash,
            .identity = FileIdentity::of(path),
            .committed = [] {}};
  }
};

TEST_F(SqliteWriter, LetsNobodyElseWriteHoweverLongSomebodyDoes) {
  Writer writer(settings());
  std::atomic<bool> inside{false};
  std::atomic<bool> met{false};
  std::thread second;
  EXPECT_NO_THROW(writer.call([&](Transaction&) {
    inside = true;
    second = std::thread([&] {
      try {
        writer.call([&](Transaction&) { met = inside.load(); });
      } catch (const Error&) {
        met = true;
      }
    });
    const auto end = std::chrono::steady_clock::now() + kLongWrite;
    while (!met && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    inside = false;
  }));
  second.join();
  EXPECT_FALSE(met) << "two threads were at one connection";
  EXPECT_EQ(writer.commits(), 2U);
}

TEST_F(SqliteWriter, ACallThatFailsTakesBackWhatItDidAlsoWhereItIsAlone) {
  Writer writer(settings());
  const auto names = [&] {
    std::int64_t count = 0;
    writer.call([&](Transaction& transaction) {
      count = transaction.database.number("SELECT count(*) FROM topics");
    });
    return count;
  };
  const std::uint64_t before = writer.commits();
  EXPECT_THROW(writer.call([](Transaction& transaction) {
    transaction.database.run("INSERT INTO topics(name, sum) VALUES('made', 0)");
    throw Error(ErrorCode::not_found, "no");
  }),
               Error);
  EXPECT_EQ(writer.commits(), before) << "nothing was to be committed";
  EXPECT_EQ(names(), 0);
  writer.call([](Transaction& transaction) {
    transaction.database.run("INSERT INTO topics(name, sum) VALUES('made', 0)");
  });
  EXPECT_EQ(names(), 1);
}

TEST_F(SqliteWriter, TakesNoFileThatKeepsNoWriteAheadLog) {
  const Writer::Settings made = settings();
  run_sql("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE");
  EXPECT_TRUE(mentions(error_of(ErrorCode::store_unavailable, [&] { Writer writer(made); }),
                       "journal_mode delete"));
}

}  // namespace
}  // namespace busway::sqlite
