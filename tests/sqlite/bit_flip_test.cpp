// Single bits of the file are turned: each is reported or harmless, and no payload is ever wrong.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "sqlite_fixture.hpp"

namespace busway {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kEvents = 200;

std::string payload_of(std::uint64_t n) {
  return std::string(300, static_cast<char>('a' + n % 26));
}

TEST_F(SqliteFolder, ATurnedBitIsReportedOrHarmless) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= kEvents; ++n) {
      ASSERT_TRUE(store
                      ->append(Event("number.made", bytes(payload_of(n)),
                                     {.source = "me",
                                      .key = "k",
                                      .id = EventId{1, n},
                                      .time = WallTime(std::chrono::milliseconds(n))}))
                      .ok());
    }
    const auto consumer = store->open(
        {.name = "work", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()});
    const FetchResult fetched = consumer->fetch(50);
    ASSERT_EQ(fetched.deliveries.size(), 50U);
    std::vector<Settlement> settlements;
    for (const Leased& one : fetched.deliveries) {
      settlements.push_back(
          {.sequence = one.sequence,
           .kind = one.sequence % 5 == 0 ? Settlement::Kind::dead_letter : Settlement::Kind::done,
           .reason = "no"});
    }
    EXPECT_EQ(consumer->settle(settlements).accepted, 50U);
  }
  // All of it is in the one file.
  run_sql("PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string whole = folder.file("whole.db");
  fs::copy_file(path, whole);
  const auto size = static_cast<std::uint64_t>(fs::file_size(whole));
  const char* const seed = std::getenv("BUSWAY_TEST_SEED");
  std::mt19937_64 random(seed != nullptr ? std::strtoull(seed, nullptr, 10)
                                         : std::random_device{}());
  int reported = 0;
  int harmless = 0;
  for (int turn = 0; turn < 200; ++turn) {
    for (const char* const rest : {"-wal", "-shm"}) fs::remove(path + rest);
    fs::copy_file(whole, path, fs::copy_options::overwrite_existing);
    const std::uint64_t at = random() % size;
    const auto bit = static_cast<unsigned>(random() % 8);
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(static_cast<std::streamoff>(at));
      const int byte = file.get();
      file.seekp(static_cast<std::streamoff>(at));
      file.put(static_cast<char>(byte ^ (1 << bit)));
    }
    {
      const std::lock_guard lock(log_mutex);
      log_lines.clear();
    }
    bool told = false;
    std::uint64_t seen = 0;
    try {
      const std::shared_ptr<Store> store = open();
      StoreQuery query;
      for (bool more = true; more;) {
        const StorePage page = store->read(query);
        for (const StoredEvent& one : page.events) {
          const std::uint64_t n = one.event.id().low;
          ASSERT_EQ(text_of(one.event), payload_of(n)) << "byte " << at << " bit " << bit;
          ASSERT_EQ(one.event.topic(), "number.made") << "byte " << at << " bit " << bit;
          ASSERT_EQ(one.event.source(), "me") << "byte " << at << " bit " << bit;
          ASSERT_EQ(one.event.key(), "k") << "byte " << at << " bit " << bit;
          ++seen;
        }
        told = told || page.set_aside != 0;
        more = page.more;
        query.after = page.next;
      }
      const auto consumer = store->open(
          {.name = "work", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()});
      for (int round = 0; round < 10; ++round) {
        const FetchResult fetched = consumer->fetch(100);
        told = told || fetched.set_aside != 0;
        std::vector<Settlement> done;
        for (const Leased& one : fetched.deliveries) {
          ASSERT_EQ(text_of(one.event), payload_of(one.event.id().low));
          done.push_back({.sequence = one.sequence});
        }
        if (done.empty()) break;
        (void)consumer->settle(done);
      }
      for (const StoredLetter& one : store->dead_letters({})) {
        ASSERT_EQ(text_of(one.event), payload_of(one.event.id().low));
        ASSERT_EQ(one.history.back().reason, "no");
      }
      told = told || !store->check().empty();
    } catch (const Error&) {
      told = true;
    }
    const std::lock_guard lock(log_mutex);
    told = told || !log_lines.empty();
    ++(told ? reported : harmless);
    // Where nothing is said nothing is missing.
    if (!told) {
      EXPECT_EQ(seen, kEvents) << "byte " << at << " bit " << bit;
    }
  }
  EXPECT_GT(reported, 0);
  RecordProperty("reported", reported);
  RecordProperty("harmless", harmless);
}

}  // namespace
}  // namespace busway
