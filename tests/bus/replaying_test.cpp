// Past events once more: into a prefix of topics, or into one subscription.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <temporary_folder.hpp>
#include <vector>

#include "../store/forwarding_store.hpp"
#include "bus_fixture.hpp"
#include "busway/memory_store.hpp"
#include "busway/store_provider.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using End = ReplayResult::End;

/// A store with time that stands still, and a bus on it.
struct Replaying : ::testing::TestWithParam<const char*> {
  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  TemporaryFolder folder;
  std::shared_ptr<Store> store = open_store(
      GetParam() + (std::string(GetParam()) == "sqlite:" ? folder.file("events.db") : ""),
      {.clock = clock});

  BusOptions options() {
    BusOptions made;
    made.clock = clock;
    made.opened_store = store;
    made.keep = std::vector<std::string>{"*"};
    return made;
  }
  /// In one commit.
  static void publish_many(Bus& bus, int count, const std::function<std::string(int)>& topic) {
    std::vector<Event> events;
    for (int i = 0; i < count; ++i) events.emplace_back(topic(i), Payload::json(Json(i)));
    (void)bus.publish_batch(events);
  }
  static std::string always_a(int /*number*/) { return "a"; }
  std::uint64_t stored() const { return store->stats().events; }
};
INSTANTIATE_TEST_SUITE_P(OverEachStore, Replaying, ::testing::Values("memory:", "sqlite:"),
                         [](const auto& one) {
                           return std::string(one.param, std::string(one.param).size() - 1);
                         });

TEST_P(Replaying, IntoAPrefixPublishesEachAgainAsANewEventCausedByTheOldOne) {
  Pumped pumped(options());
  const PublishResult first = pumped.bus.publish("order.made", Json{{"n", 1}},
                                                 {.source = "shop",
                                                  .priority = Priority::high,
                                                  .key = "k",
                                                  .metadata = {{"m", 1}},
                                                  .user_id = "u",
                                                  .instance_id = "elsewhere",
                                                  .correlation_id = "c"});
  (void)pumped.bus.publish("order.paid");
  (void)pumped.bus.publish("other");
  clock->advance(seconds(5));
  std::vector<Event> seen;
  Names others;
  const Subscription again =
      pumped.bus.subscribe("again.*", [&](const Event& event) { seen.push_back(event); });
  const Subscription live = note_topics(pumped.bus, "order.*", others);

  const ReplayResult result =
      pumped.bus.replay({.pattern = "order.*", .into = ReplayInto::prefix("again.")});
  EXPECT_TRUE(result.ok()) << result.error;
  EXPECT_EQ(result.end, End::all);
  EXPECT_EQ(result.replayed, 2U);
  EXPECT_EQ(result.last_sequence, 2U);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(others, Names{}) << "those who have had it do not get it again";
  const Event& event = seen[0];
  EXPECT_EQ(event.topic(), "again.order.made");
  EXPECT_NE(event.id(), first.id);
  EXPECT_EQ(event.causation_id(), first.id);
  EXPECT_EQ(event.hops(), 1U);
  EXPECT_EQ(event.time(), clock->wall());
  EXPECT_EQ(event.source(), "shop");
  EXPECT_EQ(event.priority(), Priority::high);
  EXPECT_EQ(event.key(), "k");
  EXPECT_EQ(event.user_id(), "u");
  EXPECT_EQ(event.correlation_id(), "c");
  EXPECT_EQ(event.instance_id(), pumped.bus.instance_id());
  EXPECT_EQ(event.metadata().json(), (Json{{"m", 1}}));
  EXPECT_EQ(event.json(), (Json{{"n", 1}}));
  EXPECT_EQ(seen[1].topic(), "again.order.paid");
  EXPECT_EQ(stored(), 5U) << "what is replayed is kept as any event";
}

TEST_P(Replaying, EndsAtWhatThereWasAndLeavesOutWhatBeginsWithThePrefix) {
  Pumped pumped(options());
  publish_many(pumped.bus, 300, &always_a);
  int more = 0;
  // Each replayed event brings another one that the pattern would match.
  const Subscription feeds = pumped.bus.subscribe("again.*", [&](const Event&) {
    if (++more <= 40) (void)pumped.bus.publish("a");
  });
  const ReplayResult first =
      pumped.bus.replay({.pattern = "*", .into = ReplayInto::prefix("again.")});
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(first.replayed, 300U);
  EXPECT_EQ(first.skipped, 0U);
  const ReplayResult second =
      pumped.bus.replay({.pattern = "*", .into = ReplayInto::prefix("again.")});
  EXPECT_EQ(second.replayed, 340U);
  EXPECT_EQ(second.skipped, 300U);
}

TEST_P(Replaying, TakesThoseOfTheRangeItsEndsIncluded) {
  Pumped pumped(options());
  std::vector<EventId> ids;
  const WallTime begin = clock->wall();
  for (int i = 0; i < 6; ++i) {
    ids.push_back(pumped.bus.publish("t." + std::to_string(i + 1)).id);
    clock->advance(seconds(1));
  }
  Names seen;
  const Subscription again = note_topics(pumped.bus, "x.*", seen);
  const auto replay = [&](std::optional<ReplayPoint> from, std::optional<ReplayPoint> to,
                          std::uint64_t limit = 0) {
    seen.clear();
    const ReplayResult result = pumped.bus.replay({.pattern = "t.*",
                                                   .from = from,
                                                   .to = to,
                                                   .into = ReplayInto::prefix("x."),
                                                   .limit = limit});
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(result.end, limit == 0 ? End::all : End::limit);
    return seen;
  };
  const auto at = [&](int i) { return ReplayPoint::time(begin + seconds(i)); };
  EXPECT_EQ(replay(at(1), at(3)), (Names{"x.t.2", "x.t.3", "x.t.4"}));
  EXPECT_EQ(replay(at(4), {}), (Names{"x.t.5", "x.t.6"}));
  EXPECT_EQ(replay({}, at(0)), Names{"x.t.1"});
  EXPECT_EQ(replay({}, ReplayPoint::time(begin - seconds(1))), Names{});
  EXPECT_EQ(replay(ReplayPoint::time(WallTime::min()), ReplayPoint::time(WallTime::max())).size(),
            6U);
  EXPECT_EQ(replay(ReplayPoint::sequence(2), ReplayPoint::sequence(3)), (Names{"x.t.2", "x.t.3"}));
  EXPECT_EQ(replay(ReplayPoint::sequence(0), ReplayPoint::sequence(1)), Names{"x.t.1"});
  EXPECT_EQ(replay(ReplayPoint::event(ids[4]), {}), (Names{"x.t.5", "x.t.6"}));
  EXPECT_EQ(replay(ReplayPoint::event(ids[1]), ReplayPoint::event(ids[1])), Names{"x.t.2"});
  EXPECT_EQ(replay(ReplayPoint::sequence(3), at(3)), (Names{"x.t.3", "x.t.4"}));
  EXPECT_EQ(replay({}, {}, 2), (Names{"x.t.1", "x.t.2"}));
}

TEST_P(Replaying, IntoADurableNameComesToItAloneAndWaitsForWhoOpensIt) {
  {
    Pumped pumped(options());
    const Subscription mailer =
        pumped.bus.subscribe("job.*", [](const Event&) {}, {.durable = "mailer"});
    const Subscription other =
        pumped.bus.subscribe("job.*", [](const Event&) {}, {.durable = "other"});
    publish_many(pumped.bus, 600, [](int i) { return i % 2 == 0 ? "job.a" : "no.job"; });
    (void)pumped.bus.poll();
  }
  Pumped pumped(options());
  const ReplayResult result = pumped.bus.replay({.into = ReplayInto::durable("mailer")});
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.replayed, 300U);
  EXPECT_EQ(result.skipped, 300U) << "it does not listen to them";
  const ReplayResult again = pumped.bus.replay({.into = ReplayInto::durable("mailer")});
  EXPECT_EQ(again.replayed, 0U) << "all are on their way to it";
  EXPECT_EQ(again.skipped, 600U);
  EXPECT_EQ(stored(), 600U) << "nothing is published";

  Names mailed;
  Names others;
  const Subscription other = note_topics(pumped.bus, "job.*", others, {.durable = "other"});
  const Subscription mailer = note_topics(pumped.bus, "job.*", mailed, {.durable = "mailer"});
  (void)pumped.bus.poll();
  EXPECT_EQ(mailed.size(), 300U);
  EXPECT_EQ(others, Names{});
}

TEST_P(Replaying, IntoASubscriptionThatIsDurableGoesThroughItsStore) {
  Pumped pumped(options());
  std::vector<EventId> seen;
  const Subscription mailer = pumped.bus.subscribe(
      "job", [&](const Event& event) { seen.push_back(event.id()); }, {.durable = "mailer"});
  const EventId id = pumped.bus.publish("job").id;
  (void)pumped.bus.poll();
  EXPECT_EQ(pumped.bus.replay({.into = ReplayInto::subscription(mailer.id())}).replayed, 1U);
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, (std::vector<EventId>{id, id}));
  EXPECT_EQ(store->durables().at(0).retrying, 0U);
}

TEST_P(Replaying, IntoASubscriptionComesToItAloneAsItWas) {
  Pumped pumped(options());
  const EventId id = pumped.bus.publish("a").id;
  (void)pumped.bus.publish("b");
  Names live;
  std::vector<EventId> seen;
  const Subscription other = note_topics(pumped.bus, "*", live, {.mode = Mode::async});
  const Subscription wanted = pumped.bus.subscribe(
      "a", [&](const Event& event) { seen.push_back(event.id()); }, {.mode = Mode::async});
  const ReplayResult result = pumped.bus.replay({.into = ReplayInto::subscription(wanted.id())});
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.replayed, 1U);
  EXPECT_EQ(result.skipped, 1U);
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, std::vector<EventId>{id});
  EXPECT_EQ(live, Names{});
  EXPECT_EQ(stored(), 2U);
  EXPECT_TRUE(adds_up(info_of(pumped.bus, wanted.id()).counters));
  EXPECT_TRUE(adds_up(pumped.bus.stats()));
}

TEST_P(Replaying, IntoASmallMailboxWaitsForRoomAndLosesNothing) {
  Bus bus(quiet(options()));
  publish_many(bus, 700, &always_a);
  std::vector<int> direct;
  std::vector<int> prefixed;
  const Subscription small =
      bus.subscribe("a", [&](const Json& json) { direct.push_back(json.get<int>()); },
                    {.mode = Mode::async, .queue_capacity = 3});
  const Subscription again =
      bus.subscribe("x.*", [&](const Json& json) { prefixed.push_back(json.get<int>()); },
                    {.mode = Mode::async, .queue_capacity = 7});
  EXPECT_EQ(bus.replay({.into = ReplayInto::subscription(small.id())}).replayed, 700U);
  const ReplayResult result = bus.replay({.into = ReplayInto::prefix("x.")});
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.replayed, 700U);
  ASSERT_TRUE(bus.wait_idle(kLong));
  std::vector<int> all(700);
  for (int i = 0; i < 700; ++i) all[static_cast<std::size_t>(i)] = i;
  EXPECT_EQ(direct, all);
  EXPECT_EQ(prefixed, all);
}

TEST_P(Replaying, SaysWhatItCouldNotReplayAndWhy) {
  BusOptions few = options();
  few.max_hops = 1;
  Pumped pumped(few);
  const Subscription chain =
      pumped.bus.subscribe("a", [&](const Event&) { (void)pumped.bus.publish("b"); });
  const std::string longest(254, 'l');
  (void)pumped.bus.publish("a");
  (void)pumped.bus.publish(longest);
  (void)pumped.bus.publish("secret");
  pumped.bus.add_filter("gate", [](const Event& event) { return event.topic() != "x.secret"; });
  const ReplayResult result = pumped.bus.replay({.into = ReplayInto::prefix("x.")});
  EXPECT_EQ(result.end, End::all);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.replayed, 1U);
  EXPECT_EQ(result.refused_count(), 3U);
  ASSERT_EQ(result.refused.size(), 3U);
  for (const auto& [code, word] :
       {std::pair{ErrorCode::hop_limit, "max_hops is 1"},
        std::pair{ErrorCode::invalid_topic, "255"}, std::pair{ErrorCode::filtered, "gate"}}) {
    const auto one = std::find_if(result.refused.begin(), result.refused.end(),
                                  [&](const auto& refused) { return refused.code == code; });
    ASSERT_NE(one, result.refused.end()) << to_string(code);
    EXPECT_EQ(one->count, 1U);
    EXPECT_TRUE(mentions(one->reason, word));
  }
}

TEST_P(Replaying, CountsDeliveriesThatFailed) {
  Pumped pumped(options());
  (void)pumped.bus.publish("a");
  const Subscription fails = pumped.bus.subscribe("x.a", [](const Event&) { throw 42; });
  const ReplayResult result = pumped.bus.replay({.into = ReplayInto::prefix("x.")});
  EXPECT_EQ(result.replayed, 1U);
  EXPECT_EQ(result.failures, 1U);
  EXPECT_FALSE(result.ok());
}

TEST_P(Replaying, EndsBetweenTwoPagesWhenItIsCancelled) {
  Pumped pumped(options());
  publish_many(pumped.bus, 600, &always_a);
  std::stop_source stop;
  const Subscription again =
      pumped.bus.subscribe("x.a", [&](const Event&) { stop.request_stop(); });
  const ReplayResult result =
      pumped.bus.replay({.into = ReplayInto::prefix("x."), .stop = stop.get_token()});
  EXPECT_EQ(result.end, End::cancelled);
  EXPECT_FALSE(result.ok());
  EXPECT_GE(result.replayed, 1U);
  EXPECT_LT(result.replayed, 600U);
  EXPECT_EQ(result.last_sequence, result.replayed) << "it goes on behind that";
}

TEST_P(Replaying, IsNotFasterThanItsRate) {
  Bus bus(quiet(options()));
  for (int i = 0; i < 5; ++i) (void)bus.publish("a");
  std::vector<WallTime> times;
  const Subscription again = bus.subscribe("x.a", [&](const Event& event) {
    times.push_back(event.time());
    clock->advance(seconds(1));
  });
  const WallTime begin = clock->wall();
  EXPECT_TRUE(bus.replay({.into = ReplayInto::prefix("x."), .events_per_second = 1}).ok());
  ASSERT_EQ(times.size(), 5U);
  EXPECT_EQ(times.back() - begin, seconds(4));
}

TEST_P(Replaying, ThatCannotBeMeantIsRefused) {
  Pumped pumped(options());
  (void)pumped.bus.publish("a");
  const Subscription sync = pumped.bus.subscribe("a", [](const Event&) {}, {.name = "straight"});
  const auto refused = [&](ErrorCode code, const ReplayRequest& request) {
    return error_of(code, [&] { (void)pumped.bus.replay(request); });
  };
  const ReplayInto x = ReplayInto::prefix("x.");
  const WallTime now = clock->wall();
  EXPECT_TRUE(mentions(refused(ErrorCode::invalid_option, {}), "into"));
  EXPECT_TRUE(
      mentions(refused(ErrorCode::invalid_option, {.into = ReplayInto::prefix("")}), "empty"));
  EXPECT_TRUE(
      mentions(refused(ErrorCode::invalid_topic, {.into = ReplayInto::prefix("x y.")}), "x y."));
  (void)refused(ErrorCode::invalid_topic, {.into = ReplayInto::prefix("x*.")});
  (void)refused(ErrorCode::invalid_pattern, {.pattern = "", .into = x});
  (void)refused(ErrorCode::invalid_pattern, {.pattern = "a..*", .into = x});
  EXPECT_TRUE(mentions(
      refused(
          ErrorCode::invalid_option,
          {.from = ReplayPoint::time(now), .to = ReplayPoint::time(now - seconds(1)), .into = x}),
      "later than to"));
  EXPECT_TRUE(mentions(
      refused(ErrorCode::invalid_option,
              {.from = ReplayPoint::sequence(9), .to = ReplayPoint::sequence(8), .into = x}),
      "sequence 9"));
  (void)refused(ErrorCode::not_found, {.from = ReplayPoint::event(EventId{1, 2}), .into = x});
  EXPECT_TRUE(mentions(refused(ErrorCode::not_found, {.into = ReplayInto::durable("who")}), "who"));
  (void)refused(ErrorCode::not_found, {.into = ReplayInto::subscription(77)});
  EXPECT_TRUE(
      mentions(refused(ErrorCode::invalid_option, {.into = ReplayInto::subscription(sync.id())}),
               "straight"));
  for (const double rate : {-1.0, std::nan(""), HUGE_VAL}) {
    (void)refused(ErrorCode::invalid_option, {.into = x, .events_per_second = rate});
  }
}

TEST_P(Replaying, CountsWithoutDoingItAndTellsHowFarItIs) {
  Pumped pumped(options());
  int calls = 0;
  const Subscription name =
      pumped.bus.subscribe("a", [&](const Event&) { ++calls; }, {.durable = "name"});
  const Subscription queue =
      pumped.bus.subscribe("a", [&](const Event&) { ++calls; }, {.mode = Mode::async});
  publish_many(pumped.bus, 300, [](int i) { return i % 3 == 0 ? "x.a" : "a"; });
  (void)pumped.bus.poll();
  EXPECT_EQ(calls, 400);
  std::vector<std::uint64_t> steps;
  for (const ReplayInto& into : {ReplayInto::prefix("x."), ReplayInto::durable("name"),
                                 ReplayInto::subscription(queue.id())}) {
    const ReplayResult result = pumped.bus.replay(
        {.into = into,
         .act = ReplayRequest::Act::count,
         .progress = [&](const ReplayResult& so_far) { steps.push_back(so_far.replayed); }});
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(result.replayed, 200U);
    EXPECT_EQ(result.skipped, 100U);
    EXPECT_EQ(result.last_sequence, 300U);
  }
  ASSERT_GE(steps.size(), 6U);
  EXPECT_LT(steps[0], steps[1]);
  (void)pumped.bus.poll();
  EXPECT_EQ(calls, 400);
  EXPECT_EQ(stored(), 300U);
}

TEST_P(Replaying, OfNothingReplaysNothing) {
  Pumped pumped(options());
  const ReplayResult result = pumped.bus.replay({.into = ReplayInto::prefix("x.")});
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.replayed, 0U);
  EXPECT_EQ(result.last_sequence, 0U);
  EXPECT_TRUE(result.last_id.is_nil());
}

// -- Without a store ------------------------------------------------------------------------------

TEST(ReplayingMemory, TakesWhatTheBusRemembersWhereThereIsNoStore) {
  Still still;
  Bus& bus = still.bus;
  const WallTime begin = still.clock->wall();
  std::vector<EventId> ids;
  for (const char* const topic : {"a", "b", "a.a", "a"}) {
    ids.push_back(bus.publish(topic).id);
    still.clock->advance(seconds(1));
  }
  Names seen;
  const Subscription again = note_topics(bus, "x.*", seen);
  EXPECT_TRUE(bus.replay({.pattern = "a*", .into = ReplayInto::prefix("x.")}).ok());
  EXPECT_EQ(seen, (Names{"x.a", "x.a.a", "x.a"}));
  seen.clear();
  EXPECT_TRUE(bus.replay({.from = ReplayPoint::time(begin + seconds(1)),
                          .to = ReplayPoint::event(ids[2]),
                          .into = ReplayInto::prefix("x.")})
                  .ok());
  EXPECT_EQ(seen, (Names{"x.b", "x.a.a"}));
  EXPECT_TRUE(mentions(error_of(ErrorCode::invalid_option,
                                [&] {
                                  (void)bus.replay({.from = ReplayPoint::sequence(1),
                                                    .into = ReplayInto::prefix("x.")});
                                }),
                       "store"));
  (void)error_of(ErrorCode::not_found, [&] {
    (void)bus.replay({.to = ReplayPoint::event(EventId{1, 1}), .into = ReplayInto::prefix("x.")});
  });
  (void)error_of(ErrorCode::not_found,
                 [&] { (void)bus.replay({.into = ReplayInto::durable("d")}); });
}

TEST(ReplayingMemory, MixesWhatIsStoredAndWhatIsOnlyRememberedByTime) {
  BusOptions options;
  options.keep = std::vector<std::string>{"kept.*"};
  Still still(options);
  for (int i = 0; i < 6; ++i) {
    (void)still.bus.publish((i % 2 == 0 ? "kept." : "loose.") + std::to_string(i));
    still.clock->advance(seconds(1));
  }
  Names seen;
  const Subscription again = note_topics(still.bus, "x.*", seen);
  EXPECT_EQ(still.bus.replay({.into = ReplayInto::prefix("x.")}).replayed, 6U);
  EXPECT_EQ(seen,
            (Names{"x.kept.0", "x.loose.1", "x.kept.2", "x.loose.3", "x.kept.4", "x.loose.5"}));
}

TEST(ReplayingMemory, IntoAPausedMailboxEndsWhereWaitingWouldNeverEnd) {
  Pumped pumped;
  for (int i = 0; i < 5; ++i) (void)pumped.bus.publish("a");
  int seen = 0;
  Subscription paused = pumped.bus.subscribe("a", [&](const Event&) { ++seen; },
                                             {.mode = Mode::async, .queue_capacity = 2});
  paused.pause();
  const ReplayResult result = pumped.bus.replay({.into = ReplayInto::subscription(paused.id())});
  EXPECT_EQ(result.end, End::no_room);
  EXPECT_EQ(result.replayed, 2U);
  paused.resume();
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, 2);
}

TEST(ReplayingMemory, EndsWithTheBusAndWithTheSubscription) {
  Pumped pumped;
  for (int i = 0; i < 5; ++i) (void)pumped.bus.publish("a");
  Subscription ends;
  ends = pumped.bus.subscribe("a", [&](const Event&) { ends.reset(); },
                              {.mode = Mode::async, .queue_capacity = 2});
  EXPECT_EQ(pumped.bus.replay({.into = ReplayInto::subscription(ends.id())}).end, End::stopped);
  (void)pumped.bus.stop(seconds(0));
  const ReplayResult after = pumped.bus.replay({.into = ReplayInto::prefix("x.")});
  EXPECT_EQ(after.end, End::stopped);
  EXPECT_EQ(after.replayed, 0U);
}

/// Memory that fails when it is told to.
class Failing final : public testing::ForwardingStore {
 public:
  using ForwardingStore::append;
  using ForwardingStore::ForwardingStore;
  void append(AppendRequest& request) noexcept override {
    if (!refuses) return ForwardingStore::append(request);
    for (AppendResult& one : request.results()) {
      one.answer = Appended::not_stored;
      one.error = "the disk is full";
    }
    request.done();
  }
  StorePage read(const StoreQuery& query) override {
    if (++reads > reads_max) throw Error(ErrorCode::store_unavailable, "the cable is out");
    largest = std::max(largest, query.limit);
    return ForwardingStore::read(query);
  }
  bool refuses = false;
  int reads = 0;
  int reads_max = 1'000'000;
  std::size_t largest = 0;
};

TEST(ReplayingMemory, TellsWhereItStoppedWhenTheStoreFails) {
  const auto store = std::make_shared<Failing>(make_memory_store({}));
  BusOptions options;
  options.opened_store = store;
  options.keep = std::vector<std::string>{"*"};
  Pumped pumped(options);
  for (int i = 0; i < 1000; ++i) (void)pumped.bus.publish("a");
  store->reads = 0;
  store->reads_max = 4;  // two for the bounds, two pages
  ReplayResult result = pumped.bus.replay({.into = ReplayInto::prefix("x.")});
  EXPECT_EQ(result.end, End::failed);
  EXPECT_TRUE(mentions(result.error, "the cable is out"));
  EXPECT_EQ(result.replayed, 512U);
  EXPECT_EQ(result.last_sequence, 512U);
  EXPECT_LE(store->largest, 256U) << "it reads by pages";

  store->reads_max = 1'000'000;
  store->refuses = true;
  result = pumped.bus.replay({.from = ReplayPoint::sequence(result.last_sequence + 1),
                              .to = ReplayPoint::sequence(1000),
                              .into = ReplayInto::prefix("x.")});
  EXPECT_EQ(result.end, End::failed);
  EXPECT_TRUE(mentions(result.error, "the disk is full"));
  EXPECT_EQ(result.replayed, 0U);
  EXPECT_EQ(result.refused.at(0).code, ErrorCode::not_stored);

  store->refuses = false;
  result = pumped.bus.replay({.from = ReplayPoint::sequence(513),
                              .to = ReplayPoint::sequence(1000),
                              .into = ReplayInto::prefix("x.")});
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.replayed, 488U);
}

TEST(ReplayingMemory, InsideAHandlerAddsToItsChain) {
  Pumped pumped;
  (void)pumped.bus.publish("a");
  std::vector<unsigned> hops;
  const Subscription seen =
      pumped.bus.subscribe("x.*", [&](const Event& event) { hops.push_back(event.hops()); });
  ReplayResult result;
  const Subscription third = pumped.bus.subscribe("go", [&](const Event&) {
    result = pumped.bus.replay({.pattern = "a", .into = ReplayInto::prefix("x.")});
  });
  (void)pumped.bus.publish(Event("go"));
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(hops, std::vector<unsigned>{1});
}

}  // namespace
}  // namespace busway
