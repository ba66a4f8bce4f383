#include "busway/memory_store.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "busway/error.hpp"
#include "busway/testing/manual_clock.hpp"
#include "busway/testing/store_conformance_gtest.hpp"
#include "busway/typed_event.hpp"

namespace busway {
namespace {

using namespace std::chrono_literals;
using testing::ManualClock;

// begin: harness
class MemoryHarness final : public testing::StoreHarness {
 public:
  std::string_view name() const override { return "memory"; }
  void fresh() override {}
  std::shared_ptr<Store> open(const StoreOptions& options) override {
    StoreOptions with_clock = options;
    with_clock.clock = clock_;
    return make_memory_store(with_clock);
  }
  std::shared_ptr<ManualClock> clock() const override { return clock_; }

 private:
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
};
// end: harness

// begin: registered
const bool kRegistered = testing::register_store_conformance(
    "MemoryStoreConformance", [] { return std::make_unique<MemoryHarness>(); });
// end: registered

struct Point {
  static constexpr std::string_view topic = "point";
  int x = 0;
  std::string name;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Point, x, name)

struct Unique {
  static constexpr std::string_view topic = "unique";
  std::unique_ptr<int> value;
};
void to_json(Json& json, const Unique& unique) { json = {{"value", *unique.value}}; }
void from_json(const Json& json, Unique& unique) {
  unique.value = std::make_unique<int>(json.at("value").get<int>());
}

EventId id_of(std::uint64_t n) { return {1, n}; }

class MemoryStoreTest : public ::testing::Test {
 protected:
  MemoryStoreTest() { make({}); }

  void make(StoreOptions options) {
    options.clock = clock;
    store = make_memory_store(options);
  }
  std::uint64_t put(std::uint64_t n, std::string_view topic = "test.event") {
    const AppendResult result =
        store->append(Event(topic, {}, {.id = id_of(n), .time = clock->wall()}));
    EXPECT_EQ(result.answer, Appended::stored) << result.error;
    return result.sequence;
  }
  std::unique_ptr<StoreConsumer> open(std::string_view name = "name",
                                      DurableOrder order = DurableOrder::relaxed) {
    DurableSpec spec;
    spec.name = name;
    spec.patterns.push_back(Pattern::parse("test.*"));
    spec.order = order;
    return store->open(spec);
  }
  static std::vector<std::uint64_t> sequences(const FetchResult& fetched) {
    std::vector<std::uint64_t> all;
    for (const Leased& one : fetched.deliveries) all.push_back(one.sequence);
    return all;
  }
  static void finish(StoreConsumer& consumer, const FetchResult& fetched) {
    for (const Leased& one : fetched.deliveries) {
      const Settlement settlement{.sequence = one.sequence};
      EXPECT_EQ(consumer.settle(std::span(&settlement, 1)).accepted, 1U);
    }
  }

  using Sequences = std::vector<std::uint64_t>;
  const std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<Store> store;
};

TEST_F(MemoryStoreTest, SaysWhatItIs) {
  const StoreInfo info = store->info();
  EXPECT_EQ(info.provider, "memory");
  EXPECT_EQ(info.address, "memory:");
  EXPECT_EQ(info.durability, Durability::memory);
  EXPECT_EQ(info.notes.size(), 1U);
  const StoreFeatures features = store->features();
  EXPECT_FALSE(features.persistent);
  EXPECT_FALSE(features.shared);
  EXPECT_TRUE(features.atomic_batch);
  EXPECT_TRUE(features.ordered_log);
  EXPECT_NE(store->writer(), make_memory_store()->writer());
}

TEST_F(MemoryStoreTest, RefusesToPromiseMoreThanMemory) {
  StoreOptions options;
  options.durability = Durability::memory;
  EXPECT_NE(make_memory_store(options), nullptr);
  options.durability = Durability::process_crash;
  try {
    static_cast<void>(make_memory_store(options));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_option);
    EXPECT_STREQ(error.what(),
                 "store memory: durability process_crash is wanted; it can promise memory, which "
                 "ends with the process");
  }
}

TEST_F(MemoryStoreTest, GivesATypedPayloadAsItWasWithoutJson) {
  const Event event("point", typed_payload(Point{7, "here"}),
                    {.id = id_of(1), .time = clock->wall()});
  ASSERT_TRUE(store->append(event).ok());
  const std::optional<StoredEvent> found = store->find(id_of(1));
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->event.is_typed());
  EXPECT_EQ(found->event.as<Point>().name, "here");
}

TEST_F(MemoryStoreTest, KeepsWhatCannotBeCopiedToo) {
  Unique unique;
  unique.value = std::make_unique<int>(5);
  const Event event("unique", typed_payload(std::move(unique)),
                    {.id = id_of(1), .time = clock->wall()});
  const AppendResult result = store->append(event);
  ASSERT_EQ(result.answer, Appended::stored) << result.error;
  EXPECT_EQ(store->find(id_of(1))->event.json().at("value"), 5);
}

TEST_F(MemoryStoreTest, NamesTheEventOfABatchThatCannotBeStored) {
  const std::vector<Event> batch{Event("good", {}, {.id = id_of(1), .time = clock->wall()}),
                                 Event("bad.one")};
  std::vector<AppendResult> results(2);
  store->append(batch, results);
  for (const AppendResult& result : results) {
    EXPECT_EQ(result.answer, Appended::not_stored);
    EXPECT_TRUE(
        result.error.starts_with("event 2 of the batch, topic \"bad.one\": the event has "
                                 "no id"))
        << result.error;
  }
}

TEST_F(MemoryStoreTest, GivesOutTheLapsedInSmallPortionsAndRepeatersAlone) {
  auto dead = open();
  for (std::uint64_t n = 1; n <= 20; ++n) put(n);
  EXPECT_EQ(dead->fetch(20).deliveries.size(), 20U);
  clock->advance(60s);

  // Eight that lapsed once; what is new goes along with the next fetch only.
  put(21);
  auto second = open();
  EXPECT_EQ(sequences(second->fetch(100)), (Sequences{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(sequences(second->fetch(100)), Sequences{21});
  EXPECT_TRUE(second->fetch(100).deliveries.empty());
  clock->advance(60s);

  // The eight have lapsed twice: their turn comes after those of one lapse, one by one.
  auto third = open();
  std::vector<std::size_t> portions;
  std::size_t got = 0;
  while (got < 21) {
    const FetchResult fetched = third->fetch(100);
    ASSERT_FALSE(fetched.deliveries.empty());
    for (const Leased& one : fetched.deliveries) {
      if (one.attempt == 3) {
        EXPECT_EQ(fetched.deliveries.size(), 1U);
      }
    }
    portions.push_back(fetched.deliveries.size());
    got += fetched.deliveries.size();
    finish(*third, fetched);
  }
  EXPECT_EQ(portions, (std::vector<std::size_t>{8, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1}));
}

TEST_F(MemoryStoreTest, HasNoDueWhereOnlyASettlementBringsMore) {
  auto dead = open("name", DurableOrder::strict);
  for (std::uint64_t n = 1; n <= 3; ++n) put(n);
  EXPECT_EQ(dead->fetch(3).deliveries.size(), 3U);
  clock->advance(60s);
  const FetchResult portion = dead->fetch(3);
  ASSERT_EQ(portion.deliveries.size(), 3U);
  clock->advance(60s);
  const FetchResult alone = dead->fetch(3);
  EXPECT_EQ(sequences(alone), Sequences{1});
  const FetchResult held = dead->fetch(3);
  EXPECT_TRUE(held.deliveries.empty());
  EXPECT_FALSE(held.due.has_value());
  finish(*dead, alone);
  EXPECT_EQ(sequences(dead->fetch(3)), Sequences{2});
}

TEST_F(MemoryStoreTest, SaysThatThereIsMoreNow) {
  auto consumer = open();
  for (std::uint64_t n = 1; n <= 3; ++n) put(n);
  EXPECT_EQ(consumer->fetch(0).due, clock->wall());
  EXPECT_EQ(consumer->fetch(2).due, clock->wall());
  EXPECT_FALSE(consumer->fetch(2).due.has_value());
}

TEST_F(MemoryStoreTest, LooksAtABoundedPieceOfTheLogAtATime) {
  auto consumer = open();
  for (std::uint64_t n = 1; n <= 10'000; ++n) put(n, "other.event");
  put(10'001);
  FetchResult fetched = consumer->fetch(1);
  EXPECT_TRUE(fetched.deliveries.empty());
  EXPECT_EQ(fetched.due, clock->wall());  // go on at once
  fetched = consumer->fetch(1);
  EXPECT_TRUE(fetched.deliveries.empty());
  EXPECT_EQ(sequences(consumer->fetch(1)), Sequences{10'001});
}

TEST_F(MemoryStoreTest, AsksTheOtherOnesToFinishWhenANameBecomesExclusive) {
  auto first = open();
  auto second = open();
  put(1);
  put(2);
  const FetchResult in_hand = first->fetch(1);
  DurableSpec spec;
  spec.name = "name";
  spec.patterns.push_back(Pattern::parse("test.*"));
  spec.order = DurableOrder::strict;
  spec.on_change = OnChange::replace;
  auto third = store->open(spec);
  FetchResult fetched = third->fetch(1);
  EXPECT_FALSE(fetched.active);
  EXPECT_EQ(fetched.due, clock->wall() + 60s);
  finish(*first, in_hand);
  EXPECT_EQ(sequences(third->fetch(1)), Sequences{2});
}

TEST_F(MemoryStoreTest, TrimsByItselfAndKeepsWhatIsNotSettled) {
  StoreOptions options;
  options.retention.max_events = 10;
  make(options);
  auto consumer = open();
  for (std::uint64_t n = 1; n <= 2'000; ++n) put(n);
  EXPECT_EQ(store->stats().events, 2'000U);
  for (int i = 0; i < 20; ++i) finish(*consumer, consumer->fetch(100));
  for (std::uint64_t n = 2'001; n <= 3'000; ++n) put(n, "other.event");
  EXPECT_LE(store->stats().events, 300U);
  EXPECT_GE(store->stats().events, 10U);
}

TEST_F(MemoryStoreTest, LetsNoForgottenNameHoldTheLogForEver) {
  StoreOptions options;
  options.retention.max_events = 10;
  options.durable_expiry = 1h;
  options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
  make(options);
  open();
  for (std::uint64_t n = 1; n <= 1'000; ++n) put(n);
  EXPECT_EQ(store->stats().events, 1'000U);
  clock->advance(2h);
  for (std::uint64_t n = 1'001; n <= 2'000; ++n) put(n);
  EXPECT_LE(store->stats().events, 300U);
  EXPECT_EQ(store->stats().durables, 0U);
}

TEST_F(MemoryStoreTest, TellsTheLogWhichNamesItForgets) {
  std::vector<std::string> said;
  StoreOptions options;
  options.durable_expiry = 24h;
  options.log = [&](LogLevel level, std::string_view message, std::span<const LogField> fields) {
    EXPECT_EQ(level, LogLevel::warning);
    EXPECT_FALSE(message.empty());
    said.push_back(std::string(fields[0].name) + "=" + std::string(fields[0].value));
    static_cast<void>(store->durables());  // no lock is held
  };
  make(options);
  const auto kept = open("kept");
  open("gone");
  clock->advance(24h);
  EXPECT_EQ(store->durables().size(), 2U);
  clock->advance(1ns);
  EXPECT_EQ(store->durables().size(), 1U);
  EXPECT_EQ(said, std::vector<std::string>{"durable=gone"});
}

TEST_F(MemoryStoreTest, NamesBothWhenANameIsOpenedWithOtherPatterns) {
  open();
  DurableSpec spec;
  spec.name = "name";
  spec.patterns.push_back(Pattern::parse("seg:other.**"));
  spec.order = DurableOrder::key;
  try {
    static_cast<void>(store->open(spec));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "durable \"name\": it was made with \"glob:test.*\", order relaxed, and is opened "
                 "with \"seg:other.**\", order key; on_change = replace takes the new ones "
                 "for all events after its cursor");
  }
}

TEST_F(MemoryStoreTest, MayEndBeforeItsConsumersAndWatches) {
  auto consumer = open();
  put(1);
  Store::Watch watch = store->watch([](StoreNews) {});
  store.reset();
  EXPECT_THROW(consumer->fetch(1), Error);
  consumer.reset();
  watch.reset();
}

}  // namespace
}  // namespace busway
