#include <gtest/gtest.h>

#include <algorithm>

#include "bus_fixture.hpp"

namespace busway {
namespace {

// -- What a handler may look like -----------------------------------------------------------------

int free_calls = 0;
void free_handler(const Event&) { ++free_calls; }
void free_handler_of_point(const Point& point, Context&) { free_calls += point.x; }

TEST(Handler, TakesAnEventATypeOrJsonEachWithOrWithoutContext) {
  Bus bus;
  Names calls;
  std::vector<Subscription> kept;
  kept.push_back(bus.subscribe("point.moved", [&](const Event&) { calls.emplace_back("event"); }));
  kept.push_back(bus.subscribe("point.moved", [&](const Event& event, Context& context) {
    EXPECT_EQ(&context.event(), &event);
    EXPECT_EQ(context.attempt(), 1U);
    EXPECT_FALSE(context.deadline());
    EXPECT_FALSE(context.history_was_cut());
    EXPECT_EQ(context.subscription(), "point.moved");
    calls.emplace_back("event+context");
  }));
  kept.push_back(bus.subscribe("point.moved", [&](const Point& point) {
    EXPECT_EQ(point.x, 1);
    calls.emplace_back("type");
  }));
  kept.push_back(bus.subscribe("point.moved", [&](const Point& point, Context&) {
    EXPECT_EQ(point.y, 2);
    calls.emplace_back("type+context");
  }));
  kept.push_back(bus.subscribe("point.moved", [&](const Json& json) {
    EXPECT_EQ(json, (Json{{"x", 1}, {"y", 2}}));
    calls.emplace_back("json");
  }));
  kept.push_back(bus.subscribe("point.moved",
                               [&](const Json&, Context&) { calls.emplace_back("json+context"); }));
  kept.push_back(bus.subscribe<Point>([&](const Point&) { calls.emplace_back("own topic"); }));
  kept.push_back(bus.subscribe<Point>("point.*", [&](const auto& point) {
    calls.push_back("many topics " + std::to_string(point.x));
  }));
  const PublishResult result = bus.publish(Point{1, 2});
  EXPECT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(calls, (Names{"event", "event+context", "type", "type+context", "json", "json+context",
                          "own topic", "many topics 1"}));
}

TEST(Handler, OfABuiltInTypeIsRefusedBeforeItsPayloadIsLookedAt) {
  static_assert(!detail::HandlerArgument<int> && !detail::HandlerArgument<const char*>);
  static_assert(detail::HandlerArgument<Event> && detail::HandlerArgument<Json>);
}

TEST(Handler, MayBeAFunctionAStdFunctionOrAMoveOnlyObject) {
  Bus bus;
  free_calls = 0;
  const Subscription one = bus.subscribe("point.moved", &free_handler);
  const Subscription two = bus.subscribe("point.moved", free_handler_of_point);
  int calls = 0;
  const std::function<void(const Event&)> function = [&](const Event&) { ++calls; };
  const Subscription three = bus.subscribe("point.moved", function);
  auto owned = std::make_unique<int>(7);
  const Subscription four = bus.subscribe(
      "point.moved", [&, owned = std::move(owned)](const Event&) mutable { calls += ++*owned; });
  EXPECT_TRUE(bus.publish(Point{5, 0}).ok());
  EXPECT_EQ(free_calls, 6);
  EXPECT_EQ(calls, 9);
}

TEST(Handler, SaysHowItEndedByItsOutcome) {
  Bus bus;
  const Subscription done = bus.subscribe("a", [](const Event&) { return Outcome::done(); });
  const Subscription fail =
      bus.subscribe("a", [](const Event&, Context&) { return Outcome::fail("no stock"); });
  const Subscription dead =
      bus.subscribe("a", [](const Event&) { return Outcome::dead_letter("poison"); });
  const Subscription retry =
      bus.subscribe("a", [](const Event&) { return Outcome::retry(std::chrono::seconds(1)); });
  const Subscription mute = bus.subscribe("a", [](const Event&) { return Outcome::fail(""); });
  const PublishResult result = bus.publish("a");
  EXPECT_EQ(result.delivered, 1U);
  ASSERT_EQ(result.failures.size(), 4U);
  EXPECT_EQ(result.failures[0].reason, "no stock");
  EXPECT_EQ(result.failures[1].reason, "poison");
  EXPECT_TRUE(mentions(result.failures[2].reason, "another attempt"));
  EXPECT_FALSE(result.failures[3].reason.empty());
}

TEST(Handler, OfATypeThatTheEventIsNotFailsWithBothNames) {
  Bus bus;
  int calls = 0;
  const Subscription point = bus.subscribe<Point>("*", [&](const Point&) { ++calls; });
  const PublishResult note = bus.publish(Note{"x", {}});
  ASSERT_EQ(note.failures.size(), 1U);
  EXPECT_EQ(note.failures[0].code, ErrorCode::payload_type);
  EXPECT_TRUE(mentions(note.failures[0].reason, "point.moved"));
  EXPECT_TRUE(mentions(note.failures[0].reason, "note.added"));
  const PublishResult nothing = bus.publish("empty");
  ASSERT_EQ(nothing.failures.size(), 1U);
  EXPECT_EQ(nothing.failures[0].code, ErrorCode::payload_type);
  EXPECT_EQ(bus.publish("json", Json{{"x", "text"}}).failures.size(), 1U);
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(bus.publish("json", Json{{"x", 1}, {"y", 2}}).ok());
  EXPECT_EQ(calls, 1);
}

TEST(Handler, MayBeAnObjectThatKnowsItsPatterns) {
  struct Mailer final : EventHandler {
    std::string name() const override { return "mailer"; }
    std::vector<std::string> patterns() const override { return {"user.*", "order.paid"}; }
    Outcome handle(const Event& event, Context& context) override {
      seen.emplace_back(event.topic());
      EXPECT_EQ(context.subscription(), "mailer");
      return event.topic() == "user.bad" ? Outcome::fail("bad") : Outcome::done();
    }
    Names seen;
  };
  Bus bus;
  auto mailer = std::make_shared<Mailer>();
  const std::weak_ptr<Mailer> watched = mailer;
  Subscription one = bus.subscribe(mailer);
  EXPECT_TRUE(bus.publish("user.joined").ok());
  EXPECT_FALSE(bus.publish("user.bad").ok());
  EXPECT_TRUE(bus.publish("order.paid").ok());
  EXPECT_EQ(bus.publish("order.sent").matched, 0U);
  EXPECT_EQ(mailer->seen, (Names{"user.joined", "user.bad", "order.paid"}));
  EXPECT_EQ(bus.subscriptions().at(0).name, "mailer");
  mailer.reset();
  one.reset();
  EXPECT_TRUE(watched.expired());
  error_of(ErrorCode::invalid_argument,
           [&] { (void)bus.subscribe(std::shared_ptr<EventHandler>()); });
}

TEST(Handler, ThatIsEmptyIsRefusedAtOnce) {
  Bus bus;
  error_of(ErrorCode::invalid_argument,
           [&] { (void)bus.subscribe("a", std::function<void(const Event&)>()); });
  void (*const none)(const Event&) = nullptr;
  error_of(ErrorCode::invalid_argument, [&] { (void)bus.subscribe("a", none); });
  EXPECT_TRUE(bus.subscriptions().empty());
}

// -- Patterns -------------------------------------------------------------------------------------

TEST(Subscribe, TakesEveryKindOfPattern) {
  Bus bus;
  Names seen;
  std::vector<Subscription> kept;
  const auto add = [&](const Patterns& patterns, std::string tag) {
    kept.push_back(bus.subscribe(patterns, [&seen, tag](const Event&) { seen.push_back(tag); }));
  };
  add("public.users.create", "exact");
  add("public.*", "glob");
  add("seg:*.*.create", "segments");
  add("^public\\.(users|orders)\\.", "regex");
  add("*", "all");
  add(Pattern::segments("public.**"), "segments object");
  add(Pattern::exact("public.users.create"), "exact object");
  add("exact:public.users.create", "exact text");
  add("public.users.delete", "other");
  EXPECT_EQ(bus.publish("public.users.create").delivered, 8U);
  EXPECT_EQ(seen, (Names{"exact", "glob", "segments", "regex", "all", "segments object",
                         "exact object", "exact text"}));
}

TEST(Subscribe, ReadsWildcardsAsTheBusSays) {
  Bus bus({.wildcards = Wildcards::segments});
  Names seen;
  const Subscription one = note_topics(bus, "a.*", seen);
  const Subscription all = note_topics(bus, "*", seen);
  EXPECT_EQ(bus.publish("a.b").matched, 2U);
  EXPECT_EQ(bus.publish("a.b.c").matched, 1U);
}

TEST(Subscribe, WithAListIsOneSubscriptionAndOneCallAnEvent) {
  Bus bus;
  int calls = 0;
  Subscription one =
      bus.subscribe({"order.*", "order.created", "exact:order.created", "re:order", "invoice.sent"},
                    [&](const Event&) { ++calls; });
  EXPECT_EQ(bus.publish("order.created").matched, 1U);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(bus.publish("invoice.sent").matched, 1U);
  EXPECT_EQ(bus.publish("invoice.paid").matched, 0U);
  ASSERT_EQ(bus.subscriptions().size(), 1U);
  EXPECT_EQ(bus.subscriptions()[0].patterns.size(), 4U);
  one.reset();
  EXPECT_EQ(bus.publish("order.created").matched, 0U);
  EXPECT_EQ(bus.publish("invoice.sent").matched, 0U);
}

TEST(Subscribe, WithAListOfExactNamesWorksInEitherOrder) {
  Bus bus;
  int calls = 0;
  bus.publish("a");  // its route is known before
  const std::vector<std::string> list{"a", "b"};
  Subscription one = bus.subscribe(list, [&](const Event&) { ++calls; });
  bus.publish("a");
  bus.publish("b");
  EXPECT_EQ(calls, 2);
  one.reset();
  bus.publish("a");
  bus.publish("b");
  EXPECT_EQ(calls, 2);
}

TEST(Subscribe, RefusesBadPatternsByName) {
  Bus bus;
  const auto handler = [](const Event&) {};
  for (const char* bad : {"", "a..b", "input..*", "seg:phase.s*", "re:(", "a b", "exact:room.*"}) {
    error_of(ErrorCode::invalid_pattern, [&] { (void)bus.subscribe(bad, handler); });
    error_of(ErrorCode::invalid_pattern, [&] { (void)bus.subscribe({"good", bad}, handler); });
  }
  error_of(ErrorCode::invalid_pattern,
           [&] { (void)bus.subscribe(std::vector<std::string>{}, handler); });
  const std::vector<std::string> many(limits::kPatternsPerSubscriptionMax + 1, "a");
  error_of(ErrorCode::too_many, [&] { (void)bus.subscribe(many, handler); });
  EXPECT_TRUE(bus.subscriptions().empty());
  EXPECT_EQ(bus.stats().subscriptions, 0U);
}

TEST(Subscribe, RefusesAnExactPatternThatNoTopicCanBeHoweverItIsWritten) {
  Bus bus;
  const auto handler = [](const Event&) {};
  const std::string made = error_of(
      ErrorCode::invalid_pattern, [&] { (void)bus.subscribe(Pattern::exact("room.*"), handler); });
  const std::string written =
      error_of(ErrorCode::invalid_pattern, [&] { (void)bus.subscribe("exact:room.*", handler); });
  EXPECT_EQ(written, made);
  EXPECT_TRUE(mentions(written, "exact pattern \"room.*\"")) << written;
}

// -- When it counts -------------------------------------------------------------------------------

TEST(Subscribe, InAHandlerCountsFromTheNextEvent) {
  for (const char* pattern : {"a", "*", "seg:a", "re:^a$"}) {
    Bus bus;
    std::vector<Subscription> kept;
    int late = 0;
    const Subscription first = bus.subscribe("a", [&](const Event&) {
      if (kept.empty()) kept.push_back(bus.subscribe(pattern, [&](const Event&) { ++late; }));
    });
    EXPECT_EQ(bus.publish("a").matched, 1U) << pattern;
    EXPECT_EQ(late, 0) << pattern;
    EXPECT_EQ(bus.publish("a").matched, 2U) << pattern;
    EXPECT_EQ(late, 1) << pattern;
  }
}

TEST(Subscribe, InAHandlerIsSeenByAnEventPublishedThere) {
  Bus bus;
  Subscription late;
  int calls = 0;
  const Subscription first = bus.subscribe("a", [&](const Event& event) {
    if (event.hops() != 0) return;
    late = bus.subscribe("a", [&](const Event& inner) { calls += inner.hops() == 1 ? 1 : 100; });
    bus.publish("a");
  });
  bus.publish("a");
  EXPECT_EQ(calls, 1);
}

TEST(Unsubscribe, OfALaterHandlerInAHandlerPreventsItsCall) {
  for (const char* pattern : {"a", "*", "re:^a"}) {
    Bus bus;
    int calls = 0;
    Subscription victim;
    const Subscription first =
        bus.subscribe("a", [&](const Event&) { victim.reset(); }, {.priority = 1});
    victim = bus.subscribe(pattern, [&](const Event&) { ++calls; });
    const PublishResult result = bus.publish("a");
    EXPECT_EQ(calls, 0) << pattern;
    EXPECT_EQ(result.matched, 1U) << pattern;
    EXPECT_EQ(result.delivered, 1U) << pattern;
    EXPECT_EQ(bus.publish("a").matched, 1U) << pattern;
    EXPECT_TRUE(adds_up(bus.stats()));
    EXPECT_EQ(bus.stats().matched, 2U);
  }
}

TEST(Unsubscribe, ReachesAnOuterEventThatIsStillBeingDispatched) {
  Bus bus;
  int calls = 0;
  Subscription victim;
  const Subscription first = bus.subscribe("a", [&](const Event& event) {
    if (event.hops() == 0) bus.publish("inner");
  });
  const Subscription inner = bus.subscribe("inner", [&](const Event&) { victim.reset(); });
  victim = bus.subscribe("a", [&](const Event&) { ++calls; });
  EXPECT_EQ(bus.publish("a").matched, 1U);
  EXPECT_EQ(calls, 0);
}

TEST(Unsubscribe, ByIdPatternOwnerAndQuery) {
  Bus bus;
  Names seen;
  const auto add = [&](const Patterns& patterns, std::string owner, std::string name) {
    return note_topics(bus, patterns, seen, {.name = std::move(name), .owner = std::move(owner)})
        .release();
  };
  const SubscriptionId first = add("a", "shop", "one");
  add("a", "shop", "two");
  add("a.*", "shop", "three");
  add("a", "bank", "four");
  add({"a.*", "b"}, "bank", "five");
  add("a", "", "six");
  EXPECT_EQ(bus.subscriptions().size(), 6U);
  EXPECT_EQ(bus.subscriptions("shop").size(), 3U);
  EXPECT_EQ(bus.subscriptions("nobody").size(), 0U);

  EXPECT_TRUE(bus.unsubscribe(first));
  EXPECT_FALSE(bus.unsubscribe(first));
  EXPECT_FALSE(bus.unsubscribe(SubscriptionId{0}));
  EXPECT_FALSE(bus.unsubscribe(~SubscriptionId{0}));
  EXPECT_EQ(bus.unsubscribe("a", "shop"), 1U);
  EXPECT_EQ(bus.unsubscribe("a", "shop"), 0U);
  EXPECT_EQ(bus.unsubscribe("a.b", "shop"), 0U);
  EXPECT_EQ(bus.unsubscribe({.pattern = "b"}), 1U);
  EXPECT_EQ(bus.unsubscribe({.owner = "bank", .name = "six"}), 0U);
  EXPECT_EQ(bus.unsubscribe({.name = "six"}), 1U);
  EXPECT_EQ(bus.unsubscribe_all("shop"), 1U);
  EXPECT_EQ(bus.unsubscribe_all("bank"), 1U);
  EXPECT_TRUE(bus.subscriptions().empty());
  EXPECT_EQ(bus.publish("a").matched, 0U);
  EXPECT_EQ(bus.publish("a.b").matched, 0U);
  error_of(ErrorCode::invalid_argument, [&] { bus.unsubscribe_all(""); });
  error_of(ErrorCode::invalid_argument, [&] { bus.unsubscribe(SubscriptionQuery{}); });
}

TEST(Unsubscribe, ByAPatternInTheWordsItWasMadeWith) {
  for (const char* text : {"a.b", "exact:a.b", "a.*", "glob:a.*", "seg:a.*", "re:^a", "^a\\.b$"}) {
    Bus bus;
    bus.subscribe(text, [](const Event&) {}, {.owner = "o"}).release();
    EXPECT_EQ(bus.unsubscribe(text, "o"), 1U) << text;
  }
}

TEST(Unsubscribe, AllOfAnOwnerEndsManyAtOnce) {
  Bus bus;
  int calls = 0;
  for (int i = 0; i < 2000; ++i) {
    bus.subscribe("t." + std::to_string(i % 50), [&](const Event&) { ++calls; },
                  {.owner = "plugin"})
        .release();
  }
  const Subscription other = bus.subscribe("t.7", [&](const Event&) { ++calls; });
  EXPECT_EQ(bus.publish("t.7").matched, 41U);
  EXPECT_EQ(bus.unsubscribe_all("plugin"), 2000U);
  calls = 0;
  for (int i = 0; i < 50; ++i) bus.publish("t." + std::to_string(i));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(bus.stats().subscriptions, 1U);
}

TEST(Subscriptions, TellWhatTheyAre) {
  Pumped pumped;
  Bus& bus = pumped.bus;
  Subscription one =
      bus.subscribe("a", [](const Event&) {}, {.name = "one", .owner = "shop", .priority = 5});
  Subscription two =
      bus.subscribe({"b.*", "c"}, [](const Event&) {}, {.mode = Mode::async, .queue_capacity = 7});
  bus.publish("c");
  two.pause();
  const std::vector<SubscriptionInfo> all = bus.subscriptions();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].id, one.id());
  EXPECT_EQ(all[0].patterns, Names{"a"});
  EXPECT_EQ(all[0].name, "one");
  EXPECT_EQ(all[0].owner, "shop");
  EXPECT_EQ(all[0].priority, 5);
  EXPECT_EQ(all[0].mode, Mode::sync);
  EXPECT_EQ(all[0].state, SubscriptionInfo::State::active);
  EXPECT_EQ(all[1].patterns, (Names{"b.*", "c"}));
  EXPECT_EQ(all[1].mode, Mode::async);
  EXPECT_EQ(all[1].state, SubscriptionInfo::State::paused);
  EXPECT_EQ(all[1].queued, 1U);
  EXPECT_EQ(all[1].queue_capacity, 7U);
  EXPECT_EQ(all[1].counters.in_flight, 1U);
}

// -- Many -----------------------------------------------------------------------------------------

TEST(Subscribe, FortyThousandListenersOfOneNameComeAndGoInAnyOrder) {
  constexpr std::size_t kMany = 40'000;
  Bus bus;
  std::size_t calls = 0;
  std::vector<Subscription> kept;
  kept.reserve(kMany);
  for (std::size_t i = 0; i < kMany; ++i) {
    kept.push_back(bus.subscribe("popular", [&](const Event&) { ++calls; }));
    if (i % 5000 == 0) bus.publish("popular");
  }
  calls = 0;
  EXPECT_EQ(bus.publish("popular").delivered, kMany);
  EXPECT_EQ(calls, kMany);
  // Every third goes, with publishes between.
  std::size_t left = kMany;
  for (std::size_t i = 0; i < kMany; i += 3) {
    kept[i].reset();
    --left;
    if (i % 3000 == 0) {
      EXPECT_EQ(bus.publish("popular").matched, left);
    }
  }
  calls = 0;
  EXPECT_EQ(bus.publish("popular").matched, left);
  EXPECT_EQ(calls, left);
  EXPECT_EQ(bus.stats().subscriptions, left);
  kept.clear();
  EXPECT_EQ(bus.publish("popular").matched, 0U);
  EXPECT_TRUE(adds_up(bus.stats()));
}

TEST(Subscribe, ToOneNameThatComesAndGoesOftenKeepsItsRouteSmall) {
  Bus bus;
  int calls = 0;
  const Subscription stays = bus.subscribe("a", [&](const Event&) { ++calls; });
  for (int i = 0; i < 20'000; ++i) {
    const Subscription brief = bus.subscribe("a", [&](const Event&) { ++calls; });
    if (i % 3 == 0) {
      EXPECT_EQ(bus.publish("a").matched, 2U);
    }
  }
  EXPECT_EQ(bus.publish("a").matched, 1U);
  const Stats stats = bus.stats();
  EXPECT_TRUE(adds_up(stats));
  EXPECT_EQ(stats.delivered, static_cast<std::uint64_t>(calls));
}

TEST(Subscribe, WildcardsThatComeAndGoWhilePublishingGiveTheRightMatches) {
  static constexpr std::string_view kPatterns[] = {
      "a",           "a.b",      "a.*",     "*",         "seg:*.b",   "seg:a.**",  "re:^a",
      "re:b$",       "a.[bc]",   "?.b",     "*.c",       "seg:*.*.c", "(?i)A\\.B", "x.y.z",
      "re:(a|x)\\.", "glob:*y*", "seg:x.*", "exact:a.b", "re:[a-c]$", "x.*.z"};
  static constexpr std::string_view kTopics[] = {"a",   "b",   "a.b",   "a.c", "x.y.z",
                                                 "x.y", "b.b", "a.b.c", "A.B", "c"};
  Bus bus;
  std::uint32_t random = 12345;
  const auto below = [&](std::size_t n) {
    random = random * 1664525U + 1013904223U;
    return (random >> 8U) % n;
  };
  struct Live {
    Pattern pattern;
    std::shared_ptr<int> calls;
    Subscription subscription;
  };
  std::vector<Live> live;
  for (int step = 0; step < 6000; ++step) {
    const std::size_t what = below(4);
    if (what == 0 && live.size() < 40) {
      const std::string_view text = kPatterns[below(std::size(kPatterns))];
      auto calls = std::make_shared<int>(0);
      Subscription one = bus.subscribe(text, [calls](const Event&) { ++*calls; });
      live.push_back({Pattern::parse(text), calls, std::move(one)});
    } else if (what == 1 && !live.empty()) {
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(below(live.size())));
    } else {
      const std::string_view topic = kTopics[below(std::size(kTopics))];
      for (Live& one : live) *one.calls = 0;
      const PublishResult result = bus.publish(topic);
      std::uint32_t expected = 0;
      for (const Live& one : live) {
        const bool matches = one.pattern.matches(topic);
        expected += matches ? 1 : 0;
        ASSERT_EQ(*one.calls, matches ? 1 : 0)
            << to_string(one.pattern) << " and " << topic << " at " << step;
      }
      ASSERT_EQ(result.matched, expected) << topic;
    }
  }
  EXPECT_TRUE(adds_up(bus.stats()));
}

// -- Topics without end ---------------------------------------------------------------------------

TEST(Topics, WithoutEndAreCountedAndForgotten) {
  Bus bus;
  std::uint64_t calls = 0;
  const Subscription all = bus.subscribe("*", [&](const Event&) { ++calls; });
  constexpr std::uint64_t kMany = 200'000;
  for (std::uint64_t i = 0; i < kMany; ++i) bus.publish("user." + std::to_string(i));
  const Stats stats = bus.stats();
  EXPECT_EQ(calls, kMany);
  EXPECT_EQ(stats.published, kMany);
  EXPECT_EQ(stats.delivered, kMany);
  EXPECT_TRUE(adds_up(stats));
  ASSERT_LE(stats.topics.size(), limits::kCountedTopicsMax + 1);
  EXPECT_EQ(stats.topics.back().topic, "other");
  std::uint64_t published = 0;
  std::uint64_t matched = 0;
  for (const TopicStats& topic : stats.topics) {
    published += topic.published;
    matched += topic.matched;
  }
  EXPECT_EQ(published, kMany);
  EXPECT_EQ(matched, kMany);
  EXPECT_EQ(info_of(bus, all.id()).counters.matched, kMany);
  // One that was forgotten works again, also with a listener of its own.
  int own = 0;
  const Subscription exact = bus.subscribe("user.5", [&](const Event&) { ++own; });
  EXPECT_EQ(bus.publish("user.5").matched, 2U);
  EXPECT_EQ(bus.publish("user.6").matched, 1U);
  EXPECT_EQ(own, 1);
}

TEST(Topics, WithAListenerOrAHandleAreNotForgotten) {
  Bus bus;
  int calls = 0;
  const Subscription exact = bus.subscribe("kept.by.listener", [&](const Event&) { ++calls; });
  const Topic handle = bus.topic("kept.by.handle");
  for (int i = 0; i < 70'000; ++i) bus.publish("t" + std::to_string(i));
  bus.publish("kept.by.listener");
  EXPECT_EQ(calls, 1);
  const Subscription late = bus.subscribe("kept.by.handle", [&](const Event&) { ++calls; });
  EXPECT_EQ(handle.publish().matched, 1U);
  EXPECT_EQ(calls, 2);
}

TEST(Topics, ThatAreForgottenWhileAHandlerStandsOnThemAreSafe) {
  Bus bus;
  int calls = 0;
  const Subscription all = bus.subscribe("*", [&](const Event& event) {
    ++calls;
    if (event.topic() != "first") return;
    for (int i = 0; i < 70'000; ++i) bus.publish("t" + std::to_string(i));
    EXPECT_EQ(event.topic(), "first");
  });
  bus.publish("first");
  EXPECT_EQ(calls, 70'001);
  EXPECT_EQ(bus.publish("first").matched, 1U);
}

}  // namespace
}  // namespace busway
