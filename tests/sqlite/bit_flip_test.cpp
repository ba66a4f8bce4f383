// Single bits of the file, or of its log, are turned: each is reported or harmless, no payload is
// ever wrong, and nothing is passed by in silence.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "sqlite_fixture.hpp"

namespace busway {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kEvents = 200;
constexpr std::uint64_t kOut = 50;

std::string payload_of(std::uint64_t n) {
  return std::string(300, static_cast<char>('a' + n % 26));
}

int turns() {
  const char* const wanted = std::getenv("BUSWAY_TEST_BIT_FLIPS");
  return wanted != nullptr ? std::atoi(wanted) : 200;
}

/// What came of a store with a bit turned.
struct Used {
  bool told = false;  ///< while it was opened and used: an error, a log line, set aside
  bool found_by_check = false;
  bool opened = false;
  bool threw = false;
  std::set<std::uint64_t> read;
  std::set<std::uint64_t> given;
  std::size_t set_aside = 0;  ///< of those that were to be given
  std::size_t letters = 0;
};

class SqliteBitFlip : public SqliteFolder {
 protected:
  SqliteBitFlip() {
    const char* const seed = std::getenv("BUSWAY_TEST_SEED");
    seed_ = seed != nullptr ? std::strtoull(seed, nullptr, 10) : std::random_device{}();
    random_.seed(seed_);
    RecordProperty("seed", std::to_string(seed_));
  }

  static DurableSpec work() {
    return {.name = "work", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()};
  }

  /// 200 events, of which "work" has had 50: 40 handled, 10 dead letters.
  void begin() {
    const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
    for (std::uint64_t n = 1; n <= kEvents; ++n) {
      ASSERT_TRUE(store
                      ->append(Event("number.made", bytes(payload_of(n)),
                                     {.source = "me",
                                      .key = "k",
                                      .id = EventId{1, n},
                                      .time = WallTime(std::chrono::milliseconds(n))}))
                      .ok());
    }
    const auto consumer = store->open(work());
    const FetchResult fetched = consumer->fetch(kOut);
    ASSERT_EQ(fetched.deliveries.size(), kOut);
    std::vector<Settlement> settlements;
    for (const Leased& one : fetched.deliveries) {
      settlements.push_back(
          {.sequence = one.sequence,
           .kind = one.sequence % 5 == 0 ? Settlement::Kind::dead_letter : Settlement::Kind::done,
           .reason = "no"});
    }
    EXPECT_EQ(consumer->settle(settlements).accepted, kOut);
    // As a kill would leave it now.
    for (const std::string rest : {"", "-wal", "-shm"}) {
      fs::copy_file(path + rest, folder.file("left.db") + rest);
    }
  }

  /// In place of the store: what was left, with a bit turned in one of its files.
  void take(const std::string& left, const std::vector<std::string>& rests,
            const std::string& turned, std::uint64_t at, unsigned bit) {
    for (const std::string rest : {"", "-wal", "-shm", "-gate"}) fs::remove(path + rest);
    for (const std::string& rest : rests) fs::copy_file(left + rest, path + rest);
    std::fstream file(path + turned, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ (1 << bit)));
    const std::lock_guard lock(log_mutex);
    log_lines.clear();
  }

  Used use() {
    Used out;
    std::shared_ptr<Store> store;
    try {
      store = open({.durability = Durability::process_crash});
      out.opened = true;
      StoreQuery query;
      for (bool more = true; more;) {
        const StorePage page = store->read(query);
        for (const StoredEvent& one : page.events) {
          expect_sound(one.event);
          out.read.insert(one.event.id().low);
        }
        out.told = out.told || page.set_aside != 0;
        more = page.more;
        query.after = page.next;
      }
      const auto consumer = store->open(work());
      for (int round = 0; round < 10; ++round) {
        const FetchResult fetched = consumer->fetch(100);
        out.set_aside += fetched.set_aside;
        std::vector<Settlement> done;
        for (const Leased& one : fetched.deliveries) {
          expect_sound(one.event);
          out.given.insert(one.event.id().low);
          done.push_back({.sequence = one.sequence});
        }
        if (done.empty()) break;
        (void)consumer->settle(done);
      }
      for (const StoredLetter& one : store->dead_letters({})) {
        expect_sound(one.event);
        EXPECT_EQ(one.history.back().reason, "no");
        ++out.letters;
      }
    } catch (const Error&) {
      out.threw = true;
      out.told = true;
    }
    {
      const std::lock_guard lock(log_mutex);
      out.told = out.told || !log_lines.empty() || out.set_aside != 0;
    }
    try {
      out.found_by_check = store != nullptr && !store->check().empty();
    } catch (const Error&) {
      out.found_by_check = true;
    }
    return out;
  }

  static void expect_sound(const Event& event) {
    const std::uint64_t n = event.id().low;
    EXPECT_EQ(text_of(event), payload_of(n));
    EXPECT_EQ(event.topic(), "number.made");
    EXPECT_EQ(event.source(), "me");
    EXPECT_EQ(event.key(), "k");
  }

  /// All that "work" has not had, of the events up to this one; and unless check() says that an
  /// index is damaged, all of them and each letter where they are listed.
  static void expect_all(const Used& out, std::uint64_t last) {
    for (std::uint64_t n = kOut + 1; n <= last; ++n) {
      EXPECT_TRUE(out.given.contains(n)) << n << " was passed by in silence";
    }
    if (out.found_by_check) return;
    EXPECT_EQ(out.read.size(), last);
    EXPECT_EQ(out.letters, kOut / 5);
  }

  std::uint64_t seed_ = 0;
  std::mt19937_64 random_;
};

TEST_F(SqliteBitFlip, OfTheFileIsReportedOrHarmless) {
  begin();
  run_sql("PRAGMA wal_checkpoint(TRUNCATE)");  // all of it is in the one file
  const std::string whole = folder.file("whole.db");
  fs::copy_file(path, whole);
  const std::uint64_t size = fs::file_size(whole);
  std::map<std::string, int> outcomes;
  for (int turn = 0; turn < turns() && !HasFailure(); ++turn) {
    // What a page says of itself is small, and hides most.
    constexpr std::uint64_t kPage = 4'096;
    const std::uint64_t page = random_() % (size / kPage) * kPage;
    const std::uint64_t at = turn % 4 == 0 ? page + random_() % 12 : random_() % size;
    const auto bit = static_cast<unsigned>(random_() % 8);
    SCOPED_TRACE("byte " + std::to_string(at) + " bit " + std::to_string(bit));
    take(whole, {""}, "", at, bit);
    const Used out = use();
    if (!out.told) expect_all(out, kEvents);
    // Each is given or was found to be damaged, or it was said that some are not found.
    if (!out.threw && !logged("events are found")) {
      EXPECT_GE(out.given.size() + out.set_aside, kEvents - kOut) << "passed by in silence";
    }
    ++outcomes[!out.opened ? "refused" : out.told ? "told" : out.found_by_check ? "check" : "none"];
  }
  EXPECT_GT(outcomes["refused"] + outcomes["told"], 0);
  for (const auto& [what, times] : outcomes) RecordProperty(what, times);
}

/// Not checkpointed: SQLite reads its log up to the first frame with a fault, and what is behind it
/// is gone. That is said, and the rest is what there was up to a commit.
TEST_F(SqliteBitFlip, OfTheLogCutsItOffThereAndIsReported) {
  begin();
  const std::string left = folder.file("left.db");
  const std::uint64_t size = fs::file_size(left + "-wal");
  ASSERT_GT(size, 100'000U);
  {
    take(left, {"", "-wal"}, "-wal", size, 0);  // nothing of it
    const Used out = use();
    EXPECT_FALSE(out.told);
    expect_all(out, kEvents);
  }
  std::map<std::string, int> outcomes;
  for (int turn = 0; turn < turns() && !HasFailure(); ++turn) {
    // The last commits and the header too, which random places seldom meet.
    constexpr std::uint64_t kEnd = 24 + 4'096;
    const std::uint64_t range = turn % 3 == 0 ? kEnd : turn % 3 == 1 ? 32 : size;
    const std::uint64_t at = turn % 3 == 0 ? size - 1 - random_() % range : random_() % range;
    const auto bit = static_cast<unsigned>(random_() % 8);
    SCOPED_TRACE("byte " + std::to_string(at) + " bit " + std::to_string(bit) + " of " +
                 std::to_string(size));
    take(left, {"", "-wal"}, "-wal", at, bit);
    const Used out = use();
    EXPECT_FALSE(out.found_by_check);
    if (!out.told) expect_all(out, kEvents);
    // Whatever was cut off was the end: what there is has no hole.
    if (!out.read.empty()) {
      EXPECT_EQ(*out.read.rbegin(), out.read.size());
    }
    ++outcomes[!out.opened ? "refused" : out.told ? "told" : "none"];
  }
  EXPECT_GT(outcomes["told"], 0);
  for (const auto& [what, times] : outcomes) RecordProperty(what, times);
}

}  // namespace
}  // namespace busway
