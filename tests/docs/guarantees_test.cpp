// One test for each promise of docs/guarantees.md about the bus as a whole; those about its parts
// have theirs beside the parts.
#include <gtest/gtest.h>
#include <busway/event_handler.hpp>
#include <busway/manual_executor.hpp>
#include <busway/plugin_import.hpp>
#include <busway/plugin_manager.hpp>
#include <busway/testing/manual_clock.hpp>
#include <busway/typed.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <eventually.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <regex>
#include <span>
#include <stdexcept>
#include <string>
#include <test_paths.hpp>
#include <thread>
#include <vector>

BUSWAY_IMPORT_PLUGIN(docs_waiter)

namespace {

using namespace std::chrono_literals;
using busway::Bus;
using busway::BusOptions;
using busway::Context;
using busway::Error;
using busway::ErrorCode;
using busway::Event;
using busway::EventId;
using busway::eventually;
using busway::Json;
using busway::ManualExecutor;
using busway::Mode;
using busway::Outcome;
using busway::Overflow;
using busway::Payload;
using busway::PublishResult;
using busway::Receipt;
using busway::Replay;
using busway::Subscription;
using busway::SubscriptionOptions;

struct Price {
  static constexpr std::string_view topic = "price.changed";
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Price, cents)

BusOptions quiet() {
  return {.log = [](busway::LogLevel, std::string_view, std::span<const busway::LogField>) {}};
}

BusOptions manual() {
  BusOptions options = quiet();
  options.executor = std::make_shared<ManualExecutor>();
  return options;
}

void nothing(const Event&) {}

/// The code of the Error that a call throws; ok when it throws none.
ErrorCode code_of(const std::function<void()>& call, std::string* message = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    return error.code();
  }
  return ErrorCode::ok;
}

// -- Publishing ----------------------------------------------------------------------------------

TEST(Guarantee, AHandlerThatThrowsNeitherStopsTheNextNorReachesThePublisher) {
  Bus bus;
  int calls = 0;
  auto first = bus.subscribe("a", [](const Event&) { throw std::runtime_error("broken"); });
  auto second = bus.subscribe("a", [](const Event&) { throw 42; });
  auto third = bus.subscribe("a", [&](const Event&) { ++calls; });
  const PublishResult result = bus.publish("a");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(result.code, ErrorCode::ok);
  EXPECT_EQ(result.matched, 3U);
  EXPECT_EQ(result.delivered, 1U);
  ASSERT_EQ(result.failures.size(), 2U);
  EXPECT_EQ(result.failures[0].reason, "broken");
  EXPECT_NE(result.failures[1].reason.find("int"), std::string::npos);
}

TEST(Guarantee, APayloadThatCannotBeReadIsAFailureAndNeverSilence) {
  Bus bus;
  int calls = 0;
  auto listener = bus.subscribe<Price>([&](const Price&) { ++calls; });
  const PublishResult result = bus.publish("price.changed", Json{{"dollars", 2}});
  EXPECT_EQ(calls, 0);
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::payload_type);
}

TEST(Guarantee, AnAsynchronousFailureIsLoggedWithItsReason) {
  BusOptions options = manual();
  std::vector<std::string> lines;
  options.log = [&](busway::LogLevel level, std::string_view message,
                    std::span<const busway::LogField> fields) {
    std::string line = std::string(to_string(level)) + ": " + std::string(message);
    for (const busway::LogField& field : fields) {
      line += " " + std::string(field.name) + "=" + std::string(field.value);
    }
    lines.push_back(line);
  };
  Bus bus(options);
  auto listener = bus.subscribe(
      "a", [](const Event&) { throw std::runtime_error("broken\n"); },
      {.name = "shop", .mode = Mode::async, .retry = busway::RetryPolicy{.max_retries = 0}});
  EXPECT_TRUE(bus.publish("a").ok());
  bus.poll();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines.front().starts_with("warning: ")) << lines.front();
  for (const char* part : {"subscription=shop", "topic=a", "reason=broken"}) {
    EXPECT_NE(lines.front().find(part), std::string::npos) << lines.front();
  }
  EXPECT_EQ(lines.front().find('\n'), std::string::npos) << "text from outside is escaped";
}

TEST(Guarantee, AnOutcomeOfAHandlerIsTakenAtItsWord) {
  Bus bus;
  Outcome outcome = Outcome::done();
  auto listener = bus.subscribe("a", [&](const Event&) { return outcome; });
  EXPECT_TRUE(bus.publish("a").ok());
  outcome = Outcome::fail("no stock");
  const PublishResult result = bus.publish("a");
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().reason, "no stock");
}

TEST(Guarantee, MisuseThrowsAtTheCall) {
  Bus bus;
  EXPECT_EQ(code_of([&] { bus.publish("two words"); }), ErrorCode::invalid_topic);
  EXPECT_EQ(code_of([&] { (void)bus.subscribe("", nothing); }), ErrorCode::invalid_pattern);
  EXPECT_EQ(code_of([&] { (void)bus.subscribe("a", nothing, {.queue_capacity = 8}); }),
            ErrorCode::invalid_option);
  EXPECT_EQ(code_of([&] { (void)bus.unsubscribe_all(""); }), ErrorCode::invalid_argument);
}

TEST(Guarantee, AStoreThatIsNotLinkedIsRefusedByName) {
  for (const char* const store : {"sqlite:events.db", "redis://localhost"}) {
    std::string message;
    EXPECT_EQ(code_of([&] { const Bus other({.store = store}); }, &message), ErrorCode::not_yet);
    EXPECT_NE(message.find("busway::"), std::string::npos) << message;
  }
}

TEST(Guarantee, AsynchronousDeliveriesAreQueuedBeforeSynchronousHandlersRun) {
  Bus bus(manual());
  std::size_t queued = 0;
  auto sync =
      bus.subscribe("a", [&](const Event&) { queued = bus.subscriptions("later").front().queued; },
                    {.priority = 100});
  auto async = bus.subscribe("a", nothing, {.owner = "later", .mode = Mode::async});
  bus.publish("a");
  EXPECT_EQ(queued, 1U);
}

TEST(Guarantee, SynchronousHandlersRunByPriorityThenByAge) {
  Bus bus;
  std::string order;
  const auto here = std::this_thread::get_id();
  const auto note = [&](char c) {
    return [&order, c, here](const Event&) {
      EXPECT_EQ(std::this_thread::get_id(), here);
      order += c;
    };
  };
  auto c = bus.subscribe("a", note('c'));
  auto d = bus.subscribe("*", note('d'));
  auto e = bus.subscribe("a", note('e'), {.priority = -1});
  auto a = bus.subscribe("?", note('a'), {.priority = 7});
  auto b = bus.subscribe("a", note('b'), {.priority = 7});
  bus.publish("a");
  EXPECT_EQ(order, "abcde");
}

TEST(Guarantee, AFilteredEventGoesNowhereAndTheResultSaysSo) {
  Bus bus;
  int calls = 0;
  auto listener = bus.subscribe("*", [&](const Event&) { ++calls; });
  bus.add_filter("no secrets", [](const Event& event) { return event.topic() != "secret"; });
  const PublishResult result = bus.publish("secret");
  EXPECT_EQ(result.code, ErrorCode::filtered);
  EXPECT_EQ(result.failures.front().name, "no secrets");
  bus.add_filter("broken", [](const Event&) -> bool { throw std::runtime_error("x"); });
  EXPECT_EQ(bus.publish("open").code, ErrorCode::filtered);
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(bus.history().empty());
  EXPECT_EQ(bus.stats().filtered, 2U);
  EXPECT_TRUE(bus.remove_filter("broken"));
  EXPECT_TRUE(bus.publish("open").ok());
}

TEST(Guarantee, ASubscriptionsFilterThatThrowsFailsThatDeliveryOnly) {
  Bus bus;
  int calls = 0;
  auto broken =
      bus.subscribe("a", [&](const Event&) { ++calls; },
                    {.filter = [](const Event&) -> bool { throw std::runtime_error("x"); }});
  auto choosy = bus.subscribe("a", [&](const Event&) { ++calls; },
                              {.filter = [](const Event&) { return false; }});
  auto sound = bus.subscribe("a", [&](const Event&) { ++calls; });
  const PublishResult result = bus.publish("a");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(result.matched, 2U) << "what a filter leaves out has not matched";
  EXPECT_EQ(result.failures.size(), 1U);
}

TEST(Guarantee, AChainOfEventsEndsAtTheHopLimitThroughQueuesToo) {
  for (const Mode mode : {Mode::sync, Mode::async}) {
    BusOptions options = manual();
    options.max_hops = 5;
    Bus bus(options);
    int calls = 0;
    ErrorCode last = ErrorCode::ok;
    auto ping = bus.subscribe(
        "ping", [&](const Event&) { ++calls, last = bus.publish("pong").code; }, {.mode = mode});
    auto pong = bus.subscribe(
        "pong", [&](const Event&) { ++calls, last = bus.publish("ping").code; }, {.mode = mode});
    bus.publish("ping");
    bus.poll();
    EXPECT_EQ(calls, 6);
    EXPECT_EQ(bus.stats().refused, 1U);
    if (mode == Mode::async) {
      EXPECT_EQ(last, ErrorCode::hop_limit);
    }
  }
}

TEST(Guarantee, AnEventOfAHandlerNamesItsCause) {
  Bus bus;
  EventId cause;
  std::uint16_t hops = 0;
  auto first = bus.subscribe("a", [&](const Event&) { bus.publish("b"); });
  auto second = bus.subscribe("b", [&](const Event& event) {
    cause = event.causation_id();
    hops = event.hops();
  });
  EXPECT_EQ(bus.publish("a").id, cause);
  EXPECT_EQ(hops, 1U);
}

TEST(Guarantee, ADisabledBusRefusesEachPublish) {
  Bus bus({.enabled = false});
  auto listener = bus.subscribe("a", [](const Event&) { ADD_FAILURE(); });
  EXPECT_EQ(bus.publish("a").code, ErrorCode::disabled);
}

TEST(Guarantee, APayloadAboveTheLimitIsRefused) {
  Bus bus({.max_payload = 10});
  auto listener = bus.subscribe("a", nothing);
  EXPECT_TRUE(bus.publish("a", busway::bytes(std::string(10, 'x'))).ok());
  EXPECT_EQ(bus.publish("a", busway::bytes(std::string(11, 'x'))).code,
            ErrorCode::payload_too_large);
  EXPECT_EQ(bus.publish("a", Json("012345678")).code, ErrorCode::payload_too_large);
}

TEST(Guarantee, ABatchGivesOneResultAnEventInOrder) {
  Bus bus;
  auto listener = bus.subscribe("b", nothing);
  const std::array events{Event("a"), Event("b")};
  const std::vector<PublishResult> results = bus.publish_batch(events);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].matched, 0U);
  EXPECT_EQ(results[1].delivered, 1U);
}

TEST(Guarantee, HandlesMayOutliveTheBus) {
  auto bus = std::make_unique<Bus>();
  const busway::Topic topic = bus->topic("a");
  const busway::Publisher publisher = bus->publisher("shop");
  Subscription subscription = bus->subscribe("a", nothing);
  const Receipt receipt = bus->publish_async("b");
  const Event kept = bus->history().empty() ? Event("a") : bus->history().front();
  bus.reset();
  EXPECT_EQ(topic.publish().code, ErrorCode::stopped);
  EXPECT_EQ(publisher.publish("a").code, ErrorCode::stopped);
  EXPECT_FALSE(subscription.active());
  subscription.reset();
  EXPECT_FALSE(receipt.id().is_nil());
  EXPECT_FALSE(kept.topic().empty());
}

TEST(Guarantee, PublishAsyncRunsNothingBeforeItReturnsAndTheReceiptTellsAll) {
  Bus bus(manual());
  std::vector<int> sync;
  auto one =
      bus.subscribe("a", [&](const Json& n) { sync.push_back(n.get<int>()); }, {.name = "one"});
  auto two = bus.subscribe(
      "a", [](const Event&) { throw std::runtime_error("broken"); },
      {.name = "two", .mode = Mode::async, .retry = busway::RetryPolicy{.max_retries = 0}});
  const Receipt first = bus.publish_async("a", Json(1));
  const Receipt second = bus.publish_async("a", Json(2));
  EXPECT_TRUE(sync.empty());
  EXPECT_EQ(first.status(), busway::EventStatus::pending);
  EXPECT_TRUE(second.wait_for(60s)) << "waiting on the thread that pumps pumps";
  EXPECT_TRUE(first.wait_for(60s));
  EXPECT_EQ(sync, (std::vector<int>{1, 2}));
  EXPECT_EQ(first.status(), busway::EventStatus::failed);
  EXPECT_EQ(first.outcomes().size(), 2U);
  EXPECT_EQ(first.result().matched, 2U);
}

TEST(Guarantee, ARequestHasTheFirstReplyOrSaysWhyNot) {
  Bus bus(manual());
  EXPECT_EQ(bus.request("price.get", Payload{}, 60s).code(), ErrorCode::no_responder);
  std::vector<bool> taken;
  auto first = bus.subscribe("price.get", [&](const Event&, Context& context) {
    taken.push_back(context.reply(Json(1)));
  });
  auto second = bus.subscribe("price.get", [&](const Event&, Context& context) {
    taken.push_back(context.reply(Json(2)));
  });
  EXPECT_EQ(bus.request("price.get", Payload{}, 60s).json(), Json(1));
  EXPECT_EQ(taken, (std::vector<bool>{true, false}));
  auto silent = bus.subscribe("stock.get", nothing, {.mode = Mode::async});
  EXPECT_EQ(bus.request("stock.get", Payload{}, 60s).code(), ErrorCode::would_block);
}

TEST(Guarantee, ASilentRequestEndsAsTimedOut) {
  Bus bus;
  auto silent = bus.subscribe("stock.get", nothing, {.mode = Mode::async});
  EXPECT_EQ(bus.request("stock.get", Payload{}, 1ms).code(), ErrorCode::timed_out);
}

// -- Subscribing ---------------------------------------------------------------------------------

TEST(Guarantee, SubscribingInAHandlerCountsFromTheNextEvent) {
  Bus bus;
  int late = 0;
  Subscription inner;
  auto outer = bus.subscribe("a", [&](const Event&) {
    if (!inner) inner = bus.subscribe("a", [&](const Event&) { ++late; });
  });
  EXPECT_EQ(bus.publish("a").matched, 1U);
  EXPECT_EQ(late, 0);
  EXPECT_EQ(bus.publish("a").matched, 2U);
  EXPECT_EQ(late, 1);
}

TEST(Guarantee, ALaterHandlerUnsubscribedInAHandlerIsNotCalled) {
  Bus bus;
  Subscription later;
  auto first = bus.subscribe("a", [&](const Event&) { later.reset(); });
  later = bus.subscribe("a", [](const Event&) { ADD_FAILURE(); });
  const PublishResult result = bus.publish("a");
  EXPECT_EQ(result.matched, 1U);
  EXPECT_EQ(result.delivered, 1U);
}

TEST(Guarantee, UnsubscribingOneselfAndPublishingInAHandlerWork) {
  Bus bus;
  int calls = 0;
  int inner = 0;
  auto listener = bus.subscribe("b", [&](const Event&) { ++inner; });
  const auto alive = std::make_shared<int>(0);
  Subscription self;
  self = bus.subscribe("a", [&, alive](const Event&) {
    self.reset();
    ++calls;
    EXPECT_GE(alive.use_count(), 2) << "the callable lives until its call is over";
    bus.publish("b");
    bus.publish("a");
  });
  bus.publish("a");
  bus.publish("a");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(inner, 1);
}

TEST(Guarantee, UnsubscribingOutsideHandlersWaitsForTheRunningCall) {
  Bus bus;
  std::atomic<bool> entered{false};
  std::atomic<bool> leave{false};
  std::atomic<bool> ended{false};
  std::atomic<bool> ended_too_early{false};
  Subscription slow = bus.subscribe("a", [&](const Event&) {
    entered = true;
    if (!eventually([&] { return leave.load(); })) return;
    ended_too_early = ended.load();
  });
  std::thread publisher([&] { bus.publish("a"); });
  ASSERT_TRUE(eventually([&] { return entered.load(); }));
  std::thread ender([&] {
    slow.reset();
    ended = true;
  });
  EXPECT_TRUE(eventually([&] { return bus.subscriptions().empty(); }));
  EXPECT_EQ(bus.publish("a").matched, 0U) << "no handler starts from now on";
  leave = true;
  ender.join();
  publisher.join();
  EXPECT_FALSE(ended_too_early);
}

TEST(Guarantee, TwoHandlersThatEndEachOtherDoNotWaitForEachOther) {
  Bus bus;
  std::atomic<int> inside{0};
  std::array<Subscription, 2> subscriptions;
  for (std::size_t i = 0; i < 2; ++i) {
    subscriptions[i] = bus.subscribe(i == 0 ? "a" : "b", [&, i](const Event&) {
      ++inside;
      if (eventually([&] { return inside == 2; })) subscriptions[1 - i].reset();
    });
  }
  std::thread other([&] { bus.publish("b"); });
  bus.publish("a");
  other.join();
  EXPECT_EQ(bus.subscriptions().size(), 0U);
}

TEST(Guarantee, OnceIsOnceHoweverManyThreadsPublish) {
  Bus bus;
  std::atomic<int> calls{0};
  std::atomic<int> ready{0};
  auto once = bus.subscribe("a", [&](const Event&) { ++calls; }, {.once = true});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ++ready;
      if (!eventually([&] { return ready == 4; })) return;
      for (int n = 0; n < 100; ++n) bus.publish("a");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(once.active());
}

TEST(Guarantee, ASubscriptionThatIsThrownAwayIsAWarningOfTheCompiler) {
  std::ifstream file(std::filesystem::path(BUSWAY_SOURCE_DIR) / "include/busway/bus.hpp");
  const std::string header(std::istreambuf_iterator<char>(file), {});
  const auto count = [&](const char* what) {
    const std::regex wanted(what);
    return std::distance(std::sregex_iterator(header.begin(), header.end(), wanted), {});
  };
  const auto all = count(R"(Subscription\s+subscribe\()");
  EXPECT_GE(all, 4);
  EXPECT_EQ(count(R"(\[\[nodiscard\]\]\s+Subscription\s+subscribe\()"), all);
}

TEST(Guarantee, DedupeDeliversAnIdOnceWithinItsWindow) {
  const auto clock = std::make_shared<busway::testing::ManualClock>();
  Bus bus({.clock = clock});
  int calls = 0;
  auto listener = bus.subscribe("a", [&](const Event&) { ++calls; }, {.dedupe = 1min});
  const Event event("a", {}, {.id = EventId{1, 2}});
  bus.publish(event);
  clock->advance(59s);
  EXPECT_EQ(bus.publish(event).matched, 0U);
  EXPECT_EQ(calls, 1);
  clock->advance(1s);
  bus.publish(event);
  EXPECT_EQ(calls, 2);
}

TEST(Guarantee, APausedSubscriptionIsPassedOverOrKeepsItsEvents) {
  Bus bus(manual());
  int sync = 0;
  int async = 0;
  auto one = bus.subscribe("a", [&](const Event&) { ++sync; });
  auto two = bus.subscribe("a", [&](const Event&) { ++async; }, {.mode = Mode::async});
  one.pause();
  two.pause();
  EXPECT_EQ(bus.publish("a").matched, 1U);
  bus.poll();
  EXPECT_EQ(async, 0);
  one.resume();
  two.resume();
  bus.poll();
  EXPECT_EQ(sync, 0);
  EXPECT_EQ(async, 1);
}

TEST(Guarantee, AListOfPatternsIsOneSubscriptionAndOneCallAnEvent) {
  Bus bus;
  int calls = 0;
  auto listener = bus.subscribe({"a.b", "a.*", "^a"}, [&](const Event&) { ++calls; });
  EXPECT_EQ(bus.publish("a.b").matched, 1U);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(bus.subscriptions().size(), 1U);
}

TEST(Guarantee, OwnersNamesAndPatternsEndWhatIsTheirs) {
  Bus bus;
  for (const char* owner : {"mailer", "mailer", "search"}) {
    bus.subscribe("a", nothing, {.name = "n", .owner = owner}).release();
  }
  bus.subscribe("b", nothing, {.owner = "search"}).release();
  bus.subscribe("a", nothing, {.name = "other", .owner = "search"}).release();
  EXPECT_EQ(bus.unsubscribe({.pattern = "b", .name = "other"}), 0U) << "all fields must fit";
  EXPECT_EQ(bus.unsubscribe({.pattern = "a", .owner = "search", .name = "other"}), 1U);
  EXPECT_EQ(bus.subscriptions("search").size(), 2U);
  EXPECT_EQ(bus.unsubscribe("a", "search"), 1U);
  EXPECT_EQ(bus.unsubscribe_all("mailer"), 2U);
  EXPECT_EQ(bus.subscriptions().size(), 1U);
  EXPECT_TRUE(bus.unsubscribe(bus.subscriptions().front().id));
  EXPECT_EQ(bus.publish("a").matched, 0U);
}

class Counting final : public busway::EventHandler {
 public:
  std::string name() const override { return "counting"; }
  std::vector<std::string> patterns() const override { return {"a", "b.*"}; }
  Outcome handle(const Event&, Context& context) override {
    EXPECT_EQ(context.subscription(), "counting");
    ++calls;
    return Outcome::done();
  }
  int calls = 0;
};

TEST(Guarantee, AHandlerObjectKnowsItsPatternsAndName) {
  Bus bus;
  const auto handler = std::make_shared<Counting>();
  Subscription subscription = bus.subscribe(handler);
  bus.publish("a");
  bus.publish("b.c");
  EXPECT_EQ(handler->calls, 2);
  EXPECT_EQ(handler.use_count(), 2);
  subscription.reset();
  EXPECT_EQ(handler.use_count(), 1);
}

TEST(Guarantee, AReplayGivesThePastBeforeTheLiveWithoutGapOrDuplicate) {
  Bus bus(manual());
  std::vector<int> seen;
  for (int n = 1; n <= 3; ++n) bus.publish("a", Json(n));
  bus.publish("b", Json(0));
  auto late = bus.subscribe("a", [&](const Json& n) { seen.push_back(n.get<int>()); },
                            {.mode = Mode::async, .replay = Replay::beginning()});
  bus.publish("a", Json(4));
  bus.poll();
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 4}));
}

// -- Circles --------------------------------------------------------------------------------------

TEST(Guarantee, ASynchronousDeliveryThatWouldCloseACircleIsReportedAsQueuedAndMade) {
  Bus bus;
  PublishResult back;
  auto host = bus.subscribe("waiter.asks", [&](const Event&) { back = bus.publish("waiter.back"); },
                            {.timeout = 1h});
  std::atomic<int> heard{0};
  auto listener = bus.subscribe("waiter.heard", [&](const Event&) { ++heard; });
  busway::PluginManager plugins(bus);
  plugins.load("static:docs_waiter");
  ASSERT_TRUE(plugins.start_all().empty());
  EXPECT_EQ(bus.publish("waiter.back").delivered, 1U) << "it is waited for where it can be";
  bus.publish("waiter.go");
  ASSERT_TRUE(plugins.wait_until_idle(60s));
  EXPECT_TRUE(back.ok()) << back.message();
  EXPECT_EQ(back.matched, 1U);
  EXPECT_EQ(back.queued, 1U);
  EXPECT_EQ(back.delivered, 0U);
  EXPECT_TRUE(eventually([&] { return heard == 2; }));
  EXPECT_TRUE(plugins.stop_all().empty());
}

// -- Looking back and stopping -------------------------------------------------------------------

TEST(Guarantee, TheHistoryHoldsTheLastEventsNewestFirstAlsoThoseNobodyListenedTo) {
  Bus bus({.history = 3});
  for (const char* topic : {"a.1", "a.2", "b.3", "a.4"}) bus.publish(topic);
  std::vector<std::string> topics;
  for (const Event& event : bus.history()) topics.emplace_back(event.topic());
  EXPECT_EQ(topics, (std::vector<std::string>{"a.4", "b.3", "a.2"}));
  EXPECT_EQ(bus.history("a.*").size(), 2U);
  EXPECT_EQ(bus.history("a.*", 1).front().topic(), "a.4");
}

TEST(Guarantee, MatchedIsTheSumOfTheOutcomesAndWhatIsInFlight) {
  Bus bus(manual());
  auto good = bus.subscribe("a", nothing);
  auto bad = bus.subscribe("*", [](const Event&) { throw std::runtime_error("x"); });
  auto full = bus.subscribe(
      "a", nothing, {.mode = Mode::async, .queue_capacity = 2, .overflow = Overflow::drop_newest});
  for (int i = 0; i < 5; ++i) bus.publish("a");
  bus.publish("nobody.else");
  const busway::Stats stats = bus.stats();
  EXPECT_EQ(stats.published, 6U);
  EXPECT_EQ(stats.delivered, 5U);
  EXPECT_EQ(stats.failed, 6U);
  EXPECT_EQ(stats.dropped, 3U);
  EXPECT_EQ(stats.in_flight, 2U);
  EXPECT_EQ(stats.matched, 16U);
  std::uint64_t matched = 0;
  for (const auto& info : bus.subscriptions()) matched += info.counters.matched;
  EXPECT_EQ(matched, 16U);
}

TEST(Guarantee, OverflowIsNeverSilent) {
  const auto overflow = [](Overflow policy) {
    Bus bus(manual());
    auto full = bus.subscribe(
        "a", nothing,
        {.name = "full", .mode = Mode::async, .queue_capacity = 1, .overflow = policy});
    bus.publish("a");
    const PublishResult result = bus.publish("a");
    EXPECT_EQ(result.dropped, 1U);
    EXPECT_EQ(bus.stats().dropped, 1U);
    return result;
  };
  const PublishResult rejected = overflow(Overflow::reject);
  EXPECT_FALSE(rejected.ok());
  EXPECT_EQ(rejected.failures.front().code, ErrorCode::queue_full);
  EXPECT_EQ(rejected.failures.front().name, "full");
  EXPECT_TRUE(overflow(Overflow::drop_newest).ok());
  EXPECT_TRUE(overflow(Overflow::drop_oldest).ok());
}

TEST(Guarantee, StopDrainsAcceptsWhatHandlersPublishAndRefusesTheRest) {
  Bus bus;
  std::atomic<int> second{0};
  auto first = bus.subscribe("a", [&](const Event&) { EXPECT_TRUE(bus.publish("b").ok()); },
                             {.mode = Mode::async});
  auto next = bus.subscribe("b", [&](const Event&) { ++second; }, {.mode = Mode::async});
  for (int i = 0; i < 100; ++i) bus.publish("a");
  EXPECT_TRUE(bus.stop(60s).ok());
  EXPECT_EQ(second, 100);
  EXPECT_EQ(bus.publish("a").code, ErrorCode::stopped);
}

TEST(Guarantee, StopReportsWhatIsLeftAtTheDeadline) {
  Bus bus(manual());
  auto paused = bus.subscribe("a", nothing, {.name = "slow", .mode = Mode::async});
  paused.pause();
  bus.publish("a");
  const busway::StopResult result = bus.stop(1ms);
  EXPECT_FALSE(result.ok());
  ASSERT_EQ(result.left.size(), 1U);
  EXPECT_EQ(result.left.front().name, "slow");
  EXPECT_EQ(result.queued(), 1U);
}

TEST(Guarantee, StopInsideAHandlerBeginsItAndReturns) {
  Bus bus;
  std::optional<busway::StopResult::Kind> kind;
  auto listener = bus.subscribe("a", [&](const Event&) { kind = bus.stop().kind; });
  bus.publish("a");
  EXPECT_EQ(kind, busway::StopResult::Kind::begun);
  EXPECT_EQ(bus.publish("a").code, ErrorCode::stopped);
}

}  // namespace
