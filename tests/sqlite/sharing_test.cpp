// Several openings of one file, as several processes have them.
#include <atomic>
#include <cstring>
#include <eventually.hpp>
#include <map>
#include <semaphore>
#include <set>
#include <thread>
#include <writer.hpp>

#include "busway/busway.hpp"
#include "busway/testing/delivery_audit.hpp"
#include "busway/testing/process.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

using testing::Process;

using std::chrono::milliseconds;
using std::chrono::seconds;

BusOptions bus_options(const std::string& path) {
  BusOptions options;
  options.store = "sqlite:" + path;
  options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
  return options;
}

TEST_F(SqliteFolder, ALiveSubscriptionSeesTheEventsOfOtherInstancesOnce) {
  Bus left(bus_options(path));
  Bus right(bus_options(path));
  std::atomic<int> of_left = 0;
  std::atomic<int> of_right = 0;
  const Subscription one = left.subscribe("order.*", [&](const Event&) { ++of_left; });
  const Subscription two =
      right.subscribe("order.*", [&](const Event&) { ++of_right; }, {.mode = Mode::async});
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(left.publish("order.made").ok());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(right.publish("order.made").ok());
  EXPECT_TRUE(eventually([&] { return of_left == 30 && of_right == 30; }));
  EXPECT_TRUE(left.wait_idle(seconds(60)));
  EXPECT_TRUE(right.wait_idle(seconds(60)));
  EXPECT_EQ(of_left, 30);
  EXPECT_EQ(of_right, 30);
}

TEST_F(SqliteFolder, TwoInstancesOfOneNameShareItsWork) {
  Bus left(bus_options(path));
  Bus right(bus_options(path));
  std::mutex mutex;
  std::multiset<std::string> seen;
  const auto handler = [&](const Event& event) {
    const std::lock_guard lock(mutex);
    seen.insert(text_of(event));
  };
  const SubscriptionOptions work{.queue_capacity = 8, .durable = "work"};
  const Subscription one = left.subscribe("order.*", handler, work);
  const Subscription two = right.subscribe("order.*", handler, work);
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE((i % 2 == 0 ? left : right).publish("order.made", bytes(std::to_string(i))).ok());
  }
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return seen.size() >= 200;
  }));
  EXPECT_TRUE(left.wait_idle(seconds(60)) && right.wait_idle(seconds(60)));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seen.size(), 200U);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 200U);
}

TEST_F(SqliteFolder, WhatNobodyElseCanHaveIsNoNewsAndWhatIsGivenBackIs) {
  const std::shared_ptr<Store> store = open();
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::parse("number.*")}});
  for (std::uint64_t n = 1; n <= 2; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
  const std::thread::id here = std::this_thread::get_id();
  std::atomic<int> told_here{0};
  std::atomic<int> told{0};
  const Store::Watch watch = store->watch([&](StoreNews news) {
    if (news != StoreNews::in_passing) return;
    ++told;
    if (std::this_thread::get_id() == here) ++told_here;
  });
  const FetchResult fetched = consumer->fetch(2);
  ASSERT_EQ(fetched.deliveries.size(), 2U);
  const Settlement done{.sequence = fetched.deliveries[0].sequence};
  EXPECT_EQ(consumer->settle(std::span(&done, 1)).accepted, 1U);
  EXPECT_EQ(told_here, 0);
  const int before = told;
  const Settlement release{.sequence = fetched.deliveries[1].sequence,
                           .kind = Settlement::Kind::release};
  EXPECT_EQ(consumer->settle(std::span(&release, 1)).accepted, 1U);
  EXPECT_GT(told, before);
}

TEST_F(SqliteFolder, TwoProcessesWithOneInstanceIdAreTwoAllTheSame) {
  constexpr std::uint64_t kEach = 200;
  std::vector<std::unique_ptr<Process>> twins;
  const auto log_of = [&](std::size_t which) { return folder.file(std::to_string(which)); };
  for (std::size_t i = 0; i < 2; ++i) {
    twins.push_back(std::make_unique<Process>(
        std::vector<std::string>{BUSWAY_SQLITE_WORKER, "twin", "sqlite:" + path, log_of(i),
                                 std::to_string(1 + i * kEach), std::to_string(kEach)}));
  }
  for (auto& one : twins) ASSERT_EQ(one->read_line(), "ready");
  for (auto& one : twins) one->tell("go");
  for (auto& one : twins) one->close_input();
  for (auto& one : twins) {
    EXPECT_EQ(one->read_line(), "seen " + std::to_string(2 * kEach)) << "its own and its twin's";
    EXPECT_EQ(one->wait(), 0);
  }
  std::map<std::uint64_t, int> handled;
  for (std::size_t i = 0; i < 2; ++i) {
    for (const testing::DeliveryNote& one : testing::NoteFile::read(log_of(i))) {
      ++handled[one.content];
    }
  }
  const std::shared_ptr<Store> store = open();
  // What one had out when it ended may come to nobody but who opens the name next.
  const auto rest = store->open({.name = "work", .patterns = {Pattern::parse("number.*")}});
  for (const Leased& one : rest->fetch(1'000).deliveries) {
    std::uint64_t number = 0;
    std::memcpy(&number, one.event.bytes().data(), sizeof number);
    ++handled[number];
  }
  EXPECT_EQ(handled.size(), 2 * kEach);
  for (const auto& [number, times] : handled) EXPECT_EQ(times, 1) << number;
  for (const StoredEvent& one : store->read({.limit = 2 * kEach}).events) {
    EXPECT_EQ(one.event.instance_id(), "twin");
  }
}

TEST_F(SqliteFolder, OneThatStandsStillPastItsLeaseIsOvertakenAndItsSettlementsAreStale) {
  const auto clock = std::make_shared<testing::ManualClock>();
  const std::shared_ptr<Store> left = open({.clock = clock});
  const std::shared_ptr<Store> right = open({.clock = clock});
  const DurableSpec spec{.name = "work", .patterns = {Pattern::glob("*")}, .lease = seconds(10)};
  const auto one = left->open(spec);
  const auto two = right->open(spec);
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(left->append(numbered(n)).ok());
  FetchResult first = one->fetch(10);
  ASSERT_EQ(first.deliveries.size(), 3U);
  EXPECT_EQ(
      one->settle(std::vector<Settlement>{{.sequence = first.deliveries[0].sequence}}).accepted,
      1U);
  const FetchResult nothing = two->fetch(10);
  EXPECT_TRUE(nothing.deliveries.empty());
  ASSERT_TRUE(nothing.due);
  clock->advance(seconds(11));
  const FetchResult again = two->fetch(10);
  ASSERT_EQ(again.deliveries.size(), 2U);
  EXPECT_EQ(again.deliveries[0].attempt, 2U);
  EXPECT_FALSE(one->renew()) << "it had lapsed";
  const SettleResult late = one->settle(std::vector<Settlement>{
      {.sequence = first.deliveries[1].sequence}, {.sequence = first.deliveries[2].sequence}});
  EXPECT_EQ(late.accepted, 0U);
  EXPECT_EQ(late.stale, 2U);
  EXPECT_EQ(left->stats().stale, 2U);
}

TEST_F(SqliteFolder, AnOpeningWithAShorterLeaseDoesNotTakeTheLeadFromALivingOne) {
  const auto clock = std::make_shared<testing::ManualClock>();
  const std::shared_ptr<Store> store = open({.clock = clock});
  ASSERT_TRUE(store->append(numbered(1)).ok());
  for (const DurableOrder order : {DurableOrder::key, DurableOrder::strict}) {
    DurableSpec spec{.name = std::string(to_string(order)),
                     .patterns = {Pattern::glob("*")},
                     .start = Replay::beginning(),
                     .order = order,
                     .lease = seconds(60)};
    const auto first = store->open(spec);
    const FetchResult held = first->fetch(1);
    ASSERT_EQ(held.deliveries.size(), 1U);
    spec.lease = seconds(1);
    const auto second = store->open(spec);
    clock->advance(seconds(45));
    const FetchResult nothing = second->fetch(1);
    EXPECT_FALSE(nothing.active) << spec.name << ": two are active";
    EXPECT_TRUE(nothing.deliveries.empty()) << spec.name;
    // Set back: it leads for as long as its own lease is, and not for longer.
    clock->set_wall(clock->wall() - std::chrono::hours(2));
    EXPECT_FALSE(second->fetch(1).active) << spec.name;
    EXPECT_EQ(first->settle(std::vector<Settlement>{{.sequence = 1}}).accepted, 1U) << spec.name;
    clock->advance(seconds(59));
    EXPECT_FALSE(second->fetch(1).active) << spec.name;
    clock->advance(seconds(2));
    EXPECT_TRUE(second->fetch(1).active) << spec.name;
  }
}

TEST_F(SqliteFolder, ManyOpeningsWriteAtOnceAndNothingIsLost) {
  constexpr int kOpenings = 4;
  constexpr int kEach = 100;
  std::vector<std::thread> threads;
  for (int t = 0; t < kOpenings; ++t) {
    threads.emplace_back([&, t] {
      // They take turns, each with a sync: on a busy disk that may take long.
      const std::shared_ptr<Store> store = open({.timeout = std::chrono::minutes(1)});
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE(store->append(numbered(static_cast<std::uint64_t>(t * kEach + i + 1))).ok());
      }
    });
  }
  for (std::thread& one : threads) one.join();
  const std::shared_ptr<Store> store = open();
  EXPECT_EQ(store->stats().events, static_cast<std::uint64_t>(kOpenings * kEach));
  std::uint64_t last = 0;
  for (const StoredEvent& one : store->read({}).events) {
    EXPECT_EQ(one.sequence, last + 1);
    last = one.sequence;
  }
}

TEST_F(SqliteFolder, AWriterThatTakesLongIsAloneAlsoWhenTheOthersThinkItIdle) {
  // Longer than the writer's own thread waits for work before it looks after the log.
  constexpr auto kLong = std::chrono::milliseconds(1'500);
  { (void)open(); }
  sqlite::Writer writer({.path = path,
                         .opening = 1,
                         .options = options({.clock = Clock::system()}),
                         .identity = sqlite::FileIdentity::of(path),
                         .committed = [] {}});
  std::binary_semaphore begun{0};
  std::binary_semaphore met{0};
  std::thread first([&] {
    writer.call([&](sqlite::Transaction&) {
      begun.release();
      EXPECT_FALSE(met.try_acquire_for(kLong)) << "two were in the transaction";
    });
  });
  begun.acquire();
  writer.call([&](sqlite::Transaction&) { met.release(); });
  first.join();
}

TEST_F(SqliteFolder, AWatchHearsOfAnotherOpening) {
  const std::shared_ptr<Store> left = open();
  const std::shared_ptr<Store> right = open();
  std::atomic<int> news = 0;
  const Store::Watch watch = right->watch([&](StoreNews) { ++news; });
  const int before = news;
  ASSERT_TRUE(left->append(numbered(1)).ok());
  EXPECT_TRUE(eventually([&] { return news > before; }));
}

TEST_F(SqliteFolder, AProcessThatIsStoppedPastItsLeaseIsOvertakenAndSettlesNothing) {
  const std::shared_ptr<Store> store = open();
  for (std::uint64_t n = 1; n <= 3; ++n) EXPECT_TRUE(store->append(numbered(n)).ok());
  Process other({BUSWAY_SQLITE_WORKER, "stand", "sqlite:" + path, "work"});
  EXPECT_EQ(other.read_line(), "took 3");
  other.signal(SIGSTOP);
  const auto consumer = store->open({.name = "work", .patterns = {Pattern::glob("number.*")}});
  std::vector<Settlement> mine;
  EXPECT_TRUE(eventually([&] {
    for (const Leased& one : consumer->fetch(100).deliveries) mine.push_back({one.sequence});
    return mine.size() == 3;
  }));
  other.signal(SIGCONT);
  other.close_input();
  EXPECT_EQ(other.read_line(), "accepted 0 stale 3");
  EXPECT_EQ(other.wait(), 0);
  EXPECT_EQ(consumer->settle(mine).accepted, 3U);
}

/// A name with one of these orders, and its events at a process that lives or not.
class HeldByAProcess : public SqliteFolder, public ::testing::WithParamInterface<const char*> {
 protected:
  [[nodiscard]] DurableSpec spec() const {
    return {.name = "work",
            .patterns = {Pattern::glob("number.*")},
            .order =
                std::string(GetParam()) == "strict" ? DurableOrder::strict : DurableOrder::relaxed};
  }
  std::unique_ptr<Process> start_holder() {
    auto holder = std::make_unique<Process>(std::vector<std::string>{
        BUSWAY_SQLITE_WORKER, "take", "sqlite:" + path, "work", GetParam()});
    EXPECT_EQ(holder->read_line(), "took 3");
    return holder;
  }
  static void append_three(Store& store) {
    for (std::uint64_t n = 1; n <= 3; ++n) {
      EXPECT_EQ(store.append(numbered(n)).answer, Appended::stored);
    }
  }
};

TEST_P(HeldByAProcess, ComesAtOnceWhenThatHasDied) {
  const std::shared_ptr<Store> store = open();
  append_three(*store);
  start_holder()->kill_now();
  const auto consumer = store->open(spec());
  std::size_t got = 0;
  for (int i = 0; i < 3; ++i) got += consumer->fetch(100).deliveries.size();
  EXPECT_GE(got, 1U) << "though its lease is an hour";
}

TEST_P(HeldByAProcess, ComesToOneThatStandsByWhenThatHasDied) {
  const std::shared_ptr<Store> store = open();
  append_three(*store);
  const auto holder = start_holder();
  std::atomic<bool> news = false;
  const Store::Watch watch = store->watch([&](StoreNews) { news = true; });
  const auto consumer = store->open(spec());
  EXPECT_EQ(consumer->fetch(100).deliveries.size(), 0U);
  holder->kill_now();
  EXPECT_TRUE(
      eventually([&] { return news.exchange(false) && !consumer->fetch(100).deliveries.empty(); }));
}

TEST_P(HeldByAProcess, StaysWithOneThatIsStopped) {
  const std::shared_ptr<Store> store = open();
  append_three(*store);
  const auto holder = start_holder();
  holder->signal(SIGSTOP);
  const auto consumer = store->open(spec());
  EXPECT_EQ(consumer->fetch(100).deliveries.size(), 0U);
  holder->signal(SIGCONT);
}

INSTANTIATE_TEST_SUITE_P(Names, HeldByAProcess, ::testing::Values("relaxed", "strict"));

}  // namespace
}  // namespace busway
