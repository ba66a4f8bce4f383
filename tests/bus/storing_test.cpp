// A publish of a kept topic: three answers of the store, and what each means for the handlers.
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bus_fixture.hpp"
#include "busway/cloud_events.hpp"
#include "busway/memory_store.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::seconds;

/// Memory behind a door: a test decides what an append answers, and when.
class Faulty final : public Store {
 public:
  [[nodiscard]] StoreInfo info() const override { return memory->info(); }
  [[nodiscard]] StoreFeatures features() const noexcept override { return memory->features(); }
  [[nodiscard]] StoreStats stats() override { return memory->stats(); }
  [[nodiscard]] StoreCensus census() override { return memory->census(); }
  [[nodiscard]] std::uint64_t writer() const noexcept override { return memory->writer(); }
  using Store::append;
  void append(AppendRequest& request) noexcept override {
    sizes.push_back(request.events().size());
    if (hold) {
      held.push_back(&request);
      return;
    }
    answer_now(request);
  }
  void answer_now(AppendRequest& request) noexcept {
    if (!answer) return memory->append(request);
    for (AppendResult& one : request.results()) {
      one.answer = *answer;
      one.error = "the cable is out";
    }
    request.done();
  }
  [[nodiscard]] StorePage read(const StoreQuery& query) override { return memory->read(query); }
  [[nodiscard]] std::optional<StoredEvent> find(const EventId& id) override {
    return memory->find(id);
  }
  [[nodiscard]] std::optional<StoredStatus> status(const EventId& id) override {
    return memory->status(id);
  }
  [[nodiscard]] Watch watch(std::function<void(StoreNews)> news) override {
    return memory->watch(news);
  }
  [[nodiscard]] std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override {
    return memory->open(spec);
  }
  bool remove(std::string_view durable) override { return memory->remove(durable); }
  [[nodiscard]] std::vector<DurableInfo> durables() override { return memory->durables(); }
  std::size_t replay(std::string_view durable, std::span<const std::uint64_t> sequences) override {
    return memory->replay(durable, sequences);
  }
  [[nodiscard]] std::vector<StoredLetter> dead_letters(const StoredLetterQuery& query) override {
    return memory->dead_letters(query);
  }
  std::size_t redrive(const StoredLetterQuery& query) override { return memory->redrive(query); }
  std::size_t purge(const StoredLetterQuery& query) override { return memory->purge(query); }
  TrimResult trim(const Retention& retention) override { return memory->trim(retention); }
  [[nodiscard]] std::vector<std::string> check() override { return memory->check(); }
  void backup(const std::string& path) override { memory->backup(path); }
  void vacuum() override { memory->vacuum(); }
  void close() noexcept override { memory->close(); }

  std::shared_ptr<Store> memory = make_memory_store();
  std::optional<Appended> answer;
  bool hold = false;
  std::vector<AppendRequest*> held;
  std::vector<std::size_t> sizes;
};

/// Cannot be JSON.
struct Inner {
  static constexpr std::string_view topic = "order.inner";
  static constexpr bool in_process = true;
  int n = 0;
};

struct Storing : ::testing::Test {
  std::shared_ptr<Faulty> store = std::make_shared<Faulty>();
  BusOptions options(std::vector<std::string> keep = {"order.*"}) {
    BusOptions made;
    made.opened_store = store;
    made.keep = std::move(keep);
    return made;
  }
};

TEST_F(Storing, HandlersOfAKeptTopicRunWhenTheStoreHasIt) {
  Pumped pumped(options());
  std::size_t stored_at_call = 0;
  const Subscription sync = pumped.bus.subscribe(
      "*", [&](const Event&) { stored_at_call = store->memory->stats().events; });
  const PublishResult result = pumped.bus.publish("order.made", Json{{"n", 1}}, {.user_id = "ann"});
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.delivered, 1U);
  EXPECT_EQ(stored_at_call, 1U);
  const auto stored = store->memory->find(result.id);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->event.json(), (Json{{"n", 1}}));
  EXPECT_EQ(stored->event.user_id(), "ann");
  EXPECT_EQ(stored->event.instance_id(), pumped.bus.instance_id());
}

TEST_F(Storing, WhatIsNotKeptStaysInTheProcess) {
  Pumped pumped(options());
  Names seen;
  const Subscription all = note_topics(pumped.bus, "*", seen);
  EXPECT_TRUE(pumped.bus.publish("lunch").ok());
  EXPECT_EQ(seen, Names{"lunch"});
  EXPECT_TRUE(store->sizes.empty());
}

TEST_F(Storing, WithNotStoredNoHandlerRuns) {
  Pumped pumped(options());
  Names seen;
  const Subscription sync = note_topics(pumped.bus, "*", seen);
  const Subscription async = note_topics(pumped.bus, "*", seen, {.mode = Mode::async});
  store->answer = Appended::not_stored;
  const PublishResult result = pumped.bus.publish("order.made");
  (void)pumped.bus.poll();
  EXPECT_EQ(result.code, ErrorCode::not_stored);
  EXPECT_FALSE(result.ok());
  EXPECT_FALSE(result.id.is_nil()) << "to publish it again";
  EXPECT_TRUE(mentions(result.message(), "the cable is out"));
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(result.matched, 0U);
}

TEST_F(Storing, WithUnknownNoneRunsAndARepeatIsHarmless) {
  Pumped pumped(options());
  Names seen;
  const Subscription sync = note_topics(pumped.bus, "*", seen);
  const Event event("order.made");
  store->answer = Appended::unknown;
  const PublishResult unknown = pumped.bus.publish(event);
  EXPECT_EQ(unknown.code, ErrorCode::store_unknown);
  EXPECT_TRUE(seen.empty());
  store->answer.reset();
  const Event again("order.made", {}, {.id = unknown.id});
  EXPECT_TRUE(pumped.bus.publish(again).ok());
  EXPECT_EQ(seen, Names{"order.made"});
  const PublishResult repeated = pumped.bus.publish(again);
  EXPECT_TRUE(repeated.ok());
  EXPECT_TRUE(repeated.duplicate);
  EXPECT_EQ(repeated.matched, 0U);
  EXPECT_EQ(seen, Names{"order.made"}) << "delivered once";
}

TEST_F(Storing, ABatchIsOneAppendAndOneResultAnEvent) {
  Pumped pumped(options());
  Names seen;
  const Subscription sync = note_topics(pumped.bus, "*", seen);
  const Event twice("order.b", {}, {.id = EventId{1, 2}});
  const std::vector<Event> batch{Event("order.a"), twice, Event("lunch"), twice, Event("order.c")};
  const std::vector<PublishResult> results = pumped.bus.publish_batch(batch);
  EXPECT_EQ(store->sizes, std::vector<std::size_t>{4});
  ASSERT_EQ(results.size(), 5U);
  EXPECT_EQ(seen, (Names{"order.a", "order.b", "lunch", "order.c"}));
  EXPECT_TRUE(results[3].duplicate);
  for (const PublishResult& one : results) EXPECT_TRUE(one.ok());
}

TEST_F(Storing, AFilteredOrTooLargeEventOfABatchIsNotStored) {
  BusOptions with = options();
  with.max_payload = 100;
  Pumped pumped(with);
  pumped.bus.add_filter("no b", [](const Event& event) { return event.topic() != "order.b"; });
  const std::vector<Event> batch{Event("order.a"), Event("order.b"),
                                 Event("order.c", bytes(std::string(200, 'x')))};
  const std::vector<PublishResult> results = pumped.bus.publish_batch(batch);
  EXPECT_TRUE(results[0].ok());
  EXPECT_EQ(results[1].code, ErrorCode::filtered);
  EXPECT_EQ(results[2].code, ErrorCode::payload_too_large);
  EXPECT_EQ(store->memory->stats().events, 1U);
}

TEST_F(Storing, APayloadThatCannotLeaveTheProcessIsNotStored) {
  Pumped pumped(options());
  const PublishResult result = pumped.bus.publish(Inner{1});
  EXPECT_EQ(result.code, ErrorCode::not_stored);
  EXPECT_TRUE(mentions(result.message(), "order.inner"));
}

TEST_F(Storing, AReceiptTellsWhenItsEventIsStored) {
  Pumped pumped(options());
  Names seen;
  const Subscription sync = note_topics(pumped.bus, "*", seen);
  store->hold = true;
  const Receipt receipt = pumped.bus.publish_async("order.made");
  EXPECT_FALSE(receipt.wait_for(std::chrono::nanoseconds(0), Receipt::Stage::stored));
  EXPECT_TRUE(seen.empty());
  ASSERT_EQ(store->held.size(), 1U);
  store->answer_now(*store->held.front());
  EXPECT_TRUE(receipt.wait_for(kLong, Receipt::Stage::stored));
  EXPECT_TRUE(seen.empty());
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, Names{"order.made"});
  EXPECT_TRUE(receipt.wait_for(kLong));
  EXPECT_TRUE(receipt.result().ok());
}

TEST_F(Storing, AReceiptTellsThatItsEventWasNotStored) {
  Pumped pumped(options());
  Names seen;
  const Subscription sync = note_topics(pumped.bus, "*", seen);
  const Subscription async = note_topics(pumped.bus, "*", seen, {.mode = Mode::async});
  store->answer = Appended::not_stored;
  const Receipt receipt = pumped.bus.publish_async("order.made");
  EXPECT_FALSE(receipt.wait_for(kLong, Receipt::Stage::stored));
  (void)pumped.bus.poll();
  EXPECT_TRUE(receipt.wait_for(kLong));
  EXPECT_EQ(receipt.result().code, ErrorCode::not_stored);
  EXPECT_EQ(receipt.status(), EventStatus::failed);
  EXPECT_TRUE(seen.empty());
}

TEST_F(Storing, PublishAsyncKeepsTheOrderOfKeptAndOtherEvents) {
  Pumped pumped(options());
  Names sync_seen;
  Names async_seen;
  const Subscription sync = note_topics(pumped.bus, "*", sync_seen);
  const Subscription async = note_topics(pumped.bus, "*", async_seen, {.mode = Mode::async});
  (void)pumped.bus.publish_async("order.a");
  (void)pumped.bus.publish_async("lunch");
  (void)pumped.bus.publish_async("order.b");
  (void)pumped.bus.poll();
  const Names all{"order.a", "lunch", "order.b"};
  EXPECT_EQ(sync_seen, all);
  EXPECT_EQ(async_seen, all);
}

TEST_F(Storing, ABusThatEndsWaitsForTheAnswersThatAreOut) {
  store->hold = true;
  std::optional<Receipt> receipt;
  {
    Pumped pumped(options());
    receipt = pumped.bus.publish_async("order.made");
    store->answer_now(*store->held.front());
  }
  EXPECT_TRUE(receipt->wait_for(kLong));
  EXPECT_TRUE(receipt->wait_for(kLong, Receipt::Stage::stored));
}

TEST_F(Storing, TheHistoryReachesAsFarBackAsTheStore) {
  BusOptions with = options();
  with.history = 3;
  Pumped pumped(with);
  for (int i = 0; i < 10; ++i) {
    (void)pumped.bus.publish("order.n", Json(i));
    (void)pumped.bus.publish("lunch", Json(i));
  }
  std::string seen;
  for (const Event& event : pumped.bus.history("order.*")) seen += event.json().dump();
  EXPECT_EQ(seen, "9876543210");
  seen.clear();
  for (const Event& event : pumped.bus.history("order.*", 4)) seen += event.json().dump();
  EXPECT_EQ(seen, "9876");
  EXPECT_LE(pumped.bus.history("lunch").size(), 3U) << "these are in memory only";
}

TEST_F(Storing, AReplayBringsWhatTheStoreHasOnceAndInOrder) {
  BusOptions with = options();
  with.history = 3;
  Pumped pumped(with);
  for (int i = 0; i < 8; ++i) (void)pumped.bus.publish("order.n", Json(i));
  std::string all;
  const Subscription from_start =
      pumped.bus.subscribe("order.n", [&](const Event& event) { all += event.json().dump(); },
                           {.mode = Mode::async, .replay = Replay::beginning()});
  std::string last;
  const Subscription from_last =
      pumped.bus.subscribe("order.n", [&](const Event& event) { last += event.json().dump(); },
                           {.mode = Mode::async, .replay = Replay::last(5)});
  (void)pumped.bus.publish("order.n", Json(8));
  (void)pumped.bus.poll();
  EXPECT_EQ(all, "012345678");
  EXPECT_EQ(last, "345678");
}

TEST_F(Storing, ANewBusSeesTheHistoryOfTheOneBefore) {
  EventId id;
  {
    Pumped first(options());
    id = first.bus.publish("order.made").id;
  }
  Pumped second(options());
  const std::vector<Event> past = second.bus.history("order.*");
  ASSERT_EQ(past.size(), 1U);
  EXPECT_EQ(past[0].id(), id);
  const auto status = second.bus.event_status(id);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->status, EventStatus::completed) << "nobody durable listens";
  EXPECT_TRUE(status->finished);
}

TEST_F(Storing, ARequestIsNeverStored) {
  Pumped pumped(options({"*"}));
  const Subscription answers = pumped.bus.subscribe(
      "order.ask", [](const Event&, Context& context) { (void)context.reply(Json(1)); });
  const RequestResult result = pumped.bus.request("order.ask", Json(), seconds(1));
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(store->sizes.empty());
}

TEST_F(Storing, AKeepPatternThatCannotBeReadIsAnError) {
  const std::string why =
      error_of(ErrorCode::invalid_option, [&] { const Bus bus(quiet(options({"order..*"}))); });
  EXPECT_TRUE(mentions(why, "keep"));
}

/// Published before the subscription was made, and stored after its replay was read.
TEST_F(Storing, AReplayHasWhatWasOnItsWayIntoTheStore) {
  Pumped pumped(options());
  store->hold = true;
  const Receipt kept = pumped.bus.publish_async("order.made");
  const Receipt other = pumped.bus.publish_async("lunch");
  Names replayed;
  Names live;
  const Subscription past =
      note_topics(pumped.bus, "*", replayed, {.mode = Mode::async, .replay = Replay::beginning()});
  const Subscription later = note_topics(pumped.bus, "*", live, {.mode = Mode::async});
  store->hold = false;
  for (AppendRequest* one : store->held) store->answer_now(*one);
  (void)pumped.bus.poll();
  EXPECT_EQ(replayed, (Names{"order.made", "lunch"}));
  EXPECT_EQ(live, Names{}) << "they were published before it was made";
}

}  // namespace
}  // namespace busway
