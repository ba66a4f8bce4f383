// Which files are opened, and what is said of those that are not.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <database.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "busway/busway.hpp"
#include "busway/testing/process.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

using testing::Process;

namespace fs = std::filesystem;

TEST_F(SqliteFolder, IsKnownByItsAddress) {
  EXPECT_TRUE(store_is_known("sqlite"));
  const std::shared_ptr<Store> store = open_store("sqlite:" + path, options());
  const StoreInfo info = store->info();
  EXPECT_EQ(info.provider, "sqlite");
  EXPECT_EQ(info.address, "sqlite:" + fs::canonical(path).string());
  EXPECT_EQ(info.durability, Durability::power_loss);
  EXPECT_TRUE(mentions(info.engine, "SQLite 3."));
  EXPECT_EQ(info.format, "busway-sqlite 1");
  EXPECT_FALSE(info.notes.empty());
}

TEST_F(SqliteFolder, PromisesWhatItIsAskedForOrRefuses) {
  EXPECT_EQ(open({.durability = Durability::process_crash})->info().durability,
            Durability::process_crash);
  EXPECT_TRUE(mentions(
      error_of(ErrorCode::invalid_option, [&] { (void)open({.durability = Durability::memory}); }),
      "process_crash or power_loss"));
}

/// While it lives SQLite takes no notice of what `synchronous` is set to, and says nothing.
struct DeafToSynchronous {
  DeafToSynchronous() { sqlite3_auto_extension(reinterpret_cast<void (*)()>(make_deaf)); }
  static int make_deaf(sqlite3* database, char**, const void*) {
    const auto ask = [](void*, int what, const char* name, const char* value, const char*,
                        const char*) {
      const bool sets = what == SQLITE_PRAGMA && value != nullptr;
      return sets && name == std::string_view("synchronous") ? SQLITE_IGNORE : SQLITE_OK;
    };
    return sqlite3_set_authorizer(database, ask, nullptr);
  }
  ~DeafToSynchronous() { sqlite3_reset_auto_extension(); }
};

TEST_F(SqliteFolder, SaysWhatSqliteDoesAndNotWhatItWasAskedFor) {
  const DeafToSynchronous deaf;
  const StoreInfo info = open({.durability = Durability::process_crash})->info();
  EXPECT_EQ(info.durability, Durability::power_loss) << "SQLite's own default is FULL";
  EXPECT_TRUE(mentions(info.notes.front(), "synchronous 2")) << info.notes.front();
}

TEST_F(SqliteFolder, SaysWhichFolderIsMissing) {
  path = folder.file("none/events.db");
  const std::string why = error_of(ErrorCode::store_unavailable, [&] { (void)open(); });
  EXPECT_TRUE(mentions(why, "events.db"));
  EXPECT_TRUE(mentions(why, folder.file("none")));
  path = folder.path().string();
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::store_unavailable, [&] { (void)open(); }), "is a folder"));
  path = "";
  EXPECT_TRUE(mentions(error_of(ErrorCode::invalid_option, [&] { (void)open(); }), "sqlite:PATH"));
}

TEST_F(SqliteFolder, RefusesWhatIsNoDatabaseAndLeavesItAlone) {
  const std::string text = "dear diary, this is no database, and it is long enough to be read " +
                           std::string(4'096, '.');
  { std::ofstream(path) << text; }
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::store_format, [&] { (void)open(); }), "no SQLite database"));
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
}

TEST_F(SqliteFolder, RefusesTheDatabaseOfAnotherProgram) {
  run_sql("CREATE TABLE recipes(name TEXT); INSERT INTO recipes VALUES('soup')");
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::store_format, [&] { (void)open(); }), "another program"));
  run_sql("INSERT INTO recipes VALUES('bread')");
}

TEST_F(SqliteFolder, MakesNothingBesideAFileThatIsNoStore) {
  const std::string garbage = folder.file("garbage.db");
  { std::ofstream(garbage) << std::string(5'000, 'x'); }
  const std::string empty = folder.file("empty.db");
  { std::ofstream touched(empty); }
  const std::string other = folder.file("other.db");
  path = other;
  run_sql("CREATE TABLE recipes(name TEXT)");
  const std::string with_log = folder.file("with-log.db");
  path = with_log;
  run_sql("PRAGMA journal_mode=WAL; CREATE TABLE recipes(name TEXT)");
  const auto files = [&] {
    return std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator());
  };
  const auto before = files();
  for (const std::string& one : {garbage, empty, other, with_log}) {
    path = one;
    EXPECT_THROW((void)open({.create = false}), Error);
    EXPECT_EQ(files(), before) << one;
  }
  for (const std::string& one : {garbage, other, with_log}) {
    path = one;
    EXPECT_THROW((void)open(), Error);
    EXPECT_EQ(files(), before) << one;
  }
}

TEST_F(SqliteFolder, AnEmptyFileBecomesAStoreOnlyWhereOneMayBeMade) {
  { std::ofstream touched(path); }
  for (const bool has_gate : {false, true}) {
    if (has_gate) std::ofstream(path + "-gate").close();
    EXPECT_TRUE(
        mentions(error_of(ErrorCode::store_unavailable, [&] { (void)open({.create = false}); }),
                 "is empty"));
    EXPECT_EQ(fs::file_size(path), 0U);
  }
  EXPECT_TRUE(open()->append(numbered(1)).ok());
  EXPECT_TRUE(logged("was empty; a store is made in it"));
  EXPECT_EQ(open({.create = false})->stats().events, 1U);
}

TEST_F(SqliteFolder, RefusesALaterFormat) {
  { (void)open()->append(numbered(1)); }
  run_sql("PRAGMA user_version=7");
  const std::string why = error_of(ErrorCode::store_format, [&] { (void)open(); });
  EXPECT_TRUE(mentions(why, "format 7"));
  EXPECT_TRUE(mentions(why, "later version"));
  run_sql("PRAGMA user_version=1");
  EXPECT_TRUE(open()->find(EventId{1, 1}));
}

TEST_F(SqliteFolder, RefusesAMountThatIsReadOnlyAndLeavesItAsItIs) {
  Process worker({BUSWAY_SQLITE_WORKER, "read-only", folder.path().string()});
  std::string said = worker.read_line();
  if (said.starts_with("no disk")) GTEST_SKIP() << "a tmpfs cannot be mounted here: " << said;
  for (const char* const what : {"there", "new"}) {
    EXPECT_TRUE(said.starts_with(std::string(what) + ": store_unavailable ")) << said;
    EXPECT_TRUE(mentions(said, "cannot be written")) << said;
    said = worker.read_line();
  }
  EXPECT_EQ(said, "events 3 faults 0");
  EXPECT_EQ(worker.wait(), 0);
}

TEST_F(SqliteFolder, RefusesFilesAndAFolderThatItMayNotWrite) {
  Process worker({BUSWAY_SQLITE_WORKER, "unwritable", folder.path().string()});
  std::string said = worker.read_line();
  if (said.starts_with("no other user")) GTEST_SKIP() << said;
  for (const char* const what : {"file", "-wal", "-shm", "-gate", "new"}) {
    EXPECT_TRUE(said.starts_with(std::string(what) + ": store_unavailable ")) << said;
    EXPECT_TRUE(mentions(said, "cannot be")) << said;
    said = worker.read_line();
  }
  EXPECT_EQ(said, "events 3 faults 0");
  EXPECT_EQ(worker.wait(), 0);
}

TEST_F(SqliteFolder, SaysThatAnotherProgramHasLockedTheFile) {
  { (void)open()->append(numbered(1)); }
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE", nullptr, nullptr,
                         nullptr),
            SQLITE_OK);
  EXPECT_TRUE(mentions(error_of(ErrorCode::store_unavailable,
                                [&] { (void)open({.timeout = std::chrono::milliseconds(20)}); }),
                       "locked"));
  sqlite3_close(other);
}

/// Files that the process may open, until it goes.
class FileLimit {
 public:
  FileLimit() {
    getrlimit(RLIMIT_NOFILE, &before_);
    next_ = static_cast<rlim_t>(dup(STDIN_FILENO));  // the lowest number that is free
    close(static_cast<int>(next_));
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;
  ~FileLimit() { restore(); }
  void allow_more(rlim_t files) const { set(next_ + files); }
  void restore() const { set(before_.rlim_cur); }

 private:
  void set(rlim_t files) const {
    const rlimit made{files, before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &made), 0);
  }
  rlimit before_{};
  rlim_t next_ = 0;
};

/// Is first asked when the file was found to be a store, and stands ready to be opened.
class ClockThatLimits final : public Clock {
 public:
  ClockThatLimits(const FileLimit& limit, rlim_t more) : limit_(limit), more_(more) {}
  WallTime wall() const noexcept override {
    if (!std::exchange(asked_, true)) limit_.allow_more(more_);
    return system()->wall();
  }
  SteadyTime steady() const noexcept override { return system()->steady(); }

 private:
  const FileLimit& limit_;
  const rlim_t more_;
  mutable bool asked_ = false;
};

TEST_F(SqliteFolder, SaysThatThereAreTooManyFilesOpenWhereverItComesUponIt) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer looks at objects through a pipe, which takes files too";
#endif
  open()->close();
  const FileLimit limit;
  bool opened = false;
  for (rlim_t more = 0; more < 32 && !opened; ++more) {
    for (const bool late : {false, true}) {
      std::shared_ptr<Clock> clock = Clock::system();
      if (late) clock = std::make_shared<ClockThatLimits>(limit, more);
      if (!late) limit.allow_more(more);
      std::string why;
      try {
        const std::shared_ptr<Store> store = open({.clock = clock});
        opened = late;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::store_unavailable) << error.what();
        why = error.what();
      } catch (const std::exception& error) {
        ADD_FAILURE() << more << ": no Error: " << error.what();
      }
      limit.restore();
      if (why.empty()) continue;
      EXPECT_TRUE(mentions(why, "events.db")) << why;
      EXPECT_TRUE(mentions(why, "Too many open files")) << why;
      EXPECT_TRUE(mentions(why, "ulimit -n")) << why;
    }
  }
  EXPECT_TRUE(opened);
}

TEST_F(SqliteFolder, ARelativePathStaysTheSameFileWhenTheFolderChanges) {
  struct Folder {
    fs::path before = fs::current_path();
    ~Folder() { fs::current_path(before); }
  } const back;
  fs::current_path(folder.path());
  path = "events.db";
  const std::shared_ptr<Store> store = open();
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("*")}});
  ASSERT_TRUE(store->append(numbered(1)).ok());
  fs::current_path("/");
  const AppendResult second = store->append(numbered(2));
  EXPECT_TRUE(second.ok()) << second.error;
  EXPECT_EQ(consumer->fetch(10).deliveries.size(), 2U);
  EXPECT_TRUE(fs::path(store->info().address.substr(7)).is_absolute()) << store->info().address;
}

TEST_F(SqliteFolder, AFileHasOneGateWhicheverNameItIsOpenedBy) {
  const std::string real = folder.file("real");
  fs::create_directory(real);
  fs::create_directory_symlink(real, folder.file("linked"));
  fs::create_symlink("real/events.db", folder.file("link.db"));
  fs::create_symlink("link.db", folder.file("link-to-link.db"));
  std::vector<std::shared_ptr<Store>> stores;
  // The first one makes the file that the link names.
  for (const std::string name :
       {"link-to-link.db", "link.db", "linked/events.db", "real/events.db", "real/../link.db"}) {
    stores.push_back(open_sqlite_store(folder.file(name), options()));
    EXPECT_EQ(stores.back()->info().address, stores.front()->info().address) << name;
    EXPECT_TRUE(stores.back()->append(numbered(stores.size())).ok()) << name;
  }
  EXPECT_EQ(stores.front()->stats().events, stores.size());
  EXPECT_TRUE(fs::exists(real + "/events.db-gate"));
  for (const char* const name : {"link.db-gate", "link-to-link.db-gate", "link.db-wal"}) {
    EXPECT_FALSE(fs::exists(folder.file(name))) << name;
  }
  fs::create_symlink("ring.db", folder.file("ring.db"));
  path = folder.file("ring.db");
  EXPECT_TRUE(mentions(error_of(ErrorCode::store_unavailable, [&] { (void)open(); }), "ring"));
}

TEST_F(SqliteFolder, AFileThatIsRemovedUnderItTakesNothingMore) {
  const std::shared_ptr<Store> store = open();
  ASSERT_TRUE(store->append(numbered(1)).ok());
  fs::remove(path);
  const AppendResult refused = store->append(numbered(2));
  EXPECT_EQ(refused.answer, Appended::not_stored);
  EXPECT_TRUE(mentions(refused.error, "removed or replaced"));
}

TEST_F(SqliteFolder, OneThatIsReplacedByAnotherTakesNothingMore) {
  const std::shared_ptr<Store> store = open();
  ASSERT_TRUE(store->append(numbered(1)).ok());
  fs::rename(path, folder.file("moved.db"));
  {
    const std::string other = folder.file("other.db");
    (void)open_sqlite_store(other, options())->append(numbered(9));
    fs::copy_file(other, path);
  }
  EXPECT_EQ(store->append(numbered(2)).answer, Appended::not_stored);
}

TEST_F(SqliteFolder, OneWhoseLogIsRemovedOrReplacedTakesNothingMoreAndKeepsWhatItTook) {
  int n = 0;
  for (const std::string rest : {"-wal", "-shm", "-gate"}) {
    for (const bool replaced : {false, true}) {
      path = folder.file(std::to_string(++n) + ".db");
      const std::shared_ptr<Store> store = open();
      ASSERT_TRUE(store->append(numbered(1)).ok());
      if (replaced) fs::copy_file(path + rest, path + ".new");
      fs::remove(path + rest);
      if (replaced) fs::rename(path + ".new", path + rest);
      for (std::uint64_t i = 2; i < 4; ++i) {
        const AppendResult refused = store->append(numbered(i));
        EXPECT_EQ(refused.answer, Appended::not_stored) << rest << replaced;
        EXPECT_TRUE(mentions(refused.error, std::to_string(n) + ".db" + rest)) << refused.error;
        EXPECT_TRUE(mentions(refused.error, "removed or replaced")) << refused.error;
      }
      if (replaced) continue;
      // As a kill would leave it now: without a checkpoint at the end.
      const std::string left = folder.file("left" + std::to_string(n) + ".db");
      for (const std::string one : {"", "-wal", "-shm"}) {
        if (fs::exists(path + one)) fs::copy_file(path + one, left + one);
      }
      const std::shared_ptr<Store> again = open_sqlite_store(left, options());
      EXPECT_TRUE(again->find(EventId{1, 1})) << rest << ": acknowledged and lost";
    }
  }
}

TEST_F(SqliteFolder, AClosedOneRefusesWithAReason) {
  const std::shared_ptr<Store> store = open();
  const auto consumer = store->open({.name = "a", .patterns = {Pattern::glob("*")}});
  store->close();
  store->close();
  const AppendResult refused = store->append(numbered(1));
  EXPECT_EQ(refused.answer, Appended::not_stored);
  EXPECT_TRUE(mentions(refused.error, "closed"));
  (void)error_of(ErrorCode::stopped, [&] { (void)store->read({}); });
  (void)error_of(ErrorCode::stopped, [&] { (void)consumer->fetch(1); });
}

TEST_F(SqliteFolder, ABusKeepsItsEventsThereByOneLine) {
  EventId id;
  BusOptions options;
  options.store = "sqlite:" + path;
  {
    Bus bus(options);
    id = bus.publish("order.made", bytes("x")).id;
  }
  Bus bus(options);
  ASSERT_NE(bus.store(), nullptr);
  EXPECT_TRUE(bus.store()->find(id));
  EXPECT_EQ(bus.history("order.*").size(), 1U);
}

struct SqliteOpenings : SqliteFolder {
  /// As if so many processes had opened it before and had ended, or had died.
  void add_openings(int count, const std::string& closed) const {
    run_sql("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < " +
            std::to_string(count) +
            ") INSERT INTO openings(instance_id, pid, opened, closed) SELECT 'x', i, i, " + closed +
            " FROM n");
  }
  [[nodiscard]] std::int64_t number(const std::string& sql) const {
    return sqlite::Database(path, sqlite::Database::Access::write).number(sql);
  }
  [[nodiscard]] std::int64_t openings(const std::string& which) const {
    return number("SELECT count(*) FROM openings WHERE " + which);
  }
};

TEST_F(SqliteOpenings, OfThoseThatAreClosedTheNewestStay) {
  open({.durability = Durability::process_crash})->close();
  for (int i = 0; i < 120; ++i) open({.durability = Durability::process_crash})->close();
  EXPECT_EQ(openings("closed IS NOT NULL"), 101);
  EXPECT_EQ(number("SELECT min(id) FROM openings"), 21);
  EXPECT_EQ(number("SELECT max(id) FROM openings"), 121);
}

TEST_F(SqliteOpenings, OneOpeningRemovesSomeOfMany) {
  open()->close();
  add_openings(2'000, "i");
  open()->close();
  EXPECT_EQ(openings("closed IS NOT NULL"), 1'502);
  for (int i = 0; i < 3; ++i) open()->close();
  EXPECT_EQ(openings("closed IS NOT NULL"), 101);
}

TEST_F(SqliteOpenings, OneThatIsOpenStaysAndIsRungAndNoNumberIsGivenTwice) {
  const std::shared_ptr<Store> old = open();
  const auto held = old->open({.name = "work", .patterns = {Pattern::glob("*")}});
  ASSERT_TRUE(old->append(numbered(1)).ok());
  ASSERT_EQ(held->fetch(10).deliveries.size(), 1U);
  add_openings(300, "i");
  { (void)open(); }
  const std::shared_ptr<Store> late = open();
  EXPECT_EQ(openings("id = " + std::to_string(old->writer())), 1) << "it is open";
  EXPECT_EQ(late->writer(), 303U);
  EXPECT_LE(openings("closed IS NOT NULL"), 101);
  // What it has out is its own as before.
  EXPECT_EQ(
      late->open({.name = "work", .patterns = {Pattern::glob("*")}})->fetch(10).deliveries.size(),
      0U);
  EXPECT_EQ(held->settle(std::vector<Settlement>{{.sequence = 1}}).accepted, 1U);
  EXPECT_TRUE(late->check().empty());
}

TEST_F(SqliteOpenings, AnEventIsStillOfItsWriterWhenTheRowOfThatIsGone) {
  std::uint64_t writer = 0;
  {
    const std::shared_ptr<Store> first = open();
    writer = first->writer();
    ASSERT_TRUE(first->append(numbered(1)).ok());
  }
  add_openings(300, "i");
  const std::shared_ptr<Store> store = open();
  ASSERT_EQ(openings("id = " + std::to_string(writer)), 0);
  ASSERT_TRUE(store->append(numbered(2)).ok());
  StoreQuery of_others;
  of_others.not_by = store->writer();
  const StorePage page = store->read(of_others);
  ASSERT_EQ(page.events.size(), 1U);
  EXPECT_EQ(page.events.front().writer, writer);
  EXPECT_TRUE(store->check().empty());
}

TEST_F(SqliteFolder, ForReadingOnlyWritesNothing) {
  Event event("order.made", Payload(), {.id = EventId{1, 2}, .time = WallTime{}});
  { ASSERT_TRUE(open()->append(event).ok()); }
  const auto openings = [&] { return open()->writer(); };
  const std::uint64_t before = openings();
  const std::shared_ptr<Store> reader = open({.read_only = true});
  EXPECT_TRUE(reader->find(event.id()));
  EXPECT_EQ(reader->read({}).events.size(), 1U);
  EXPECT_EQ(reader->census().stats.events, 1U);
  EXPECT_TRUE(reader->check().empty());
  EXPECT_EQ(reader->append(event).answer, Appended::not_stored);
  EXPECT_THROW((void)reader->remove("a"), Error);
  EXPECT_THROW((void)reader->purge({}), Error);
  EXPECT_THROW(reader->vacuum(), Error);
  reader->close();
  EXPECT_EQ(openings(), before + 1) << "it has entered none of its own";
}

}  // namespace
}  // namespace busway
