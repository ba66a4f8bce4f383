// What COMMIT says when it fails after the log was written: nobody knows whether that is found.
#include <filesystem>
#include <set>
#include <string>

#include "sqlite_fixture.hpp"

namespace busway {
namespace {

/// While it lives, each sync of a write-ahead log writes what it is to, and answers this code.
class FailingSync {
 public:
  explicit FailingSync(int code) : system_(sqlite3_vfs_find(nullptr)), own_(*system_) {
    code_ = code;
    own_.zName = "failing-sync";
    own_.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
      sqlite3_vfs* const system = sqlite3_vfs_find("unix");
      const int result = system->xOpen(system, name, file, flags, out);
      if (result == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0) {
        real_ = file->pMethods;
        methods_ = *real_;
        methods_.xSync = [](sqlite3_file* log, int how) {
          const int synced = real_->xSync(log, how);
          return armed_ && synced == SQLITE_OK ? code_ : synced;
        };
        file->pMethods = &methods_;
      }
      return result;
    };
    sqlite3_vfs_register(&own_, 1);
  }
  FailingSync(const FailingSync&) = delete;
  FailingSync& operator=(const FailingSync&) = delete;
  ~FailingSync() {
    armed_ = false;
    sqlite3_vfs_unregister(&own_);
    sqlite3_vfs_register(system_, 1);
  }
  static void arm(bool armed) { armed_ = armed; }

 private:
  static inline const sqlite3_io_methods* real_ = nullptr;
  static inline sqlite3_io_methods methods_{};
  static inline int code_ = SQLITE_OK;
  static inline bool armed_ = false;
  sqlite3_vfs* system_;
  sqlite3_vfs own_;
};

TEST_F(SqliteFolder, ACommitThatFailsAfterItsFramesWereWrittenIsOfUnknownOutcome) {
  int n = 0;
  for (const int code : {SQLITE_NOMEM, SQLITE_IOERR_FSYNC, SQLITE_PROTOCOL, SQLITE_CANTOPEN}) {
    path = folder.file(std::to_string(++n) + ".db");
    const std::string left = folder.file("left" + std::to_string(n) + ".db");
    {
      FailingSync sync(code);
      const std::shared_ptr<Store> store = open();
      ASSERT_TRUE(store->append(numbered(1)).ok());
      FailingSync::arm(true);
      const AppendResult failed = store->append(numbered(2));
      EXPECT_EQ(failed.answer, Appended::unknown) << sqlite3_errstr(code) << ": " << failed.error;
      // As a kill would leave it now.
      for (const std::string one : {"", "-wal"}) std::filesystem::copy_file(path + one, left + one);
      FailingSync::arm(false);
      EXPECT_TRUE(store->append(numbered(2)).ok());
    }
    path = left;
    EXPECT_TRUE(open()->find(numbered(2).id())) << "then nothing was unknown";
  }
}

TEST_F(SqliteFolder, AnEventOfUnknownOutcomeThatIsThereIsDeliveredOnceAndARepeatDeliversNothing) {
  const std::string left = folder.file("left.db");
  const DurableSpec work{
      .name = "work", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()};
  {
    FailingSync sync(SQLITE_IOERR_FSYNC);
    const std::shared_ptr<Store> store = open();
    store->open(work)->close();
    FailingSync::arm(true);
    EXPECT_EQ(store->append(numbered(1)).answer, Appended::unknown);
    for (const std::string one : {"", "-wal"}) std::filesystem::copy_file(path + one, left + one);
  }
  path = left;
  const std::shared_ptr<Store> store = open();
  EXPECT_FALSE(logged("commits at the end of its log")) << "it can be read";
  const auto consumer = store->open(work);
  EXPECT_EQ(consumer->fetch(10).deliveries.size(), 1U);
  const AppendResult again = store->append(numbered(1));
  EXPECT_EQ(again.answer, Appended::duplicate);
  EXPECT_EQ(again.sequence, 1U);
  EXPECT_TRUE(consumer->fetch(10).deliveries.empty());
  EXPECT_EQ(store->stats().events, 1U);
}

// With NORMAL the log is not synced by a commit: what stood in it before is what a power failure
// may leave.
TEST_F(SqliteFolder, SettlementsThatAPowerFailureTakesBackAreGivenOutAgain) {
  const std::string left = folder.file("left.db");
  const auto clock = std::make_shared<testing::ManualClock>();
  const StoreOptions normal{.durability = Durability::process_crash, .clock = clock};
  const DurableSpec work{
      .name = "work", .patterns = {Pattern::glob("*")}, .lease = std::chrono::seconds(10)};
  {
    const std::shared_ptr<Store> store = open(normal);
    const auto consumer = store->open(work);
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
    ASSERT_EQ(consumer->fetch(10).deliveries.size(), 3U);
    for (const std::string one : {"", "-wal"}) std::filesystem::copy_file(path + one, left + one);
    EXPECT_EQ(consumer->settle(std::vector<Settlement>{{1}, {2}, {3}}).accepted, 3U);
  }
  path = left;
  const std::shared_ptr<Store> store = open(normal);
  const auto consumer = store->open(work);
  clock->advance(std::chrono::seconds(11));
  std::set<std::uint64_t> given;
  for (int i = 0; i < 8; ++i) {
    std::vector<Settlement> done;
    for (const Leased& one : consumer->fetch(10).deliveries) {
      given.insert(one.sequence);
      done.push_back({one.sequence});
    }
    (void)consumer->settle(done);
  }
  EXPECT_EQ(given, (std::set<std::uint64_t>{1, 2, 3}));
}

}  // namespace
}  // namespace busway
