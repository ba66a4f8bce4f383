// What is the file store's own: compression, sums, its house.
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <eventually.hpp>
#include <filesystem>
#include <fstream>

#include "sqlite_fixture.hpp"

namespace busway {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;
using std::chrono::seconds;

TEST_F(SqliteFolder, ALongPayloadIsCompressedAndComesBackAsItWas) {
  const std::string text(100'000, 'y');
  EventId id;
  {
    const std::shared_ptr<Store> store = open();
    const Event event("long", bytes(text, "text/plain"), {.id = EventId{5, 5}});
    ASSERT_TRUE(store->append(event).ok());
    id = event.id();
    const auto found = store->find(id);
    ASSERT_TRUE(found);
    EXPECT_EQ(text_of(found->event), text);
    EXPECT_EQ(found->event.content_type(), "text/plain");
  }
  run_sql("PRAGMA wal_checkpoint(TRUNCATE)");
  EXPECT_LT(fs::file_size(path), 200'000U);
  EXPECT_TRUE(open({.compress_above = 0})->find(id)) << "whoever opens it can read it";
}

TEST_F(SqliteFolder, ADamagedLengthOfACompressedPayloadTakesNoMemory) {
  {
    const std::shared_ptr<Store> store = open();
    const Event event("long", bytes(std::string(100'000, 'y')), {.id = EventId{5, 5}});
    ASSERT_TRUE(store->append(event).ok());
  }
  run_sql("PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string whole = folder.file("whole.db");
  fs::copy_file(path, whole);
  // A frame that says 1 GiB where it said 100'000: four bytes behind the magic number and the
  // descriptor. And the recorded size.
  for (const std::string change :
       {"payload=CAST(substr(payload,1,5) || x'00000040' || substr(payload,10) AS BLOB)",
        "size=1073741824"}) {
    for (const char* const rest : {"-wal", "-shm"}) fs::remove(path + rest);
    fs::copy_file(whole, path, fs::copy_options::overwrite_existing);
    run_sql("UPDATE events SET " + change);
    const std::shared_ptr<Store> store = open();
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    EXPECT_EQ(store->read({}).set_aside, 1U) << change;
    rusage after{};
    getrusage(RUSAGE_SELF, &after);
    EXPECT_LT(after.ru_maxrss - used.ru_maxrss, 512 * 1024) << change;
    EXPECT_TRUE(logged("its compressed payload cannot be read")) << change;
  }
}

TEST_F(SqliteFolder, ADamagedEventIsSetAsideReportedAndPassedBy) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  }
  run_sql("UPDATE events SET payload=x'00' WHERE seq=2");
  const std::shared_ptr<Store> store = open();
  const StorePage page = store->read({});
  EXPECT_EQ(page.events.size(), 2U);
  EXPECT_EQ(page.set_aside, 1U);
  EXPECT_FALSE(store->find(EventId{1, 2}));
  const auto consumer =
      store->open({.name = "work", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()});
  const FetchResult fetched = consumer->fetch(10);
  ASSERT_EQ(fetched.deliveries.size(), 2U);
  EXPECT_EQ(fetched.deliveries[1].sequence, 3U);
  EXPECT_EQ(store->stats().corrupt, 1U);
  EXPECT_TRUE(logged("event 2 is damaged and is set aside"));
  EXPECT_EQ(store->check().size(), 1U);
}

TEST_F(SqliteFolder, EveryColumnOfAnEventIsUnderItsSum) {
  {
    const std::shared_ptr<Store> store = open();
    const Event event("order.made", bytes("payload"),
                      {.source = "shop",
                       .priority = Priority::high,
                       .key = "k",
                       .metadata = {{"a", 1}},
                       .origin = Origin::plugin,
                       .user_id = "ann",
                       .session_id = "s",
                       .instance_id = "i",
                       .schema = "public",
                       .entity = "orders",
                       .operation = "create",
                       .correlation_id = "c",
                       .schema_version = 3,
                       .id = EventId{9, 9},
                       .time = WallTime(seconds(1))});
    ASSERT_TRUE(store->append(event).ok());
  }
  run_sql("PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string whole = folder.file("whole.db");
  fs::copy_file(path, whole);
  for (const std::string change : {"time=time+1",
                                   "appended=appended+1",
                                   "writer=writer+1",
                                   "priority=0",
                                   "origin=2",
                                   "hops=4",
                                   "schema_version=4",
                                   "causation=x'00000000000000000000000000000001'",
                                   "source='other'",
                                   "key='other'",
                                   "user_id='bob'",
                                   "session_id='t'",
                                   "instance_id='j'",
                                   "schema='private'",
                                   "entity='users'",
                                   "operation='delete'",
                                   "correlation_id='d'",
                                   "traceparent='x'",
                                   "metadata='{\"a\":2}'",
                                   "extensions='{\"a\":2}'",
                                   "content_type='text/plain'",
                                   "payload='other'",
                                   "payload=NULL",
                                   "sum=sum+1",
                                   "head=head+1",
                                   "topic=topic+1",
                                   "id=x'00000000000000000000000000000001'"}) {
    for (const char* const rest : {"-wal", "-shm"}) fs::remove(path + rest);
    fs::copy_file(whole, path, fs::copy_options::overwrite_existing);
    run_sql("UPDATE events SET " + change);
    const StorePage page = open()->read({});
    EXPECT_TRUE(page.events.empty()) << change;
    EXPECT_EQ(page.set_aside, 1U) << change;
  }
}

TEST_F(SqliteFolder, AnEventWhoseTopicIsDamagedIsSetAsideAndNotPassedBy) {
  const DurableSpec spec{.name = "work", .patterns = {Pattern::glob("order.*")}};
  {
    const std::shared_ptr<Store> store = open();
    (void)store->open(spec);
    ASSERT_TRUE(store->append(numbered(1, "user.made")).ok());
    ASSERT_TRUE(store->append(numbered(2, "order.made")).ok());
  }
  run_sql("PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string whole = folder.file("whole.db");
  fs::copy_file(path, whole);
  for (const std::string change :
       {"UPDATE topics SET name='orddr.made' WHERE name='order.made'",
        "UPDATE topics SET sum=sum+1 WHERE name='order.made'",
        "DELETE FROM topics WHERE name='order.made'",
        "UPDATE events SET topic=(SELECT id FROM topics WHERE name='user.made')",
        "UPDATE events SET topic=99 WHERE seq=2"}) {
    for (const char* const rest : {"-wal", "-shm"}) fs::remove(path + rest);
    fs::copy_file(whole, path, fs::copy_options::overwrite_existing);
    run_sql(change);
    const std::shared_ptr<Store> store = open({.retention = {.max_events = 1}});
    EXPECT_FALSE(store->check().empty()) << change;
    // What is stored from now on can be read.
    ASSERT_TRUE(store->append(numbered(3, "order.made")).ok());
    (void)store->trim({.max_events = 1});
    const auto consumer = store->open(spec);
    const FetchResult fetched = consumer->fetch(10);
    EXPECT_EQ(fetched.set_aside, 1U) << change;
    ASSERT_EQ(fetched.deliveries.size(), 1U) << change;
    EXPECT_EQ(fetched.deliveries[0].sequence, 3U);
    EXPECT_EQ(store->stats().corrupt, 1U) << change;
    const std::vector<Pattern> orders{Pattern::glob("order.*")};
    EXPECT_EQ(store->read({.patterns = orders}).set_aside, 1U) << change;
  }
}

TEST_F(SqliteFolder, AnEventWhoseWriterIsDamagedIsNotTakenForOnesOwn) {
  const std::shared_ptr<Store> store = open();
  ASSERT_TRUE(open()->append(numbered(1)).ok());
  run_sql("UPDATE events SET writer=" + std::to_string(store->writer()));
  EXPECT_EQ(store->read({.not_by = store->writer()}).set_aside, 1U);
}

TEST_F(SqliteFolder, ADurableNameThatIsDamagedGoesOnWithItsBacklog) {
  const DurableSpec spec{.name = "work", .patterns = {Pattern::glob("order.*")}};
  {
    const std::shared_ptr<Store> store = open();
    store->open(spec)->keep_note("so far");
    (void)store->open({.name = "other", .patterns = {Pattern::glob("*")}});
    ASSERT_TRUE(store->append(numbered(1, "order.made")).ok());
  }
  run_sql("UPDATE durables SET name='wprk' WHERE name='work'");
  {
    const std::shared_ptr<Store> store = open();
    const auto consumer = store->open(spec);
    EXPECT_TRUE(logged("the name of the durable subscription \"work\" stood as \"wprk\""));
    EXPECT_EQ(consumer->note(), "so far");
    EXPECT_EQ(consumer->fetch(10).deliveries.size(), 1U);
    EXPECT_EQ(store->durables().size(), 2U);
    EXPECT_TRUE(store->check().empty()) << "it was mended";
  }
  // Too much of it is gone to tell; but it is told.
  run_sql("UPDATE durables SET name='wprk', start=start+1 WHERE name='work'");
  const std::shared_ptr<Store> store = open();
  (void)store->open(spec);
  EXPECT_TRUE(logged("the durable subscription \"wprk\" does not pass its checksum"));
  EXPECT_EQ(store->durables().size(), 3U);
}

TEST_F(SqliteFolder, ADurableNameThatIsDamagedWhileItIsOpenKeepsItsPatterns) {
  const std::shared_ptr<Store> store = open();
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("order.*")}});
  ASSERT_TRUE(consumer->fetch(1).deliveries.empty());
  run_sql("UPDATE durables SET patterns='[\"user.*\"]', name='wprk'");
  ASSERT_TRUE(store->append(numbered(1, "order.made")).ok());
  EXPECT_EQ(store->trim({.max_events = 0}).removed, 0U) << "it may be anybody's";
  ASSERT_EQ(consumer->fetch(1).deliveries.size(), 1U);
  EXPECT_TRUE(logged("does not pass its checksum"));
  EXPECT_FALSE(store->check().empty());
  consumer->close();
  EXPECT_TRUE(store->check().empty()) << "whoever had it open knew what it was";
  ASSERT_EQ(store->durables().size(), 1U);
  EXPECT_EQ(store->durables()[0].name, "work");
}

TEST_F(SqliteFolder, ADamagedCursorGoesBackToTheLastSafeOne) {
  const DurableSpec spec{
      .name = "work", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()};
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
    const auto consumer = store->open(spec);
    std::vector<Settlement> done;
    for (const Leased& one : consumer->fetch(5).deliveries) {
      done.push_back({.sequence = one.sequence});
    }
    ASSERT_EQ(done.size(), 5U);
    (void)consumer->settle(done);
  }
  run_sql("UPDATE cursors SET cursor=1000000");
  {
    const std::shared_ptr<Store> store = open();
    ASSERT_TRUE(store->append(numbered(6)).ok());
    const auto consumer = store->open(spec);
    const FetchResult fetched = consumer->fetch(10);
    ASSERT_EQ(fetched.deliveries.size(), 1U) << "closing noted a safe one behind all that was done";
    EXPECT_EQ(fetched.deliveries[0].sequence, 6U);
  }
  run_sql("UPDATE cursors SET cursor=1000000; UPDATE safe_cursors SET cursor=2000000");
  const std::shared_ptr<Store> store = open();
  const auto consumer = store->open(spec);
  EXPECT_GE(consumer->fetch(10).deliveries.size(), 6U) << "from its start, where nothing is safe";
}

TEST_F(SqliteFolder, WhatADamagedLeaseOrRowHeldIsGivenOutAgain) {
  const auto clock = std::make_shared<testing::ManualClock>();
  const DurableSpec spec{
      .name = "work", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()};
  const std::shared_ptr<Store> store = open({.clock = clock});
  for (std::uint64_t n = 1; n <= 4; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  auto first = store->open(spec);
  ASSERT_EQ(first->fetch(3).deliveries.size(), 3U);
  (void)first->settle(std::vector<Settlement>{
      {.sequence = 1, .kind = Settlement::Kind::retry, .after = hours(1), .reason = "later"}});
  run_sql("UPDATE leases SET token=token+1; UPDATE exceptions SET until=until+1");
  auto second = store->open(spec);
  std::vector<std::uint64_t> given;
  for (int round = 0; round < 4; ++round) {
    for (const Leased& one : second->fetch(10).deliveries) given.push_back(one.sequence);
  }
  EXPECT_EQ(given, (std::vector<std::uint64_t>{1, 2, 3, 4}));
  EXPECT_TRUE(store->check().empty()) << "it was mended";
}

TEST_F(SqliteFolder, TrimmingLeavesWhatIsNotSettledAndTheLastSequence) {
  const std::shared_ptr<Store> store = open();
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("*")}});
  for (std::uint64_t n = 1; n <= 10; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  TrimResult trimmed = store->trim({.max_events = 2});
  EXPECT_EQ(trimmed.removed, 0U);
  EXPECT_EQ(trimmed.held, 8U);
  std::vector<Settlement> settlements;
  for (const Leased& one : consumer->fetch(10).deliveries) {
    settlements.push_back(
        {.sequence = one.sequence,
         .kind = one.sequence == 3 ? Settlement::Kind::dead_letter : Settlement::Kind::done,
         .reason = "no"});
  }
  (void)consumer->settle(settlements);
  trimmed = store->trim({.max_events = 2});
  EXPECT_EQ(trimmed.removed, 7U);
  EXPECT_EQ(trimmed.held, 1U);
  EXPECT_EQ(store->dead_letters({}).size(), 1U);
  trimmed = store->trim({.max_events = 1});
  EXPECT_EQ(store->append(numbered(11)).sequence, 11U);
  store->vacuum();
  EXPECT_TRUE(store->check().empty());
}

TEST_F(SqliteFolder, WhatTrimmingHoldsCostsNoTransaction) {
  const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("number.*")}});
  std::vector<Event> events;
  for (std::uint64_t n = 1; n <= 2'000; ++n) events.push_back(numbered(n));
  std::vector<AppendResult> results(events.size());
  store->append(events, results);
  const std::uint64_t before = store->stats().commits;
  const TrimResult trimmed = store->trim({.max_events = 100});
  EXPECT_EQ(trimmed.removed, 0U);
  EXPECT_EQ(trimmed.held, 1'900U);
  EXPECT_EQ(store->stats().commits, before);
}

TEST_F(SqliteFolder, RetentionCatchesUpWithANameThatWasBehind) {
  const std::shared_ptr<Store> store =
      open({.durability = Durability::process_crash, .retention = {.max_events = 100}});
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("number.*")}});
  std::vector<AppendResult> results(1'000);
  for (std::uint64_t n = 0; n < 20; ++n) {
    std::vector<Event> events;
    for (std::uint64_t i = 1; i <= 1'000; ++i) events.push_back(numbered(n * 1'000 + i));
    store->append(events, results);
  }
  EXPECT_EQ(store->stats().events, 20'000U);
  const std::string held = " events are beyond the limits of retention and stay";
  EXPECT_TRUE(eventually([&] { return logged(held); }));
  const std::vector<std::string> notes = store->info().notes;
  EXPECT_TRUE(std::any_of(notes.begin(), notes.end(),
                          [&](const auto& one) { return one.find(held) != std::string::npos; }));
  std::size_t handled = 0;
  while (handled < 20'000) {
    std::vector<Settlement> done;
    for (const Leased& one : consumer->fetch(1'000).deliveries) {
      done.push_back({.sequence = one.sequence});
    }
    ASSERT_FALSE(done.empty());
    handled += consumer->settle(done).accepted;
  }
  EXPECT_TRUE(eventually([&] { return store->stats().events == 100U; }));
  EXPECT_TRUE(eventually([&] { return logged("no events stay beyond the limits"); }));
  EXPECT_TRUE(store->check().empty());
}

TEST_F(SqliteFolder, TheNumberOfEventsIsKnownAlsoWhereItsCounterIsDamaged) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 10; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
    EXPECT_EQ(store->trim({.max_events = 4}).removed, 6U);
    EXPECT_EQ(store->stats().events, 4U);
    EXPECT_TRUE(store->check().empty());
  }
  run_sql("UPDATE meta SET value=value+2 WHERE name='removed'");
  {
    const std::shared_ptr<Store> store = open();
    EXPECT_EQ(store->stats().events, 4U);
    EXPECT_FALSE(store->check().empty());
    EXPECT_EQ(store->trim({.max_events = 3}).removed, 1U);
    EXPECT_EQ(store->stats().events, 3U);
    EXPECT_TRUE(store->check().empty()) << "it was counted again";
  }
  run_sql("DELETE FROM events WHERE seq=9");
  EXPECT_EQ(open()->check().size(), 1U) << "what nobody removed is missing";
}

TEST_F(SqliteFolder, ASequenceIsNotGivenAgainAlsoWhereTheLastOneIsDamaged) {
  const DurableSpec spec{.name = "work", .patterns = {Pattern::glob("*")}};
  {
    const std::shared_ptr<Store> store = open();
    const auto consumer = store->open(spec);
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
    std::vector<Settlement> done;
    for (const Leased& one : consumer->fetch(10).deliveries) {
      done.push_back({.sequence = one.sequence});
    }
    EXPECT_EQ(consumer->settle(done).accepted, 3U);
    EXPECT_EQ(store->trim({.max_events = 0}).removed, 3U);
  }
  run_sql("UPDATE meta SET value=1 WHERE name='last_sequence'");
  const std::shared_ptr<Store> store = open();
  EXPECT_FALSE(store->check().empty());
  EXPECT_EQ(store->append(numbered(4)).sequence, 4U);
  EXPECT_EQ(store->open(spec)->fetch(10).deliveries.size(), 1U);
}

TEST_F(SqliteFolder, TrimmingByAgeGoesByTheAppend) {
  const auto clock = std::make_shared<testing::ManualClock>();
  const std::shared_ptr<Store> store = open({.clock = clock});
  for (std::uint64_t n = 1; n <= 4; ++n) {
    ASSERT_TRUE(store->append(numbered(n)).ok());
    clock->advance(hours(1));
  }
  EXPECT_EQ(store->trim({.max_age = hours(2) + std::chrono::minutes(30)}).removed, 2U);
  EXPECT_EQ(store->stats().first_sequence, 3U);
}

TEST_F(SqliteFolder, NamesThatAreOpenSaySoInOneTransactionAndSeldom) {
  const auto clock = std::make_shared<testing::ManualClock>();
  const std::shared_ptr<Store> store = open({.durable_expiry = hours(1), .clock = clock});
  const std::shared_ptr<Store> other = open({.clock = clock});
  std::vector<std::unique_ptr<StoreConsumer>> open_names;
  for (int i = 0; i < 20; ++i) {
    open_names.push_back(
        (i % 2 == 0 ? store : other)
            ->open({.name = "name" + std::to_string(i), .patterns = {Pattern::glob("number.*")}}));
    EXPECT_TRUE(open_names.back()->fetch(1).deliveries.empty());
  }
  (void)store->open({.name = "forgotten", .patterns = {Pattern::glob("*")}});
  const auto commits = [&] { return store->stats().commits + other->stats().commits; };
  const std::uint64_t before = commits();
  clock->advance(std::chrono::minutes(61));
  // It is forgotten in the third round of the house.
  EXPECT_TRUE(eventually([&] { return store->durables().size() == 20U; }));
  EXPECT_TRUE(logged("\"forgotten\" was not opened for too long"));
  EXPECT_LE(commits() - before, 3U) << "two that say so, and one that forgets";
  // What the names have passed by stands in the file, for whoever looks there.
  ASSERT_TRUE(other->append(numbered(1, "else")).ok());
  for (const auto& one : open_names) EXPECT_TRUE(one->fetch(1).deliveries.empty());
  const std::shared_ptr<Store> third = open({.clock = clock});
  EXPECT_TRUE(eventually([&] {
    for (const DurableInfo& one : third->durables()) {
      if (one.cursor != 1) return false;
    }
    return true;
  }));
  EXPECT_LE(commits() - before, 6U) << "the append, and one of each opening";
}

TEST_F(SqliteFolder, ABackupIsAStoreOfItsOwn) {
  const std::shared_ptr<Store> store = open();
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  const std::string copy = folder.file("copy.db");
  store->backup(copy);
  ASSERT_TRUE(store->append(numbered(4)).ok());
  const std::shared_ptr<Store> other = open_sqlite_store(copy, options());
  EXPECT_EQ(other->stats().events, 3U);
  EXPECT_TRUE(other->check().empty());
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::already_exists, [&] { store->backup(copy); }), "copy.db"));
}

TEST_F(SqliteFolder, ABackupThatFailsLeavesNothingInItsPlace) {
  const std::shared_ptr<Store> store = open();
  for (std::uint64_t n = 1; n <= 50; ++n) {
    const Event event("big", bytes(std::string(4'000, 'x')), {.id = EventId{1, n}});
    ASSERT_TRUE(store->append(event).ok());
  }
  const std::string copies = folder.file("copies");
  fs::create_directory(copies);
  const std::string copy = copies + "/copy.db";
  {
    // As if the disk were full.
    struct Limit {
      rlimit before{};
      Limit() {
        std::signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before);
        const rlimit small{.rlim_cur = 16'384, .rlim_max = before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
      }
      ~Limit() {
        setrlimit(RLIMIT_FSIZE, &before);
        std::signal(SIGXFSZ, SIG_DFL);
      }
    } const limit;
    EXPECT_THROW(store->backup(copy), Error);
  }
  EXPECT_TRUE(fs::is_empty(copies));
  store->backup(copy);
  EXPECT_EQ(open_sqlite_store(copy, options())->stats().events, 50U);
  // What was there before stays.
  for (const std::string there : {"", "something else"}) {
    const std::string other = copies + "/other.db";
    { std::ofstream(other) << there; }
    (void)error_of(ErrorCode::already_exists, [&] { store->backup(other); });
    EXPECT_EQ(fs::file_size(other), there.size());
  }
  // SQLite would roll the copy back by it.
  const std::string beside = copies + "/third.db-journal";
  { std::ofstream(beside) << "of another"; }
  EXPECT_TRUE(mentions(
      error_of(ErrorCode::already_exists, [&] { store->backup(copies + "/third.db"); }), beside));
  const std::string nowhere = "/proc/self/copy.db";
  EXPECT_TRUE(mentions(error_of(ErrorCode::io_error, [&] { store->backup(nowhere); }), nowhere));
}

TEST_F(SqliteFolder, ABackupSaysWhatIsWrongWithItsPlace) {
  const std::shared_ptr<Store> store = open();
  const auto why = [&](ErrorCode code, const std::string& place) {
    return error_of(code, [&] { store->backup(place); });
  };
  EXPECT_EQ(why(ErrorCode::invalid_argument, ""),
            "backup: takes the path of the copy; it is empty");
  EXPECT_TRUE(mentions(why(ErrorCode::already_exists, "/tmp"), "backup: /tmp is a folder"));
  EXPECT_TRUE(mentions(why(ErrorCode::io_error, folder.file("none/copy.db")),
                       "is in a folder that does not exist; make " + folder.file("none")));
}

TEST_F(SqliteFolder, ABackupThatIsKilledHasNotTheNameOfTheCopy) {
  {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 400; ++n) {
      const Event event("big", bytes(std::string(4'000, 'x')), {.id = EventId{1, n}});
      ASSERT_TRUE(store->append(event).ok());
    }
  }
  const std::string copy = folder.file("copy.db");
  for (const bool at_the_end : {false, true}) {
    const auto killed = [&] {
      const auto die = [&](const StoreProgress& so_far) {
        if (!at_the_end || so_far.done == so_far.whole) (void)std::raise(SIGKILL);
      };
      open({.progress = die})->backup(copy);
    };
    EXPECT_EXIT(killed(), ::testing::KilledBySignal(SIGKILL), "");
    EXPECT_FALSE(fs::exists(copy));
    EXPECT_FALSE(fs::exists(copy + "-journal"));
  }
  open()->backup(copy);
  EXPECT_EQ(open_sqlite_store(copy, options())->stats().events, 400U);
}

TEST_F(SqliteFolder, WhoeverIsToldOfABackupMayEndIt) {
  const std::string copies = folder.file("copies");
  fs::create_directory(copies);
  const auto end = [](const StoreProgress&) { throw std::runtime_error("enough"); };
  const std::shared_ptr<Store> store = open({.progress = end});
  for (std::uint64_t n = 1; n <= 400; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  EXPECT_THROW(store->backup(copies + "/copy.db"), std::runtime_error);
  EXPECT_TRUE(fs::is_empty(copies));
}

TEST_F(SqliteFolder, ANameWithARarePatternGoesOnWhereItLeft) {
  const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
  const auto consumer = store->open({.name = "rare", .patterns = {Pattern::exact("rare.made")}});
  constexpr std::uint64_t kOthers = 300'000;  // more than one fetch looks at
  std::vector<Event> events;
  for (std::uint64_t n = 1; n <= kOthers; ++n) events.push_back(numbered(n));
  events.push_back(numbered(kOthers + 1, "rare.made"));
  std::vector<AppendResult> results(events.size());
  store->append(events, results);
  ASSERT_TRUE(results.back().ok());
  FetchResult fetched = consumer->fetch(10);
  for (int calls = 1; fetched.more && fetched.deliveries.empty(); ++calls) {
    ASSERT_LT(calls, 10) << "it does not get on";
    fetched = consumer->fetch(10);
  }
  ASSERT_EQ(fetched.deliveries.size(), 1U);
  EXPECT_EQ(fetched.deliveries.front().sequence, kOthers + 1);
  EXPECT_FALSE(fetched.more);
}

}  // namespace
}  // namespace busway
