// What is called back, or waits for another process, while nothing of the store is locked.
#include <atomic>
#include <chrono>
#include <eventually.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>
#include <write_gate.hpp>

#include "in_line.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Of what would wait for ever.
constexpr seconds kPatience{20};

struct StoreLocks : SqliteFolder {
  /// Each sentence of the log that has this part runs the function on a thread of its own, and
  /// waits for it.
  StoreOptions probing(std::string part, std::function<void()> probe, StoreOptions made = {}) {
    made = options(std::move(made));
    made.log = [this, part = std::move(part), probe = std::move(probe), keep = made.log](
                   LogLevel level, std::string_view text, std::span<const LogField> fields) {
      keep(level, text, fields);
      if (text.find(part) == std::string_view::npos) return;
      ++asked;
      std::future<void> one = std::async(std::launch::async, probe);
      if (one.wait_for(kPatience) != std::future_status::ready) ++in_vain;
      const std::lock_guard lock(log_mutex);
      probes.push_back(std::move(one));
    };
    return made;
  }
  std::atomic<int> asked{0};
  std::atomic<int> in_vain{0};
  std::vector<std::future<void>> probes;  // guarded by log_mutex
};

const DurableSpec kAll{.name = "work", .patterns = {Pattern::glob("*")}};

TEST_F(StoreLocks, AConsumerMayEndWhereTheEndOfItsStoreIsTold) {
  const std::shared_ptr<Store> store = open();
  std::unique_ptr<StoreConsumer> consumer = store->open(kAll);
  std::atomic<bool> ending{false};
  const Store::Watch watch = store->watch([&](StoreNews) {
    if (ending) consumer.reset();
  });
  ending = true;
  const std::future<void> closed = std::async(std::launch::async, [&] { store->close(); });
  ASSERT_EQ(closed.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(consumer, nullptr);
}

TEST_F(StoreLocks, DamageIsToldWhenItsTransactionIsOver) {
  std::shared_ptr<Store> store;
  std::atomic<std::uint64_t> next{100};
  const auto appends = [&] { (void)store->append(numbered(next++)); };
  store = open_sqlite_store(path, probing("lease does not pass", appends));
  auto first = store->open(kAll);
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  ASSERT_EQ(first->fetch(10).deliveries.size(), 3U);
  run_sql("UPDATE leases SET until=until+1");
  const auto second = store->open(kAll);
  EXPECT_GE(asked, 1) << "at the opening of a name";
  ASSERT_FALSE(second->fetch(10).deliveries.empty());
  run_sql("UPDATE leases SET until=until+1");
  (void)store->replay("work", std::vector<std::uint64_t>{1});
  EXPECT_GE(asked, 2) << "at a replay";
  ASSERT_FALSE(second->fetch(1).deliveries.empty());
  (void)second->fetch(100);
  run_sql("UPDATE leases SET until=until+1");
  const int before = asked;
  (void)second->fetch(100);
  EXPECT_GT(asked, before) << "at a fetch";
  EXPECT_EQ(in_vain, 0);
}

TEST_F(StoreLocks, AConsumerIsFreeWhereItsDamageIsTold) {
  std::unique_ptr<StoreConsumer> consumer;
  const std::shared_ptr<Store> store = open_sqlite_store(
      path, probing("is damaged and is set aside", [&] { (void)consumer->note(); }));
  consumer = store->open(kAll);
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  run_sql("UPDATE events SET payload=x'00' WHERE seq=2");
  EXPECT_EQ(consumer->fetch(10).deliveries.size(), 2U);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(in_vain, 0);
}

TEST_F(StoreLocks, TheGateIsOpenWhereAnOpeningTellsWhatItFound) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
    // As a power failure leaves it: with the log beside it, whose last commit is not whole.
    std::filesystem::create_directory(folder.file("copy"));
    for (const char* const end : {"", "-wal"}) {
      std::filesystem::copy_file(path + end, folder.file("copy/events.db") + end);
    }
  }
  path = folder.file("copy/events.db");
  {
    std::fstream log(path + "-wal", std::ios::in | std::ios::out | std::ios::binary);
    log.seekp(-8, std::ios::end);
    log.write("damaged!", 8);
  }
  sqlite::WriteGate other(path + "-gate");
  std::atomic<bool> open_then{false};
  const std::shared_ptr<Store> store = open_sqlite_store(path, probing("of its log", [&] {
                                                           open_then = other.lock(seconds(0));
                                                           if (open_then) other.unlock();
                                                         }));
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(open_then);
}

TEST_F(StoreLocks, NamesAreListedWhileAFetchWaitsForTheGate) {
  const std::shared_ptr<Store> store = open({.timeout = minutes(2)});
  const auto consumer = store->open(kAll);
  ASSERT_TRUE(store->append(numbered(1)).ok());
  sqlite::WriteGate other(path + "-gate");
  ASSERT_TRUE(other.lock(seconds(60)));
  std::future<FetchResult> fetched =
      std::async(std::launch::async, [&] { return consumer->fetch(10); });
  EXPECT_TRUE(eventually([&] { return waits_in_line(path + "-gate"); }));
  std::future<std::size_t> listed =
      std::async(std::launch::async, [&] { return store->durables().size(); });
  EXPECT_EQ(listed.wait_for(kPatience), std::future_status::ready);
  other.unlock();
  EXPECT_EQ(listed.get(), 1U);
  EXPECT_EQ(fetched.get().deliveries.size(), 1U);
}

TEST_F(StoreLocks, AGateThatDoesNotOpenIsWaitedForOnceByAllWhoEnd) {
  constexpr std::size_t kConsumers = 100;
  const std::shared_ptr<Store> store = open({.timeout = milliseconds(500)});
  std::vector<std::unique_ptr<StoreConsumer>> consumers;
  for (std::size_t i = 0; i < kConsumers; ++i) {
    consumers.push_back(
        store->open({.name = "work" + std::to_string(i), .patterns = {Pattern::glob("*")}}));
  }
  sqlite::WriteGate other(path + "-gate");
  ASSERT_TRUE(other.lock(seconds(60)));
  const std::future<void> ended = std::async(std::launch::async, [&] {
    for (std::size_t i = 0; i < kConsumers / 2; ++i) consumers[i]->close();
    store->close();
  });
  EXPECT_EQ(ended.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(logged("could not be given back"));
  other.unlock();
}

TEST_F(StoreLocks, AStoreIsClosedOnTheThreadThatListens) {
  const std::shared_ptr<Store> store = open();
  const std::shared_ptr<Store> other = open();
  std::atomic<bool> closed{false};
  Store::Watch watch = store->watch([&](StoreNews news) {
    if (news != StoreNews::on_own_thread) return;
    store->close();
    closed = true;
  });
  EXPECT_TRUE(eventually([&] { return other->append(numbered(1)).ok() && closed; }));
  EXPECT_THROW((void)store->stats(), Error);
  watch.reset();
  store->close();
  EXPECT_TRUE(mentions(error_of(ErrorCode::stopped, [&] { (void)store->durables(); }), "closed"));
}

TEST_F(StoreLocks, ADamagedEventIsNotedOnceAndReadWithoutTheGate) {
  const std::shared_ptr<Store> store = open({.timeout = milliseconds(20)});
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  run_sql("UPDATE events SET payload=x'00' WHERE seq=2");
  EXPECT_EQ(store->read({}).events.size(), 2U);
  const std::uint64_t commits = store->stats().commits;
  EXPECT_EQ(store->read({}).set_aside, 1U);
  EXPECT_FALSE(store->find(EventId{1, 2}));
  EXPECT_EQ(store->stats().commits, commits) << "it is known";
  run_sql("UPDATE events SET payload=x'00' WHERE seq=3");
  sqlite::WriteGate other(path + "-gate");
  ASSERT_TRUE(other.lock(seconds(60)));
  EXPECT_EQ(store->read({}).events.size(), 1U);
  EXPECT_FALSE(store->find(EventId{1, 3}));
  EXPECT_TRUE(logged("cannot be noted now"));
  other.unlock();
  EXPECT_TRUE(eventually([&] {
    return store->read({}).events.size() == 1 && store->stats().corrupt == 2;
  })) << "once its place in line is given up";
}

}  // namespace
}  // namespace busway
