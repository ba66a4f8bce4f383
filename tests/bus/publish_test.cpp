#include <gtest/gtest.h>

#include <stdexcept>

#include "bus_fixture.hpp"

namespace busway {
namespace {

TEST(Publish, ReachesWhatMatchesBeforeItReturns) {
  Bus bus;
  Names seen;
  const Subscription exact = note_topics(bus, "order.created", seen);
  const Subscription other = note_topics(bus, "order.paid", seen);
  const PublishResult result = bus.publish("order.created");
  EXPECT_EQ(seen, Names{"order.created"});
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.message(), "ok");
  EXPECT_EQ(result.matched, 1U);
  EXPECT_EQ(result.delivered, 1U);
  EXPECT_EQ(result.queued, 0U);
  EXPECT_FALSE(result.id.is_nil());
}

TEST(Publish, ToNobodyIsFineAndHasAnId) {
  Bus bus;
  const PublishResult first = bus.publish("a");
  const PublishResult second = bus.publish("a");
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(first.matched, 0U);
  EXPECT_LT(first.id, second.id);
}

TEST(Publish, TakesEveryForm) {
  Bus bus;
  std::vector<Event> seen;
  const Subscription all = bus.subscribe("*", [&](const Event& event) { seen.push_back(event); });
  EXPECT_TRUE(bus.publish("plain").ok());
  EXPECT_TRUE(bus.publish("json", Json{{"a", 1}}).ok());
  EXPECT_TRUE(bus.publish("json.too", Json{{"a", 1}}, {.source = "s"}).ok());
  EXPECT_TRUE(bus.publish("typed", Point{1, 2}).ok());
  EXPECT_TRUE(bus.publish("typed", Point{1, 2}, {.priority = Priority::high}).ok());
  EXPECT_TRUE(bus.publish(Point{3, 4}).ok());
  EXPECT_TRUE(bus.publish(Note{"hello", {1, 2, 3}}).ok());
  const Note note{"kept", {4}};
  EXPECT_TRUE(bus.publish(note).ok());
  EXPECT_TRUE(bus.publish(note, {.key = "k"}).ok());
  EXPECT_TRUE(bus.publish(Event("made.elsewhere", Payload::json(Json(5)))).ok());
  ASSERT_EQ(seen.size(), 10U);
  EXPECT_FALSE(seen[0].has_payload());
  EXPECT_EQ(seen[1].json(), (Json{{"a", 1}}));
  EXPECT_EQ(seen[2].source(), "s");
  EXPECT_EQ(seen[3].as<Point>().y, 2);
  EXPECT_EQ(seen[4].priority(), Priority::high);
  EXPECT_EQ(seen[5].topic(), "point.moved");
  EXPECT_EQ(seen[5].as<Point>().x, 3);
  EXPECT_EQ(seen[6].as<Note>().numbers, (std::vector{1, 2, 3}));
  EXPECT_EQ(seen[7].as<Note>().text, "kept");
  EXPECT_EQ(seen[8].key(), "k");
  EXPECT_EQ(seen[9].json(), Json(5));
  for (const Event& event : seen) {
    EXPECT_FALSE(event.id().is_nil());
    EXPECT_NE(event.time(), WallTime{});
  }
}

TEST(Publish, TakesTheOptionsOver) {
  Bus bus;
  Event seen;
  const Subscription all = bus.subscribe("a", [&](const Event& event) { seen = event; });
  const WallTime time{std::chrono::nanoseconds(123'456'789)};
  const EventId id{7, 9};
  const PublishResult result = bus.publish("a", Point{1, 2},
                                           {.source = "shop",
                                            .priority = Priority::low,
                                            .key = "k",
                                            .metadata = {{"m", 1}},
                                            .origin = Origin::frontend,
                                            .user_id = 42,
                                            .session_id = "s",
                                            .correlation_id = "c",
                                            .schema_version = 3,
                                            .id = id,
                                            .time = time});
  EXPECT_EQ(result.id, id);
  EXPECT_EQ(seen.id(), id);
  EXPECT_EQ(seen.time(), time);
  EXPECT_EQ(seen.source(), "shop");
  EXPECT_EQ(seen.priority(), Priority::low);
  EXPECT_EQ(seen.key(), "k");
  EXPECT_EQ(seen.origin(), Origin::frontend);
  EXPECT_EQ(seen.user_id(), "42");
  EXPECT_EQ(seen.session_id(), "s");
  EXPECT_EQ(seen.correlation_id(), "c");
  EXPECT_EQ(seen.schema_version(), 3);
}

TEST(Publish, KeepsTheIdAndTimeOfAnEventMadeElsewhere) {
  Bus bus;
  Event seen;
  const Subscription all = bus.subscribe("a", [&](const Event& event) { seen = event; });
  const EventId id{1, 2};
  const WallTime time{std::chrono::hours(1)};
  bus.publish(Event("a", {}, {.id = id, .time = time}));
  EXPECT_EQ(seen.id(), id);
  EXPECT_EQ(seen.time(), time);
}

TEST(Publish, RefusesWhatIsNoTopic) {
  Bus bus;
  for (const char* bad : {"", "a..b", ".a", "a.", "a b", "a*", "a>", "re:a", "exact:a"}) {
    const std::string message = error_of(ErrorCode::invalid_topic, [&] { bus.publish(bad); });
    EXPECT_FALSE(message.empty());
    error_of(ErrorCode::invalid_topic, [&] { bus.publish(bad, Point{}); });
    error_of(ErrorCode::invalid_topic, [&] { (void)bus.topic(bad); });
    error_of(ErrorCode::invalid_topic, [&] { bus.publish_async(bad); });
  }
  error_of(ErrorCode::invalid_topic, [&] { bus.publish(std::string(256, 'a')); });
  error_of(ErrorCode::invalid_topic, [&] { bus.publish(Event{}); });
  // The bus is none the worse for it.
  Names seen;
  const Subscription all = note_topics(bus, "*", seen);
  EXPECT_EQ(bus.publish(std::string(255, 'a')).delivered, 1U);
}

TEST(Publish, RefusesAPayloadAboveTheLimit) {
  Bus bus(quiet({.max_payload = 100}));
  Names seen;
  const Subscription all = note_topics(bus, "*", seen);
  const PublishResult result = bus.publish("a", Json(std::string(200, 'x')));
  EXPECT_EQ(result.code, ErrorCode::payload_too_large);
  EXPECT_FALSE(result.ok());
  EXPECT_TRUE(mentions(result.message(), "100"));
  EXPECT_EQ(bus.publish(Event("a", Payload::json(Json(std::string(200, 'x'))))).code,
            ErrorCode::payload_too_large);
  EXPECT_EQ(bus.publish_async("a", Json(std::string(200, 'x'))).result().code,
            ErrorCode::payload_too_large);
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(bus.stats().refused, 3U);
  EXPECT_EQ(bus.stats().published, 0U);
  EXPECT_TRUE(bus.publish("a", Json(std::string(50, 'x'))).ok());
}

TEST(Publish, IsRefusedByADisabledBus) {
  Bus bus(quiet({.enabled = false}));
  Names seen;
  const Subscription all = note_topics(bus, "*", seen);
  EXPECT_EQ(bus.publish("a").code, ErrorCode::disabled);
  EXPECT_EQ(bus.publish("a", Point{}).code, ErrorCode::disabled);
  EXPECT_EQ(bus.topic("a").publish().code, ErrorCode::disabled);
  EXPECT_EQ(bus.publish_async("a").result().code, ErrorCode::disabled);
  EXPECT_EQ(bus.request("a", Payload{}, kLong).code(), ErrorCode::disabled);
  EXPECT_TRUE(seen.empty());
  EXPECT_TRUE(bus.history().empty());
}

TEST(Publish, QueuesBeforeItRunsSynchronousHandlers) {
  Pumped pumped;
  std::size_t queued_when_sync_ran = 0;
  const Subscription sync = pumped.bus.subscribe(
      "a", [&](const Event&) { queued_when_sync_ran = pumped.executor->pending(); },
      {.priority = 100});
  const Subscription async =
      pumped.bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async, .priority = -100});
  const PublishResult result = pumped.bus.publish("a");
  EXPECT_EQ(queued_when_sync_ran, 1U);
  EXPECT_EQ(result.matched, 2U);
  EXPECT_EQ(result.delivered, 1U);
  EXPECT_EQ(result.queued, 1U);
}

TEST(Publish, RunsHandlersByPriorityAndThenByAge) {
  Bus bus;
  std::vector<int> order;
  std::vector<Subscription> kept;
  const auto add = [&](const Patterns& patterns, int tag, int priority) {
    kept.push_back(bus.subscribe(patterns, [&order, tag](const Event&) { order.push_back(tag); },
                                 {.priority = priority}));
  };
  add("t.x", 5, 0);
  add("t.*", 6, 0);
  add("t.x", 1, 10);
  add("re:^t\\.", 2, 10);
  add("t.x", 9, -2'000'000'000);
  add("t.x", 0, 2'000'000'000);
  add("seg:t.*", 7, 0);
  add("t.x", 8, -1);
  add("t.x", 3, 10);
  add("t.x", 4, 1);
  for (int round = 0; round < 2; ++round) {
    order.clear();
    bus.publish("t.x");
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  }
  // A hole in the middle, and a newcomer behind those of its priority.
  kept[2].reset();
  add("t.x", 33, 10);
  order.clear();
  bus.publish("t.x");
  EXPECT_EQ(order, (std::vector{0, 2, 3, 33, 4, 5, 6, 7, 8, 9}));
}

TEST(Publish, GoesOnAfterAHandlerThatThrows) {
  struct Plain {};
  Bus bus;
  int ran = 0;
  std::vector<Subscription> kept;
  const auto add = [&](auto action, const std::string& name) {
    kept.push_back(bus.subscribe("a",
                                 [&ran, action](const Event&) {
                                   ++ran;
                                   action();
                                 },
                                 {.name = name}));
  };
  add([] { throw std::runtime_error("disk\nfull"); }, "standard");
  add([] { throw 42; }, "number");
  add([] { throw Plain{}; }, "plain");
  add([] { throw Error(ErrorCode::not_found, "gone"); }, "error");
  add([] { throw "text"; }, "text");
  add([] {}, "well");
  const PublishResult result = bus.publish("a");
  EXPECT_EQ(ran, 6);
  EXPECT_EQ(result.matched, 6U);
  EXPECT_EQ(result.delivered, 1U);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.code, ErrorCode::ok);
  ASSERT_EQ(result.failures.size(), 5U);
  EXPECT_EQ(result.failures[0].name, "standard");
  EXPECT_EQ(result.failures[0].code, ErrorCode::handler_failed);
  EXPECT_EQ(result.failures[0].subscription, kept[0].id());
  EXPECT_EQ(result.failures[0].reason, "disk\\nfull");
  EXPECT_TRUE(mentions(result.failures[1].reason, "int"));
  EXPECT_TRUE(mentions(result.failures[2].reason, "Plain"));
  EXPECT_TRUE(mentions(result.failures[3].reason, "gone"));
  EXPECT_TRUE(mentions(result.failures[4].reason, "char"));
  EXPECT_TRUE(mentions(result.message(), "4 more"));
  const Stats stats = bus.stats();
  EXPECT_EQ(stats.failed, 5U);
  EXPECT_EQ(stats.delivered, 1U);
}

TEST(Publish, AllowsPublishingInAHandlerAtOnce) {
  Bus bus;
  Names order;
  const Subscription outer = bus.subscribe("outer", [&](const Event&) {
    order.emplace_back("outer begins");
    EXPECT_EQ(bus.publish("inner").delivered, 1U);
    order.emplace_back("outer ends");
  });
  const Subscription inner =
      bus.subscribe("inner", [&](const Event&) { order.emplace_back("inner"); });
  const Subscription after =
      bus.subscribe("outer", [&](const Event&) { order.emplace_back("after"); });
  bus.publish("outer");
  EXPECT_EQ(order, (Names{"outer begins", "inner", "outer ends", "after"}));
}

TEST(Publish, FromADestructorOfACallableIsNoTrap) {
  Bus bus;
  Names seen;
  const Subscription listens = note_topics(bus, "goodbye", seen);
  struct Farewell {
    Bus* bus;
    explicit Farewell(Bus& where) : bus(&where) {}
    Farewell(Farewell&& other) noexcept : bus(std::exchange(other.bus, nullptr)) {}
    Farewell(const Farewell&) = delete;
    ~Farewell() {
      if (bus != nullptr) bus->publish("goodbye");
    }
    void operator()(const Event&) const {}
  };
  Subscription one = bus.subscribe("a", Farewell(bus));
  bus.publish("a");
  one.reset();
  EXPECT_TRUE(adds_up(bus.stats()));
  EXPECT_LE(seen.size(), 1U);
}

TEST(PublishBatch, GivesOneResultAnEventInOrder) {
  Bus bus(quiet());
  Names seen;
  const Subscription all = note_topics(bus, "a.*", seen);
  const Subscription bad = bus.subscribe("a.2", [](const Event&) { throw 42; });
  const std::vector<Event> events{Event("a.1"), Event("a.2"), Event("b.3")};
  const std::vector<PublishResult> results = bus.publish_batch(events);
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(seen, (Names{"a.1", "a.2"}));
  EXPECT_TRUE(results[0].ok());
  EXPECT_FALSE(results[1].ok());
  EXPECT_EQ(results[1].matched, 2U);
  EXPECT_EQ(results[2].matched, 0U);
  EXPECT_TRUE(bus.publish_batch({}).empty());
}

TEST(PublishBatch, WithSomethingThatIsNoEventPublishesNothing) {
  Bus bus;
  Names seen;
  const Subscription all = note_topics(bus, "*", seen);
  const std::vector<Event> events{Event("a"), Event{}, Event("b")};
  const std::string message =
      error_of(ErrorCode::invalid_topic, [&] { bus.publish_batch(events); });
  EXPECT_TRUE(mentions(message, "1"));
  EXPECT_TRUE(seen.empty());
}

// -- Filters of the bus ---------------------------------------------------------------------------

TEST(BusFilter, KeepsAnEventFromEverybody) {
  Bus bus;
  Names seen;
  const Subscription all = note_topics(bus, "*", seen);
  bus.add_filter("no secrets", [](const Event& event) { return event.topic() != "secret"; });
  const PublishResult result = bus.publish("secret");
  EXPECT_EQ(result.code, ErrorCode::filtered);
  EXPECT_EQ(result.matched, 0U);
  EXPECT_FALSE(result.ok());
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures[0].name, "no secrets");
  EXPECT_TRUE(mentions(result.message(), "no secrets"));
  EXPECT_TRUE(bus.publish("open").ok());
  EXPECT_EQ(bus.publish("secret", Point{}).code, ErrorCode::filtered);
  EXPECT_EQ(bus.publish("secret", Point{}, {.key = "k"}).code, ErrorCode::filtered);
  EXPECT_EQ(bus.publish(Event("secret")).code, ErrorCode::filtered);
  EXPECT_EQ(bus.topic("secret").publish().code, ErrorCode::filtered);
  EXPECT_EQ(bus.publish_async("secret").result().code, ErrorCode::filtered);
  EXPECT_EQ(bus.request("secret", Payload{}, kLong).code(), ErrorCode::filtered);
  EXPECT_EQ(seen, Names{"open"});
  EXPECT_EQ(bus.stats().filtered, 7U);
  EXPECT_EQ(bus.stats().published, 1U);
  EXPECT_EQ(bus.history().size(), 1U);
  EXPECT_TRUE(bus.remove_filter("no secrets"));
  EXPECT_FALSE(bus.remove_filter("no secrets"));
  EXPECT_TRUE(bus.publish("secret").ok());
}

TEST(BusFilter, SeesTheOptionsOfTheEvent) {
  Bus bus;
  bus.add_filter("keyed",
                 [](const Event& event) { return event.key() == "k" && event.source() == "s"; });
  EXPECT_TRUE(bus.publish("a", Point{}, {.source = "s", .key = "k"}).ok());
  EXPECT_FALSE(bus.publish("a", Point{}, {.source = "s"}).ok());
}

TEST(BusFilter, ThatThrowsRejects) {
  Bus bus;
  Names seen;
  const Subscription all = note_topics(bus, "*", seen);
  bus.add_filter("bad", [](const Event& event) -> bool {
    if (event.topic() == "a") throw std::runtime_error("broken");
    throw 42;
  });
  EXPECT_TRUE(mentions(bus.publish("a").message(), "broken"));
  EXPECT_EQ(bus.publish("b").code, ErrorCode::filtered);
  EXPECT_TRUE(seen.empty());
}

TEST(BusFilter, ThatPublishesItselfIsEndedBeforeTheThreadIs) {
  Bus bus(quiet());
  std::size_t calls = 0;
  bus.add_filter("endless", [&](const Event&) {
    ++calls;
    bus.publish("again");
    return true;
  });
  bus.publish("a");
  EXPECT_GT(calls, 1U);
  EXPECT_LT(calls, 10'000U);
  bus.remove_filter("endless");
  EXPECT_TRUE(bus.publish("a").ok());
}

TEST(BusFilter, NeedsANameOfItsOwnAndAPredicate) {
  Bus bus;
  const auto pass = [](const Event&) { return true; };
  bus.add_filter("one", pass);
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::already_exists, [&] { bus.add_filter("one", pass); }), "one"));
  error_of(ErrorCode::invalid_argument, [&] { bus.add_filter("", pass); });
  error_of(ErrorCode::invalid_argument, [&] { bus.add_filter("two", nullptr); });
  for (std::size_t i = 1; i < limits::kFiltersMax; ++i)
    bus.add_filter("f" + std::to_string(i), pass);
  error_of(ErrorCode::too_many, [&] { bus.add_filter("more", pass); });
}

TEST(BusFilter, MayBeRemovedByItselfWhileItRuns) {
  Bus bus;
  Names seen;
  const Subscription all = note_topics(bus, "*", seen);
  bus.add_filter("once", [&](const Event&) {
    bus.remove_filter("once");
    return false;
  });
  EXPECT_FALSE(bus.publish("a").ok());
  EXPECT_TRUE(bus.publish("b").ok());
}

// -- The hop limit --------------------------------------------------------------------------------

TEST(Hops, NameTheCauseOfAnEvent) {
  Bus bus;
  Event outer;
  Event inner;
  const Subscription a = bus.subscribe("a", [&](const Event& event) {
    outer = event;
    bus.publish("b");
  });
  const Subscription b = bus.subscribe("b", [&](const Event& event) { inner = event; });
  bus.publish("a");
  EXPECT_EQ(outer.hops(), 0);
  EXPECT_TRUE(outer.causation_id().is_nil());
  EXPECT_EQ(inner.hops(), 1);
  EXPECT_EQ(inner.causation_id(), outer.id());
}

TEST(Hops, EndALoopOfSynchronousHandlers) {
  std::vector<std::string> logged;
  Bus bus(
      {.max_hops = 5, .log = [&](LogLevel, std::string_view message, std::span<const LogField>) {
         logged.emplace_back(message);
       }});
  int calls = 0;
  ErrorCode last = ErrorCode::ok;
  const Subscription a = bus.subscribe("a", [&](const Event&) {
    ++calls;
    last = bus.publish("b").code;
  });
  const Subscription b = bus.subscribe("b", [&](const Event&) {
    ++calls;
    last = bus.publish("a").code;
  });
  EXPECT_TRUE(bus.publish("a").ok());
  EXPECT_EQ(calls, 6);
  EXPECT_EQ(bus.stats().refused, 1U);
  EXPECT_EQ(logged.size(), 1U);
  // The next chain has all its hops again.
  bus.publish("a");
  EXPECT_EQ(calls, 12);
}

TEST(Hops, AreLimitedForEveryFormOfPublish) {
  Bus bus(quiet({.max_hops = 1}));
  std::vector<ErrorCode> codes;
  const Topic handle = bus.topic("c");
  const Subscription b = bus.subscribe("b", [&](const Event&, Context& context) {
    codes.push_back(bus.publish("c").code);
    codes.push_back(bus.publish("c", Point{}).code);
    codes.push_back(bus.publish("c", Point{}, {.key = "k"}).code);
    codes.push_back(bus.publish(Event("c")).code);
    codes.push_back(handle.publish().code);
    codes.push_back(handle.publish(Point{}).code);
    codes.push_back(bus.publish_async("c").result().code);
    codes.push_back(bus.request("c", Payload{}, kLong).code());
    codes.push_back(context.publish("c").code);
  });
  const Subscription a = bus.subscribe("a", [&](const Event&) { bus.publish("b"); });
  bus.publish("a");
  EXPECT_EQ(codes, std::vector(9, ErrorCode::hop_limit));
}

TEST(Hops, AreCountedThroughMailboxes) {
  Pumped pumped(BusOptions{.max_hops = 7});
  int calls = 0;
  const Subscription loop = pumped.bus.subscribe("a",
                                                 [&](const Event& event) {
                                                   EXPECT_EQ(event.hops(), calls);
                                                   ++calls;
                                                   pumped.bus.publish("a");
                                                 },
                                                 {.mode = Mode::async});
  pumped.bus.publish("a");
  pumped.executor->run();
  EXPECT_EQ(calls, 8);
}

TEST(Hops, AreCountedThroughPublishAsync) {
  Pumped pumped(BusOptions{.max_hops = 7});
  int calls = 0;
  const Subscription loop = pumped.bus.subscribe("a", [&](const Event&) {
    ++calls;
    pumped.bus.publish_async("a");
  });
  pumped.bus.publish("a");
  pumped.executor->run();
  EXPECT_EQ(calls, 8);
}

TEST(Hops, AreCountedThroughAnotherBusOfTheProcess) {
  Bus one(quiet({.max_hops = 7}));
  Bus two(quiet({.max_hops = 7}));
  int calls = 0;
  const Subscription there = one.subscribe("a", [&](const Event& event) {
    ++calls;
    two.publish(event);  // forwarded as it is
  });
  const Subscription back = two.subscribe("a", [&](const Event&) {
    ++calls;
    one.publish("a");
  });
  one.publish("a");
  EXPECT_EQ(calls, 8);
}

TEST(Hops, AreCountedOnAThreadThatPublishesThroughTheContext) {
  Bus bus(quiet({.max_hops = 4}));
  std::atomic<int> calls{0};
  std::vector<int> hops;
  const Subscription loop = bus.subscribe("a", [&](const Event& event, Context& context) {
    ++calls;
    hops.push_back(event.hops());
    std::thread([&] { context.publish("a"); }).join();
  });
  bus.publish("a");
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(hops, (std::vector{0, 1, 2, 3, 4}));
}

TEST(Hops, OfAThreadThatPublishesByItselfBeginAnew) {
  Bus bus(quiet());
  int hops = -1;
  bool cause = true;
  const Subscription a =
      bus.subscribe("a", [&](const Event&) { std::thread([&] { bus.publish("b"); }).join(); });
  const Subscription b = bus.subscribe("b", [&](const Event& event) {
    hops = event.hops();
    cause = !event.causation_id().is_nil();
  });
  bus.publish("a");
  EXPECT_EQ(hops, 0);
  EXPECT_FALSE(cause);
}

TEST(Hops, OfTheWidestLimitFitTheFrames) {
  Bus bus(quiet({.max_hops = limits::kHopsMax}));
  int calls = 0;
  const Subscription loop = bus.subscribe("a", [&](const Event&) {
    ++calls;
    bus.publish("a");
  });
  bus.publish("a");
  EXPECT_EQ(calls, int{limits::kHopsMax} + 1);
}

TEST(Publish, NoPayloadIsWrittenAsBraces) {
  Bus bus;
  std::vector<std::string> keys;
  const Subscription all = bus.subscribe("a", [&](const Event& event) {
    EXPECT_FALSE(event.has_payload());
    keys.emplace_back(event.key());
  });
  EXPECT_TRUE(bus.publish("a", {}).ok());
  EXPECT_TRUE(bus.publish("a", {}, {.key = "bus"}).ok());
  EXPECT_TRUE(bus.topic("a").publish({}, {.key = "topic"}).ok());
  EXPECT_TRUE(bus.publisher("shop").publish("a", {}, {.key = "publisher"}).ok());
  EXPECT_TRUE(bus.publish_async("a", {}, {.key = "async"}).wait_for(std::chrono::minutes(1)));
  EXPECT_EQ(keys, (std::vector<std::string>{"", "bus", "topic", "publisher", "async"}));
}

}  // namespace
}  // namespace busway
