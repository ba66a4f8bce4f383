// History, replay, statistics and counters.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "bus_fixture.hpp"
#include "busway/testing/manual_clock.hpp"

namespace busway {
namespace {

Names topics_of(const std::vector<Event>& events) {
  Names names;
  for (const Event& event : events) names.emplace_back(event.topic());
  return names;
}

// -- History --------------------------------------------------------------------------------------

TEST(History, IsNewestFirstAndHoldsWhatNobodyListenedTo) {
  Bus bus;
  bus.publish("a", Json{{"n", 1}});
  bus.publish("b", Point{1, 2});
  bus.publish(Note{"long enough for a block", {1, 2, 3}});
  (void)bus.publish_async("d");
  const std::vector<Event> all = bus.history();
  ASSERT_EQ(topics_of(all), (Names{"d", "note.added", "b", "a"}));
  EXPECT_EQ(all[1].as<Note>().numbers, (std::vector{1, 2, 3}));
  EXPECT_EQ(all[2].as<Point>().y, 2);
  EXPECT_EQ(all[3].json()["n"], 1);
}

TEST(History, IsFoundByPatternLimitAndTime) {
  const auto clock = std::make_shared<testing::ManualClock>();
  Bus bus(quiet({.clock = clock}));
  for (int i = 0; i < 10; ++i) {
    bus.publish((i % 2 == 0 ? "even." : "odd.") + std::to_string(i));
    clock->advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(topics_of(bus.history("even.*")),
            (Names{"even.8", "even.6", "even.4", "even.2", "even.0"}));
  EXPECT_EQ(topics_of(bus.history("odd.*", 2)), (Names{"odd.9", "odd.7"}));
  EXPECT_EQ(topics_of(bus.history({"odd.1", "even.0", "seg:*.2"})),
            (Names{"even.2", "odd.1", "even.0"}));
  EXPECT_EQ(topics_of(bus.history("*", 0, testing::ManualClock::kStart + std::chrono::seconds(8))),
            (Names{"odd.9", "even.8"}));
  EXPECT_EQ(bus.history("nothing").size(), 0U);
  error_of(ErrorCode::invalid_pattern, [&] { (void)bus.history(""); });
}

TEST(History, KeepsTheLastOnes) {
  Bus bus(quiet({.history = 5}));
  for (int i = 0; i < 23; ++i) bus.publish("e" + std::to_string(i));
  EXPECT_EQ(topics_of(bus.history()), (Names{"e22", "e21", "e20", "e19", "e18"}));
}

TEST(History, MayBeSwitchedOff) {
  Bus bus(quiet({.history = 0}));
  bus.publish("a");
  bus.publish(Note{"x", {}});
  EXPECT_TRUE(bus.history().empty());
}

TEST(History, OutlivesTheValuesThatWerePublished) {
  Bus bus;
  {
    const Note note{std::string(100, 'x'), std::vector<int>(100, 7)};
    bus.publish(note);
  }
  const std::vector<Event> all = bus.history();
  EXPECT_EQ(all.at(0).as<Note>().numbers, std::vector<int>(100, 7));
}

TEST(History, KeepsTheOrderOfAThreadEvenWhenTheClockStepsBack) {
  const auto clock = std::make_shared<testing::ManualClock>();
  Bus bus(quiet({.clock = clock}));
  bus.publish("first");
  clock->set_wall(testing::ManualClock::kStart - std::chrono::hours(1));
  bus.publish("second");
  clock->set_wall(testing::ManualClock::kStart + std::chrono::hours(1));
  bus.publish("third");
  EXPECT_EQ(topics_of(bus.history()), (Names{"third", "second", "first"}));
  std::thread other([&] {
    bus.publish("x");
    clock->set_wall(testing::ManualClock::kStart - std::chrono::hours(1));
    bus.publish("y");
  });
  other.join();
  Names theirs;
  for (const Event& event : bus.history()) {
    if (event.topic().size() == 1) theirs.emplace_back(event.topic());
  }
  EXPECT_EQ(theirs, (Names{"y", "x"}));
}

TEST(History, MergesThreadsByTimeAlsoThoseThatEnded) {
  const auto clock = std::make_shared<testing::ManualClock>();
  Bus bus(quiet({.history = 12, .clock = clock}));
  const auto say = [&](const std::string& topic) {
    bus.publish(topic);
    clock->advance(std::chrono::seconds(1));
  };
  say("main1");
  std::thread([&] {
    say("one1");
    say("one2");
  }).join();
  say("main2");
  std::thread([&] { say("two1"); }).join();
  say("main3");
  EXPECT_EQ(topics_of(bus.history()), (Names{"main3", "two1", "main2", "one2", "one1", "main1"}));
  for (int i = 0; i < 5; ++i) {
    std::thread([&] { say("late" + std::to_string(i)); }).join();
  }
  EXPECT_EQ(topics_of(bus.history("*", 7)),
            (Names{"late4", "late3", "late2", "late1", "late0", "main3", "two1"}));
  for (int i = 0; i < 20; ++i) {
    std::thread([&] { say("more" + std::to_string(i)); }).join();
  }
  const std::vector<Event> all = bus.history();
  ASSERT_EQ(all.size(), 12U);
  EXPECT_EQ(all.front().topic(), "more19");
  EXPECT_EQ(all.back().topic(), "more8");
}

TEST(History, IsWholeWhileOthersPublish) {
  Bus bus(quiet({.history = 1000}));
  std::atomic<bool> stop{false};
  std::vector<std::thread> publishers;
  for (int t = 0; t < 2; ++t) {
    publishers.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) bus.publish("t" + std::to_string(t), Point{i, t});
    });
  }
  for (int round = 0; round < 100; ++round) {
    std::map<std::string, int> last;
    for (const Event& event : bus.history()) {
      const int x = event.as<Point>().x;
      const auto [at, fresh] = last.emplace(std::string(event.topic()), x);
      if (fresh) continue;
      ASSERT_EQ(x, at->second - 1);
      at->second = x;
    }
  }
  stop = true;
  for (std::thread& one : publishers) one.join();
}

// -- Replay ---------------------------------------------------------------------------------------

struct Replayed {
  Names seen;
  std::vector<bool> cut;
};

Subscription replay(Bus& bus, const Patterns& patterns, Replayed& into, Replay from,
                    SubscriptionOptions options = {}) {
  options.mode = Mode::async;
  options.replay = from;
  return bus.subscribe(
      patterns,
      [&into](const Event& event, Context& context) {
        into.seen.emplace_back(event.topic());
        into.cut.push_back(context.history_was_cut());
      },
      options);
}

TEST(ReplayOf, TheBeginningComesOldestFirstBeforeWhatIsLive) {
  Pumped pumped;
  for (const char* topic : {"a.1", "b.1", "a.2"}) pumped.bus.publish(topic);
  Replayed got;
  const Subscription one = replay(pumped.bus, "a.*", got, Replay::beginning());
  pumped.bus.publish("a.3");
  pumped.bus.poll();
  pumped.bus.publish("a.4");
  pumped.bus.poll();
  EXPECT_EQ(got.seen, (Names{"a.1", "a.2", "a.3", "a.4"}));
  EXPECT_EQ(got.cut, std::vector(4, false));
  const SubscriptionInfo info = info_of(pumped.bus, one.id());
  EXPECT_EQ(info.counters.matched, 4U);
  EXPECT_EQ(info.counters.delivered, 4U);
  EXPECT_TRUE(adds_up(pumped.bus.stats()));
}

TEST(ReplayOf, AnExactTopicWorksToo) {
  Pumped pumped;
  for (const char* topic : {"a", "b", "a"}) pumped.bus.publish(topic);
  Replayed got;
  const Subscription one = replay(pumped.bus, "a", got, Replay::beginning());
  pumped.bus.poll();
  EXPECT_EQ(got.seen, (Names{"a", "a"}));
}

TEST(ReplayOf, TheLastNCountsThoseThatMatch) {
  Pumped pumped;
  for (int i = 0; i < 10; ++i) pumped.bus.publish((i % 2 == 0 ? "a." : "b.") + std::to_string(i));
  Replayed got;
  const Subscription one = replay(pumped.bus, "a.*", got, Replay::last(2));
  Replayed all;
  const Subscription two = replay(pumped.bus, "a.*", all, Replay::last(50));
  Replayed filtered;
  const Subscription three =
      replay(pumped.bus, "a.*", filtered, Replay::last(2),
             {.filter = [](const Event& event) { return event.topic() < "a.5"; }});
  pumped.bus.poll();
  EXPECT_EQ(got.seen, (Names{"a.6", "a.8"}));
  EXPECT_EQ(all.seen, (Names{"a.0", "a.2", "a.4", "a.6", "a.8"}));
  EXPECT_EQ(filtered.seen, (Names{"a.2", "a.4"}));
}

TEST(ReplayOf, WhatCameSinceATime) {
  const auto clock = std::make_shared<testing::ManualClock>();
  Pumped pumped(BusOptions{.clock = clock});
  for (int i = 0; i < 5; ++i) {
    pumped.bus.publish("e" + std::to_string(i));
    clock->advance(std::chrono::seconds(1));
  }
  Replayed got;
  const Subscription one = replay(
      pumped.bus, "*", got, Replay::since(testing::ManualClock::kStart + std::chrono::seconds(3)));
  pumped.bus.poll();
  EXPECT_EQ(got.seen, (Names{"e3", "e4"}));
}

TEST(ReplayOf, SinceATimeLeavesOutNoneBehindOneOfAnOlderStamp) {
  using std::chrono::seconds;
  const WallTime start = testing::ManualClock::kStart;
  for (const std::size_t history : {std::size_t{3}, std::size_t{4}}) {
    const auto clock = std::make_shared<testing::ManualClock>();
    Pumped pumped(BusOptions{.history = history, .clock = clock});
    const auto say = [&](const std::string& topic, seconds at) {
      clock->set_wall(start + at);
      pumped.bus.publish(topic);
    };
    say("before", seconds(0));
    say("first", seconds(10));
    say("stepped_back", seconds(-3600));
    say("last", seconds(20));
    Replayed got;
    const Subscription one = replay(pumped.bus, "*", got, Replay::since(start + seconds(5)));
    pumped.bus.poll();
    EXPECT_EQ(got.seen, (Names{"first", "last"})) << history;
    // Only the oldest that is kept tells how far the history reaches back.
    EXPECT_EQ(got.cut, (std::vector{history == 3, false})) << history;
  }
}

TEST(ReplayOf, MoreThanTheHistoryHoldsIsTold) {
  Pumped pumped(BusOptions{.history = 3});
  for (int i = 0; i < 4; ++i) pumped.bus.publish("e" + std::to_string(i));
  Replayed beginning;
  const Subscription one = replay(pumped.bus, "*", beginning, Replay::beginning());
  Replayed reached;
  const Subscription two = replay(pumped.bus, "*", reached, Replay::last(3));
  pumped.bus.poll();
  pumped.bus.publish("live");
  pumped.bus.poll();
  EXPECT_EQ(beginning.seen, (Names{"e1", "e2", "e3", "live"}));
  EXPECT_EQ(beginning.cut, (std::vector{true, false, false, false}));
  EXPECT_EQ(reached.seen, (Names{"e1", "e2", "e3", "live"}));
  EXPECT_EQ(reached.cut, std::vector(4, false));
}

TEST(ReplayOf, AsMuchAsTheHistoryHoldsIsNotCut) {
  Pumped pumped(BusOptions{.history = 3});
  for (int i = 0; i < 3; ++i) pumped.bus.publish("e" + std::to_string(i));
  Replayed got;
  const Subscription one = replay(pumped.bus, "*", got, Replay::beginning());
  pumped.bus.poll();
  EXPECT_EQ(got.cut, std::vector(3, false));
}

TEST(ReplayOf, WhatIsAllForgottenIsToldByTheFirstLiveEvent) {
  for (const std::size_t history : {std::size_t{0}, std::size_t{2}}) {
    Pumped pumped(BusOptions{.history = history});
    pumped.bus.publish("a");
    for (int i = 0; i < 2; ++i) pumped.bus.publish("b");
    Replayed got;
    const Subscription one = replay(pumped.bus, "a", got, Replay::beginning());
    pumped.bus.publish("a");
    pumped.bus.poll();
    EXPECT_EQ(got.cut, std::vector{true}) << history;
  }
}

TEST(ReplayOf, AnIdThatIsRepeatedIsDeduped) {
  Pumped pumped;
  const Event event("a", {}, {.id = EventId{3, 3}});
  pumped.bus.publish(event);
  Replayed got;
  const Subscription one =
      replay(pumped.bus, "a", got, Replay::beginning(), {.dedupe = std::chrono::hours(1)});
  pumped.bus.publish(event);
  pumped.bus.poll();
  EXPECT_EQ(got.seen, Names{"a"});
}

TEST(ReplayOf, SubscribedInAHandlerHasThatVeryEventOnce) {
  Pumped pumped;
  Replayed got;
  Subscription one;
  const Subscription starter = pumped.bus.subscribe("a", [&](const Event&) {
    if (!one) one = replay(pumped.bus, "a", got, Replay::beginning());
  });
  pumped.bus.publish("a");
  pumped.bus.poll();
  EXPECT_EQ(got.seen, Names{"a"});
}

TEST(ReplayOf, AHistoryThatIsStillWrittenHasNoGapAndNoDuplicate) {
  for (int round = 0; round < 60; ++round) {
    Bus bus(quiet({.queue_capacity = 100'000, .history = 100'000}));
    std::atomic<bool> stop{false};
    std::array<std::atomic<int>, 2> published{};
    std::vector<std::thread> publishers;
    for (std::size_t t = 0; t < 2; ++t) {
      publishers.emplace_back([&, t] {
        const std::string topic = "t." + std::to_string(t);
        while (!stop && published[t] < 20'000) {
          bus.publish(topic, Point{published[t], static_cast<int>(t)});
          ++published[t];
        }
      });
    }
    for (int i = 0; i < round % 7; ++i) std::this_thread::yield();
    std::array<std::vector<int>, 2> seen;
    std::vector<Subscription> noise;
    // Patterns of both kinds: appended to the route in place, and rebuilding it.
    const Patterns pattern = round % 3 == 0   ? Patterns("t.*")
                             : round % 3 == 1 ? Patterns({"t.0", "t.1"})
                                              : Patterns("t.0");
    const Subscription one = bus.subscribe<Point>(
        pattern,
        [&](const Point& point) { seen[static_cast<std::size_t>(point.y)].push_back(point.x); },
        {.mode = Mode::async, .replay = Replay::beginning()});
    for (int i = 0; i < 20; ++i) std::this_thread::yield();
    stop = true;
    for (std::thread& thread : publishers) thread.join();
    ASSERT_TRUE(bus.wait_idle(kLong));
    for (std::size_t t = 0; t < (round % 3 == 2 ? 1U : 2U); ++t) {
      ASSERT_EQ(seen[t].size(), static_cast<std::size_t>(published[t].load())) << "round " << round;
      for (std::size_t i = 0; i < seen[t].size(); ++i)
        ASSERT_EQ(seen[t][i], static_cast<int>(i)) << round;
    }
  }
}

// -- Statistics -----------------------------------------------------------------------------------

const TopicStats* topic_in(const Stats& stats, std::string_view name) {
  for (const TopicStats& one : stats.topics) {
    if (one.topic == name) return &one;
  }
  return nullptr;
}

TEST(Statistics, CountEveryOutcome) {
  Pumped pumped;
  Bus& bus = pumped.bus;
  const Subscription well = bus.subscribe("a", [](const Event&) {});
  const Subscription fails = bus.subscribe("a*", [](const Event&) { throw 42; });
  const Subscription queued =
      bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async, .queue_capacity = 2});
  for (int i = 0; i < 3; ++i) bus.publish("a");
  bus.publish("b");
  Stats stats = bus.stats();
  EXPECT_EQ(stats.published, 4U);
  EXPECT_EQ(stats.unmatched, 1U);
  EXPECT_EQ(stats.matched, 9U);
  EXPECT_EQ(stats.delivered, 3U);
  EXPECT_EQ(stats.failed, 3U);
  EXPECT_EQ(stats.dropped, 1U);
  EXPECT_EQ(stats.in_flight, 2U);
  EXPECT_EQ(stats.subscriptions, 3U);
  EXPECT_EQ(stats.threads, 1U);
  EXPECT_TRUE(adds_up(stats));
  ASSERT_NE(topic_in(stats, "a"), nullptr);
  EXPECT_EQ(topic_in(stats, "a")->published, 3U);
  EXPECT_EQ(topic_in(stats, "a")->matched, 9U);
  EXPECT_EQ(stats.topics[0].topic, "a");
  bus.poll();
  stats = bus.stats();
  EXPECT_EQ(stats.delivered, 5U);
  EXPECT_EQ(stats.in_flight, 0U);
  EXPECT_TRUE(adds_up(stats));
  for (const SubscriptionInfo& info : bus.subscriptions()) EXPECT_TRUE(adds_up(info.counters));
  EXPECT_EQ(info_of(bus, well.id()).counters.delivered, 3U);
  EXPECT_EQ(info_of(bus, fails.id()).counters.failed, 3U);
  EXPECT_EQ(info_of(bus, queued.id()).counters.dropped, 1U);
}

TEST(Statistics, CountPublishAsyncToo) {
  Pumped pumped;
  Bus& bus = pumped.bus;
  const Subscription sync = bus.subscribe("a", [](const Event&) {});
  const Subscription fails = bus.subscribe("a", [](const Event&) { throw 42; });
  const Subscription async = bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  (void)bus.publish_async("a");
  bus.poll();
  const Stats stats = bus.stats();
  EXPECT_EQ(stats.published, 1U);
  EXPECT_EQ(stats.matched, 3U);
  EXPECT_EQ(stats.delivered, 2U);
  EXPECT_EQ(stats.failed, 1U);
  EXPECT_TRUE(adds_up(stats));
  EXPECT_EQ(info_of(bus, sync.id()).counters.delivered, 1U);
  EXPECT_EQ(info_of(bus, fails.id()).counters.failed, 1U);
  EXPECT_EQ(info_of(bus, async.id()).counters.delivered, 1U);
}

TEST(Statistics, CountPublishAsyncByTopicAndUnmatched) {
  Pumped pumped;
  const Subscription sync = pumped.bus.subscribe("a", [](const Event&) {});
  (void)pumped.bus.publish_async("a");
  (void)pumped.bus.publish_async("b");
  pumped.bus.poll();
  const Stats stats = pumped.bus.stats();
  EXPECT_EQ(stats.published, 2U);
  EXPECT_EQ(stats.unmatched, 1U);
  ASSERT_NE(topic_in(stats, "a"), nullptr);
  EXPECT_EQ(topic_in(stats, "a")->published, 1U);
  EXPECT_EQ(topic_in(stats, "a")->matched, 1U);
}

TEST(Statistics, TellByTopicWhatDidNotEndWell) {
  Pumped pumped;
  Bus& bus = pumped.bus;
  const Subscription fails = bus.subscribe("a", [](const Event&) { throw 42; });
  const Subscription dies =
      bus.subscribe("b", [](const Event&) { throw 42; },
                    {.mode = Mode::async, .retry = RetryPolicy{.max_retries = 0}});
  const Subscription small =
      bus.subscribe("c", [](const Event&) {}, {.mode = Mode::async, .queue_capacity = 1});
  Subscription ends = bus.subscribe("d", [](const Event&) {}, {.mode = Mode::async});
  const Subscription displaced =
      bus.subscribe({"e", "f"}, [](const Event&) {},
                    {.mode = Mode::async, .queue_capacity = 1, .overflow = Overflow::drop_oldest});
  for (int i = 0; i < 3; ++i) bus.publish("a");
  (void)bus.publish_async("a");
  bus.publish("b");
  for (int i = 0; i < 3; ++i) bus.publish("c");
  (void)bus.publish_async("c");
  for (int i = 0; i < 2; ++i) bus.publish("d");
  bus.publish("e");
  bus.publish("f");
  ends.reset();
  bus.poll();
  const Stats stats = bus.stats();
  EXPECT_EQ(topic_in(stats, "a")->failed, 4U);
  EXPECT_EQ(topic_in(stats, "b")->dead_lettered, 1U);
  EXPECT_EQ(topic_in(stats, "c")->dropped, 3U);
  EXPECT_EQ(topic_in(stats, "d")->dropped, 2U);
  EXPECT_EQ(topic_in(stats, "e")->dropped, 1U) << "of the event that was displaced";
  EXPECT_EQ(topic_in(stats, "f")->dropped, 0U);
  TopicStats sum;
  for (const TopicStats& one : stats.topics) {
    sum.failed += one.failed;
    sum.dropped += one.dropped;
    sum.dead_lettered += one.dead_lettered;
  }
  EXPECT_EQ(sum.failed, stats.failed);
  EXPECT_EQ(sum.dropped, stats.dropped);
  EXPECT_EQ(sum.dead_lettered, stats.dead_lettered);
  EXPECT_TRUE(adds_up(stats));
}

TEST(Statistics, OfTopicsThatWereForgottenGoToOther) {
  Pumped pumped;
  Bus& bus = pumped.bus;
  const Subscription fails = bus.subscribe("*", [](const Event&) { return Outcome::fail("no"); });
  constexpr std::uint64_t kMany = 100'000;
  for (std::uint64_t i = 0; i < kMany; ++i) bus.publish("user." + std::to_string(i));
  const Stats stats = bus.stats();
  ASSERT_LE(stats.topics.size(), limits::kCountedTopicsMax + 1);
  EXPECT_EQ(stats.topics.back().topic, "other");
  std::uint64_t failed = 0;
  for (const TopicStats& topic : stats.topics) failed += topic.failed;
  EXPECT_EQ(failed, kMany);
  EXPECT_EQ(stats.failed, kMany);
}

TEST(Statistics, SurviveThreadsAndSubscriptionsThatAreGone) {
  Bus bus;
  std::uint64_t calls = 0;
  for (int i = 0; i < 20; ++i) {
    Subscription one = bus.subscribe(i % 2 == 0 ? "a" : "a*", [&](const Event&) { ++calls; });
    const Subscription fails = bus.subscribe("a", [](const Event&) { throw 42; });
    std::thread([&] {
      for (int k = 0; k < 10; ++k) bus.publish("a");
      bus.publish("nobody.hears");
    }).join();
    one.pause();
    std::thread([&] { bus.publish("a"); }).join();
  }
  const Stats stats = bus.stats();
  EXPECT_EQ(stats.published, 20U * 12U);
  EXPECT_EQ(stats.unmatched, 20U);
  EXPECT_EQ(stats.delivered, calls);
  EXPECT_EQ(stats.delivered, 200U);
  EXPECT_EQ(stats.failed, 220U);
  EXPECT_TRUE(adds_up(stats));
  EXPECT_EQ(stats.threads, 0U);
  EXPECT_EQ(stats.subscriptions, 0U);
  EXPECT_EQ(topic_in(stats, "a")->published, 220U);
}

TEST(Statistics, OfASubscriptionSurviveEverythingElseComingAndGoing) {
  Bus bus;
  std::uint64_t calls = 0;
  const Subscription stays = bus.subscribe("a", [&](const Event&) { ++calls; });
  const Subscription wild = bus.subscribe("*", [](const Event&) {});
  std::vector<Subscription> others;
  for (int i = 0; i < 3000; ++i) {
    if (i % 3 == 0)
      others.push_back(
          bus.subscribe(i % 2 == 0 ? "a" : "a*", [](const Event&) {}, {.priority = i % 5}));
    if (others.size() > 20) others.erase(others.begin() + i % 20);
    bus.publish("a");
  }
  EXPECT_EQ(calls, 3000U);
  EXPECT_EQ(info_of(bus, stays.id()).counters.matched, 3000U);
  EXPECT_EQ(info_of(bus, wild.id()).counters.delivered, 3000U);
  EXPECT_TRUE(adds_up(bus.stats()));
}

TEST(Statistics, AreNeverNonsenseWhileOthersPublish) {
  Bus bus(quiet());
  Subscription paused = bus.subscribe("a", [](const Event&) {});
  paused.pause();
  const Subscription fails = bus.subscribe("b", [](const Event&) { throw 42; });
  std::atomic<bool> stop{false};
  std::thread publisher([&] {
    while (!stop) {
      bus.publish("a");
      bus.publish("b");
    }
  });
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(adds_up(bus.stats()));
    for (const SubscriptionInfo& info : bus.subscriptions()) ASSERT_TRUE(adds_up(info.counters));
  }
  stop = true;
  publisher.join();
  const Stats stats = bus.stats();
  EXPECT_EQ(stats.failed, stats.matched);
}

TEST(Statistics, CountWhatPublishAsyncPassesOverNeitherHereNorThere) {
  Pumped pumped;
  Subscription one = pumped.bus.subscribe("a", [](const Event&) {});
  one.pause();
  (void)pumped.bus.publish_async("a");
  (void)pumped.bus.poll();
  one.resume();
  (void)pumped.bus.publish("a");
  EXPECT_EQ(info_of(pumped.bus, one.id()).counters.delivered, 1U);
  EXPECT_EQ(pumped.bus.stats().delivered, 1U);
}

TEST(Statistics, CountAFilterThatThrowsUnderPublishAsyncAsAFailedDelivery) {
  Pumped pumped;
  const Subscription one =
      pumped.bus.subscribe("a", [](const Event&) {},
                           {.mode = Mode::async, .filter = [](const Event&) -> bool { throw 7; }});
  const Receipt receipt = pumped.bus.publish_async("a");
  (void)pumped.bus.poll();
  EXPECT_EQ(receipt.result().matched, 1U);
  ASSERT_EQ(receipt.outcomes().size(), 1U);
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::failed);
  EXPECT_EQ(receipt.status(), EventStatus::failed);
  const Stats stats = pumped.bus.stats();
  EXPECT_EQ(stats.failed, 1U);
  EXPECT_EQ(stats.unmatched, 0U);
  EXPECT_TRUE(adds_up(stats));
  EXPECT_EQ(info_of(pumped.bus, one.id()).counters.failed, 1U);
}

TEST(Statistics, KeepTheRetriesOfASynchronousSubscriptionThatHasEnded) {
  Bus bus(quiet());
  RetryPolicy policy;
  policy.total = std::chrono::seconds(60);
  Subscription one =
      bus.subscribe("a", [](const Event&) { return Outcome::retry(std::chrono::nanoseconds(0)); },
                    {.retry = policy});
  bus.publish("a");
  EXPECT_EQ(bus.stats().retried, 3U);
  one.reset();
  EXPECT_EQ(bus.stats().retried, 3U);
}

TEST(Statistics, CountAsUnmatchedWhatComesAfterTheLastListenerHasEnded) {
  Bus bus(quiet());
  Subscription one = bus.subscribe("a", [](const Event&) {});
  bus.publish("a");
  one.reset();
  bus.publish("a");
  EXPECT_EQ(bus.stats().unmatched, 1U);
}

TEST(Statistics, TimeHandlers) {
  Bus bus(quiet());
  const Subscription plain = bus.subscribe("a", [](const Event&) {});
  const Subscription named = bus.subscribe("a", [](const Event&) {}, {.name = "named"});
  const Subscription async = bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  for (int i = 0; i < 1000; ++i) bus.publish("a");
  bus.wait_idle(kLong);
  for (const SubscriptionInfo& info : bus.subscriptions()) {
    EXPECT_GE(info.latency.samples, 1U) << info.name;
    EXPECT_LE(info.latency.p50_ns, info.latency.p90_ns);
    EXPECT_LE(info.latency.p90_ns, info.latency.p99_ns);
  }
}

}  // namespace
}  // namespace busway
